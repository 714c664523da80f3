"""Binary outcomes: logistic regression, risks standardised over the patients, and exact methods.

Log odds ratio: the contrast Σ w_a μ_a of the arms' log odds at equal covariates, conditional on those; Wald z.

Risk difference: the contrast Σ w_a r_a of standardised risks r_a = Σ_i expit(μ_a + x_i'β)/N, what the risk would be if
all patients were in arm a (g-computation). Its variance for fixed covariates is g'I⁻¹g, g the gradient of Σ w_a r_a
(Ge et al. 2011, Drug Information Journal 45:481-493). If the covariates are a sample too it is Σ ψ_i²/N² of the
influence function ψ_i = c_i − c̄ + N g'I⁻¹s_i with c_i = Σ w_a expit(μ_a + x_i'β) and s_i = (y_i − p_i) x_i, which does
not trust the model (Ye, Bannick, Yi & Shao 2023, Statistical Theory and Related Fields 7:159-163); no small-sample
correction is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma, sqrt

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators import codes
from kaptrial.estimators.dense import solve
from kaptrial.estimators.firth import penalised, root_of_null
from kaptrial.estimators.fit import Failure, Fit, too_few
from kaptrial.estimators.glm import BINOMIAL, Data, Glm, Size, contrast_of_coefficients, expit, fit_one, room
from kaptrial.estimators.predictor import as_arrays, dot

# Tables whose probabilities differ by no more than this share are equally likely, as in `fisher.test` in R.
_TIED = 1.0 + 1e-7


@dataclass(frozen=True, kw_only=True)
class Logistic:
    """Contrasts by one logistic regression, each with df infinite.

    `risk_difference` and `risk_difference_random` are the same estimate, its SE for fixed covariates and for
    covariates that are a sample themselves.
    """

    log_odds_ratio: Fit
    risk_difference: Fit
    risk_difference_random: Fit


def logistic(y: Floats, arm: Ints, covariates: Floats, weights: ArrayLike, *, firth: bool = False) -> Logistic:
    """A contrast of the arms' log odds, and of their standardised risks, by logistic regression.

    Parameters
    ----------
    y : (replicate, patient)
        1 for an event, 0 for none; patients with NaN here or in a covariate are left out.
    arm : (replicate, patient)
        Index of the arm.
    covariates : (replicate, patient, p)
        Numeric columns; one that adds nothing to those before it is dropped.
    weights : (arm,)
        The contrast; weights sum to 0: (−1, 1) for two arms, (1, −1, −1, 1) for the interaction of a 2×2.
    firth : bool
        Penalise the likelihood, which then always has a maximum. SEs are those of the unpenalised information at
        the penalised estimates; p and interval of the log odds ratio are those of the penalised likelihood's profile.

    Returns
    -------
    Logistic
        Failure SEPARATION where the likelihood has no maximum and the contrast goes to infinity with it, or, for the
        risks, any arm against another. If only patients are fitted perfectly whom the comparison of arms does not
        concern (a centre without events, say), the likelihood's limit is used: the log odds ratio is that of the other
        patients, and these contribute 0 to the risk difference.

    Raises
    ------
    ValueError
        If y holds something else than 0, 1 and NaN.
    """
    if ((y != 0) & (y != 1) & ~np.isnan(y)).any():
        raise ValueError("y holds something else than 0, 1 and NaN")
    odds, risks, failure = np.empty((4, len(y))), np.empty((4, len(y))), np.empty((2, len(y)), dtype=np.int64)
    odds_failure, risks_failure = failure
    data = as_arrays(y, arm, covariates, weights)
    _all_logistic(*data, firth, odds, risks, failure)
    difference, fixed, random, df = risks
    seen = np.isfinite(y) & np.isfinite(covariates).all(axis=-1)
    few = (risks_failure == codes.NONE) & too_few(seen, arm, weights)
    log_odds_ratio = Fit(estimate=odds[0], se=odds[1], df=odds[2], failure=odds_failure)
    return Logistic(
        log_odds_ratio=penalised(log_odds_ratio, odds[3], *data) if firth else log_odds_ratio,
        risk_difference=Fit(estimate=difference, se=fixed, df=df, failure=risks_failure),
        risk_difference_random=Fit(
            estimate=np.where(few, np.nan, difference),
            se=np.where(few, np.nan, random),
            df=np.where(few, np.nan, df),
            failure=np.where(few, int(Failure.TOO_FEW_PATIENTS), risks_failure),
        ),
    )


@njit(cache=True, nogil=True)
def _all_logistic(
    y: Floats, arm: Ints, covariates: Floats, weights: Floats, firth: bool, odds: Floats, risks: Floats, failures: Ints
) -> None:
    odds_failure, risks_failure = failures
    at = room(y.shape[1], covariates.shape[2], len(weights))
    trials = np.ones(y.shape[1])
    for r in range(len(y)):
        for k in range(4):
            odds[k, r] = risks[k, r] = np.nan
        # Where all arms cannot be told apart, those that the contrast compares still may.
        for every_arm in (True, False):
            data = Data(y[r], trials, arm[r], covariates[r])
            failure, size = fit_one(BINOMIAL, data, weights, every_arm, firth, at)
            odds_failure[r] = failure
            if every_arm:
                risks_failure[r] = failure
            if failure != codes.NONE:
                continue
            if every_arm:
                risks[0, r], risks[1, r], risks[2, r] = _risk_difference(weights, size, at)
                risks[3, r] = np.inf
            odds[0, r], odds[1, r] = contrast_of_coefficients(weights, size.rank, at)
            odds[2, r] = np.inf
            if firth:
                odds[3, r] = root_of_null(odds[0, r], size.n, size.rank, weights, at)
            break


@njit(cache=True, nogil=True)
def _risk_difference(weights: Floats, size: Size, at: Glm) -> tuple[float, float, float]:
    """Σ w_a r_a, its SE for fixed covariates and for sampled ones.

    Patients set aside have the same risk in every arm: they only count in N.
    """
    n_arms, rank, n = len(weights), size.rank, size.n
    coefficients, contribution = at.coefficients, at.change
    g, solved = at.score[: n_arms + rank], at.step[: n_arms + rank]
    for k in range(n_arms + rank):
        g[k] = 0.0
    level = at.inverse[0]
    for a in range(n_arms):
        level[a] = coefficients[a]
        for k in range(rank):
            level[a] -= at.mean[k, a] * coefficients[n_arms + k]
    for b in range(n_arms):
        for i in range(at.start[b], at.start[b + 1]):
            of_covariates = 0.0
            for k in range(rank):
                of_covariates += (at.z[k, i] + at.mean[k, b]) * coefficients[n_arms + k]
            contribution[i] = 0.0
            for a in range(n_arms):
                if weights[a] == 0.0:
                    continue
                risk = expit(level[a] + of_covariates)
                contribution[i] += weights[a] * risk
                slope = weights[a] * risk * (1.0 - risk)
                g[a] += slope
                for k in range(rank):
                    g[n_arms + k] += slope * (at.z[k, i] + at.mean[k, b] - at.mean[k, a])
    everyone = n + size.aside
    estimate = 0.0
    for i in range(n):
        estimate += contribution[i] / everyone
    for k in range(n_arms + rank):
        solved[k] = g[k]
    solve(at.factor, n_arms + rank, solved)
    squares = size.aside * estimate**2
    for b in range(n_arms):
        for i in range(at.start[b], at.start[b + 1]):
            direction = solved[b]
            for k in range(rank):
                direction += solved[n_arms + k] * at.z[k, i]
            squares += (contribution[i] - estimate + (at.events[i] - expit(at.eta[i])) * direction) ** 2
    return estimate, sqrt(dot(g, solved)) / everyone, sqrt(squares) / everyone


@dataclass(frozen=True, kw_only=True)
class ExactTest:
    """A difference in proportions with Fisher's exact p-value, each (replicate,); NaN where `failure` is not NONE."""

    risk_difference: Floats
    p: Floats
    failure: Ints


