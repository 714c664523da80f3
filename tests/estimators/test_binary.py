"""Logistic regression and exact methods: equal to a general optimiser and to R, exact where separated."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from scipy.special import expit
from scipy.stats import binom, fisher_exact

from kaptrial.estimators.binary import fisher, fisher_p, logistic
from kaptrial.estimators.clopper_pearson import clopper_pearson
from kaptrial.estimators.fit import Failure
from tests import DATA
from tests.estimators.nasty import designs, is_estimate_or_failure

R = json.loads((DATA / "reference.json").read_text())["two_arm_response_day56"]


def random_trials(rng, n_arms, p, n=60):
    arm = rng.permutation(np.arange(n) % n_arms)[None, :]
    x = rng.normal(50, 10, (1, n, p))
    y = (rng.random((1, n)) < expit(0.5 * arm - 0.5 + 0.05 * (x - 50).sum(axis=-1))).astype(float)
    y[rng.random((1, n)) < 0.05] = np.nan
    return y, arm, x


def design(y, arm, x, n_arms):
    seen = np.isfinite(y) & np.isfinite(x).all(axis=1)
    return y[seen], np.column_stack([arm[seen, None] == np.arange(n_arms), x[seen]]).astype(float)


def by_optimiser(y, arm, x, n_arms, firth=False):
    """Readable reference: coefficients at the minimum of minus the log likelihood, their covariance, the design."""
    y, columns = design(y, arm, x, n_arms)
    centre = np.concatenate([np.zeros(n_arms), columns[:, n_arms:].mean(axis=0)])
    columns = columns - centre  # covariates' origin changes neither contrasts nor risks

    def information(b):
        p = expit(columns @ b)
        return columns.T @ (columns * (p * (1 - p))[:, None])

    def target(b):
        penalty = 0.5 * np.linalg.slogdet(information(b))[1] if firth else 0.0
        return np.logaddexp(0.0, (1 - 2 * y) * (columns @ b)).sum() - penalty

    b = minimize(target, np.zeros(columns.shape[1]), method="BFGS", options={"gtol": 1e-7}).x
    for _ in range(5 if not firth else 0):  # BFGS leaves a few digits to Newton
        b = b + np.linalg.solve(information(b), columns.T @ (y - expit(columns @ b)))
    return b, np.linalg.inv(information(b)), columns, y


def standardised(b, covariance, columns, y, weights, sampled):
    """Readable reference: the contrast of standardised risks and its SE by either formula."""
    n_arms, n = len(weights), len(y)
    counterfactual = []
    for a in range(n_arms):
        everyone = columns.copy()
        everyone[:, :n_arms] = np.arange(n_arms) == a
        counterfactual.append(everyone)
    risk = np.array([expit(c @ b) for c in counterfactual])
    slopes = risk * (1 - risk)
    gradient = sum(weights[a] * (slopes[a, :, None] * counterfactual[a]).mean(axis=0) for a in range(n_arms))
    contribution = np.asarray(weights) @ risk
    if not sampled:
        return contribution.mean(), np.sqrt(gradient @ covariance @ gradient)
    score = (y - expit(columns @ b))[:, None] * columns
    influence = contribution - contribution.mean() + n * score @ covariance @ gradient
    return contribution.mean(), np.sqrt((influence**2).sum()) / n


@pytest.mark.parametrize("weights", [[-1.0, 1.0], [1.0, -1.0, -1.0, 1.0]])
def test_equals_a_general_optimiser(weights):
    rng = np.random.default_rng(1)
    fitted = 0
    for _ in range(120):
        y, arm, x = random_trials(rng, len(weights), int(rng.integers(0, 4)))
        result = logistic(y, arm, x, weights)
        odds = result.log_odds_ratio
        if odds.failure[0]:
            continue
        fitted += 1
        reference = by_optimiser(y[0], arm[0], x[0], len(weights))
        contrast = np.concatenate([weights, np.zeros(x.shape[2])])
        expected = contrast @ reference[0], np.sqrt(contrast @ reference[1] @ contrast)
        np.testing.assert_allclose((odds.estimate[0], odds.se[0]), expected, rtol=1e-9, atol=1e-9)
        for sampled, risks in ((False, result.risk_difference), (True, result.risk_difference_random)):
            expected = standardised(*reference, weights, sampled)
            np.testing.assert_allclose((risks.estimate[0], risks.se[0]), expected, rtol=1e-9, atol=1e-9)
    assert fitted > 100


def test_firth_equals_a_general_optimiser():
    rng = np.random.default_rng(2)
    for _ in range(60):
        y, arm, x = random_trials(rng, 2, int(rng.integers(0, 3)), n=int(rng.integers(8, 30)))
        fit = logistic(y, arm, x, [-1.0, 1.0], firth=True).log_odds_ratio
        if fit.failure[0]:
            continue
        b, covariance, _, _ = by_optimiser(y[0], arm[0], x[0], 2, firth=True)
        se = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
        np.testing.assert_allclose((fit.estimate[0], fit.se[0]), (b[1] - b[0], se), rtol=2e-4, atol=2e-4)


def test_firth_at_twenty_an_arm_over_all_tables():
    n, events = 20, np.arange(21)
    y = np.array([[i < a for i in range(n)] + [i < b for i in range(n)] for a in events for b in events], dtype=float)
    arm = np.tile(np.repeat([0, 1], n), (len(y), 1))
    fit = logistic(y, arm, np.empty((*y.shape, 0)), [-1.0, 1.0], firth=True).log_odds_ratio
    rejects = np.reshape(np.nan_to_num(fit.p, nan=1.0) < 0.05, (n + 1, n + 1))

    def rejected(*shares: float) -> float:
        return float((rejects * np.outer(*(binom.pmf(events, n, share) for share in shares))).sum())

    # Exact power, by Wald's test .375.
    assert rejected(0.02, 0.30) == pytest.approx(0.768, abs=5e-4)
    errors = {share: rejected(share, share) for share in (0.02, 0.1, 0.16, 0.3, 0.5)}
    print(errors)
    assert max(errors.values()) <= 0.05
    assert min(error for share, error in errors.items() if share >= 0.1) >= 0.03
    # At .02 four events against none, the least that p < .05 takes, are rare.
    assert fit.p.reshape(n + 1, n + 1)[0, 3:5].round(3).tolist() == [0.096, 0.043]


def test_firth_of_a_table_adds_half_an_event_to_each_cell():
    y = np.array([[1.0] * 5 + [1.0] * 2 + [0.0] * 4])
    arm = np.array([[0] * 5 + [1] * 6])
    fit = logistic(y, arm, np.empty((1, 11, 0)), [-1.0, 1.0], firth=True).log_odds_ratio
    assert fit.estimate[0] == pytest.approx(np.log(2.5 / 4.5) - np.log(5.5 / 0.5), rel=1e-10)
    assert fit.se[0] == pytest.approx(np.sqrt(1 / (5 * 5.5 * 0.5 / 6**2) + 1 / (6 * 2.5 * 4.5 / 7**2)), rel=1e-10)


def read_response():
    table = csv.DictReader((DATA / "two_arm_monotone.csv").read_text().splitlines())
    rows = [r for r in table if r["day"] == "56" and r["score"]]
    baseline = np.array([float(r["baseline"]) for r in rows])
    y = np.array([float(r["score"]) for r in rows]) <= baseline / 2
    arm = np.array([r["arm"] == "ketamine_therapy" for r in rows])
    return y[None].astype(float), arm[None].astype(int), baseline[None, :, None]


def test_golden_response_of_r():
    y, arm, x = read_response()
    odds = logistic(y, arm, x, [-1, 1]).log_odds_ratio
    expected = R["log_odds_ratio"]
    assert odds.estimate[0] == pytest.approx(expected["estimate"], rel=1e-9)
    # R stops at a change in deviance of 1e-8 and takes the SE from the step before.
    assert odds.se[0] == pytest.approx(expected["se"], rel=1e-6)
    assert odds.p[0] == pytest.approx(expected["p"], rel=1e-6)
    risks = logistic(y, arm, x, [-1, 1]).risk_difference
    expected = R["standardised_risk_difference"]
    assert risks.estimate[0] == pytest.approx(expected["estimate"], rel=1e-9)
    assert risks.se[0] == pytest.approx(expected["se_delta_fixed_covariates"], rel=1e-6)


def test_without_covariates_it_is_the_table():
    y = np.array([[1.0, 0, 0, 0, 1, 1, 1, 0, 0, np.nan]])
    arm = np.array([[0, 0, 0, 0, 1, 1, 1, 1, 1, 1]])
    x = np.empty((1, 10, 0))
    odds = logistic(y, arm, x, [-1, 1]).log_odds_ratio
    assert odds.estimate[0] == pytest.approx(np.log(3 / 2) - np.log(1 / 3), rel=1e-13)
    assert odds.se[0] == pytest.approx(np.sqrt(1 / 1 + 1 / 3 + 1 / 3 + 1 / 2), rel=1e-12)
    risks = logistic(y, arm, x, [-1, 1]).risk_difference
    assert risks.estimate[0] == pytest.approx(3 / 5 - 1 / 4, rel=1e-13)
    assert risks.se[0] == pytest.approx(np.sqrt(0.6 * 0.4 / 5 + 0.25 * 0.75 / 4), rel=1e-12)
    assert odds.df[0] == risks.df[0] == np.inf


@pytest.mark.parametrize(
    ("y", "arm", "x"),
    [
        ([0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1], None),  # an arm without events
        ([1, 1, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1], None),  # an arm with nothing else
        ([0, 1, 0, 0, 1, 1], [0, 0, 0, 1, 1, 1], [1, 3, 1.5, 1, 3, 4]),  # a covariate that divides them all
        ([0, 1, 0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 1, 1, 1, 1], [1, 2, 2, 3, 1, 1.5, 1.5, 3]),  # all but the tied
    ],
)
def test_separation_is_named(y, arm, x):
    columns = np.empty((1, len(y), 0)) if x is None else np.array(x, dtype=float)[None, :, None]
    fit = logistic(np.array([y], dtype=float), np.array([arm]), columns, [-1, 1]).log_odds_ratio
    assert fit.failure[0] == Failure.SEPARATION
    assert np.isnan(fit.estimate[0])
    fit = logistic(np.array([y], float), np.array([arm]), columns, [-1, 1], firth=True).log_odds_ratio
    assert np.isfinite(fit.estimate[0])


def test_separation_agrees_with_linear_programming():
    """Konis (2007): the estimate of c'β runs away if c'δ ≠ 0 for a direction δ with (2y_i − 1) x_i'δ ≥ 0 for all i."""
    rng = np.random.default_rng(3)
    seen = {(False, False): 0, (False, True): 0, (True, True): 0}
    for _ in range(400):
        n_arms, n, p = int(rng.choice([2, 3])), int(rng.integers(6, 30)), int(rng.integers(0, 3))
        arm = rng.permutation(np.arange(n) % n_arms)[None, :]
        x = np.where(rng.random(p) < 0.7, rng.random((1, n, p)) < 0.3, rng.normal(size=(1, n, p))).astype(float)
        y = (rng.random((1, n)) < rng.choice([0.1, 0.2, 0.5])).astype(float)
        columns = np.column_stack([arm[0, :, None] == np.arange(n_arms), x[0]]).astype(float)
        if np.linalg.matrix_rank(columns) < columns.shape[1]:
            continue
        signed = columns * (2 * y[0] - 1)[:, None]

        def runs_away(contrast, signed=signed, n=n):
            bounds = [(-1, 1)] * len(contrast)
            far = [linprog(c, A_ub=-signed, b_ub=np.zeros(n), bounds=bounds).fun for c in (contrast, -contrast)]
            return min(far) < -1e-7

        contrasts = np.eye(n_arms + p)[1:n_arms] - np.eye(n_arms + p)[0]
        odds, risks = runs_away(contrasts[0]), any(map(runs_away, contrasts))
        result = logistic(y, arm, x, np.eye(n_arms)[1] - np.eye(n_arms)[0])
        assert (result.log_odds_ratio.failure[0] == Failure.SEPARATION) == odds
        assert (result.risk_difference.failure[0] == Failure.SEPARATION) == risks
        seen[odds, risks] += 1
    assert min(seen.values()) > 10


