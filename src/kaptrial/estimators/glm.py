"""Maximum likelihood of a generalised linear model, one replicate at a time, compiled.

Two families, in the orthogonal coordinates of `predictor`, each by Newton's method:

- BINOMIAL: k events of n trials, p = 1/(1 + exp(−η)); each patient's share of the score is (k − n p) x and of the
  information n p (1 − p) x x';
- COUNT: k events in exposure t, μ = t exp(η), variance μ + a μ² (Poisson for a = 0); the score is (k − μ)/(1 + a μ) x,
  the observed information μ (1 + a k)/(1 + a μ)² x x' (Lawless 1987, Canadian Journal of Statistics 15:209-225).

Firth's penalty of the binomial likelihood by half the information's log determinant adds h (½ − p) x to the score,
h = n p (1 − p) x'I⁻¹x (Firth 1993, Biometrika 80:27-38; Heinze & Schemper 2002, Statistics in Medicine 21:2409-2419);
the steps hold h fixed, so that the curvature is n p (1 − p)(1 + h).

The likelihood has no maximum if along some direction δ no patient's fit ever gets worse: x'δ ≥ 0 where all trials were
events, ≤ 0 where there was no event, 0 elsewhere (Albert & Anderson 1984, Biometrika 71:1-10). Newton's steps then do
not shrink but tend to such a δ, about one unit of η at a time; a step that is one proves the separation. If the
contrast does not move along δ, the patients who do are fitted perfectly in the limit and say nothing about it: they are
set aside and the others fitted (Geyer 2009, Electronic Journal of Statistics 3:259-289).
"""

from __future__ import annotations

from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators import codes
from kaptrial.estimators.dense import cholesky, invert, solve
from kaptrial.estimators.predictor import dot, dot_of_three, orthogonalise, sort_by_arm, spread, total, weighted

BINOMIAL, COUNT = 0, 1


# Newton's error after a step is about the square of the step, so one more step leaves nothing but rounding;
# the penalised score is followed with the unpenalised information and converges linearly.
_SMALL, _SMALL_PENALISED = 1e-6, 1e-11
_MOST_STEPS = 100
# By then a likelihood with a maximum has found it, and what still moves has errors of exp(−16) in its direction.
_PATIENCE = 16
# exp of more would overflow.
_MOST_LOG_ODDS = 700.0
# The share of the longest change in η that counts as no change.
_STILL = 1e-5


class Glm(NamedTuple):
    """Room for a fit, and what it leaves: patients sorted by arm, coefficients with the arms before the slopes.

    `order`, `events`, `trials`, `eta`, `residual`, `curvature`, `change`, `kept` : (patient,); `start` : (arm + 1,);
    `z` : (column, patient); `mean` : (column, arm); `square` : (column,); `coefficients`, `step`, `score` :
    (arm + column,); `factor`, `inverse` : (arm + column, arm + column).

    Afterwards `factor` is the Cholesky factor of the information at the maximum.
    """

    order: Ints
    start: Ints
    events: Floats
    trials: Floats
    kept: Floats
    z: Floats
    mean: Floats
    square: Floats
    coefficients: Floats
    step: Floats
    score: Floats
    factor: Floats
    inverse: Floats
    eta: Floats
    residual: Floats
    curvature: Floats
    change: Floats


@njit(cache=True, nogil=True)
def room(n: int, p: int, n_arms: int) -> Glm:
    """Room for n patients, p covariates and the arms."""
    size = n_arms + p
    return Glm(
        order=np.empty(n, dtype=np.int64),
        start=np.empty(n_arms + 1, dtype=np.int64),
        events=np.empty(n),
        trials=np.empty(n),
        kept=np.empty(n),
        z=np.empty((p, n)),
        mean=np.empty((p, n_arms)),
        square=np.empty(p),
        coefficients=np.empty(size),
        step=np.empty(size),
        score=np.empty(size),
        factor=np.empty((size, size)),
        inverse=np.empty((size, size)),
        eta=np.empty(n),
        residual=np.empty(n),
        curvature=np.empty(n),
        change=np.empty(n),
    )


class Data(NamedTuple):
    """Of a replicate, or of all: events, their trials (or exposure), the arm and the covariates of each patient.

    NaN and no trials leave a patient out.
    """

    events: Floats
    trials: Floats
    arm: Ints
    covariates: Floats


