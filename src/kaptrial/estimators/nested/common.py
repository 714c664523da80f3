"""REML with one therapist variance and one residual variance, profiled to one dimension; one replicate, compiled.

V = σ²(I + λ ZZ'), Z the therapists' indicators, λ = τ²/σ². With n_t patients of therapist t and s_t the sum of their
w = (X, y)

    M(λ) = Σ w w' − Σ_t λ/(1 + λ n_t) s_t s_t' = [A b; b' c],     RSS(λ) = c − b'A⁻¹b,
    −2ℓ  = Σ_t log(1 + λ n_t) + log|A| + (N − q)(1 + log(RSS/(N − q))),

minimised over λ ≥ 0 by Newton's method. Eliminating A from M with the contrast k as one more row gives all there is to
know: the pivots, whose logarithms add up to log|A|, and what is left, RSS, −k'β̂ and −k'A⁻¹k. Each number carries its
first two derivatives in λ through the elimination.

Satterthwaite: the observed information of (λ, log σ²); at λ = 0 it is that of the residual variance alone, N − q
degrees of freedom, because the therapists' SD, of which the variance is an even function, has no first-order effect
there. Kenward-Roger: the expected information of (λ, log σ²), also at λ = 0; of 2 Σ w_rs Φ(Q_rs − P_rΦP_s)Φ only λλ is
left, −w_λλ ∂²(k'A⁻¹k)/∂λ². (Kenward & Roger 1997, Biometrics 53:983-997; Satterthwaite as Giesbrecht & Burns 1985,
Biometrics 41:477-486.)
"""

from __future__ import annotations

from math import exp, log, pi, sqrt

import numpy as np
from numba import njit

from kaptrial.arrays import Floats
from kaptrial.estimators import codes
from kaptrial.estimators.nested.sums import Sums

MAX_STEPS = 100
_COLLINEAR = 1e-10
# Planes of the working space, (·, size, size) for (X, y, contrast): M at λ = 0, at λ, its derivatives, then Σ s s' of
# the therapists of one caseload after another. Rows of its vectors: those caseloads, how many therapists have each, a
# vector of M's size, the arms' columns. Compiled code is quick to hand over two arrays, and slow for ten.
_BASE, _M, _SLOPE, _CURVE, _SQUARES = 0, 1, 2, 3, 4
_CASELOAD, _COUNT, _ONE, _COLUMN = 0, 1, 2, 3


@njit(cache=True, nogil=True)
def scratch(n_arms: int, p: int, n_therapists: int) -> tuple[Floats, Floats]:
    """Working space of `fit`."""
    size = n_arms + p + 2
    return np.empty((_SQUARES + n_therapists, size, size)), np.empty((4, max(size, n_therapists)))


@njit(cache=True, nogil=True)
def _reduce(data: Sums, weights: Floats, m: Floats, v: Floats) -> tuple[int, int, float, float, float, float]:
    """What is left of the sums once arms without therapists are swept: their mean is free and knows no λ.

    Fills, in the working space (m, v), M at λ = 0 for (indicators of arms with therapists, x, y, contrast), Σ s s' by
    caseload, lower triangles, the caseloads and how many therapists have each. Returns the number of columns of X, that
    of caseloads, patients less the rank of X, and the swept arms' part of the estimate, of its variance / σ², and of
    log|A|.
    """
    n_arm, sums, products, n_cell, cells, _ = data
    n_arms, p1 = sums.shape
    x0 = 0
    for a in range(n_arms):
        v[_COLUMN, a] = -1.0
        for t in range(len(n_cell)):
            if n_cell[t, a] > 0.0:
                v[_COLUMN, a] = x0
                x0 += 1
                break
    q = x0 + p1 - 1
    for k in range(q + 2):
        for el in range(k + 1):
            m[_BASE, k, el] = 0.0
    estimate = unit = log_a = left = 0.0
    for a in range(n_arms):
        n = n_arm[a]
        if n == 0.0:
            continue
        left += n - 1.0
        shrink, j = 0.0, int(v[_COLUMN, a])
        if j >= 0:
            m[_BASE, j, j] = n
            m[_BASE, q + 1, j] = weights[a]
            for k in range(p1):
                m[_BASE, x0 + k, j] = sums[a, k]
        else:
            shrink = 1.0 / n
            estimate += weights[a] * sums[a, p1 - 1] * shrink
            unit += weights[a] * weights[a] * shrink
            log_a += log(n)
            for k in range(p1 - 1):
                m[_BASE, q + 1, x0 + k] -= weights[a] * sums[a, k] * shrink
        for k in range(p1):
            mean = sums[a, k] * shrink
            for el in range(k + 1):
                m[_BASE, x0 + k, x0 + el] += products[a, k, el] - mean * sums[a, el]
    n_caseloads = 0
    for t in range(len(n_cell)):
        n = 0.0
        for k in range(p1):
            v[_ONE, x0 + k] = 0.0
        for a in range(n_arms):
            j = int(v[_COLUMN, a])
            if j >= 0:
                v[_ONE, j] = n_cell[t, a]
                n += n_cell[t, a]
                for k in range(p1):
                    v[_ONE, x0 + k] += cells[t, a, k]
        if n == 0.0:
            continue
        g = 0
        while g < n_caseloads and v[_CASELOAD, g] != n:
            g += 1
        if g == n_caseloads:
            n_caseloads += 1
            v[_CASELOAD, g], v[_COUNT, g] = n, 0.0
            for k in range(q + 1):
                for el in range(k + 1):
                    m[_SQUARES + g, k, el] = 0.0
        v[_COUNT, g] += 1.0
        for k in range(q + 1):
            for el in range(k + 1):
                m[_SQUARES + g, k, el] += v[_ONE, k] * v[_ONE, el]
    return q, n_caseloads, left - (p1 - 1), estimate, unit, log_a


