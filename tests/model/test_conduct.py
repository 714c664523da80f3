"""Missed and stopped treatment, hazards, rescue, and the rise and fade of expectancy."""

from __future__ import annotations

import numpy as np

from kaptrial.model import conduct, expectancy

NEVER = np.array([[np.inf]])


def taken(u, *, day, n_doses=0, miss=0.2, stop_doses=NEVER, stop_sessions=NEVER):
    """One patient of one arm."""
    day = np.array([day], dtype=float)
    arm = np.zeros((1, 1), dtype=np.int64)
    return conduct.treatment_taken(
        np.array([[u]]), arm, day, np.array([n_doses]), np.full(day.shape, miss), stop_doses, stop_sessions
    )


def test_an_event_is_attended_if_not_missed_and_not_after_its_stop():
    attended, missed = taken([0.1, 0.3, 0.9, 0.9], day=[0, 2, 4, 7], stop_sessions=np.array([[4.0]]))
    np.testing.assert_array_equal(attended[0, 0], [False, True, True, False])
    assert np.isinf(missed[0, 0])  # sessions are not infusions
    attended, missed = taken([0.9, 0.1, 0.9, 0.9], day=[0, 2, 4, 7], n_doses=3, stop_doses=np.array([[3.0]]))
    np.testing.assert_array_equal(attended[0, 0], [True, False, False, True])
    assert missed[0, 0] == 2


def test_the_first_session_is_the_first_attended():
    attended, _ = taken([0.9, 0.1, 0.9, 0.9], day=[0, 2, 4, 7], n_doses=1)
    arm, day = np.zeros((1, 1), dtype=np.int64), np.array([[0.0, 2.0, 4.0, 7.0]])
    assert conduct.first_session(attended, arm, day, np.array([1]))[0, 0] == 4
    assert np.isinf(conduct.first_session(attended & False, arm, day, np.array([1])))[0, 0]


def test_certain_and_impossible_misses():
    u = np.random.default_rng(0).random(10_000)
    assert taken(u, day=np.zeros(10_000), miss=0.0)[0].all()
    assert not taken(u, day=np.zeros(10_000), miss=1.0)[0].any()


def test_stopping_follows_a_constant_hazard():
    e = np.random.default_rng(1).exponential(size=100_000)
    day = conduct.stop_days(e, np.full(e.shape, 0.02), 7.0)
    assert day.min() >= 7
    gone = 1 - np.exp(-0.02 * 30)
    assert abs((day <= 37).mean() - gone) < 4 * np.sqrt(gone * (1 - gone) / len(e))  # 4 binomial SE
    assert np.isinf(conduct.stop_days(e[:5], np.zeros(5), 7.0)).all()


def test_hazard_ratio_is_exponential_in_points_and_bounded():
    ratio = conduct.hazard_ratio(0.1, np.array([20.0, 30.0, 40.0, 1e6, -1e6]), 30.0)
    np.testing.assert_allclose(ratio, np.exp([-1, 0, 1, 50, -50]), rtol=1e-14)  # one exp each


def test_rescue_starts_at_its_day_rises_and_wears_off():
    gained = conduct.rescue_improvement(np.array([-3.0, 0.0, 7.0, 14.0, 70.0]), 8.0, 7.0, 14.0)
    rise, left = 1 - np.exp([-1.0, -2.0, -10.0]), np.array([np.sqrt(0.5), 1 / 2, 1 / 32])
    np.testing.assert_allclose(gained, [0, 0, *(8 * rise * left)], rtol=1e-14, atol=0)
    lasting = conduct.rescue_improvement(np.array([1e4]), 8.0, 7.0, 1e9)
    np.testing.assert_allclose(lasting, 8, rtol=1e-5)  # 1 − 2^−1e-5


def test_rescue_that_never_happened_does_nothing():
    assert conduct.rescue_improvement(np.array([-np.inf]), 8.0, 7.0, 14.0) == 0


def test_expectancy_rises_and_fades_from_its_start():
    days = np.array([0.0, 7.0, 8.0, 21.0])
    shape = expectancy.rise_and_fade(days, 7.0, 1.0, 14.0)
    np.testing.assert_allclose(shape, [0, 0, (1 - np.exp(-1)) * 2 ** (-1 / 14), (1 - np.exp(-14)) / 2], rtol=1e-14)


def test_each_dose_renews_belief():
    """From the first dose on it rises, from the latest before each visit it fades; a dose on the day comes after."""
    days, given = np.array([0.0, 1.0, 7.0, 8.0, 30.0]), np.array([0.0, 7.0, 14.0])
    shape = expectancy.renewed(days, given, 2.0, 10.0)
    latest = [0.0, 0.0, 0.0, 7.0, 14.0]
    wanted = [(1 - np.exp(-t / 2)) * 0.5 ** ((t - d) / 10) for t, d in zip(days, latest, strict=True)]
    np.testing.assert_allclose(shape, wanted, rtol=1e-12)
    once = np.array([3.0])
    np.testing.assert_array_equal(
        expectancy.renewed(days, once, 2.0, 10.0), expectancy.rise_and_fade(days, 3.0, 2.0, 10.0)
    )


def test_those_who_do_not_hope_are_disappointed():
    gained = expectancy.expectancy(np.array([[True, False]]), np.array([0.0, 0.5]), 4.0, 2.0)
    np.testing.assert_array_equal(gained, [[[0, 2], [0, -1]]])
