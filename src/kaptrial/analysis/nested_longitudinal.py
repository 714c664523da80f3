"""MMRM with therapists: unstructured covariance within patients, a therapist intercept in the therapy arms.

For therapist t, g the therapists' variance, W the inverse of the covariance over a missingness pattern's visits,

    B_t = Σ 1'W (X, y),   C_t = Σ 1'W 1,
    M   = Σ (X, y)'W(X, y) − Σ_t B_t'B_t g/(1 + g C_t) = [A b; b' c],
    −2ℓ = Σ n log|V| + Σ_t log(1 + g C_t) + log|A| + c − b'A⁻¹b,

all from sums by pattern, and by therapist and pattern. Minimised by Newton's method with central differences of fourth
order whose steps are a fraction of the parameters' standard errors, a variance g at 0 held there. V is given by
the elements of S in V = L(I + S)L', L the factor of V so far: their standard errors do not depend on how closely visits
are correlated. Satterthwaite degrees of freedom, which feel no linear change of parameters, from the observed
information of those that are not at 0. Scores are standardised first, for the arithmetic's sake.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi, sqrt

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from kaptrial.analysis import dense
from kaptrial.analysis.fit import Failure, Fit, Floats
from kaptrial.analysis.mmrm import design_columns, design_matrix, reml, structures

_NONE = int(Failure.NONE)
_TOO_FEW_PATIENTS = int(Failure.TOO_FEW_PATIENTS)
_TOO_FEW_THERAPISTS = int(Failure.TOO_FEW_THERAPISTS)
_SINGULAR = int(Failure.SINGULAR_COVARIANCE)
_NOT_CONVERGED = int(Failure.NOT_CONVERGED)
_NOT_OBSERVED = int(Failure.NOT_OBSERVED)
_CONFOUNDED = int(Failure.CONFOUNDED_COVARIATE)
MAX_STEPS = 50
# Step of the differences in standard errors: truncation is near its fourth power, 1e-6, rounding of second ones 1e-10.
_STEP = 0.03


@dataclass(frozen=True, kw_only=True)
class NestedLongitudinalFit:
    """A contrast at one visit; NaN where `fit.failure` is not NONE.

    `therapist_sd`: (replicate,); `covariance`: (replicate, visit, visit) within patients; `reml_loglik`: (replicate,).
    """

    fit: Fit
    therapist_sd: Floats
    covariance: Floats
    reml_loglik: Floats


def nested_longitudinal(
    y: Floats,
    arm: NDArray[np.int64],
    therapist: NDArray[np.int64],
    crossed: Floats,
    main: Floats,
    weights: ArrayLike,
    visit: int,
) -> NestedLongitudinalFit:
    """REML estimate of a contrast of arms at a visit, patients clustered in therapists.

    Parameters
    ----------
    y : (replicate, patient, visit)
        Scores after baseline, NaN where not seen.
    arm, therapist : (replicate, patient)
        Index of the arm; number of the therapist, −1 for none.
    crossed, main : (replicate, patient, p)
        Covariates with a slope at each visit, and with one slope.
    weights : (arm,)
        The contrast; weights sum to 0.
    visit : index of the visit
    """
    w = np.asarray(weights, dtype=float)
    n_replicates, _, n_visits = y.shape
    if not 0 <= visit < n_visits:
        raise ValueError(f"visit {visit}: y has {n_visits} visits")
    out, failure = np.full((n_replicates, 4), np.nan), np.zeros(n_replicates, dtype=np.int64)
    variance = np.full(n_replicates, np.nan)
    covariance = np.full((n_replicates, n_visits, n_visits), np.nan)
    _fit_all(
        np.ascontiguousarray(y, dtype=float), np.ascontiguousarray(arm, dtype=np.int64),
        np.ascontiguousarray(therapist, dtype=np.int64), np.ascontiguousarray(crossed, dtype=float),
        np.ascontiguousarray(main, dtype=float), w, visit,
        design_columns(n_visits, len(w), crossed.shape[-1], main.shape[-1], constrained_baseline=False),
        int(therapist.max(initial=-1)) + 1, out, failure, variance, covariance,
    )  # fmt: skip
    failed = failure != Failure.NONE
    out[failed], variance[failed], covariance[failed] = np.nan, np.nan, np.nan
    return NestedLongitudinalFit(
        fit=Fit(estimate=out[:, 0], se=out[:, 1], df=out[:, 2], failure=failure),
        therapist_sd=np.sqrt(variance),
        covariance=covariance,
        reml_loglik=out[:, 3],
    )


@njit(cache=True, nogil=True)
def _fit_all(  # type: ignore[no-untyped-def]
    y, arm, therapist, crossed, main, weights, visit, column, n_therapists, out, failure, variance, covariance
):  # fmt: skip
    for r in range(len(y)):
        failure[r] = _fit_one(
            y[r], arm[r], therapist[r], crossed[r], main[r], weights, visit, column, n_therapists, out[r],
            variance[r : r + 1], covariance[r],
        )  # fmt: skip


@njit(cache=True, nogil=True)
def _cells(y, w, therapist, masks, n_patterns, n_cell, cells):  # type: ignore[no-untyped-def]
    """Sums of (w, y) by therapist and pattern, and numbers of patients."""
    m = w.shape[1]
    for i in range(len(y)):
        t = therapist[i]
        complete = t >= 0
        for a in range(m):
            if w[i, a] != w[i, a]:
                complete = False
        mask = 0
        for j in range(y.shape[1]):
            if y[i, j] == y[i, j]:
                mask |= 1 << j
        if not complete or mask == 0:
            continue
        for p in range(n_patterns):
            if masks[p] == mask:
                n_cell[t, p] += 1.0
                for a in range(m):
                    cells[t, p, a] += w[i, a]
                for j in range(y.shape[1]):
                    if mask >> j & 1:
                        cells[t, p, m + j] += y[i, j]


@njit(cache=True, nogil=True)
def _value(psi, lower, n_patterns, masks, counts, t, n_cell, cells, column, n, contrast, inverse, beta, v, w):  # type: ignore[no-untyped-def]
    """−2ℓ without its constant and c'A⁻¹c at parameters ψ = (elements of S, g); NaN if not definite.

    Fills A⁻¹, β and V = L(I + S)L', L = `lower`.
    """
    n_visits, m = column.shape
    n_v = n_visits * (n_visits + 1) // 2
    for j in range(n_visits):
        for k in range(j + 1):
            total = 0.0
            for x in range(j + 1):
                for z in range(k + 1):
                    share = psi[max(x, z) * (max(x, z) + 1) // 2 + min(x, z)] + (1.0 if x == z else 0.0)
                    total += lower[j, x] * share * lower[k, z]
            v[j, k] = v[k, j] = total
    value = reml.pattern_weights(v, masks, counts, n_patterns, w)
    if not value > -np.inf:
        return np.nan, np.nan
    g = psi[n_v]
    a, b = np.zeros((n, n)), np.zeros(n)
    square = 0.0
    for p in range(n_patterns):
        for j in range(n_visits):
            for k in range(n_visits):
                wjk = w[p, j, k]
                if wjk == 0.0:
                    continue
                square += wjk * t[p, m + j, m + k]
                for x in range(m):
                    cx = column[j, x]
                    if cx < 0:
                        continue
                    b[cx] += wjk * t[p, x, m + k]
                    for z in range(m):
                        cz = column[k, z]
                        if 0 <= cz <= cx:
                            a[cx, cz] += wjk * t[p, x, z]
    row = np.zeros((n_patterns, n_visits))  # 1'W of each pattern
    for p in range(n_patterns):
        for k in range(n_visits):
            for j in range(n_visits):
                row[p, k] += w[p, j, k]
    moved = np.empty(n)
    for h in range(len(n_cell)):
        moved[:] = 0.0
        moved_y = c = 0.0
        for p in range(n_patterns):
            count = n_cell[h, p]
            if count == 0.0:
                continue
            for k in range(n_visits):
                f = row[p, k]
                c += count * f if masks[p] >> k & 1 else 0.0
                moved_y += f * cells[h, p, m + k]
                for x in range(m):
                    if column[k, x] >= 0:
                        moved[column[k, x]] += f * cells[h, p, x]
        determinant = 1.0 + g * c
        if not determinant > 0.0:
            return np.nan, np.nan
        value += log(determinant)
        shrunk = g / determinant
        for i in range(n):
            left = shrunk * moved[i]
            b[i] -= left * moved_y
            for j in range(i + 1):
                a[i, j] -= left * moved[j]
        square -= shrunk * moved_y**2
    beta[:] = b
    if not dense.cholesky(a, n, 1e-12):
        return np.nan, np.nan
    dense.solve(a, n, beta)
    dense.invert(a, n, inverse)
    for i in range(n):
        square -= b[i] * beta[i]
    return value + dense.log_determinant(a, n) + square, dense.quadratic(inverse, contrast, n)


@njit(cache=True, nogil=True)
def _steps(psi, within, n_patients, per_therapist, n_busy, steps):  # type: ignore[no-untyped-def]
    """A fraction of each parameter's rough standard error."""
    n_visits, k = len(within), 0
    for j in range(n_visits):
        for i in range(j + 1):
            steps[k] = _STEP * sqrt((2.0 if i == j else 1.0) / n_patients)
            k += 1
    variance = np.trace(within) / n_visits
    steps[k] = _STEP * (psi[k] + 0.5 * variance / per_therapist) * sqrt(2.0 / n_busy)