class Size(NamedTuple):
    """Of the patients with complete data: how many are fitted and how many set aside, the columns, the residual df."""

    n: int
    aside: int
    rank: int
    df: int


@njit(cache=True, nogil=True)
def fit_one(family: int, data: Data, weights: Floats, every_arm: bool, penalised: bool, at: Glm) -> tuple[int, Size]:
    """Fit one replicate into `at`; its failure and the sizes of what was fitted.

    Parameters
    ----------
    family : BINOMIAL or COUNT
    weights : (arm,)
    every_arm : bool
        All differences between arms must be estimable, not only the contrast.
    penalised : bool
        Firth's penalty; BINOMIAL only.
    """
    events, trials, arm, covariates = data
    n_arms, p = len(weights), covariates.shape[1]
    for i in range(len(events)):
        at.kept[i] = events[i] if trials[i] > 0.0 else np.nan
    n_complete, df = 0, 0
    while True:
        n = sort_by_arm(at.kept, arm, covariates, at.start, at.order)
        for k in range(n):
            at.events[k], at.trials[k] = events[at.order[k]], trials[at.order[k]]
        for j in range(p):
            for k in range(n):
                at.z[j, k] = covariates[at.order[k], j]
        rank, confounded = orthogonalise(at.z[:, :n], p, at.start, weights, every_arm, at.mean, at.square)
        first = n_complete == 0
        if first:
            n_complete, df = n, n - rank
            for a in range(n_arms):
                df -= at.start[a + 1] > at.start[a]
        size = Size(n, n_complete - n, rank, df)
        for a in range(n_arms):
            if weights[a] != 0.0 and at.start[a + 1] == at.start[a]:
                return codes.TOO_FEW_PATIENTS if first else codes.SEPARATION, size
        if confounded:
            return codes.CONFOUNDED_COVARIATE if first else codes.SEPARATION, size
        if not penalised:
            failure, set_aside = _uniform_arms(family, weights, every_arm, at)
            if failure != codes.NONE:
                return failure, size
            if set_aside:
                continue
        failure = maximise(family, n, rank, 0.0, penalised, False, np.empty(0), at)
        if failure != codes.SEPARATION or _concerned(weights, every_arm, rank, at):
            return failure, size
        longest = 0.0
        for k in range(n):
            longest = max(longest, abs(at.change[k]))
        for k in range(n):
            if abs(at.change[k]) > _STILL * longest:
                at.kept[at.order[k]] = np.nan


@njit(cache=True, nogil=True)
def _uniform_arms(family: int, weights: Floats, every_arm: bool, at: Glm) -> tuple[int, bool]:
    """Find arms without events or with nothing else: a failure if the contrast concerns them, else set them aside."""
    set_aside = False
    for a in range(len(weights)):
        first, end = at.start[a], at.start[a + 1]
        happened = total(at.events[first:end])
        if happened > 0.0 and (family == COUNT or happened < total(at.trials[first:end])):
            continue
        if weights[a] != 0.0 or (every_arm and end > first):
            return codes.NO_EVENTS if family == COUNT else codes.SEPARATION, False
        for k in range(first, end):
            at.kept[at.order[k]] = np.nan
            set_aside = True
    return codes.NONE, set_aside


@njit(cache=True, nogil=True)
def _concerned(weights: Floats, every_arm: bool, rank: int, at: Glm) -> bool:
    """Whether the contrast, or any arm against another, moves with the last step. `inverse` is overwritten."""
    longest, by = 0.0, at.inverse
    for k in range(at.start[-1]):
        longest = max(longest, abs(at.change[k]))
    for a in range(len(weights)):
        by[0, a] = at.step[a]
        for k in range(rank):
            by[0, a] -= at.mean[k, a] * at.step[len(weights) + k]
    tolerance = _STILL * longest
    return abs(weighted(weights, by, 0)) > tolerance or (every_arm and spread(by, 0, at.start) > tolerance)


