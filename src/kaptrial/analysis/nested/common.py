"""REML with one therapist variance and one residual variance, profiled to one dimension; one replicate, compiled.

V = σ²(I + λ ZZ'), Z the therapists' indicators, λ = τ²/σ². With n_t patients of therapist t and s_t the sum of their
w = (X, y)

    M(λ) = Σ w w' − Σ_t λ/(1 + λ n_t) s_t s_t' = [A b; b' c],     RSS(λ) = c − b'A⁻¹b,
    −2ℓ  = Σ_t log(1 + λ n_t) + log|A| + (N − q)(1 + log(RSS/(N − q))),

minimised over λ ≥ 0 by Newton's method, with the derivatives of M known exactly. Satterthwaite: the observed
information of (λ, log σ²); at λ = 0 it is that of the residual variance alone, N − q degrees of freedom, because the
therapists' SD, of which the variance is an even function, has no first-order effect there. Kenward-Roger: the
expected information of (λ, log σ²), also at λ = 0, and Φ + 2 w_λλ Φ(Q − PΦP)Φ, in which σ² has no part.
(Kenward & Roger 1997, Biometrics 53:983-997; Satterthwaite as Giesbrecht & Burns 1985, Biometrics 41:477-486.)
"""

from __future__ import annotations

from math import exp, log, pi, sqrt

import numpy as np
from numba import njit

from kaptrial.analysis import dense
from kaptrial.analysis.fit import Failure, Floats

_NONE = int(Failure.NONE)
_TOO_FEW_PATIENTS = int(Failure.TOO_FEW_PATIENTS)
_TOO_FEW_THERAPISTS = int(Failure.TOO_FEW_THERAPISTS)
_NO_RESIDUAL_VARIANCE = int(Failure.NO_RESIDUAL_VARIANCE)
_NOT_CONVERGED = int(Failure.NOT_CONVERGED)
SINGULAR = int(Failure.SINGULAR_COVARIANCE)
MAX_STEPS = 100
_COLLINEAR = 1e-10


@njit(cache=True, nogil=True)
def scratch(n_arms: int, p: int, n_therapists: int) -> tuple[Floats, Floats, Floats]:
    """Working space of `fit`: six matrices, six vectors, and the therapists' sums with their numbers of patients."""
    size = n_arms + p + 1
    return np.empty((6, size, size)), np.empty((6, size)), np.empty((n_therapists, size + 1))


@njit(cache=True, nogil=True)
def _reduce(
    n_arm: Floats, sums: Floats, products: Floats, n_cell: Floats, cells: Floats, weights: Floats, base: Floats,
    s: Floats, c: Floats,
) -> tuple[int, float, float, float, float]:  # fmt: skip
    """What is left of the sums once arms without therapists are swept: their mean is free and knows no λ.

    Fills `base` = Σ w w' (lower triangle) and `s` (therapist, size + 1), the therapists' sums and number of patients,
    for w = (indicators of arms with therapists, x, y), and the contrast `c` on it. Returns how many columns X has,
    patients less their rank, the swept arms' part of the estimate and of its variance / σ², and of log|A|.
    """
    n_arms, p1 = sums.shape
    base[:, :] = 0.0
    c[:] = 0.0
    estimate = unit = log_a = left = 0.0
    q = 0
    for a in range(n_arms):  # the arms with therapists come first in w, so they are counted first
        for t in range(len(n_cell)):
            if n_cell[t, a] > 0.0:
                q += 1
                break
    x0, number = q, 0
    for a in range(n_arms):
        n = n_arm[a]
        if n == 0.0:
            continue
        left += n - 1.0
        row, square = sums[a], products[a]
        busy = False
        for t in range(len(n_cell)):
            if n_cell[t, a] > 0.0:
                busy = True
                break
        if busy:
            base[number, number] = n
            c[number] = weights[a]
            for t in range(len(n_cell)):
                s[t, number] = n_cell[t, a]
            for k in range(p1):
                base[x0 + k, number] = row[k]
            number += 1
            shrink = 0.0
        else:
            shrink = 1.0 / n
            estimate += weights[a] * row[p1 - 1] * shrink
            unit += weights[a] * weights[a] * shrink
            log_a += log(n)
            for k in range(p1 - 1):
                c[x0 + k] -= weights[a] * row[k] * shrink
        for k in range(p1):
            mean = row[k] * shrink
            for el in range(k + 1):
                base[x0 + k, x0 + el] += square[k, el] - mean * row[el]
    for t in range(len(n_cell)):
        n = 0.0
        for a in range(n_arms):
            n += n_cell[t, a]
        for k in range(p1):
            value = 0.0
            for a in range(n_arms):
                value += cells[t, a, k]
            s[t, x0 + k] = value
        s[t, x0 + p1] = n
    return x0 + p1 - 1, left - (p1 - 1), estimate, unit, log_a


