"""Mixed model for repeated measures by REML, batched over replicates.

Fixed effects: visit, arm × visit, crossed covariates × visit, and main-effect covariates with one slope for all visits.
Where the closed form of `monotone` holds it is used; otherwise `reml`. A covariance structure that cannot be fitted
gives way to the next of a list declared beforehand, and the fit says which one was used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.estimators import codes
from kaptrial.estimators.fit import Failure, Fit
from kaptrial.estimators.interpreted import interpreted, is_sooner_interpreted
from kaptrial.estimators.mmrm import monotone, reml
from kaptrial.estimators.mmrm.structures import STRUCTURES

Df = Literal["satterthwaite", "kenward-roger"]
MAX_VISITS = 20


@dataclass(frozen=True, kw_only=True)
class MmrmPlan:
    """How the model is fitted.

    `structures`: names of `STRUCTURES`, tried in order until one can be fitted. `constrained_baseline`: the first visit
    is the baseline, at which all arms share one mean (cLDA; Liang & Zeger 2000). `components`: fit by `reml` even where
    the closed form holds, which gives covariance and likelihood, too.
    """

    structures: Sequence[str] = ("us",)
    df: Df = "satterthwaite"
    constrained_baseline: bool = False
    components: bool = False


class MmrmFit(NamedTuple):
    """Contrasts and variance parameters; NaN where `failure` is not NONE.

    `estimate`, `se`, `df`: (replicate, contrast). `failure`: (replicate,). `structure`: place of the structure used in
    the list given, (replicate,).

    Only where `components` were asked for or the closed form did not hold: `covariance`, (replicate, visit, visit),
    within a patient; `fitted`, (replicate, patient, visit), each patient's mean; `arm_means`, (replicate, visit, arm),
    at the covariates' means; `loglik`, (replicate,), the restricted log likelihood with its constant
    −(n − p) log(2π)/2. NaN at a visit, and for an arm at a visit, where nobody was seen.
    """

    estimate: Floats
    se: Floats
    df: Floats
    failure: Ints
    structure: Ints
    covariance: Floats
    fitted: Floats
    arm_means: Floats
    loglik: Floats

    def contrast(self, k: int) -> Fit:
        """The k-th contrast."""
        fell_back = (self.structure > 0) & (self.failure == Failure.NONE)
        return Fit(
            estimate=self.estimate[:, k], se=self.se[:, k], df=self.df[:, k], failure=self.failure, fell_back=fell_back
        )


def mmrm(
    y: Floats,
    arm: Ints,
    crossed: Floats,
    main: Floats,
    arm_weights: ArrayLike,
    visit_weights: ArrayLike,
    plan: MmrmPlan | None = None,
) -> MmrmFit:
    """REML estimates of contrasts of arms, averaged over visits.

    Parameters
    ----------
    y : (replicate, patient, visit)
        Scores, NaN where not seen. A patient without any, or with NaN in a covariate, is left out.
    arm : (replicate, patient)
        Index of the arm.
    crossed, main : (replicate, patient, p)
        Covariates with a slope at each visit, and with one slope. One that adds nothing to those before it is dropped.
    arm_weights, visit_weights : (contrast, arm), (contrast, visit)
        Each contrast is Σ_j ω_j Σ_a w_a (mean of arm a at visit j); the arms' weights sum to 0.

    Raises
    ------
    ValueError
        For unknown names, weights that do not fit, or more than 20 visits.
    """
    plan = plan or MmrmPlan()
    w_arm = np.atleast_2d(np.asarray(arm_weights, dtype=float))
    w_visit = np.atleast_2d(np.asarray(visit_weights, dtype=float))
    n_replicates, n_patients, n_visits = y.shape
    if unknown := [name for name in plan.structures if name not in STRUCTURES]:
        raise ValueError(f"unknown covariance structure {unknown[0]!r}")
    if len(w_arm) != len(w_visit) or w_visit.shape[1] != n_visits or n_visits > MAX_VISITS:
        raise ValueError(f"weights {w_arm.shape} and {w_visit.shape} do not fit {n_visits} visits (at most 20)")
    n_arms, k = w_arm.shape[1], len(w_arm)
    column = design_columns(n_visits, n_arms, crossed.shape[-1], main.shape[-1], plan.constrained_baseline)
    out = MmrmFit(
        estimate=np.full((n_replicates, k), np.nan),
        se=np.full((n_replicates, k), np.nan),
        df=np.full((n_replicates, k), np.nan),
        failure=np.zeros(n_replicates, dtype=np.int64),
        structure=np.zeros(n_replicates, dtype=np.int64),
        covariance=np.full((n_replicates, n_visits, n_visits), np.nan),
        fitted=np.full((n_replicates, n_patients if plan.components else 0, n_visits), np.nan),
        arm_means=np.full((n_replicates, n_visits, n_arms), np.nan),
        loglik=np.full(n_replicates, np.nan),
    )
    closed_form = plan.structures[0] == "us" and main.shape[-1] == 0
    closed_form = closed_form and not plan.constrained_baseline and not plan.components
    data = Scores(
        np.ascontiguousarray(y, dtype=float),
        np.ascontiguousarray(arm),
        np.ascontiguousarray(crossed, dtype=float),
        np.ascontiguousarray(main, dtype=float),
    )
    names = np.array([STRUCTURES[name] for name in plan.structures])
    model = Model(w_arm, w_visit, column, int(column.max()) + 1, names, plan.df == "kenward-roger")
    fitted = np.zeros(n_replicates, dtype=np.bool_)
    if closed_form:
        _fit_in_closed_form(data, model, out, fitted)
    fit_one = interpreted(_fit_one) if n_replicates == 1 and _sooner_interpreted(data) else _fit_one
    for r in np.flatnonzero(~fitted).tolist():
        out.failure[r], out.loglik[r], out.structure[r] = fit_one(data, r, model, out)
    return out


def design_columns(n_visits: int, n_arms: int, n_crossed: int, n_main: int, constrained_baseline: bool) -> Ints:
    """The number of the coefficient of each covariate at each visit, (visit, arms + crossed + main)."""
    column = np.empty((n_visits, n_arms + n_crossed + n_main), dtype=np.int64)
    number = 0
    for j in range(n_visits):
        shared = constrained_baseline and j == 0
        column[j, :n_arms] = number if shared else np.arange(number, number + n_arms)
        number += 1 if shared else n_arms
        column[j, n_arms : n_arms + n_crossed] = np.arange(number, number + n_crossed)
        number += n_crossed
    column[:, n_arms + n_crossed :] = np.arange(number, number + n_main)
    return column


class Scores(NamedTuple):
    """As `mmrm` has them."""

    y: Floats
    arm: Ints
    crossed: Floats
    main: Floats


class Model(NamedTuple):
    """What is fitted: the contrasts' weights, the numbers of the coefficients, the structures to try, and the test."""

    arm_weights: Floats
    visit_weights: Floats
    column: Ints
    n_coefficients: int
    structures: Ints
    kenward_roger: bool


