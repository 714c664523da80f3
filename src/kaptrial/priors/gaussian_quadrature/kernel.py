"""The posterior of one replicate by quadrature over its SDs, compiled; `marginal` has their log density.

SDs that are well determined, those of residuals and mostly that of patients' intercepts, are inner: Newton's method to
the mode in log SDs, then a product of Gauss-Hermite rules in the directions of the Hessian (Naylor & Smith 1982, Appl
Stat 31:214). An SD that may be 0, that of therapists and now and then that of intercepts, is outer, because a rule
about the mode fails there: the trapezoid rule in s with τ = scale · exp(s − exp(−s)), whose integrand falls double
exponentially to both sides (Takahasi & Mori 1974).
"""

from __future__ import annotations

from math import erfc, exp, log, pi, sqrt
from typing import Any

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators import dense
from kaptrial.priors.gaussian_quadrature.marginal import half_normal, log_density
from kaptrial.priors.gaussian_quadrature.sums import cross_products

MAX_STEPS = 30
# Step of the differences in log SDs: the Hessian only places the nodes, six digits are ample.
_STEP = 2e-3
# Posterior SD of the log SD of intercepts above which it is integrated outside: 7 nodes would err by more than 1e-6.
_INNER = 0.12
# A log SD of residuals known less well than this is too far from normal for few nodes: some six patients.
WIDEST = 0.3
# Where the outer integrand is below exp(-_DEPTH) of its maximum it no longer counts.
_DEPTH = 30.0
_COARSE, _FINE = 29, 64
_LOW, _HIGH = -2.6, 2.6
OK, NOT_CONVERGED, TOO_WIDE = 0, 1, 2

# What the functions below hand on, in tuples: `data` and `outer` as in `marginal`, and
#   rule = (nodes, log_weights), asked = (functionals, at), sums = (first, second, below, density, sds)


@njit(cache=True, nogil=True)
def _mode(theta: Floats, outer: tuple[float, float], data: Any, m: Floats, precision: Floats) -> tuple[float, bool]:
    """Newton's method from `theta`, in place; log density at the mode, and whether it got there.

    `precision`: minus the Hessian there.
    """
    d = len(theta)
    gradient, step, plus, minus = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    trial, factor = np.empty(d), np.empty((d, d))
    h = _STEP
    here = log_density(theta, outer, data, m)
    for _ in range(MAX_STEPS):
        for a in range(d):
            trial[:] = theta
            trial[a] = theta[a] + h
            plus[a] = log_density(trial, outer, data, m)
            trial[a] = theta[a] - h
            minus[a] = log_density(trial, outer, data, m)
            gradient[a] = (plus[a] - minus[a]) / (2.0 * h)
            precision[a, a] = -(plus[a] - 2.0 * here + minus[a]) / (h * h)
        for a in range(d):
            for e in range(a):
                trial[:] = theta
                trial[a] += h
                trial[e] += h
                both = log_density(trial, outer, data, m)
                trial[a] -= 2.0 * h
                trial[e] -= 2.0 * h
                neither = log_density(trial, outer, data, m)
                mixed = both + neither - plus[a] - minus[a] - plus[e] - minus[e] + 2.0 * here
                precision[a, e] = precision[e, a] = -mixed / (2.0 * h * h)
        factor[:, :] = precision
        definite = dense.cholesky(factor, d, 1e-12)
        step[:] = gradient
        if definite:
            dense.solve(factor, d, step)
        else:  # far from the mode: up the slope
            step /= max(np.abs(gradient).max(), 1e-300)
        decrement, longest = 0.0, 0.0
        for a in range(d):
            decrement += step[a] * gradient[a]
            longest = max(longest, abs(step[a]))
        if not longest < 1e10:
            return here, False
        shrink = min(1.0, 1.0 / max(longest, 1e-300))
        while True:
            for a in range(d):
                trial[a] = theta[a] + shrink * step[a]
            there = log_density(trial, outer, data, m)
            if there >= here - 1e-9 or shrink < 1e-4:
                break
            shrink *= 0.5
        if there > here:
            theta[:] = trial
            here = there
        if definite and decrement < 1e-4:  # a hundredth of an SD
            return here, True
    return here, False