@njit(cache=True, nogil=True)
def maximise(
    family: int, n: int, rank: int, dispersion: float, penalised: bool, warm: bool, held: Floats, at: Glm
) -> int:
    """Newton's method on the n patients in `at`, sorted by arm; from the coefficients there if `warm`. The failure.

    An empty arm's coefficient stays 0. `held`: weights of the coefficients, (size,), whose sum stays as it is; empty
    for none.
    """
    events, trials, start, z = at.events[:n], at.trials[:n], at.start, at.z[:rank, :n]
    n_arms = len(start) - 1
    size = n_arms + rank
    across = np.empty(len(held))
    small = _SMALL_PENALISED if penalised else _SMALL
    if not warm:
        for k in range(len(at.coefficients)):
            at.coefficients[k] = 0.0
        for a in range(n_arms):
            first, end = start[a], start[a + 1]
            if end > first:
                happened, tried = total(events[first:end]), total(trials[first:end])
                others = tried if family == COUNT else tried - happened + 0.5
                at.coefficients[a] = log((happened + 0.5) / others)
            for i in range(first, end):
                at.eta[i] = at.coefficients[a]
    slope, last = 0.0, False
    for iteration in range(_MOST_STEPS):
        if family == COUNT:
            count_score(at.eta, events, trials, dispersion, at.residual, at.curvature)
        else:
            binomial_score(at.eta, events, trials, at.residual, at.curvature)
        gather(start, z, at.residual, at.curvature, at.score, at.factor)
        if not cholesky(at.factor, size, 1e-13):
            separated = iteration > 0 and not penalised and separates(family, events, trials, at.change)
            return codes.SEPARATION if separated else codes.SINGULAR_COVARIANCE
        if penalised:
            penalise(start, z, at)
            gather(start, z, at.residual, at.curvature, at.score, at.inverse)
            if not cholesky(at.inverse, size, 1e-13):
                return codes.SINGULAR_COVARIANCE
        if len(held) > 0:
            # What pulls at the sum held is no reason to move, and would drown the rest in rounding.
            by = dot(held, at.score[:size]) / dot(held, held)
            for k in range(size):
                at.score[k] -= by * held[k]
        if iteration > 0 and not last and not dot(at.score[:size], at.step[:size]) >= -0.5 * slope:
            # The maximum along the step lies well before its end: go half way back.
            scale(at.step, size, -0.5)
            move(start, z, at)
            scale(at.step, size, -1.0)
            slope *= 0.5
            continue
        for k in range(size):
            at.step[k] = at.score[k]
        solve(at.inverse if penalised else at.factor, size, at.step)
        if len(held) > 0:
            across[:] = held
            solve(at.inverse if penalised else at.factor, size, across)
            by = dot(held, at.step[:size]) / dot(held, across)
            for k in range(size):
                at.step[k] -= by * across[k]
        slope = dot(at.score[:size], at.step[:size])
        moved = move(start, z, at)
        if last:
            return codes.NONE
        last = moved <= small
        if iteration >= _PATIENCE and not penalised and separates(family, events, trials, at.change):
            return codes.SEPARATION
    return codes.NOT_CONVERGED


@njit(cache=True, nogil=True)
def binomial_score(eta: Floats, events: Floats, trials: Floats, residual: Floats, curvature: Floats) -> None:
    """k − n p and n p (1 − p) of each patient, without loss where p is near 0 or 1."""
    for i in range(len(events)):
        odds_against = exp(min(-eta[i], _MOST_LOG_ODDS))
        p = 1.0 / (1.0 + odds_against)
        not_p = odds_against * p
        curvature[i] = trials[i] * p * not_p
        residual[i] = events[i] * not_p - (trials[i] - events[i]) * p


@njit(cache=True, nogil=True)
def count_score(
    eta: Floats, events: Floats, exposure: Floats, dispersion: float, residual: Floats, curvature: Floats
) -> None:
    """(k − μ)/(1 + a μ) and μ (1 + a k)/(1 + a μ)² of each patient."""
    for i in range(len(events)):
        mean = exposure[i] * exp(eta[i])
        shrink = 1.0 / (1.0 + dispersion * mean)
        residual[i] = (events[i] - mean) * shrink
        curvature[i] = mean * (1.0 + dispersion * events[i]) * shrink * shrink


