"""REML with any of the therapist models: residual variance per arm, therapists crossed with a factor; one replicate.

Variances ψ: τ² of therapists, τ_d² of therapist × level (crossed only), then the residual variances. V⁻¹ of a therapist
by Woodbury, level by level and then over levels, gives in closed form

    M(ψ) = Σ V⁻¹-weighted products of w = (X, y) = [A b; b' c]   and   log|V|,

of which REML, the observed and the expected information and the Kenward-Roger terms need first and second derivatives
only: −2ℓ = log|V| + log|A| + c − b'A⁻¹b, X'V⁻¹V̇V⁻¹X = −∂A, Q_kl + Q_lk = ∂²A/∂ψ_k∂ψ_l, tr(V⁻¹V̇V⁻¹V̇′) = −∂² log|V|.
They are taken by central differences of fourth order; M is analytic also at τ² a little below 0.
"""

from __future__ import annotations

from math import log, pi, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.estimators import codes, dense
from kaptrial.estimators.nested.sums import Sums

MAX_STEPS = 100
# Step of the differences, relative: truncation h⁴ and rounding 1e-16/h² are then both near 1e-11.
_STEP = 2e-3
# Information below this share of what it would be were the means known, or free of the other variances, is rounding.
_NOTHING = 1e-7


class Model(NamedTuple):
    """The variances: `n_therapist` of therapists, 1, or 2 if crossed, then the residual ones.

    `group`, `level`: (arm,), each arm's residual variance and its level of the crossed factor. `kenward_roger`: whether
    degrees of freedom and SE are theirs.
    """

    n_therapist: int
    group: Ints
    level: Ints
    kenward_roger: bool


class Derivatives(NamedTuple):
    """First and second of (M, log|V|), the latter at [size, 0] of a (size + 1, size) matrix; and those of −2ℓ in ψ."""

    first: Floats
    second: Floats
    g: Floats
    observed: Floats
    expected: Floats


@njit(cache=True, nogil=True)
def _moments(psi: Floats, model: Model, data: Sums, kept: Ints, m: Floats) -> float:
    """M into `m`, both triangles, and log|V|; NaN where V is not positive definite. `kept`: the columns of w used."""
    n_therapist, group, level, _ = model
    n_arm, sums, products, n_cell, cells, _ = data
    n_arms, p1 = sums.shape
    size = len(kept)
    full = np.zeros((n_arms + p1, n_arms + p1))
    total_log = 0.0
    weight = np.empty(n_arms)
    for a in range(n_arms):
        variance = psi[n_therapist + group[a]]
        if not variance > 0.0:
            return np.nan
        weight[a] = 1.0 / variance
        total_log += n_arm[a] * log(variance)
        full[a, a] = weight[a] * n_arm[a]
        for k in range(p1):
            full[n_arms + k, a] = weight[a] * sums[a, k]
            for el in range(k + 1):
                full[n_arms + k, n_arms + el] += weight[a] * products[a, k, el]
    n_levels = 1
    for a in range(n_arms):
        n_levels = max(n_levels, level[a] + 1)
    one, all_levels = np.empty(n_arms + p1), np.empty(n_arms + p1)
    for t in range(len(n_cell)):
        all_levels[:] = 0.0
        precision = 0.0
        for g in range(n_levels):
            one[:] = 0.0
            own = 0.0
            for a in range(n_arms):
                if level[a] != g or n_cell[t, a] == 0.0:
                    continue
                own += weight[a] * n_cell[t, a]
                one[a] += weight[a] * n_cell[t, a]
                for k in range(p1):
                    one[n_arms + k] += weight[a] * cells[t, a, k]
            if own == 0.0:
                continue
            inflation = 1.0
            if n_therapist == 2:
                inflation = 1.0 + psi[1] * own
                if not inflation > 0.0:
                    return np.nan
                total_log += log(inflation)
                _subtract(full, one, psi[1] / inflation)
            precision += own / inflation
            for k in range(n_arms + p1):
                all_levels[k] += one[k] / inflation
        if precision > 0.0:
            inflation = 1.0 + psi[0] * precision
            if not inflation > 0.0:
                return np.nan
            total_log += log(inflation)
            _subtract(full, all_levels, psi[0] / inflation)
    for i in range(size):
        for j in range(i + 1):
            m[i, j] = m[j, i] = full[kept[i], kept[j]]
    return total_log


