"""Kaplan–Meier curves of the arms: survival, Greenwood's standard error, patients at risk, median.

S(t) = Π_{t_j ≤ t} (1 − d_j/n_j) over the event times t_j with d_j events among n_j at risk (Kaplan & Meier 1958,
Journal of the American Statistical Association 53:457-481); Var S(t) = S(t)² Σ d_j/(n_j(n_j − d_j)) (Greenwood 1926).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from kaptrial.analysis.fit import Floats
from kaptrial.analysis.survival.order import Bools, Ints, Order, arrange, checked, empty_order

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
    at_risk: NDArray[np.int64]
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
    _every_replicate(time, event, arm, at, survival, se, at_risk, median)
    return KaplanMeier(survival=survival, se=se, at_risk=at_risk, median=median)


@njit(cache=True, nogil=True)
def _every_replicate(
    time: Floats, event: Bools, arm: Ints, days: Floats, survival: Floats, se: Floats, at_risk: Ints, median: Floats
) -> None:
    order, label = empty_order(time.shape[1], 1), np.empty(time.shape[1], np.int32)
    for r in range(len(time)):
        for a in range(survival.shape[1]):
            for i in range(time.shape[1]):
                label[i] = event[r, i] if arm[r, i] == a and not np.isnan(time[r, i]) else -1
            n = arrange(time[r], label, arm[r], order)
            if n == 0:
                continue
            _report(order, n, days, survival[r, a], se[r, a], at_risk[r, a])
            median[r, a] = _median(order, n)


@njit(cache=True, nogil=True)
def fall(order: Order, n: int, k: int) -> tuple[int, int]:
    """Events at the k-th of n patients' time, and the place of the first patient with a later time."""
    t, d = order.times[k], 0
    while k < n and order.times[k] == t:
        d += order.label[k]
        k += 1
    return d, k


@njit(cache=True, nogil=True)
def _report(order: Order, n: int, days: Floats, survival: Floats, se: Floats, at_risk: Ints) -> None:
    """Survival, its standard error and patients at risk of one arm at each day."""
    for j in range(len(days)):
        s, greenwood, k = 1.0, 0.0, 0
        while k < n and order.times[k] <= days[j]:
            d, after = fall(order, n, k)
            at_risk_now = n - k
            s *= (at_risk_now - d) / at_risk_now
            if d < at_risk_now:
                greenwood += d / (at_risk_now * (at_risk_now - d))
            k = after
        at_risk[j] = n - np.searchsorted(order.times[:n], days[j])
        if k < n or s == 0.0 or order.times[n - 1] == days[j]:
            survival[j] = s
            if s > 0.0:
                se[j] = s * sqrt(greenwood)


@njit(cache=True, nogil=True)
def _median(order: Order, n: int) -> float:
    """When survival falls below 1/2, or the middle of the time for which it is 1/2."""
    s, k, reached = 1.0, 0, -1.0
    while k < n:
        d, after = fall(order, n, k)
        s *= (n - k - d) / (n - k)
        if s <= 0.5 + _HALF and reached < 0.0:
            reached = order.times[k]
        if s <= 0.5 - _HALF:
            return (reached + order.times[k]) / 2.0
        k = after
    return (reached + order.times[n - 1]) / 2.0 if reached >= 0.0 else np.nan
