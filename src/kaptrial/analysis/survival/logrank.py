"""Log-rank test of two arms, stratified or not, with the one-step estimate of the log hazard ratio.

At an event time with n at risk, a of them in the left arm, and d events the left arm is expected to have d·a/n, with
hypergeometric variance d·(a/n)(1 − a/n)(n − d)/(n − 1) (Mantel 1966, Cancer Chemotherapy Reports 50:163-170; Mantel &
Haenszel 1959). Summed over times and strata, with O the left arm's events, (O − E)²/V is the log-rank chi-square with
one degree of freedom and (O − E)/V with variance 1/V estimates the log hazard ratio near 0 (Peto et al. 1977, British
Journal of Cancer 35:1-39; Yusuf et al. 1985). Far from 0 it is drawn towards 0: a test's companion, no substitute for
the Cox model's.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from kaptrial.analysis.fit import Failure, Fit, Floats
from kaptrial.analysis.survival.order import Bools, Ints, Order, arrange, checked, empty_order


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
    _every_replicate(time, event, arm, stratum, n_strata, w, estimate, se, failure)
    return Fit(estimate=estimate, se=se, df=np.where(failure == Failure.NONE, np.inf, np.nan), failure=failure)


@njit(cache=True, nogil=True)
def _every_replicate(
    time: Floats, event: Bools, arm: Ints, stratum: Ints, n_strata: int, weights: Floats,
    estimate: Floats, se: Floats, failure: Ints,
) -> None:  # fmt: skip
    n = time.shape[1]
    order, label, table = empty_order(n, n_strata), np.empty(n, np.int64), np.empty((4, n))
    for r in range(len(time)):
        for i in range(n):
            w = 0.0 if np.isnan(time[r, i]) else weights[arm[r, i]]
            label[i] = -1 if w == 0.0 else 2 * (w > 0.0) + event[r, i]
        excess, variance, failure[r] = compare(time[r], label, stratum[r], order, table)
        if failure[r] == Failure.NONE:
            estimate[r] = excess / variance
            se[r] = 1.0 / sqrt(variance)


@njit(cache=True, nogil=True)
def compare(time: Floats, label: Ints, stratum: Ints, order: Order, table: Floats) -> tuple[float, float, int]:
    """One replicate: O − E of the left arm, V, and the failure's number.

    Parameters
    ----------
    time : (patient,)
    label : (patient,)
        0 for censored and 1 for an event, 2 more in the left arm; −1 for a patient left out.
    stratum : (patient,) or (0,)
    order, table : scratch; `empty_order(patients, strata)` and (4, patient)
    """
    arrange(time, label, stratum, order)
    excess = variance = untied = 0.0
    n_left = events = 0
    for s in range(len(order.start) - 1):
        m, left = _tally(order, order.start[s], order.start[s + 1], table)
        e, v, u = _sums(table, m)
        excess += e
        variance += v
        untied += u
        n_left += left
        events += m
    if n_left in (0, order.start[-1]):
        return 0.0, 0.0, Failure.TOO_FEW_PATIENTS
    if events == 0:
        return 0.0, 0.0, Failure.NO_EVENTS
    if untied == 0.0:  # at no event were both arms at risk
        return 0.0, 0.0, Failure.NOT_OBSERVED
    if variance == 0.0:
        return 0.0, 0.0, Failure.ALL_THE_SAME
    return excess, variance, Failure.NONE


@njit(cache=True, nogil=True)
def _tally(order: Order, first: int, end: int, table: Floats) -> tuple[int, int]:
    """Event times of the stratum at first : end; how many there are, and its patients in the left arm.

    Written to the front of `table`: patients at risk, those in the left arm, events, and those in the left arm.
    """
    label, times, n_left, m, k = order.label, order.times, 0, 0, first
    for k in range(first, end):
        n_left += label[k] >> 1
    left, k = n_left, first
    while k < end:
        t, at_risk = times[k], end - k
        d = d_left = gone = 0
        while True:
            d += label[k] & 1
            d_left += label[k] == 3
            gone += label[k] >> 1
            k += 1
            if k == end or times[k] != t:
                break
        table[0, m], table[1, m], table[2, m], table[3, m] = at_risk, left, d, d_left
        m += d > 0
        left -= gone
    return m, n_left


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _sums(table: Floats, m: int) -> tuple[float, float, float]:
    """O − E, V, and V if no two events were at the same time."""
    excess = variance = untied = 0.0
    for j in range(m):
        n, left, d = table[0, j], table[1, j], table[2, j]
        share = left / n
        spread = d * share * (1.0 - share)
        untied += spread
        variance += spread * (n - d) / max(n - 1.0, 1.0)
        excess += table[3, j] - d * share
    return excess, variance, untied
