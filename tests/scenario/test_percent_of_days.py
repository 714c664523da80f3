"""Levels and effects on days abstinent, written in percent of days."""

from __future__ import annotations

import copy

import pytest
from scipy.special import expit, logit

from kaptrial.errors import ScenarioError
from kaptrial.questions.power.truth import truths
from kaptrial.scenario.files import as_raw, build, read_raw, with_settings
from kaptrial.scenario.percent_of_days import described
from tests import SCENARIOS
from tests.builders import number
from tests.scenario.malformed import edit

KARE = SCENARIOS / "kare_factorial.yaml"


@pytest.fixture
def raw():
    raw = read_raw(KARE)
    del raw["prior"]
    edit(
        {
            "population.baseline": number(40, "percent", logit_sd=1.2),
            "natural_course.change": number(30, "percent", logit_sd=1.3),
            "drug.max_effect": number(12, "percent", logit_sd=0.6),
            "therapies.relapse_prevention.max_effect": number(8, "percent", log_sd=0.4),
        }
    )(raw)
    return raw


def test_percent_of_days_become_logits(raw):
    s = build(raw)
    assert (s.population.baseline.unit, s.population.baseline.sd) == ("logit", 1.2)
    assert s.population.baseline.value == pytest.approx(logit(0.4), abs=1e-12)
    assert s.natural_course.change.value == pytest.approx(logit(0.7) - logit(0.4), abs=1e-12)
    assert s.drug.max_effect.value == pytest.approx(logit(0.82) - logit(0.7), abs=1e-12)
    therapy = s.therapies["relapse_prevention"].max_effect
    assert (therapy.value, therapy.log_sd) == (pytest.approx(logit(0.78) - logit(0.7), abs=1e-12), 0.4)
    assert "8 points of percent of days, from 70" in therapy.derived
    assert build(as_raw(s)) == s


def test_where_nothing_varies_the_trial_shows_what_was_declared(raw):
    """All spreads 0, everything there from the first day on and for ever, and a dose far above the EC50."""
    for path in ("population.baseline", "natural_course.change", "drug.max_effect"):
        edit({f"{path}.logit_sd": 0})(raw)
    education = number(0, "logit")
    settings = {
        "natural_course.time_constant": 1e-3, "drug.half_life.value": 1e9, "drug.half_life.log_sd": 0,
        "drug.ec50": 1e-6, "measurement.deviation_sd": 0, "therapies.education.max_effect": education,
        "therapies.relapse_prevention.max_effect.log_sd": 0, "therapies.relapse_prevention.learning_per_session": 100,
        "therapies.relapse_prevention.half_life": 1e9, "conduct": {}, "secondary": [], "design.visits": [0, 28],
        "estimand.day": 28,
    }  # fmt: skip
    for i in range(4):
        edit({f"arms[{i}].doses[0].days": [0], f"arms[{i}].therapy.days": [0]})(raw)
    s = build(with_settings(raw, settings))
    both = 100 * expit(logit(0.82) + logit(0.78) - logit(0.7))
    (truth,) = truths(s, seed=1)
    for mean, expected in zip(truth.arm_means, (70, 78, 82, both), strict=True):
        assert mean == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("population.baseline.value", 100, "must be more than 0 and less than 100 % of days"),
        ("drug.max_effect.value", 30, "must lead from 70 % to more than 0 and less than 100 % of days"),
        ("population.baseline.sd", 1, "the spread must be logit_sd"),
        ("population.baseline.value", "forty", "must be a finite number"),
        ("measurement.rater_sd.unit", "percent", "must be points or logit"),
    ],
)
def test_what_no_day_can_be_is_one_line(raw, path, value, said):
    edit({path: value})(raw)
    with pytest.raises(ScenarioError) as caught:
        build(raw)
    (line,) = str(caught.value).splitlines()
    assert f"{path} = " in line
    assert said in line


def test_effects_count_from_the_whole_of_the_natural_course(raw):
    immediate = {"change": number(0.2, "logit"), "onset": number(1, "day")}
    s = build(with_settings(raw, {"natural_course.immediate": immediate}))
    untreated = expit(logit(0.7) + 0.2)
    assert s.drug.max_effect.value == pytest.approx(logit(untreated + 0.12) - logit(untreated), abs=1e-12)
    assert f"{100 * untreated:.1f} untreated" in described(s)[0]


def test_a_score_is_in_points():
    raw = read_raw(SCENARIOS / "starter.yaml")
    edit({"therapies.cbt.max_effect.unit": "percent"})(raw)
    with pytest.raises(ScenarioError, match=r"therapies\.cbt\.max_effect\.unit = 'percent': must be points or logit"):
        build(raw)


def test_a_bare_number_keeps_the_unit_of_the_file(raw):
    s = build(with_settings(raw, {"drug.max_effect": 10}))
    assert s.drug.max_effect.value == pytest.approx(logit(0.8) - logit(0.7), abs=1e-12)


def test_a_belief_about_it_is_refused(raw):
    """A belief is drawn in logits, so that a path written in percent would be read as something else."""
    changed = copy.deepcopy(raw)
    belief = {"source": "assumption", "note": "x", "normal": {"mean": 1, "sd": 1}}
    changed["prior"] = {"also": {"drug.max_effect": belief}}
    with pytest.raises(ScenarioError, match=r"prior\.also\.drug\.max_effect: must lead to a number in logits"):
        build(changed)


def test_readers_see_percent_and_logits(raw):
    first, *effects = described(build(raw))
    assert first == "in percent of days, the median patient: 40.0 before entry, 70.0 untreated"
    assert "  the drug at most: +12.0 points, 0.669 logits" in effects
    assert described(build(read_raw(SCENARIOS / "starter.yaml"))) == []
