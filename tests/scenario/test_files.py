"""The door to YAML: round trips, settings of single paths, hashes."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from kaptrial.errors import ScenarioError
from kaptrial.scenario.files import as_raw, build, dump, load, read_raw, scenario_hash, with_settings
from kaptrial.scenario.paths import split_path
from tests.builders import number
from tests.scenario.malformed import STARTER, TEXT

SHIPPED = sorted(STARTER.parent.glob("*.yaml"))


@pytest.fixture
def raw():
    return read_raw(STARTER)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_a_scenario_survives_the_round_trip(path):
    s = load(path)
    assert build(as_raw(s)) == s
    assert build(yaml.safe_load(dump(s))) == s
    assert scenario_hash(build(as_raw(s))) == scenario_hash(s)


def test_reading_does_not_change_what_was_read(raw):
    before = copy.deepcopy(raw)
    build(raw)
    with_settings(raw, {"design.n_per_arm": 7, "drug.ec50": 3})
    assert raw == before


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert load(path) == load(STARTER)


def test_anchors_and_merges_are_yaml_too(tmp_path):
    path = tmp_path / "anchors.yaml"
    old = "deviation_sd: {value: 6, unit: points, source: assumption, note: a patient's own ups and downs}"
    assert old in TEXT
    merged = TEXT.replace("sd: {value: 2.5, unit: points, source: assumption, note: error of one rating}", "sd: *d")
    merged = merged.replace(old, old.replace("sd: {", "sd: &d {"))
    path.write_text(merged, encoding="utf-8")
    assert load(path).measurement.rater_sd.value == 6
    path.write_text(merged.replace("sd: *d", "sd: {<<: *d, value: 2.5}"), encoding="utf-8")
    assert load(path).measurement.rater_sd.value == 2.5


# --- hashes ----------------------------------------------------------------------------------------------------------


def test_the_hash_is_that_of_the_content_and_not_of_the_writing(raw):
    s = build(raw)
    backwards = dict(reversed(raw.items()))
    with_default = with_settings(raw, {"analysis": {"alpha": 0.05}, "design.n_per_arm": 60})
    spelled = with_settings(raw, {"arms[1].therapy.days": [2.0, 5, 8, 11, 14, 17, 20, 23, 26]})
    for same in (backwards, with_default, spelled):
        assert scenario_hash(build(same)) == scenario_hash(s)
    assert len(scenario_hash(s)) == 64


@pytest.mark.parametrize(
    "setting",
    [
        {"design.n_per_arm": 61},
        {"drug.ec50.value": 0.50000001},
        {"drug.ec50.note": "another"},
        {"arms[1].therapy.days[8]": 27},
        {"title": "another"},
        {"null": "therapy"},
    ],
    ids=lambda s: next(iter(s)),
)
def test_every_change_of_content_changes_the_hash(raw, setting):
    changed = with_settings(raw | {"arms": as_raw(build(raw))["arms"]}, setting)
    assert scenario_hash(build(changed)) != scenario_hash(build(raw))


# --- settings --------------------------------------------------------------------------------------------------------


def test_a_path_is_its_steps():
    assert split_path("arms[1].therapy.days[0]") == ["arms", 1, "therapy", "days", 0]


@pytest.mark.parametrize(
    "path", ["", ".", "arms[", "arms[x]", "arms[-1]", "design..visits", "design.", ".design", "a]"]
)
def test_what_is_no_path_is_refused(raw, path):
    with pytest.raises(ScenarioError, match="must be a path such as"):
        with_settings(raw, {path: 1})


def test_a_design_choice_is_set_as_it_is(raw):
    s = build(with_settings(raw, {"design.n_per_arm": 24, "arms[0].doses[0].days": [0, 3], "title": "New"}))
    assert s.design.n_per_arm == 24
    assert s.arms[0].doses[0].days == (0, 3)
    assert s.title == "New"


def test_a_bare_number_at_a_sourced_value_becomes_an_assumption_and_keeps_its_spread(raw):
    raw["drug"]["half_life"] |= {"source": "murrough2013a", "derived": "somehow"}
    value = build(with_settings(raw, {"drug.half_life": 12})).drug.half_life
    assert (value.value, value.source, value.note, value.derived) == (12, "assumption", "set for this run", None)
    assert (value.unit, value.log_sd, value.spread_source) == ("day", 1, "murrough2013a")


def test_the_value_alone_may_be_set_and_then_keeps_its_source(raw):
    value = build(with_settings(raw, {"drug.half_life.value": 12})).drug.half_life
    assert (value.value, value.log_sd, value.note) == (12, 1, raw["drug"]["half_life"]["note"])


def test_a_number_that_was_not_there_gets_the_unit_of_its_place(raw):
    s = build(with_settings(raw, {"therapies.cbt.kappa": 0.5, "conduct.missed_sessions": 0.1}))
    assert (s.therapies["cbt"].kappa.value, s.therapies["cbt"].kappa.unit) == (0.5, "none")
    assert (s.conduct.missed_sessions.value, s.conduct.missed_sessions.unit) == (0.1, "share")
    hazard = build(with_settings(raw, {"conduct.dropout.hazard": 0.01})).conduct.dropout.hazard
    assert (hazard.value, hazard.unit) == (0.01, "per_day")


def test_one_arm_of_a_value_by_arm_may_be_set(raw):
    by_arm = {"by_arm": {arm["id"]: number(0.1, "share") for arm in raw["arms"]}}
    changed = with_settings(
        with_settings(raw, {"conduct.missed_doses": by_arm}), {"conduct.missed_doses.by_arm.ketamine": 0.3}
    )
    values = build(changed).conduct.missed_doses.by_arm
    assert (values["ketamine"].value, values["ketamine_cbt"].value) == (0.3, 0.1)


def test_a_sourced_number_on_a_scale_of_logits_gets_logits():
    counted = next((p for p in SHIPPED if load(p).scale.link == "logit"), None)
    assert counted is not None
    s = build(with_settings(read_raw(counted), {"natural_course.change": 0.5, "natural_course.time_constant": 9}))
    assert s.natural_course.change.unit == "logit"


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("design.n_per_amr", "unknown key `n_per_amr` in design; did you mean `n_per_arm`?"),
        ("desing.n_per_arm", "unknown key `desing` in the scenario; did you mean `design`?"),
        ("arms[0].doses[0].dayz", "did you mean `days`?"),
        ("therapies.cbt.gama", "did you mean `gamma`?"),
        ("arms[2].label", "index 2 must be below 2"),
        ("arms[0].doses[1].route", "index 1 must be below 1"),
        ("title.first", "nothing can be set below title"),
        ("design.n_per_arm.value", "nothing can be set below design.n_per_arm"),
        ("therapies.cbtt.kappa", "cbtt"),
    ],
)
def test_a_setting_that_leads_nowhere_is_refused_with_a_hint(raw, path, hint):
    with pytest.raises(ScenarioError) as caught:
        build(with_settings(raw, {path: 1}))
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["sixty", True, None, [60], 1e9])
def test_a_setting_is_checked_like_the_file(raw, value):
    with pytest.raises(ScenarioError, match=r"design\.n_per_arm"):
        build(with_settings(raw, {"design.n_per_arm": value}))


def test_a_single_day_of_the_shorthand_can_be_set(raw):
    """The starter writes its sessions as first, every, count; a path leads into the list all the same."""
    assert build(with_settings(raw, {"arms[1].therapy.days[8]": 27})).arms[1].therapy.days[7:] == (23, 27)
    with pytest.raises(ScenarioError, match=r"arms\[1\]\.therapy\.days\[9\] = 27: index 9 must be below 9"):
        with_settings(raw, {"arms[1].therapy.days[9]": 27})
    assert build(with_settings(raw, {"arms[1].therapy.days.count": 5})).arms[1].therapy.days == (2, 5, 8, 11, 14)


def test_first_and_step_of_a_list_can_be_set_where_it_is_even(raw):
    """Also of a scenario, which holds lists only, and of visits."""
    s = build(raw)
    assert s.with_values({"arms[1].therapy.days.every": 2}).arms[1].therapy.days == tuple(range(2, 20, 2))
    assert s.with_values({"arms[1].therapy.days.first": 1}).arms[1].therapy.days[:2] == (1, 4)
    with pytest.raises(ScenarioError, match=r"design\.visits is not evenly spaced: must be set as a list"):
        with_settings(raw, {"design.visits.every": 7})
    with pytest.raises(ScenarioError, match=r"arms\[1\]\.therapy\.days\.every = -1: must be a number > 0"):
        s.with_values({"arms[1].therapy.days.every": -1})


def test_load_applies_settings():
    assert load(Path(STARTER), {"design.n_per_arm": 33}).n_total == 66
