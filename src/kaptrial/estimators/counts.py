"""Counts of events over each patient's time, such as heavy drinking days: negative binomial regression.

μ = t exp(η), variance μ + a μ² (NB2), t the exposure (an offset log t). The coefficients and a = 1/θ together maximise
the likelihood Σ [Σ_{j<k} log(1 + a j) + k log μ − (k + 1/a) log(1 + a μ)] (Lawless 1987, Canadian Journal of Statistics
15:209-225), each in turn given the other, by Newton's method: their expected cross-information is 0. The SE is that of
the coefficients' expected information Σ μ/(1 + a μ) x x' at the estimated a, as `MASS::glm.nb` has it; Wald z. Where
the likelihood falls from a = 0 (counts that vary no more than Poisson ones) a is 0 and the fit is Poisson regression.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, log1p

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators import codes
from kaptrial.estimators.dense import cholesky
from kaptrial.estimators.fit import Fit, too_few
from kaptrial.estimators.glm import COUNT, Data, Glm, contrast_of_coefficients, fit_one, gather, maximise, room
from kaptrial.estimators.predictor import as_arrays

_SMALL = 1e-11
_MOST_STEPS = 200
_MOST_EVENTS = 10_000_000


@dataclass(frozen=True, kw_only=True)
class NegativeBinomial:
    """A contrast of log rates, and θ = 1/a, (replicate,): infinite in the Poisson limit, NaN where the fit failed."""

    fit: Fit
    theta: Floats


def negative_binomial(
    events: Floats, exposure: Floats, arm: Ints, covariates: Floats, weights: ArrayLike
) -> NegativeBinomial:
    """A contrast of the arms' log rates by maximum likelihood, Wald z.

    Parameters
    ----------
    events, exposure : (replicate, patient)
        Count, and the time it was counted over in any unit; patients with NaN here or in a covariate, or without
        exposure, are left out.
    arm : (replicate, patient)
        Index of the arm.
    covariates : (replicate, patient, p)
        Numeric columns; one that adds nothing to those before it is dropped.
    weights : (arm,)
        The contrast; weights sum to 0: (−1, 1) for the log rate ratio of two arms.

    Returns
    -------
    NegativeBinomial
        Failure NO_EVENTS where an arm compared had none, SEPARATION where a covariate leaves it none.

    Raises
    ------
    ValueError
        If counts are not whole numbers from 0 to 10 million.
    """
    k, arms, x, w = as_arrays(events, arm, covariates, weights)
    counted = np.nan_to_num(k)
    if (counted % 1 != 0).any() or (counted < 0).any() or (counted > _MOST_EVENTS).any():
        raise ValueError("events must be whole numbers from 0 to 10 million")
    out = np.empty((4, len(k)))
    failure = np.empty(len(k), dtype=np.int64)
    above = np.empty(int(counted.max(initial=0.0)) + 1)
    _all(Data(k, np.require(exposure, float, ["C", "W"]), arms, x), w, above, out, failure)
    few = (failure == codes.NONE) & too_few(np.isfinite(k) & np.isfinite(x).all(axis=-1), arms, w)
    failure[few], out[:, few] = codes.TOO_FEW_PATIENTS, np.nan
    return NegativeBinomial(fit=Fit(estimate=out[0], se=out[1], df=out[2], failure=failure), theta=out[3])


@njit(cache=True, nogil=True)
def _all(data: Data, weights: Floats, above: Floats, out: Floats, failure: Ints) -> None:
    at = room(data.events.shape[1], data.covariates.shape[2], len(weights))
    for r in range(len(data.events)):
        out[0, r] = out[1, r] = out[2, r] = out[3, r] = np.nan
        replicate = Data(data.events[r], data.trials[r], data.arm[r], data.covariates[r])
        failure[r], size = fit_one(COUNT, replicate, weights, False, False, at)
        if failure[r] != codes.NONE:
            continue
        failure[r], dispersion = _disperse(size.n, size.rank, above, at)
        if failure[r] != codes.NONE:
            continue
        out[0, r], out[1, r] = contrast_of_coefficients(weights, size.rank, at)
        out[2, r], out[3, r] = np.inf, 1.0 / dispersion if dispersion > 0.0 else np.inf


@njit(cache=True, nogil=True)
def _disperse(n: int, rank: int, above: Floats, at: Glm) -> tuple[int, float]:
    """From the Poisson fit in `at` to the negative binomial: its failure and a. `above` is room for the counts' tail.

    Afterwards `factor` is that of the coefficients' expected information.
    """
    z = at.z[:rank, :n]
    rise, most = 0.0, 0
    for i in range(n):
        mean = at.trials[i] * exp(at.eta[i])
        rise += (at.events[i] - mean) ** 2 - at.events[i]
        most = max(most, int(at.events[i]))
    if rise <= 1e-10 * n:
        return codes.NONE, 0.0
    # Σ_i Σ_{j<k_i} f(j) = Σ_j above_j f(j), with above_j the number of patients with more than j events.
    for j in range(most):
        above[j] = 0.0
    for i in range(n):
        if at.events[i] > 0.0:
            above[int(at.events[i]) - 1] += 1.0
    for j in range(most - 2, -1, -1):
        above[j] += above[j + 1]

    log_a = _moment(n, at)
    for _ in range(_MOST_STEPS):
        failure = maximise(COUNT, n, rank, exp(log_a), False, True, np.empty(0), at)
        if failure != codes.NONE:
            return failure, np.nan
        step = _dispersion_step(n, above[:most], log_a, at)
        log_a += step
        if log_a < -30.0:
            return codes.NOT_CONVERGED, np.nan
        if abs(step) <= _SMALL:
            break
    else:
        return codes.NOT_CONVERGED, np.nan
    a = exp(log_a)
    for i in range(n):
        mean = at.trials[i] * exp(at.eta[i])
        at.curvature[i] = mean / (1.0 + a * mean)
    gather(at.start, z, at.residual, at.curvature, at.score, at.factor)
    return (codes.NONE if cholesky(at.factor, len(at.start) - 1 + rank, 1e-13) else codes.SINGULAR_COVARIANCE), a


@njit(cache=True, nogil=True)
def _moment(n: int, at: Glm) -> float:
    """Log of a from the Poisson residuals: Σ [(k − μ)² − k] / Σ μ²."""
    over, squares = 0.0, 0.0
    for i in range(n):
        mean = at.trials[i] * exp(at.eta[i])
        over += (at.events[i] - mean) ** 2 - at.events[i]
        squares += mean * mean
    return log(min(max(over / squares, 1e-4), 10.0))


@njit(cache=True, nogil=True)
def _dispersion_step(n: int, above: Floats, log_a: float, at: Glm) -> float:
    """Newton's step of log a at the present coefficients, at most 2; 1 uphill where the likelihood is convex."""
    a = exp(log_a)
    slope, curvature = 0.0, 0.0
    for j in range(len(above)):
        share = j / (1.0 + a * j)
        slope += above[j] * share
        curvature += above[j] * share * share
    for i in range(n):
        mean = at.trials[i] * exp(at.eta[i])
        k, am = at.events[i], a * mean
        # d/da of −(k + 1/a) log(1 + aμ), and −d²/da².
        shrink = mean / (1.0 + am)
        first, second = _reciprocal_log(am)
        slope += mean * mean * first - k * shrink
        curvature += mean**3 * second - k * shrink * shrink
    by = a * slope
    down = a * a * curvature - by
    if down <= 0.0:
        return 1.0 if by > 0.0 else -1.0
    return min(2.0, max(-2.0, by / down))


@njit(cache=True, nogil=True)
def _reciprocal_log(x: float) -> tuple[float, float]:
    """−f' and f'' of f(x) = log(1 + x)/x; by series where x is small."""
    if x < 0.02:
        first, second, power = 0.5, 0.0, 1.0
        for m in range(1, 11):
            second += m * (m + 1.0) / (m + 2.0) * power
            power *= -x
            first += (m + 1.0) / (m + 2.0) * power
        return first, second
    first = (log1p(x) - x / (1.0 + x)) / (x * x)
    return first, (2.0 * first - 1.0 / (1.0 + x) ** 2) / x