@njit(cache=True, nogil=True)
def _standardise(scores):  # type: ignore[no-untyped-def]
    """Scores about their mean in units of their SD, and that SD; as they are, and 1, where all are the same."""
    mean, sd = np.nanmean(scores), np.nanstd(scores)
    if not sd > 1e-12 * abs(mean):
        return scores, 1.0
    return (scores - mean) / sd, sd


@njit(cache=True, nogil=True)
def _factor(a, lower):  # type: ignore[no-untyped-def]
    """The Cholesky factor of `a` into `lower`, whose upper triangle is 0; False if not positive definite."""
    for j in range(len(a)):
        lower[j, : j + 1] = a[j, : j + 1]
    return dense.cholesky(lower, len(a), 1e-14)


@njit(cache=True, nogil=True)
def _fit_one(  # type: ignore[no-untyped-def]
    scores, arm, therapist, crossed, main, weights, visit, template, n_therapists, out, therapist_variance, covariance
):  # fmt: skip
    n_arms, n_visits = len(weights), scores.shape[1]
    y, unit = _standardise(scores)
    w, scales = design_matrix(arm, crossed, main, n_arms)
    m = w.shape[1]
    masks, counts = np.empty(256, dtype=np.int64), np.empty(256)
    t = np.empty((256, m + n_visits, m + n_visits))
    n_patterns = reml.moments(y, w, masks, counts, t)
    if n_patterns < 0:
        return _SINGULAR
    seen = np.zeros((n_visits, n_arms))
    n_scores = n_patients = 0.0
    for p in range(n_patterns):
        n_patients += counts[p]
        for j in range(n_visits):
            if masks[p] >> j & 1:
                n_scores += counts[p]
                for a in range(n_arms):
                    seen[j, a] += t[p, a, a]
    for a in range(n_arms):
        if weights[a] != 0.0 and seen[visit, a] == 0.0:
            return _NOT_OBSERVED
    for j in range(n_visits):
        if seen[j].sum() == 0.0:
            return _NOT_OBSERVED
    column = template.copy()
    contrasts = np.zeros((1, column.max() + 1))
    for a in range(n_arms):
        contrasts[0, column[visit, a]] = weights[a]
    n, estimable = reml.keep_columns(n_patterns, masks, t, column, contrasts)
    if not estimable:
        return _CONFOUNDED
    contrast = contrasts[0, :n].copy()
    n_cell, cells = np.zeros((n_therapists, n_patterns)), np.zeros((n_therapists, n_patterns, m + n_visits))
    _cells(y, w, therapist, masks, n_patterns, n_cell, cells)
    n_busy = 0.0
    for h in range(n_therapists):
        n_busy += 1.0 if n_cell[h].sum() > 0.0 else 0.0
    if n_busy < 2.0:
        return _TOO_FEW_THERAPISTS
    n_v = n_visits * (n_visits + 1) // 2
    n_psi = n_v + 1
    if n_scores - n < n_psi:
        return _TOO_FEW_PATIENTS
    # Start without therapists, at the MMRM's covariance, a little of its diagonal given to them.
    within, betas = np.empty((n_visits, n_visits)), np.empty(n)
    dummy = np.empty((3, 1))
    code, _ = reml.fit(
        n_patterns, masks, counts, t, column, n, contrasts[:, :n], structures.US, False, dummy[0], dummy[1], dummy[2],
        within, betas,
    )  # fmt: skip
    if code != 0:
        return code
    lower = np.zeros((n_visits, n_visits))
    if not _factor(within, lower):
        return _SINGULAR
    psi, trial = np.zeros(n_psi), np.zeros(n_psi)
    psi[n_v] = 0.02 * within[0, 0]
    inverse, beta = np.empty((n, n)), np.empty(n)
    v, pattern = np.empty((n_visits, n_visits)), np.empty((n_patterns, n_visits, n_visits))
    g, slope, step = np.empty(n_psi), np.empty(n_psi), np.empty(n_psi)
    hessian, steps = np.empty((n_psi, n_psi)), np.empty(n_psi)
    free = np.ones(n_psi, dtype=np.bool_)
    value, variance = _value(
        psi, lower, n_patterns, masks, counts, t, n_cell, cells, column, n, contrast, inverse, beta, v, pattern
    )
    if value != value:
        return _SINGULAR
    done = False
    for _ in range(MAX_STEPS):
        _steps(psi, within, n_patients, n_cell.sum() / n_busy, n_busy, steps)
        at = psi.copy()
        ahead = np.empty((n_psi, 4))
        offsets = np.array([-2.0, -1.0, 1.0, 2.0])
        for k in range(n_psi):
            e = np.empty(4)
            for i in range(4):
                at[k] = psi[k] + offsets[i] * steps[k]
                ahead[k, i], e[i] = _value(
                    at, lower, n_patterns, masks, counts, t, n_cell, cells, column, n, contrast, inverse, beta,
                    v, pattern,
                )  # fmt: skip
            at[k] = psi[k]
            f = ahead[k]
            g[k] = (f[0] - 8.0 * f[1] + 8.0 * f[2] - f[3]) / (12.0 * steps[k])
            slope[k] = (e[0] - 8.0 * e[1] + 8.0 * e[2] - e[3]) / (12.0 * steps[k])
            hessian[k, k] = (-f[0] + 16.0 * f[1] - 30.0 * value + 16.0 * f[2] - f[3]) / (12.0 * steps[k] ** 2)
        for k in range(n_psi):
            for el in range(k):
                # ∂²f/∂x∂y from f along the diagonals, to fourth order by combining two step sizes.
                mixed = 0.0
                for size in range(1, 3):
                    total = 0.0
                    for i in range(2):
                        for j in range(2):
                            si, sj = 2.0 * i - 1.0, 2.0 * j - 1.0
                            at[k] = psi[k] + si * size * steps[k]
                            at[el] = psi[el] + sj * size * steps[el]
                            f_at, _unused = _value(
                                at, lower, n_patterns, masks, counts, t, n_cell, cells, column, n, contrast,
                                inverse, beta, v, pattern,
                            )  # fmt: skip
                            total += si * sj * f_at
                    estimate = total / (4.0 * size * size * steps[k] * steps[el])
                    mixed += (4.0 / 3.0 if size == 1 else -1.0 / 3.0) * estimate
                at[k], at[el] = psi[k], psi[el]
                hessian[k, el] = hessian[el, k] = mixed
        for k in range(n_v, n_psi):
            free[k] = psi[k] > 0.0 or g[k] < 0.0
        value, variance = _value(
            psi,
            lower,
            n_patterns,
            masks,
            counts,
            t,
            n_cell,
            cells,
            column,
            n,
            contrast,
            inverse,
            beta,
            v,
            pattern,
        )
        which = np.flatnonzero(free)
        small, b = np.empty((n_psi, n_psi)), np.empty(n_psi)
        for i in range(len(which)):
            b[i] = g[which[i]]
            for j in range(len(which)):
                small[i, j] = hessian[which[i], which[j]]
        ridge, trace = 0.0, 0.0
        factor = small.copy()
        while not dense.cholesky(factor, len(which), 1e-12):
            ridge = 1e-3 if ridge == 0.0 else 10.0 * ridge
            if not ridge < 1e6:
                return _SINGULAR
            factor = small.copy()
            for i in range(len(which)):
                factor[i, i] += ridge * (abs(small[i, i]) + 1e-12)
        if done:
            if ridge > 0.0:
                return _SINGULAR
            dense.invert(factor, len(which), small)
            for i in range(len(which)):
                for j in range(len(which)):
                    trace += 2.0 * small[i, j] * slope[which[i]] * slope[which[j]]
            break
        dense.solve(factor, len(which), b)
        decrement = 0.0
        step[:] = 0.0
        for i in range(len(which)):
            step[which[i]] = b[i]
            decrement += b[i] * g[which[i]]
        length, better, new = 1.0, False, value
        for _try in range(40):
            for k in range(n_psi):
                trial[k] = psi[k] - length * step[k]
                if k >= n_v:
                    trial[k] = max(trial[k], 0.0)
            new, _unused = _value(
                trial, lower, n_patterns, masks, counts, t, n_cell, cells, column, n, contrast, inverse, beta, v,
                pattern,
            )  # fmt: skip
            if new <= value + 1e-9 * (1.0 + abs(value)):
                better = True
                break
            length *= 0.5
        if not better:
            return _NOT_CONVERGED
        stays = True
        for k in range(n_v, n_psi):
            if free[k] and (psi[k] > 0.0) != (trial[k] > 0.0):
                stays = False
        done = stays and length == 1.0 and abs(decrement) < 1e-11
        psi[n_v:] = trial[n_v:]
        within[:, :] = v
        if not _factor(within, lower):
            return _SINGULAR
        value = new
    if not done or not trace > 0.0 or not variance > 0.0:
        return _NOT_CONVERGED
    scaling, counted = 0.0, np.zeros(n, dtype=np.bool_)
    for j in range(n_visits):
        for a in range(m):
            if column[j, a] >= 0 and not counted[column[j, a]]:
                counted[column[j, a]] = True
                scaling += log(scales[a])
    out[0] = 0.0
    for i in range(n):
        out[0] += contrast[i] * beta[i] * unit
    out[1], out[2] = sqrt(variance) * unit, 2.0 * variance * variance / trace
    out[3] = -0.5 * (value + (n_scores - n) * log(2.0 * pi * unit * unit)) - scaling
    therapist_variance[0] = psi[n_v] * unit * unit
    covariance[:, :] = within * (unit * unit)
    return _NONE