def fisher(y: Floats, arm: Ints, weights: ArrayLike) -> ExactTest:
    """Fisher's exact test of two arms: two-sided, by the probabilities of all tables no likelier than the observed.

    Parameters
    ----------
    y, arm : (replicate, patient)
        1 for an event, 0 for none, NaN for not observed; index of the arm.
    weights : (arm,)
        −1 for one arm, 1 for another, 0 for the rest.

    Raises
    ------
    ValueError
        If the weights are not those of a comparison of two arms.
    """
    w = np.asarray(weights, dtype=float)
    if sorted(w[w != 0]) != [-1.0, 1.0]:
        raise ValueError(f"weights = {w}: Fisher's exact test compares two arms")
    observed = ~np.isnan(y)
    left, right = (observed & (arm == np.flatnonzero(w == sign)[0]) for sign in (1.0, -1.0))
    n = np.stack([left.sum(axis=1), right.sum(axis=1)])
    events = np.stack([(left & (y == 1)).sum(axis=1), (right & (y == 1)).sum(axis=1)])
    failure = np.where((n == 0).any(axis=0), int(Failure.TOO_FEW_PATIENTS), int(Failure.NONE))
    p = fisher_p(events[0], n[0], events[1], n[1])
    proportion = events / np.maximum(n, 1)
    failed = failure != Failure.NONE
    return ExactTest(
        risk_difference=np.where(failed, np.nan, proportion[0] - proportion[1]),
        p=np.where(failed, np.nan, p),
        failure=failure,
    )


