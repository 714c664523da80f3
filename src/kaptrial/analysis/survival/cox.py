"""Cox's proportional hazards model: a contrast of arms, adjusted for covariates, stratified or not.

The hazard is λ_s(t) exp(β_a + x'γ) with one arm's β 0; the partial likelihood (Cox 1975, Biometrika
62:269-276) is maximised by Newton's method, ties as in Efron (1977, Journal of the American Statistical Association
72:557-565): of d patients failing at one time, the l-th (l = 0 ... d − 1) finds at risk the others and a share 1 − l/d
of the d. A contrast Σ w_a β_a has the variance w'I⁻¹w, I the observed information, and is tested by Wald's statistic.
"""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from kaptrial.analysis.dense import cholesky, invert, quadratic, solve
from kaptrial.analysis.fit import Failure, Fit, Floats
from kaptrial.analysis.survival.order import Bools, Ints, Order, arrange, checked, empty_order

# A column whose information falls below this share is a combination of those before it: rounding leaves about 1e-15.
_COLLINEAR = 1e-11
# How far a combination may lie from the contrast's null space; rounding at _COLLINEAR leaves 3e-6.
_CONFOUNDED = 1e-4
# Newton's decrement (step' I step) after which one more step is exact to about 1e-9 standard errors.
_CLOSE = 1e-9
# Under a monotone likelihood each step adds about 1 to a log hazard and takes e from decrement and information: after
# 21 steps to _CLOSE a contrast that goes to infinity, or is free to, has a variance of about 1/_CLOSE.
_UNDETERMINED = 1e6
# A log hazard that far from the mean is on its way to infinity.
_INFINITE = 10.0
_MAX_STEPS = 60
# Log hazard ratios of two arms lie within this, unless they are infinite.
_FAR = 40.0


def cox(
    time: Floats, event: Bools, arm: Ints, covariates: Floats, weights: ArrayLike, *, stratum: Ints | None = None
) -> Fit:
    """Log hazard ratio of a contrast of arms with its Wald standard error and infinite df.

    A hazard ratio that the data put at 0 or infinity is a failure, `SEPARATION`; that of a covariate is not, as long
    as the contrast has its limit. A covariate that adds nothing to those before it is dropped, as `coxph` in R does.

    Parameters
    ----------
    time : (replicate, patient)
        Time to event or censoring. NaN, here or in a covariate: the patient is left out.
    event : (replicate, patient)
        Whether the time is an event's.
    arm : (replicate, patient)
        Index of the arm.
    covariates : (replicate, patient, p)
        Numeric columns.
    weights : (arm,)
        The contrast; weights sum to 0. All arms stay in the model: (1, −1, −1, 1) is the interaction of a 2×2.
    stratum : (replicate, patient), optional
        Index of the stratum; each has its own baseline hazard.

    Raises
    ------
    ValueError
        For weights that are no contrast and for arrays that do not fit.
    """
    w = np.asarray(weights, dtype=float)
    if abs(w.sum()) > 1e-12 * np.abs(w).sum() or not w.any():
        raise ValueError(f"weights = {w.tolist()}: must sum to 0 and not all be 0")
    time, event, arm, stratum, n_strata = checked(time, event, arm, len(w), stratum)
    if covariates.shape[:2] != time.shape:
        raise ValueError(f"covariates of shape {covariates.shape} do not fit times of shape {time.shape}")
    estimate, se = np.full(len(time), np.nan), np.full(len(time), np.nan)
    failure = np.empty(len(time), dtype=np.int64)
    if len(w) == 2 and covariates.shape[2] == 0:
        _two_arms(time, event, arm, stratum, n_strata, w, estimate, se, failure)
    else:
        x = np.ascontiguousarray(covariates, dtype=np.float64)
        _every_replicate(time, event, arm, x, stratum, n_strata, w, estimate, se, failure)
    return Fit(estimate=estimate, se=se, df=np.where(failure == Failure.NONE, np.inf, np.nan), failure=failure)


# --- two arms and no covariates: one parameter, and all there is to know of an event is who was at risk ---


