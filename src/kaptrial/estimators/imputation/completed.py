"""One trial: ANCOVA of completed scores at one visit, and its spread by jackknife or by imputing often.

Without each of n patients in turn the whole procedure gives θ_(i); its variance is (n − 1)/n Σ (θ_(i) − θ̄)² (Efron
1982, The Jackknife, the Bootstrap and Other Resampling Plans). M imputations with estimates θ_m and variances U_m have
T = Ū + (1 + 1/M) B (Rubin 1987) and the degrees of freedom of Barnard & Rubin (1999, Biometrika 86:948-955).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators import codes, dense
from kaptrial.estimators.fit import Failure
from kaptrial.estimators.imputation import by_reml, sequential
from kaptrial.estimators.imputation.patients import Patients, Plan, without
from kaptrial.estimators.mmrm import reml


@njit(cache=True, nogil=True)
def ancova(w: Floats, z: Floats, arm_weights: Floats, estimate: Floats) -> tuple[int, float, float]:
    """Least squares of each column of z (patient, k) on w (patient, m): failure, the first one's variance, and df.

    Fills estimate (k,), the contrast of the arms, whose indicators come first in w. Columns of w that add nothing to
    those before them are dropped.
    """
    n, m = w.shape
    n_arms = len(arm_weights)
    t, q = np.zeros((1, m, m)), np.zeros((1, m))
    column = np.empty((1, m), dtype=np.int64)
    for a in range(m):
        column[0, a] = a
        for b in range(m):
            for i in range(n):
                t[0, a, b] += w[i, a] * w[i, b]
    for a in range(n_arms):
        q[0, a] = arm_weights[a]
        if arm_weights[a] != 0.0 and t[0, a, a] == 0.0:
            return codes.TOO_FEW_PATIENTS, np.nan, np.nan
    left, estimable = reml.keep_columns(1, np.ones(1, dtype=np.int64), t, column, q)
    if not estimable:
        return codes.CONFOUNDED_COVARIATE, np.nan, np.nan
    df = float(n - left)
    if df < 1.0:
        return codes.TOO_FEW_PATIENTS, np.nan, np.nan
    factor, weights, products = np.empty((left, left)), q[0, :left].copy(), np.zeros((left, z.shape[1]))
    for a in range(m):
        if column[0, a] >= 0:
            for b in range(m):
                if column[0, b] >= 0:
                    factor[column[0, a], column[0, b]] = t[0, a, b]
            for i in range(n):
                for k in range(z.shape[1]):
                    products[column[0, a], k] += w[i, a] * z[i, k]
    if not dense.cholesky(factor, left, 1e-13):
        return codes.CONFOUNDED_COVARIATE, np.nan, np.nan
    dense.solve(factor, left, weights)
    for k in range(z.shape[1]):
        estimate[k] = 0.0
        for a in range(left):
            estimate[k] += weights[a] * products[a, k]
    spread = 0.0
    for a in range(left):
        spread += weights[a] * q[0, a]
    slopes = products[:, 0].copy()
    dense.solve(factor, left, slopes)
    rss = 0.0
    for i in range(n):
        residual = z[i, 0]
        for a in range(m):
            if column[0, a] >= 0:
                residual -= slopes[column[0, a]] * w[i, a]
        rss += residual * residual
    return codes.NONE, rss / df * spread, df


def estimate(patients: Patients, plan: Plan) -> tuple[int, Floats]:
    """Failure code and contrasts (2,) of completed scores, and of who was imputed (`sequential.leave_one_out`)."""
    failure, z, _ = _complete(np.arange(len(patients.y)), patients, plan)
    out = np.full(2, np.nan)
    if failure == Failure.NONE:
        failure, _, _ = ancova(patients.w, z, plan.arm_weights, out)
    return failure, out


def jackknife(patients: Patients, plan: Plan) -> tuple[int, Floats]:
    """Failure code and covariance (2, 2) of the contrasts of `estimate`."""
    n = len(patients.y)
    left_out = np.empty((n, 2))
    if not (plan.closed_form and sequential.leave_one_out(patients, plan, left_out)):
        for i in range(n):
            failure, left_out[i] = estimate(without(patients, i), plan)
            if failure != Failure.NONE:
                return failure, np.full((2, 2), np.nan)
    left_out -= left_out.mean(axis=0)
    return Failure.NONE, left_out.T @ left_out * (n - 1) / n


def impute_often(
    patients: Patients, plan: Plan, n_imputations: int, delta: float, rng: np.random.Generator
) -> tuple[int, tuple[float, float, float]]:
    """Failure code; estimate, SE and df pooled over imputations, each by the model of a bootstrap sample within arms.

    A sample that no model can be fitted to is drawn again, until as many have failed as there are imputations.
    """
    members = [np.flatnonzero(patients.arm == a) for a in range(len(plan.arm_weights))]
    estimates, variances, out = np.empty(n_imputations), np.empty(n_imputations), np.empty(2)
    done, failed, df = 0, 0, 0.0
    while done < n_imputations:
        rows = np.concatenate([m[(rng.random(len(m)) * len(m)).astype(np.int64)] for m in members])
        failure, z, sd = _complete(rows, patients, plan)
        if failure == Failure.NONE:
            z[:, 0] += sd * rng.standard_normal(len(sd)) + delta * z[:, 1]
            failure, variances[done], df = ancova(patients.w, z, plan.arm_weights, out)
        if failure == Failure.NONE:
            estimates[done] = out[0]
            done += 1
        else:
            failed += 1
            if failed == n_imputations:
                return failure, (np.nan, np.nan, np.nan)
    between = (1.0 + 1.0 / n_imputations) * estimates.var(ddof=1)
    total = variances.mean() + between
    if not total > 1e-20 * (estimates**2).mean():
        return Failure.NO_RESIDUAL_VARIANCE, (np.nan, np.nan, np.nan)
    share = between / total
    observed = (df + 1.0) / (df + 3.0) * df * (1.0 - share)
    pooled = 1.0 / (share**2 / (n_imputations - 1) + 1.0 / observed)
    return Failure.NONE, (estimates.mean(), np.sqrt(total), pooled)


def _complete(rows: Ints, patients: Patients, plan: Plan) -> tuple[int, Floats, Floats]:
    """Complete the visit by a model fitted to the patients `rows`: failure code, z, sd.

    z (patient, 2): the completed scores, and 1 for those imputed after dropout in arms that have a reference. sd
    (patient,): the imputed scores' conditional SD, 0 where seen.
    """
    value, sd = np.empty(len(patients.y)), np.empty(len(patients.y))
    failure: int = Failure.NONE
    if not (plan.closed_form and sequential.impute(rows, patients, plan, value, sd)):
        failure = by_reml.impute(rows, patients, plan, value, sd)
    dropped_out = np.isnan(patients.y[:, plan.visit :]).all(axis=1) & (patients.arm != plan.references[patients.arm])
    return failure, np.column_stack([value, dropped_out]), sd