@njit(cache=True, nogil=True)
def _directions(precision: Floats) -> tuple[Floats, float]:
    """Upper triangular R with R R' = precision⁻¹, and log|R|; not finite where precision is not definite."""
    d = precision.shape[0]
    factor = precision.copy()
    root = np.zeros((d, d))
    if not dense.cholesky(factor, d, 1e-12):
        return root, np.inf
    volume = 0.0
    for a in range(d):
        root[a, a] = 1.0 / factor[a, a]
        volume -= log(factor[a, a])
        for e in range(a - 1, -1, -1):
            value = 0.0
            for k in range(e + 1, a + 1):
                value -= factor[k, e] * root[k, a]
            root[e, a] = value / factor[e, e]
    return root, volume


@njit(cache=True, nogil=True)
def _collect(m: Floats, weight: float, asked: Any, v: Floats, sums: Any) -> None:
    """Add a node's conditional normal of each functional, with its weight."""
    functionals, at = asked
    first, second, below, density, _ = sums
    p = m.shape[0] - 1
    for f in range(functionals.shape[0]):
        mean, variance = 0.0, 0.0
        for c in range(p):
            value = functionals[f, c]
            for k in range(c):
                value -= m[c, k] * v[k]
            v[c] = value / m[c, c]
            mean += v[c] * m[p, c]
            variance += v[c] * v[c]
        sd = sqrt(variance)
        first[f] += weight * mean
        second[f] += weight * (variance + mean * mean)
        for k in range(at.shape[1]):
            x = (at[f, k] - mean) / sd
            below[f, k] += weight * 0.5 * erfc(-x / sqrt(2.0))
            density[f, k] += weight * exp(-0.5 * x * x) / (sd * sqrt(2.0 * pi))


@njit(cache=True, nogil=True)
def _inner(
    theta: Floats, precision: Floats, outer: tuple[float, float], log_scale: float, data: Any, rule: Any, asked: Any,
    m: Floats, sums: Any,
) -> tuple[float, float]:  # fmt: skip
    """Gauss-Hermite about the mode `theta`: nodes of weight exp(log density + log_scale) into `sums`.

    Returns their total, and the largest posterior SD among log SDs of residuals (averaged over outer nodes by callers).
    """
    nodes, log_weights = rule
    sds = sums[4]
    n_residuals = data[2].shape[0]
    d = len(theta)
    root, volume = _directions(precision)
    if not np.isfinite(volume):
        return 0.0, np.inf
    widest = 0.0
    for a in range(n_residuals):
        widest = max(widest, sqrt((root[a] ** 2).sum()))
    order = len(nodes)
    total = 0.0
    v = np.empty(m.shape[0] - 1)
    here = np.empty(d)
    for index in range(order**d):
        rest, log_weight = index, volume + log_scale
        here[:] = theta
        for a in range(d):
            k = rest % order
            rest //= order
            log_weight += log_weights[k]
            for e in range(a + 1):
                here[e] += root[e, a] * nodes[k]
        value = log_density(here, outer, data, m)
        if np.isnan(value):
            continue
        weight = exp(value + log_weight)
        total += weight
        _collect(m, weight, asked, v, sums)
        for a in range(d):
            sds[a] += weight * exp(here[a])
        if outer[1] >= 0.0:
            sds[d] += weight * outer[1]
        if data[1].shape[1] > 0:
            sds[-1] += weight * outer[0]
    return total, widest


@njit(cache=True, nogil=True)
def _at(s: float, scale: float) -> tuple[float, float]:
    """τ at s, and the log of dτ/ds times the half-normal density of τ."""
    log_tau = log(scale) + s - exp(-s)
    return exp(log_tau), half_normal(log_tau, scale) + log(1.0 + exp(-s))


