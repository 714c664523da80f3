"""Cox's proportional hazards model: a contrast of arms, adjusted for covariates, stratified or not.

The hazard is λ_s(t) exp(β_a + x'γ) with one arm's β 0; the partial likelihood (Cox 1975, Biometrika
62:269-276) is maximised by Newton's method, ties as in Efron (1977, Journal of the American Statistical Association
72:557-565): of d patients failing at one time, the l-th (l = 0 ... d − 1) finds at risk the others and a share 1 − l/d
of the d. A contrast Σ w_a β_a has the variance w'I⁻¹w, I the observed information, and is tested by Wald's statistic.
"""

from __future__ import annotations

from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.estimators.dense import cholesky, invert, quadratic, solve
from kaptrial.estimators.fit import Failure, Fit
from kaptrial.estimators.predictor import dot, dot_of_three
from kaptrial.estimators.survival.at_risk import AtRisk, count, label_patients, ties
from kaptrial.estimators.survival.order import Labels, Order, arrange, checked

# A column whose information falls below this share is a combination of those before it: rounding leaves about 1e-15.
_COLLINEAR = 1e-11
# How far a combination may lie from the contrast's null space; rounding at _COLLINEAR leaves 3e-6.
_CONFOUNDED = 1e-4
# Newton's decrement, step' I step: what is left after the step is about as many standard errors.
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
    if len(w) == 2 and covariates.shape[2] == 0:
        order = arrange(time, label_patients(time, event, arm, w), stratum, n_strata)
        estimate, se, failure = two_arms(order, count(order))
        estimate, se = w.max() * estimate, w.max() * se
    else:
        x = np.ascontiguousarray(covariates, dtype=np.float64)
        seen = np.isfinite(time) & np.isfinite(x).all(axis=-1)
        label = np.where(seen, np.arange(time.shape[1], dtype=np.int32), np.int32(-1))
        estimate, se, failure = _every_replicate(arrange(time, label, stratum, n_strata), event, arm, x, w)
    failed = failure != Failure.NONE
    return Fit(
        estimate=np.where(failed, np.nan, estimate),
        se=np.where(failed, np.nan, se),
        df=np.where(failed, np.nan, np.inf),
        failure=failure,
    )


# --- two arms and no covariates: one parameter, and all there is to know of an event is who was at risk ---


@njit(cache=True, nogil=True)
def two_arms(order: Order, at_risk: AtRisk) -> tuple[Floats, Floats, Ints]:
    """Log hazard ratio left against right, its standard error and the failure's number, each (replicate,).

    Parameters
    ----------
    order : the patients in order, labelled as by `label_patients`
    at_risk : as by `count`
    """
    n_replicates = len(order.start)
    estimate, se, failure = np.empty(n_replicates), np.empty(n_replicates), np.empty(n_replicates, np.int64)
    n, left = np.empty(order.times.shape[1]), np.empty(order.times.shape[1])
    for r in range(n_replicates):
        if at_risk.n_left[r] == 0 or at_risk.n_left[r] == order.start[r, -1]:
            failure[r] = Failure.TOO_FEW_PATIENTS
            continue
        n_events, events_left = _at_events(order, at_risk, r, n, left)
        estimate[r], se[r], failure[r] = _maximise(n, left, n_events, events_left)
    return estimate, se, failure


@njit(cache=True, nogil=True)
def _at_events(order: Order, at_risk: AtRisk, r: int, n: Floats, left: Floats) -> tuple[int, int]:
    """Patients at risk at each event with Efron's shares; the number of events, and of those in the left arm.

    Parameters
    ----------
    order, at_risk : as for `two_arms`
    r : the replicate
    n, left : (patient,)
        Written from the front: patients at risk at each event, and of those in the left arm.
    """
    m = events_left = 0
    if not at_risk.tied[r]:
        for k in range(order.start[r, -1]):
            n[m], left[m] = at_risk.n[r, k], at_risk.left[r, k]
            m += order.label[r, k] & 1
            events_left += order.label[r, k] == 3
        return m, events_left
    for s in range(order.start.shape[1] - 1):
        k, end = order.start[r, s], order.start[r, s + 1]
        while k < end:
            after, d, d_left = ties(order, r, k, end)
            for j in range(d):
                n[m + j] = at_risk.n[r, k] - j
                left[m + j] = at_risk.left[r, k] - j * d_left / d
            m += d
            events_left += d_left
            k = after
    return m, events_left


