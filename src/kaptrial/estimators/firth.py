"""Firth's logistic regression: the penalised likelihood ratio test of a contrast and its profile interval.

With the contrast held at c the penalised log likelihood l(β) + ½ log|I(β)| has the maximum l*(c); twice what that lies
below the maximum is χ² on one degree of freedom (Heinze & Schemper 2002, Statistics in Medicine 21:2409-2419). Where an
arm has no events, or nothing else, the likelihood is far from a parabola: Wald's test has next to no power there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, log1p, sqrt

import numpy as np
from numba import njit
from scipy.special import ndtri, stdtr

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators import codes
from kaptrial.estimators.dense import solve
from kaptrial.estimators.fit import Failure, Fit
from kaptrial.estimators.glm import (
    BINOMIAL,
    Data,
    Glm,
    contrast_of_coefficients,
    contrast_weights,
    fit_one,
    maximise,
    move,
    room,
)
from kaptrial.estimators.predictor import dot

# A limit is found when the root of its likelihood ratio is this near its quantile.
_NEAR = 1e-9
_MOST_TRIES = 100


@dataclass(frozen=True, kw_only=True)
class Penalised(Fit):
    """A contrast of log odds, its inference by the profile of the penalised likelihood; `se` is Wald's, for planning.

    `root`: the signed root of the likelihood ratio χ² of no effect, (replicate,). The profile is that of `y`, `arm`,
    `covariates` and `weights`, (replicate, arm), as `logistic` has them.
    """

    root: Floats
    y: Floats
    arm: Ints
    covariates: Floats
    weights: Floats

    @property
    def statistic(self) -> Floats:
        """The signed root of χ²."""
        return self.root

    @property
    def p(self) -> Floats:
        """Two-sided p-value of the likelihood ratio."""
        return 2.0 * stdtr(self.df, -np.abs(self.root))

    def interval(self, alpha: float) -> tuple[Floats, Floats]:
        """Ends of the two-sided 1 − alpha profile interval; infinite where the likelihood does not fall that far."""
        ends = np.full((2, len(self.root)), np.nan)
        _limits(self.y, self.arm, self.covariates, self.weights, self.failure, -float(ndtri(alpha / 2.0)), ends)
        return ends[0], ends[1]


def penalised(fit: Fit, root: Floats, y: Floats, arm: Ints, covariates: Floats, weights: Floats) -> Penalised:
    """The fit of `logistic(…, firth=True)` with the likelihood ratio test in place of Wald's, by its `root_of_null`."""
    lost = (fit.failure == Failure.NONE) & np.isnan(root)
    failure = np.where(lost, int(Failure.NOT_CONVERGED), fit.failure)
    fine = failure == Failure.NONE
    estimate, se, df = (np.where(fine, each, np.nan) for each in (fit.estimate, fit.se, fit.df))
    w = np.tile(weights, (len(y), 1))
    return Penalised(
        estimate=estimate, se=se, df=df, failure=failure, root=root, y=y, arm=arm, covariates=covariates, weights=w
    )


@njit(cache=True, nogil=True)
def root_of_null(estimate: float, n: int, rank: int, weights: Floats, at: Glm) -> float:
    """The signed root of the likelihood ratio χ² of no effect, from the fit of all in `at`; NaN where none is found."""
    top = _log_likelihood(n, len(weights) + rank, at)
    held = np.empty(len(weights) + rank)
    contrast_weights(weights, rank, at, held)
    return _signed_root(0.0, estimate, top, n, rank, held, at)


@njit(cache=True, nogil=True)
def _limits(y: Floats, arm: Ints, covariates: Floats, weights: Floats, failure: Ints, z: float, ends: Floats) -> None:
    at = room(y.shape[1], covariates.shape[2], weights.shape[1])
    for r in range(len(y)):
        if failure[r] != codes.NONE:
            continue
        for side in range(2):
            n, rank, estimate, se, top, held = _fit(y[r], arm[r], covariates[r], weights[r], at)
            ends[side, r] = _limit(2.0 * side - 1.0, z, estimate, se, top, n, rank, held, at)


@njit(cache=True, nogil=True)
def _fit(
    y: Floats, arm: Ints, covariates: Floats, weights: Floats, at: Glm
) -> tuple[int, int, float, float, float, Floats]:
    """Patients, columns, the contrast with its SE, the maximum, and the contrast's weights of the coefficients."""
    data = Data(y, np.ones(len(y)), arm, covariates)
    failure, size = fit_one(BINOMIAL, data, weights, True, True, at)
    if failure != codes.NONE:
        failure, size = fit_one(BINOMIAL, data, weights, False, True, at)
    top = _log_likelihood(size.n, len(weights) + size.rank, at)
    estimate, se = contrast_of_coefficients(weights, size.rank, at)
    held = np.empty(len(weights) + size.rank)
    contrast_weights(weights, size.rank, at, held)
    return size.n, size.rank, estimate, se, top, held


@njit(cache=True, nogil=True)
def _log_likelihood(n: int, size: int, at: Glm) -> float:
    """Of the fit in `at`, penalised."""
    result = 0.0
    for i in range(n):
        eta = at.eta[i] if at.events[i] > 0.0 else -at.eta[i]
        result -= log1p(exp(-eta)) if eta > 0.0 else log1p(exp(eta)) - eta
    for k in range(size):
        result += log(at.factor[k, k])
    return result


@njit(cache=True, nogil=True)
def _signed_root(c: float, estimate: float, top: float, n: int, rank: int, held: Floats, at: Glm) -> float:
    """√(2 (maximum − l*(c))) with the sign of estimate − c, from whatever fit is in `at`; NaN where none is found."""
    size = len(held)
    now = dot(held, at.coefficients[:size])
    at.step[:size] = held
    solve(at.factor, size, at.step)
    by = (c - now) / dot(held, at.step[:size])
    for k in range(size):
        at.step[k] *= by
    z = at.z[:rank, :n]
    move(at.start, z, at)
    if maximise(BINOMIAL, n, rank, 0.0, True, True, held, at) != codes.NONE:
        return np.nan
    ratio = max(0.0, 2.0 * (top - _log_likelihood(n, size, at)))
    return sqrt(ratio) if estimate > c else -sqrt(ratio)


@njit(cache=True, nogil=True)
def _limit(
    side: float, z: float, estimate: float, se: float, top: float, n: int, rank: int, held: Floats, at: Glm
) -> float:
    """Where the root of the likelihood ratio is z, on one side: out by steps, then regula falsi (Illinois)."""
    near, at_near, far, at_far, step = estimate, -z, np.nan, np.nan, z * min(se, 4.0)
    for _ in range(_MOST_TRIES):
        c = near + side * step if far != far else near - at_near * (far - near) / (at_far - at_near)
        past = abs(_signed_root(c, estimate, top, n, rank, held, at)) - z
        if past != past:
            return side * np.inf
        if abs(past) <= _NEAR:
            return c
        if past > 0.0:
            far, at_far, at_near = c, past, at_near if far != far else 0.5 * at_near
        else:
            at_far = at_far if far != far else 0.5 * at_far
            near, at_near, step = c, past, 1.5 * step
    return c if far == far else side * np.inf
