"""Hostile scenario files: one line and exit 2 at once; text of a file is text on the terminal."""

from __future__ import annotations

import shutil

import pytest
import yaml

from kaptrial.cli import main
from kaptrial.errors import ScenarioError, printable
from kaptrial.scenario.files import build, load, read_raw, with_settings
from tests import DATA
from tests.builders import number
from tests.scenario.malformed import STARTER, edit

FAULTS = DATA / "faults"
REFUSED = {
    "bomb": ("line", "more than 100000 values"),
    "loop": ("line", "an alias inside itself"),
    "loopv": ("line", "an alias inside itself"),
    "tag": ("line 4", "the tag"),
    "dup_secondary": ("secondary[1]", "must differ from secondary[0]"),
    "late_session": ("arms[1].therapy.days[8] = 2600", "after the last visit, day 28"),
}
SHOWN = {
    "markup_close": "see [/appendix] of the protocol",
    "markup_swallow": "[red]FAKE[/red] see [protocol v2] and [link=http://evil]x[/link]",
    "esc": r"ok \x1b[2J\x1b[31mSPOOF\x1b[0m\rkaptrial: valid",
}
LIKE_RESCUE = {
    "effect": number(5, "points"), "onset": number(7, "day"), "half_life": number(14, "day"),
    "share_taking": number(1, "share"),
}  # fmt: skip
HOUSEFUL = {f"f{i}": {"share": 0.05} for i in range(20)}
# What no world, and no trial, can be.
BEYOND = {
    "therapies.cbt.max_effect.value = 860": ("must be at most 60 points", {"therapies.cbt.max_effect.value": 860}),
    "therapies.cbt.max_effect.value = -61": ("must be at most 60 points", {"therapies.cbt.max_effect.value": -61}),
    "population.baseline.sd = 31": ("must be at most 30 points", {"population.baseline.sd": 31}),
    "measurement.deviation_sd.value = 31": ("must be at most 30 points", {"measurement.deviation_sd.value": 31}),
    "population.baseline.value = 1": (
        "must be an SD of 5 or more from the best score, 0", {"population.baseline.value": 1},
    ),
    "measurement.rater_sd.value = 1e+308": ("must be ≤", {"measurement.rater_sd.value": 1e308}),
    "drug.half_life.log_sd = 1000": ("must be ≥ 0, ≤ 5", {"drug.half_life.log_sd": 1000}),
    "drug.share.logit_sd = 11": ("must be ≥ 0, ≤ 10", {"drug.share.logit_sd": 11}),
    "drug.half_life.value = 1e+30": ("must be ≤", {"drug.half_life.value": 1e30}),
    "therapies.cbt.half_life.value = 100000000000": ("must be <", {"therapies.cbt.half_life.value": 1e11}),
    "drug.ec50.value = 1001": ("must be < 1000", {"drug.ec50.value": 1001}),
    "therapies.cbt.gamma.value = 1001": ("must be ≤ 1000", {"therapies.cbt.gamma": number(1001, "none")}),
    "arms[0].doses[0].mg_per_kg = 101": ("must be ≤ 100", {"arms[0].doses[0].mg_per_kg": 101}),
    "conduct.dropout.hazard.value = 11": ("must be ≤ 10", {"conduct.dropout": {"hazard": number(11, "per_day")}}),
    "conduct.dropout.last_score.value = 11": (
        "must be ≤ 10", {"conduct.dropout": {"hazard": number(0.01, "per_day"), "last_score": number(11, "per_point")}},
    ),
    "conduct.rescue.from_day = 29": (
        "after the last visit", {"conduct.rescue": {"from_day": 29, "score_at_least": 30, **LIKE_RESCUE}},
    ),
    "conduct.rescue.score_at_least = 61": (
        "must lie on the scale", {"conduct.rescue": {"from_day": 7, "score_at_least": 61, **LIKE_RESCUE}},
    ),
    "arms[0].doses[0].days[1] = 29": ("after the last visit", {"arms[0].doses[0].days": [0, 29]}),
    "arms[0].adjuncts[0].from_day = 29": (
        "after the last visit",
        {"arms[0].adjuncts": [{"name": "x", "from_day": 29, "to_day": 30, "half_life_factor": number(2, "none")}]},
    ),
    "therapies.cbt.therapists.count = 1000000": (
        "1 to 100000", {"therapies.cbt.therapists": {"sd": number(1, "points"), "count": 1_000_000}},
    ),
    "therapies.cbt.group_size = 1000000": ("1 to 100000", {"therapies.cbt.group_size": 1_000_000}),
    "design.visits = 'a list of 100000'": ("at most 1000 days", {"design.visits": list(range(100_000))}),
    "design.visits[5] = 40000": ("must be ≤ 36500", {"design.visits": [0, 1, 7, 14, 28, 40_000]}),
    "design.visits = '1000 visits'": (
        "at most 1000000", {"design.visits": list(range(1000)), "design.n_per_arm": 10_000},
    ),
    "arms = '101 of them'": (
        "must be at most 100", {
            "arms": [{"id": f"a{i}", "label": "x"} for i in range(101)], "design.n_per_arm": 2,
            "estimand.contrast": "a1 - a0",
        },
    ),
    "variants = '101 of them'": (
        "must be at most 100", {"variants": {f"v{i}": {"design.n_per_arm": 20 + i} for i in range(101)}},
    ),
    "design.allocation.strata = '160000 strata'": (
        "must be at most 10000",
        {"design.allocation": {"strata": [{"name": f"s{k}", "levels": HOUSEFUL} for k in range(4)]}},
    ),
    "population.baseline.value = '1e3'": (
        "YAML reads 1e3 as text: write 1000", {"population.baseline.value": "1e3"},
    ),
    "design.n_per_arm = '60'": ("without quotes", {"design.n_per_arm": "60"}),
}  # fmt: skip


