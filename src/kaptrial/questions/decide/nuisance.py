"""Worlds without the effect asked about in which everything else may be other than planned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from kaptrial.errors import FieldError
from kaptrial.questions.power.nulls import differ_in
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import Sourced

# More worlds than this are a slip of the pen.
MOST_WORLDS = 200
# By what a number is multiplied unless the scenario declares a grid, one number at a time; shares end at .95.
FACTORS = {
    "therapy": (0.0, 2.0),
    "drug": (0.5, 1.5),
    "spread": (1.33,),
    "correlation": (4.0,),
    "therapists": (2.0,),
    "dropout": (2.0,),
}
GREATEST_SHARE = 0.95


@dataclass(frozen=True, kw_only=True)
class World:
    """A scenario in which some numbers are others; `label` says which."""

    label: str
    values: Mapping[str, float]
    scenario: Scenario


def worlds(s: Scenario) -> list[World]:
    """Every combination of the values that the scenario declares; else one number at a time.

    Raises ScenarioError for a path or value that does not fit, FieldError for too many combinations.
    """
    declared = s.decision.nuisance
    if declared is None:
        points: list[dict[str, float]] = [{path: value} for path, value in _usual(s)]
    else:
        if (n := prod(map(len, declared.values()))) > MOST_WORLDS:
            raise FieldError("nuisance", n, f"combinations must be at most {MOST_WORLDS}")
        points = [dict(zip(declared, point, strict=True)) for point in product(*declared.values())]
    return [World(label=_label(point), values=point, scenario=s.with_values(point)) for point in points]


def _label(point: Mapping[str, float]) -> str:
    return ", ".join(f"{path} = {value:.4g}" for path, value in point.items())


def _usual(s: Scenario) -> Iterator[tuple[str, float]]:
    """Paths and values of the numbers that the scenario has and that its null leaves alone."""
    asks = differ_in(s, s.estimand) if s.contrast(s.estimand).kind != "interaction" else set()
    given = {arm.therapy.name for arm in s.arms if arm.therapy is not None}
    if "therapy" not in asks:
        for name in sorted(given):
            yield from _varied(f"therapies.{name}.max_effect", s.therapies[name].max_effect, "therapy")
    if "drug" not in asks and any(arm.doses for arm in s.arms):
        for name in ("share", "max_effect", "slope"):
            yield from _varied(f"drug.{name}", getattr(s.drug, name), "drug")
    yield from _varied("measurement.deviation_sd", s.measurement.deviation_sd, "spread")
    yield from _varied("measurement.deviation_time_constant", s.measurement.deviation_time_constant, "correlation")
    for name in sorted(given):
        therapists = s.therapies[name].therapists
        if therapists is not None:
            yield from _varied(f"therapies.{name}.therapists.sd", therapists.sd, "therapists")
    if s.conduct.dropout is not None:
        yield from _varied("conduct.dropout.hazard", s.conduct.dropout.hazard, "dropout")


def _varied(path: str, number: Any, kind: str) -> Iterator[tuple[str, float]]:
    """A number multiplied; nothing where there is none, or one for each arm."""
    if not isinstance(number, Sourced) or number.value == 0:
        return
    for factor in FACTORS[kind]:
        value = number.value * factor
        yield path, min(value, GREATEST_SHARE) if number.unit == "share" else value
