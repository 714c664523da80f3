"""Events among a number of trials that differs between patients, such as days abstinent: logit of the expected share.

Quasi-binomial: the estimates of logistic regression, with variance φ n p (1 − p), φ = Σ (k − n p)²/(n p (1 − p))/df,
and t with df = N − arms − rank (Wedderburn 1974, Biometrika 61:439-447; McCullagh & Nelder 1989, §4.5), as R's
quasibinomial.

Beta-binomial: each patient's own probability is drawn from a beta distribution with mean μ, logit μ = η, and
correlation ρ between a patient's trials; with s = ρ/(1 − ρ) the log likelihood of a patient is
Σ_{j<k} log(μ + j s) + Σ_{j<n−k} log(1 − μ + j s) − Σ_{j<n} log(1 + j s) (Griffiths 1973, Biometrics 29:637-648).
Maximum likelihood by Newton's method in η's coefficients and log s together; SE by their observed information, Wald z.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators import codes
from kaptrial.estimators.dense import cholesky, solve
from kaptrial.estimators.fit import Fit, too_few
from kaptrial.estimators.glm import BINOMIAL, Data, Glm, contrast_of_coefficients, expit, fit_one, gather, move, room
from kaptrial.estimators.predictor import as_arrays, dot, total

# A dispersion that is nothing but rounding.
_EXHAUSTED = 1e-12
_SMALL = 1e-6
_MOST_STEPS = 200


@dataclass(frozen=True, kw_only=True)
class QuasiBinomial:
    """A contrast of log odds, and φ, (replicate,); NaN where the fit failed."""

    fit: Fit
    dispersion: Floats


@dataclass(frozen=True, kw_only=True)
class BetaBinomial:
    """A contrast of log odds, and ρ, (replicate,); NaN where the fit failed."""

    fit: Fit
    overdispersion: Floats


def quasi_binomial(events: Floats, trials: Floats, arm: Ints, covariates: Floats, weights: ArrayLike) -> QuasiBinomial:
    """A contrast of the arms' log odds, t with the residual df.

    Parameters
    ----------
    events, trials : (replicate, patient)
        Patients with NaN here or in a covariate, or without trials, are left out.
    arm : (replicate, patient)
        Index of the arm.
    covariates : (replicate, patient, p)
        Numeric columns; one that adds nothing to those before it is dropped.
    weights : (arm,)
        The contrast; weights sum to 0.

    Raises
    ------
    ValueError
        If there are more events than trials, or fewer than none.
    """
    fit, dispersion = _fit(events, trials, arm, covariates, weights, False)
    return QuasiBinomial(fit=fit, dispersion=dispersion)


def beta_binomial(events: Floats, trials: Floats, arm: Ints, covariates: Floats, weights: ArrayLike) -> BetaBinomial:
    """A contrast of the arms' log odds by maximum likelihood, Wald z.

    Arguments as in `quasi_binomial`. Where the data vary no more than binomial ones ρ is 0 and the fit is binomial;
    where each patient had all events or none ρ is 1 and each patient counts as one trial.
    """
    fit, overdispersion = _fit(events, trials, arm, covariates, weights, True)
    return BetaBinomial(fit=fit, overdispersion=overdispersion)


def _fit(
    events: Floats, trials: Floats, arm: Ints, covariates: Floats, weights: ArrayLike, beta: bool
) -> tuple[Fit, Floats]:
    if (events < 0).any() or (events > trials).any():
        raise ValueError("events must lie between 0 and the number of trials")
    if beta and (np.nan_to_num(events) % 1 + np.nan_to_num(trials) % 1).any():
        raise ValueError("events and trials of a beta-binomial are whole numbers")
    out = np.empty((4, len(events)))
    failure = np.empty(len(events), dtype=np.int64)
    k, arms, x, w = as_arrays(events, arm, covariates, weights)
    _all(Data(k, np.require(trials, float, ["C", "W"]), arms, x), w, beta, out, failure)
    if beta:
        few = (failure == codes.NONE) & too_few(np.isfinite(k) & np.isfinite(x).all(axis=-1), arms, w)
        failure[few], out[:, few] = codes.TOO_FEW_PATIENTS, np.nan
    return Fit(estimate=out[0], se=out[1], df=out[2], failure=failure), out[3]


@njit(cache=True, nogil=True)
def _all(data: Data, weights: Floats, beta: bool, out: Floats, failure: Ints) -> None:
    at = room(data.events.shape[1], data.covariates.shape[2], len(weights))
    for r in range(len(data.events)):
        out[0, r] = out[1, r] = out[2, r] = out[3, r] = np.nan
        k, n = data.events[r], data.trials[r]
        all_or_none = beta and _all_or_none(k, n)
        if all_or_none:
            k, n = k / n, np.ones_like(n)
        failure[r], size = fit_one(BINOMIAL, Data(k, n, data.arm[r], data.covariates[r]), weights, False, False, at)
        if failure[r] != codes.NONE:
            continue
        df, dispersion = np.inf, 1.0 if all_or_none else 0.0
        if beta and not all_or_none:
            failure[r], dispersion = _beta_binomial(size.n, size.rank, at)
        elif not beta:
            df = float(size.df)
            failure[r], dispersion = _pearson(size.n, size.df, at)
        if failure[r] != codes.NONE:
            continue
        estimate, se = contrast_of_coefficients(weights, size.rank, at)
        out[0, r], out[1, r], out[2, r], out[3, r] = estimate, se, df, dispersion
        if not beta:
            out[1, r] *= sqrt(dispersion)


@njit(cache=True, nogil=True)
def _pearson(n: int, df: int, at: Glm) -> tuple[int, float]:
    """Pearson's χ² over its degrees of freedom."""
    if df < 1:
        return codes.TOO_FEW_PATIENTS, np.nan
    dispersion = 0.0
    for i in range(n):
        dispersion += at.residual[i] ** 2 / at.curvature[i] / df
    return codes.NONE if dispersion > _EXHAUSTED else codes.NO_RESIDUAL_VARIANCE, dispersion


