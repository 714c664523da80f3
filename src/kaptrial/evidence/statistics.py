"""The published statistics, computed from simulated scores exactly as a trial would compute them.

Every function takes scores (draw, patient, visit) whose first visit is day 0, and returns one number a draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from kaptrial.arrays import Bools, Floats
from kaptrial.evidence.synthesis.layout import DEFAULT_FRACTION, Target, response_fraction

Days = tuple[float, ...]


def statistic(
    target: Target, scores: Mapping[str, Floats], visits: Mapping[str, Days], doses: Mapping[str, Days]
) -> Floats:
    """The target's statistic, one a draw; shares as shares. `visits`: days of each arm's scores after day 0."""
    return STATISTICS[target.statistic](target, scores, visits, doses)


def _column(visits: Days, day: float) -> int:
    return 1 + visits.index(day)


def _improved(y: Floats, column: int) -> Floats:
    return y[..., 0] - y[..., column]


def responders(y: Floats, column: int, fraction: float = DEFAULT_FRACTION) -> Bools:
    """Whether at least `fraction` of the day-0 score is gone at the visit in `column`; no is the answer for a 0."""
    return (y[..., 0] > 0) & (_improved(y, column) >= fraction * y[..., 0] - 1e-9)


def _responds(target: Target, y: Floats, column: int, fraction: float | None = None) -> Bools:
    return responders(y, column, response_fraction(target) if fraction is None else fraction)


def _remits(target: Target, y: Floats, column: int) -> Bools:
    return y[..., column] <= target.settings["at_most"]


def _mean_improvement(target: Target, y: Floats, visits: Days) -> Floats:
    return np.mean([_improved(y, _column(visits, day)) for day in target.days], axis=0)


def _share_of(event: Bools, among: Bools) -> Floats:
    count = among.sum(axis=1)
    return np.where(count > 0, (event & among).sum(axis=1) / np.maximum(count, 1), np.nan)


def _single(of: Callable[[Target, Floats, Days], Floats]) -> Callable[..., Floats]:
    def on_first_arm(target: Target, scores: Mapping[str, Floats], visits: Mapping[str, Days], doses: object) -> Floats:
        arm = target.arms[0]
        return of(target, scores[arm], visits[arm])

    return on_first_arm


def _started(target: Target, y: Floats, visits: Days) -> Bools:
    """Responders (or remitters) on the day from which they are followed; everybody where no day is given."""
    if "remission_day" in target.settings:
        return _remits(target, y, _column(visits, target.settings["remission_day"]))
    if "response_day" in target.settings:
        return _responds(target, y, _column(visits, target.settings["response_day"]))
    return np.ones(y.shape[:2], dtype=np.bool_)


def _relapse_day(target: Target, y: Floats, visits: Days) -> Floats:
    """Day of the first visit with too little of the improvement left; infinite if none."""
    day = np.full(y.shape[:2], np.inf)
    for visit in reversed(target.days):
        lost = ~_responds(target, y, _column(visits, visit), target.settings["kept"])
        day = np.where(lost, visit, day)
    return day


def _relapsed(target: Target, y: Floats, visits: Days) -> Floats:
    return _share_of(np.isfinite(_relapse_day(target, y, visits)), _started(target, y, visits))


def _median_days(target: Target, y: Floats, visits: Days) -> Floats:
    """Kaplan-Meier median of complete follow-up: the day by which half have relapsed; infinite if they have not."""
    day = np.where(_started(target, y, visits), _relapse_day(target, y, visits), np.nan)
    ordered = np.sort(day, axis=1)
    count = (~np.isnan(day)).sum(axis=1)
    half = np.maximum(np.ceil(count / 2).astype(np.int64) - 1, 0)
    return np.where(count > 0, ordered[np.arange(len(day)), half], np.nan) - target.settings["from_day"]


def _median_days_in_relapsers(target: Target, y: Floats, visits: Days) -> Floats:
    day = _relapse_day(target, y, visits)
    in_question = _started(target, y, visits) & np.isfinite(day)
    return _nan_median(np.where(in_question, day, np.nan)) - target.settings["from_day"]


def _nan_median(x: Floats) -> Floats:
    ordered = np.sort(x, axis=1)
    count = (~np.isnan(x)).sum(axis=1)
    rows = np.arange(len(x))
    low, high = np.maximum((count - 1) // 2, 0), np.minimum(count // 2, x.shape[1] - 1)
    return np.where(count > 0, (ordered[rows, low] + ordered[rows, high]) / 2, np.nan)


def _mean_days(target: Target, y: Floats, visits: Days) -> Floats:
    day = np.minimum(_relapse_day(target, y, visits), target.days[-1])
    started = _started(target, y, visits)
    count = started.sum(axis=1)
    total = np.where(started, day, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan) - target.settings["from_day"]


def _later(of: Callable[[Target, Floats, int], Bools], start: bool) -> Callable[[Target, Floats, Days], Floats]:
    def share(target: Target, y: Floats, visits: Days) -> Floats:
        first = of(target, y, _column(visits, target.settings["response_day"]))
        return _share_of(of(target, y, _column(visits, target.days[0])), first if start else ~first)

    return share


def _mean_over(x: Floats, among: Bools) -> Floats:
    count = among.sum(axis=1)
    return np.where(count > 0, np.where(among, x, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _change(target: Target, y: Floats, visits: Days) -> tuple[Floats, Floats]:
    """Mean improvement of those followed, and the variance of a single visit's, averaged over the days."""
    among = _started(target, y, visits)
    means, variances = [], []
    for day in target.days:
        x = _improved(y, _column(visits, day))
        means.append(_mean_over(x, among))
        variances.append(_mean_over((x - means[-1][:, None]) ** 2, among))
    return np.mean(means, axis=0), np.mean(variances, axis=0)


