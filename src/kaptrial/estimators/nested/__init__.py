"""Partially nested linear mixed model by REML: therapists in the therapy arms only, batched over replicates.

y = arm + x'β + u_therapist + e; patients without a therapist are independent. (Roberts & Roberts 2005, Clinical Trials
2:152-162; Candlish et al. 2018, BMC Medical Research Methodology 18:105.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators import codes
from kaptrial.estimators.fit import Failure, Fit
from kaptrial.estimators.mmrm.reml import keep_columns
from kaptrial.estimators.nested import common, general
from kaptrial.estimators.nested.general import Model
from kaptrial.estimators.nested.sums import Sums, arrange, gather, room


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
    data = Patients(
        np.ascontiguousarray(y, dtype=float),
        np.ascontiguousarray(arm, dtype=np.int64),
        np.ascontiguousarray(therapist, dtype=np.int64),
        np.ascontiguousarray(covariates, dtype=float),
    )
    model, n_therapists = Model(n_therapist, group, level, df == "kenward-roger"), int(therapist.max(initial=-1)) + 1
    _fit_all(data, w, n_therapists, model, variances, out, failure)
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


class Patients(NamedTuple):
    """As `nested` has them."""

    y: Floats
    arm: Ints
    therapist: Ints
    covariates: Floats


@njit(cache=True, nogil=True)
def _fit_all(
    of: Patients, weights: Floats, n_therapists: int, model: Model, variances: Floats, out: Floats, failure: Ints
) -> None:
    n_arms, p = len(weights), of.covariates.shape[2]
    data = room(n_arms, n_therapists, p)
    space = common.scratch(n_arms, p, n_therapists)
    plain = model.n_therapist == 1 and model.group.max() == 0
    for r in range(len(of.y)):
        gather(of.y[r], of.arm[r], of.therapist[r], of.covariates[r], data)
        failure[r] = _unfit(data.n_arm, data.n_cell, weights)
        if failure[r] != 0:
            continue
        if plain:
            result = common.fit(data, weights, model.kenward_roger, space, variances[r])
            out[r, 0], out[r, 1], out[r, 2], failure[r], out[r, 3] = result
            if failure[r] != codes.SINGULAR_COVARIANCE:
                continue
        result = _fit_general(data, weights, model, variances[r])
        out[r, 0], out[r, 1], out[r, 2], failure[r], out[r, 3] = result


@njit(cache=True, nogil=True)
def _unfit(n_arm: Floats, n_cell: Floats, weights: Floats) -> int:
    """The failure that is plain from the numbers of patients and therapists."""
    for a in range(len(weights)):
        if weights[a] != 0.0 and n_arm[a] == 0.0:
            return codes.TOO_FEW_PATIENTS
    busy = 0
    for t in range(len(n_cell)):
        for a in range(len(weights)):
            if n_cell[t, a] > 0.0:
                busy += 1
                break
    return codes.TOO_FEW_THERAPISTS if busy < 2 else 0


@njit(cache=True, nogil=True)
def _fit_general(
    data: Sums, weights: Floats, model: Model, variances: Floats
) -> tuple[float, float, float, int, float]:
    """By `general`, with the columns that add something."""
    n_arms, p1 = data.sums.shape
    q = n_arms + p1 - 1
    ones = np.ones(n_arms)
    total = np.empty((1, q + 1, q + 1))
    arrange(data.n_arm, data.sums, data.products, ones, total[0])
    contrasts = np.zeros((1, q))
    contrasts[0, :n_arms] = weights
    column = np.arange(q).reshape(1, q)
    left, estimable = keep_columns(1, np.ones(1, dtype=np.int64), total, column, contrasts)
    if not estimable:
        return np.nan, np.nan, np.nan, codes.CONFOUNDED_COVARIATE, np.nan
    kept = np.empty(left + 1, dtype=np.int64)
    for k in range(q):
        if column[0, k] >= 0:
            kept[column[0, k]] = k
    kept[left] = q
    return general.fit(model, data, kept, contrasts[0, :left].copy(), variances)