def _sooner_interpreted(data: Scores) -> bool:
    """Whether one data set is fitted by plain Python in less time than `_fit_one` is compiled in, or loaded."""
    n_visits = data.y.shape[2]
    n_patterns = len(np.unique(np.isfinite(data.y[0]), axis=0))
    columns = data.arm.max() + 1 + data.crossed.shape[2] + data.main.shape[2]
    steps = n_patterns * n_visits * (n_visits + 1) * (n_visits * columns) ** 2
    return is_sooner_interpreted(_fit_one, steps)


@njit(cache=True, nogil=True)
def _fit_in_closed_form(data: Scores, model: Model, out: MmrmFit, fitted: Bools) -> None:
    """Fit the replicates where the closed form holds, and say which in `fitted`."""
    sums = monotone.room(data.y.shape[2], model.arm_weights.shape[1], data.crossed.shape[2])
    for r in range(len(data.y)):
        estimates = reml.Estimates(out.estimate[r], out.se[r], out.df[r])
        fitted[r] = monotone.gather(data.y[r], data.arm[r], data.crossed[r], sums) and monotone.fit(
            sums, model.arm_weights, model.visit_weights, model.kenward_roger, estimates
        )


@njit(cache=True, nogil=True)
def design_matrix(arm: Ints, crossed: Floats, main: Floats, n_arms: int) -> tuple[Floats, Floats]:
    """Arm indicators and covariates, (patient, m), and the scale each was divided by.

    Covariates are centred and scaled, for the arithmetic's sake; no contrast of arms feels it.
    """
    n, p, q = len(arm), crossed.shape[1], main.shape[1]
    w, scales = np.zeros((n, n_arms + p + q)), np.ones(n_arms + p + q)
    for k in range(p + q):
        total, square, seen = 0.0, 0.0, 0
        for i in range(n):
            value = crossed[i, k] if k < p else main[i, k - p]
            w[i, n_arms + k] = value
            if value == value:
                total += value
                seen += 1
        mean = total / max(seen, 1)
        for i in range(n):
            w[i, n_arms + k] -= mean
            if w[i, n_arms + k] == w[i, n_arms + k]:
                square += w[i, n_arms + k] ** 2
        # A constant leaves rounding only, and is dropped as the 0 it is.
        scale = np.sqrt(square / max(seen, 1))
        varies = scale > 1e-12 * abs(mean)
        if varies:
            scales[n_arms + k] = scale
        for i in range(n):
            if varies:
                w[i, n_arms + k] /= scale
            elif w[i, n_arms + k] == w[i, n_arms + k]:
                w[i, n_arms + k] = 0.0
    for i in range(n):
        w[i, arm[i]] = 1.0
    return w, scales