def _difference(target: Target, scores: Mapping[str, Floats], visits: Mapping[str, Days], doses: object) -> Floats:
    left, right = (_change(target, scores[arm], visits[arm])[0] for arm in target.arms)
    return right - left


def _standardised_benefit(
    target: Target, scores: Mapping[str, Floats], visits: Mapping[str, Days], doses: object
) -> Floats:
    (left, var_left), (right, var_right) = (_change(target, scores[arm], visits[arm]) for arm in target.arms)
    pooled = np.sqrt((var_left + var_right) / 2)
    return (left - right) / np.where(pooled > 0, pooled, np.nan)


def _standardised_difference(
    target: Target, scores: Mapping[str, Floats], visits: Mapping[str, Days], doses: object
) -> Floats:
    """Benefit of the first arm in scores at the day, in their SD (the SMD of end scores of a meta-analysis)."""
    left, right = (scores[arm][..., _column(visits[arm], target.days[0])] for arm in target.arms)
    pooled = np.sqrt((left.var(axis=1, ddof=1) + right.var(axis=1, ddof=1)) / 2)
    return (right.mean(axis=1) - left.mean(axis=1)) / np.where(pooled > 0, pooled, np.nan)


def _significant(target: Target, scores: Mapping[str, Floats], visits: Mapping[str, Days], doses: object) -> Floats:
    """Whether the changes differ at p < .05, two-sided, the normal law taken for Student's."""
    (left, var_left), (right, var_right) = (_change(target, scores[arm], visits[arm]) for arm in target.arms)
    sizes = [scores[arm].shape[1] for arm in target.arms]
    se = np.sqrt(var_left / sizes[0] + var_right / sizes[1])
    return np.asarray(np.abs(left - right) > 1.959964 * se, dtype=float)


def _standardised_change(target: Target, y: Floats, visits: Days) -> Floats:
    column = _column(visits, target.days[0])
    pooled = np.sqrt((y[..., 0].var(axis=1, ddof=1) + y[..., column].var(axis=1, ddof=1)) / 2)
    return _improved(y, column).mean(axis=1) / np.where(pooled > 0, pooled, np.nan)


def _median_doses(
    target: Target, scores: Mapping[str, Floats], visits: Mapping[str, Days], doses: Mapping[str, Days]
) -> Floats:
    arm = target.arms[0]
    y = scores[arm]
    given = np.full(y.shape[:2], np.nan)
    for visit in reversed(target.days):
        before = sum(day < visit for day in doses[arm])
        given = np.where(_responds(target, y, _column(visits[arm], visit)), before, given)
    return _nan_median(given)


def _response_ratio(target: Target, scores: Mapping[str, Floats], visits: Mapping[str, Days], doses: object) -> Floats:
    left, right = (
        _responds(target, scores[arm], _column(visits[arm], day)).mean(axis=1)
        for arm, day in zip(target.arms, target.days, strict=True)
    )
    return np.where(right > 0, left / np.where(right > 0, right, 1.0), np.inf)


STATISTICS: dict[str, Callable[..., Floats]] = {
    "mean": _single(lambda t, y, v: y[..., _column(v, t.days[0])].mean(axis=1)),
    "mean_change": _single(lambda t, y, v: -_mean_improvement(t, y, v).mean(axis=1)),
    "percent_change": _single(lambda t, y, v: -100 * _mean_improvement(t, y, v).mean(axis=1) / y[..., 0].mean(axis=1)),
    "response": _single(lambda t, y, v: _responds(t, y, _column(v, t.days[0])).mean(axis=1)),
    "remission": _single(lambda t, y, v: _remits(t, y, _column(v, t.days[0])).mean(axis=1)),
    "response_any_time": _single(
        lambda t, y, v: np.any([_responds(t, y, _column(v, day)) for day in t.days], axis=0).mean(axis=1)
    ),
    "sustained_response": _single(
        lambda t, y, v: np.all([_responds(t, y, _column(v, day)) for day in t.days], axis=0).mean(axis=1)
    ),
    "difference": _difference,
    "standardised_benefit": _standardised_benefit,
    "standardised_difference": _standardised_difference,
    "significant": _significant,
    "standardised_change": _single(_standardised_change),
    "relapsed": _single(_relapsed),
    "relapse_free": _single(lambda t, y, v: 1 - _relapsed(t, y, v)),
    "median_days_to_relapse": _single(_median_days),
    "median_days_to_relapse_in_relapsers": _single(_median_days_in_relapsers),
    "mean_days_to_relapse": _single(_mean_days),
    "response_among_responders": _single(_later(_responds, True)),
    "response_among_nonresponders": _single(_later(_responds, False)),
    "remission_among_remitters": _single(_later(_remits, True)),
    "median_doses_to_response": _median_doses,
    "response_ratio": _response_ratio,
}
