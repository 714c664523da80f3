"""Negative binomial regression: equal to a general optimiser and to R, continuous to the Poisson limit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import nbinom

from kaptrial.estimators.counts import negative_binomial
from kaptrial.estimators.fit import Failure
from tests import DATA
from tests.estimators.nasty import designs, is_estimate_or_failure

R = json.loads((DATA / "reference.json").read_text())


def random_trials(rng, n_arms, p, n=60, a=0.6):
    arm = rng.permutation(np.arange(n) % n_arms)[None, :]
    x = rng.normal(size=(1, n, p))
    exposure = rng.uniform(20, 90, (1, n))
    mean = exposure * np.exp(-2.0 - 0.3 * arm + 0.3 * x.sum(axis=-1))
    return rng.poisson(mean * rng.gamma(1 / a, a, (1, n))).astype(float), exposure, arm, x


def columns(arm, x, n_arms):
    return np.column_stack([arm[:, None] == np.arange(n_arms), x]).astype(float)


def test_equals_a_general_optimiser():
    rng = np.random.default_rng(1)
    for _ in range(100):
        n_arms = int(rng.integers(2, 5))
        events, exposure, arm, x = random_trials(rng, n_arms, int(rng.integers(0, 3)))
        weights = np.concatenate([[-1.0, 1.0], np.zeros(n_arms - 2)])
        result = negative_binomial(events, exposure, arm, x, weights)
        design = columns(arm[0], x[0], n_arms)

        def minus_log_likelihood(t, k=events[0], exposure=exposure[0], design=design):
            theta = np.exp(-t[-1])
            mean = exposure * np.exp(design @ t[:-1])
            return -nbinom.logpmf(k, theta, theta / (theta + mean)).sum()

        start = np.append(np.full(design.shape[1], 0.0), -0.5)
        start[:n_arms] = -2.0
        best = minimize(minus_log_likelihood, start, options={"gtol": 1e-5}).x
        a = np.exp(best[-1])
        mean = exposure[0] * np.exp(design @ best[:-1])
        contrast = np.concatenate([weights, np.zeros(x.shape[2])])
        se = np.sqrt(contrast @ np.linalg.inv(design.T * (mean / (1 + a * mean)) @ design) @ contrast)
        # What the optimiser is good for.
        np.testing.assert_allclose(result.fit.estimate[0], contrast @ best[:-1], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose((result.fit.se[0], result.theta[0]), (se, 1 / a), rtol=1e-3)


def test_both_scores_vanish_at_the_estimate():
    """With a saturated mean the arms' rates solve Σ (k − μ)/(1 + aμ) = 0 exactly; equal exposures make them means."""
    rng = np.random.default_rng(2)
    events, _, arm, x = random_trials(rng, 2, 0)
    exposure = np.full_like(events, 28.0)
    result = negative_binomial(events, exposure, arm, x, [-1, 1])
    means = np.array([events[arm == a].mean() for a in (0, 1)])
    assert result.fit.estimate[0] == pytest.approx(np.log(means[1] / means[0]), rel=1e-12)
    a = 1 / result.theta[0]
    assert result.fit.se[0] == pytest.approx(np.sqrt(((1 + a * means) / means / 30).sum()), rel=1e-12)

    def log_likelihood(a):
        theta = 1 / a
        return nbinom.logpmf(events, theta, theta / (theta + means[arm])).sum()

    assert log_likelihood(a) > max(log_likelihood(a * 1.001), log_likelihood(a / 1.001))


def test_golden_glm_nb_of_r():
    expected = R["negative_binomial"]
    k, t, x = (np.array([expected["data"][name]], dtype=float) for name in ("k", "t", "x"))
    result = negative_binomial(k, t, np.array([expected["data"]["arm"]]), x[..., None], [-1, 1])
    assert result.fit.estimate[0] == pytest.approx(expected["log_rate_ratio"]["estimate"], rel=1e-7)
    assert result.fit.se[0] == pytest.approx(expected["log_rate_ratio"]["se"], rel=1e-7)
    assert result.theta[0] == pytest.approx(expected["theta"], rel=1e-7)


def test_counts_that_vary_less_than_poisson_ones_are_fitted_by_poisson_regression():
    events = np.array([[2.0, 2, 3, 4, 4, 2, 3, 3, 4, 3, 3, 5]])
    arm = np.array([[0, 1] * 6])
    result = negative_binomial(events, np.ones_like(events), arm, np.empty((1, 12, 0)), [-1, 1])
    assert result.theta[0] == np.inf
    assert result.fit.estimate[0] == pytest.approx(np.log(19 / 19), abs=1e-12)
    assert result.fit.se[0] == pytest.approx(np.sqrt(1 / 19 + 1 / 19), rel=1e-12)


def test_poisson_counts_do_not_fail():
    """Half of Poisson data sets vary less than expected; the others have a small dispersion, and z is a normal."""
    rng = np.random.default_rng(4)
    arm = np.tile([0, 1], (500, 50))
    events = rng.poisson(3.0, arm.shape).astype(float)
    result = negative_binomial(events, np.ones_like(events), arm, np.empty((*arm.shape, 0)), [-1, 1])
    assert (result.fit.failure == 0).all()
    assert 0.45 < np.isinf(result.theta).mean() < 0.7
    assert result.theta.min() > 3
    assert result.fit.statistic.std() == pytest.approx(1.0, abs=4 / np.sqrt(1000))


@pytest.mark.parametrize(
    ("events", "exposure", "x", "failure"),
    [
        ([0, 0, 3, 2], [1, 1, 1, 1], None, Failure.NO_EVENTS),
        ([1, 4, 3, 2], [1, 1, 0, 0], None, Failure.TOO_FEW_PATIENTS),
        ([1, 0, 3, 0], [1, 1, 1, 1], [0, 0, 1, 1], Failure.CONFOUNDED_COVARIATE),
        ([0, 4, 3, 2], [1, 1, 1, 1], [0, 1, 2, 2], Failure.SEPARATION),
    ],
)
def test_failures_are_named(events, exposure, x, failure):
    arm = np.array([[0, 0, 1, 1]])
    columns = np.empty((1, len(events), 0)) if x is None else np.array(x, dtype=float)[None, :, None]
    result = negative_binomial(np.array([events], float), np.array([exposure], float), arm, columns, [-1, 1])
    assert result.fit.failure[0] == failure


def test_nasty_data_give_an_estimate_or_a_named_failure():
    rng = np.random.default_rng(3)
    for arm, x, weights in designs(rng, 700):
        exposure = rng.choice([1.0, 28.0, 0.0, 1e-3], arm.shape, p=[0.4, 0.4, 0.1, 0.1])
        events = rng.poisson(rng.choice([0.0, 0.3, 4.0, 200.0], arm.shape)).astype(float)
        events *= rng.random(arm.shape) < rng.choice([0.2, 1.0])
        events[rng.random(arm.shape) < rng.choice([0.0, 0.3])] = np.nan
        result = negative_binomial(events, exposure, arm, x, weights)
        assert is_estimate_or_failure(result.fit), (events, exposure, arm, x)
        assert np.isnan(result.theta[0]) == (result.fit.failure[0] != 0)


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="whole numbers"):
        negative_binomial(np.array([[0.5, 1.0]]), np.ones((1, 2)), np.array([[0, 1]]), np.empty((1, 2, 0)), [-1, 1])
