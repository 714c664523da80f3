"""Reference-based and delta imputation of a continuous outcome after dropout, batched over replicates.

A mixed model (`mmrm`) is fitted by REML to the observed scores: visit × arm, visit × crossed covariates, main
covariates, one covariance for all arms. Scores missing up to a patient's last visit are imputed at random. From dropout
on, the first visit after the last one seen, the joint mean of a patient in another arm than the reference is, at
visit j and with d − 1 the last visit seen (Carpenter, Roger & Kenward 2013, J Biopharm Stat 23:1352-1371),

    MAR   own arm's;
    JR    own arm's before d, the reference arm's from d on (jump to reference);
    CR    the reference arm's throughout (copy reference);
    CIR   own arm's before d, own at d − 1 plus the reference arm's increment since from d on (copy increments);
    LMCF  own arm's before d, own at d − 1 from d on (last mean carried forward).

Each arm has a reference, which may be itself: its patients are imputed at random. A patient never seen has no last
mean: CIR and LMCF jump to the reference. The completed visit, the missing score replaced by its conditional mean given
the scores seen, plus `delta` after dropout in arms that have a reference, goes into an ANCOVA on arm and covariates;
the SE is the jackknife's over patients, each refitting the imputation model (Wolbers et al. 2022, Pharm Stat
21:1246-1257). It estimates the spread over repeated trials; Rubin's rules exceed it under JR, CR and CIR, which borrow
from the reference arm (docs/analyses.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators.fit import Failure, Fit
from kaptrial.estimators.imputation import completed, sequential
from kaptrial.estimators.imputation.patients import CIR, CR, JR, LMCF, MAR, Patients, Plan, gather
from kaptrial.estimators.mmrm import MAX_VISITS
from kaptrial.estimators.mmrm.structures import STRUCTURES

Strategy = Literal["MAR", "JR", "CR", "CIR", "LMCF"]
Inference = Literal["jackknife", "rubin", "none"]
STRATEGIES: dict[Strategy, int] = {"MAR": MAR, "JR": JR, "CR": CR, "CIR": CIR, "LMCF": LMCF}


class Tipping(IntEnum):
    """What the search for a tipping point found."""

    FOUND = 0
    NOT_SIGNIFICANT_AT_ZERO = 1
    NONE_BELOW_LIMIT = 2
    FAILED = 3


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of replicates of a trial, with arms and covariates.

    Parameters
    ----------
    y : (replicate, patient, visit)
        Scores after baseline, NaN where not seen. A patient never seen is imputed; one with NaN in a covariate is left
        out.
    arm : (replicate, patient)
        Index of the arm.
    crossed, main : (replicate, patient, p)
        Covariates with a slope at each visit, and with one slope, in the imputation model; the ANCOVA has them all.
    """

    y: Floats
    arm: Ints
    crossed: Floats
    main: Floats


@dataclass(frozen=True, kw_only=True)
class Imputation:
    """How scores after dropout are imputed.

    `reference`: index of the reference arm, or that of each arm, (arm,); patients of an arm that is its own are imputed
    at random. `structures`: names of covariance structures, tried in order until one can be fitted.
    """

    strategy: Strategy
    reference: int | Sequence[int]
    structures: Sequence[str] = ("us",)


@dataclass(frozen=True, kw_only=True)
class TippingPoint:
    """Delta in points at which significance is lost, (replicate,), NaN unless `outcome`, (replicate,), is FOUND."""

    delta: Floats
    outcome: Ints