@njit(cache=True, nogil=True, error_model="numpy")
def _maximise(n: Floats, left: Floats, n_events: int, events_left: int) -> tuple[float, float, int]:
    """Log hazard ratio of one replicate, its standard error and the failure's number.

    With p = a e^β/(a e^β + n − a) the chance that an event befalls the left arm, of which a of n are at risk, the score
    is O − Σp and the information Σp(1 − p), which changes with β by Σp(1 − p)(1 − 2p).
    """
    if n_events == 0:
        return 0.0, 0.0, Failure.NO_EVENTS
    only_right = only_left = 0
    for e in range(n_events):
        only_right += left[e] == 0.0
        only_left += left[e] == n[e]
    if only_left + only_right == n_events:
        return 0.0, 0.0, Failure.NOT_OBSERVED
    if events_left in (n_events - only_right, only_left):
        return 0.0, 0.0, Failure.SEPARATION
    beta, low, high = 0.0, -_FAR, _FAR
    for _ in range(_MAX_STEPS):
        expected, information, change = _expected(n, left, n_events, exp(beta))
        score = events_left - expected
        step = score / information
        if score * step < _CLOSE:
            return beta + step, 1.0 / sqrt(information + change * step), Failure.NONE
        if score > 0.0:
            low = beta
        else:
            high = beta
        beta += step / (1.0 + 0.5 * step * change / information)  # Halley's step
        if not low < beta < high:  # overshot
            beta = (low + high) / 2.0
    return 0.0, 0.0, Failure.NOT_CONVERGED


@njit(cache=True, nogil=True, error_model="numpy")
def _expected(n: Floats, left: Floats, n_events: int, ratio: float) -> tuple[float, float, float]:
    """Expected events in the left arm, their variance and its derivative by the log hazard ratio, in two lanes."""
    expected = information = change = expected_1 = information_1 = change_1 = 0.0
    for e in range(0, n_events - 1, 2):
        p, pq, by = _event(n[e], left[e], ratio)
        expected += p
        information += pq
        change += by
        p, pq, by = _event(n[e + 1], left[e + 1], ratio)
        expected_1 += p
        information_1 += pq
        change_1 += by
    if n_events % 2:
        p, pq, by = _event(n[n_events - 1], left[n_events - 1], ratio)
        expected += p
        information += pq
        change += by
    return expected + expected_1, information + information_1, change + change_1


@njit(cache=True, nogil=True, error_model="numpy")
def _event(n: float, left: float, ratio: float) -> tuple[float, float, float]:
    """The chance that an event is the left arm's, its variance and the variance's derivative."""
    a, b = left * ratio, n - left
    each = 1.0 / (a + b)
    p, q = a * each, b * each
    return p, p * q, p * q * (q - p)


# --- any number of arms and covariates ---


class Ordered(NamedTuple):
    """A data set in order of time within strata, those who fail before those censored at the same time.

    `design`: (column, patient), arms and then covariates. `start`, `begin`: (stratum + 1,), where the strata's patients
    and events begin. At event e, the l-th failure of d at one time, the stratum's patients from `first[e]` on are at
    risk, those from `rest[e]` on do not fail then, and `share[e]` = l/d. `failed`: (column,), Σ z over those who fail.
    """

    design: Floats
    start: Ints
    begin: Ints
    first: NDArray[np.uint32]
    rest: NDArray[np.uint32]
    share: Floats
    failed: Floats


