"""When the state is read: at visits, or in the middle of every day for outcomes counted by days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.catalogue import Scale
from kaptrial.scenario.outcomes import PARTS, OneOfSeveral, Part, as_scale
from kaptrial.scenario.patients import Measurement
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import Sourced
from kaptrial.simulation.by_replicate import Parameter


@dataclass(frozen=True, kw_only=True)
class AssessmentSchedule:
    """Visits, and the days at which the state is read for them.

    A score reads one day a visit. A day-by-day outcome reads the middle of every day since the visit before; its
    entry 0 stands for the days before entry.
    """

    visits: Floats
    days: Floats
    first: Ints
    length: Ints

    def slice(self, visit: int) -> slice:
        """The assessment days of one visit."""
        return slice(int(self.first[visit]), int(self.first[visit] + self.length[visit]))


def assessment_schedule(scale: Scale, at: Sequence[float]) -> AssessmentSchedule:
    """When an outcome on this scale is read for its visits."""
    visits = np.asarray(at, dtype=float)
    if scale.link == "identity":
        return AssessmentSchedule(
            visits=visits,
            days=visits,
            first=np.arange(len(visits)),
            length=np.ones(len(visits), dtype=np.int64),
        )
    last = int(visits[-1])
    length = np.concatenate([[1], np.diff(visits).astype(np.int64)])
    return AssessmentSchedule(
        visits=visits,
        days=np.concatenate([[0.0], np.arange(last) + 0.5]),
        first=np.concatenate([[0], np.cumsum(length)[:-1]]),
        length=length,
    )


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How an outcome is read: its scale, its error, when, and its mean baseline on the latent scale.

    `loadings`: what improvement in the primary outcome is worth in it, by part; None of the primary outcome itself.
    """

    scale: Scale
    measurement: Measurement
    baseline: Sourced
    schedule: AssessmentSchedule
    loadings: Mapping[Part, Parameter] | None = None


def primary_reading(s: Scenario) -> Reading:
    """How the primary outcome is read."""
    schedule = assessment_schedule(s.scale, s.design.visits)
    return Reading(scale=s.scale, measurement=s.measurement, baseline=s.population.baseline, schedule=schedule)


def other_readings(s: Scenario) -> dict[str, Reading]:
    """How each of the other outcomes is read, by name."""
    return {name: _other(s, name, outcome) for name, outcome in s.other_outcomes.items()}


def _other(s: Scenario, name: str, outcome: OneOfSeveral) -> Reading:
    scale, loadings = as_scale(outcome.scale), outcome.loadings
    assert loadings is not None  # the outcome was checked
    assert outcome.baseline is not None
    assert outcome.measurement is not None
    unit = outcome.baseline.spread / s.population.baseline.spread if loadings.per == "sd" else 1.0
    return Reading(
        scale=scale,
        measurement=outcome.measurement,
        baseline=outcome.baseline,
        schedule=assessment_schedule(scale, s.visits_of(name)),
        loadings={part: getattr(loadings, part).value * unit for part in PARTS},
    )
