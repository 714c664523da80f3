"""Partially nested linear mixed model by REML: therapists in the therapy arms only, batched over replicates.

y = arm + x'β + u_therapist + e; patients without a therapist are independent. (Roberts & Roberts 2005, Clinical Trials
2:152-162; Candlish et al. 2018, BMC Medical Research Methodology 18:105.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators.fit import Failure, Fit
from kaptrial.estimators.mmrm.reml import keep_columns
from kaptrial.estimators.nested import common, general
from kaptrial.estimators.nested.sums import arrange, gather

_TOO_FEW_PATIENTS = int(Failure.TOO_FEW_PATIENTS)
_TOO_FEW_THERAPISTS = int(Failure.TOO_FEW_THERAPISTS)
_CONFOUNDED = int(Failure.CONFOUNDED_COVARIATE)


@dataclass(frozen=True, kw_only=True)
class NestedFit:
    """A contrast with its variance components; NaN where `fit.failure` is not NONE.

    `therapist_sd`: (replicate,); `crossed_sd`: (replicate,) of therapist × level, None unless crossed; `residual_sd`:
    (replicate, arm); `reml_loglik`: (replicate,), with its constant −(n − p) log(2π)/2.
    """

    fit: Fit
    therapist_sd: Floats
    crossed_sd: Floats | None
    residual_sd: Floats
    reml_loglik: Floats


def nested(
    y: Floats,
    arm: Ints,
    therapist: Ints,
    covariates: Floats,
    weights: ArrayLike,
    *,
    df: Literal["satterthwaite", "kenward-roger"] = "satterthwaite",
    residual: Literal["common", "by_arm"] = "common",
    crossed: Sequence[int] | None = None,
) -> NestedFit:
    """REML estimate of a contrast of the arms' means, adjusted for the covariates.

    Parameters
    ----------
    y, arm, therapist : (replicate, patient)
        Outcome, index of the arm, number of the therapist or −1. Patients with NaN here or in a covariate are left out.
    covariates : (replicate, patient, p)
        Numeric columns; one that adds nothing to those before it is dropped.
    weights : (arm,)
        The contrast; weights sum to 0.
    df : degrees of freedom; with "kenward-roger" the standard error is adjusted, too
    residual : one residual variance, or one an arm
    crossed : each arm's level of a factor crossed with the therapists of a 2×2, who then differ in it, too

    Raises
    ------
    ValueError
        For arrays or names that do not fit.
    """
    w = np.asarray(weights, dtype=float)
    n_replicates = len(y)
    if df not in ("satterthwaite", "kenward-roger") or residual not in ("common", "by_arm"):
        raise ValueError(f"df = {df!r}, residual = {residual!r}")
    if covariates.shape[:2] != y.shape or arm.shape != y.shape or therapist.shape != y.shape:
        raise ValueError(f"shapes {y.shape}, {arm.shape}, {therapist.shape}, {covariates.shape} do not fit")
    n_arms = len(w)
    by_arm = residual == "by_arm"
    group = np.arange(n_arms) if by_arm else np.zeros(n_arms, dtype=np.int64)
    level = np.zeros(n_arms, dtype=np.int64) if crossed is None else np.asarray(crossed, dtype=np.int64)
    n_therapist = 1 if crossed is None else 2
    variances = np.full((n_replicates, n_therapist + (n_arms if by_arm else 1)), np.nan)
    out, failure = np.full((n_replicates, 4), np.nan), np.zeros(n_replicates, dtype=np.int64)
    _fit_all(
        np.ascontiguousarray(y, dtype=float), np.ascontiguousarray(arm, dtype=np.int64),
        np.ascontiguousarray(therapist, dtype=np.int64), np.ascontiguousarray(covariates, dtype=float), w,
        int(therapist.max(initial=-1)) + 1, n_therapist, group, level, df == "kenward-roger", variances, out, failure,
    )  # fmt: skip
    failed = failure != Failure.NONE
    out[failed], variances[failed] = np.nan, np.nan
    sds = np.sqrt(variances)
    return NestedFit(
        fit=Fit(estimate=out[:, 0], se=out[:, 1], df=out[:, 2], failure=failure),
        therapist_sd=sds[:, 0],
        crossed_sd=sds[:, 1] if n_therapist == 2 else None,
        residual_sd=sds[:, n_therapist + group],
        reml_loglik=out[:, 3],
    )


@njit(cache=True, nogil=True)
def _fit_all(
    y: Floats, arm: Ints, therapist: Ints, x: Floats, weights: Floats, n_therapists: int, n_therapist: int,
    group: Ints, level: Ints, kenward_roger: bool, variances: Floats, out: Floats, failure: Ints,
) -> None:  # fmt: skip
    n_arms, p1 = len(weights), x.shape[2] + 1
    n_arm, sums, products = np.empty(n_arms), np.empty((n_arms, p1)), np.empty((n_arms, p1, p1))
    n_cell, cells, origin = np.empty((n_therapists, n_arms)), np.empty((n_therapists, n_arms, p1)), np.zeros(p1)
    space = common.scratch(n_arms, p1 - 1, n_therapists)
    plain = n_therapist == 1 and group.max() == 0
    for r in range(len(y)):
        gather(y[r], arm[r], therapist[r], x[r], n_arm, sums, products, n_cell, cells, origin)
        failure[r] = _unfit(n_arm, n_cell, weights)
        if failure[r] != 0:
            continue
        if plain:
            out[r, 0], out[r, 1], out[r, 2], failure[r], out[r, 3] = common.fit(
                n_arm, sums, products, n_cell, cells, weights, kenward_roger, space, variances[r]
            )
            if failure[r] != common.SINGULAR:
                continue
        out[r, 0], out[r, 1], out[r, 2], failure[r], out[r, 3] = _fit_general(
            n_arm, sums, products, n_cell, cells, weights, n_therapist, group, level, kenward_roger, variances[r]
        )


@njit(cache=True, nogil=True)
def _unfit(n_arm: Floats, n_cell: Floats, weights: Floats) -> int:
    """The failure that is plain from the numbers of patients and therapists."""
    for a in range(len(weights)):
        if weights[a] != 0.0 and n_arm[a] == 0.0:
            return _TOO_FEW_PATIENTS
    busy = 0
    for t in range(len(n_cell)):
        for a in range(len(weights)):
            if n_cell[t, a] > 0.0:
                busy += 1
                break
    return _TOO_FEW_THERAPISTS if busy < 2 else 0


@njit(cache=True, nogil=True)
def _fit_general(
    n_arm: Floats, sums: Floats, products: Floats, n_cell: Floats, cells: Floats, weights: Floats, n_therapist: int,
    group: Ints, level: Ints, kenward_roger: bool, variances: Floats,
) -> tuple[float, float, float, int, float]:  # fmt: skip
    """By `general`, with the columns that add something."""
    n_arms, p1 = sums.shape
    q = n_arms + p1 - 1
    ones = np.ones(n_arms)
    total = np.empty((1, q + 1, q + 1))
    arrange(n_arm, sums, products, ones, total[0])
    contrasts = np.zeros((1, q))
    contrasts[0, :n_arms] = weights
    column = np.arange(q).reshape(1, q)
    left, estimable = keep_columns(1, np.ones(1, dtype=np.int64), total, column, contrasts)
    if not estimable:
        return np.nan, np.nan, np.nan, _CONFOUNDED, np.nan
    kept = np.empty(left + 1, dtype=np.int64)
    for k in range(q):
        if column[0, k] >= 0:
            kept[column[0, k]] = k
    kept[left] = q
    return general.fit(
        n_therapist, group, level, n_arm, sums, products, n_cell, cells, kept, contrasts[0, :left].copy(),
        kenward_roger, variances,
    )  # fmt: skip