@njit(cache=True, nogil=True)
def gather(start: Ints, z: Floats, residual: Floats, curvature: Floats, score: Floats, information: Floats) -> None:
    """Score Σ r x and the lower triangle of the information Σ c x x', with x the arm's indicator and the columns z.

    An empty arm gets information 1 and score 0, so that its coefficient stays where it is.
    """
    n_arms, n = len(start) - 1, z.shape[1]
    for a in range(n_arms):
        first, end = start[a], start[a + 1]
        score[a] = total(residual[first:end])
        for b in range(a):
            information[a, b] = 0.0
        information[a, a] = total(curvature[first:end]) if end > first else 1.0
        for k in range(len(z)):
            information[n_arms + k, a] = dot(curvature[first:end], z[k, first:end])
    for k in range(len(z)):
        score[n_arms + k] = dot(residual[:n], z[k])
        for j in range(k + 1):
            information[n_arms + k, n_arms + j] = dot_of_three(curvature[:n], z[j], z[k])


@njit(cache=True, nogil=True)
def penalise(start: Ints, z: Floats, at: Glm) -> None:
    """Add Firth's term to residual and curvature. `inverse` is overwritten."""
    n_arms = len(start) - 1
    invert(at.factor, n_arms + len(z), at.inverse)
    for a in range(n_arms):
        for i in range(start[a], start[a + 1]):
            leverage = at.inverse[a, a]
            for k in range(len(z)):
                across = 2.0 * at.inverse[a, n_arms + k]
                for j in range(len(z)):
                    across += z[j, i] * at.inverse[n_arms + j, n_arms + k]
                leverage += z[k, i] * across
            h = at.curvature[i] * leverage
            at.residual[i] += h * (0.5 - expit(at.eta[i]))
            at.curvature[i] *= 1.0 + h


@njit(cache=True, nogil=True)
def expit(eta: float) -> float:
    """1/(1 + exp(−η))."""
    return 1.0 / (1.0 + exp(min(-eta, _MOST_LOG_ODDS)))


@njit(cache=True, nogil=True)
def move(start: Ints, z: Floats, at: Glm) -> float:
    """Take the step; the Euclidean length of the change in η."""
    n_arms, n = len(start) - 1, z.shape[1]
    for a in range(n_arms):
        for i in range(start[a], start[a + 1]):
            at.change[i] = at.step[a]
    for k in range(len(z)):
        for i in range(n):
            at.change[i] += at.step[n_arms + k] * z[k, i]
    for i in range(n):
        at.eta[i] += at.change[i]
    for k in range(n_arms + len(z)):
        at.coefficients[k] += at.step[k]
    return sqrt(dot(at.change[:n], at.change[:n]))


@njit(cache=True, nogil=True)
def scale(x: Floats, n: int, by: float) -> None:
    """Multiply the first n elements, in place."""
    for k in range(n):
        x[k] *= by


@njit(cache=True, nogil=True)
def separates(family: int, events: Floats, trials: Floats, change: Floats) -> bool:
    """Whether this change in η makes no patient's fit worse and does not fade."""
    longest = 0.0
    for i in range(len(events)):
        longest = max(longest, abs(change[i]))
    if not longest > 1e-2:
        return False
    tolerance = _STILL * longest
    for i in range(len(events)):
        if change[i] > tolerance and (family == COUNT or events[i] < trials[i]):
            return False
        if change[i] < -tolerance and events[i] > 0.0:
            return False
    return True


@njit(cache=True, nogil=True)
def contrast_of_coefficients(weights: Floats, rank: int, at: Glm) -> tuple[float, float]:
    """Estimate and SE of Σ w_a μ_a: with c = (w, −Σ w_a m_a), c'(α, γ) and √(c'I⁻¹c)."""
    n_arms = len(weights)
    size, estimate = n_arms + rank, 0.0
    c, solved = at.score[:size], at.step[:size]
    contrast_weights(weights, rank, at, c)
    for k in range(size):
        solved[k] = c[k]
        estimate += c[k] * at.coefficients[k]
    solve(at.factor, size, solved)
    return estimate, sqrt(dot(c, solved))


@njit(cache=True, nogil=True)
def contrast_weights(weights: Floats, rank: int, at: Glm, c: Floats) -> None:
    """Fill c, the weights of the coefficients in Σ w_a μ_a."""
    n_arms = len(weights)
    for k in range(n_arms + rank):
        c[k] = weights[k] if k < n_arms else -weighted(weights, at.mean, k - n_arms)
