"""The calendar of looks by hand, and the line for what makes no calendar."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kaptrial.errors import FieldError, ScenarioError
from kaptrial.scenario.files import build, scenario_hash
from kaptrial.scenario.looks import GroupSequential, SequentialLook, calendar
from tests.builders import clean_raw

LATER = {"decide": "at_follow_up", "sided": 1, "futility": "cp:.1", "binding": True}


def plan(*looks, **more):
    return GroupSequential(looks=tuple(SequentialLook(**look) for look in looks), accrual_per_month=4, **more)


def test_patients_come_evenly_and_are_followed_up():
    when = calendar(plan({"patients": 6}, {"month": 3.5}), (6, None), 16, 1.0)
    assert when.randomised.tolist() == [i / 4 for i in range(16)]
    assert when.looks == (2.25, 3.5)
    assert [when.n_randomised(month) for month in when.looks] == [9, 14]
    assert [when.n_followed(month) for month in when.looks] == [6, 11]
    assert when.end == when.fixed_end == 4.75
    assert [when.followed_up(month) for month in when.looks] == [3.0, 4.25]


def test_recruitment_that_stops_waits_for_the_look():
    when = calendar(plan({"patients": 6}, recruitment="stops"), (6,), 16, 1.0)
    assert when.looks == (2.25,)
    assert when.n_randomised(2.25) == when.n_followed(2.25) == 6
    assert when.randomised[6] == 2.25
    assert when.end == pytest.approx(2.25 + 9 / 4 + 1)
    assert when.fixed_end == 4.75


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        ([{"month": 1.1}], r"looks\[0\]\.month = 1\.1: nobody has reached the primary visit by then"),
        ([{"month": 5}], r"looks\[0\]\.month = 5: must be before the end, month 4\.75"),
        ([{"patients": 16}], r"looks\[0\]\.patients = 16: must be below the size of the trial, 16"),
        ([{"month": 3}, {"patients": 6}], r"looks\[1\]\.patients = 6: must be later than the look before it, month 3"),
    ],
)
def test_looks_at_impossible_times(looks, said):
    given = plan(*looks)
    with pytest.raises(FieldError, match=said):
        calendar(given, tuple(look.patients for look in given.looks), 16, 1.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"looks": []}, "looks = 0: must be 1 to 10"),
        ({"looks": [{"month": 3, "patients": 8}]}, "exactly one of month, patients and information"),
        ({"looks": [{}]}, "exactly one of month, patients and information"),
        ({"looks": [{"information": 1.0}]}, "must be a share between 0 and 1"),
        ({"looks": [{"month": 3}], "recruitment": "stops"}, "goes with recruitment that goes on"),
        ({"futility": "cp:.1"}, "must be 1 where futility is given"),
        ({"sided": 1, "binding": True}, "binding = True: goes with `futility`"),
        ({"decide": "at_follow_up"}, "decide = 'at_follow_up': goes with a `futility` that is `binding`"),
        (LATER | {"recruitment": "stops"}, "decide = 'at_follow_up': goes with recruitment that goes on"),
        (LATER | {"spend_at": "own"}, "decide = 'at_follow_up': goes with `spend_at: planned`"),
    ],
)
def test_one_line_for_a_plan_that_cannot_be(changes, said):
    raw = clean_raw(n_per_arm=20, delta=0)
    raw["design"]["group_sequential"] = {"accrual_per_month": 10, "looks": [{"patients": 20}]} | changes
    with pytest.raises(ScenarioError, match=said):
        build(raw)


def test_scenarios_without_looks_are_the_same_as_before():
    scenario = build(clean_raw(n_per_arm=20, delta=0))
    assert scenario.design.group_sequential is None
    with_looks = replace(scenario.design, group_sequential=plan({"patients": 20}))
    assert scenario_hash(replace(scenario, design=with_looks)) != scenario_hash(scenario)
