"""Counts of events: Poisson and negative binomial laws, power by a closed form, exposure under dropout, files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import poisson as library

from kaptrial.api import power
from kaptrial.errors import ScenarioError
from kaptrial.methods.from_file import analyse
from kaptrial.methods.options import Options
from kaptrial.methods.prepared import event_counts, patient_endpoint
from kaptrial.methods.simulated import estimate
from kaptrial.model.counts import poisson
from kaptrial.questions.power.execution import Job, run
from kaptrial.questions.power.truth import truths
from kaptrial.scenario.files import build, with_settings
from kaptrial.simulation.simulate import simulate
from tests.builders import clean_raw, number

LAST, PERIOD, RATE, DELTA = 180, 90, 1.5, 0.35


def counts_raw(n_per_arm=150, **settings):
    """Admissions at a rate of 1.5 in 90 days, which the therapy lowers by 30 % at once; patients differ by `sd`."""
    raw = clean_raw(n_per_arm=n_per_arm, delta=0)
    none = number(0, "log")
    raw["outcome"] = {
        "scale": {
            "id": "admissions", "label": "Admissions to hospital", "better": "lower", "kind": "count",
            "period_days": PERIOD, "source": "definition",
        }
    }  # fmt: skip
    raw["population"]["baseline"] = number(float(np.log(RATE)), "log", sd=0.5)
    raw["drug"] = {"effect": "linear", "slope": none, "half_life": number(7, "day")}
    raw["therapies"]["shift"]["max_effect"] = number(DELTA, "log")
    raw["arms"][1]["therapy"]["days"] = [0]
    raw["measurement"] = {
        "deviation_sd": none, "deviation_time_constant": number(14, "day"), "rater_sd": none,
        "baseline_period_days": PERIOD,
    }  # fmt: skip
    raw["design"] = {"n_per_arm": n_per_arm, "visits": [0, 30, 90, LAST]}
    raw["estimand"] = {"contrast": "treated - control", "day": LAST, "endpoint": "count"}
    raw["analysis"] = {"methods": ["negative_binomial"], "covariates": []}
    return with_settings(raw, settings)


def test_the_inverse_of_poisson_is_that_of_scipy():
    rng = np.random.default_rng(1)
    u, mean = rng.random((40, 50)), rng.choice([0.0, 1e-9, 0.3, 4.0, 60.0, 499.0, 900.0], (40, 50))
    u[0, :3] = 0.0, 1 - 1e-16, np.nextafter(1, 0)
    np.testing.assert_array_equal(poisson(u, mean)[1:], library.ppf(u, mean).clip(0)[1:])
    assert np.isfinite(poisson(u, mean)).all()


def test_counts_have_the_mean_and_variance_of_their_law():
    """Log-normal rates: mean μ exp(σ²/2), variance that and its square times exp(σ²) − 1."""
    s = build(counts_raw())
    trials = simulate(s, seed=1, replicates=128)
    y = patient_endpoint(trials, trials.score, s, s.estimand)
    for arm, gain in enumerate((0.0, DELTA)):
        own = y[trials.arm == arm]
        mean = RATE * LAST / PERIOD * np.exp(-gain + 0.5**2 / 2)
        variance = mean + mean**2 * np.expm1(0.5**2)
        assert abs(own.mean() - mean) < 4 * np.sqrt(variance / own.size)
        assert own.var() == pytest.approx(variance, rel=0.05)
    before = trials.baseline
    assert before.mean() == pytest.approx(RATE * np.exp(0.5**2 / 2), rel=0.02)
    (truth,) = truths(s, seed=2)
    value, error = truth.measures["log_rate_ratio"]
    assert abs(value + DELTA) < 4 * error


def test_exposure_is_the_days_that_visits_counted():
    s = build(counts_raw(**{"conduct": {"dropout": {"hazard": number(0.01, "per_day")}}}))
    trials = simulate(s, seed=1, replicates=4)
    count, exposure = event_counts(trials, trials.score, s, s.estimand)
    seen = np.isfinite(trials.score[..., 1:])
    np.testing.assert_array_equal(np.nan_to_num(exposure), seen @ np.array([30.0, 60.0, 90.0]))
    np.testing.assert_array_equal(count, np.nansum(trials.score[..., 1:], axis=-1))
    assert (~seen[..., 0]).any()


def test_power_and_its_file_are_one_estimator(tmp_path):
    s = build(counts_raw(60, **{"conduct": {"dropout": {"hazard": number(0.005, "per_day")}}}))
    trials = simulate(s, seed=3, replicates=1)
    count, exposure = (each[0] for each in event_counts(trials, trials.score, s, s.estimand))
    arms = np.array(trials.arms)[trials.arm[0]]
    frame = pd.DataFrame({"patient": np.arange(count.size), "arm": arms, "count": count, "exposure": exposure})
    frame[np.isfinite(exposure)].to_csv(tmp_path / "data.csv", index=False)
    fit = estimate(trials, s, s.estimand, "counts")
    row = analyse(tmp_path / "data.csv", "negative_binomial", Options(reference="control")).flat()[0]
    assert row["estimate"] == pytest.approx(fit.estimate[0], abs=1e-10)
    assert row["se"] == pytest.approx(fit.se[0], abs=1e-10)


def expected_power(n, dispersion):
    """Zhu & Lakkis (2014, Stat Med 33:376-387) with equal exposure: V = (1/μ0 + 1/μ1) + 2k, Wald."""
    mean = RATE * LAST / PERIOD * np.exp(0.5**2 / 2)
    se = np.sqrt((1 / mean + np.exp(DELTA) / mean + 2 * dispersion) / n)
    z = float(ndtri(0.975))
    return float(ndtr(DELTA / se - z) + ndtr(-DELTA / se - z))


@pytest.mark.parametrize("n", [60, 150])
def test_power_is_that_of_the_closed_form(n):
    """512 trials; the closed form and rates that are log-normal, not gamma, agree within 4 standard errors."""
    (fits,) = run([Job(scenario=build(counts_raw(n)), seed=1, replicates=512)])
    (fit,) = fits.values()
    assert (fit.failure == 0).all()
    expected = expected_power(n, float(np.expm1(0.5**2)))
    assert abs((fit.p < 0.05).mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / 512)


def test_power_names_events_and_keeps_its_level():
    results = power(counts_raw(40, **{"analysis": {}}), replicates=256)
    rows = {row.metric: row for row in results.rows}
    assert rows["power"].question.analysis == "counts"
    assert rows["power"].favours == "a"
    assert abs(rows["type_i_error"].value - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 256)
    assert "rate ratio of 0.7" in results.headline.text


@pytest.mark.parametrize(("settings", "line"), [
    ({"outcome.scale.period_days": None}, "outcome.scale.period_days is missing: must be given with count"),
    ({"outcome.scale.better": "higher"}, "outcome.scale.better = 'higher': must be lower with count"),
    ({"outcome.scale.range": {"low": 0, "high": 5}}, "must not be given with count, 0 and more events"),
    ({"estimand.endpoint": "score"}, "with the scale admissions must be count"),
    ({"population.baseline.unit": "points"}, "population.baseline.unit = 'points': must be log"),
    ({"design.visits": [0, 30.5, LAST]}, "design.visits[1] = 30.5"),
    (
        {"conduct.dropout": {"hazard": number(0.01, "per_day"), "last_score": number(0.1, "per_point")}},
        "conduct.dropout.last_score = 0.1: goes with scores and days",
    ),
])  # fmt: skip
def test_what_cannot_be_asked_is_one_line(settings, line):
    with pytest.raises(ScenarioError) as error:
        build(counts_raw(**settings))
    assert any(line in each for each in str(error.value).splitlines()), str(error.value)
