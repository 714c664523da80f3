"""MMRM in closed form: unstructured covariance, every fixed effect crossed with visit, dropout for good.

Among the patients seen at visit j regress y_j on the arms, the covariates and the earlier scores: with N_j patients,
rank q_j of arms and covariates, slopes φ_j on the earlier scores and residual sum of squares RSS_j,

    −2ℓ_R = Σ_j [(N_j − q_j) log d_j + RSS_j(φ_j) / d_j] + const,     V⁻¹ = (I − φ)' D⁻¹ (I − φ),

because |X'V⁻¹X| does not depend on φ. So REML is φ_j by least squares and d_j = RSS_j / (N_j − q_j), and the
information is block-diagonal: cov(φ_j) = d_j S_j⁻¹ with S_j the earlier scores' residual products given arms and
covariates, var(d_j) = 2 d_j² / (N_j − q_j). For a contrast w of arms averaged over visits with weights ω,
T = (I − φ)⁻¹, t = T'ω and h_j = w'(X_j'X_j)⁻¹w,

    variance       v = Σ_j t_j² d_j h_j
    Satterthwaite  df = 2 v² / Σ_j [4 t_j² d_j e_j' S_j⁻¹ e_j + 2 t_j⁴ h_j² d_j² / (N_j − q_j)],
                   e_j = (Σ_{k ≤ b} T_bk t_k d_k h_k)_{b < j}
    Kenward-Roger  v + 2 Σ_j t_j² d_j Σ_{k < j} d_k (h_j − h_k) τ_k' S_j⁻¹ τ_k,   τ_k = (T_bk)_{b < j}.

(The factored likelihood is Rubin's 1974, JASA 69:467-474; the rest follows from it, docs/analyses.md.)
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators import dense
from kaptrial.estimators.mmrm.reml import Estimates

_COLLINEAR = 1e-10
APPLIES, NOT_MONOTONE = 0, 1


class Sums(NamedTuple):
    """Sums by number of visits seen, of (x, y) − `origin`, a point near the data.

    `counts`: (visits seen, arm); `sums`: (visits seen, arm, p + visit); `products`: (visits seen, p + visit, p +
    visit), lower triangles; `origin`: (p + visit,).
    """

    counts: Floats
    sums: Floats
    products: Floats
    origin: Floats


class Regressions(NamedTuple):
    """Each visit's on the earlier ones: residual variance, its degrees of freedom and S⁻¹, with T of them all."""

    d: Floats
    left: Floats
    inverses: Floats
    big_t: Floats


@njit(cache=True, nogil=True)
def room(n_visits: int, n_arms: int, p: int) -> Sums:
    """Room for the sums of p covariates and the visits."""
    size = p + n_visits
    sums, products = np.empty((n_visits, n_arms, size)), np.empty((n_visits, size, size))
    return Sums(np.empty((n_visits, n_arms)), sums, products, np.empty(size))


@njit(cache=True, nogil=True)
def gather(y: Floats, arm: Ints, x: Floats, out: Sums) -> bool:
    """Fill the sums; False if a patient was seen again after a missed visit. y (patient, visit), x (patient, p)."""
    counts, sums, products, origin = out
    n, n_visits = y.shape
    p = x.shape[1]
    size = p + n_visits
    u = np.zeros(size)
    counts[:, :] = 0.0
    sums[:, :, :] = 0.0
    products[:, :, :] = 0.0
    filled = np.zeros(size, dtype=np.bool_)
    for i in range(n):
        seen = 0
        while seen < n_visits and y[i, seen] == y[i, seen]:
            seen += 1
        for j in range(seen + 1, n_visits):
            if y[i, j] == y[i, j]:
                return False
        if seen == 0:
            continue
        complete = True
        for k in range(p):
            u[k] = x[i, k]
            if u[k] != u[k]:
                complete = False
        if not complete:
            continue
        for j in range(seen):
            u[p + j] = y[i, j]
        for k in range(p + seen):
            if not filled[k]:
                filled[k] = True
                origin[k] = u[k]
            u[k] -= origin[k]
        g, a = seen - 1, arm[i]
        counts[g, a] += 1.0
        row, square = sums[g, a], products[g]
        for k in range(p + seen):
            value = u[k]
            row[k] += value
            for el in range(k + 1):
                square[k, el] += value * u[el]
    # From patients last seen at a visit to patients seen at it.
    for g in range(n_visits - 2, -1, -1):
        for k in range(p + g + 1):
            for el in range(k + 1):
                products[g, k, el] += products[g + 1, k, el]
        for a in range(counts.shape[1]):
            counts[g, a] += counts[g + 1, a]
            for k in range(p + g + 1):
                sums[g, a, k] += sums[g + 1, a, k]
    return True


