"""Imputation in closed form: unstructured covariance, every covariate crossed with visit, dropout for good.

Then REML is, visit by visit, the regression of y_j on u = (arms, covariates w, earlier scores) among those still seen
(`mmrm.monotone`): coefficients (α_j, φ_j), residual variance d_j. The marginal mean at visit j is M_j'w with
M_j = α_j + Σ_k φ_jk M_k. Writing r^(s) for the coefficients of the first s scores in the prediction of visit v,
r^(v) = φ_v and r^(s−1)_k = r^(s)_k + r^(s)_{s−1} φ_{s−1,k}, a patient with s < v + 1 scores gets

    ẑ = m_v + Σ_{k<s} r^(s)_k (y_k − m_k) = b_s'u,     variance Σ_{s ≤ j ≤ v} t_j² d_j,  t_v = 1, t_j = r^(j+1)_j,

where m_j is the strategy's mean, linear in w. So the imputed scores' products with w, all that an ANCOVA needs, follow
from sums by number of scores seen. Without patient i a regression has the coefficients

    f − N⁻¹u_i e_i / (1 − h_i),     N = Σ u u',  e_i = y_ij − f'u_i,  h_i = u_i'N⁻¹u_i,

(Cook & Weisberg 1982, Residuals and Influence in Regression, §2.2), and so has the ANCOVA: leaving one patient out
costs no pass through the others.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators import dense
from kaptrial.estimators.imputation.patients import CIR, CR, JR, LMCF, MAR, Patients, Plan

_COLLINEAR = 1e-10
# 1 − h below this: the others say nothing about a coefficient that this patient's prediction needs.
_ALONE = 1e-8


@njit(cache=True, nogil=True)
def scores_before_dropout(y: Floats, visit: int, n_seen: Ints) -> bool:
    """Number of scores up to `visit` of each patient, (patient,); False if one was seen again after a missed visit."""
    n, n_visits = y.shape
    for i in range(n):
        seen = 0
        while seen < n_visits and y[i, seen] == y[i, seen]:
            seen += 1
        for j in range(seen + 1, n_visits):
            if y[i, j] == y[i, j]:
                return False
        n_seen[i] = min(seen, visit + 1)
    return True


@njit(cache=True, nogil=True)
def products(patients: Patients, rows: Ints, plan: Plan) -> Floats:
    """Sums of u u' by arm (its own reference, other) and scores seen, (2, visit + 2, m + visit + 1, m + visit + 1)."""
    m = patients.w.shape[1]
    size = m + plan.visit + 1
    out, u = np.zeros((2, plan.visit + 2, size, size)), np.empty(size)
    for i in rows:
        s = patients.n_seen[i]
        u[:m] = patients.w[i]
        u[m : m + s] = patients.y[i, :s]
        total = out[int(patients.arm[i] != plan.references[patients.arm[i]]), s]
        for a in range(m + s):
            for b in range(m + s):
                total[a, b] += u[a] * u[b]
    return out


@njit(cache=True, nogil=True)
def regress(sums: Floats, n: Floats, m: int, coefficients: Floats, d: Floats, inverses: Floats, spare: int) -> bool:
    """Regress each visit on arms, covariates and earlier scores: False if one cannot be done or fits exactly.

    `sums` of `products`, `n` (visit,) patients seen. Fills coefficients (visit, m + visit), d (visit,) and
    N⁻¹ (visit, m + visit, m + visit); `spare`: the residual degrees of freedom a regression must have at least.
    """
    n_visits = len(d)
    size = m + n_visits
    normal, factor = np.empty((size, size)), np.empty((size, size))
    for j in range(n_visits):
        k = m + j
        if n[j] - k < spare:
            return False
        normal[:, :] = 0.0
        for s in range(j + 1, n_visits + 1):
            for a in range(k + 1):
                for b in range(k + 1):
                    normal[a, b] += sums[0, s, a, b] + sums[1, s, a, b]
        factor[:, :] = normal
        if not dense.cholesky(factor, k, _COLLINEAR):
            return False
        coefficients[j, :k] = normal[k, :k]
        dense.solve(factor, k, coefficients[j])
        rss = normal[k, k]
        for a in range(k):
            rss -= coefficients[j, a] * normal[k, a]
        if not rss > 1e-13 * normal[k, k]:
            return False
        d[j] = rss / (n[j] - k)
        dense.invert(factor, k, inverses[j])
    return True