def test_a_centre_without_events_says_nothing():
    rng = np.random.default_rng(4)
    y, arm, _ = random_trials(rng, 2, 0)
    y[np.isnan(y)] = 0.0
    centre = np.repeat([0.0, 1.0], [48, 12])[None, :, None]
    y[0, 48:] = 0.0
    others = logistic(y[:, :48], arm[:, :48], centre[:, :48], [-1, 1])
    odds = logistic(y, arm, centre, [-1, 1]).log_odds_ratio
    assert odds.estimate[0] == pytest.approx(others.log_odds_ratio.estimate[0], rel=1e-12)
    assert odds.se[0] == pytest.approx(others.log_odds_ratio.se[0], rel=1e-12)
    risks = logistic(y, arm, centre, [-1, 1]).risk_difference
    assert risks.estimate[0] == pytest.approx(0.8 * others.risk_difference.estimate[0], rel=1e-12)
    assert risks.se[0] == pytest.approx(0.8 * others.risk_difference.se[0], rel=1e-12)


def test_an_arm_not_compared_may_be_uniform():
    rng = np.random.default_rng(5)
    y, arm, x = random_trials(rng, 3, 1)
    y[arm == 2] = 1.0
    two = arm[0] < 2
    fit = logistic(y, arm, x, [-1, 1, 0]).log_odds_ratio
    alone = logistic(y[:, two], arm[:, two], x[:, two], [-1, 1]).log_odds_ratio
    assert fit.estimate[0] == pytest.approx(alone.estimate[0], rel=1e-12)
    assert logistic(y, arm, x, [-1, 0, 1]).log_odds_ratio.failure[0] == Failure.SEPARATION


