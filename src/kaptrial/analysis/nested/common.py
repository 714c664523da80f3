"""REML with one therapist variance and one residual variance, profiled to one dimension; one replicate, compiled.

V = σ²(I + λ ZZ'), Z the therapists' indicators, λ = τ²/σ². With n_t patients and the sums s_t of w = (X, y) of therapist t

    M(λ) = Σ w w' − Σ_t λ/(1 + λ n_t) s_t s_t' = [A b; b' c],     RSS(λ) = c − b'A⁻¹b,
    −2ℓ  = Σ_t log(1 + λ n_t) + log|A| + (N − q)(1 + log(RSS/(N − q))),

minimised over λ ≥ 0 by Newton's method, with the derivatives of M known exactly. Satterthwaite: the observed
information of (λ, log σ²); at λ = 0 it is that of the residual variance alone, N − q degrees of freedom, because the
therapists' SD, of which the variance is an even function, has no first-order effect there. Kenward-Roger: the
expected information of (λ, log σ²), also at λ = 0, and Φ + 2 w_λλ Φ(Q − PΦP)Φ, in which σ² has no part.
(Kenward & Roger 1997, Biometrics 53:983-997; Satterthwaite as Giesbrecht & Burns 1985, Biometrics 41:477-486.)
"""

from __future__ import annotations

from math import log, pi, sqrt

import numpy as np
from numba import njit

from kaptrial.analysis import dense
from kaptrial.analysis.fit import Failure, Floats
from kaptrial.analysis.nested.sums import arrange

_NONE = int(Failure.NONE)
_TOO_FEW_PATIENTS = int(Failure.TOO_FEW_PATIENTS)
_NO_RESIDUAL_VARIANCE = int(Failure.NO_RESIDUAL_VARIANCE)
_NOT_CONVERGED = int(Failure.NOT_CONVERGED)
SINGULAR = int(Failure.SINGULAR_COVARIANCE)
MAX_STEPS = 100
_COLLINEAR = 1e-10