@njit(cache=True, nogil=True)
def completion(coefficients: Floats, d: Floats, plan: Plan, means: Floats, b: Floats, variances: Floats) -> None:
    """The coefficients b_s of an imputed score at the last visit, by arm (its own reference, other) and scores seen.

    Fills means (visit, m), b (2, visit, m + visit) and the imputed score's variance given those seen, (visit,).
    """
    n_visits, m = means.shape
    v, n_arms, strategy = plan.visit, len(plan.arm_weights), plan.strategy
    for j in range(n_visits):
        for a in range(m):
            mean = coefficients[j, a]
            for k in range(j):
                mean += coefficients[j, m + k] * means[k, a]
            means[j, a] = mean
    r = coefficients[v, m:].copy()
    variance = d[v]
    for s in range(v, -1, -1):
        variances[s] = variance
        used = JR if s == 0 and strategy in (CIR, LMCF) else strategy
        for a in range(m):
            own, after, before = means[v, a], means[v, a], 0.0
            for k in range(s):
                before += r[k] * means[k, a]
            b[0, s, a] = own - before
            if used == LMCF:
                after = means[s - 1, a]
            elif a < n_arms and used != MAR:
                reference = plan.references[a]
                after = means[v, reference]
                if used == CIR:
                    after += means[s - 1, a] - means[s - 1, reference]
                if used == CR:
                    before = 0.0
                    for k in range(s):
                        before += r[k] * means[k, reference]
            b[1, s, a] = after - before
        for k in range(s):
            b[0, s, m + k] = b[1, s, m + k] = r[k]
        if s > 0:
            fold = r[s - 1]
            variance += fold * fold * d[s - 1]
            for k in range(s - 1):
                r[k] += fold * coefficients[s - 1, m + k]


@njit(cache=True, nogil=True)
def impute(rows: Ints, patients: Patients, plan: Plan, z: Floats, sd: Floats) -> bool:
    """Complete the visit by a model fitted to the patients `rows`; False where the closed form does not hold.

    Fills z (patient,), the scores or their conditional means, and sd (patient,), 0 where seen.
    """
    y, w, arm, n_seen = patients
    (n, m), visit = w.shape, plan.visit
    size = m + visit + 1
    coefficients, d = np.zeros((visit + 1, size)), np.empty(visit + 1)
    inverses, means = np.empty((visit + 1, size, size)), np.empty((visit + 1, m))
    b, variances = np.empty((2, visit + 1, size)), np.empty(visit + 1)
    sums, still_seen = products(patients, rows, plan), _still_seen(n_seen[rows], visit)
    if not regress(sums, still_seen, m, coefficients, d, inverses, 1):
        return False
    completion(coefficients, d, plan, means, b, variances)
    for i in range(n):
        s = n_seen[i]
        z[i], sd[i] = y[i, visit], 0.0
        if s <= visit:
            z[i] = _value(b[int(arm[i] != plan.references[arm[i]]), s], w[i], y[i], s)
            sd[i] = np.sqrt(variances[s])
    return True


