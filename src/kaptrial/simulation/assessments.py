"""When the state is read: at visits, or in the middle of every day for outcomes counted by days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.scenario.scenario import Scenario


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


def assessment_schedule(s: Scenario) -> AssessmentSchedule:
    """The assessment schedule of a scenario."""
    visits = np.asarray(s.design.visits, dtype=float)
    if s.scale.link == "identity":
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