@njit(cache=True, nogil=True)
def _all_or_none(events: Floats, trials: Floats) -> bool:
    """Whether no patient had events in some trials and none in others, and some had several trials."""
    several = False
    for i in range(len(events)):
        if 0.0 < events[i] < trials[i]:
            return False
        several |= events[i] <= trials[i] and trials[i] > 1.0
    return several


@njit(cache=True, nogil=True)
def _beta_binomial(n: int, rank: int, at: Glm) -> tuple[int, float]:
    """From the binomial fit in `at` to the beta-binomial; its failure and ρ.

    Afterwards `factor` is that of the coefficients' information with log s eliminated.
    """
    start, z = at.start, at.z[:rank, :n]
    n_arms = len(start) - 1
    size = n_arms + rank
    if not _overdispersed(n, at):
        return codes.NONE, 0.0
    joint, score, step, cross = np.empty((size + 1, size + 1)), np.empty(size + 1), np.empty(size + 1), np.empty(n)
    log_s, slope, last = log(0.1), 0.0, False
    for iteration in range(_MOST_STEPS):
        score[size], curvature = _beta_score(n, exp(log_s), False, cross, at)
        _gather_joint(start, z, curvature, cross, score, joint, at)
        if iteration > 0 and not last and not dot(score, step) >= -0.5 * slope:
            log_s -= 0.5 * step[size]
            _go(start, z, -0.5, step, at)
            for k in range(size + 1):
                step[k] *= 0.5
            slope *= 0.5
            continue
        if not cholesky(joint, size + 1, 1e-13):
            # Too far from the maximum for Newton: the expected signs of the curvatures instead.
            last = False
            score[size], curvature = _beta_score(n, exp(log_s), True, cross, at)
            _gather_joint(start, z, curvature, cross, score, joint, at)
            if not cholesky(joint, size + 1, 1e-13):
                return codes.NOT_CONVERGED, np.nan
        for k in range(size + 1):
            step[k] = score[k]
        solve(joint, size + 1, step)
        shorten = min(1.0, 2.0 / max(abs(step[size]), 1e-300))
        for k in range(size + 1):
            step[k] *= shorten
        slope = dot(score, step)
        log_s += step[size]
        moved = max(abs(step[size]), _go(start, z, 1.0, step, at))
        if last:
            _gather_joint(start, z, curvature, cross, score, joint, at)
            for i in range(size):
                for j in range(i + 1):
                    at.factor[i, j] = joint[i, j] - joint[size, i] * joint[size, j] / joint[size, size]
            s = exp(log_s)
            return (codes.NONE if cholesky(at.factor, size, 1e-13) else codes.NOT_CONVERGED), s / (1.0 + s)
        last = moved <= _SMALL
    return codes.NOT_CONVERGED, np.nan