@njit(cache=True, nogil=True)
def _moments(
    ratio: float, base: Floats, s: Floats, size: int, m: Floats, d1: Floats, d2: Floats
) -> tuple[float, float]:
    """M and its first two derivatives in λ, lower triangles; the first two derivatives of Σ log(1 + λn)."""
    for k in range(size):
        for el in range(k + 1):
            m[k, el] = base[k, el]
            d1[k, el] = 0.0
            d2[k, el] = 0.0
    slope = curve = 0.0
    for t in range(len(s)):
        n = s[t, size]
        if n == 0.0:
            continue
        inverse = 1.0 / (1.0 + ratio * n)
        f1 = n * inverse
        slope += f1
        curve -= f1 * f1
        f0 = ratio * inverse
        f1 = inverse * inverse
        f2 = -2.0 * n * inverse * f1
        for k in range(size):
            sk = s[t, k]
            for el in range(k + 1):
                product = sk * s[t, el]
                m[k, el] -= f0 * product
                d1[k, el] -= f1 * product
                d2[k, el] -= f2 * product
    return slope, curve


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
    space: tuple[Floats, Floats, Floats], variances: Floats,
) -> tuple[float, float, float, int, float]:  # fmt: skip
    """Estimate, SE, degrees of freedom, failure and restricted log likelihood of one contrast of arms.

    Arguments as `sums.gather` fills them; weights (arm,). `variances` gets τ² and σ². Fails as SINGULAR where a
    covariate adds nothing to the columns before it.
    """
    nan = np.nan
    matrices, vectors, s = space
    base, m, d1, d2, inverse, work = matrices[0], matrices[1], matrices[2], matrices[3], matrices[4], matrices[5]
    c, beta, moved, moved2, h, r = vectors[0], vectors[1], vectors[2], vectors[3], vectors[4], vectors[5]
    q, left, estimate, unit, log_terms = _reduce(n_arm, sums, products, n_cell, cells, weights, base, s, c)
    if left < 2.0:
        return nan, nan, nan, _TOO_FEW_PATIENTS, nan
    size = q + 1
    for k in range(q):
        if not base[k, k] > 0.0:
            return nan, nan, nan, SINGULAR, nan
    treated = busy = 0.0
    for t in range(len(s)):
        treated += s[t, size]
        busy += 1.0 if s[t, size] > 0.0 else 0.0
    typical = treated / max(busy, 1.0)
    ratio, low, high = 0.0, 0.0, np.inf
    boundary = done = False
    slope = curve = rss = rss1 = rss2 = sum_1 = sum_2 = log_a = 0.0
    t1 = t2 = tt = 0.0
    for step in range(MAX_STEPS):
        sum_1, sum_2 = _moments(ratio, base, s, size, m, d1, d2)
        for k in range(q):
            for el in range(k + 1):
                work[k, el] = m[k, el]
            beta[k] = m[q, k]
        if not dense.cholesky(work, q, _COLLINEAR):
            return nan, nan, nan, SINGULAR, nan
        dense.solve(work, q, beta)
        rss = m[q, q]
        for k in range(q):
            rss -= beta[k] * m[q, k]
        if not rss > 1e-13 * base[q, q]:
            return nan, nan, nan, _NO_RESIDUAL_VARIANCE, nan
        if done:
            log_a = dense.log_determinant(work, q)
        dense.invert(work, q, inverse)
        # r = (−β, 1): RSS′ = r'M′r, RSS″ = r'M″r − 2 (M′r)'A⁻¹(M′r)
        for k in range(q):
            r[k] = -beta[k]
        r[q] = 1.0
        _lower(d1, r, size, moved)
        _lower(d2, r, size, moved2)
        rss1 = rss2 = 0.0
        for k in range(size):
            rss1 += r[k] * moved[k]
            rss2 += r[k] * moved2[k]
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
        # Newton's step in log(λ + 1/n), in which the information hardly varies, or the expected information's where −2ℓ
        # curves the wrong way, kept between what is known.
        scale = ratio + 1.0 / typical
        bend = curve + slope / scale
        if not bend > 0.0:
            bend = max(-sum_2 - t2 + tt, 1e-12)
        new = scale * exp(min(max(-slope / (bend * scale), -3.0), 3.0)) - 1.0 / typical
        if not (low < new < high):
            new = 0.5 * (low + high) if high < np.inf else 2.0 * ratio + 1.0 / typical
        # The error left after a Newton step is of the order of the step squared.
        done = abs(new - ratio) <= 1e-5 * (new + 0.01 / typical)
        ratio = new
    if not (done or boundary):
        return nan, nan, nan, _NOT_CONVERGED, nan
    if boundary:
        for k in range(q):
            for el in range(k + 1):
                work[k, el] = m[k, el]
        dense.cholesky(work, q, _COLLINEAR)
        log_a = dense.log_determinant(work, q)
    variance = rss / left
    variances[0], variances[1] = ratio * variance, variance
    change = 0.0
    for i in range(q):
        value = 0.0
        for j in range(q):
            value += inverse[i, j] * c[j]
        h[i] = value
        estimate += c[i] * beta[i]
        unit += c[i] * value
    _lower(d1, h, q, moved)
    for i in range(q):
        change -= h[i] * moved[i]  # ∂(c'A⁻¹c)/∂λ
    adjusted = unit
    e_ll, e_ls, e_ss = -sum_2 - t2 + tt, sum_1 + t1, left
    determinant = e_ll * e_ss - e_ls * e_ls
    if not e_ll > -_COLLINEAR * sum_2:  # every arm or covariate has its therapist: nothing is left to tell λ from
        return nan, nan, nan, _TOO_FEW_THERAPISTS, nan
    if not determinant > _COLLINEAR * e_ll * e_ss:  # every therapist has one patient: λ and σ² cannot be told apart
        return nan, nan, nan, _TOO_FEW_PATIENTS, nan
    if kenward_roger:
        w_ll, w_ls, w_ss = 2.0 * e_ss / determinant, -2.0 * e_ls / determinant, 2.0 * e_ll / determinant
        _lower(d2, h, q, moved2)
        gain = 0.0
        for i in range(q):
            gain += 0.5 * h[i] * moved2[i]
        gain -= dense.quadratic(inverse, moved, q)
        adjusted = unit + 2.0 * w_ll * gain
        spread = w_ll * change * change + 2.0 * w_ls * change * unit + w_ss * unit * unit
    elif boundary:
        spread = 2.0 * unit * unit / left
    else:
        # Hessian of −2ℓ in (λ, log σ²) at the optimum; its inverse, doubled, is the covariance.
        h_ll = curve + left * (rss1 / rss) ** 2
        h_ls = -left * rss1 / rss
        determinant = h_ll * left - h_ls * h_ls
        spread = 2.0 * (left * change * change - 2.0 * h_ls * change * unit + h_ll * unit * unit) / determinant
    df = 2.0 * unit * unit / spread
    if not (adjusted > 0.0 and df > 0.0):
        return nan, nan, nan, _NOT_CONVERGED, nan
    for t in range(len(s)):
        log_terms += log(1.0 + ratio * s[t, size])
    loglik = -0.5 * (log_terms + log_a + left * (1.0 + log(2.0 * pi * variance)))
    return estimate, sqrt(variance * adjusted), df, _NONE, loglik