@njit(cache=True, nogil=True)
def _two_arms(
    time: Floats, event: Bools, arm: Ints, stratum: Ints, n_strata: int, weights: Floats,
    estimate: Floats, se: Floats, failure: Ints,
) -> None:  # fmt: skip
    n = time.shape[1]
    order, left, right, in_left = empty_order(n, n_strata), np.empty(n), np.empty(n), np.empty(n, np.bool_)
    seen = np.empty(n, np.bool_)
    for r in range(len(time)):
        n_seen = n_left = 0
        for i in range(n):
            seen[i] = not np.isnan(time[r, i])
            in_left[i] = arm[r, i] == 1
            n_seen += seen[i]
            n_left += seen[i] & in_left[i]
        if n_left == 0 or n_left == n_seen:
            failure[r] = Failure.TOO_FEW_PATIENTS
            continue
        arrange(time[r], seen, stratum[r], order)
        events, events_left = at_risk(event[r], in_left, order, left, right)
        value, error, failure[r] = maximise(left[:events], right[:events], events_left)
        if failure[r] == Failure.NONE:
            estimate[r] = weights[1] * value
            se[r] = abs(weights[1]) * error


@njit(cache=True, nogil=True)
def at_risk(event: Bools, in_left: Bools, order: Order, left: Floats, right: Floats) -> tuple[int, int]:
    """Patients at risk at each event, by arm, with Efron's shares; the number of events, and of those in the left arm.

    Parameters
    ----------
    event, in_left : (patient,)
    order : the patients in order
    left, right : (patient,)
        Written from the front, one entry an event.
    """
    who, times = order.who, order.times
    m = events_left = 0
    for s in range(len(order.start) - 1):
        k, end = order.start[s], order.start[s + 1]
        n_left = 0
        for j in range(k, end):
            n_left += in_left[who[j]]
        n_right = end - k - n_left
        while k < end:
            t, d, d_left, first = times[k], 0, 0, k
            gone = 0
            while k < end and times[k] == t:
                i = who[k]
                d += event[i]
                d_left += event[i] & in_left[i]
                gone += in_left[i]
                k += 1
            left[m], right[m] = n_left, n_right
            for j in range(1, d):
                share = j / d
                left[m + j] = n_left - share * d_left
                right[m + j] = n_right - share * (d - d_left)
            m += d
            events_left += d_left
            n_left -= gone
            n_right -= k - first - gone
    return m, events_left


@njit(cache=True, nogil=True)
def maximise(left: Floats, right: Floats, events_left: int) -> tuple[float, float, int]:
    """Log hazard ratio left against right, its standard error and the failure's number.

    With p = a e^β/(a e^β + b) the chance that an event befalls the left arm, of which a are at risk, the score is
    O − Σp and the information Σp(1 − p).

    Parameters
    ----------
    left, right : (event,)
        Patients at risk, a and b.
    events_left : O, the events in the left arm
    """
    some_left = only_left = both = 0
    for j in range(len(left)):
        some_left += left[j] > 0.0
        only_left += right[j] == 0.0
        both += (left[j] > 0.0) & (right[j] > 0.0)
    if len(left) == 0:
        return 0.0, 0.0, Failure.NO_EVENTS
    if both == 0:
        return 0.0, 0.0, Failure.NOT_OBSERVED
    if events_left in (some_left, only_left):
        return 0.0, 0.0, Failure.SEPARATION
    beta, low, high, decrement = 0.0, -_FAR, _FAR, np.inf
    for _ in range(_MAX_STEPS):
        expected, information = _expected(left, right, exp(beta))
        if decrement < _CLOSE:
            return beta, 1.0 / sqrt(information), Failure.NONE
        score = events_left - expected
        if score > 0.0:
            low = beta
        else:
            high = beta
        decrement = score * score / information
        beta += score / information
        if not low <= beta <= high:  # overshot
            beta = (low + high) / 2.0
    return 0.0, 0.0, Failure.NOT_CONVERGED


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _expected(left: Floats, right: Floats, ratio: float) -> tuple[float, float]:
    """Expected events in the left arm and their variance at this hazard ratio."""
    expected = information = 0.0
    for j in range(len(left)):
        p = left[j] * ratio / (left[j] * ratio + right[j])
        expected += p
        information += p * (right[j] / (left[j] * ratio + right[j]))
    return expected, information


