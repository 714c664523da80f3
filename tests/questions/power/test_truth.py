"""How many patients a truth is simulated from: no more than its error needs, and the error stated is that made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kaptrial.model.streams import BLOCK
from kaptrial.priors.design_prior import seed_of_draw
from kaptrial.questions.decide.blocks import SHARE_OF_ERROR, Truths, alone, error_of_trial, null_scenario
from kaptrial.questions.power import truth as module
from kaptrial.questions.power.shared import trials_key, truth_key
from kaptrial.questions.power.truth import MOST_PATIENTS, PotentialOutcomes, truths, truths_within
from kaptrial.questions.power.truths_of_draws import (
    MOST_PATIENTS as MOST_IN_DRAW,
)
from kaptrial.questions.power.truths_of_draws import (
    SHARE_OF_SPREAD,
    truths_of_draws,
    without_errors,
)
from kaptrial.scenario.files import load
from tests import SCENARIOS


def scenario(name="starter", **settings):
    return load(SCENARIOS / f"{name}.yaml", settings)


@pytest.fixture
def patients(monkeypatch):
    """Patients of each arm of every simulation of potential outcomes."""
    counted = []

    def outcomes(*given, simulate=module._potential_outcomes):
        found = simulate(*given)
        counted.append(found.endpoints.shape[-1])
        return found

    monkeypatch.setattr(module, "_potential_outcomes", outcomes)
    return counted


def within(goal):
    return lambda _, truth: truth.mcse / goal


@pytest.mark.parametrize("times", [0.5, 0.2])
def test_patients_are_added_until_the_error_is_small_enough(times, patients):
    s = scenario()
    (few,) = truths_within(s, seed=1, excess=lambda *_: 0.0)
    assert patients == [16 * BLOCK]
    (enough,) = truths_within(s, seed=1, excess=within(times * few.mcse))
    assert enough.mcse <= times * few.mcse
    assert sum(patients[1:]) < 1.5 / times**2 * patients[0]
    assert abs(enough.value - few.value) < 4 * few.mcse


def test_no_more_patients_are_added_than_a_truth_of_power_has(patients):
    truths_within(scenario(), seed=1, excess=lambda *_: np.inf)
    assert sum(patients) == MOST_PATIENTS == 64_000


def test_a_truth_is_that_of_all_patients_together():
    rng = np.random.default_rng(1)
    parts = [
        PotentialOutcomes(rng.normal(size=(2, 1, n)), rng.random((2, 1, n)) < 0.5, np.full((2, 1), share))
        for n, share in ((300, 0.1), (100, 0.5))
    ]
    both = parts[0].with_more(parts[1])
    assert both.endpoints.shape == both.failed.shape == (2, 1, 400)
    np.testing.assert_array_equal(both.endpoints[..., 300:], parts[1].endpoints)
    np.testing.assert_allclose(both.past_best, 0.2, rtol=1e-15)


def test_every_hypothetical_world_is_as_precise_as_it_must_be():
    s = scenario("rescue_and_dropout", **{"design.n_per_arm": 10})
    found = truths_within(s, seed=2, excess=within(0.05))
    assert len(found) == len(s.estimands) > 1
    assert max(truth.mcse for truth in found) <= 0.05
    for own, known in zip(found, truths(s, seed=7, blocks=1), strict=True):
        assert abs(own.value - known.value) < 4 * np.hypot(own.mcse, known.mcse)


def test_truths_do_not_depend_on_workers():
    s = scenario("kare_factorial", **{"estimand.day": 28, "design.visits": [0, 28], "secondary": []})
    assert truths(s, seed=3, patients=20, workers=3) == truths(s, seed=3, patients=20)


def test_a_null_that_takes_nothing_away_has_the_trials_and_the_truth_of_the_scenario():
    s = alone(scenario("kare_factorial"))
    null = null_scenario(s)
    assert trials_key(null) == trials_key(s)
    assert truth_key(null) == truth_key(s)
    synergy = s.with_values({"therapies.relapse_prevention.gamma": 2.0})
    assert truth_key(null_scenario(synergy)) == truth_key(null) != truth_key(synergy)


# --- decide ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replicates", [500, 8000])
def test_the_truth_of_a_null_is_known_beside_the_mean_of_its_trials(replicates, patients):
    s = null_scenario(scenario("cbt_after_ketamine"))
    found = Truths(seed=1).behind(s, replicates)
    assert found.mcse > 0
    enough = found.mcse <= SHARE_OF_ERROR * error_of_trial(s, found) / np.sqrt(replicates)
    assert enough == (sum(patients) < MOST_PATIENTS) == (replicates == 500)
    assert abs(found.value) < 4 * found.mcse + 0.05  # rounding and the end of the scale leave a little


def test_the_error_of_a_trial_is_that_of_a_difference_of_means():
    s = scenario("kare_factorial")
    (known, *_) = truths(s, seed=1, blocks=1, patients=8)
    assert error_of_trial(s, known) == pytest.approx(np.sqrt(np.sum(np.square(known.arm_sds)) / 24), rel=1e-12)


def test_where_the_arms_of_a_null_are_alike_the_first_patients_are_enough(patients):
    known, null = Truths(seed=1), null_scenario(scenario("depression_single_infusion"))
    assert known.behind(null, 10**6).mcse == 0
    assert known.behind(null, 10**6) is known.behind(replace(null, secondary=()), 10**6)
    assert patients == [16 * BLOCK]


# --- draws of a prior ------------------------------------------------------------------------------------------------


def drawn(n=8):
    """A scenario whose therapy is worth more from draw to draw, and their seeds."""
    s = replace(scenario(), prior=None)
    sizes = np.linspace(2, 8, n)
    return [s.with_values({"therapies.cbt.max_effect": float(x)}) for x in sizes], [
        seed_of_draw(5, k) for k in range(n)
    ]


def test_the_truths_of_draws_are_known_beside_their_spread():
    scenarios, seeds = drawn()
    found = truths_of_draws(scenarios, seeds)
    values, errors = (np.array([getattr(each[0], name) for each in found]) for name in ("value", "mcse"))
    assert (np.diff(values) < 0).all()
    assert (errors <= 1.001 * SHARE_OF_SPREAD * values.std(ddof=1)).all()
    assert truths_of_draws(scenarios, seeds, workers=3) == found


def test_draws_that_are_alike_have_as_many_patients_as_a_draw_may(patients):
    scenarios, seeds = drawn()
    truths_of_draws(scenarios[:1] * 2, seeds[:2])
    assert sum(patients[-2:]) == MOST_IN_DRAW


def test_the_spread_of_truths_is_that_without_their_errors():
    rng = np.random.default_rng(3)
    true, errors = rng.normal(5, 2, 4000), np.full(4000, 0.8)
    found = without_errors(true + errors * rng.standard_normal(4000), errors)
    assert found.mean() == pytest.approx(5, abs=4 * 2.2 / np.sqrt(4000))
    assert found.std(ddof=1) == pytest.approx(2, rel=4 / np.sqrt(8000) * 1.16)
    np.testing.assert_array_equal(without_errors(true, np.zeros(4000)), true.mean() + (true - true.mean()))
    assert not without_errors(np.array([1.0, 1.0]), np.array([1.0, 1.0])).std()


# --- the error that is stated ----------------------------------------------------------------------------------------


@pytest.mark.validation
@pytest.mark.parametrize(
    ("name", "measure", "goal"),
    [
        ("starter", "difference", 0.006),
        ("cbt_after_ketamine", "difference", 0.03),
        ("depression_single_infusion", "log_odds_ratio", 0.03),
    ],
)
def test_errors_of_truths_are_honest_where_they_decide_how_many_patients_there_are(name, measure, goal):
    """The variance over 200 seeds is the mean of the squared errors: their ratio is 1 within 4 of its standard errors,
    and of the mean over the seeds no bias is seen beside a truth from 64,000 patients."""
    asked = next(e for e in scenario(name).estimands if measure == "difference" or e.endpoint == "response")
    s = replace(scenario(name), estimand=asked, secondary=(), variants=None)

    def excess(_, truth):
        return truth.by_measure[measure][1] / goal

    pairs = [truths_within(s, seed=seed, excess=excess)[0].by_measure[measure] for seed in range(1, 201)]
    values, errors = np.array(pairs).T
    assert (errors <= goal).all()
    assert abs(values.var(ddof=1) / np.mean(errors**2) - 1) < 4 * np.sqrt(2 / 199)
    value, error = truths(s, seed=0)[0].by_measure[measure]
    assert abs(values.mean() - value) < 4 * np.hypot(error, values.std() / np.sqrt(200))