@njit(cache=True, nogil=True)
def _subtract(full: Floats, v: Floats, scale: float) -> None:
    for k in range(len(v)):
        for el in range(k + 1):
            full[k, el] -= scale * v[k] * v[el]


@njit(cache=True, nogil=True)
def _differences(psi: Floats, steps: Floats, model: Model, data: Sums, kept: Ints, out: Derivatives) -> None:
    """Those of (M, log|V|)."""
    first, second, n, size = out.first, out.second, len(psi), len(kept)
    at, m = psi.copy(), np.empty((size, size))
    # f′ ≈ Σ c_j f(x + j h) / h over j = ±1, ±2; mixed derivatives by applying it twice, second ones by their own rule.
    offsets = np.array([-2.0, -1.0, 1.0, 2.0])
    slope = np.array([1.0, -8.0, 8.0, -1.0]) / 12.0
    curve = np.array([-1.0, 16.0, 16.0, -1.0]) / 12.0
    first[:, :, :] = 0.0
    second[:, :, :, :] = 0.0
    value = _moments(psi, model, data, kept, m)
    for k in range(n):
        second[k, k, :size] -= 2.5 * m / steps[k] ** 2
        second[k, k, size, 0] -= 2.5 * value / steps[k] ** 2
    for k in range(n):
        for j in range(4):
            at[k] = psi[k] + offsets[j] * steps[k]
            value = _moments(at, model, data, kept, m)
            first[k, :size] += slope[j] * m / steps[k]
            first[k, size, 0] += slope[j] * value / steps[k]
            second[k, k, :size] += curve[j] * m / steps[k] ** 2
            second[k, k, size, 0] += curve[j] * value / steps[k] ** 2
            for el in range(k):
                for i in range(4):
                    at[el] = psi[el] + offsets[i] * steps[el]
                    value = _moments(at, model, data, kept, m)
                    scale = slope[j] * slope[i] / (steps[k] * steps[el])
                    second[k, el, :size] += scale * m
                    second[k, el, size, 0] += scale * value
                at[el] = psi[el]
        at[k] = psi[k]
    for k in range(n):
        for el in range(k):
            second[el, k] = second[k, el]


@njit(cache=True, nogil=True)
def _value(m: Floats, log_v: float, factor: Floats, beta: Floats) -> float:
    """−2ℓ without its constant, from M and log|V|; fills the factor of A and β. NaN where A is singular."""
    q = len(m) - 1
    for i in range(q):
        for j in range(i + 1):
            factor[i, j] = m[i, j]
        beta[i] = m[q, i]
    if not dense.cholesky(factor, q, 1e-11):
        return np.nan
    dense.solve(factor, q, beta)
    rss = m[q, q]
    for i in range(q):
        rss -= beta[i] * m[q, i]
    return log_v + dense.log_determinant(factor, q) + rss


@njit(cache=True, nogil=True)
def _evaluate(m: Floats, inverse: Floats, beta: Floats, out: Derivatives) -> None:
    """Gradient, observed and expected Hessian of −2ℓ in ψ, from the derivatives of (M, log|V|)."""
    first, second, g, observed, expected = out
    n, q = len(g), len(m) - 1
    r = np.empty(q + 1)
    r[:q] = -beta
    r[q] = 1.0
    slopes = np.empty((n, q, q))
    moved = np.empty((n, q + 1))
    for k in range(n):
        slopes[k] = inverse @ np.ascontiguousarray(first[k, :q, :q])
        moved[k] = np.ascontiguousarray(first[k, : q + 1, : q + 1]) @ r
        g[k] = first[k, q + 1, 0] + np.trace(slopes[k]) + r @ moved[k]
    for k in range(n):
        for el in range(k + 1):
            curved = 0.0
            for i in range(q):
                for j in range(q):
                    curved += inverse[i, j] * second[k, el, i, j]
            both = 0.0
            for i in range(q):
                for j in range(q):
                    both += slopes[k, i, j] * slopes[el, j, i]
            quadratic = r @ (np.ascontiguousarray(second[k, el, : q + 1, : q + 1]) @ r)
            cross = moved[k, :q] @ (inverse @ np.ascontiguousarray(moved[el, :q]))
            observed[k, el] = second[k, el, q + 1, 0] + curved - both + quadratic - 2.0 * cross
            expected[k, el] = -second[k, el, q + 1, 0] - curved + both
            observed[el, k], expected[el, k] = observed[k, el], expected[k, el]