@njit(cache=True, nogil=True)
def _visits_with_patients(seen: Floats) -> tuple[int, Ints]:
    """The visits at which anybody was seen, and how many they are; seen (visit, arm)."""
    visits, n = np.empty(len(seen), dtype=np.int64), 0
    for j in range(len(seen)):
        anybody = False
        for a in range(seen.shape[1]):
            anybody = anybody or seen[j, a] > 0.0
        if anybody:
            visits[n] = j
            n += 1
    return n, visits


@njit(cache=True, nogil=True)
def _fit_one(data: Scores, r: int, model: Model, out: MmrmFit) -> tuple[int, float, int]:
    """Fit replicate r into `out`: failure code, log likelihood and the place of the structure used."""
    estimates = reml.Estimates(out.estimate[r], out.se[r], out.df[r])
    y, arm, covariance, fitted, arm_means = data.y[r], data.arm[r], out.covariance[r], out.fitted[r], out.arm_means[r]
    arm_weights, visit_weights, column, n_coefficients, structures, kenward_roger = model
    n_arms, n_contrasts = arm_weights.shape[1], len(arm_weights)
    w, scales = design_matrix(arm, data.crossed[r], data.main[r], n_arms)
    m = w.shape[1]
    seen = np.zeros((y.shape[1], n_arms))
    for i in range(len(y)):
        complete = True
        for k in range(m):
            if w[i, k] != w[i, k]:
                complete = False
        for j in range(y.shape[1]):
            if complete and y[i, j] == y[i, j]:
                seen[j, arm[i]] += 1.0
    for c in range(n_contrasts):
        for j in range(y.shape[1]):
            for a in range(n_arms):
                if visit_weights[c, j] * arm_weights[c, a] != 0.0 and seen[j, a] == 0.0:
                    return codes.NOT_OBSERVED, np.nan, 0
    n_visits, visits = _visits_with_patients(seen)
    some_y, some_column = np.empty((len(y), n_visits)), np.empty((n_visits, m), dtype=np.int64)
    for v in range(n_visits):
        for i in range(len(y)):
            some_y[i, v] = y[i, visits[v]]
        for a in range(m):
            some_column[v, a] = column[visits[v], a]
    contrasts = np.zeros((n_contrasts, n_coefficients))
    for c in range(n_contrasts):
        for v in range(n_visits):
            for a in range(n_arms):
                contrasts[c, some_column[v, a]] += visit_weights[c, visits[v]] * arm_weights[c, a]
    n_patterns, masks, counts, t = reml.by_pattern(some_y, w)
    left, estimable = reml.keep_columns(n_patterns, masks, t, some_column, contrasts)
    if not estimable:
        return codes.CONFOUNDED_COVARIATE, np.nan, 0
    # |X'V⁻¹X| of the covariates as they came: each coefficient's scale, once.
    scaling, counted = 0.0, np.zeros(left, dtype=np.bool_)
    for j in range(n_visits):
        for a in range(m):
            if some_column[j, a] >= 0 and not counted[some_column[j, a]]:
                counted[some_column[j, a]] = True
                scaling += np.log(scales[a])
    failure, loglik, used = codes.NOT_CONVERGED, np.nan, 0
    within, beta = np.empty((n_visits, n_visits)), np.empty(left)
    patterns = reml.Patterns(n_patterns, masks, counts, t, some_column)
    for used in range(len(structures)):
        failure, loglik = reml.fit(
            patterns, contrasts[:, :left], structures[used], kenward_roger, estimates, within, beta
        )
        if failure == codes.NONE:
            for j in range(n_visits):
                for k in range(n_visits):
                    covariance[visits[j], visits[k]] = within[j, k]
                for a in range(n_arms):
                    if some_column[j, a] >= 0:
                        arm_means[visits[j], a] = beta[some_column[j, a]]
                for i in range(len(fitted)):
                    mean = 0.0
                    for a in range(m):
                        if some_column[j, a] >= 0:
                            mean += w[i, a] * beta[some_column[j, a]]
                    fitted[i, visits[j]] = mean
            break
    return failure, loglik - scaling, used


__all__ = ["STRUCTURES", "MmrmFit", "MmrmPlan", "mmrm"]