class Work(NamedTuple):
    """Scratch of `_evaluate`.

    `weight`, `now`, `later`: (patient,); `sums`, `jump`: (patient + 1,); `mean`: (column, patient).
    """

    weight: Floats
    now: Floats
    later: Floats
    sums: Floats
    jump: Floats
    mean: Floats


@njit(cache=True, nogil=True)
def _every_replicate(
    order: Order, event: Bools, arm: Ints, covariates: Floats, weights: Floats
) -> tuple[Floats, Floats, Ints]:
    n_replicates, n, p = covariates.shape
    n_arms, n_strata = len(weights), order.start.shape[1] - 1
    q = n_arms - 1 + p
    estimate, se, failure = np.empty(n_replicates), np.empty(n_replicates), np.empty(n_replicates, np.int64)
    contrast, size, events = np.empty(q), np.empty(n_arms, np.int64), np.empty(n_arms, np.int64)
    start, begin = np.empty((2, n_strata + 1), np.int64)
    first, rest = np.empty((2, n), np.uint32)
    room = Ordered(np.empty((q, n)), start, begin, first, rest, np.empty(n), np.empty(q))
    work = Work(np.empty(n), np.empty(n), np.empty(n), np.empty(n + 1), np.empty(n + 1), np.empty((q, n)))
    for r in range(n_replicates):
        m = order.start[r, -1]
        who = order.label[r, :m]
        n_events = _list_events(order.times[r], event[r], who, order.start[r], room)
        size[:] = 0
        events[:] = 0
        for i in who:
            size[arm[r, i]] += 1
            events[arm[r, i]] += event[r, i]
        reference, enough = 0, True
        for a in range(n_arms):
            enough &= size[a] > 0 or weights[a] == 0.0
            if events[a] > events[reference]:  # any will do; one without events makes the other arms' infinite
                reference = a
        if not enough:
            failure[r] = Failure.TOO_FEW_PATIENTS
            continue
        contrast[:] = 0.0
        column = 0
        for a in range(n_arms):
            if a != reference:
                contrast[column] = weights[a]
                for k in range(m):
                    room.design[column, k] = arm[r, who[k]] == a
                column += 1
        for c in range(p):
            _standardise(covariates[r, :, c], who, room.design[column + c])
        for j in range(q):
            room.failed[j] = 0.0
            for k in range(m):
                room.failed[j] += room.design[j, k] * event[r, who[k]]
        listed = (first[:n_events], rest[:n_events], room.share[:n_events])
        data = Ordered(room.design[:, :m], start, begin, *listed, room.failed)
        estimate[r], se[r], failure[r] = _fit(data, contrast, n_arms - 1, work)
    return estimate, se, failure


@njit(cache=True, nogil=True)
def _list_events(times: Floats, event: Bools, who: Labels, start: Ints, out: Ordered) -> int:
    """List the events, and put those who fail before those censored at the same time; the number of events."""
    n_events = 0
    for s in range(len(start) - 1):
        out.start[s], out.begin[s] = start[s], n_events
        k, end = start[s], start[s + 1]
        while k < end:
            t, first, rest = times[k], k, k
            while k < end and times[k] == t:
                if event[who[k]]:
                    who[rest], who[k] = who[k], who[rest]
                    rest += 1
                k += 1
            for j in range(rest - first):
                out.first[n_events], out.rest[n_events] = first - start[s], rest - start[s]
                out.share[n_events] = j / (rest - first)
                n_events += 1
    out.start[-1], out.begin[-1] = start[-1], n_events
    return n_events


