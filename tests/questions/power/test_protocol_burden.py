"""What a protocol asks of patients and staff, counted by hand."""

from __future__ import annotations

from typing import Any

from kaptrial.questions.power.protocol_burden import burden_by_arm, burden_in_all
from kaptrial.scenario.files import build
from tests.builders import clean_raw


def _raw(**therapy: Any) -> dict[str, Any]:
    """Two arms, 2:1, 30 patients: three infusions and four sessions; two of midazolam and nothing else."""
    raw = clean_raw(n_per_arm=10, delta=5)
    raw["therapies"]["shift"] |= therapy
    raw["arms"][0] |= {
        "doses": [{"agent": "esketamine", "mg_per_kg": 0.25, "days": [0, 2, 4]}],
        "therapy": {"name": "shift", "days": [1, 3, 5, 8]},
    }
    raw["arms"][1] |= {"doses": [{"agent": "midazolam", "days": [0, 2]}]}
    raw["arms"][1].pop("therapy", None)
    first, second = (arm["id"] for arm in raw["arms"])
    raw["design"] = {"n_total": 30, "visits": [0, 7, 28], "allocation": {"ratio": {first: 2, second: 1}}}
    return raw


def test_each_arm_and_all_are_counted() -> None:
    s = build(_raw(session_minutes=90, group_size=3))
    treated, control = burden_by_arm(s).values()
    assert treated.flat() == {
        "patients": 20, "ketamine_doses": 60, "control_doses": 0, "exposed": 20, "sessions": 80,
        "therapist_hours": 80 * 1.5 / 3, "assessments": 60,
    }  # fmt: skip
    assert control.flat() == {
        "patients": 10, "ketamine_doses": 0, "control_doses": 20, "exposed": 0, "sessions": 0, "therapist_hours": 0,
        "assessments": 30,
    }  # fmt: skip
    assert burden_in_all(s).flat() == {
        "patients": 30, "ketamine_doses": 60, "control_doses": 20, "exposed": 20, "sessions": 80,
        "therapist_hours": 40, "assessments": 90,
    }  # fmt: skip


def test_hours_are_unknown_without_the_minutes_of_a_session() -> None:
    s = build(_raw())
    hours = [arm.therapist_hours for arm in burden_by_arm(s).values()]
    assert hours == [None, 0]
    assert burden_in_all(s).therapist_hours is None


def test_the_run_in_is_given_to_both_arms() -> None:
    raw = _raw(session_minutes=60)
    raw["randomisation"] = {"day": 0.5, "run_in": {"doses": [{"agent": "ketamine", "mg_per_kg": 0.5, "days": [0]}]}}
    raw["design"]["visits"] = [0, 0.5, 7, 28]
    for arm in raw["arms"]:
        arm["doses"][0]["days"] = [day + 1 for day in arm["doses"][0]["days"]]
    s = build(raw)
    assert burden_in_all(s).ketamine_doses == 90
    assert burden_in_all(s).exposed == 30