def reference_based(
    scores: Scores,
    arm_weights: ArrayLike,
    visit: int,
    imputation: Imputation,
    *,
    delta: float = 0.0,
    inference: Inference = "jackknife",
    n_imputations: int = 25,
    rng: np.random.Generator | None = None,
) -> Fit:
    """Estimate a contrast of arms at one visit, scores after dropout imputed.

    Parameters
    ----------
    arm_weights : (arm,)
        The contrast; weights sum to 0.
    visit : index of the visit analysed
    delta : points added to scores imputed after dropout in arms that have a reference
    inference : "jackknife": normal, df infinite. "rubin": `n_imputations` imputations, each of the model of a bootstrap
        sample of patients within arms (Little & Rubin 2002, §10.2.3) with normal residuals, by Rubin's rules. "none":
        the estimate without SE; se and df are NaN.
    rng : for "rubin"

    Raises
    ------
    ValueError
        For unknown names, weights, a visit or an arm that do not fit, or "rubin" without `rng`.
    """
    trials, n_replicates = _trials(scores, arm_weights, visit, imputation), len(scores.y)
    if inference == "rubin":
        if rng is None or n_imputations < 2:
            raise ValueError("multiple imputation needs rng and n_imputations ≥ 2")
        out, failure = np.full((n_replicates, 3), np.nan), np.full(n_replicates, Failure.NOT_OBSERVED)
        for r, patients, plan in trials:
            failure[r], out[r] = completed.impute_often(patients, plan, n_imputations, delta, rng)
        return Fit(estimate=out[:, 0], se=out[:, 1], df=out[:, 2], failure=failure)
    if inference not in ("jackknife", "none"):
        raise ValueError(f"unknown inference {inference!r}: jackknife, rubin or none")
    return _line(n_replicates, trials, inference == "jackknife").at(delta)


def tipping_point(
    scores: Scores,
    arm_weights: ArrayLike,
    visit: int,
    imputation: Imputation,
    *,
    better: Literal["lower", "higher"],
    limit: float,
    alpha: float = 0.05,
) -> TippingPoint:
    """The smallest delta against the other arms at which p ≥ alpha, jackknife inference; parameters as above.

    The estimate is linear in delta and its jackknife variance quadratic, so the delta at which |estimate| = z · SE is
    the root of a quadratic: nothing is fitted again.

    Parameters
    ----------
    better : which direction of the score is the favourable one; delta is positive where "lower" is
    limit : largest |delta| considered, points

    Raises
    ------
    ValueError
        As `reference_based`; for `better`, `limit` or `alpha` out of range.
    """
    trials = _trials(scores, arm_weights, visit, imputation)
    if better not in ("lower", "higher") or not limit > 0.0 or not 0.0 < alpha < 1.0:
        raise ValueError(f"better = {better!r}, limit = {limit}, alpha = {alpha}: lower or higher, > 0, in (0, 1)")
    line = _line(len(scores.y), trials, jackknife=True)
    size, outcome = line.tipping_size(1.0 if better == "lower" else -1.0, alpha, limit)
    return TippingPoint(delta=size if better == "lower" else -size, outcome=outcome)


