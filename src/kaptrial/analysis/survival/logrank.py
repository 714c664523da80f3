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
from kaptrial.analysis.survival.at_risk import count, label_patients, ties
from kaptrial.analysis.survival.order import Bools, Ints, Labels, Order, arrange, checked, empty_order


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
    order, label, at_risk, left = empty_order(n, n_strata), np.empty(n, np.int32), np.empty(n), np.empty(n)
    for r in range(len(time)):
        label_patients(time[r], event[r], arm[r], weights, label)
        excess, variance, failure[r] = compare(time[r], label, stratum[r], order, at_risk, left)
        if failure[r] == Failure.NONE:
            estimate[r] = excess / variance
            se[r] = 1.0 / sqrt(variance)


@njit(cache=True, nogil=True)
def compare(
    time: Floats, label: Labels, stratum: Ints, order: Order, at_risk: Floats, left: Floats
) -> tuple[float, float, int]:
    """One replicate: O − E of the left arm, V, and the failure's number.

    Parameters
    ----------
    time : (patient,)
    label : (patient,)
        As from `label_patients`.
    stratum : (patient,) or (0,)
    order : from `empty_order`
        Written.
    at_risk, left : (patient,)
        Written: patients at risk and those in the left arm at each one's time, in order.
    """
    n = arrange(time, label, stratum, order)
    n_left, tied = count(order, at_risk, left)
    if n_left in (0, n):
        return 0.0, 0.0, Failure.TOO_FEW_PATIENTS
    excess, untied, events = _sums(order.label[:n], at_risk, left)
    variance = untied - _lost_to_ties(order, at_risk, left) if tied else untied
    if events == 0:
        return 0.0, 0.0, Failure.NO_EVENTS
    if untied == 0.0:  # at no event were both arms at risk
        return 0.0, 0.0, Failure.NOT_OBSERVED
    if variance <= 1e-12 * untied:  # whoever was at risk failed
        return 0.0, 0.0, Failure.ALL_THE_SAME
    return excess, variance, Failure.NONE


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _sums(label: Labels, at_risk: Floats, left: Floats) -> tuple[float, float, int]:
    """O − E, V but for the factors (n − d)/(n − 1), and the number of events."""
    excess = variance = 0.0
    events = 0
    for k in range(len(label)):
        event = label[k] & 1
        share = left[k] / at_risk[k]
        excess += event * ((label[k] >> 1) - share)
        variance += event * share * (1.0 - share)
        events += event
    return excess, variance, events


@njit(cache=True, nogil=True)
def _lost_to_ties(order: Order, at_risk: Floats, left: Floats) -> float:
    """What those factors take from V: d·(a/n)(1 − a/n)(d − 1)/(n − 1) at each time with d > 1 events."""
    lost = 0.0
    for s in range(len(order.start) - 1):
        start, end = order.start[s], order.start[s + 1]
        k = 0
        while k < end - start:
            n, share = at_risk[start + k], left[start + k] / at_risk[start + k]
            k, d, _ = ties(order.times[start:end], order.label[start:end], k)
            if d > 1:
                lost += d * share * (1.0 - share) * (d - 1) / (n - 1.0)
    return lost
