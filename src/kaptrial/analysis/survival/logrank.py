"""Log-rank test of two arms, stratified or not, with the one-step estimate of the log hazard ratio.

At an event time with n at risk, a of them in the left arm, and d events the left arm is expected to have d·a/n, with
hypergeometric variance d·(a/n)(1 − a/n)(n − d)/(n − 1) (Mantel 1966, Cancer Chemotherapy Reports 50:163-170; Mantel &
Haenszel 1959). Summed over times and strata, with O the left arm's events, (O − E)²/V is the log-rank chi-square with
one degree of freedom and (O − E)/V with variance 1/V estimates the log hazard ratio near 0 (Peto et al. 1977, British
Journal of Cancer 35:1-39; Yusuf et al. 1985). Far from 0 it is drawn towards 0: a test's companion, no substitute for
the Cox model's.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from kaptrial.analysis.fit import Failure, Fit, Floats
from kaptrial.analysis.survival.order import Bools, Ints, Order, arrange, checked, empty_order

Signs = NDArray[np.int8]


def logrank(time: Floats, event: Bools, arm: Ints, weights: ArrayLike, *, stratum: Ints | None = None) -> Fit:
    """Log-rank comparison of two arms: (O − E)/V, its standard error 1/√V and infinite df.

    The squared statistic is the log-rank chi-square and `p` its p-value.

    Parameters
    ----------
    time : (replicate, patient)
        Time to event or censoring, in days or any unit. NaN: the patient is left out.
    event : (replicate, patient)
        Whether the time is an event's.
    arm : (replicate, patient)
        Index of the arm.
    weights : (arm,)
        One 1, the left arm; one −1, the right one; 0 for arms that are left out.
    stratum : (replicate, patient), optional
        Index of the stratum; patients are compared within strata.

    Raises
    ------
    ValueError
        For other weights and for arrays that do not fit.
    """
    w = np.asarray(weights, dtype=float)
    if sorted(w[w != 0]) != [-1.0, 1.0]:
        raise ValueError(f"weights = {w.tolist()}: must be one 1, one -1 and otherwise 0")
    time, event, arm, stratum, n_strata = checked(time, event, arm, len(w), stratum)
    estimate, se = np.full(len(time), np.nan), np.full(len(time), np.nan)
    failure = np.empty(len(time), dtype=np.int64)
    _every_replicate(time, event, arm, stratum, n_strata, w.astype(np.int8), estimate, se, failure)
    return Fit(estimate=estimate, se=se, df=np.where(failure == Failure.NONE, np.inf, np.nan), failure=failure)


@njit(cache=True, nogil=True)
def _every_replicate(
    time: Floats, event: Bools, arm: Ints, stratum: Ints, n_strata: int, weights: Signs,
    estimate: Floats, se: Floats, failure: Ints,
) -> None:  # fmt: skip
    order = empty_order(time.shape[1], n_strata)
    side = np.empty(time.shape[1], np.int8)
    for r in range(len(time)):
        for i in range(time.shape[1]):
            side[i] = 0 if np.isnan(time[r, i]) else weights[arm[r, i]]
        excess, variance, failure[r] = compare(time[r], event[r], side, stratum[r], order)
        if failure[r] == Failure.NONE:
            estimate[r] = excess / variance
            se[r] = 1.0 / np.sqrt(variance)


@njit(cache=True, nogil=True)
def compare(time: Floats, event: Bools, side: Signs, stratum: Ints, order: Order) -> tuple[float, float, int]:
    """One replicate: events of the left arm above expectation, their variance, and the failure's number.

    Parameters
    ----------
    time, event : (patient,)
    side : (patient,)
        1 for the left arm, −1 for the right one, 0 for a patient left out.
    stratum : (patient,) or (0,)
    order : room, holding the patients' order afterwards
    """
    arrange(time, side != 0, stratum, order)
    n_left = n_right = 0
    for i in range(len(side)):
        n_left += side[i] == 1
        n_right += side[i] == -1
    if n_left == 0 or n_right == 0:
        return 0.0, 0.0, Failure.TOO_FEW_PATIENTS
    excess, variance, events, both = 0.0, 0.0, 0, 0
    for s in range(len(order.start) - 1):
        e, v, d, b = tally(event, side, order, order.start[s], order.start[s + 1])
        excess += e
        variance += v
        events += d
        both += b
    if events == 0:
        return 0.0, 0.0, Failure.NO_EVENTS
    if both == 0:
        return 0.0, 0.0, Failure.NOT_OBSERVED
    if not variance > 0.0:
        return 0.0, 0.0, Failure.ALL_THE_SAME
    return excess, variance, Failure.NONE


@njit(cache=True, nogil=True, error_model="numpy")
def tally(event: Bools, side: Signs, order: Order, first: int, end: int) -> tuple[float, float, int, int]:
    """One stratum: O − E, V, the number of events and of those at which both arms were at risk."""
    who, times = order.who, order.times
    left = 0
    for k in range(first, end):
        left += side[who[k]] == 1
    excess, variance, events, both, k = 0.0, 0.0, 0, 0, first
    while k < end:
        n, t = end - k, times[k]
        d = d_left = gone = 0
        while k < end and times[k] == t:
            i = who[k]
            is_left = side[i] == 1
            d += event[i]
            d_left += event[i] & is_left
            gone += is_left
            k += 1
        share = left / n
        spread = d * share * (1.0 - share)
        if d > 1:
            spread *= (n - d) / (n - 1)
        excess += d_left - d * share
        variance += spread
        events += d
        both += d * ((left > 0) & (left < n))
        left -= gone
    return excess, variance, events, both
