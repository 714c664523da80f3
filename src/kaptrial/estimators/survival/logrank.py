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
from numpy.typing import ArrayLike

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.estimators.fit import Failure, Fit
from kaptrial.estimators.predictor import total
from kaptrial.estimators.survival.at_risk import AtRisk, count, label_patients, ties
from kaptrial.estimators.survival.order import Labels, Order, arrange, checked


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
    order = arrange(time, label_patients(time, event, arm, w), stratum, n_strata)
    excess, variance, failure = compare(order, count(order))
    failed = failure != Failure.NONE
    variance[failed] = np.nan
    return Fit(
        estimate=excess / variance, se=1.0 / np.sqrt(variance), df=np.where(failed, np.nan, np.inf), failure=failure
    )


@njit(cache=True, nogil=True)
def compare(order: Order, at_risk: AtRisk) -> tuple[Floats, Floats, Ints]:
    """O − E of the left arm, V and the failure's number, each (replicate,).

    Parameters
    ----------
    order : the patients in order, labelled as by `label_patients`
    at_risk : as by `count`
    """
    n_replicates = len(order.start)
    excess, variance, failure = np.empty(n_replicates), np.empty(n_replicates), np.empty(n_replicates, np.int64)
    terms = np.empty((2, order.label.shape[1]))
    for r in range(n_replicates):
        n = order.start[r, -1]
        excess[r], untied, events = _sums(order.label, at_risk.n, at_risk.left, r, n, terms)
        variance[r] = untied
        if at_risk.tied[r]:
            variance[r] -= _lost_to_ties(order, at_risk, r)
        if at_risk.n_left[r] == 0 or at_risk.n_left[r] == n:
            failure[r] = Failure.TOO_FEW_PATIENTS
        elif events == 0:
            failure[r] = Failure.NO_EVENTS
        elif untied == 0.0:  # at no event were both arms at risk
            failure[r] = Failure.NOT_OBSERVED
        elif variance[r] <= 1e-12 * untied:  # whoever was at risk failed
            failure[r] = Failure.ALL_THE_SAME
        else:
            failure[r] = Failure.NONE
    return excess, variance, failure


@njit(cache=True, nogil=True, error_model="numpy")
def _sums(label: Labels, at_risk: Labels, left: Labels, r: int, n: int, terms: Floats) -> tuple[float, float, int]:
    """O − E, V but for the factors (n − d)/(n − 1), and the number of events of a replicate's n patients."""
    events = 0
    for k in range(n):
        event = label[r, k] & 1
        share = left[r, k] / at_risk[r, k]
        terms[0, k] = event * ((label[r, k] >> 1) - share)
        terms[1, k] = event * share * (1.0 - share)
        events += event
    return total(terms[0, :n]), total(terms[1, :n]), events


@njit(cache=True, nogil=True)
def _lost_to_ties(order: Order, at_risk: AtRisk, r: int) -> float:
    """What those factors take from V: d·(a/n)(1 − a/n)(d − 1)/(n − 1) at each time with d > 1 events."""
    lost = 0.0
    for s in range(order.start.shape[1] - 1):
        k, end = order.start[r, s], order.start[r, s + 1]
        while k < end:
            n, share = at_risk.n[r, k], at_risk.left[r, k] / at_risk.n[r, k]
            k, d, _ = ties(order, r, k, end)
            if d > 1:
                lost += d * share * (1.0 - share) * (d - 1) / (n - 1.0)
    return lost
