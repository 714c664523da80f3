"""Looks in `size`, `assurance`, `compare`, `report` and `new`: by integration and by `looks` itself."""

from __future__ import annotations

import numpy as np
import pytest

import kaptrial as kt
from kaptrial.cli.options import axes_of
from kaptrial.questions.size.with_looks import keeping_shares
from kaptrial.scenario.files import build
from kaptrial.scenario.looks import months_to_primary
from tests.builders import clean_raw


def clean_with(n, delta, looks, **plan):
    raw = clean_raw(n_per_arm=n, delta=delta)
    raw["design"]["group_sequential"] = {"accrual_per_month": 10, "looks": looks, **plan}
    raw["analysis"] = {"methods": ["difference"]}
    return raw


@pytest.fixture(scope="module")
def sized():
    raw = clean_with(40, 6, [{"information": 0.5}], spending="pocock")
    return raw, kt.size(raw, power=0.9, replicates=1000, workers=1).answer


def test_a_size_with_looks_is_inflated_as_by_integration(sized):
    _, answer = sized
    by_integration = kt.boundaries([0.5, 1], sided=2, alpha=0.05, spending="pocock", power=0.9).flat()[0]
    assert abs(answer.inflation.value - by_integration["inflation"]) < 4 * answer.inflation.mcse
    assert answer.inflation.mcse < 0.05
    at = answer.at_answer
    assert at.max_n == 2 * answer.value
    for figure, expected in (
        (at.expected_n, "expected_information"),
        (at.expected_n_null, "expected_information_null"),
    ):
        # Those who are randomised during the 28 days of a look belong to it: 10 a month.
        during = 10 * 28 / 30.4 * (1 - by_integration[expected]) / 0.5
        assert figure.value == pytest.approx(at.max_n * by_integration[expected] + during, abs=4 * figure.mcse + 1)
    assert at.type_i_error.value == pytest.approx(0.05, abs=4 * at.type_i_error.mcse)
    assert at.power_without_looks.value > answer.achieved


def test_a_size_without_looks_is_that_of_the_scenario_without_them(sized):
    raw, answer = sized
    del raw["design"]["group_sequential"]
    alone = kt.size(raw, power=0.9, replicates=1000, workers=1, control_variates=False)
    assert alone.answer == answer.without_looks
    assert "inflation" not in alone.rows[0].numbers


def test_looks_keep_their_share_of_the_patients():
    base = build(clean_with(40, 6, [{"patients": 20}, {"month": 5.0}, {"information": 0.9}]))
    larger = build(clean_with(80, 6, [{"patients": 20}, {"month": 5.0}, {"information": 0.9}]))
    first, second, third = keeping_shares(larger, base, 1).design.group_sequential.looks
    wait = months_to_primary(base)
    assert (first.patients, third.information) == (40, 0.9)
    assert second.month - wait == pytest.approx(2 * (5 - wait))
    assert keeping_shares(base, base, 1) is base


def test_one_line_for_looks_and_staff(refused):
    line = refused(
        "size", "scenarios/depression_futility_look.yaml", "--over", "design.n_per_arm", "--over",
        "therapies.cbt.therapists.count", "--cost", "esketamine=1", "--cost", "esketamine_cbt=1", "--cost",
        "therapies.cbt.therapists=1",
    )  # fmt: skip
    assert line.startswith("kaptrial: design.group_sequential = 'declared': looks go with one --over")


BELIEVED = "therapies.shift.max_effect"


@pytest.fixture(scope="module")
def believed():
    raw = clean_with(60, 6, [{"information": 0.5}], spending="pocock", sided=1, futility="cp:0.2")
    raw["prior"] = {"also": {BELIEVED: {"normal": {"mean": 5, "sd": 3}, "source": "assumption", "note": "for a test"}}}
    return raw, kt.assurance(raw, draws=40, workers=1)


def test_assurance_with_looks_is_the_mean_of_the_integral_over_the_draws(believed):
    raw, results = believed
    got = {row.metric: row for row in results.rows}
    (part,) = kt.looks(raw, replicates=2000, nulls=False, workers=1).parts
    plan = part.designed.plan
    effects = results.draws[BELIEVED].to_numpy()
    up, down = plan.stopping(effects * np.sqrt(part.designed.information))
    expected = {
        "assurance": up.sum(axis=1),
        "stop_efficacy": up[:, 0],
        "stop_futility": down[:, 0],
        "expected_n": part.designed.n_randomised[-1]
        - (part.designed.n_randomised[-1] - part.designed.n_randomised[0]) * (up[:, 0] + down[:, 0]),
    }
    n_trials = 40 * 128
    for metric, each in expected.items():
        # Of these draws: what is left is the error of the trials, and that of the plan's information.
        scale = 1.0 if metric != "expected_n" else float(np.ptp(part.designed.n_randomised))
        assert got[metric].value == pytest.approx(each.mean(), abs=scale * 4 * 0.5 / np.sqrt(n_trials)), metric
    assert got["fixed_assurance"].value > got["assurance"].value
    assert got["max_n"].value == 120