@njit(cache=True, nogil=True)
def fit(model: Model, data: Sums, kept: Ints, contrast: Floats, psi: Floats) -> tuple[float, float, float, int, float]:
    """Estimate, SE, degrees of freedom, failure and restricted log likelihood of one contrast (kept column,).

    `psi` (variance,) gets the variances.
    """
    n_therapist, n_arm, n_cell = model.n_therapist, data.n_arm, data.n_cell
    size = len(kept)
    q, n = size - 1, len(psi)
    n_patients = 0.0
    for a in range(len(n_arm)):
        n_patients += n_arm[a]
    nan = np.nan
    if n_patients - q < n:
        return nan, nan, nan, codes.TOO_FEW_PATIENTS, nan
    m, factor, inverse, beta = np.empty((size, size)), np.empty((q, q)), np.empty((q, q)), np.empty(q)
    psi[:] = 1.0
    psi[:n_therapist] = 0.0
    log_v = _moments(psi, model, data, kept, m)
    rss = _value(m, 0.0, factor, beta)
    if rss != rss:
        return nan, nan, nan, codes.SINGULAR_COVARIANCE, nan
    variance = (rss - dense.log_determinant(factor, q)) / (n_patients - q)
    if not variance > 1e-13 * m[q, q]:
        return nan, nan, nan, codes.NO_RESIDUAL_VARIANCE, nan
    psi[:] = variance
    psi[:n_therapist] = 0.1 * variance
    first, second = np.empty((n, size + 1, size)), np.empty((n, n, size + 1, size))
    g, observed, expected = np.empty(n), np.empty((n, n)), np.empty((n, n))
    out = Derivatives(first, second, g, observed, expected)
    steps, trial, step = np.empty(n), np.empty(n), np.empty(n)
    free = np.ones(n, dtype=np.bool_)
    most = 1.0
    for t in range(len(n_cell)):
        most = max(most, n_cell[t].sum())
    log_v = _moments(psi, model, data, kept, m)
    value = _value(m, log_v, factor, beta)
    done = False
    for _ in range(MAX_STEPS):
        dense.invert(factor, q, inverse)
        smallest = psi[n_therapist:].min()
        for k in range(n):
            # A therapist variance matters beside that of a therapist's mean.
            steps[k] = _STEP * (psi[k] if k >= n_therapist else psi[k] + smallest / most)
        _differences(psi, steps, model, data, kept, out)
        _evaluate(m, inverse, beta, out)
        for k in range(n_therapist):
            free[k] = psi[k] > 0.0 or g[k] < 0.0
        if done:
            break
        if not _direction(observed, g, free, step) and not _direction(expected, g, free, step):
            return nan, nan, nan, codes.SINGULAR_COVARIANCE, nan
        decrement = 0.0
        for k in range(n):
            decrement += g[k] * step[k]
        length, better = 1.0, False
        for _ in range(60):
            for k in range(n):
                trial[k] = psi[k] - length * step[k]
                if k < n_therapist:
                    trial[k] = max(trial[k], 0.0)
                elif not trial[k] > 0.2 * psi[k]:
                    trial[k] = 0.2 * psi[k]
            log_v = _moments(trial, model, data, kept, m)
            new = _value(m, log_v, factor, beta)
            if new <= value + 1e-10 * (1.0 + abs(value)):
                better = True
                break
            length *= 0.5
        if not better:
            return nan, nan, nan, codes.NOT_CONVERGED, nan
        if psi[n_therapist:].min() < 1e-10 * variance:
            return nan, nan, nan, codes.NO_RESIDUAL_VARIANCE, nan
        stays = True
        for k in range(n_therapist):
            if free[k] and (psi[k] > 0.0) != (trial[k] > 0.0):
                stays = False
        done = stays and length == 1.0 and decrement < 1e-13
        value = new
        psi[:] = trial
    if not done:
        return nan, nan, nan, codes.NOT_CONVERGED, nan
    for k in range(n):
        if not expected[k, k] > -_NOTHING * second[k, k, size, 0]:
            return nan, nan, nan, codes.TOO_FEW_THERAPISTS if k < n_therapist else codes.TOO_FEW_PATIENTS, nan
    if not dense.cholesky(expected.copy(), n, _NOTHING):
        return nan, nan, nan, codes.SINGULAR_COVARIANCE, nan
    loglik = -0.5 * (value + (n_patients - q) * log(2.0 * pi))
    return _infer(contrast, loglik, beta, inverse, out, free, model.kenward_roger)


