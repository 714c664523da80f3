"""Analysis of covariance with one mean for each arm and common slopes; without covariates, the difference in means.

With the covariates made orthogonal within arms (`predictor`) the score is projected on them one after another:
b_k = z_k'y / z_k'z_k. Its arms' means go through the same steps and become the adjusted means; a contrast of those is
the estimate, its variance is s²·(Σ w_a²/n_a + Σ d_k²/z_k'z_k) with d_k = Σ w_a m_ka, and s² is what is left of
the score's sum of squares over N − arms − rank, the degrees of freedom of t (Cochran 1957, Biometrics 13:261-281).
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators import codes
from kaptrial.estimators.fit import Fit
from kaptrial.estimators.predictor import as_arrays, centre, orthogonalise, product, project, sort_by_arm, weighted

# A score whose residual sum of squares is this small a share of its raw one has no residual variance but rounding.
_EXHAUSTED = 1e-12


def ancova(y: Floats, arm: Ints, covariates: Floats, weights: ArrayLike) -> Fit:
    """Least-squares estimate of a contrast of the arms' means, adjusted for the covariates.

    Parameters
    ----------
    y : (replicate, patient)
        Outcome; patients with NaN here or in a covariate are left out.
    arm : (replicate, patient)
        Index of the arm.
    covariates : (replicate, patient, p)
        Numeric columns; one that adds nothing to those before it is dropped, as `lm` in R does.
    weights : (arm,)
        The contrast; weights sum to 0.
    """
    out = np.empty((3, len(y)))
    failure = np.empty(len(y), dtype=np.int64)
    _all(*as_arrays(y, arm, covariates, weights), out, failure)
    return Fit(estimate=out[0], se=out[1], df=out[2], failure=failure)


@njit(cache=True, nogil=True)
def _all(y: Floats, arm: Ints, covariates: Floats, weights: Floats, out: Floats, failure: Ints) -> None:
    (replicates, n_patients, p), n_arms = covariates.shape, len(weights)
    columns, mean, square = np.empty((p + 1, n_patients)), np.empty((p + 1, n_arms)), np.empty(p + 1)
    start, order = np.empty(n_arms + 1, dtype=np.int64), np.empty(n_patients, dtype=np.int64)
    for r in range(replicates):
        n = sort_by_arm(y[r], arm[r], covariates[r], start, order)
        for k in range(n):
            columns[p, k] = y[r, order[k]]
        for j in range(p):
            for k in range(n):
                columns[j, k] = covariates[r, order[k], j]
        out[0, r], out[1, r], out[2, r], failure[r] = contrast(columns[:, :n], start, weights, mean, square)


@njit(cache=True, nogil=True)
def contrast(
    columns: Floats, start: Ints, weights: Floats, mean: Floats, square: Floats
) -> tuple[float, float, float, int]:
    """Estimate, SE, degrees of freedom and failure of one replicate.

    Parameters
    ----------
    columns : (p + 1, patient)
        The covariates, then the outcome, patients sorted by arm; overwritten.
    start : (arm + 1,)
        Where each arm begins, and where the last ends.
    weights : (arm,)
    mean : (p + 1, arm), square : (p + 1,)
        Room.
    """
    n_arms, p, n = len(weights), len(columns) - 1, columns.shape[1]
    rank, confounded = orthogonalise(columns, p, start, weights, False, mean, square)
    taken = centre(columns, p, start, mean)
    for k in range(rank):
        taken += project(columns, p, k, square[k], mean)
    residual = product(columns, p, p)

    df, variance = n - rank, 0.0
    for a in range(n_arms):
        size = start[a + 1] - start[a]
        if size > 0:
            df -= 1
            variance += weights[a] ** 2 / size
        elif weights[a] != 0.0:
            return np.nan, np.nan, np.nan, codes.TOO_FEW_PATIENTS
    if df < 1:
        return np.nan, np.nan, np.nan, codes.TOO_FEW_PATIENTS
    if not residual > _EXHAUSTED * (taken + residual):
        return np.nan, np.nan, np.nan, codes.NO_RESIDUAL_VARIANCE
    if confounded:
        return np.nan, np.nan, np.nan, codes.CONFOUNDED_COVARIATE
    for k in range(rank):
        variance += weighted(weights, mean, k) ** 2 / square[k]
    return weighted(weights, mean, p), sqrt(residual / df * variance), float(df), codes.NONE
