"""The numbers of a scenario that follow from published figures, recomputed from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from kaptrial.catalogue.priors import REFERENCE_POPULATION
from kaptrial.errors import FieldError
from kaptrial.priors.comparison import new_trials, population_of
from kaptrial.priors.design_prior import beliefs, parts_under
from kaptrial.scenario.derived import formula
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import ASSUMPTION, SPREADS, Sourced, walk

# Takes the place of an effect in points or logits, which the priors' share would stand beside.
_ANY_SHARE = Sourced(value=0.5, unit="share", source=ASSUMPTION, note="replaced")


@dataclass(frozen=True, kw_only=True)
class Recomputed:
    """A value or a spread with what its formula gives. `path`: where it stands in the scenario."""

    path: str
    stated: float
    computed: float

    @property
    def agrees(self) -> bool:
        """Whether what is stated is the computed number, rounded to the digits that are stated."""
        _, _, digits = f"{self.stated:.12g}".partition(".")
        return math.isclose(self.stated, self.computed, rel_tol=1e-9, abs_tol=0.5 * 10.0 ** -len(digits) * (1 + 1e-9))


def recomputed(scenario: Scenario) -> list[Recomputed]:
    """Every value and spread whose `derived` is a formula, in the order of the scenario.

    Raises FieldError for a median of what the prior has no draws of.
    """
    under: dict[str, dict[str, Sourced]] = {}
    results: list[Recomputed] = []
    for path, own in walk(scenario):
        spread = next((name for name in SPREADS if getattr(own, name) is not None), None)
        parts = [("derived", "value", own.derived, own.source)]
        if spread is not None:
            parts.append(("spread_derived", spread, own.spread_derived, own.spread_source or own.source))
        for key, part, text, source in parts:
            stated = formula(text, source)
            if stated is None:
                continue
            if stated.has_median and source not in under:
                under[source] = _under(scenario, source)
            median = _median(under[source].get(path), own, part) if stated.has_median else None
            try:
                computed = stated.value(source, median)
            except FieldError as error:
                raise FieldError(f"{path}.{key}", error.value, error.allowed) from None
            at = path if part == "value" else f"{path}.{part}"
            results.append(Recomputed(path=at, stated=getattr(own, part), computed=computed))
    return results


def _median(drawn: Sourced | None, own: Sourced, part: str) -> float | None:
    """The median of the draws; None where the prior has none, or none in the scenario's unit."""
    if drawn is None or drawn.unit != own.unit:
        return None
    draws = getattr(drawn, part)
    return float(np.median(draws)) if np.ndim(draws) == 1 else None


def _under(scenario: Scenario, prior: str) -> dict[str, Sourced]:
    """The numbers of the scenario under every draw of the prior for a new trial in its population.

    None where the outcome is counted by days, of which the priors do not speak.
    """
    if scenario.scale.link != "identity":
        return {}
    population = population_of(scenario) or REFERENCE_POPULATION
    draws = new_trials(scenario, population, prior)
    without_effect = replace(scenario, drug=replace(scenario.drug, max_effect=None, share=_ANY_SHARE))
    parts = parts_under(without_effect, draws, prior, population, beliefs(scenario))
    return dict(each for name, part in parts.items() for each in walk(part, name))
