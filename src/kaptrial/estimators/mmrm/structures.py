"""Covariance structures of the visits: maps from few parameters θ to the distinct elements of V, with derivatives.

The elements v of V are numbered row by row of the lower triangle: v[j (j + 1)/2 + k] = V[j, k], k ≤ j. Apart from the
unstructured one every structure here is V[j, k] = exp(s_j + s_k) ρ(j, k): log SDs s, one or one a visit, and
correlations ρ by lag in visits: the same (cs), ρ^lag (ar1), or one a lag (toep).
"""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
from numba import njit

from kaptrial.arrays import Floats

US, TOEPH, TOEP, AR1H, AR1, CSH, CS = range(7)
STRUCTURES = {"us": US, "toeph": TOEPH, "toep": TOEP, "ar1h": AR1H, "ar1": AR1, "csh": CSH, "cs": CS}


@njit(cache=True, nogil=True)
def n_parameters(structure: int, n_visits: int) -> int:
    """How many parameters a structure has."""
    if structure == US:
        return n_visits * (n_visits + 1) // 2
    sds = n_visits if structure in (TOEPH, AR1H, CSH) else 1
    if n_visits == 1:
        return 1
    return sds + (n_visits - 1 if structure in (TOEPH, TOEP) else 1)


@njit(cache=True, nogil=True)
def _n_sds(structure: int, n_visits: int) -> int:
    return n_visits if structure in (TOEPH, AR1H, CSH) else 1


@njit(cache=True, nogil=True)
def start(structure: int, v0: Floats, n_visits: int) -> Floats:
    """θ near a given positive definite V, (visit, visit)."""
    n = n_parameters(structure, n_visits)
    theta = np.zeros(n)
    if structure == US:
        for j in range(n_visits):
            for k in range(j + 1):
                theta[j * (j + 1) // 2 + k] = v0[j, k]
        return theta
    sds = _n_sds(structure, n_visits)
    for j in range(n_visits):
        theta[j if sds > 1 else 0] += 0.5 * log(v0[j, j]) / (1 if sds > 1 else n_visits)
    lags = np.zeros(n_visits)
    for j in range(n_visits):
        for k in range(j):
            lags[j - k] += v0[j, k] / sqrt(v0[j, j] * v0[k, k])
    total = 0.0
    for lag in range(1, n_visits):
        total += lags[lag]
        lags[lag] /= n_visits - lag
    if n_visits == 1:
        return theta
    if structure in (AR1H, AR1):
        theta[sds] = min(max(lags[1], -0.9), 0.9)
    elif structure in (CSH, CS):
        mean = total / (n_visits * (n_visits - 1) / 2)
        theta[sds] = min(max(mean, -0.9 / (n_visits - 1)), 0.9)
    else:  # near an AR(1), which is positive definite
        rho = min(max(lags[1], -0.9), 0.9)
        for lag in range(1, n_visits):
            theta[sds + lag - 1] = _power(rho, lag)
    return theta


@njit(cache=True, nogil=True)
def _power(r: float, n: int) -> float:
    """r^n by squaring, n ≥ 0: the same bits compiled and as plain Python."""
    result = 1.0
    while n > 0:
        if n & 1:
            result *= r
        n >>= 1
        r *= r
    return result


@njit(cache=True, nogil=True)
def _correlation(structure: int, theta: Floats, sds: int, lag: int) -> tuple[float, float, float, int]:
    """ρ, ρ′ and ρ″ at a lag, and the number of the parameter it depends on."""
    if structure in (AR1H, AR1):
        r = theta[sds]
        second = lag * (lag - 1) * _power(r, lag - 2) if lag > 1 else 0.0
        return _power(r, lag), lag * _power(r, lag - 1), second, sds
    if structure in (CSH, CS):
        return theta[sds], 1.0, 0.0, sds
    return theta[sds + lag - 1], 1.0, 0.0, sds + lag - 1


@njit(cache=True, nogil=True)
def fill(structure: int, theta: Floats, n_visits: int, v: Floats) -> None:
    """V from θ into `v`, (visit, visit)."""
    if structure == US:
        for j in range(n_visits):
            for k in range(j + 1):
                v[j, k] = v[k, j] = theta[j * (j + 1) // 2 + k]
        return
    sds = _n_sds(structure, n_visits)
    for j in range(n_visits):
        for k in range(j + 1):
            value = exp(theta[j if sds > 1 else 0] + theta[k if sds > 1 else 0])
            if j != k:
                value *= _correlation(structure, theta, sds, j - k)[0]
            v[j, k] = v[k, j] = value


@njit(cache=True, nogil=True)
def add_curvature(structure: int, theta: Floats, n_visits: int, g_v: Floats, h: Floats) -> None:
    """Add Σ g_v ∂²v/∂θ² to `h`: what the Hessian in θ has beside that of `chain`."""
    if structure == US:
        return
    sds = _n_sds(structure, n_visits)
    for j in range(n_visits):
        for k in range(j + 1):
            weight = g_v[j * (j + 1) // 2 + k]
            sj, sk = (j, k) if sds > 1 else (0, 0)
            scale = exp(theta[sj] + theta[sk])
            rho, slope, curve, r = 1.0, 0.0, 0.0, -1
            if j != k:
                rho, slope, curve, r = _correlation(structure, theta, sds, j - k)
            h[sj, sj] += weight * scale * rho
            h[sk, sk] += weight * scale * rho
            h[sj, sk] += weight * scale * rho
            h[sk, sj] += weight * scale * rho
            if r >= 0:
                h[sj, r] += weight * scale * slope
                h[r, sj] += weight * scale * slope
                h[sk, r] += weight * scale * slope
                h[r, sk] += weight * scale * slope
                h[r, r] += weight * scale * curve


@njit(cache=True, nogil=True)
def chain(structure: int, theta: Floats, n_visits: int, g_v: Floats, h_v: Floats, g: Floats, h: Floats) -> None:
    """The gradient in θ, D'g_v, into `g`, and D'h_v D added to `h`, from those in the elements of V; D = ∂v/∂θ."""
    n_v, n = len(g_v), len(theta)
    if structure == US:
        for a in range(n):
            g[a] = g_v[a]
            for b in range(n):
                h[a, b] += h_v[a, b]
        return
    sds = _n_sds(structure, n_visits)
    d = np.zeros((n_v, n))
    for j in range(n_visits):
        for k in range(j + 1):
            e = j * (j + 1) // 2 + k
            sj, sk = (j, k) if sds > 1 else (0, 0)
            scale = exp(theta[sj] + theta[sk])
            rho, slope, r = 1.0, 0.0, -1
            if j != k:
                rho, slope, _, r = _correlation(structure, theta, sds, j - k)
            d[e, sj] += scale * rho
            d[e, sk] += scale * rho
            if r >= 0:
                d[e, r] = scale * slope
    half = h_v @ d
    for a in range(n):
        g[a] = 0.0
        for e in range(n_v):
            g[a] += d[e, a] * g_v[e]
        for b in range(n):
            for e in range(n_v):
                h[a, b] += d[e, a] * half[e, b]