@njit(cache=True, nogil=True)
def _standardise(x: Floats, who: Labels, out: Floats) -> None:
    """Column x of the patients in order, with mean 0 and variance 1; 0 throughout if it is constant."""
    n = len(who)
    mean = largest = furthest = square = 0.0
    for i in who:
        mean += x[i] / n
        largest = max(largest, abs(x[i]))
    for i in who:
        furthest = max(furthest, abs(x[i] - mean))
    if furthest <= 1e-12 * largest:
        out[:n] = 0.0
        return
    for k in range(n):
        out[k] = (x[who[k]] - mean) / furthest
        square += out[k] * out[k]
    for k in range(n):
        out[k] /= sqrt(square / n)


@njit(cache=True, nogil=True)
def _fit(data: Ordered, contrast: Floats, n_first: int, work: Work) -> tuple[float, float, int]:
    """The contrast of the coefficients, its standard error and the failure's number.

    Parameters
    ----------
    data : the patients in order
    contrast : (column,)
    n_first : how many columns are arms; the others are covariates
    work : scratch
    """
    nan, n_events = np.nan, len(data.first)
    if n_events == 0:
        return nan, nan, Failure.NO_EVENTS
    q = len(contrast)
    beta, gradient, information = np.zeros(q), np.empty(q), np.empty((q, q))
    likelihood = _evaluate(data, beta, gradient, information, work)
    kept, failure = _independent(information, n_events, contrast, n_first)
    if failure != Failure.NONE:
        return nan, nan, failure
    if len(kept) < q:
        q = len(kept)
        for j in range(q):
            contrast[j], data.failed[j] = contrast[kept[j]], data.failed[kept[j]]
            for k in range(data.design.shape[1]):
                data.design[j, k] = data.design[kept[j], k]
        data = Ordered(data.design[:q], data.start, data.begin, data.first, data.rest, data.share, data.failed[:q])
        contrast, beta, gradient, information = contrast[:q], np.zeros(q), np.empty(q), np.empty((q, q))
        likelihood = _evaluate(data, beta, gradient, information, work)
    trial, inverse, close = np.empty(q), np.empty((q, q)), False
    for _ in range(_MAX_STEPS):
        factor, step = information.copy(), gradient.copy()
        if not cholesky(factor, q, 1e-14):
            break
        solve(factor, q, step)
        if close:
            invert(factor, q, inverse)
            variance = quadratic(inverse, contrast, q)
            if not 0.0 < variance < _UNDETERMINED:
                break
            return dot(contrast, beta) + dot(contrast, step), sqrt(variance), Failure.NONE
        close = dot(gradient, step) < _CLOSE
        share = 1.0
        for _halving in range(30):
            for j in range(q):
                trial[j] = beta[j] + share * step[j]
            after = _evaluate(data, trial, gradient, information, work)
            if after >= likelihood - 1e-10 * abs(likelihood):
                break
            share /= 2.0
        beta, trial, likelihood = trial, beta, after
    return nan, nan, Failure.SEPARATION if _furthest(data, beta) > _INFINITE else Failure.NOT_CONVERGED


@njit(cache=True, nogil=True)
def _independent(information: Floats, n_events: int, contrast: Floats, n_first: int) -> tuple[Ints, int]:
    """Columns that are no combination of those before them; a failure if the data do not determine the contrast.

    A combination v of columns that is the same for all at risk at every event can be added to the coefficients freely;
    the contrast c is determined if c'v = 0.
    """
    q, n = len(contrast), 0
    kept, factor, beside = np.empty(q, np.int64), np.empty((q, q)), np.empty(q)
    for j in range(q):
        informative = information[j, j] > _COLLINEAR * n_events
        kept[n] = j
        for a in range(n + 1):
            for b in range(a + 1):
                factor[a, b] = information[kept[a], kept[b]]
        if informative and cholesky(factor, n + 1, _COLLINEAR):
            n += 1
            continue
        value = contrast[j]
        if informative:
            for a in range(n):
                beside[a] = information[j, kept[a]]
            solve(factor, n, beside)
            for a in range(n):
                value -= contrast[kept[a]] * beside[a]
        if abs(value) > _CONFOUNDED:
            return kept[:n], Failure.NOT_OBSERVED if j < n_first else Failure.CONFOUNDED_COVARIATE
    return kept[:n], Failure.NONE