@njit(cache=True, nogil=True)
def _span(profile: Floats) -> tuple[float, Floats]:
    """The maximum of a coarse profile over s, and the fine nodes that span what counts."""
    grid = np.linspace(_LOW, _HIGH, _COARSE)
    top = profile.max()
    low, high = _COARSE - 1, 0
    for g in range(_COARSE):
        if profile[g] > top - _DEPTH:
            low, high = min(low, g), max(high, g)
    return top, np.linspace(grid[max(low - 1, 0)], grid[min(high + 1, _COARSE - 1)], _FINE)


@njit(cache=True, nogil=True)
def _coarse(theta: Floats, tau: float, data: Any, m: Floats, precision: Floats) -> Floats:
    """Log density at the inner mode along the outer SD of intercepts; NaN where there is no mode."""
    profile = np.empty(_COARSE)
    grid = np.linspace(_LOW, _HIGH, _COARSE)
    for g in range(_COARSE):
        value, jacobian = _at(grid[g], data[5][1])
        top, converged = _mode(theta, (tau, value), data, m, precision)
        if not converged:
            profile[:] = np.nan
            return profile
        profile[g] = top + jacobian
    return profile


@njit(cache=True, nogil=True)
def _highest(theta: Floats, tau: float, outside: bool, data: Any, m: Floats, precision: Floats) -> float:
    """The log density at its highest for one SD of therapists; NaN where it was not found."""
    if outside:
        return _coarse(theta, tau, data, m, precision).max()
    top, converged = _mode(theta, (tau, -1.0), data, m, precision)
    return top if converged else np.nan


@njit(cache=True, nogil=True)
def _given_therapists(
    theta: Floats, tau: float, outside: bool, log_scale: float, data: Any, rule: Any, asked: Any, m: Floats,
    precision: Floats, sums: Any,
) -> tuple[float, float]:  # fmt: skip
    """Everything but the SD of therapists integrated; as `_inner`. NaN where a mode was not found."""
    if not outside:
        _, converged = _mode(theta, (tau, -1.0), data, m, precision)
        if not converged:
            return np.nan, np.nan
        return _inner(theta, precision, (tau, -1.0), log_scale, data, rule, asked, m, sums)
    _, fine = _span(_coarse(theta, tau, data, m, precision))
    total, widest = 0.0, 0.0
    for g in range(_FINE):
        value, jacobian = _at(fine[g], data[5][1])
        outer = (tau, value)
        _, converged = _mode(theta, outer, data, m, precision)
        if not converged:
            return np.nan, np.nan
        here = log_scale + jacobian + log(fine[1] - fine[0])
        mass, wide = _inner(theta, precision, outer, here, data, rule, asked, m, sums)
        total += mass
        widest += mass * wide
    return total, widest / max(total, 1e-300)


@njit(cache=True, nogil=True)
def _component(start: Floats, data: Any, rule: Any, asked: Any, m: Floats, sums: Any) -> tuple[float, int]:
    """Posterior under one normal prior into the (zeroed) `sums`, normalised; log evidence and a flag."""
    n_residuals, d = data[2].shape[0], len(start)
    theta, precision = start.copy(), np.zeros((d, d))
    offset, converged = _mode(theta, (0.0, -1.0), data, m, precision)
    outside = False
    if d > n_residuals:
        root, volume = _directions(precision)
        outside = not (converged and np.isfinite(volume) and sqrt((root[d - 1] ** 2).sum()) < _INNER)
        if outside:
            theta, precision = start[:n_residuals].copy(), np.zeros((n_residuals, n_residuals))
    if data[1].shape[1] == 0:
        if outside:
            offset = _highest(theta, 0.0, outside, data, m, precision)
            total, widest = _given_therapists(theta, 0.0, outside, -offset, data, rule, asked, m, precision, sums)
        elif converged:
            total, widest = _inner(theta, precision, (0.0, -1.0), -offset, data, rule, asked, m, sums)
        else:
            return np.nan, NOT_CONVERGED
    else:
        scale = data[5][2]
        profile = np.empty(_COARSE)
        grid = np.linspace(_LOW, _HIGH, _COARSE)
        for g in range(_COARSE):
            tau, jacobian = _at(grid[g], scale)
            profile[g] = _highest(theta, tau, outside, data, m, precision) + jacobian
        if np.isnan(profile).any():
            return np.nan, NOT_CONVERGED
        offset, fine = _span(profile)
        total, widest = 0.0, 0.0
        for g in range(_FINE):
            tau, jacobian = _at(fine[g], scale)
            log_scale = jacobian + log(fine[1] - fine[0]) - offset
            mass, wide = _given_therapists(theta, tau, outside, log_scale, data, rule, asked, m, precision, sums)
            total += mass
            widest += mass * wide
        widest /= max(total, 1e-300)
    if not total > 0.0:
        return np.nan, NOT_CONVERGED
    for part in sums[:2]:
        part /= total
    for part in sums[2:4]:
        part /= total
    sums[4][:] /= total
    return offset + log(total), TOO_WIDE if widest > WIDEST else OK