@njit(cache=True, nogil=True)
def leave_one_out(patients: Patients, plan: Plan, out: Floats) -> bool:
    """The contrast without each patient in turn, (patient, 2): of completed scores, and of who was imputed.

    The second column is the contrast of 1 for those imputed in arms that have a reference, 0 for the rest: what the
    estimate gains for each point of delta. False where the closed form does not hold for all patients.
    """
    y, w, arm, n_seen = patients
    visit, arm_weights = plan.visit, plan.arm_weights
    n, m = w.shape
    n_arms, n_visits = len(arm_weights), visit + 1
    size = m + n_visits
    other = arm != plan.references[arm]
    sums = products(patients, np.arange(n), plan)
    full, d = np.zeros((n_visits, size)), np.empty(n_visits)
    inverses, means = np.empty((n_visits, size, size)), np.empty((n_visits, m))
    b, variances = np.empty((2, n_visits, size)), np.empty(n_visits)
    # One degree of freedom more than a fit needs, for the patient left out.
    if not regress(sums, _still_seen(n_seen, visit), m, full, d, inverses, 2):
        return False
    inverse = np.empty((m, m))
    if n - m < 2 or not _ancova_inverse(sums, m, inverse):
        return False
    weights = np.zeros(m)  # of w'z in the contrast
    delta_product, observed = np.zeros(m), np.empty(m)
    for a in range(m):
        for c in range(n_arms):
            weights[a] += inverse[a, c] * arm_weights[c]
        observed[a] = sums[0, n_visits, a, m + visit] + sums[1, n_visits, a, m + visit]
    for i in range(n):
        if other[i] and n_seen[i] <= visit:
            delta_product += w[i]
    delta_slopes = inverse @ delta_product
    coefficients, u, product = full.copy(), np.empty(size), np.empty(m)
    for i in range(n):
        s = n_seen[i]
        u[:m] = w[i]
        u[m : m + s] = y[i, :s]
        for j in range(n_visits):
            k = m + j
            coefficients[j, :k] = full[j, :k]
            if j < s and not _downdate(inverses[j], u, k, coefficients[j]):
                return False
        completion(coefficients, d, plan, means, b, variances)
        for a in range(m):
            product[a] = observed[a]
            for g in range(2):
                for s_other in range(n_visits):
                    for k in range(m + s_other):
                        product[a] += sums[g, s_other, a, k] * b[g, s_other, k]
        imputed = s <= visit
        z = _value(b[int(other[i]), s], w[i], y[i], s) if imputed else y[i, visit]
        shift = 1.0 if imputed and other[i] else 0.0
        leverage, weight, fitted, fitted_shift, estimate, slope = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for a in range(m):
            column = 0.0
            for c in range(m):
                column += inverse[a, c] * w[i, c]
            leverage += column * w[i, a]
            weight += weights[a] * w[i, a]
            fitted += column * product[a]
            fitted_shift += delta_slopes[a] * w[i, a]
            estimate += weights[a] * product[a]
            slope += weights[a] * delta_product[a]
        if not 1.0 - leverage > _ALONE:
            return False
        out[i, 0] = estimate - weight * (z - fitted) / (1.0 - leverage)
        out[i, 1] = slope - weight * (shift - fitted_shift) / (1.0 - leverage)
    return True


@njit(cache=True, nogil=True)
def _still_seen(n_seen: Ints, visit: int) -> Floats:
    """How many were seen at each visit, (visit + 1,)."""
    n = np.zeros(visit + 1)
    for s in n_seen:
        n[:s] += 1.0
    return n


@njit(cache=True, nogil=True)
def _value(b: Floats, w: Floats, y: Floats, s: int) -> float:
    """b_s'u of one patient."""
    value, m = 0.0, len(w)
    for a in range(m):
        value += b[a] * w[a]
    for k in range(s):
        value += b[m + k] * y[k]
    return value


@njit(cache=True, nogil=True)
def _downdate(inverse: Floats, u: Floats, k: int, coefficients: Floats) -> bool:
    """Coefficients without one patient, in place; False if the others cannot tell them. u: k regressors, the score."""
    residual, leverage = u[k], 0.0
    gain = np.empty(k)
    for a in range(k):
        gain[a] = 0.0
        for c in range(k):
            gain[a] += inverse[a, c] * u[c]
        leverage += gain[a] * u[a]
        residual -= coefficients[a] * u[a]
    if not 1.0 - leverage > _ALONE:
        return False
    for a in range(k):
        coefficients[a] -= gain[a] * residual / (1.0 - leverage)
    return True


@njit(cache=True, nogil=True)
def _ancova_inverse(sums: Floats, m: int, out: Floats) -> bool:
    """(Σ w w')⁻¹ over all patients; False if it does not exist."""
    factor = np.zeros((m, m))
    for g in range(2):
        for s in range(sums.shape[1]):
            for a in range(m):
                for c in range(m):
                    factor[a, c] += sums[g, s, a, c]
    if not dense.cholesky(factor, m, _COLLINEAR):
        return False
    dense.invert(factor, m, out)
    return True