@dataclass(frozen=True, kw_only=True)
class _Line:
    """Estimates as a function of delta: estimate (replicate, 2), at delta 0 and the gain a point, and covariance."""

    estimate: Floats
    covariance: Floats
    failure: Ints
    inference: bool

    def at(self, delta: float) -> Fit:
        """The fit at one delta."""
        point = np.array([1.0, delta])
        variance = np.einsum("a,rab,b->r", point, self.covariance, point)
        failure = self.failure.copy()
        # What rounding leaves of estimates that are all the same.
        floor = 1e-20 * (self.estimate[:, 0] ** 2 + (delta * self.estimate[:, 1]) ** 2)
        if self.inference:
            failure[(failure == Failure.NONE) & ~(variance > floor)] = Failure.NO_RESIDUAL_VARIANCE
        ok = failure == Failure.NONE
        return Fit(
            estimate=np.where(ok, self.estimate @ point, np.nan),
            se=np.sqrt(np.where(ok, variance, np.nan)),
            df=np.where(ok & self.inference, np.inf, np.nan),
            failure=failure,
        )

    def tipping_size(self, sign: float, alpha: float, limit: float) -> tuple[Floats, Ints]:
        """Smallest t ≤ limit such that p ≥ alpha at delta = sign · t, and the outcome."""
        start = self.at(0.0)
        z2 = float(ndtri(alpha / 2.0)) ** 2
        slope = sign * self.estimate[:, 1]
        # estimate² − z² · variance = a t² + b t + c, with c > 0 where significant
        a = slope**2 - z2 * self.covariance[:, 1, 1]
        b = 2.0 * (slope * self.estimate[:, 0] - z2 * sign * self.covariance[:, 0, 1])
        c = self.estimate[:, 0] ** 2 - z2 * self.covariance[:, 0, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            # Roots c / q and q / a, in the form that does not cancel.
            q = -0.5 * (b + np.copysign(np.sqrt(b**2 - 4.0 * a * c), b))
            roots = np.stack([c / q, q / a])
        size = np.where(roots > 0.0, roots, np.inf).min(axis=0)
        outcome = np.where(size <= limit, Tipping.FOUND, Tipping.NONE_BELOW_LIMIT)
        favourable = self.estimate[:, 0] * slope <= 0.0
        outcome[~((c > 0.0) & favourable)] = Tipping.NOT_SIGNIFICANT_AT_ZERO
        outcome[start.failure != Failure.NONE] = Tipping.FAILED
        return np.where(outcome == Tipping.FOUND, size, np.nan), outcome


def _line(n_replicates: int, trials: Iterator[tuple[int, Patients, Plan]], jackknife: bool) -> _Line:
    estimate, covariance = np.full((n_replicates, 2), np.nan), np.full((n_replicates, 2, 2), np.nan)
    failure = np.full(n_replicates, Failure.NOT_OBSERVED, dtype=np.int64)
    for r, patients, plan in trials:
        failure[r], estimate[r] = completed.estimate(patients, plan)
        if failure[r] == Failure.NONE and jackknife:
            failure[r], covariance[r] = completed.jackknife(patients, plan)
    return _Line(estimate=estimate, covariance=covariance, failure=failure, inference=jackknife)


def _trials(
    scores: Scores, arm_weights: ArrayLike, visit: int, imputation: Imputation
) -> Iterator[tuple[int, Patients, Plan]]:
    """Number, patients and plan of each replicate in which the visit was seen; raises ValueError before the first."""
    w, n_visits = np.asarray(arm_weights, dtype=float), scores.y.shape[2]
    strategy, reference, structures = imputation.strategy, imputation.reference, imputation.structures
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}: {', '.join(STRATEGIES)}")
    if not structures or (unknown := [name for name in structures if name not in STRUCTURES]):
        raise ValueError(f"unknown covariance structure {unknown[0]!r}" if structures else "no covariance structure")
    if not 0 <= visit < n_visits <= MAX_VISITS:
        raise ValueError(f"visit {visit} of {n_visits} (at most {MAX_VISITS})")
    own = np.broadcast_to(reference, w.shape).astype(np.int64)
    if (own < 0).any() or (own >= len(w)).any():
        raise ValueError(f"reference {reference}: must be the index of one of {len(w)} arms")
    if not w.any() or abs(w.sum()) > 1e-9 * np.abs(w).sum():
        raise ValueError(f"a contrast's weights sum to 0 and are not all 0: {w}")
    codes = np.array([STRUCTURES[name] for name in structures])
    y, x, z = (np.ascontiguousarray(a, dtype=float) for a in (scores.y, scores.crossed, scores.main))
    arms = np.ascontiguousarray(scores.arm, dtype=np.int64)

    def each() -> Iterator[tuple[int, Patients, Plan]]:
        for r in range(len(y)):
            patients, visits = gather(y[r], arms[r], x[r], z[r], len(w))
            if visit not in visits:
                continue
            target = int(np.searchsorted(visits, visit))
            monotone = sequential.scores_before_dropout(patients.y, target, patients.n_seen)
            column = _columns(len(visits), len(w) + x.shape[2], z.shape[2])
            closed_form = monotone and z.shape[2] == 0 and codes[0] == STRUCTURES["us"]
            yield r, patients, Plan(w, STRATEGIES[strategy], own, target, column, codes, bool(closed_form))

    return each()


def _columns(n_visits: int, crossed: int, main: int) -> Ints:
    """The number of each covariate's coefficient at each visit, (visit, crossed + main): the last have one slope."""
    each = np.arange(n_visits * crossed).reshape(n_visits, crossed)
    return np.column_stack([each, np.tile(n_visits * crossed + np.arange(main), (n_visits, 1))])


__all__ = ["STRATEGIES", "Imputation", "Scores", "Tipping", "TippingPoint", "reference_based", "tipping_point"]