def test_the_influence_function_knows_the_sampling_of_covariates():
    """Its SE against the spread over 4,000 trials in which baseline and treatment interact, within 4 Monte Carlo SE."""
    rng = np.random.default_rng(6)
    arm = np.tile([0, 1], (4000, 100))
    x = rng.normal(size=(4000, 200, 1))
    y = (rng.random((4000, 200)) < expit(-0.3 + 1.5 * arm * x[..., 0] + arm)).astype(float)
    fit = logistic(y, arm, x, [-1, 1]).risk_difference_random
    spread = fit.estimate.std()
    assert np.sqrt((fit.se**2).mean()) == pytest.approx(spread, abs=4 * spread / np.sqrt(8000))


def test_nasty_data_give_an_estimate_or_a_named_failure():
    rng = np.random.default_rng(7)
    for arm, x, weights in designs(rng, 700):
        y = (rng.random(arm.shape) < rng.choice([0.0, 0.2, 0.5, 1.0])).astype(float)
        y[rng.random(arm.shape) < rng.choice([0.0, 0.3, 1.0], p=[0.5, 0.45, 0.05])] = np.nan
        for firth in (False, True):
            result = logistic(y, arm, x, weights, firth=firth)
            for fit in (result.log_odds_ratio, result.risk_difference, result.risk_difference_random):
                assert is_estimate_or_failure(fit), (y, arm, x)
        test = fisher(y, arm, [-1.0, 1.0] + [0.0] * (len(weights) - 2))
        assert np.isnan(test.p[0]) if test.failure[0] else 0 < test.p[0] <= 1


