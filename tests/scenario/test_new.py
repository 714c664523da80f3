"""Scenarios from building blocks, and the shipped ones copied."""

from __future__ import annotations

import io
from itertools import cycle, product

import pytest

import kaptrial as kt
from kaptrial.catalogue import source_keys
from kaptrial.cli import main
from kaptrial.errors import FieldError
from kaptrial.scenario.files import build, load
from kaptrial.scenario.new import Plan, blocks, choices
from kaptrial.scenario.sourced import ASSUMPTION, walk
from kaptrial.yaml_file import parse
from tests import SCENARIOS

FLAGS = {
    "indication": "depression", "regimen": "six_in_3_weeks", "therapy": "cbt", "comparison": "factorial",
    "outcome": "score", "day": 84, "n": 120,
}  # fmt: skip


def run(*arguments: object) -> object:
    with pytest.raises(SystemExit) as stop:
        main([str(each) for each in arguments])
    return stop.value.code


def options(**changes: object) -> list[object]:
    return [part for name, value in (FLAGS | changes).items() for part in (f"--{name}", value) if value is not None]


def test_every_combination_of_blocks_makes_a_sound_scenario():
    regimens, days = cycle(choices("regimen")), cycle((3, 28, 180))
    for indication, therapy, comparison in product(choices("indication"), choices("therapy"), choices("comparison")):
        if therapy == "none" and blocks()["comparisons"][comparison].get("needs_therapy"):
            continue
        for outcome in choices("outcome", indication):
            plan = Plan(indication, next(regimens), therapy, comparison, outcome, day=next(days), n=120)
            s = build(parse(plan.text()))
            assert s.n_total == 120
            assert s.estimand.day == plan.day
            for path, value in walk(s):
                assert value.source == ASSUMPTION or value.source in source_keys(), path


def test_the_arms_are_those_of_the_comparison():
    s = build(parse(Plan(**FLAGS).text()))
    assert [arm.id for arm in s.arms] == [
        "midazolam_contact", "midazolam_therapy", "ketamine_contact", "ketamine_therapy",
    ]  # fmt: skip
    assert s.estimand.contrast == "ketamine:therapy"
    low = build(
        parse(Plan("alcohol", "three_weekly", "relapse_prevention", "low_dose", "abstinent_days", 180, 279).text())
    )
    assert (low.ratio, low.n_total) == ((2, 1), 279)
    assert [arm.doses[0].mg_per_kg for arm in low.arms] == [0.8, 0.05]
    three = build(parse(Plan("ptsd", "six_in_3_weeks", "psychotherapy", "three_arms", "score", 84, 90).text()))
    assert [(bool(arm.doses), arm.therapy is not None) for arm in three.arms] == [
        (True, True), (True, False), (False, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"therapy": "cbtt"}, "--therapy = 'cbtt': must be one of none, cbt"),
        ({"outcome": "abstinent_days"}, "--outcome = 'abstinent_days': must be one of score"),
        ({"therapy": "none"}, "--therapy = 'none': factorial needs one of cbt"),
        ({"n": 121}, "--n = 121: must be a multiple of 4, at least 8"),
        ({"day": 0}, "--day = 0: must be 1 or later"),
        ({"regimen": None, "day": None}, "new is missing --regimen (one_infusion, six_in_3_weeks"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_line(changes, said, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run("new", *options(**changes)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_the_plan_names_its_field_in_python():
    with pytest.raises(FieldError, match="must be one of depression"):
        Plan(**FLAGS | {"indication": "autism"})


def test_to_a_file_that_is_never_overwritten_and_to_standard_output(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    assert run("new", path, *options()) in (0, None)
    text = path.read_text(encoding="utf-8")
    capsys.readouterr()
    assert run("new", *options()) in (0, None)
    assert capsys.readouterr().out == text
    assert run("new", path, *options(n=80)) == 2
    assert "exists already" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == text
    assert run("check", path) in (0, None)


def test_on_a_terminal_what_is_missing_is_asked_until_it_fits(capsys, monkeypatch):
    keyboard = io.StringIO("no such\ncbt\n120\n")
    keyboard.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", keyboard)
    assert run("new", *options(therapy=None, n=None)) in (0, None)
    shown = capsys.readouterr()
    assert shown.out == Plan(**FLAGS).text()
    assert "Which therapy?" in shown.err
    assert "must be one of none, cbt" in shown.err


def test_shipped_scenarios_are_listed_and_copied(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("scenarios", "list") in (0, None)
    shown = capsys.readouterr().out
    assert all(path.stem in shown for path in SCENARIOS.glob("*.yaml"))
    assert run("scenarios", "copy", "starter") in (0, None)
    assert load(tmp_path / "starter.yaml") == load(SCENARIOS / "starter.yaml")
    assert (tmp_path / "starter.yaml").read_bytes() == (SCENARIOS / "starter.yaml").read_bytes()
    capsys.readouterr()
    for arguments, said in ((("starter",), "exists already"), (("starterr",), "did you mean `starter`?")):
        assert run("scenarios", "copy", *arguments) == 2
        assert said in capsys.readouterr().err


def test_a_flat_dose_is_divided_by_the_weight():
    s = build(parse(Plan("depression", "esketamine_nasal", "cbt", "therapy_added", "score", 84, 100).text()))
    assert s.arms[0].doses[0].mg_per_kg_by_day() == pytest.approx((70 / 75,) * 8, rel=1e-15)


MADE = sorted(path for path in SCENARIOS.glob("*.yaml") if path.read_text(encoding="utf-8").startswith("# Made by"))


def test_five_protocols_began_so():
    assert len(MADE) == 5


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.stem)
def test_the_command_in_its_head_still_makes_its_beginning(path, capsys):
    head = path.read_text(encoding="utf-8").partition("`, then changed")[0].replace("\n#", " ")
    _, *arguments = head.removeprefix("# Made by `").split()
    assert run(*arguments) in (0, None)
    begun, finished = build(parse(capsys.readouterr().out)), load(path)
    assert begun.outcome == finished.outcome
    assert [arm.therapy is None for arm in begun.arms] == [arm.therapy is None for arm in finished.arms]
    assert (begun.estimand.day, begun.n_total, begun.ratio) == (finished.estimand.day, finished.n_total, finished.ratio)


def test_looks_stand_in_the_file_and_run_at_once(tmp_path):
    path = tmp_path / "mine.yaml"
    changes = {"therapy": "none", "comparison": "drug", "outcome": "score", "day": 28, "looks": ".33,.67"}
    assert run("new", path, *options(**changes)) == 0
    assert "--looks 0.33,0.67`" in path.read_text().partition("\n")[0]
    s = load(path)
    assert [look.information for look in s.design.group_sequential.looks] == [0.33, 0.67]
    assert s.n_total / s.design.group_sequential.accrual_per_month == 24
    (part,) = kt.looks(s, replicates=32, nulls=False, workers=1).parts
    assert part.designed.plan.information[:-1] == pytest.approx([0.33, 0.67], abs=0.1)


def test_looks_are_rising_shares():
    for looks, at in (((0.5, 0.4), "looks[1]"), ((1.0,), "looks[0]"), ((0.0,), "looks[0]")):
        with pytest.raises(FieldError) as error:
            Plan(**FLAGS, looks=looks)
        assert error.value.field == at
    assert "group_sequential" not in Plan(**FLAGS).text()
