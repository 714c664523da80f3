"""The data at a look: who is randomised, which visits are past, what has happened."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_array_equal

import kaptrial as kt
from kaptrial.methods.simulated import estimates
from kaptrial.simulation.at_look import at_look
from kaptrial.simulation.simulate import simulate_block


def test_only_what_is_past_is_seen():
    scenario = kt.load_scenario("rescue_and_dropout", {"design.n_per_arm": 15})
    trials = simulate_block(scenario, seed=2, block=0).first(8)
    since = np.linspace(60, 1, 20)
    seen = at_look(trials, since)
    past = trials.days <= since[:, None]
    assert_array_equal(seen.score, np.where(past, trials.score[:, :20], np.nan))
    assert_array_equal(seen.arm, trials.arm[:, :20])
    assert trials.events
    for name, day in trials.events.items():
        assert_array_equal(seen.events[name], np.where(day[:, :20] <= since, day[:, :20], np.inf))
    assert {each.values.shape for each in seen.covariates.values()} <= {(8, 20)}
    assert seen.latent is None
    assert np.isfinite(trials.events["rescue"]).any()


def test_a_look_at_everything_is_the_whole_trial():
    scenario = kt.load_scenario("starter", {"design.n_per_arm": 15})
    trials = simulate_block(scenario, seed=2, block=0).first(8)
    asked = [(scenario.estimand, "ancova"), (scenario.estimand, "mmrm")]
    whole = estimates(trials, scenario, asked)
    seen = estimates(at_look(trials, np.full(30, 1e9)), scenario, asked)
    for fit, other in zip(whole, seen, strict=True):
        assert_array_equal(fit.estimate, other.estimate)
        assert_array_equal(fit.se, other.se)


def test_a_look_is_analysed_as_its_file_would_be():
    scenario = kt.load_scenario("starter", {"design.n_per_arm": 20})
    trials = simulate_block(scenario, seed=4, block=0).first(1)
    seen = at_look(trials, np.linspace(40, 2, 30))
    fit = estimates(seen, scenario, [(scenario.estimand, "mmrm")])[0]
    table = seen.to_frame().dropna(subset=["score"])
    options = {"reference": "ketamine", "target_day": 28}
    line = kt.analyse(table, "mmrm", **options).rows[0].numbers
    assert line["estimate"] == np.float64(fit.estimate[0]).round(12) or abs(line["estimate"] - fit.estimate[0]) < 1e-8
    assert abs(line["se"] - fit.se[0]) < 1e-8


def test_days_of_use_are_of_those_randomised():
    scenario = kt.load_scenario("cannabis_days_of_use")
    trials = simulate_block(scenario, seed=2, block=0).first(4)
    since = np.linspace(80, 1, 20)
    seen = at_look(trials, since)
    assert trials.used is not None
    assert_array_equal(seen.used, trials.used[:, :20])
    assert seen.score.shape[1] == seen.baseline.shape[1] == 20