# --- any number of arms and covariates ---


@njit(cache=True, nogil=True)
def _every_replicate(
    time: Floats, event: Bools, arm: Ints, covariates: Floats, stratum: Ints, n_strata: int, weights: Floats,
    estimate: Floats, se: Floats, failure: Ints,
) -> None:  # fmt: skip
    n, n_arms = time.shape[1], len(weights)
    order, seen = empty_order(n, n_strata), np.empty(n, np.bool_)
    q = n_arms - 1 + covariates.shape[2]
    design, fails, on = np.empty((n, q)), np.empty(n, np.bool_), np.empty(q)
    size, events = np.empty(n_arms, np.int64), np.empty(n_arms, np.int64)
    for r in range(len(time)):
        size[:] = 0
        events[:] = 0
        for i in range(n):
            seen[i] = not np.isnan(time[r, i]) and np.isfinite(covariates[r, i]).all()
            size[arm[r, i]] += seen[i]
            events[arm[r, i]] += seen[i] & event[r, i]
        if ((size == 0) & (weights != 0.0)).any():
            failure[r] = Failure.TOO_FEW_PATIENTS
            continue
        m = arrange(time[r], seen, stratum[r], order)
        for k in range(m):
            fails[k] = event[r, order.who[k]]
        reference = np.argmax(events)  # any will do; one without events would make the others' coefficients infinite
        column = 0
        for a in range(n_arms):
            if a != reference:
                on[column] = weights[a]
                for k in range(m):
                    design[k, column] = arm[r, order.who[k]] == a
                column += 1
        for c in range(covariates.shape[2]):
            on[column + c] = 0.0
            _standardise(covariates[r, :, c], order.who[:m], design[:m, column + c])
        estimate[r], se[r], failure[r] = _fit(order.times[:m], fails[:m], design[:m], order.start, on, n_arms - 1)


@njit(cache=True, nogil=True)
def _standardise(x: Floats, who: Ints, out: Floats) -> None:
    """Column x of the patients in order, with mean 0 and variance 1; 0 throughout if it is constant."""
    mean = largest = furthest = square = 0.0
    for i in who:
        mean += x[i] / len(who)
        largest = max(largest, abs(x[i]))
    for i in who:
        furthest = max(furthest, abs(x[i] - mean))
    if furthest <= 1e-12 * largest:
        out[:] = 0.0
        return
    for k in range(len(who)):
        out[k] = (x[who[k]] - mean) / furthest
        square += out[k] * out[k]
    out /= sqrt(square / len(who))


@njit(cache=True, nogil=True)
def _fit(
    times: Floats, fails: Bools, design: Floats, start: Ints, on: Floats, n_first: int
) -> tuple[float, float, int]:
    """Contrast `on` the columns, its standard error and the failure's number; the first `n_first` columns are arms."""
    nan, n_events = np.nan, int(fails.sum())
    if n_events == 0:
        return nan, nan, Failure.NO_EVENTS
    q = len(on)
    gradient, information = np.empty(q), np.empty((q, q))
    likelihood = _evaluate(times, fails, design, start, np.zeros(q), gradient, information)
    kept, failure = _independent(information, n_events, on, n_first)
    if failure != Failure.NONE:
        return nan, nan, failure
    if len(kept) < q:
        design, on, q = design[:, kept].copy(), on[kept], len(kept)
        gradient, information = np.empty(q), np.empty((q, q))
        likelihood = _evaluate(times, fails, design, start, np.zeros(q), gradient, information)
    beta, trial, factor, inverse = np.zeros(q), np.empty(q), np.empty((q, q)), np.empty((q, q))
    step, decrement = np.zeros(q), np.inf
    for _ in range(_MAX_STEPS):
        factor[:] = information
        found = cholesky(factor, q, 1e-14)
        if found and decrement < _CLOSE:
            invert(factor, q, inverse)
            variance = quadratic(inverse, on, q)
            if 0.0 < variance < _UNDETERMINED:
                return float(on @ beta), sqrt(variance), Failure.NONE
            found = False
        if not found:
            far = np.abs(design @ beta).max() > _INFINITE
            return nan, nan, Failure.SEPARATION if far else Failure.NOT_CONVERGED
        step[:] = gradient
        solve(factor, q, step)
        decrement = float(gradient @ step)
        share = 1.0
        for _halving in range(30):
            trial[:] = beta + share * step
            after = _evaluate(times, fails, design, start, trial, gradient, information)
            if after >= likelihood - 1e-10 * abs(likelihood):
                break
            share /= 2.0
        beta[:] = trial
        likelihood = after
    return nan, nan, Failure.NOT_CONVERGED


