"""Imputation for any missingness and covariance structure: moments of the scores not seen given those seen.

The strategy's mean of a patient at visit j is a row of the design, a combination of the mixed model's rows: own arm at
j; reference arm at j; own arm at the last visit seen, plus reference arm at j, minus reference arm there. With β and V
by REML, o the visits seen and m = rows · β, the score at visit v is normal with mean m_v + V_vo V_oo⁻¹ (y_o − m_o) and
variance V_vv − V_vo V_oo⁻¹ V_ov.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators import codes, dense
from kaptrial.estimators.imputation.patients import CIR, CR, JR, LMCF, MAR, Patients, Plan, last_seen
from kaptrial.estimators.mmrm import reml


@njit(cache=True, nogil=True)
def impute(rows: Ints, patients: Patients, plan: Plan, z: Floats, sd: Floats) -> int:
    """Complete the visit by a model fitted to the patients `rows`: failure code.

    Fills z (patient,), the scores or their conditional means, and sd (patient,), 0 where seen.
    """
    y, w, arm, _ = patients
    n, n_visits = y.shape
    visit = plan.visit
    n_rows = 0
    for i in range(n):
        z[i], sd[i] = y[i, visit], 0.0
        if y[i, visit] != y[i, visit]:
            n_rows += 1 + np.isfinite(y[i]).sum()
    if n_rows == 0:
        return codes.NONE
    column = plan.column.copy()
    design = np.zeros((n_rows, column.max() + 1))
    row = 0
    for i in range(n):
        if y[i, visit] != y[i, visit]:
            last = last_seen(y[i])
            for j in range(n_visits):
                if j == visit or y[i, j] == y[i, j]:
                    _mean_row(design[row], w[i], arm[i], last, j, plan)
                    row += 1
    model_y, model_w = y[rows], w[rows]
    n_patterns, masks, counts, t = reml.by_pattern(model_y, model_w)
    left, estimable = reml.keep_columns(n_patterns, masks, t, column, design)
    if not estimable:
        for a in range(len(plan.arm_weights)):
            if column[visit, a] < 0:
                return codes.NOT_OBSERVED
        return codes.CONFOUNDED_COVARIATE
    v, beta = np.empty((n_visits, n_visits)), np.empty(left)
    # Of the types that `mmrm` calls it with, so that it is compiled once.
    none, kenward_roger = design[:0, :left], bool(np.bool_(False))
    nothing = reml.Estimates(np.empty(0), np.empty(0), np.empty(0))
    patterns = reml.Patterns(n_patterns, masks, counts, t, column)
    failure = codes.NOT_CONVERGED
    for structure in plan.structures:
        failure, _ = reml.fit(patterns, none, structure, kenward_roger, nothing, v, beta)
        if failure == codes.NONE:
            break
    if failure != codes.NONE:
        return failure
    row = 0
    seen, means = np.empty(n_visits, dtype=np.int64), np.empty(n_visits)
    for i in range(n):
        if y[i, visit] != y[i, visit]:
            n_seen = 0
            for j in range(n_visits):
                if j == visit or y[i, j] == y[i, j]:
                    means[j] = 0.0
                    for c in range(left):
                        means[j] += design[row, c] * beta[c]
                    row += 1
                    if j != visit:
                        seen[n_seen] = j
                        n_seen += 1
            z[i], sd[i] = _conditional(v, y[i], means, seen[:n_seen], visit)
            if not sd[i] >= 0.0:
                return codes.SINGULAR_COVARIANCE
    return codes.NONE


@njit(cache=True, nogil=True)
def _mean_row(row: Floats, w: Floats, arm: int, last: int, j: int, plan: Plan) -> None:
    """Add the design row of the strategy's mean at visit j of a patient last seen at `last` (−1: never)."""
    used, reference = plan.strategy, plan.references[arm]
    if arm == reference or last > plan.visit:  # a gap, not dropout
        used = MAR
    elif last < 0 and used in (CIR, LMCF):
        used = JR
    if used == CR or (used == JR and j > last):
        _add(row, w, reference, j, plan, 1.0)
    elif used == CIR and j > last:
        _add(row, w, arm, last, plan, 1.0)
        _add(row, w, reference, j, plan, 1.0)
        _add(row, w, reference, last, plan, -1.0)
    else:
        _add(row, w, arm, last if used == LMCF and j > last else j, plan, 1.0)


@njit(cache=True, nogil=True)
def _add(row: Floats, w: Floats, arm: int, j: int, plan: Plan, sign: float) -> None:
    """Add the design row of a patient's mean at visit j, had they been in `arm`."""
    row[plan.column[j, arm]] += sign
    for a in range(len(plan.arm_weights), len(w)):
        row[plan.column[j, a]] += sign * w[a]


@njit(cache=True, nogil=True)
def _conditional(v: Floats, y: Floats, means: Floats, seen: Ints, visit: int) -> tuple[float, float]:
    """Mean and SD of the score at `visit` given those seen; NaN if V is singular there."""
    n = len(seen)
    factor, weights = np.empty((n, n)), np.empty(n)
    for a in range(n):
        weights[a] = v[visit, seen[a]]
        for b in range(n):
            factor[a, b] = v[seen[a], seen[b]]
    if not dense.cholesky(factor, n, 1e-12):
        return np.nan, np.nan
    dense.solve(factor, n, weights)
    mean, variance = means[visit], v[visit, visit]
    for a in range(n):
        mean += weights[a] * (y[seen[a]] - means[seen[a]])
        variance -= weights[a] * v[visit, seen[a]]
    return mean, np.sqrt(variance)
