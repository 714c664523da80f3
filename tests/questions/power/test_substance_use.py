"""Endpoints of days of use: laws of independent days, days by hand, files of simulated trials; what cannot be asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, ndtr

from kaptrial.api import power
from kaptrial.errors import ScenarioError
from kaptrial.estimators import days_of_use
from kaptrial.method_table import USE
from kaptrial.methods.prepared import event_counts, event_times, patient_endpoint
from kaptrial.questions.power.truth import truths
from kaptrial.scenario.files import build, with_settings
from kaptrial.simulation.simulate import simulate
from tests.builders import clean_raw, number

LAST, LEVEL, DELTA = 28, 1.0, 0.8
MEAN, DISPERSION, LOADING, HEAVY = 6.0, 0.5, 0.3, 5.0


def use_raw(**settings):
    """Days that are independent with one probability an arm: nothing varies within or between patients."""
    raw = clean_raw(n_per_arm=60, delta=0)
    none = number(0, "logit")
    raw["outcome"] = {
        "scale": "percent_abstinent_days",
        "amount": {
            "mean": number(MEAN, "drinks"),
            "dispersion": number(DISPERSION, "none"),
            "loading": number(LOADING, "none"),
            "heavy_from": HEAVY,
            "grams_per_drink": 10.0,
            "women": number(0.5, "share"),
        },
        "use": {"abstinent_last": 7, "relapse_days": 2, "risk_days": 14, "risk_levels": 1},
    }
    raw["population"]["baseline"] = number(LEVEL, "logit", sd=0)
    raw["drug"] = {"effect": "linear", "slope": none, "half_life": number(7, "day")}
    raw["therapies"]["shift"]["max_effect"] = number(DELTA, "logit")
    raw["arms"][1]["therapy"]["days"] = [0]
    raw["measurement"] = {"deviation_sd": none, "deviation_time_constant": number(14, "day"), "rater_sd": none}
    raw["design"] = {"n_per_arm": 60, "visits": [0, 14, LAST]}
    asked = [{"contrast": "treated - control", "day": LAST, "endpoint": endpoint} for endpoint in USE]
    raw["estimand"], raw["secondary"] = asked[0], asked[1:]
    del raw["analysis"]
    return with_settings(raw, settings)


def heavy(improvement):
    """The probability that a day of use is heavy."""
    log_mean = np.log(MEAN) - LOADING * improvement - DISPERSION**2 / 2
    return ndtr((log_mean - np.log(HEAVY)) / DISPERSION)


def expected_means():
    """Of each endpoint but the risk level, by arm: sums of independent days and geometric laws up to day 28."""
    means = {name: [] for name in USE if name != "risk_level_reduction"}
    for gain in (0.0, DELTA):
        p = float(expit(LEVEL + gain))
        q, h = 1 - p, (1 - p) * heavy(gain)
        means["days_used"].append(LAST * q)
        means["heavy_days"].append(LAST * h)
        means["drinks_per_day"].append(q * MEAN * np.exp(-LOADING * gain))
        means["abstinent_last"].append(p**7)
        for name, daily in (("time_to_first_use", q), ("time_to_first_heavy_day", h)):
            means[name].append(sum((1 - daily) ** day for day in range(LAST)))
        # Of two days of use running: the chance of none so far, whether or not the last day was one of use.
        clear, used, total = 1.0, 0.0, 0.0
        for _ in range(LAST):
            total += clear + used
            clear, used = p * (clear + used), q * clear
        means["time_to_confirmed_relapse"].append(total)
    return means


def test_independent_days_have_their_laws():
    s = build(use_raw())
    by_name = dict(zip(USE, truths(s, seed=3, blocks=1), strict=True))
    for name, means in expected_means().items():
        truth = by_name[name]
        errors = 4 * np.sqrt(np.diag(truth.arm_covariance))
        assert (np.abs(np.array(truth.arm_means) - means) < errors).all(), name
        assert abs(truth.value - (means[1] - means[0])) < 4 * truth.mcse, name
    for name in ("days_used", "heavy_days"):
        value, error = by_name[name].measures["log_rate_ratio"]
        control, treated = expected_means()[name]
        assert abs(value - np.log(treated / control)) < 4 * error


@pytest.mark.parametrize("afterwards", ["off_treatment", "as_reference"])
def test_what_comes_after_dropout_changes_no_day_before(afterwards):
    """Nor any day of those who stay; the therapy of those who leave is what the arms differ in."""
    gone = {"conduct": {"dropout": {"hazard": number(0.02, "per_day"), "afterwards": afterwards}}}
    staying, leaving = (simulate(build(use_raw(**settings)), seed=2, replicates=128) for settings in ({}, gone))
    dropout_day = np.where(np.isnan(leaving.score), leaving.days, np.inf).min(axis=-1)  # of the visits that are missed
    last_seen = np.where(np.isinf(dropout_day), np.inf, np.where(dropout_day == LAST, 14, 0))
    before = np.arange(1, LAST + 1) <= last_seen[..., None]
    assert 0.3 < np.isinf(dropout_day).mean() < 0.8
    np.testing.assert_array_equal(leaving.used[before], staying.used[before])
    changed = (leaving.used != staying.used) & (leaving.arm == 1)[..., None]
    assert changed[~before].any() == (afterwards == "as_reference")  # a session on day 0 cannot be taken back


def test_the_first_use_is_geometric():
    """The share without use after each day is p to its power: 4 standard errors of 7,680 patients."""
    s = build(use_raw())
    trials = simulate(s, seed=2, replicates=128)
    estimand = replace(s.estimand, endpoint="time_to_first_use")
    time, event = event_times(trials, trials.score, s, estimand)
    for arm, gain in enumerate((0.0, DELTA)):
        own, seen = time[trials.arm == arm], event[trials.arm == arm]
        for day in (1, 2, 5, 10):
            p = expit(LEVEL + gain) ** day
            share = ((own > day) | ((own == day) & ~seen)).mean()
            assert abs(share - p) < 4 * np.sqrt(p * (1 - p) / own.size)


def test_the_days_are_those_that_the_percent_is_of():
    """With everything varying, dropout, and an amount or none."""
    varying = {
        "population.baseline.sd": 1.0,
        "measurement.deviation_sd.value": 1.0,
        "conduct": {"dropout": {"hazard": number(0.02, "per_day")}},
    }
    s = build(use_raw(**varying))
    trials = simulate(s, seed=4, replicates=2)
    seen = days_of_use.days_seen(trials.score, trials.days)
    assert trials.used is not None
    for visit, days in ((1, slice(0, 14)), (2, slice(14, 28))):
        percent = 100 * (1 - trials.used[..., days].mean(axis=-1))
        known = np.isfinite(trials.score[..., visit])
        np.testing.assert_allclose(percent[known], trials.score[..., visit][known], atol=1e-12)
        np.testing.assert_array_equal(seen[..., days], np.repeat(known[..., None], 14, axis=-1))
    count, exposure = event_counts(trials, trials.score, s, s.estimand)
    complete = patient_endpoint(trials, trials.score, s, s.estimand)
    np.testing.assert_array_equal(np.isnan(complete), ~(exposure == LAST))
    np.testing.assert_array_equal(complete[exposure == LAST], count[exposure == LAST])
    assert set(np.unique(exposure[np.isfinite(exposure)])) == {14.0, 28.0}
    unasked = build(use_raw(**varying, **{"estimand.endpoint": "percent_abstinent_days", "secondary": []}))
    other = simulate(unasked, seed=4, replicates=2)
    np.testing.assert_array_equal(other.score, trials.score)
    assert other.used is None


def test_a_missing_day_is_one_of_use_where_that_is_said():
    used = np.zeros((1, 3, 6), dtype=bool)
    used[0, 1, 1] = used[0, 2, 5] = True
    seen = np.ones_like(used)
    seen[0, 0, 3:] = False
    assert days_of_use.abstinent_last(used, seen, 6, 3)[0].tolist() == pytest.approx([np.nan, 1, 0], nan_ok=True)
    assert days_of_use.abstinent_last(used, seen, 3, 2)[0].tolist() == [1, 0, 1]
    for unseen, expected in ((False, ([3, 2, 6], [False, True, True])), (True, ([4, 2, 6], [True, True, True]))):
        time, event = days_of_use.first_day(used, seen, 0, 6, unseen_is_event=unseen)
        assert (time[0].tolist(), event[0].tolist()) == expected
    time, event = days_of_use.first_day(used, seen, 2, 5)
    assert (time[0].tolist(), event[0].tolist()) == ([1, 3, 3], [False, False, False])
    lost = {"conduct": {"dropout": {"hazard": number(0.05, "per_day")}}, "secondary": []}
    asked = {"estimand.endpoint": "abstinent_last", "analysis": {"missing_response": "failure"}}
    s = build(use_raw(**lost, **asked))
    trials = simulate(s, seed=1, replicates=4)
    y = patient_endpoint(trials, trials.score, s, s.estimand)
    assert np.isfinite(y).all()
    assert (y[np.isnan(trials.score[..., -1])] == 0).all()


def test_runs_and_risk_levels_by_hand():
    used = np.array([[[1, 1, 0, 1, 1, 1]]], dtype=bool)
    assert days_of_use.run_ends(used, 2)[0, 0].tolist() == [False, True, False, False, True, True]
    grams = np.array([0, 20, 20.5, 40, 60, 61, 100, 101, np.nan])
    men = days_of_use.risk_level(grams, np.zeros(9, dtype=bool))
    women = days_of_use.risk_level(grams, np.ones(9, dtype=bool))
    assert men.tolist() == pytest.approx([0, 1, 1, 1, 2, 3, 3, 4, np.nan], nan_ok=True)
    assert women.tolist() == pytest.approx([0, 1, 2, 2, 3, 4, 4, 4, np.nan], nan_ok=True)


def test_risk_levels_fall_with_drinking():
    s = build(use_raw(**{"population.baseline": number(-2.0, "logit", sd=0), "therapies.shift.max_effect.value": 3.0}))
    trials = simulate(s, seed=1, replicates=8)
    fell = patient_endpoint(trials, trials.score, s, replace(s.estimand, endpoint="risk_level_reduction"))
    # 88 % of days of 6 drinks of 10 g are level 2 of men and 3 of women; 27 % of 2.4 drinks are level 1.
    assert fell[trials.arm == 1].mean() > 0.95
    assert fell[trials.arm == 0].mean() < 0.3
    assert 0.4 < trials.is_woman.mean() < 0.6


def test_power_of_all_of_them_and_their_type_i_error():
    """256 trials: rejections without the therapy within 4 standard errors of .05, firth's a little below."""
    results = power(use_raw(), replicates=256)
    rows = {(row.question.endpoint, row.metric): row for row in results.rows}
    methods = {row.question.endpoint: row.question.analysis for row in results.rows}
    assert methods["days_used"] == "counts"
    assert methods["time_to_first_use"] == "logrank"
    for endpoint in USE:
        wrong = rows[endpoint, "type_i_error"].value
        assert abs(wrong - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 256), endpoint
        assert rows[endpoint, "power"].favours == "a"
    for endpoint in ("days_used", "heavy_days", "time_to_first_use", "abstinent_last"):
        assert rows[endpoint, "power"].value > 0.5
    assert abs(rows["days_used", "bias"].value) < 4 * rows["days_used", "bias"].mcse + 0.005


@pytest.mark.parametrize(("settings", "line"), [
    ({"outcome.amount": None, "secondary": [], "estimand.endpoint": "heavy_days"}, "outcome.amount is missing"),
    ({"outcome.amount.heavy_from": None}, "outcome.amount.heavy_from is missing: heavy_days needs it"),
    ({"outcome.use.relapse_days": None}, "outcome.use.relapse_days is missing: time_to_confirmed_relapse needs it"),
    ({"outcome.use.abstinent_last": 60}, "outcome.use.abstinent_last = 60: must be at most 28"),
    ({"outcome.use.risk_levels": 5}, "outcome.use.risk_levels = 5"),
    ({"estimand.endpoint": "response", "secondary": []}, "with the scale percent_abstinent_days must be"),
    ({"outcome.amount.mean.unit": "points"}, "outcome.amount.mean.unit = 'points': must be drinks"),
    ({"outcome.scale": "MADRS"}, "outcome.amount = 'given': goes with percent_abstinent_days"),
])  # fmt: skip
def test_what_cannot_be_asked_is_one_line(settings, line):
    with pytest.raises(ScenarioError) as error:
        build(use_raw(**settings))
    assert any(line in each for each in str(error.value).splitlines()), str(error.value)