@njit(cache=True, nogil=True, error_model="numpy")
def _evaluate(data: Ordered, beta: Floats, gradient: Floats, information: Floats, work: Work) -> float:
    """Log partial likelihood at beta; writes its gradient and the information, −1 × its Hessian.

    With h = e^η and sums S_k = Σ_{i ≥ k} h_i (1, z_i) over those with later times, an event finds at risk
    (1 − l/d) S_first + l/d S_rest = T (1, m): their total hazard and mean z. Each adds 1/T to the cumulative hazard H_i
    of the patients from `rest` on, and (1 − l/d)/T to that of those who fail with it. Then the gradient is
    Σ_e (z_e − m_e) and the information Σ_i h_i H_i z_i z_i' − Σ_e m_e m_e'.

    Parameters
    ----------
    data : the patients in order
    beta : (column,)
    gradient, information : (column,), (column, column)
        Written.
    work : scratch
    """
    z, q, weight = data.design, len(beta), work.weight[: data.design.shape[1]]  # fewer than there is scratch for
    weight[:] = 0.0
    for a in range(q):
        gradient[a] = data.failed[a]
        _add(beta[a], z[a], weight)
    likelihood, product = dot(beta, data.failed), 1.0
    for s in range(len(data.start) - 1):
        start, end, begin, stop = data.start[s], data.start[s + 1], data.begin[s], data.begin[s + 1]
        if begin == stop:
            weight[start:end] = 0.0
            continue
        hazard, now, later = weight[start:end], work.now[begin:stop], work.later[begin:stop]
        first, rest, share = data.first[begin:stop], data.rest[begin:stop], data.share[begin:stop]
        origin = hazard.max()  # e^η must not overflow
        likelihood -= (stop - begin) * origin
        sums = work.sums[: end - start + 1]
        sums[end - start] = 0.0
        for k in range(end - start - 1, -1, -1):
            hazard[k] = exp(hazard[k] - origin)
            sums[k] = sums[k + 1] + hazard[k]
        jump = work.jump[: end - start + 1]
        jump[:] = 0.0
        for e in range(stop - begin):
            at_risk = (1.0 - share[e]) * sums[first[e]] + share[e] * sums[rest[e]]
            product *= at_risk
            if not 1e-100 < product < 1e100:  # a logarithm now and then
                likelihood -= log(product)
                product = 1.0
            now[e], later[e] = (1.0 - share[e]) / at_risk, share[e] / at_risk
            jump[first[e]] += now[e]
            jump[rest[e]] += later[e]
        for a in range(q):
            column, mean = z[a, start:end], work.mean[a, begin:stop]
            for k in range(end - start - 1, -1, -1):
                sums[k] = sums[k + 1] + hazard[k] * column[k]
            total = 0.0
            for e in range(stop - begin):
                mean[e] = now[e] * sums[first[e]] + later[e] * sums[rest[e]]
                total += mean[e]
            gradient[a] -= total
        cumulative = 0.0
        for k in range(end - start):
            cumulative += jump[k]
            hazard[k] *= cumulative
    n_events = len(data.first)
    for a in range(q):
        for b in range(a + 1):
            information[a, b] = dot_of_three(weight, z[a], z[b])
            information[a, b] -= dot(work.mean[a, :n_events], work.mean[b, :n_events])
    return likelihood - log(product)


@njit(cache=True, nogil=True)
def _add(factor: float, x: Floats, to: Floats) -> None:
    """Add factor × x to the front of `to`."""
    for k in range(len(x)):
        to[k] += factor * x[k]


@njit(cache=True, nogil=True)
def _furthest(data: Ordered, beta: Floats) -> float:
    """The largest |η|."""
    result = 0.0
    for k in range(data.design.shape[1]):
        result = max(result, abs(dot(data.design[:, k], beta)))
    return result