@njit(cache=True, nogil=True)
def fit(data: Sums, arm_weights: Floats, visit_weights: Floats, kenward_roger: bool, out: Estimates) -> bool:
    """REML contrasts from the sums of `gather`; False where the closed form does not hold and nothing was filled.

    arm_weights (k, arm), visit_weights (k, visit): one contrast a row. It does not hold where an arm, a covariate or an
    earlier score cannot be told from the others at a visit that the contrasts need.
    """
    counts, sums, products, _ = data
    p = sums.shape[2] - len(counts)
    n_visits, n_arms = counts.shape
    n_contrasts = len(arm_weights)
    last = 0
    for c in range(n_contrasts):
        for j in range(n_visits):
            if visit_weights[c, j] != 0.0:
                last = max(last, j)
    n_visits = last + 1
    phi = np.zeros((n_visits, n_visits))
    inverses = np.zeros((n_visits, n_visits, n_visits))
    d, left = np.empty(n_visits), np.empty(n_visits)
    h, intercept = np.empty((n_contrasts, n_visits)), np.empty((n_contrasts, n_visits))
    size = p + n_visits
    s, factor, slope = np.empty((size, size)), np.empty((size, size)), np.empty(size)
    difference = np.empty(size)
    for j in range(n_visits):
        m = p + j + 1
        n_j, rank = 0.0, float(p)
        for k in range(m):
            for el in range(k + 1):
                s[k, el] = products[j, k, el]
        for a in range(n_arms):
            n = counts[j, a]
            n_j += n
            if n == 0.0:
                continue
            rank += 1.0
            row = sums[j, a]
            for k in range(m):
                mean = row[k] / n
                for el in range(k + 1):
                    s[k, el] -= mean * row[el]
        left[j] = n_j - rank
        if left[j] < 1.0:
            return False
        # Cholesky of (covariates, earlier scores, score): its last row holds what regression needs.
        for k in range(m - 1):
            if not s[k, k] > _COLLINEAR * products[j, k, k]:
                return False
        for k in range(m):
            for el in range(k + 1):
                factor[k, el] = s[k, el]
        if not dense.cholesky(factor, m - 1, _COLLINEAR):
            return False
        for k in range(m - 1):
            slope[k] = s[m - 1, k]
        dense.solve(factor, m - 1, slope)
        rss = s[m - 1, m - 1]
        for k in range(m - 1):
            rss -= slope[k] * s[m - 1, k]
        if not rss > 1e-13 * products[j, m - 1, m - 1]:
            return False
        d[j] = rss / left[j]
        for k in range(j):
            phi[j, k] = slope[p + k]
        _inverse_of_corner(factor, p, j, inverses[j])
        for c in range(n_contrasts):
            h_value, shift = 0.0, 0.0
            for k in range(m):
                difference[k] = 0.0
            for a in range(n_arms):
                weight = arm_weights[c, a]
                if weight == 0.0:
                    continue
                n = counts[j, a]
                if n == 0.0:
                    return False
                h_value += weight * weight / n
                for k in range(m):
                    difference[k] += weight * sums[j, a, k] / n
            shift = difference[m - 1]
            for k in range(m - 1):
                shift -= slope[k] * difference[k]
            # d'S_xx⁻¹d by forward substitution in the covariates' corner of the factor.
            for k in range(p):
                value = difference[k]
                for el in range(k):
                    value -= factor[k, el] * difference[el]
                difference[k] = value / factor[k, k]
                h_value += difference[k] * difference[k]
            h[c, j], intercept[c, j] = h_value, shift
    big_t = np.zeros((n_visits, n_visits))
    for j in range(n_visits):
        big_t[j, j] = 1.0
        for k in range(j):
            value = 0.0
            for el in range(k, j):
                value += phi[j, el] * big_t[el, k]
            big_t[j, k] = value
    visits = Regressions(d, left, inverses, big_t)
    for c in range(n_contrasts):
        out.estimate[c], out.se[c], out.df[c] = _infer(visit_weights[c], intercept[c], h[c], visits, kenward_roger)
        if not (out.se[c] > 0.0 and out.df[c] > 0.0):
            out.estimate[:], out.se[:], out.df[:] = np.nan, np.nan, np.nan
            return False
    return True


@njit(cache=True, nogil=True)
def _inverse_of_corner(factor: Floats, p: int, j: int, out: Floats) -> None:
    """S_j⁻¹: the inverse of L L' for the earlier scores' corner of the factor, rows and columns p to p + j."""
    corner = factor[p : p + j, p : p + j]
    dense.invert(corner, j, out)


@njit(cache=True, nogil=True)
def _infer(
    omega: Floats, intercept: Floats, h: Floats, visits: Regressions, kenward_roger: bool
) -> tuple[float, float, float]:
    """Estimate, SE and degrees of freedom of one contrast."""
    d, left, inverses, big_t = visits
    n_visits = len(d)
    t, e = np.empty(n_visits), np.empty(n_visits)
    estimate = variance = spread = 0.0
    for j in range(n_visits):
        t[j] = 0.0
        for k in range(j, n_visits):
            t[j] += omega[k] * big_t[k, j]
        estimate += t[j] * intercept[j]
        variance += t[j] * t[j] * d[j] * h[j]
    for b in range(n_visits):
        e[b] = 0.0
        for k in range(b + 1):
            e[b] += big_t[b, k] * t[k] * d[k] * h[k]
    adjusted = variance
    for j in range(n_visits):
        tjd = t[j] * t[j] * d[j]
        spread += 4.0 * tjd * dense.quadratic(inverses[j], e, j) + 2.0 * (tjd * h[j]) ** 2 / left[j]
        if kenward_roger:
            for k in range(j):
                adjusted += 2.0 * tjd * d[k] * (h[j] - h[k]) * dense.quadratic(inverses[j], big_t[:, k], j)
    return estimate, sqrt(adjusted), 2.0 * variance * variance / spread
