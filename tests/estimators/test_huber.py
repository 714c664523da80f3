"""The robust scale within arms: the SD at the normal, unmoved by a few impossible values, and what it gives up on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from kaptrial.estimators.huber import AT_NORMAL, K, pooled_scale

ARM = np.arange(80) % 4


def sd_within(y, arm):
    return np.sqrt(sum(((y[arm == a] - y[arm == a].mean()) ** 2).sum() for a in range(4)) / (len(y) - 4))


def test_is_the_sd_on_average_at_the_normal():
    rng = np.random.default_rng(1)
    drawn = 3 * rng.standard_normal((2000, 80)) + 5 * ARM
    scales = np.array([pooled_scale(y, ARM, 4)[1] for y in drawn])
    sds = np.array([sd_within(y, ARM) for y in drawn])
    # Variances, which the SD has without bias.
    error = (scales**2).std() / np.sqrt(2000)
    assert np.mean(scales) == pytest.approx(3, abs=4 * scales.std() / np.sqrt(2000))
    assert np.mean(scales**2) == pytest.approx(np.mean(sds**2), abs=0.01 * 9 + 4 * error)
    # The SD's efficiency over that of the scale is 1/.885 in large samples.
    assert scales.var() / sds.var() == pytest.approx(1 / 0.885, rel=0.12)


def test_solves_its_equations():
    y = np.random.default_rng(2).standard_t(3, 80) + ARM
    location, scale = pooled_scale(y, ARM, 4)

    def equations(at):
        psi = np.clip((y - at[:4][ARM]) / np.exp(at[4]), -K, K)
        return [*np.bincount(ARM, psi), (psi**2).sum() - 76 * AT_NORMAL]

    root = optimize.root(equations, np.append([0.0, 1, 2, 3], 0.0), tol=1e-12).x
    np.testing.assert_allclose(np.append(location, np.log(scale)), root, atol=1e-7)


def test_two_impossible_values_hardly_move_it():
    y = np.random.default_rng(3).standard_normal(80) + ARM
    odd = y.copy()
    odd[[7, 11]] = 50.0, -40.0
    farther = odd * np.where(np.abs(odd) > 30, 100, 1)
    clean, moved, again = (pooled_scale(v, ARM, 4)[1] for v in (y, odd, farther))
    assert moved / clean < 1.12
    assert again == pytest.approx(moved, rel=1e-9)
    assert sd_within(odd, ARM) / clean > 6


def test_is_the_sd_where_over_half_are_equal():
    y = np.where(np.arange(80) < 60, 0.0, np.random.default_rng(4).normal(5, 1, 80))
    assert pooled_scale(y, ARM, 4)[1] == pytest.approx(sd_within(y, ARM))


def test_missing_values_and_too_few():
    y = np.random.default_rng(5).standard_normal(80)
    gaps = np.where(np.arange(80) < 8, np.nan, y)
    assert pooled_scale(gaps, ARM, 4)[1] == pooled_scale(y[8:], ARM[8:], 4)[1]
    assert np.isnan(pooled_scale(y[:4], ARM[:4], 4)[1])