def refusal(capsys, *arguments: object) -> str:
    """The one line of a command that must be refused."""
    with pytest.raises(SystemExit) as stop:
        main([str(each) for each in arguments])
    shown = capsys.readouterr()
    assert stop.value.code == 2
    (line,) = shown.err.splitlines()
    assert shown.out == ""
    return line


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name, capsys):
    line = refusal(capsys, "check", FAULTS / f"{name}.yaml")
    for part in REFUSED[name]:
        assert part in line


@pytest.mark.parametrize("command", ["check", "describe"])
@pytest.mark.parametrize("name", SHOWN)
def test_text_of_a_file_is_shown_as_it_is(name, command, tmp_path, capsys):
    raw = read_raw(FAULTS / f"{name}.yaml")
    raw["title"] = raw["question"] = raw["notes"] = raw["population"]["baseline"]["note"]
    raw["arms"][0]["label"] = raw["title"]
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        main([command, str(path)])
    assert stop.value.code in (0, None)
    shown = capsys.readouterr().out
    assert SHOWN[name] in " ".join(shown.split())
    assert "\x1b[2J" not in shown
    assert "\r" not in shown


@pytest.mark.parametrize("where", BEYOND)
def test_numbers_beyond_the_world_are_refused(where, tmp_path):
    allowed, values = BEYOND[where]
    raw = read_raw(STARTER)
    edit(values)(raw)
    with pytest.raises(ScenarioError) as caught:
        build(raw)
    assert where in str(caught.value)
    assert allowed in str(caught.value)


def test_a_logit_has_bounds_too():
    raw = with_settings(read_raw(STARTER.with_name("alcohol_single_infusion_met.yaml")), {"drug.max_effect": 21})
    with pytest.raises(ScenarioError, match="must be at most 20 logit"):
        build(raw)


CLINIC = STARTER.with_name("clinic_one_therapist_short.yaml")


@pytest.mark.parametrize(
    ("setting", "allowed"),
    [
        ("clinic.recruitment.screening=14000", "must be < 3650"),
        ("clinic.therapists.cbt.hiring=60000", "must be < 3650"),
        ("clinic.therapists.cbt.turnover=100", "must be ≤ 12"),
        ("clinic.sessions.to_hours=56000000000", "must be ≤ 87600"),
    ],
)
def test_nothing_of_a_clinic_takes_ten_years(setting, allowed, capsys):
    assert allowed in refusal(capsys, "check", CLINIC, "--set", setting)


def test_a_grid_of_a_million_points_is_refused_before_it_is_built(capsys):
    axis = ",".join(map(str, range(20, 1020)))
    line = refusal(capsys, "power", STARTER, "--vary", f"design.n_per_arm={axis}", "--vary", f"estimand.day={axis}")
    assert "--vary = 1000000: scenarios" in line


@pytest.mark.parametrize("value", ["&a [*a]", "!!int x", "060", "[" * 50 + "]" * 50])
def test_settings_go_through_the_same_door(value, capsys):
    assert "must be a value as YAML would read it" in refusal(
        capsys, "check", STARTER, "--set", f"design.n_per_arm={value}"
    )


def test_a_number_of_thousands_of_digits_is_shortened(tmp_path, capsys):
    path = tmp_path / "trial.yaml"
    path.write_text(STARTER.read_text(encoding="utf-8").replace("value: 32", f"value: 0x{'f' * 5000}"))
    assert len(refusal(capsys, "check", path)) < 250


def test_a_trial_file_goes_through_the_same_door(tmp_path, capsys):
    for name in ("bomb", "loop", "tag"):
        shutil.copy(FAULTS / f"{name}.yaml", tmp_path / "trial.yaml")
        assert "is not YAML: line" in refusal(capsys, "evidence", "show", tmp_path / "trial.yaml")


def test_the_same_question_may_be_asked_by_two_methods():
    raw = read_raw(FAULTS / "dup_secondary.yaml")
    raw["secondary"][1] = raw["secondary"][1] | {"methods": ["difference"]}
    assert len(build(raw).secondary) == 3


def test_half_life_of_what_never_fades_is_allowed():
    assert load(STARTER, {"therapies.cbt.half_life": 1e9}).therapies["cbt"].half_life.value == 1e9


def test_printable_escapes_what_moves_the_cursor_and_nothing_else():
    assert printable("a\x1b[2Jb\rc\u202ed\x9b\ud800") == r"a\x1b[2Jb\rc\u202ed\x9b\ud800"
    assert printable("γ − 5 °C\tµ\n▼ 日本") == "γ − 5 °C\tµ\n▼ 日本"