@njit(cache=True, nogil=True)
def _independent(information: Floats, n_events: int, on: Floats, n_first: int) -> tuple[Ints, int]:
    """Columns that are no combination of those before them; a failure if the contrast is not determined by the data.

    A combination v of columns that is the same for all at risk at every event can be added to the coefficients freely;
    the contrast c is determined if c'v = 0.
    """
    q = len(on)
    kept, n = np.empty(q, np.int64), 0
    factor, beside = np.empty((q, q)), np.empty(q)
    factor[:] = information
    if np.diag(information).min() > _COLLINEAR * n_events and cholesky(factor, q, _COLLINEAR):
        return np.arange(q), Failure.NONE
    for j in range(q):
        kept[n] = j
        for a in range(n + 1):
            for b in range(n + 1):
                factor[a, b] = information[kept[a], kept[b]]
        if information[j, j] > _COLLINEAR * n_events and cholesky(factor, n + 1, _COLLINEAR):
            n += 1
            continue
        value = on[j]
        if information[j, j] > _COLLINEAR * n_events:
            for a in range(n):
                beside[a] = information[kept[a], j]
            solve(factor, n, beside)
            for a in range(n):
                value -= on[kept[a]] * beside[a]
        if abs(value) > _CONFOUNDED:
            return kept[:n], Failure.NOT_OBSERVED if j < n_first else Failure.CONFOUNDED_COVARIATE
    return kept[:n], Failure.NONE


@njit(cache=True, nogil=True, error_model="numpy")
def _evaluate(
    times: Floats, fails: Bools, design: Floats, start: Ints, beta: Floats, gradient: Floats, information: Floats
) -> float:
    """Log partial likelihood at beta; writes its gradient and the information, −1 × its Hessian.

    Goes back in time, adding patients to those at risk: s0 = Σ e^η, s1 = Σ e^η z, s2 = Σ e^η z z'; t0 ... t2 the same
    over the patients who fail at the time at hand.
    """
    q = len(beta)
    s1, t1, mean = np.empty(q), np.empty(q), np.empty(q)
    s2, t2 = np.empty((q, q)), np.empty((q, q))
    gradient[:] = 0.0
    information[:] = 0.0
    likelihood = 0.0
    eta = design @ beta
    for s in range(len(start) - 1):
        first, k = start[s], start[s + 1] - 1
        if k < first:
            continue
        origin = eta[first : k + 1].max()  # e^η must not overflow
        s0 = 0.0
        s1[:] = 0.0
        s2[:] = 0.0
        while k >= first:
            t, d, t0 = times[k], 0, 0.0
            t1[:] = 0.0
            t2[:] = 0.0
            while k >= first and times[k] == t:
                z, hazard = design[k], exp(eta[k] - origin)
                s0 += hazard
                for a in range(q):
                    s1[a] += hazard * z[a]
                    for b in range(a + 1):
                        s2[a, b] += hazard * z[a] * z[b]
                if fails[k]:
                    d += 1
                    t0 += hazard
                    likelihood += eta[k] - origin
                    for a in range(q):
                        gradient[a] += z[a]
                        t1[a] += hazard * z[a]
                        for b in range(a + 1):
                            t2[a, b] += hazard * z[a] * z[b]
                k -= 1
            for j in range(d):
                share = j / d
                total = s0 - share * t0
                likelihood -= log(total)
                for a in range(q):
                    mean[a] = (s1[a] - share * t1[a]) / total
                    gradient[a] -= mean[a]
                    for b in range(a + 1):
                        information[a, b] += (s2[a, b] - share * t2[a, b]) / total - mean[a] * mean[b]
    for a in range(q):
        for b in range(a):
            information[b, a] = information[a, b]
    return likelihood
