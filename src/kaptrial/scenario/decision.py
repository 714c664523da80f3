"""How a Bayesian trial concludes, what its analysis believes and what is true (docs/decisions.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from kaptrial.catalogue.effect_priors import NAMES
from kaptrial.errors import FieldError, nearest
from kaptrial.scenario.noun import Identifier, Number, Text, noun
from kaptrial.scenario.own_prior import OwnPrior, is_expression, parsed

# Design priors besides the named ones: the scenario's own values, its null, and the draws of its `prior`.
FIXED, NULL, PRIOR = "scenario", "null", "prior"
DESIGN_PRIORS = (FIXED, NULL, PRIOR, *(name for name in NAMES if name != "flat"))
# YAML reads a bare `null` as nothing.
DesignPrior = Annotated[
    Text, BeforeValidator(lambda raw: NULL if raw is None else raw, json_schema_input_type=str | None)
]


@noun
class DecisionRule:
    """The rule, and the priors under which it is used and judged.

    `go`: the effect is better than `margin` (points towards benefit) with at least this probability. `no_go`: with at
    most this one. Otherwise, with `rope` (half width in points) given, no difference: it is nearer to 0 than that with
    at least the probability `rope_probability`. Consider: none of these.
    `priors`: what the analysis believes, by name or stated. `design_priors`: what is true: FIXED, NULL, PRIOR or such a
    prior. `own_priors`: further names. `nuisance`: values of other numbers, by path, at which the type I error is told.
    """

    margin: Number = 0.0
    go: Number = 0.975
    no_go: Number = 0.1
    rope: Number | None = None
    rope_probability: Number = 0.9
    priors: tuple[Text, ...] = ("weak", "skeptical", "evidence")
    design_priors: tuple[DesignPrior, ...] = (FIXED, NULL)
    own_priors: Mapping[Identifier, OwnPrior] | None = None
    nuisance: Mapping[Text, tuple[Number, ...]] | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.margin):
            raise FieldError("margin", self.margin, "must be a finite number of points")
        for name in ("go", "rope_probability"):
            if not 0.5 <= getattr(self, name) < 1:
                raise FieldError(name, getattr(self, name), "must be a probability from 0.5 to below 1")
        if not 0 <= self.no_go < self.go:
            raise FieldError("no_go", self.no_go, f"must be a probability from 0 to below `go`, {self.go:g}")
        if self.rope is not None and not 0 < self.rope < math.inf:
            raise FieldError("rope", self.rope, "must be more than 0 points")
        own = tuple(self.own_priors or {})
        for name in own:
            if name in DESIGN_PRIORS or name in NAMES:
                raise FieldError(f"own_priors.{name}", name, "must differ from the names of other priors")
        _check_names("priors", self.priors, (*NAMES, *own))
        _check_names("design_priors", self.design_priors, (*DESIGN_PRIORS, *own))
        for path, values in (self.nuisance or {}).items():
            if not values:
                raise FieldError(f"nuisance.{path}", [], "must list at least one value")


def _check_names(field: str, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    if not names:
        raise FieldError(field, [], "must name at least one")
    for i, name in enumerate(names):
        if is_expression(name):
            try:
                parsed(name)
            except FieldError as error:
                raise error.below(f"{field}[{i}]") from None
        elif name not in known:
            raise FieldError(f"{field}[{i}]", name, f"must be one of {', '.join(known)}{nearest(name, known)}")
        if name in names[:i]:
            raise FieldError(f"{field}[{i}]", name, "must be named once")