def test_assurance_without_looks_is_that_of_the_scenario_without_them(believed):
    raw, results = believed
    alone = {key: value for key, value in raw["design"].items() if key != "group_sequential"}
    fixed = {
        row.metric: row
        for row in kt.assurance(raw | {"design": alone}, draws=40, workers=1, control_variates=False).rows
    }
    got = {row.metric: row for row in results.rows}
    for metric in ("assurance", "probability_of_80_power", "power", "assurance_expected_side"):
        assert got[f"fixed_{metric}"].value == fixed[metric].value
    assert got["truth_mean"].value == fixed["truth_mean"].value
    assert {"fixed_power", "power", "stop_futility", "truth"} <= set(results.by_draw["metric"])
    assert not any(metric.startswith(("fixed_", "stop_")) for metric in fixed)


def test_designs_with_and_without_looks_side_by_side():
    raw = clean_with(40, 5, [{"patients": 40}], spending="pocock")
    results = kt.compare(
        {"pocock": raw},
        vary={"design.group_sequential.spending": ["pocock", "obf"], "design.n_per_arm": [40]},
        replicates=512,
        workers=1,
    )
    fixed = {**raw, "design": {key: value for key, value in raw["design"].items() if key != "group_sequential"}}
    with_fixed = kt.compare({"pocock": raw, "fixed": fixed}, replicates=512, workers=1)
    assert [row["design"] for row in results.flat()] == ["pocock", "spending obf, n per arm 40"]
    (own, obf), (again, whole) = results.flat(), with_fixed.flat()
    (part,) = kt.looks(raw, replicates=512, workers=1).parts
    course, n = part.own.course, part.designed.n_randomised[part.own.course.stop]
    assert own["power"] == again["power"] == course.efficacy.mean()
    assert own["expected_n"] == n.mean()
    assert own["type_i_error"] == part.nulls[0].course.efficacy.mean()
    assert (whole["expected_n"], whole["expected_months"]) == (80, pytest.approx(79 / 10 + 28 / (365.25 / 12)))
    assert whole["expected_n_difference"] == pytest.approx(80 - n.mean())
    assert whole["expected_n_difference_mcse"] == pytest.approx(n.std(ddof=1) / np.sqrt(512))
    # Paired, so that most of the noise is shared.
    assert 0 < obf["power_difference_mcse"] < 0.6 * np.hypot(own["power_mcse"], obf["power_mcse"])
    assert results.by == with_fixed.by == "expected_n"
    assert "control_variates" not in results.provenance
    assert "expected_n" not in kt.compare([fixed, "starter"], replicates=8, workers=1).flat()[0]


def test_a_list_is_one_value_of_vary():
    given = "design.group_sequential.looks=[{patients: 20}, {patients: 30}], [{month: 4}],null"
    (values,) = axes_of([given]).values()
    assert values == [[{"patients": 20}, {"patients": 30}], [{"month": 4}], None]
    assert axes_of(["design.n_per_arm=20, 40"]) == {"design.n_per_arm": [20, 40]}


def test_decisions_at_follow_up_are_those_of_looks_everywhere():
    later = {"sided": 1, "futility": "cp:0.2", "binding": True, "decide": "at_follow_up"}
    raw = clean_with(40, 4, [{"patients": 40}], **later)
    rows = {row.metric: row.value for row in kt.looks(raw, replicates=512, workers=1).rows[:20]}
    found = kt.compare({"later": raw, "starter": "starter"}, replicates=512, workers=1).flat()[0]
    for name in ("power", "type_i_error", "expected_n", "expected_months"):
        assert found[name] == rows[name]
    by_effect = kt.size(raw, over="therapies.shift.max_effect", power=0.8, replicates=512, workers=1).answer
    assert by_effect.at_answer.max_n == 80
    assert by_effect.inflation is None
    assert by_effect.value > by_effect.without_looks.value
    # Between the two answers there is one with looks only.
    between = ((by_effect.value + by_effect.without_looks.value) / 2, 2 * by_effect.value)
    alone = kt.size(raw, over="therapies.shift.max_effect", power=0.8, between=between, replicates=512, workers=1)
    assert alone.answer.without_looks is None
    assert alone.answer.value == pytest.approx(by_effect.value, rel=0.05)
    assert "expected_n" in alone.rows[0].numbers


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ["compare", "--vary", "design.n_per_arm=50"],
            "n per arm 50: design.group_sequential.looks[0].patients = 104:",
        ),
        (["report", "--set", "design.n_per_arm=50"], "design.group_sequential.looks[0].patients = 104: must be below"),
        (
            ["assurance", "--set", "design.n_per_arm=50", "--prior", "depression_iv_2026b"],
            "design.group_sequential.looks[0].patients = 104: must be below the size of the trial, 100",
        ),
        (
            ["size", "--between", "4,6"],
            "analysis.methods = 'nested_mmrm': at design.n_per_arm = 6, which was tried: has",
        ),
        (
            ["size", "--over", "design.group_sequential.looks[0].patients"],
            "--over = 'design.group_sequential.looks[0].patients': must be a number that the trial has without looks",
        ),
        (["looks", "--set", "estimand.margin=2"], "estimand.margin = 2: must be absent: looks test for a difference"),
    ],
)
def test_one_line_for_looks_that_cannot_be(refused, command, said):
    name, *options = command
    assert refused(name, "scenarios/depression_futility_look.yaml", *options).startswith(f"kaptrial: {said}")
