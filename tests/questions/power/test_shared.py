"""Scenarios that have the same trials are known by their keys, and only those."""

from pathlib import Path

import numpy as np
import pytest

from kaptrial.questions.power.shared import trials_key, truth_key
from kaptrial.scenario.files import load
from kaptrial.scenario.nulls import with_null
from kaptrial.simulation.simulate import simulate_block

SCENARIO = Path(__file__).parents[3] / "scenarios" / "cbt_after_ketamine.yaml"
NOTHING = {"therapies.cbt.max_effect.value": 0, "therapies.tau.max_effect.value": 0}


def test_an_effect_of_nothing_has_the_trials_of_its_null():
    """Effects of 0 keep their spread and their source in the scenario, the null has neither; patients are the same."""
    nothing, null = load(SCENARIO, NOTHING), with_null(load(SCENARIO), "therapy", expectancy=True)
    assert nothing != null
    assert trials_key(nothing) == trials_key(null)
    assert truth_key(nothing) == truth_key(null)
    scores = [simulate_block(s, seed=3, block=0).score for s in (nothing, null)]
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize(
    "changes",
    [
        {"therapies.cbt.max_effect.value": 1e-9},
        {"therapies.cbt.max_effect.log_sd": 0.41},
        {"population.baseline.sd": 6},
        {"population.baseline.value": 32},
    ],
)
def test_other_patients_have_another_key(changes):
    """What moves a score moves the key, also a spread where the value is not 0."""
    assert trials_key(load(SCENARIO, changes)) != trials_key(load(SCENARIO))


def test_words_are_not_in_the_key():
    """Where a value comes from moves no score."""
    other = {"measurement.rater_sd.note": "another reason"}
    assert trials_key(load(SCENARIO, other)) == trials_key(load(SCENARIO))