@njit(cache=True, nogil=True)
def posteriors(
    y: Floats, z: Floats, profile: Floats, column: Ints, residual: Ints, n_residuals: int, therapist: Ints,
    intercepts: bool, share: Floats, prior: Floats, log_prior: Floats, scales: Floats, start: Floats, nodes: Floats,
    log_weights: Floats, functionals: Floats, at: Floats, mean: Floats, sd: Floats, below: Floats, density: Floats,
    evidence: Floats, weight: Floats, sds: Floats, flags: Ints,
) -> None:  # fmt: skip
    """The posterior of every replicate into the last eight arguments; see `posterior` for shapes and meaning."""
    n_components = len(share)
    shape = (n_components, *below.shape[1:])
    p1 = functionals.shape[1] + 1
    first, second = np.empty(shape[:2]), np.empty(shape[:2])
    cdf, pdf = np.empty(shape), np.empty(shape)
    scale = np.empty((n_components, sds.shape[1]))
    evidences = np.empty(n_components)
    m = np.zeros((p1, p1))
    flat_prior = prior.reshape(n_components, p1 * p1)
    for r in range(y.shape[0]):
        sums, shared, n = cross_products(
            y[r], z[r], profile, column, residual[r], n_residuals, therapist[r], therapist[r].max() + 1, intercepts
        )
        flat_sums = sums.reshape(sums.shape[0], p1 * p1)
        first[:], second[:], cdf[:], pdf[:], scale[:] = 0.0, 0.0, 0.0, 0.0, 0.0
        flags[r] = OK
        largest = -np.inf
        for c in range(n_components):
            data = (flat_sums, shared, n, flat_prior[c], log_prior[c], scales)
            component_sums = (first[c], second[c], cdf[c], pdf[c], scale[c])
            evidences[c], flag = _component(start, data, (nodes, log_weights), (functionals, at[r]), m, component_sums)
            if flag != OK and flags[r] != NOT_CONVERGED:
                flags[r] = flag
            largest = max(largest, evidences[c] + log(share[c]))
        mean[r], sd[r], below[r], density[r], sds[r] = 0.0, 0.0, 0.0, 0.0, 0.0
        if flags[r] == NOT_CONVERGED:
            mean[r], sd[r], below[r], density[r], sds[r] = np.nan, np.nan, np.nan, np.nan, np.nan
            evidence[r], weight[r] = np.nan, np.nan
            continue
        total = 0.0
        for c in range(n_components):
            weight[r, c] = share[c] * exp(evidences[c] - largest)
            total += weight[r, c]
        evidence[r] = largest + log(total)
        for c in range(n_components):
            weight[r, c] /= total
            mean[r] += weight[r, c] * first[c]
            sd[r] += weight[r, c] * second[c]
            below[r] += weight[r, c] * cdf[c]
            density[r] += weight[r, c] * pdf[c]
            sds[r] += weight[r, c] * scale[c]
        sd[r] = np.sqrt(sd[r] - mean[r] ** 2)