@njit(cache=True, nogil=True, error_model="numpy")
def _eliminate(ratio: float, q: int, n_caseloads: int, m: Floats, v: Floats) -> tuple[bool, float, float]:
    """M(λ) and its derivatives, A eliminated; whether A is regular, and the derivatives of Σ log(1 + λn).

    The first q diagonal elements are then the pivots; the last two rows, for the score and the contrast, what is left.
    """
    slope = curve = 0.0
    for i in range(q + 2):
        for j in range(i + 1):
            m[_M, i, j], m[_SLOPE, i, j], m[_CURVE, i, j] = m[_BASE, i, j], 0.0, 0.0
    for g in range(n_caseloads):
        n, count = v[_CASELOAD, g], v[_COUNT, g]
        inverse = 1.0 / (1.0 + ratio * n)
        f0, f1 = ratio * inverse, inverse * inverse
        f2 = -2.0 * n * inverse * f1
        slope += count * n * inverse
        curve -= count * n * n * f1
        for i in range(q + 1):
            for j in range(i + 1):
                square = m[_SQUARES + g, i, j]
                m[_M, i, j] -= f0 * square
                m[_SLOPE, i, j] -= f1 * square
                m[_CURVE, i, j] -= f2 * square
    for k in range(q):
        v[_ONE, k] = m[_M, k, k]
    for k in range(q):
        d0, d1, d2 = m[_M, k, k], m[_SLOPE, k, k], m[_CURVE, k, k]
        if not d0 > _COLLINEAR * v[_ONE, k]:
            return False, slope, curve
        for i in range(k + 1, q + 2):
            r0 = m[_M, i, k] / d0
            r1 = (m[_SLOPE, i, k] - r0 * d1) / d0
            r2 = (m[_CURVE, i, k] - 2.0 * r1 * d1 - r0 * d2) / d0
            for j in range(k + 1, i + 1):
                b0, b1 = m[_M, j, k], m[_SLOPE, j, k]
                m[_M, i, j] -= r0 * b0
                m[_SLOPE, i, j] -= r1 * b0 + r0 * b1
                m[_CURVE, i, j] -= r2 * b0 + 2.0 * r1 * b1 + r0 * m[_CURVE, j, k]
    return True, slope, curve


