"""Endpoints of each patient, coherently from one trajectory of scores. NaN where what they need was not observed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Floats


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What an endpoint needs to know of the scale.

    `sign`: +1 if a higher score is better, else −1. `best`: the best score. `response_fraction`: the share of
    the way from the baseline to the best score that is a response; `response_points`: the improvement that is one, in
    its place. `remission_at`: score at or better than which is remission.
    """

    sign: int
    best: float
    response_fraction: float | None = None
    response_points: float | None = None
    remission_at: float | None = None
    relapse_fraction: float | None = None
    response_day: float | None = None
    confirmed: bool = False
    randomisation_day: float = 0.0


def endpoint(
    name: str, score: Floats, baseline: Floats, days: Floats, day: float, rule: Rule, failure_day: Floats | None = None
) -> Floats:
    """One number a patient, (replicate, patient).

    Parameters
    ----------
    name : score, change, auc, mean_score, response, remission, sustained_response or percent_abstinent_days
    score : (replicate, patient, visit); baseline, failure_day : (replicate, patient); days : (visit,)
        `failure_day`: of an event that ends a sustained response, infinite if it never happened.
    """
    v = int(np.searchsorted(days, day))
    if name == "score":
        return score[..., v]
    if name == "change":
        return score[..., v] - baseline
    if name == "auc":
        return time_averaged(score, baseline, days, v)
    if name == "mean_score":
        return score[..., (days > rule.randomisation_day) & (days <= day)].mean(axis=-1)
    if name == "percent_abstinent_days":
        return percent_over_period(score, days, v)
    if name == "remission":
        assert rule.remission_at is not None  # the scenario was checked
        reached = (score[..., v] - rule.remission_at) * rule.sign >= 0
        return np.where(np.isnan(score[..., v]), np.nan, reached)
    if name == "response":
        return responded(score[..., v], baseline, rule)
    if name == "sustained_response":
        return sustained_response(score, baseline, days, v, rule, failure_day)
    raise ValueError(f"unknown endpoint {name!r}")


def time_averaged(score: Floats, baseline: Floats, days: Floats, v: int) -> Floats:
    """Area under the curve from day 0 to visit v by the trapezoid rule, divided by its length: in points."""
    start = 0 if days[0] > 0 else 1
    y = np.concatenate([baseline[..., None], score[..., start : v + 1]], axis=-1)
    t = np.concatenate([[0.0], days[start : v + 1]])
    return np.trapezoid(y, t, axis=-1) / t[-1]


def percent_over_period(score: Floats, days: Floats, v: int) -> Floats:
    """Percent of days of success from day 0 to visit v: the mean of the intervals' percents, weighted by their
    length."""
    start = 0 if days[0] > 0 else 1
    length = np.diff(np.concatenate([[0.0], days[start : v + 1]]))
    return score[..., start : v + 1] @ (length / length.sum())


def events_at_visits(count: Floats, days: Floats, after: float, day: float) -> tuple[Floats, Floats]:
    """Events after one day up to another from the counts since the visit before, and the days of the counts seen."""
    asked = (days > after) & (days <= day)
    length = np.diff(days, prepend=0.0)[asked]
    seen = np.isfinite(count[..., asked])
    return np.where(seen, count[..., asked], 0.0).sum(axis=-1), np.where(seen, length, 0.0).sum(axis=-1)


def with_missing_as_failures(response: Floats) -> Floats:
    """Responses with 0 where none was observed."""
    return np.where(np.isnan(response), 0.0, response)


def responded(score: Floats, baseline: Floats, rule: Rule) -> Floats:
    """1 where the score is a response by the scale's rule; 0 where not; NaN unobserved."""
    if rule.response_points is not None:
        improvement = (score - baseline) * rule.sign
        return np.where(np.isnan(score), np.nan, improvement >= rule.response_points)
    assert rule.response_fraction is not None  # the scenario was checked
    return improved_by(score, baseline, rule.response_fraction, rule)


def improved_by(score: Floats, baseline: Floats, fraction: float, rule: Rule) -> Floats:
    """1 where the score went at least `fraction` of the way from the baseline to the best; 0 where not; NaN unobserved.

    A baseline at the best score cannot respond.
    """
    room = np.abs(baseline - rule.best)
    improvement = (score - baseline) * rule.sign
    return np.where(np.isnan(score), np.nan, (improvement >= fraction * room) & (room > 0))


def sustained_response(
    score: Floats, baseline: Floats, days: Floats, v: int, rule: Rule, failure_day: Floats | None
) -> Floats:
    """1 for response on the response day and no failure up to visit v; failure-free in all randomised.

    A patient lost before failing is NaN.
    """
    failed = failures(score, baseline, days, v, rule, failure_day)
    wanted = np.isnan(failed[..., days[: v + 1] >= (rule.response_day or 0.0)]).any(axis=-1)
    return np.where((failed == 1).any(axis=-1), 0.0, np.where(wanted, np.nan, 1.0))


def failures(score: Floats, baseline: Floats, days: Floats, v: int, rule: Rule, failure_day: Floats | None) -> Floats:
    """At each visit up to v: 1 where the patient has failed, 0 where not, NaN unobserved; (replicate, patient, visit).

    Failure is no response on the response day, or later a relapse: an improvement below `relapse_fraction` of the way
    to the best, `confirmed` at the next visit if asked. A failure event (rescue) counts at the first visit on or after
    it.
    """
    assert rule.relapse_fraction is not None
    assert rule.response_day is not None
    first = int(np.searchsorted(days, rule.response_day))
    failed = np.where(np.isnan(score[..., : v + 1]), np.nan, 0.0)
    failed[..., first] = 1.0 - responded(score[..., first], baseline, rule)
    for k in range(first + 1, v + 1):
        failed[..., k] = 1.0 - improved_by(score[..., k], baseline, rule.relapse_fraction, rule)
    if rule.confirmed:
        for k in range(first + 1, v + 1):
            seen_again = failed[..., k + 1] == 1 if k < v else np.zeros(baseline.shape, dtype=np.bool_)
            failed[..., k] = np.where((failed[..., k] == 1) & ~seen_again, 0.0, failed[..., k])
    if failure_day is not None:
        for k in range(v + 1):
            failed[..., k] = np.where(failure_day <= days[k], 1.0, failed[..., k])
    return failed
