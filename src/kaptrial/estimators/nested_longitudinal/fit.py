"""REML of an MMRM with therapists by Newton's method, and tests of its contrasts; one replicate, compiled.

The start is the covariance of least squares' residuals, a little of its diagonal given to therapists. Where the Hessian
is not positive definite, a step of scoring takes the place of Newton's. A variance g at 0 is held there as long as the
gradient is not negative. Satterthwaite degrees of freedom take the observed information of the parameters that are not
held at 0; Kenward and Roger's SE and degrees of freedom the expected information, of g also at 0, as in `nested`.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from kaptrial.arrays import Floats
from kaptrial.compile_cache import INLINED
from kaptrial.estimators import codes, dense
from kaptrial.estimators.mmrm import reml, structures
from kaptrial.estimators.nested_longitudinal import likelihood
from kaptrial.estimators.nested_longitudinal.likelihood import Clusters, Mean

MAX_STEPS = 100
_SINGULAR = 1e-12


class Peak(NamedTuple):
    """The model at the maximum: W, what `likelihood.value` makes of the mean, and the derivatives.

    `factor`: Cholesky factor of the Hessian of the first `n_free` parameters, which are all, or all but g at 0.
    """

    v: Floats
    g: float
    n_free: int
    w: Floats
    mean: Mean
    second: reml.Derivatives
    factor: Floats


@njit(**INLINED)
def maximise(data: Clusters, n_coefficients: int) -> tuple[int, float, Peak]:
    """Failure code, −2ℓ without its constant, and the model there."""
    n_patterns, masks, counts, t, column = data.patterns
    n_visits = len(column)
    last = n_visits * (n_visits + 1) // 2
    mean = likelihood.mean_of(n_coefficients, len(data.z))
    second = likelihood.derivatives_of(last + 1, n_coefficients)
    w, factor = np.empty((n_patterns, n_visits, n_visits)), np.empty((last + 1, last + 1))
    v = reml.start(n_patterns, masks, counts, t, column, n_coefficients)
    psi, trial, step = np.empty(last + 1), np.empty(last + 1), np.empty(last + 1)
    for j in range(n_visits):
        for k in range(j + 1):
            psi[j * (j + 1) // 2 + k] = v[j, k]
    psi[last] = 0.02 * v[0, 0]
    value, n_free, done = likelihood.value(v, psi[last], data, w, mean), last + 1, False
    code = _start_failure(v[0, 0], value, psi[last], data, mean)
    for _ in range(MAX_STEPS if code == codes.NONE else 0):
        likelihood.derivatives(v, psi[last], data, w, mean, second)
        n_free = last + 1 if psi[last] > 0.0 or second.gradient[last] < 0.0 else last
        is_newton = _solve(second.hessian, second.gradient, n_free, step, factor)
        if done and is_newton:
            return codes.NONE, value, Peak(v, psi[last], n_free, w, mean, second, factor)
        expected = second.hessian if is_newton else likelihood.information(v, psi[last], data, w, mean)
        if done or not (is_newton or _solve(expected, second.gradient, n_free, step, factor)):
            code = codes.SINGULAR_COVARIANCE
            break
        decrement, length, new, highest = 0.0, 1.0, np.nan, value + 1e-9 * (1.0 + abs(value))
        for k in range(n_free):
            decrement += step[k] * second.gradient[k]
        for _try in range(40):
            for k in range(last + 1):
                trial[k] = psi[k] - length * step[k]
            trial[last] = max(trial[last], 0.0)
            structures.fill(structures.US, trial, n_visits, v)
            new = likelihood.value(v, trial[last], data, w, mean)
            if new <= highest:
                break
            length *= 0.5
        if not new <= highest:
            break
        stays = n_free == last or (psi[last] > 0.0) == (trial[last] > 0.0)
        done = is_newton and stays and length == 1.0 and decrement < reml.LAST
        for k in range(last + 1):
            psi[k] = trial[k]
        value = new
    code = codes.NOT_CONVERGED if code == codes.NONE else code
    return code, value, Peak(v, psi[last], n_free, w, mean, second, factor)


@njit(**INLINED)
def _start_failure(variance: float, value: float, g: float, data: Clusters, mean: Mean) -> int:
    """The failure that is plain at the start."""
    n_patterns, _, _, t, column = data.patterns
    square = 0.0
    for p in range(n_patterns):
        for j in range(column.shape[1], t.shape[1]):
            square += t[p, j, j]
    if not variance > 1e-14 * square:
        return codes.NO_RESIDUAL_VARIANCE
    if value != value:
        return codes.SINGULAR_COVARIANCE
    return codes.NONE if likelihood.is_identified(g, mean) else codes.TOO_FEW_THERAPISTS


@njit(cache=True, nogil=True)
def _solve(matrix: Floats, right: Floats, n: int, x: Floats, factor: Floats) -> bool:
    """Solve for the first n of x, the others 0; False where the matrix is not positive definite."""
    for i in range(len(x)):
        x[i] = right[i] if i < n else 0.0
        for j in range(i + 1):
            factor[i, j] = matrix[i, j]
    if not dense.cholesky(factor, n, _SINGULAR):
        return False
    dense.solve(factor, n, x)
    return True


@njit(**INLINED)
def infer(contrast: Floats, peak: Peak) -> tuple[float, float, float]:
    """Estimate, SE and Satterthwaite's degrees of freedom of a contrast."""
    estimate, variance, _, slope = _variance(contrast, peak)
    return estimate, sqrt(variance), _degrees_of_freedom(variance, slope, peak.factor, peak.n_free)


@njit(**INLINED)
def infer_kenward_roger(contrast: Floats, data: Clusters, peak: Peak, expected: Floats) -> tuple[float, float, float]:
    """Estimate, SE and degrees of freedom of a contrast by Kenward and Roger; `expected`: `likelihood.information`."""
    estimate, variance, turned, slope = _variance(contrast, peak)
    factor, n = expected.copy(), len(expected)
    if not dense.cholesky(factor, n, _SINGULAR):
        return estimate, np.nan, np.nan
    seen = likelihood.hessian_of(turned, peak.v, peak.g, data, peak.w, peak.mean)
    adjusted, column = variance, np.empty(n)
    for k in range(n):
        for el in range(n):
            column[el] = seen[el, k] + expected[el, k]
        dense.solve(factor, n, column)
        adjusted += 2.0 * column[k]
    return estimate, sqrt(adjusted), _degrees_of_freedom(variance, slope, factor, n)


@njit(**INLINED)
def _variance(contrast: Floats, peak: Peak) -> tuple[float, float, Floats, Floats]:
    """Estimate and variance of a contrast c, Φc, and the variance's derivatives by the parameters."""
    beta, phi, slopes = peak.mean.beta, peak.mean.phi, peak.second.slopes
    n = len(beta)
    turned, slope = np.zeros(n), np.empty(len(slopes))
    estimate = variance = 0.0
    for i in range(n):
        estimate += contrast[i] * beta[i]
        for j in range(n):
            turned[i] += phi[i, j] * contrast[j]
        variance += contrast[i] * turned[i]
    for k in range(len(slopes)):
        slope[k] = dense.quadratic(slopes[k], turned, n)
    return estimate, variance, turned, slope


@njit(**INLINED)
def _degrees_of_freedom(variance: float, slope: Floats, factor: Floats, n: int) -> float:
    """2 variance² over the variance of it, by the factor of the Hessian of the first n parameters."""
    solved, spread = slope.copy(), 0.0
    dense.solve(factor, n, solved)
    for k in range(n):
        spread += slope[k] * solved[k]
    return variance * variance / spread
