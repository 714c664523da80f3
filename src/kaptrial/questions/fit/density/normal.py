"""The normal likelihood with a covariance between visits, missing scores integrated out."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints
from kaptrial.questions.fit.density.linear import normal_block


class Spread(NamedTuple):
    """Of each patient the pattern of missing scores, its mask and group of arms; what is modelled of Σ.

    `design`: (visit, q), what the random effects act through. `centres`: of the log SDs' priors.
    """

    of: Ints
    mask: Floats
    group: Ints
    design: Floats
    has_residual: bool
    n_groups: int
    centres: Floats


@njit(cache=True, nogil=True)
def unpack_root(theta: Floats, start: int, root: Floats) -> None:
    """The Cholesky factor from its rows, the diagonal as logarithms."""
    place = start
    for i in range(len(root)):
        for j in range(i):
            root[i, j] = theta[place]
            place += 1
        root[i, i] = math.exp(theta[place])
        place += 1


@njit(cache=True, nogil=True)
def root_prior(theta: Floats, grad: Floats, start: int, root: Floats, centre: Floats, spread: float) -> float:
    """Log density of the packed root LL' = DRD with R flat over correlation matrices (LKJ, η = 1) and log SDs normal.

    From dΣ = 2^q ∏ sd_i^q dR dsd and dΣ = 2^q ∏ L_ii^(q−i+1) dL (i = 1 … q), and dL_ii = L_ii d log L_ii; the
    normalising constant of the LKJ, which no parameter moves, is left out.
    """
    q = len(root)
    total, place = 0.0, start
    for i in range(q):
        square = 0.0
        for j in range(i + 1):
            square += root[i, j] ** 2
        log_sd = 0.5 * math.log(square)
        z = (log_sd - centre[i]) / spread
        # The log-normal's 1/sd, and sd^−q.
        total += -0.5 * z * z - math.log(spread) - 0.9189385332046727 - (q + 1) * log_sd
        by_log_sd = -z / spread - (q + 1)
        for j in range(i):
            grad[place] += by_log_sd * root[i, j] / square
            place += 1
        power = q - i + 1
        total += power * theta[place]
        grad[place] += by_log_sd * root[i, i] ** 2 / square + power
        place += 1
    return total


@njit(cache=True, nogil=True)
def covariances(
    theta: Floats, at: Ints, design: Floats, has_residual: bool, n_groups: int, root: Floats, out: Floats
) -> None:
    """Σ of each group. Without a residual variance, ρ_g² ZLL'Z'; with one, ZLL'Z' + ρ_g² s² 1."""
    n_visits, q = design.shape
    unpack_root(theta, at[6], root)
    tall = np.zeros((n_visits, q))
    for t in range(n_visits):
        for j in range(q):
            for k in range(j, q):
                tall[t, j] += design[t, k] * root[k, j]
    for g in range(n_groups):
        ratio = 1.0 if g == 0 else math.exp(2 * theta[at[8] + g - 1])
        outer = 1.0 if has_residual else ratio
        for t in range(n_visits):
            for u in range(n_visits):
                value = 0.0
                for j in range(q):
                    value += tall[t, j] * tall[u, j]
                out[g, t, u] = outer * value
            if has_residual:
                out[g, t, t] += ratio * math.exp(2 * theta[at[7]])


@njit(cache=True, nogil=True)
def factor(sigma: Floats, mask: Floats, root: Floats, inverse: Floats) -> float:
    """Cholesky root and inverse of the rows and columns seen, in place; half the log determinant, NaN if there is none.

    Only the first m rows and columns of `root`, and the places seen of `inverse`, are set.
    """
    n = len(mask)
    half = 0.0
    seen = np.flatnonzero(mask)
    m = len(seen)
    for i in range(m):
        for j in range(i + 1):
            value = sigma[seen[i], seen[j]]
            for k in range(j):
                value -= root[i, k] * root[j, k]
            if i == j:
                if not value > 0.0:
                    return np.nan
                root[i, i] = math.sqrt(value)
                half += math.log(root[i, i])
            else:
                root[i, j] = value / root[j, j]
    for i in range(n):
        for j in range(n):
            inverse[i, j] = 0.0
    column = np.empty(m)
    for c in range(m):
        for i in range(m):
            value = 1.0 if i == c else 0.0
            for k in range(i):
                value -= root[i, k] * column[k]
            column[i] = value / root[i, i]
        for i in range(m - 1, -1, -1):
            value = column[i]
            for k in range(i + 1, m):
                value -= root[k, i] * column[k]
            column[i] = value / root[i, i]
        for i in range(m):
            inverse[seen[i], seen[c]] = column[i]
    return half


@njit(cache=True, nogil=True)
def likelihood(
    residuals: Floats, sigma: Floats, spread: Spread, loglik: Floats, slope: Floats, by_sigma: Floats
) -> bool:
    """Each patient's log density, its derivative by the mean, (patient, visit), and the sum's by Σ, by group.

    False where a Σ is not positive definite.
    """
    of, mask, group = spread.of, spread.mask, spread.group
    n, n_visits = residuals.shape
    n_patterns = len(mask)
    inverse, halves, counts = np.empty((n_patterns, n_visits, n_visits)), np.empty(n_patterns), np.zeros(n_patterns)
    root = np.empty((n_visits, n_visits))
    for p in range(n_patterns):
        halves[p] = factor(sigma[group[p]], mask[p], root, inverse[p])
        if not math.isfinite(halves[p]):
            return False
        halves[p] += 0.9189385332046727 * mask[p].sum()
    for i in range(n):
        p = of[i]
        counts[p] += 1.0
        square = 0.0
        for t in range(n_visits):
            value = 0.0
            for u in range(n_visits):
                # Where not seen the inverse is 0, and so is the product.
                value += inverse[p, t, u] * residuals[i, u]
            slope[i, t] = value
            square += value * residuals[i, t]
        loglik[i] = -0.5 * square - halves[p]
        for t in range(n_visits):
            for u in range(n_visits):
                by_sigma[group[p], t, u] += 0.5 * slope[i, t] * slope[i, u]
    for p in range(n_patterns):
        for t in range(n_visits):
            for u in range(n_visits):
                by_sigma[group[p], t, u] -= 0.5 * counts[p] * inverse[p, t, u]
    return True


@njit(cache=True, nogil=True)
def covariance_back(
    theta: Floats, grad: Floats, at: Ints, design: Floats, has_residual: bool, root: Floats, by_sigma: Floats
) -> None:
    """Add to `grad` what the derivative by each group's Σ says of the packed root, the residual SD and the ratios."""
    n_groups, n_visits = len(by_sigma), len(design)
    q = design.shape[1]
    common = np.zeros((n_visits, n_visits))
    for g in range(n_groups):
        ratio = 1.0 if g == 0 else math.exp(2 * theta[at[8] + g - 1])
        outer = 1.0 if has_residual else ratio
        for t in range(n_visits):
            for u in range(n_visits):
                common[t, u] += outer * by_sigma[g, t, u]
        if has_residual:
            trace = 0.0
            for t in range(n_visits):
                trace += by_sigma[g, t, t]
            change = 2 * ratio * math.exp(2 * theta[at[7]]) * trace
            grad[at[7]] += change
            if g > 0:
                grad[at[8] + g - 1] += change
        elif g > 0:
            tall = design @ root
            grad[at[8] + g - 1] += 2 * ratio * np.sum(by_sigma[g] * (tall @ tall.T))
    by_root = 2 * (design.T @ common @ design) @ root
    place = at[6]
    for i in range(q):
        for j in range(i):
            grad[place] += by_root[i, j]
            place += 1
        grad[place] += by_root[i, i] * root[i, i]
        place += 1


@njit(cache=True, nogil=True)
def variance_prior(
    theta: Floats, grad: Floats, at: Ints, root: Floats, centre: Floats, spread: float, width_ratios: float
) -> float:
    """Log prior of the packed root, the log residual SD (centred at the last of `centre`) and the log ratios."""
    total = root_prior(theta, grad, at[6], root, centre, spread)
    total += normal_block(theta, grad, at[7], at[8], centre[-1], spread)
    return total + normal_block(theta, grad, at[8], at[9], 0.0, width_ratios)
