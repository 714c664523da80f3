"""Quasi-binomial and beta-binomial: equal to a general optimiser and to R, continuous to their limits."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import betabinom

from kaptrial.estimators.binary import logistic
from kaptrial.estimators.fit import Failure
from kaptrial.estimators.proportion import beta_binomial, quasi_binomial
from tests import DATA
from tests.estimators.nasty import designs, is_estimate_or_failure

R = json.loads((DATA / "reference.json").read_text())["abstinent_days"]
TERMS = {"ketamine": [-1, 0, 1, 0], "therapy": [-1, 1, 0, 0], "ketamine:therapy": [1, -1, -1, 1]}


def read_days():
    rows = list(csv.DictReader((DATA / "abstinent_days.csv").read_text().splitlines()))
    events, trials, ketamine, therapy = (
        np.array([[int(r[name]) for r in rows]]) for name in ("abstinent_days", "days", "ketamine", "therapy")
    )
    return events, trials, 2 * ketamine + therapy, np.empty((*events.shape, 0))


def random_trials(rng, n_arms, p, n=50, dispersed=True):
    arm = rng.permutation(np.arange(n) % n_arms)[None, :]
    x = rng.normal(size=(1, n, p))
    mean = expit(0.5 * arm - 0.5 + 0.4 * x.sum(axis=-1))
    trials = rng.integers(2, 29, (1, n))
    share = rng.beta(3 * mean, 3 * (1 - mean)) if dispersed else mean
    return rng.binomial(trials, share).astype(float), trials.astype(float), arm, x


def columns(arm, x, n_arms):
    return np.column_stack([arm[:, None] == np.arange(n_arms), x]).astype(float)


@pytest.mark.parametrize("term", TERMS)
def test_golden_abstinent_days_of_r(term):
    result = quasi_binomial(*read_days(), TERMS[term])
    expected = R["quasibinomial_logit"][term]
    # R stops iterating at a change in deviance of 1e-8; SE and dispersion are those of the step before.
    assert result.dispersion[0] == pytest.approx(R["dispersion"], rel=1e-5)
    assert result.fit.estimate[0] == pytest.approx(expected["estimate"], rel=1e-7)
    assert result.fit.se[0] == pytest.approx(expected["se"], rel=1e-5)
    assert result.fit.df[0] == expected["df"]
    assert result.fit.p[0] == pytest.approx(expected["p"], rel=1e-5)


def test_quasi_binomial_equals_iterated_least_squares():
    """Textbook IRLS: weights n p (1 − p), working response η + (k − n p)/(n p (1 − p))."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        n_arms = int(rng.integers(2, 5))
        events, trials, arm, x = random_trials(rng, n_arms, int(rng.integers(0, 4)))
        weights = rng.normal(size=n_arms)
        weights -= weights.mean()
        design, eta = columns(arm[0], x[0], n_arms), np.zeros(50)
        for _ in range(12):
            p = expit(eta)
            w = trials[0] * p * (1 - p)
            b = np.linalg.solve(design.T * w @ design, design.T @ (w * eta + events[0] - trials[0] * p))
            eta = design @ b
        dispersion = ((events[0] - trials[0] * p) ** 2 / w).sum() / (50 - design.shape[1])
        contrast = np.concatenate([weights, np.zeros(x.shape[2])])
        se = np.sqrt(dispersion * contrast @ np.linalg.inv(design.T * w @ design) @ contrast)
        result = quasi_binomial(events, trials, arm, x, weights)
        np.testing.assert_allclose(
            (result.fit.estimate[0], result.fit.se[0], result.dispersion[0]), (contrast @ b, se, dispersion), rtol=1e-9
        )