@njit(cache=True, nogil=True)
def _direction(hessian: Floats, g: Floats, free: Bools, step: Floats) -> bool:
    """H⁻¹g over the free variances, 0 for the others; False where H is not positive definite there."""
    n = len(g)
    which = np.flatnonzero(free)
    factor, b = np.empty((n, n)), np.empty(n)
    for i in range(len(which)):
        b[i] = g[which[i]]
        for j in range(len(which)):
            factor[i, j] = hessian[which[i], which[j]]
    if not dense.cholesky(factor, len(which), 1e-10):
        return False
    dense.solve(factor, len(which), b)
    step[:] = 0.0
    for i in range(len(which)):
        step[which[i]] = b[i]
    return True


@njit(cache=True, nogil=True)
def _infer(
    contrast: Floats, loglik: float, beta: Floats, inverse: Floats, at: Derivatives, free: Bools, kenward_roger: bool
) -> tuple[float, float, float, int, float]:
    """Contrast, its SE and degrees of freedom; a therapist variance at 0 has no part in Satterthwaite's."""
    first, second, g, observed, expected = at
    n, q = len(g), len(beta)
    nan = np.nan
    if kenward_roger:
        free = np.ones(n, dtype=np.bool_)
    which = np.flatnonzero(free)
    factor, covariance = np.empty((n, n)), np.empty((n, n))
    for i in range(len(which)):
        for j in range(len(which)):
            factor[i, j] = (expected if kenward_roger else observed)[which[i], which[j]]
    if not dense.cholesky(factor, len(which), 1e-10):
        return nan, nan, nan, codes.SINGULAR_COVARIANCE, nan
    dense.invert(factor, len(which), covariance)
    h = inverse @ contrast
    variance = float(contrast @ h)
    slope = np.empty(n)
    for k in range(n):
        slope[k] = -(h @ (np.ascontiguousarray(first[k, :q, :q]) @ h))
    spread, gain = 0.0, 0.0
    for i in range(len(which)):
        for j in range(len(which)):
            k, el = which[i], which[j]
            spread += 2.0 * covariance[i, j] * slope[k] * slope[el]
            curved = h @ (np.ascontiguousarray(second[k, el, :q, :q]) @ h)
            moved = np.ascontiguousarray(first[k, :q, :q]) @ h
            other = np.ascontiguousarray(first[el, :q, :q]) @ h
            gain += 2.0 * covariance[i, j] * (0.5 * curved - moved @ (inverse @ other))
    adjusted = variance + 2.0 * gain if kenward_roger else variance
    df = 2.0 * variance * variance / spread
    if not (adjusted > 0.0 and df > 0.0):
        return nan, nan, nan, codes.NOT_CONVERGED, nan
    return float(contrast @ beta), sqrt(adjusted), df, codes.NONE, loglik
