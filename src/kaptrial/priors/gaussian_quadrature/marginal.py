"""The log density of one replicate's SDs, coefficients and therapist effects integrated out, compiled.

Given the SDs the coefficients β are normal, and so is the likelihood with β integrated out:

    M = Σ_k w_k S_k + P,   b = Σ w_k s_k + P m,   log p(y | SDs) = −½ (log|V| + log|M| − log|P| + c − b'M⁻¹b + N log 2π)

(Lindley & Smith 1972, JRSS B 34:1). Therapist effects are eliminated first: each meets only itself.
"""

from __future__ import annotations

from math import exp, log, pi, sqrt
from typing import Any

import numpy as np
from numba import njit

from kaptrial.arrays import Floats

# What the functions here and in `kernel` hand on, in tuples:
#   data   = (sums, shared, n, prior, log_prior, scales), of one replicate and one component of the prior
#   outer  = (tau, fixed): SD of therapists; SD of intercepts if it is outer, else negative


@njit(cache=True, nogil=True)
def half_normal(log_sd: float, scale: float) -> float:
    """Log density of log SD where the SD is half-normal."""
    return 0.5 * log(2.0 / pi) - log(scale) + log_sd - 0.5 * exp(2.0 * (log_sd - log(scale)))


@njit(cache=True, nogil=True)
def _weight(variance: float, ratio: float, k: int) -> float:
    """Of the sums over scores (k = 0), and over patients with k scores, in the products weighted by V⁻¹.

    V⁻¹ = (I − ρ/(1 + kρ) 11') / σ², ρ = τ²/σ²."""
    return 1.0 / variance if k == 0 else -ratio / ((1.0 + k * ratio) * variance)


@njit(cache=True, nogil=True)
def _add(out: Floats, w: float, x: Floats, k: int) -> None:
    """out += w x[k]. All of a square is added, though only its lower triangle counts: one straight loop is faster."""
    for c in range(len(out)):
        out[c] += w * x[k, c]


@njit(cache=True, nogil=True)
def _system(theta: Floats, outer: tuple[float, float], data: Any, m: Floats) -> float:
    """M, b (its last row) and c (the corner) into `m`, (p + 1, p + 1); minus twice the rest of the log density.

    theta: log SDs of residuals by class, then of intercepts if that is inner.
    """
    sums, shared, n, prior, _, scales = data
    tau, fixed = outer
    n_residuals = n.shape[0]
    size = sums.shape[0] // n_residuals
    p1 = m.shape[0]
    flat = m.reshape(p1 * p1)
    for c in range(p1 * p1):
        flat[c] = prior[c]
    twice = 0.0
    n_scores = 0.0
    intercept = 0.0
    if len(theta) > n_residuals:
        intercept = exp(2.0 * theta[n_residuals])
        twice -= 2.0 * half_normal(theta[n_residuals], scales[1])
    elif fixed > 0.0:
        intercept = fixed * fixed
    for r in range(n_residuals):
        variance = exp(2.0 * theta[r])
        ratio = intercept / variance
        n_scores += n[r, 0]
        twice += n[r, 0] * 2.0 * theta[r] - 2.0 * half_normal(theta[r], scales[0])
        for k in range(size):
            if n[r, k] > 0:
                _add(flat, _weight(variance, ratio, k), sums, r * size + k)
                if k > 0:
                    twice += n[r, k] * log(1.0 + k * ratio)
    if shared.shape[1] > 0 and tau > 0.0:
        row = np.empty(p1 + 1)
        for j in range(shared.shape[1]):
            row[:] = 0.0
            for r in range(n_residuals):
                variance = exp(2.0 * theta[r])
                for k in range(size):
                    if n[r, k] > 0:
                        _add(row, _weight(variance, intercept / variance, k), shared[:, j], r * size + k)
            grown = 1.0 + tau * tau * row[p1]
            twice += log(grown)
            share = tau * tau / grown
            for c in range(p1):
                for d in range(c + 1):
                    m[c, d] -= share * row[c] * row[d]
    return twice + n_scores * log(2.0 * pi)


@njit(cache=True, nogil=True)
def log_density(theta: Floats, outer: tuple[float, float], data: Any, m: Floats) -> float:
    """Log of likelihood times prior of the inner log SDs, coefficients and therapist effects integrated out.

    `m` becomes the Cholesky factor L of M, its last row L⁻¹b. NaN if M is not positive definite.
    """
    twice = _system(theta, outer, data, m)
    p = m.shape[0] - 1
    log_determinant, product, explained = 0.0, 1.0, 0.0
    for j in range(p):
        pivot = m[j, j]
        least = 1e-14 * pivot
        for k in range(j):
            pivot -= m[j, k] * m[j, k]
        if not pivot > least:
            return np.nan
        # One logarithm for eight pivots, and one division a column: they would cost more than the rest.
        product *= pivot
        if j % 8 == 7:
            log_determinant += log(product)
            product = 1.0
        root = sqrt(pivot)
        inverse = 1.0 / root
        m[j, j] = root
        for i in range(j + 1, p + 1):
            value = m[i, j]
            for k in range(j):
                value -= m[i, k] * m[j, k]
            m[i, j] = value * inverse
        explained += m[p, j] * m[p, j]
    log_determinant += log(product)
    return -0.5 * (twice + log_determinant - data[4] + m[p, p] - explained)
