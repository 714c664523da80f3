"""One arm: intervals as in textbooks, sizes against simulation and direct search."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binom, binomtest, t, ttest_1samp

from kaptrial.estimators.clopper_pearson import clopper_pearson
from kaptrial.estimators.fit import Failure
from kaptrial.estimators.precision import (
    assurance_of_mean,
    expected_half_width_of_mean,
    expected_half_width_of_share,
    size_for_mean,
    size_for_share,
)
from kaptrial.estimators.single_arm import mean_change, response
from tests import DATA
from tests.estimators.nasty import is_estimate_or_failure

R = json.loads((DATA / "reference.json").read_text())


def test_mean_change_is_the_one_sample_t():
    rng = np.random.default_rng(1)
    change = rng.normal(-6, 9, (50, 12))
    change[rng.random(change.shape) < 0.2] = np.nan
    fit = mean_change(change)
    for r in range(50):
        expected = ttest_1samp(change[r][~np.isnan(change[r])], 0.0)
        assert fit.statistic[r] == pytest.approx(expected.statistic, rel=1e-10)
        assert fit.p[r] == pytest.approx(expected.pvalue, rel=1e-10)
        interval = expected.confidence_interval(0.9)
        np.testing.assert_allclose([end[r] for end in fit.interval(0.1)], interval, rtol=1e-9)


def test_failures_are_named():
    change = np.array([[1.0, np.nan, np.nan], [2.0, 2.0, 2.0], [np.nan] * 3, [1.0, 2.0, 4.0]])
    fit = mean_change(change)
    expected = [Failure.TOO_FEW_PATIENTS, Failure.NO_RESIDUAL_VARIANCE, Failure.TOO_FEW_PATIENTS, Failure.NONE]
    assert fit.failure.tolist() == expected
    share = response(np.array([[np.nan, np.nan], [1.0, np.nan], [0.0, 1.0]]))
    assert share.failure.tolist() == [Failure.TOO_FEW_PATIENTS, Failure.NONE, Failure.NONE]
    assert np.isnan([share.estimate[0], share.se[0], *(end[0] for end in share.interval(0.05))]).all()
    assert share.estimate.tolist()[1:] == [1.0, 0.5]


def test_nasty_changes_give_an_estimate_or_a_named_failure():
    rng = np.random.default_rng(2)
    for _ in range(500):
        change = rng.choice([0.0, 1e-9, 1.0, 1e9], 1) * rng.normal(size=(1, rng.integers(1, 6)))
        change += rng.choice([0.0, 1e6])
        change[rng.random(change.shape) < 0.3] = np.nan
        assert is_estimate_or_failure(mean_change(change))


def test_response_has_the_exact_interval():
    share = response(np.array([[1.0] * 14 + [0.0] * 6 + [np.nan]]))
    lower, upper = share.interval(0.05)
    expected = R["share_of_14_in_20"]
    assert (lower[0], upper[0]) == pytest.approx((expected["lower"], expected["upper"]), rel=1e-9)


def test_a_benchmark_moves_the_test_and_not_the_interval():
    change = np.random.default_rng(4).normal(-6, 9, (20, 15))
    plain, against = mean_change(change), mean_change(change, -4.0)
    np.testing.assert_allclose(against.p, ttest_1samp(change, -4.0, axis=1).pvalue, rtol=1e-10)
    np.testing.assert_array_equal(against.interval(0.05), plain.interval(0.05))
    np.testing.assert_allclose(against.departure, plain.estimate + 4.0)


@pytest.mark.parametrize("benchmark", [0.02, 0.3, 0.5, 0.9])
def test_the_exact_test_rejects_where_the_exact_interval_leaves_the_benchmark_out(benchmark):
    n = 17
    y = (np.arange(n) < np.arange(n + 1)[:, None]).astype(float)  # 0 to n responders
    share = response(y, benchmark)
    for k, p in enumerate(share.p):
        tails = [binomtest(k, n, benchmark, alternative=side).pvalue for side in ("less", "greater")]
        assert p == pytest.approx(min(1.0, 2 * min(tails)), rel=1e-10)
    for alpha in (0.01, 0.05, 0.2):
        lower, upper = share.interval(alpha)
        np.testing.assert_array_equal(share.p < alpha, (benchmark < lower) | (benchmark > upper))
    assert np.isnan(response(y).p).all()  # nothing asked, nothing tested
    assert np.isnan(response(np.full((1, 3), np.nan), benchmark).p).all()


def test_expected_half_width_and_assurance_of_a_mean_agree_with_simulation():
    rng = np.random.default_rng(3)
    for n in (2, 5, 30):
        half = t.ppf(0.975, n - 1) * rng.normal(0, 9, (40_000, n)).std(axis=1, ddof=1) / np.sqrt(n)
        error = half.std() / np.sqrt(len(half))
        assert expected_half_width_of_mean(n, 9.0) == pytest.approx(half.mean(), abs=4 * error)
        w = np.quantile(half, 0.7)
        assert assurance_of_mean(n, w, 9.0) == pytest.approx(0.7, abs=4 * np.sqrt(0.21 / len(half)))


@pytest.mark.parametrize(("w", "sd"), [(3.0, 9.0), (0.5, 1.0), (20.0, 5.0), (0.2, 3.0)])
def test_size_for_a_mean_is_the_first_that_is_enough(w, sd):
    n = np.arange(2, 3000)
    assert size_for_mean(w, sd) == n[np.argmax(expected_half_width_of_mean(n, sd) <= w)]
    assert size_for_mean(w, sd, assurance=0.9) == n[np.argmax(assurance_of_mean(n, w, sd) >= 0.9)]
    assert size_for_mean(w, sd, assurance=0.9) >= size_for_mean(w, sd)


def test_expected_half_width_of_a_share_is_the_sum_over_the_binomial():
    for n, share in ((1, 0.3), (25, 0.5), (80, 0.02), (30, 0.0), (30, 1.0)):
        lower, upper = clopper_pearson(np.arange(n + 1), n)
        expected = binom.pmf(np.arange(n + 1), n, share) @ (upper - lower) / 2
        assert expected_half_width_of_share(n, share) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.98])
def test_size_for_a_share_is_the_first_that_is_enough(share):
    for w in (0.3, 0.12, 0.07):
        widths = [expected_half_width_of_share(n, share) for n in range(1, 400)]
        enough = np.array(widths) <= w
        assert size_for_share(w, share) == 1 + np.argmax(enough)
        assert enough[np.argmax(enough) :].all()


def test_what_cannot_be_reached_is_refused():
    with pytest.raises(ValueError, match="ten million"):
        size_for_mean(1e-9, 1.0)
