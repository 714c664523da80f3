"""Looks in `size`, `assurance`, `compare`, `report` and `new`: by integration and by `looks` itself."""

from __future__ import annotations

import pytest

import kaptrial as kt
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
    alone = kt.size(raw, power=0.9, replicates=1000, workers=1)
    assert alone.answer == answer.without_looks
    assert "inflation" not in alone.rows[0].numbers


def test_looks_keep_their_share_of_the_patients():
    base = build(clean_with(40, 6, [{"patients": 20}, {"month": 5.0}, {"information": 0.9}]))
    larger = build(clean_with(80, 6, [{"patients": 20}, {"month": 5.0}, {"information": 0.9}]))
    first, second, third = keeping_shares(larger, base).design.group_sequential.looks
    wait = months_to_primary(base)
    assert (first.patients, third.information) == (40, 0.9)
    assert second.month - wait == pytest.approx(2 * (5 - wait))
    assert keeping_shares(base, base) is base


def test_one_line_for_looks_and_staff(refused):
    line = refused(
        "size", "scenarios/depression_futility_look.yaml", "--over", "design.n_per_arm", "--over",
        "therapies.cbt.therapists.count", "--cost", "esketamine=1", "--cost", "esketamine_cbt=1", "--cost",
        "therapies.cbt.therapists=1",
    )  # fmt: skip
    assert line.startswith("kaptrial: design.group_sequential = 'declared': looks go with one --over")
