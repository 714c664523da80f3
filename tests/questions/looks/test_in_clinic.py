"""Looks of a trial whose clinic says when patients come."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import kaptrial as kt
from kaptrial.errors import ScenarioError
from kaptrial.questions.clinic.operations import clinic_key, operations
from kaptrial.questions.looks.trials import calendar_of
from kaptrial.questions.power.traps import traps
from kaptrial.questions.size.with_looks import keeping_shares
from kaptrial.scenario.clinic_checks import DAYS_PER_MONTH, share_entering
from kaptrial.scenario.files import build, read_raw, with_settings
from kaptrial.scenario.looks import months_to_primary
from kaptrial.simulation.recruitment import CALENDAR_RUNS, months_in_clinic, months_randomised
from tests import SCENARIOS

SHORT = read_raw(SCENARIOS / "clinic_one_therapist_short.yaml")
LOOK = {"looks": [{"patients": 24}], "spending": "pocock"}


def raw_with(n=20, looks=LOOK, **changes):
    changes = {path.replace("__", "."): value for path, value in changes.items()}
    own = {"design.n_per_arm": n, "design.group_sequential": looks, "estimand.methods": ["ancova"], "variants": {}}
    return with_settings(SHORT, own | changes)


def test_patients_come_when_the_clinic_itself_randomises_them():
    s = build(raw_with())
    months = months_in_clinic(s, s.clinic, seed=3)
    assert months.shape == (CALENDAR_RUNS, 40)
    days = np.array([each.randomised for each in operations(s, seed=3, replicates=4).summaries])
    assert_array_equal(months[:4], (days - days[:, :1]) / DAYS_PER_MONTH)
    mean = months_randomised(s, None, seed=3)
    assert mean[0] == 0
    assert (np.diff(mean) >= 0).all()
    assert_array_equal(months_randomised(s, 8, seed=3), np.arange(40) / 8)


def test_a_clinic_without_ramp_or_season_recruits_at_its_rate():
    open_always = {"weekdays": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "opens": 0, "closes": 24}
    steady = {f"clinic__recruitment__{name}": None for name in ("ramp", "seasonality", "opening_delay")}
    bare = {"source": "assumption", "note": "for a test"}
    rate, days = {"value": 48, "unit": "per_month", **bare}, {"value": 14, "unit": "day", **bare}
    raw = raw_with(clinic__hours=open_always, clinic__recruitment__screening=days, **steady)
    raw["clinic"]["sites"] = [SHORT["clinic"]["sites"][0] | {"referrals": rate}]
    s = build(raw)
    last = months_in_clinic(s, s.clinic, seed=1)[:, -1]
    a_month = 48 * share_entering(s, s.clinic)
    assert last.mean() == pytest.approx(39 / a_month, abs=4 * last.std() / np.sqrt(len(last)))


def test_looks_are_when_the_clinic_has_brought_the_patients():
    raw = raw_with()
    s = build(raw)
    randomised, wait = months_randomised(s, None, seed=1), months_to_primary(s)
    results = kt.looks(raw, replicates=16, nulls=False, workers=1)
    value = {(row.question.column("look"), row.metric): row.value for row in results.rows}
    month = randomised[23] + wait
    assert value[1, "months"] == month
    assert value[1, "n_randomised"] == np.sum(randomised < month)
    assert value[0, "fixed_months"] == value[0, "max_months"] == randomised[-1] + wait
    (said,) = (note.text for note in results.notes if note.code == "clinic_accrual")
    assert said in {note.text for note in traps(s)}
    assert f"the last one comes {randomised[-1]:.3g} months after the first" in said
    declared = build(raw_with(looks=LOOK | {"accrual_per_month": 8}))
    assert calendar_of(declared, "ancova", 1).looks == (23 / 8 + wait,)
    assert clinic_key(declared) == clinic_key(s)


def test_a_size_keeps_the_share_of_the_patients_and_runs_the_clinic_anew():
    looks = {"looks": [{"patients": 24}, {"month": 5.6}]}
    base, larger = (build(raw_with(n=n, looks=looks)) for n in (20, 40))
    first, second = keeping_shares(larger, base, seed=1).design.group_sequential.looks
    followed = calendar_of(base, "ancova", 1).n_followed(5.6)
    assert (first.patients, second.patients, second.month) == (48, 2 * followed, None)
    assert 24 < followed < 40


def test_a_design_without_looks_recruits_in_its_clinic_too():
    raw = raw_with()
    s = build(raw)
    fixed = with_settings(raw, {"design.group_sequential": None})
    rows = kt.compare({"looks": raw, "fixed": fixed}, replicates=16, workers=1).flat()
    assert_allclose(rows[1]["expected_months"], months_randomised(s, None, 1)[-1] + months_to_primary(s))
    assert rows[0]["expected_months"] < rows[1]["expected_months"]


def test_without_a_clinic_an_accrual_must_be_given():
    said = (
        r"design\.group_sequential\.accrual_per_month is missing: must be given, in patients a month, where there is no"
    )
    with pytest.raises(ScenarioError, match=said):
        build(raw_with(clinic=None))
