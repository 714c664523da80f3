"""Assurance of a trial with looks: the plan is that of the scenario's own values, and each draw is held by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.errors import TooFewEligible
from kaptrial.method_table import Side
from kaptrial.model.streams import BLOCK
from kaptrial.questions.looks.planning import Planned, planned
from kaptrial.questions.looks.rows import World
from kaptrial.questions.power.execution import in_threads
from kaptrial.questions.power.measures import share
from kaptrial.questions.power.rows import question
from kaptrial.results import Row
from kaptrial.scenario.scenario import Scenario

# Of the primary question's first analysis, what was known without looks is called by this in front.
WITHOUT_LOOKS = "fixed_"
# What looks do, averaged over the draws; at the scenario's own values `_own` stands behind it.
AVERAGED = ("expected_n", "expected_months", "stop_efficacy", "stop_futility")
_POWERS = ("power", "power_expected_side")


@dataclass(frozen=True, kw_only=True)
class Held:
    """Rows of the primary question with looks: at the scenario's own values, and under each draw, in the same order."""

    own: list[Row]
    by_draw: list[list[Row]]
    max_n: int

    def averaged(self) -> list[Row]:
        """What looks do, averaged over the draws, and at the scenario's own values; draws whose trials are never filled
        have no patients to be counted."""
        rows = []
        for j, own in enumerate(self.own):
            if own.metric in AVERAGED:
                values = np.array([each[j].value for each in self.by_draw])
                values = values[np.isfinite(values)]
                more = {"n_draws": len(values)}
                if len(values) > 1:
                    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
                    drawn = self.by_draw[0][j].n_replicates
                    rows.append(replace(own, value=mean, mcse=error, n_replicates=drawn, n_failed=0, more=more))
                rows.append(replace(own, metric=f"{own.metric}_own", more={"n_draws": None}))
        at_most = replace(self.own[0], metric="max_n", value=float(self.max_n), mcse=0.0, more={"n_draws": None})
        return [*rows, at_most]


def held(
    own: Scenario,
    believed: Sequence[Scenario],
    seeds: Sequence[int],
    sides: Mapping[tuple[int, str], Side],
    *,
    seed: int,
    own_replicates: int,
    replicates: int,
    workers: int,
    progress: Callable[[int], None] | None = None,
) -> Held:
    """The trials of the scenario and of each draw with looks, under the seeds that they have without."""
    plan, at_own = planned(own, seed=seed, replicates=own_replicates, workers=workers, progress=progress)
    side = sides.get((0, plan.analysis))
    first = _rows(own, plan, at_own, side)
    by_draw = []
    tasks = [(plan, s, of_draw, replicates) for s, of_draw in zip(believed, seeds, strict=True)]
    for s, world in zip(believed, in_threads(_world, tasks, workers), strict=True):
        by_draw.append(_never_filled(first, replicates) if world is None else _rows(s, plan, world, side))
        if progress is not None:
            progress(-(-replicates // BLOCK) * BLOCK)
    return Held(own=first, by_draw=by_draw, max_n=own.n_total)


def _world(plan: Planned, s: Scenario, seed: int, replicates: int) -> World | None:
    try:
        return plan.held(s, seed=seed, replicates=replicates)
    except TooFewEligible:
        return None


def _rows(s: Scenario, plan: Planned, world: World, side: Side | None) -> list[Row]:
    course, about = world.course, question(s, s.estimand, plan.analysis)
    n, n_failed = len(course.stop), int((world.fits.looks[-1].failure != 0).sum())
    early = course.stop < course.n_looks - 1
    hits = {"power": course.rejects}
    if side is not None:
        z = plan.sign * course.deciding
        hits["power_expected_side"] = course.rejects & (z > 0 if side == "higher" else z < 0)
    hits |= {"stop_efficacy": course.efficacy & early, "stop_futility": course.futility}
    figures = {name: share(each) for name, each in hits.items()}
    figures |= {"expected_n": _mean(plan.n_randomised(world)), "expected_months": _mean(plan.months(world))}
    return [
        Row(question=about, metric=name, value=value, mcse=mcse, n_replicates=n, n_failed=n_failed)
        for name, (value, mcse) in figures.items()
    ]


def _mean(values: Floats) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def _never_filled(first: Sequence[Row], replicates: int) -> list[Row]:
    """Of trials that are never filled: no power, and no patients to be counted."""
    return [
        replace(row, value=0.0 if row.metric in _POWERS else np.nan, n_replicates=replicates, n_failed=replicates)
        for row in first
    ]


def powers_of(rows: Sequence[Row]) -> list[Row]:
    """Of the rows with looks those that are powers, over which assurance is the mean."""
    return [row for row in rows if row.metric in _POWERS]


def without_looks(rows: Sequence[Row], first: Row) -> list[Row]:
    """The rows, those of the question that looks are about called so."""
    return [
        replace(row, metric=f"{WITHOUT_LOOKS}{row.metric}") if row.question == first.question else row for row in rows
    ]
