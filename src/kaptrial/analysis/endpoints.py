"""Endpoints of each patient, coherently from one trajectory of scores. NaN where what they need was not observed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What an endpoint needs to know of the scale.

    `sign`: +1 if a higher score is better, else −1. `best`: the best score. `response_fraction`: the share of
    the way from
    the baseline to the best score that is a response. `remission_at`: score at or better than which is remission.
    """

    sign: int
    best: float
    response_fraction: float | None = None
    remission_at: float | None = None
    relapse_fraction: float | None = None
    response_day: float | None = None
    confirmed: bool = False


def endpoint(
    name: str,
    score: Floats,
    baseline: Floats,
    days: Floats,
    day: float,
    rule: Rule,
    rescue_day: Floats | None,
) -> Floats:
    """One number a patient, (replicate, patient).

    Parameters
    ----------
    name : score, change, auc, response, remission, sustained_response or percent_abstinent_days
    score : (replicate, patient, visit); baseline, rescue_day : (replicate, patient); days : (visit,)
    """
    v = int(np.searchsorted(days, day))
    if name == "score":
        return score[..., v]
    if name == "change":
        return score[..., v] - baseline
    if name == "auc":
        return time_averaged(score, baseline, days, v)
    if name == "percent_abstinent_days":
        return percent_over_period(score, days, v)
    if name == "remission":
        assert rule.remission_at is not None  # the scenario was checked
        reached = (score[..., v] - rule.remission_at) * rule.sign >= 0
        return np.where(np.isnan(score[..., v]), np.nan, reached)
    assert rule.response_fraction is not None  # the scenario was checked
    if name == "response":
        return improved_by(score[..., v], baseline, rule.response_fraction, rule)
    if name == "sustained_response":
        return sustained_response(score, baseline, days, v, rule, rescue_day)
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


def improved_by(score: Floats, baseline: Floats, fraction: float, rule: Rule) -> Floats:
    """1 where the score went at least `fraction` of the way from the baseline to the best; 0 where not; NaN unobserved.

    A baseline at the best score cannot respond.
    """
    room = np.abs(baseline - rule.best)
    improvement = (score - baseline) * rule.sign
    return np.where(np.isnan(score), np.nan, (improvement >= fraction * room) & (room > 0))


def sustained_response(
    score: Floats, baseline: Floats, days: Floats, v: int, rule: Rule, rescue_day: Floats | None
) -> Floats:
    """1 for response on the response day without relapse or rescue up to visit v; failure-free in all randomised.

    Relapse is an improvement below `relapse_fraction` of the way to the best, `confirmed` at the next visit if
    asked. A patient
    lost before failing is NaN.
    """
    assert rule.response_fraction is not None
    assert rule.relapse_fraction is not None
    assert rule.response_day is not None
    first = int(np.searchsorted(days, rule.response_day))
    responded = improved_by(score[..., first], baseline, rule.response_fraction, rule)
    later = [improved_by(score[..., k], baseline, rule.relapse_fraction, rule) for k in range(first + 1, v + 1)]
    holds = np.stack(later or [responded])
    lost = holds == 0
    if rule.confirmed and len(lost) > 1:
        lost = np.concatenate([lost[:-1] & lost[1:], lost[-1:] & False])
    failed = (responded == 0) | lost.any(axis=0)
    if rescue_day is not None:
        failed |= rescue_day <= days[v]
    unknown = np.isnan(responded) | np.isnan(holds).any(axis=0)
    return np.where(failed, 0.0, np.where(unknown, np.nan, 1.0))