@njit(cache=True, nogil=True, error_model="numpy")
def fit(
    data: Sums, weights: Floats, kenward_roger: bool, space: tuple[Floats, Floats], variances: Floats
) -> tuple[float, float, float, int, float]:
    """Estimate, SE, degrees of freedom, failure and restricted log likelihood of one contrast of arms.

    `data` as `sums.gather` fills it; weights (arm,). `variances` gets τ² and σ².
    Fails as SINGULAR_COVARIANCE where a covariate adds nothing to the columns before it.
    """
    nan = np.nan
    m, v = space
    q, n_caseloads, left, estimate, unit, log_terms = _reduce(data, weights, m, v)
    if left < 2.0:
        return nan, nan, nan, codes.TOO_FEW_PATIENTS, nan
    ratio, low, high, typical = 0.0, 0.0, np.inf, 1.0
    last = converged = False
    trace = information = rss = rss1 = curve = 0.0
    for step in range(MAX_STEPS):
        regular, trace, curve = _eliminate(ratio, q, n_caseloads, m, v)
        if not regular:
            return nan, nan, nan, codes.SINGULAR_COVARIANCE, nan
        rss, rss1 = m[_M, q, q], m[_SLOPE, q, q]
        if not rss > 1e-13 * m[_BASE, q, q]:
            return nan, nan, nan, codes.NO_RESIDUAL_VARIANCE, nan
        information, if_known = -curve, -curve  # of λ, and were the fixed effects known
        for k in range(q):
            change = m[_SLOPE, k, k] / m[_M, k, k]
            trace += change
            information -= m[_CURVE, k, k] / m[_M, k, k] - change * change
        slope = trace + left * rss1 / rss
        curve = left * (m[_CURVE, q, q] / rss - (rss1 / rss) ** 2) - information
        if step == 0:
            if not information > _COLLINEAR * if_known:  # every arm or covariate has its therapist: λ is free
                return nan, nan, nan, codes.TOO_FEW_THERAPISTS, nan
            determinant = information * left - trace * trace
            if not determinant > _COLLINEAR * information * left:  # a patient a therapist: λ or σ², who knows
                return nan, nan, nan, codes.TOO_FEW_PATIENTS, nan
        converged = last or (step == 0 and slope >= 0.0)
        if converged:
            break
        if step == 0:
            typical = information / trace
            ratio = _anova(typical, left, rss, rss1, trace)
            continue
        if slope < 0.0:
            low = ratio
        else:
            high = ratio
        # Newton's step in log(λ + 1/n), in which the information hardly varies, or the expected information's where −2ℓ
        # curves the wrong way, kept between what is known.
        scale = ratio + 1.0 / typical
        bend = curve + slope / scale
        if not bend > 0.0:
            bend = max(information, 1e-12)
        new = scale * exp(min(max(-slope / (bend * scale), -3.0), 3.0)) - 1.0 / typical
        converged = abs(new - ratio) <= 1e-10 * (new + 0.01 / typical)
        if converged:
            break
        if not (low < new < high):
            new = 0.5 * (low + high) if high < np.inf else 2.0 * ratio + 1.0 / typical
        # The error left after a Newton step is of the order of the step squared.
        last = abs(new - ratio) <= 1e-5 * (new + 0.01 / typical)
        ratio = new
    if not converged:
        return nan, nan, nan, codes.NOT_CONVERGED, nan
    variance = rss / left
    variances[0], variances[1] = ratio * variance, variance
    estimate -= m[_M, q + 1, q]
    unit -= m[_M, q + 1, q + 1]
    unit1 = -m[_SLOPE, q + 1, q + 1]
    adjusted = unit
    if kenward_roger:
        determinant = information * left - trace * trace
        w_ll, w_ls, w_ss = 2.0 * left / determinant, -2.0 * trace / determinant, 2.0 * information / determinant
        adjusted += w_ll * m[_CURVE, q + 1, q + 1]
        spread = w_ll * unit1 * unit1 + 2.0 * w_ls * unit1 * unit + w_ss * unit * unit
    elif ratio == 0.0:
        spread = 2.0 * unit * unit / left
    else:
        # Hessian of −2ℓ in (λ, log σ²) at the optimum; its inverse, doubled, is the covariance.
        h_ll = curve + left * (rss1 / rss) ** 2
        h_ls = -left * rss1 / rss
        spread = 2.0 * (left * unit1 * unit1 - 2.0 * h_ls * unit1 * unit + h_ll * unit * unit)
        spread /= h_ll * left - h_ls * h_ls
    df = 2.0 * unit * unit / spread
    if not (adjusted > 0.0 and df > 0.0):
        return nan, nan, nan, codes.NOT_CONVERGED, nan
    for k in range(q):
        log_terms += log(m[_M, k, k])
    for g in range(n_caseloads):
        log_terms += v[_COUNT, g] * log(1.0 + ratio * v[_CASELOAD, g])
    loglik = -0.5 * (log_terms + left * (1.0 + log(2.0 * pi * variance)))
    return estimate, sqrt(variance * adjusted), df, codes.NONE, loglik


@njit(cache=True, nogil=True, error_model="numpy")
def _anova(typical: float, left: float, rss: float, rss1: float, trace: float) -> float:
    """λ by equating mean squares between and within therapists, from the derivatives at λ = 0; never 0.

    With n patients each, RSS = within + between/(1 + λn), and trace = n × the degrees of freedom between: this is
    REML's answer.
    """
    between, df = -rss1 / typical, trace / typical
    within = max(rss - between, 0.01 * rss)
    return max(between * max(left - df, 1.0) / (df * within) - 1.0, 1e-4) / typical
