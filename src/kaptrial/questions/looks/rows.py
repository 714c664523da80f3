"""Rows of a trial with looks: of the whole trial (look 0) and of each look, beside the trial without looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.estimators.sequential.boundaries import Boundaries
from kaptrial.estimators.sequential.delayed import Decisions
from kaptrial.questions.looks.decisions import Course, Estimates
from kaptrial.questions.looks.trials import Analysed
from kaptrial.questions.power.measures import sd_error, share
from kaptrial.questions.power.truth import Truth
from kaptrial.results import Question, Row
from kaptrial.scenario.looks import Calendar

# Percent of the trials that have no more patients, or months.
QUANTILES = (10, 50, 90)


@dataclass(frozen=True, kw_only=True)
class World:
    """The trials under the scenario or under a null: what their rejections are called, their fits and courses."""

    metric: str
    fits: Analysed
    course: Course


@dataclass(frozen=True, kw_only=True)
class Designed:
    """The plan of an analysis: its boundaries, what they are planned on, the calendar, and what decides after a delay
    where the looks do not."""

    plan: Boundaries
    information: float
    when: Calendar
    decided: Decisions | None = None

    @property
    def months(self) -> Floats:
        """Of the looks and of the end."""
        return np.array([*self.when.looks, self.when.end])

    @property
    def months_decided(self) -> Floats:
        """Of the decisions after the looks, and of the end."""
        if self.decided is None:
            return self.months
        return np.array([*map(self.when.followed_up, self.when.looks), self.when.end])

    @property
    def fixed_months(self) -> float:
        """To the end of the same trial without looks, for which recruitment never stops."""
        return self.when.fixed_end

    @property
    def n_randomised(self) -> Ints:
        """At the looks and at the end."""
        return np.array([*map(self.when.n_randomised, self.when.looks), len(self.when.randomised)])

    @property
    def n_followed(self) -> Ints:
        """At the looks and at the end."""
        return np.array([*map(self.when.n_followed, self.when.looks), len(self.when.randomised)])


class _Rows:
    """Rows of one question."""

    def __init__(self, about: Question, look: int, n: int, failed: int) -> None:
        self.about = replace(about, columns=(*about.columns, ("look", look)))
        self.n, self.failed, self.rows = n, failed, list[Row]()

    def add(self, metric: str, value: float, mcse: float = 0.0) -> None:
        """A figure with its error; 0 where it has none."""
        row = Row(question=self.about, metric=metric, value=value, mcse=mcse, n_replicates=self.n, n_failed=self.failed)
        self.rows.append(row)

    def mean(self, metric: str, values: Floats) -> None:
        """The mean of the values that there are."""
        known = values[np.isfinite(values)]
        if len(known) > 1:
            self.add(metric, float(known.mean()), float(known.std(ddof=1) / np.sqrt(len(known))))


def rows(
    about: Question,
    designed: Designed,
    own: World,
    nulls: list[World],
    at_end: Estimates,
    truth: Truth,
    alpha: float,
    cost: Floats | None = None,
) -> list[Row]:
    """All rows of one analysis. `cost`: of the patients randomised at the looks and at the end."""
    out = _whole(about, designed, own, nulls, at_end, truth, alpha, cost)
    for k in range(own.course.n_looks):
        out += _of_look(about, designed, own, nulls, k)
    return out


def _whole(
    about: Question,
    designed: Designed,
    own: World,
    nulls: list[World],
    at_end: Estimates,
    truth: Truth,
    alpha: float,
    cost: Floats | None,
) -> list[Row]:
    course, last = own.course, own.fits.looks[-1]
    made = _Rows(about, 0, len(course.stop), int((last.failure != 0).sum()))
    for world in (own, *nulls):
        made.add(world.metric, *share(world.course.rejects))
    early = course.stop < course.n_looks - 1
    made.add("stop_efficacy", *share(course.efficacy & early))
    made.add("stop_futility", *share(course.futility))
    for world in (own, *nulls):
        name = "fixed_power" if world is own else f"fixed_{world.metric}"
        made.add(name, *share(rejects_without_looks(world, designed.plan, alpha)))
    n, months = designed.n_randomised, designed.months_decided
    for world in (own, *nulls):
        after = "" if world is own else f"_{world.metric.removesuffix('_rate')}"
        made.mean(f"expected_n{after}", n[world.course.stop].astype(float))
        made.mean(f"expected_months{after}", months[world.course.stop])
    for world in (own, *nulls):
        after = "" if world is own else f"_{world.metric.removesuffix('_rate')}"
        made.mean(f"n_saved{after}", (n[-1] - n[world.course.stop]).astype(float))
        made.mean(f"months_saved{after}", designed.fixed_months - months[world.course.stop])
    if cost is not None:
        for world in (own, *nulls):
            after = "" if world is own else f"_{world.metric.removesuffix('_rate')}"
            made.mean(f"expected_cost{after}", cost[world.course.stop])
            made.mean(f"cost_saved{after}", cost[-1] - cost[world.course.stop])
        made.add("max_cost", float(cost[-1]))
    for name, values in (("n", n[course.stop].astype(float)), ("months", months[course.stop])):
        for percent in QUANTILES:
            made.add(f"{name}_q{percent}", *_quantile(values, percent / 100))
    made.add("max_n", float(n[-1]))
    made.add("max_months", float(months[-1]))
    made.add("fixed_months", designed.fixed_months)
    made.add("planned_information", designed.information)
    made.add("truth", truth.value, truth.mcse)
    made.mean("mean_estimate", at_end.naive)
    naive = at_end.naive[np.isfinite(at_end.naive)]
    if len(naive) > 1:
        error = float(np.hypot(naive.std(ddof=1) / np.sqrt(len(naive)), truth.mcse))
        made.add("bias", float(naive.mean() - truth.value), error)
    made.mean("mean_bias_adjusted", at_end.bias_adjusted)
    made.mean("mean_median_unbiased", at_end.median_unbiased)
    known = np.isfinite(at_end.median_unbiased)
    if known.any():
        made.add("median_unbiased_above_truth", *share(at_end.median_unbiased[known] > truth.value))
        made.add("naive_above_truth", *share(at_end.naive[known] > truth.value))
        covered = (at_end.lower[known] <= truth.value) & (truth.value <= at_end.upper[known])
        made.add("coverage", *share(covered))
    return made.rows


def _quantile(values: Floats, p: float) -> tuple[float, float]:
    """The smallest value that a share `p` of the trials does not exceed; its error is half of the way between those at
    one standard error of that share to either side, 0 where they are one look."""
    error = np.sqrt(p * (1 - p) / len(values))
    low, at, high = np.quantile(values, np.clip([p - error, p, p + error], 0, 1), method="inverted_cdf")
    return float(at), float(high - low) / 2


def rejects_without_looks(world: World, plan: Boundaries, alpha: float) -> Bools:
    """Which trials reject without looks: at the end, at the whole level, on the sides that the design has."""
    z = world.course.z[:, -1]
    last = world.fits.looks[-1]
    rejects = np.nan_to_num(last.p, nan=1.0) < alpha
    return rejects if plan.rule.sided == 2 else rejects & (z > 0)


def _of_look(about: Question, designed: Designed, own: World, nulls: list[World], k: int) -> list[Row]:
    course, fit = own.course, own.fits.looks[k]
    here, last = course.stop == k, k + 1 == course.n_looks
    made = _Rows(about, k + 1, len(course.stop), int((fit.failure != 0).sum()))
    made.add("months", float(designed.months[k]))
    made.add("n_randomised", float(designed.n_randomised[k]))
    made.add("n_followed", float(designed.n_followed[k]))
    for name, values in _planned(designed.plan, k).items():
        made.add(name, values)
    information = course.information[np.isfinite(course.information[:, k]), k]
    if len(information) > 1:
        # 1 over the mean squared error, and the error of that by the delta method.
        squares = 1.0 / information
        made.add(
            "information",
            1.0 / squares.mean(),
            float(squares.std(ddof=1) / np.sqrt(len(squares)) / squares.mean() ** 2),
        )
        made.add("information_sd", float(information.std(ddof=1)), sd_error(information))
    made.add("stop_efficacy", *share(course.efficacy & here))
    made.add("stop_futility", *share(course.futility & here))
    made.add("cumulative_power", *share(course.rejects & (course.stop <= k)))
    for world in nulls:
        by_now = world.course.stop <= k
        made.add(f"cumulative_{world.metric}", *share(world.course.rejects & by_now))
        made.add(
            f"stop_futility_{world.metric.removesuffix('_rate')}",
            *share(world.course.futility & by_now & (world.course.stop == k)),
        )
    if not last:
        made.add("under_way", float(designed.n_randomised[k] - designed.n_followed[k]))
        _add_later(made, designed, own, k)
    return made.rows


def _planned(plan: Boundaries, k: int) -> Mapping[str, float]:
    from scipy.special import ndtr

    numbers = {"planned_z": float(plan.upper[k])}
    if plan.has_futility:
        numbers["planned_z_futility"] = float(plan.lower[k])
    return numbers | {"planned_p": float(plan.rule.sided * ndtr(-plan.upper[k]))}


def _add_later(made: _Rows, designed: Designed, own: World, k: int) -> None:
    """What becomes of the trials that a look stops once those under way are followed up; a share needs two of them."""
    course, decided, here = own.course, designed.decided, own.course.stop == k
    if decided is not None:
        made.add("months_decided", float(designed.months_decided[k]))
        made.add("information_decided", float(decided.information[k]))
        made.add("planned_z_decision", float(decided.critical[k]))
        made.add("rejected", *share(course.rejects & here))
    for name, stopped in (("reversed", course.efficacy & here), ("reversed_futility", course.futility & here)):
        if stopped.sum() < 2:
            continue
        if decided is not None:
            made.add(name, *share(course.rejects[stopped] == course.futility[stopped]))
        elif name == "reversed":
            made.add(name, *share(_reversed(own, designed.plan, k, stopped)))


def _reversed(own: World, plan: Boundaries, k: int, stopped: Bools) -> Any:
    """Which of the trials stopped for efficacy would not reject at the whole level once those under way are followed
    up."""
    fit = own.fits.followed_up[k]
    p = np.nan_to_num(fit.p[stopped], nan=1.0)
    same_side = np.sign(fit.departure[stopped]) == np.sign(own.fits.looks[k].departure[stopped])
    return ~((p < 2 * plan.rule.alpha / plan.rule.sided) & same_side)
