"""Kaplan–Meier curves of the arms: survival, Greenwood's standard error, patients at risk, median.

S(t) = Π_{t_j ≤ t} (1 − d_j/n_j) over the event times t_j with d_j events among n_j at risk (Kaplan & Meier 1958,
Journal of the American Statistical Association 53:457-481); Var S(t) = S(t)² Σ d_j/(n_j(n_j − d_j)) (Greenwood 1926).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.estimators.survival.order import Labels, Order, arrange, checked

# S is a product of ratios and equals 1/2 only up to rounding: the tolerance of R's `quantile.survfit`.
_HALF = 1.5e-8


@dataclass(frozen=True, kw_only=True)
class KaplanMeier:
    """Curves by arm, at the days asked for.

    `survival`, `se`: (replicate, arm, day), NaN after the last patient was censored; `se` is NaN where survival is 0.
    `at_risk`: (replicate, arm, day), patients with neither event nor censoring before the day. `median`:
    (replicate, arm), NaN where not reached.
    """

    survival: Floats
    se: Floats
    at_risk: Ints
    median: Floats


def kaplan_meier(time: Floats, event: Bools, arm: Ints, n_arms: int, days: ArrayLike = ()) -> KaplanMeier:
    """Kaplan–Meier curves of every arm.

    The median is the first time at which survival is below 1/2; where it is exactly 1/2 for a while, the middle of
    that while.

    Parameters
    ----------
    time : (replicate, patient)
        Time to event or censoring. NaN: the patient is left out.
    event : (replicate, patient)
        Whether the time is an event's.
    arm : (replicate, patient)
        Index of the arm, below `n_arms`.
    days : (day,)
        When to report the curve, in the unit of `time`.

    Raises
    ------
    ValueError
        For arrays that do not fit.
    """
    at = np.atleast_1d(np.asarray(days, dtype=float))
    time, event, arm, _, _ = checked(time, event, arm, n_arms, None)
    shape = (len(time), n_arms, len(at))
    survival, se, at_risk = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, dtype=np.int64)
    median = np.full(shape[:2], np.nan)
    for a in range(n_arms):
        order = arrange(time, label_events(time, event, arm, a), arm, 1)
        _every_replicate(order, at, survival[:, a], se[:, a], at_risk[:, a], median[:, a])
    return KaplanMeier(survival=survival, se=se, at_risk=at_risk, median=median)


@njit(cache=True, nogil=True)
def label_events(time: Floats, event: Bools, arm: Ints, a: int) -> Labels:
    """Label the patients of arm a 1 for an event and 0 for censored, others −1; (replicate, patient)."""
    label = np.empty(time.shape, np.int32)
    for r in range(time.shape[0]):
        for i in range(time.shape[1]):
            label[r, i] = event[r, i] if arm[r, i] == a and not np.isnan(time[r, i]) else -1
    return label


@njit(cache=True, nogil=True)
def _every_replicate(order: Order, days: Floats, survival: Floats, se: Floats, at_risk: Ints, median: Floats) -> None:
    for r in range(len(order.start)):
        n = order.start[r, 1]
        if n > 0:
            times, label = order.times[r, :n], order.label[r, :n]
            _report(times, label, days, survival[r], se[r], at_risk[r])
            median[r] = _median(times, label)


@njit(cache=True, nogil=True)
def fall(times: Floats, label: Labels, k: int) -> tuple[int, int]:
    """Events at the k-th patient's time, and the place of the first patient with a later time."""
    t, d = times[k], 0
    while k < len(times) and times[k] == t:
        d += label[k]
        k += 1
    return d, k


@njit(cache=True, nogil=True)
def _report(times: Floats, label: Labels, days: Floats, survival: Floats, se: Floats, at_risk: Ints) -> None:
    """Survival, its standard error and patients at risk of one arm at each day."""
    n = len(times)
    for j in range(len(days)):
        s, greenwood, k = 1.0, 0.0, 0
        while k < n and times[k] <= days[j]:
            d, after = fall(times, label, k)
            at_risk_now = n - k
            s *= (at_risk_now - d) / at_risk_now
            if d < at_risk_now:
                greenwood += d / (at_risk_now * (at_risk_now - d))
            k = after
        at_risk[j] = n - np.searchsorted(times, days[j])
        if k < n or s == 0.0 or times[n - 1] == days[j]:
            survival[j] = s
            if s > 0.0:
                se[j] = s * sqrt(greenwood)


@njit(cache=True, nogil=True)
def _median(times: Floats, label: Labels) -> float:
    """When survival falls below 1/2, or the middle of the time for which it is 1/2."""
    n, s, k, reached = len(times), 1.0, 0, -1.0
    while k < n:
        d, after = fall(times, label, k)
        s *= (n - k - d) / (n - k)
        if s <= 0.5 + _HALF and reached < 0.0:
            reached = times[k]
        if s <= 0.5 - _HALF:
            return (reached + times[k]) / 2.0
        k = after
    return (reached + times[n - 1]) / 2.0 if reached >= 0.0 else np.nan
