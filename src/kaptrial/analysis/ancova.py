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
from numpy.typing import ArrayLike, NDArray

from kaptrial.analysis.fit import Failure, Fit, Floats
from kaptrial.analysis.predictor import Ints, as_arrays, centre, dot, orthogonalise, project, sort_by_arm

# A score whose residual sum of squares is this small a share of its raw one has no residual variance but rounding.
_EXHAUSTED = 1e-12

_NONE = int(Failure.NONE)
_TOO_FEW_PATIENTS = int(Failure.TOO_FEW_PATIENTS)
_NO_RESIDUAL_VARIANCE = int(Failure.NO_RESIDUAL_VARIANCE)
_CONFOUNDED_COVARIATE = int(Failure.CONFOUNDED_COVARIATE)


def ancova(y: Floats, arm: NDArray[np.int64], covariates: Floats, weights: ArrayLike) -> Fit:
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
    z, start, order, mean, square = scratch(y.shape[1], covariates.shape[2], len(weights))
    for r in range(len(y)):
        out[0, r], out[1, r], out[2, r], failure[r] = ancova_one(
            y[r], arm[r], covariates[r], weights, z, start, order, mean, square
        )


@njit(cache=True, nogil=True)
def scratch(n: int, p: int, n_arms: int) -> tuple[Floats, Ints, Ints, Floats, Floats]:
    """Room for `ancova_one` to work in."""
    return (
        np.empty((p + 1, n)),
        np.empty(n_arms + 1, dtype=np.int64),
        np.empty(n, dtype=np.int64),
        np.empty((p + 1, n_arms)),
        np.empty(p + 1),
    )


@njit(cache=True, nogil=True)
def ancova_one(
    y: Floats, arm: Ints, covariates: Floats, weights: Floats,
    z: Floats, start: Ints, order: Ints, mean: Floats, square: Floats,
) -> tuple[float, float, float, int]:  # fmt: skip
    """Estimate, SE, degrees of freedom and failure of one replicate; the arguments of `ancova`, then `scratch`."""
    n_arms, p = len(weights), covariates.shape[1]
    n = sort_by_arm(y, arm, covariates, start, order)
    for k in range(n):
        z[p, k] = y[order[k]]
    for j in range(p):
        for k in range(n):
            z[j, k] = covariates[order[k], j]
    rank, confounded = orthogonalise(z[:p, :n], start, weights, False, mean, square)

    score, adjusted = z[p, :n], mean[p]
    raw = dot(score, score)
    centre(score, start, adjusted)
    for k in range(rank):
        project(z[k, :n], square[k], mean[k], score, adjusted)
    residual = dot(score, score)

    df, variance = n - rank, 0.0
    for a in range(n_arms):
        size = start[a + 1] - start[a]
        if size > 0:
            df -= 1
            variance += weights[a] ** 2 / size
        elif weights[a] != 0.0:
            return np.nan, np.nan, np.nan, _TOO_FEW_PATIENTS
    if df < 1:
        return np.nan, np.nan, np.nan, _TOO_FEW_PATIENTS
    if not residual > _EXHAUSTED * raw:
        return np.nan, np.nan, np.nan, _NO_RESIDUAL_VARIANCE
    if confounded:
        return np.nan, np.nan, np.nan, _CONFOUNDED_COVARIATE
    for k in range(rank):
        variance += dot(weights, mean[k]) ** 2 / square[k]
    return dot(weights, adjusted), sqrt(residual / df * variance), float(df), _NONE
