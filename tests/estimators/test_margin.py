"""Non-inferiority: the tests are the ends of intervals, and the closed form on known numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, t

from kaptrial.estimators.fit import Fit
from kaptrial.estimators.margin import non_inferior


def fit(estimate, se, df):
    estimate = np.atleast_1d(np.asarray(estimate, dtype=float))
    ones = np.ones_like(estimate)
    return Fit(estimate=estimate, se=se * ones, df=df * ones, failure=np.where(np.isnan(estimate), 1, 0))


def test_it_is_the_end_of_the_interval():
    rng = np.random.default_rng(1)
    example = fit(rng.normal(0, 3, 500), 1.5, 40.0)
    lower, upper = example.interval(0.05)
    assert (non_inferior(example, 2.0, better="lower")[0] == (upper <= 2.0)).all()
    assert (non_inferior(example, 2.0, better="higher")[0] == (lower >= -2.0)).all()
    lower, upper = example.interval(0.1)
    shown = non_inferior(example, 2.0, better="lower", alpha_one_sided=0.05)[0]
    assert (shown == (upper <= 2.0)).all()
    assert shown.any()
    assert not shown.all()


def test_known_numbers():
    assert non_inferior(fit(0.5, 1.0, np.inf), 2.0, better="lower")[1][0] == pytest.approx(norm.cdf(-1.5))
    assert non_inferior(fit(0.5, 1.0, 7.0), 2.0, better="higher")[1][0] == pytest.approx(t.cdf(-2.5, 7))


def test_a_negative_margin_asks_for_superiority_by_it():
    example = fit(-3.0, 1.0, np.inf)
    assert non_inferior(example, -1.0, better="lower")[1][0] == pytest.approx(norm.cdf(-2.0))
    assert non_inferior(example, 0.0, better="lower")[1][0] == pytest.approx(example.p[0] / 2)


def test_a_failed_fit_shows_nothing():
    rejects, p = non_inferior(fit(np.nan, np.nan, np.nan), 100.0, better="lower")
    assert not rejects[0]
    assert np.isnan(p[0])


def test_level_at_the_margin_is_alpha():
    rng = np.random.default_rng(2)
    at_margin = fit(rng.normal(2.0, 1.0, 100_000), 1.0, np.inf)
    share = non_inferior(at_margin, 2.0, better="lower")[0].mean()
    assert share == pytest.approx(0.025, abs=4 * np.sqrt(0.025 * 0.975 / 100_000))