@njit(cache=True, nogil=True)
def scratch(size: int) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Working space of `fit` for `size` = arms + p + 1: five matrices (size, size), in one tuple."""
    return (
        np.empty((size, size)), np.empty((size, size)), np.empty((size, size)), np.empty((size, size)),
        np.empty((size, size)),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _moments(
    ratio: float, base: Floats, n_cell: Floats, cells: Floats, n_patients: Floats, s: Floats, m: Floats, d1: Floats,
    d2: Floats,
) -> tuple[float, float, float]:  # fmt: skip
    """M and its first two derivatives in λ, lower triangles; Σ log(1 + λn) and its first two derivatives."""
    n_therapists, n_arms = n_cell.shape
    size = len(base)
    for k in range(size):
        for el in range(k + 1):
            m[k, el] = base[k, el]
            d1[k, el] = 0.0
            d2[k, el] = 0.0
    value = slope = curve = 0.0
    for t in range(n_therapists):
        n = n_patients[t]
        if n == 0.0:
            continue
        inverse = 1.0 / (1.0 + ratio * n)
        value += log(1.0 + ratio * n)
        slope += n * inverse
        curve -= n * n * inverse * inverse
        for k in range(n_arms):
            s[k] = n_cell[t, k]
        for k in range(n_arms, size):
            total = 0.0
            for a in range(n_arms):
                total += cells[t, a, k - n_arms]
            s[k] = total
        f0, f1, f2 = ratio * inverse, inverse * inverse, -2.0 * n * inverse * inverse * inverse
        for k in range(size):
            sk = s[k]
            if sk == 0.0:
                continue
            for el in range(k + 1):
                product = sk * s[el]
                m[k, el] -= f0 * product
                d1[k, el] -= f1 * product
                d2[k, el] -= f2 * product
    return value, slope, curve


@njit(cache=True, nogil=True)
def _lower(a: Floats, x: Floats, n: int, out: Floats) -> None:
    """out = A x for a symmetric A of which the lower triangle is filled."""
    for i in range(n):
        value = a[i, i] * x[i]
        for j in range(i):
            value += a[i, j] * x[j]
        for j in range(i + 1, n):
            value += a[j, i] * x[j]
        out[i] = value


@njit(cache=True, nogil=True)
def _traces(inverse: Floats, d1: Floats, d2: Floats, n: int, work: Floats) -> tuple[float, float, float]:
    """tr(A⁻¹A′), tr(A⁻¹A″), tr(A⁻¹A′A⁻¹A′) from lower triangles of A′ and A″."""
    first = second = square = 0.0
    for i in range(n):
        for j in range(n):
            a1 = d1[i, j] if j <= i else d1[j, i]
            a2 = d2[i, j] if j <= i else d2[j, i]
            first += inverse[i, j] * a1
            second += inverse[i, j] * a2
            value = 0.0
            for k in range(n):
                value += inverse[i, k] * (d1[k, j] if j <= k else d1[j, k])
            work[i, j] = value
    for i in range(n):
        for j in range(n):
            square += work[i, j] * work[j, i]
    return first, second, square


@njit(cache=True, nogil=True)
def fit(
    n_arm: Floats, sums: Floats, products: Floats, n_cell: Floats, cells: Floats, weights: Floats, kenward_roger: bool,
    space: tuple[Floats, Floats, Floats, Floats, Floats], variances: Floats,
) -> tuple[float, float, float, int, float]:  # fmt: skip
    """Estimate, SE, degrees of freedom, failure and restricted log likelihood of one contrast of arms.

    Arguments as `sums.gather` fills them; weights (arm,). `variances` gets τ² and σ². Fails as SINGULAR where a
    column adds nothing to those before it, an empty arm included.
    """
    n_arms, p1 = sums.shape
    size, q = n_arms + p1, n_arms + p1 - 1
    base, m, d1, d2, inverse = space
    vectors = np.empty((6, size))
    s, beta, moved, moved2, h, g = vectors[0], vectors[1], vectors[2], vectors[3], vectors[4], vectors[5]
    n = 0.0
    for a in range(n_arms):
        n += n_arm[a]
        h[a] = 1.0
    left = n - q
    if left < 2.0:
        return np.nan, np.nan, np.nan, _TOO_FEW_PATIENTS, np.nan
    arrange(n_arm, sums, products, h, base)
    n_patients = np.zeros(len(n_cell))
    most = 0.0
    for t in range(len(n_cell)):
        for a in range(n_arms):
            n_patients[t] += n_cell[t, a]
        most = max(most, n_patients[t])
    for k in range(q):
        if not base[k, k] > 0.0:
            return np.nan, np.nan, np.nan, SINGULAR, np.nan
    ratio, low, high = 0.0, 0.0, np.inf
    boundary = done = False
    slope = curve = rss = rss1 = rss2 = log_terms = 0.0
    t1 = t2 = tt = 0.0
    work = np.empty((q, q))
    for step in range(MAX_STEPS):
        sum_log, sum_1, sum_2 = _moments(ratio, base, n_cell, cells, n_patients, s, m, d1, d2)
        factor = inverse
        for k in range(q):
            for el in range(k + 1):
                factor[k, el] = m[k, el]
        if not dense.cholesky(factor, q, _COLLINEAR):
            return np.nan, np.nan, np.nan, SINGULAR, np.nan
        for k in range(q):
            beta[k] = m[q, k]
        dense.solve(factor, q, beta)
        rss = m[q, q]
        for k in range(q):
            rss -= beta[k] * m[q, k]
        if not rss > 1e-13 * base[q, q]:
            return np.nan, np.nan, np.nan, _NO_RESIDUAL_VARIANCE, np.nan
        log_terms = sum_log + dense.log_determinant(factor, q)
        dense.invert_in_place(factor, q, work)
        # r = (−β, 1): RSS′ = r'M′r, RSS″ = r'M″r − 2 (M′r)'A⁻¹(M′r)
        for k in range(q):
            g[k] = -beta[k]
        g[q] = 1.0
        _lower(d1, g, size, moved)
        _lower(d2, g, size, moved2)
        rss1 = rss2 = 0.0
        for k in range(size):
            rss1 += g[k] * moved[k]
            rss2 += g[k] * moved2[k]
        rss2 -= 2.0 * dense.quadratic(inverse, moved, q)
        t1, t2, tt = _traces(inverse, d1, d2, q, work)
        slope = sum_1 + t1 + left * rss1 / rss
        curve = sum_2 + t2 - tt + left * (rss2 / rss - (rss1 / rss) ** 2)
        if done:
            break
        if step == 0 and slope >= 0.0:
            boundary = True
            break
        if slope < 0.0:
            low = ratio
        else:
            high = ratio
        # Newton's step, or the expected information's where −2ℓ curves the wrong way, kept between what is known.
        expected = -sum_2 - t2 + tt
        move = -slope / curve if curve > 0.0 else -slope / max(expected, 1e-12)
        new = ratio + move
        if not (low < new < high):
            new = 0.5 * (low + high) if high < np.inf else 2.0 * ratio + 1.0 / most
        done = abs(new - ratio) <= 1e-7 * (new + 1e-4)  # squared by the step that is yet to come
        if not done and high < np.inf and high - low <= 1e-12 * high:
            done = True
        ratio = new
    if not (done or boundary):
        return np.nan, np.nan, np.nan, _NOT_CONVERGED, np.nan
    variance = rss / left
    variances[0], variances[1] = ratio * variance, variance
    estimate = unit = change = 0.0
    for i in range(q):
        g[i] = weights[i] if i < n_arms else 0.0
    for i in range(q):
        value = 0.0
        for j in range(q):
            value += inverse[i, j] * g[j]
        h[i] = value
        estimate += g[i] * beta[i]
        unit += g[i] * value
    _lower(d1, h, q, moved)
    for i in range(q):
        change -= h[i] * moved[i]  # ∂(c'A⁻¹c)/∂λ
    adjusted = unit
    if kenward_roger:
        e_ll, e_ls, e_ss = -sum_2 - t2 + tt, sum_1 + t1, left
        determinant = e_ll * e_ss - e_ls * e_ls
        w_ll, w_ls, w_ss = 2.0 * e_ss / determinant, -2.0 * e_ls / determinant, 2.0 * e_ll / determinant
        _lower(d2, h, q, moved2)
        gain = 0.0
        for i in range(q):
            gain += 0.5 * h[i] * moved2[i]
        gain -= dense.quadratic(inverse, moved, q)
        adjusted = unit + 2.0 * w_ll * gain
        spread = w_ll * change * change + 2.0 * w_ls * change * unit + w_ss * unit * unit
        df = 2.0 * unit * unit / spread
    elif boundary:
        df = left
    else:
        # Hessian of −2ℓ in (λ, log σ²) at the optimum; its inverse, doubled, is the covariance.
        h_ll = curve + left * (rss1 / rss) ** 2
        h_ls = -left * rss1 / rss
        determinant = h_ll * left - h_ls * h_ls
        spread = 2.0 * (left * change * change - 2.0 * h_ls * change * unit + h_ll * unit * unit) / determinant
        df = 2.0 * unit * unit / spread
    if not (adjusted > 0.0 and df > 0.0):
        return np.nan, np.nan, np.nan, _NOT_CONVERGED, np.nan
    loglik = -0.5 * (log_terms + left * (1.0 + log(2.0 * pi * variance)))
    return estimate, sqrt(variance * adjusted), df, _NONE, loglik