def test_y_must_be_binary():
    with pytest.raises(ValueError, match="0, 1 and NaN"):
        logistic(np.array([[0.0, 2.0]]), np.array([[0, 1]]), np.empty((1, 2, 0)), [-1, 1])


def test_fisher_equals_scipy():
    rng = np.random.default_rng(8)
    n_1, n_0 = rng.integers(1, 60, (2, 400))
    events_1, events_0 = rng.binomial(n_1, rng.random(400)), rng.binomial(n_0, rng.random(400))
    expected = [
        fisher_exact([[a, n - a], [b, m - b]]).pvalue for a, n, b, m in zip(events_1, n_1, events_0, n_0, strict=True)
    ]
    np.testing.assert_allclose(fisher_p(events_1, n_1, events_0, n_0), expected, rtol=1e-9)


def test_fisher_of_a_trial():
    y = np.array([[1.0, 1, 1, 0, 0, 0, 0, np.nan], [1.0, 1, 1, 1, np.nan, np.nan, np.nan, np.nan]])
    arm = np.array([[1, 1, 1, 1, 0, 0, 0, 0]] * 2)
    test = fisher(y, arm, [-1, 1])
    assert test.risk_difference[0] == pytest.approx(0.75)
    assert test.p[0] == pytest.approx(fisher_exact([[3, 1], [0, 3]]).pvalue)
    assert test.failure.tolist() == [Failure.NONE, Failure.TOO_FEW_PATIENTS]
    assert np.isnan(test.p[1])
    with pytest.raises(ValueError, match="two arms"):
        fisher(y, arm, [-2, 2])


def test_clopper_pearson_inverts_the_binomial_tails():
    for n in (1, 7, 40):
        k = np.arange(n + 1)
        lower, upper = clopper_pearson(k, n, 0.1)
        np.testing.assert_allclose(binom.sf(k[1:] - 1, n, lower[1:]), 0.05, rtol=1e-9)
        np.testing.assert_allclose(binom.cdf(k[:-1], n, upper[:-1]), 0.05, rtol=1e-9)
        assert (lower[0], upper[-1]) == (0.0, 1.0)
    assert np.isnan(clopper_pearson(0, 0)).all()
