"""Restricted mean survival time: mean time without the event up to a horizon, its difference and ratio between arms.

μ = ∫₀^τ S(t) dt under the Kaplan–Meier curve, Var μ = Σ_{t_j ≤ τ} A_j² d_j/(n_j(n_j − d_j)) with A_j the area from t_j
to τ (Klein & Moeschberger 2003, Survival Analysis, section 4.5; Royston & Parmar 2013, BMC Medical Research Methodology
13:152). A ratio is a difference of log μ, with variance Var μ/μ² by the delta method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.estimators.fit import LEAST_PATIENTS, Failure, Fit
from kaptrial.estimators.survival.kaplan_meier import fall, label_events
from kaptrial.estimators.survival.order import Labels, Order, arrange, checked


@dataclass(frozen=True, kw_only=True)
class Rmst:
    """Restricted means by arm, (replicate, arm); NaN where `failure` is not NONE.

    `mean`, `se`: in the unit of the times; the error of an arm is unknown, NaN, where it has one patient, no events or
    events at one time only. `events`: up to the horizon. `patients`: with a time.
    """

    mean: Floats
    se: Floats
    events: Ints
    patients: Ints
    failure: Ints

    def difference(self, weights: ArrayLike) -> Fit:
        """Σ w_a μ_a; with weights 1 and −1 the difference of two arms."""
        w = np.asarray(weights, dtype=float)
        return self._contrast(w, self.mean, self.se)

    def ratio(self, weights: ArrayLike) -> Fit:
        """Σ w_a log μ_a; with weights 1 and −1 the log ratio of two arms."""
        w = np.asarray(weights, dtype=float)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._contrast(w, np.log(self.mean), self.se / self.mean)

    def _contrast(self, w: Floats, value: Floats, error: Floats) -> Fit:
        used = w != 0
        with np.errstate(invalid="ignore"):
            estimate = value[:, used] @ w[used]
            se = np.sqrt(error[:, used] ** 2 @ w[used] ** 2)
        failure = np.where(np.isfinite(estimate) & (se > 0), Failure.NONE, Failure.NO_RESIDUAL_VARIANCE)
        failure[(self.events[:, used] == 0).any(axis=1)] = Failure.NO_EVENTS
        failure[(self.failure[:, used] == Failure.NOT_OBSERVED).any(axis=1)] = Failure.NOT_OBSERVED
        failure[(self.patients[:, used] < LEAST_PATIENTS).any(axis=1)] = Failure.TOO_FEW_PATIENTS
        fine = failure == Failure.NONE
        return Fit(
            estimate=np.where(fine, estimate, np.nan),
            se=np.where(fine, se, np.nan),
            df=np.where(fine, np.inf, np.nan),
            failure=failure,
        )


def rmst(time: Floats, event: Bools, arm: Ints, n_arms: int, horizon: float) -> Rmst:
    """Restricted mean survival time of every arm up to the horizon.

    An arm whose last patient was censored before the horizon has no estimate, `NOT_OBSERVED`; if that last time is an
    event's, the curve is 0 from then on. An arm without patients is `TOO_FEW_PATIENTS`.

    Parameters
    ----------
    time : (replicate, patient)
        Time to event or censoring. NaN: the patient is left out.
    event : (replicate, patient)
        Whether the time is an event's.
    arm : (replicate, patient)
        Index of the arm, below `n_arms`.
    horizon : in the unit of `time`

    Raises
    ------
    ValueError
        For a horizon that is not positive and for arrays that do not fit.
    """
    if not 0 < horizon < np.inf:
        raise ValueError(f"horizon = {horizon}: must be positive and finite")
    time, event, arm, _, _ = checked(time, event, arm, n_arms, None)
    shape = (len(time), n_arms)
    out = Rmst(
        mean=np.full(shape, np.nan),
        se=np.full(shape, np.nan),
        events=np.zeros(shape, dtype=np.int64),
        failure=np.zeros(shape, dtype=np.int64),
        patients=np.stack([((arm == a) & np.isfinite(time)).sum(axis=1) for a in range(n_arms)], axis=1),
    )
    for a in range(n_arms):
        order = arrange(time, label_events(time, event, arm, a), arm, 1)
        _every_replicate(order, float(horizon), out.mean[:, a], out.se[:, a], out.events[:, a], out.failure[:, a])
    return out


@njit(cache=True, nogil=True)
def _every_replicate(order: Order, horizon: float, mean: Floats, se: Floats, events: Ints, failure: Ints) -> None:
    for r in range(len(order.start)):
        n = order.start[r, 1]
        if n == 0:
            failure[r] = Failure.TOO_FEW_PATIENTS
            continue
        area, variance, events[r], known = _area(order.times[r, :n], order.label[r, :n], horizon)
        if known:
            mean[r], se[r] = area, np.sqrt(variance) if variance > 0.0 else np.nan
        else:
            failure[r] = Failure.NOT_OBSERVED


@njit(cache=True, nogil=True)
def _area(times: Floats, label: Labels, horizon: float) -> tuple[float, float, int, bool]:
    """One arm: μ, Var μ, events up to the horizon, and whether the curve is known that far.

    With B_j the area up to t_j and g_j = d_j/(n_j(n_j − d_j)), Var μ = Σ g_j (μ − B_j)²; a running mean and sum of
    squares of B_j weighted by g_j keeps its digits in one pass (West 1979, Communications of the ACM 22:532-535).
    """
    n, s, area, before, events, k = len(times), 1.0, 0.0, 0.0, 0, 0
    weight = centre = square = 0.0
    while k < n and times[k] <= horizon:
        t = times[k]
        d, after = fall(times, label, k)
        area += s * (t - before)
        s *= (n - k - d) / (n - k)
        if 0 < d < n - k:
            g = d / ((n - k) * (n - k - d))
            weight += g
            away = area - centre
            centre += away * g / weight
            square += g * away * (area - centre)
        events += d
        before, k = t, after
    known = k < n or s == 0.0 or before == horizon
    area += s * (horizon - before)
    return area, square + weight * (area - centre) ** 2, events, known
