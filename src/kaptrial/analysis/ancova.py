"""Analysis of covariance with one mean for each arm and common slopes; without covariates, the difference in means.

With arm-wise centred sums of squares and products S_xx, S_xy, S_yy of covariates x and score y the slopes are
b = S_xx⁻¹ S_xy, a contrast of the arms' adjusted means is Σ w_a (ȳ_a − x̄_a'b), its variance is
s²·(Σ w_a²/n_a + d' S_xx⁻¹ d) with d = Σ w_a x̄_a and s² = (S_yy − b'S_xy)/(N − arms − rank), and
(estimate − truth)/SE follows t with N − arms − rank degrees of freedom (Cochran 1957, Biometrics 13:261-281).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kaptrial.analysis.fit import Failure, Fit, Floats

# A column whose centred sum of squares is this small a share of its raw one is constant within arms, or a combination
# of the columns before it: rounding leaves about 1e-16.
_COLLINEAR = 1e-12


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
    w = np.asarray(weights, dtype=float)
    n_arms, p = len(w), covariates.shape[-1]
    seen = np.isfinite(y) & np.isfinite(covariates).all(axis=-1)
    columns = np.where(seen[..., None], np.concatenate([covariates, y[..., None]], axis=-1), 0.0)
    member = ((arm[..., None] == np.arange(n_arms)) & seen[..., None]).astype(float)
    n = member.sum(axis=1)
    means = np.einsum("rna,rnk->rak", member, columns) / np.maximum(n, 1.0)[..., None]
    centred = (columns - np.take_along_axis(means, arm[..., None], axis=1)) * seen[..., None]
    products = np.matmul(centred.swapaxes(1, 2), centred)
    raw = np.einsum("rnk,rnk->rk", columns, columns)
    swept, kept = _sweep(products, raw[:, :p])

    slopes = swept[:, :p, p] * kept
    inverse = -swept[:, :p, :p] * (kept[:, :, None] & kept[:, None, :])
    residual = swept[:, p, p]
    df = n.sum(axis=1) - (n > 0).sum(axis=1) - kept.sum(axis=1)
    d = np.einsum("a,rak->rk", w, means[..., :p])
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = residual / df * ((w**2 / n)[:, w != 0].sum(axis=1) + np.einsum("rj,rjk,rk->r", d, inverse, d))
        estimate = means[..., p] @ w - np.einsum("rk,rk->r", d, slopes)
        se = np.sqrt(variance)
    failure = np.full(len(y), Failure.NONE, dtype=np.int64)
    failure[_confounded(d, swept[:, :p, :p], kept, raw[:, :p], n)] = Failure.CONFOUNDED_COVARIATE
    failure[residual <= _COLLINEAR * raw[:, p]] = Failure.NO_RESIDUAL_VARIANCE
    failure[(df < 1) | (n[:, w != 0] == 0).any(axis=1)] = Failure.TOO_FEW_PATIENTS
    failed = failure != Failure.NONE
    return Fit(
        estimate=np.where(failed, np.nan, estimate),
        se=np.where(failed, np.nan, se),
        df=np.where(failed, np.nan, df),
        failure=failure,
    )


def _sweep(products: Floats, raw: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Sweep the covariates in turn; which were kept. Afterwards −S_xx⁻¹, b and the residual sum of squares
    stand in place.

    (Goodnight 1979, The American Statistician 33:149-158.)
    """
    s = products.copy()
    kept = np.zeros(raw.shape, dtype=np.bool_)
    for j in range(raw.shape[1]):
        pivot = s[:, j, j]
        keep = pivot > _COLLINEAR * raw[:, j]
        safe = np.where(keep, pivot, 1.0)
        column = s[:, :, j].copy()
        after = s - column[:, :, None] * column[:, None, :] / safe[:, None, None]
        after[:, j, :] = after[:, :, j] = column / safe[:, None]
        after[:, j, j] = -1.0 / safe
        s = np.where(keep[:, None, None], after, s)
        kept[:, j] = keep
    return s, kept


def _confounded(d: Floats, swept: Floats, kept: NDArray[np.bool_], raw: Floats, n: Floats) -> NDArray[np.bool_]:
    """Where a dropped column still differs between the arms compared: the contrast cannot be told from it."""
    explained = np.einsum("rk,rkj->rj", d * kept, swept)
    scale = np.sqrt(raw / np.maximum(n.sum(axis=1), 1.0)[:, None])
    return (~kept & (np.abs(d - explained) > 1e-6 * scale)).any(axis=1)