def test_beta_binomial_equals_a_general_optimiser():
    rng = np.random.default_rng(2)
    for _ in range(100):
        n_arms = int(rng.integers(2, 5))
        events, trials, arm, x = random_trials(rng, n_arms, int(rng.integers(0, 3)))
        design = columns(arm[0], x[0], n_arms)

        def minus_log_likelihood(t, k=events[0], n=trials[0], design=design):
            mean, s = expit(design @ t[:-1]), np.exp(t[-1])
            return -betabinom.logpmf(k, n, mean / s, (1 - mean) / s).sum()

        weights = np.concatenate([[-1.0, 1.0], np.zeros(n_arms - 2)])
        result = beta_binomial(events, trials, arm, x, weights)
        best = minimize(minus_log_likelihood, np.append(np.zeros(design.shape[1]), -1.0), options={"gtol": 1e-5}).x
        contrast = np.concatenate([weights, np.zeros(x.shape[2] + 1)])
        information = second_differences(minus_log_likelihood, best)
        se = np.sqrt(contrast @ np.linalg.inv(information) @ contrast)
        s = np.exp(best[-1])
        # What the optimiser and second differences are good for.
        np.testing.assert_allclose(result.fit.estimate[0], contrast @ best, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose((result.fit.se[0], result.overdispersion[0]), (se, s / (1 + s)), rtol=1e-3)
        assert result.fit.df[0] == np.inf


def second_differences(f, x, h=1e-3):
    steps = h * np.eye(len(x))
    return np.array(
        [[(f(x + a + b) - f(x + a - b) - f(x - a + b) + f(x - a - b)) / (4 * h * h) for b in steps] for a in steps]
    )


def test_beta_binomial_without_overdispersion_is_binomial():
    arm = np.repeat([[0, 1]], 8, axis=0).T.reshape(1, -1)
    events = np.array([[2.0, 3, 2, 3, 2, 3, 2, 3, 5, 6, 5, 6, 5, 6, 5, 6]])
    result = beta_binomial(events, np.full((1, 16), 10.0), arm, np.empty((1, 16, 0)), [-1, 1])
    odds = [20 / 60, 44 / 36]
    assert result.overdispersion[0] == 0.0
    assert result.fit.estimate[0] == pytest.approx(np.log(odds[1] / odds[0]), rel=1e-12)
    assert result.fit.se[0] == pytest.approx(np.sqrt(1 / 20 + 1 / 60 + 1 / 44 + 1 / 36), rel=1e-12)


def test_one_trial_each_is_logistic_regression():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, (1, 40)).astype(float)
    arm, x = np.arange(40)[None, :] % 2, rng.normal(size=(1, 40, 1))
    expected = logistic(y, arm, x, [-1, 1]).log_odds_ratio
    for events, trials, rho in ((y, np.ones_like(y), 0.0), (28 * y, np.full_like(y, 28.0), 1.0)):
        result = beta_binomial(events, trials, arm, x, [-1, 1])
        assert result.fit.estimate[0] == pytest.approx(expected.estimate[0], rel=1e-12)
        assert result.fit.se[0] == pytest.approx(expected.se[0], rel=1e-12)
        assert result.overdispersion[0] == rho


def test_beta_binomial_covers_in_simulated_trials():
    """300 trials of 100 an arm, ρ = .2: estimate unbiased, SE as the spread within 4 Monte Carlo SE, ρ recovered."""
    rng = np.random.default_rng(4)
    arm = np.tile([0, 1], (300, 100))
    mean = expit(-0.5 + 0.6 * arm)
    events = rng.binomial(28, rng.beta(4 * mean, 4 * (1 - mean))).astype(float)
    result = beta_binomial(events, np.full_like(events, 28.0), arm, np.empty((*arm.shape, 0)), [-1, 1])
    spread = result.fit.estimate.std()
    assert result.fit.estimate.mean() == pytest.approx(0.6, abs=4 * spread / np.sqrt(300))
    assert result.fit.se.mean() == pytest.approx(spread, rel=4 / np.sqrt(600))
    assert result.overdispersion.mean() == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(
    ("events", "trials", "failure"),
    [
        ([0, 0, 5, 6], [10, 10, 10, 10], Failure.SEPARATION),
        ([10, 10, 5, 6], [10, 10, 10, 10], Failure.SEPARATION),
        ([1, 2, 5, 6], [10, 10, 0, 0], Failure.TOO_FEW_PATIENTS),
        ([1, 2, np.nan, np.nan], [10, 10, 10, 10], Failure.TOO_FEW_PATIENTS),
        ([3, 3, 7, 7], [10, 10, 10, 10], Failure.NO_RESIDUAL_VARIANCE),
    ],
)
def test_failures_are_named(events, trials, failure):
    events, trials = np.array([events], dtype=float), np.array([trials], dtype=float)
    events = np.minimum(events, trials)
    result = quasi_binomial(events, trials, np.array([[0, 0, 1, 1]]), np.empty((1, 4, 0)), [-1, 1])
    assert result.fit.failure[0] == failure


def test_nasty_data_give_an_estimate_or_a_named_failure():
    rng = np.random.default_rng(5)
    for arm, x, weights in designs(rng, 600):
        trials = rng.integers(0, rng.choice([2, 5, 30]), arm.shape).astype(float)
        events = rng.binomial(trials.astype(int), rng.choice([0.0, 0.1, 0.5, 1.0], arm.shape)).astype(float)
        if rng.random() < 0.3:
            events = np.where(rng.random(arm.shape) < 0.5, trials, 0.0)
        events[rng.random(arm.shape) < rng.choice([0.0, 0.3])] = np.nan
        quasi, beta = (fit(events, trials, arm, x, weights) for fit in (quasi_binomial, beta_binomial))
        for fit, dispersion in ((quasi.fit, quasi.dispersion), (beta.fit, beta.overdispersion)):
            assert is_estimate_or_failure(fit), (events, trials, arm, x)
            assert np.isnan(dispersion[0]) == (fit.failure[0] != 0)


def test_impossible_counts_are_refused():
    arm, x = np.array([[0, 1]]), np.empty((1, 2, 0))
    with pytest.raises(ValueError, match="number of trials"):
        quasi_binomial(np.array([[3.0, 1.0]]), np.array([[2.0, 2.0]]), arm, x, [-1, 1])
    with pytest.raises(ValueError, match="whole numbers"):
        beta_binomial(np.array([[0.5, 1.0]]), np.array([[2.0, 2.0]]), arm, x, [-1, 1])