def fisher_p(events_1: ArrayLike, n_1: ArrayLike, events_0: ArrayLike, n_0: ArrayLike) -> Floats:
    """Two-sided p of Fisher's exact test of 2×2 tables, any shape.

    (Fisher 1935, Journal of the Royal Statistical Society 98:39-82.)
    """
    tables = np.broadcast_arrays(*(np.asarray(x, dtype=np.int64) for x in (events_1, n_1, events_0, n_0)))
    x, n, y, m = (np.require(table, requirements=["C", "W"]).reshape(-1) for table in tables)
    p = np.empty(x.shape)
    _fisher(x, n, y, m, p)
    return p.reshape(tables[0].shape)


@njit(cache=True, nogil=True)
def _fisher(events_1: Ints, n_1: Ints, events_0: Ints, n_0: Ints, p: Floats) -> None:
    for r in range(len(p)):
        events = events_1[r] + events_0[r]
        low, high = max(0, events - n_0[r]), min(n_1[r], events)
        # Relative to the likeliest table, so that nothing under- or overflows; the common factors cancel.
        mode = (n_1[r] + 1) * (events + 1) // (n_1[r] + n_0[r] + 2)
        at_mode = _log_table(mode, n_1[r], events, n_0[r])
        observed = exp(_log_table(events_1[r], n_1[r], events, n_0[r]) - at_mode)
        as_unlikely, everything = 0.0, 0.0
        for x in range(low, high + 1):
            density = exp(_log_table(x, n_1[r], events, n_0[r]) - at_mode)
            everything += density
            if density <= observed * _TIED:
                as_unlikely += density
        p[r] = min(1.0, as_unlikely / everything)


@njit(cache=True, nogil=True)
def _log_table(x: int, n_1: int, events: int, n_0: int) -> float:
    """Log of 1/(x! (n₁ − x)! (m − x)! (n₀ − m + x)!), to which the hypergeometric probability is proportional."""
    return -(lgamma(x + 1.0) + lgamma(n_1 - x + 1.0) + lgamma(events - x + 1.0) + lgamma(n_0 - events + x + 1.0))