@njit(cache=True, nogil=True)
def _overdispersed(n: int, at: Glm) -> bool:
    """Whether the likelihood rises from s = 0: Σ k(k − 1)/2p + (n − k)(n − k − 1)/2(1 − p) − n(n − 1)/2 > 0."""
    slope, pairs = 0.0, 0.0
    for i in range(n):
        k, m, p = at.events[i], at.trials[i], expit(at.eta[i])
        slope += 0.5 * k * (k - 1.0) / p + 0.5 * (m - k) * (m - k - 1.0) / (1.0 - p) - 0.5 * m * (m - 1.0)
        pairs += 0.5 * m * (m - 1.0)
    return slope > 1e-10 * pairs


@njit(cache=True, nogil=True)
def _beta_score(n: int, s: float, positive: bool, cross: Floats, at: Glm) -> tuple[float, float]:
    """Derivatives of the log likelihood: by η into `at.residual`, −∂² into `at.curvature`, −∂²/∂η∂log s into `cross`;
    by log s and −∂²/∂(log s)² returned. With `positive`, curvatures without their indefinite parts.
    """
    by_s, by_ss = 0.0, 0.0
    for i in range(n):
        p = expit(at.eta[i])
        q = expit(-at.eta[i])
        k, m = int(at.events[i]), int(at.trials[i])
        up_1, up_2, up_j, up_j2, up_jj = _sums(p, s, k)
        down_1, down_2, down_j, down_j2, down_jj = _sums(q, s, m - k)
        _, _, all_j, _, all_jj = _sums(1.0, s, m)
        v = p * q
        at.residual[i] = v * (up_1 - down_1)
        at.curvature[i] = v * v * (up_2 + down_2)
        if positive:
            cross[i] = 0.0
        else:
            at.curvature[i] -= v * (q - p) * (up_1 - down_1)
            cross[i] = s * v * (up_j2 - down_j2)
        by_s += up_j + down_j - all_j
        by_ss += all_jj - up_jj - down_jj
    if positive:
        return s * by_s, max(abs(s * by_s), 1.0)
    return s * by_s, -s * s * by_ss - s * by_s


@njit(cache=True, nogil=True)
def _sums(p: float, s: float, count: int) -> tuple[float, float, float, float, float]:
    """Over j < count, with t = p + j s: Σ 1/t, Σ 1/t², Σ j/t, Σ j/t², Σ j²/t²."""
    sum_1, sum_2, sum_j, sum_j2, sum_jj = 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(count):
        x = 1.0 / (p + j * s)
        jx = j * x
        sum_1 += x
        sum_2 += x * x
        sum_j += jx
        sum_j2 += jx * x
        sum_jj += jx * jx
    return sum_1, sum_2, sum_j, sum_j2, sum_jj


@njit(cache=True, nogil=True)
def _gather_joint(
    start: Ints, z: Floats, curvature: float, cross: Floats, score: Floats, joint: Floats, at: Glm
) -> None:
    """Score of the coefficients and the lower triangle of the joint information, log s last."""
    n_arms = len(start) - 1
    size = n_arms + len(z)
    gather(start, z, at.residual, at.curvature, score, joint)
    for a in range(n_arms):
        joint[size, a] = total(cross[start[a] : start[a + 1]])
    for k in range(len(z)):
        joint[size, n_arms + k] = dot(cross, z[k])
    joint[size, size] = curvature


@njit(cache=True, nogil=True)
def _go(start: Ints, z: Floats, share: float, step: Floats, at: Glm) -> float:
    """Move the coefficients by a share of the step; the length of the change in η."""
    for k in range(len(start) - 1 + len(z)):
        at.step[k] = share * step[k]
    return move(start, z, at)
