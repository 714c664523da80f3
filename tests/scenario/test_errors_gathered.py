"""All mistakes of a scenario in one go, each on its line of the file, with a hint at what was meant."""

from __future__ import annotations

import copy
import random

import pytest
import yaml

import kaptrial
from kaptrial.cli import main
from kaptrial.errors import ScenarioError
from kaptrial.scenario.files import build, load, read_raw
from tests.scenario.malformed import CASES, STARTER, TEXT, edit

# What stands in the starter, what is made of it, and the error, in the order of the lines.
TEN = (
    ("  scale: MADRS ", "  scale: MADRAS ", "outcome.scale = 'MADRAS': must be one of"),
    ("    unit: points", "    unit: point", "population.baseline.unit = 'point': must be points or logit"),
    ("ec50: {value: 0.5, unit: dose, source: assumption", "ec50: {value: 0.5, unit: dose, source: smith2020",
     "drug.ec50.source = 'smith2020': must be `assumption` or a key of the catalogue"),
    ("log_sd: 1, unit: day", "log_sd: -1, unit: day", "drug.half_life.log_sd = -1: must be ≥ 0, ≤ 5"),
    ("    label: CBT", "    labl: CBT", "therapies.cbt.labl = 'CBT': unknown key; did you mean `label`?"),
    ("  rater_sd: {value: 2.5, unit: points", "  rater_sd: {value: 2.5, unit: none", "measurement.rater_sd.unit"),
    ("  - id: ketamine_cbt", "  - id: ketamine cbt", "arms[1].id = 'ketamine cbt': must be one word"),
    ("    therapy: {name: cbt, days: {first: 2", "    therapy: {name: cbt, days: {first: -2",
     "arms[1].therapy.days.first = -2: must be a number ≥ 0"),
    ("  n_per_arm: 60", "  n_per_arm: 1", "design.n_per_arm = 1: must be between 2 and 100000"),
    ("  day: 28", "  day: 28\n  endpoint: points", "estimand.endpoint = 'points': must be"),
)  # fmt: skip


def refused(capsys, *arguments: object) -> list[str]:
    with pytest.raises(SystemExit) as stop:
        main([str(each) for each in arguments])
    shown = capsys.readouterr()
    assert (stop.value.code, shown.out) == (2, "")
    return [line.removeprefix("kaptrial: ") for line in shown.err.splitlines()]


def test_ten_mistakes_give_ten_lines_each_with_its_own(tmp_path, capsys):
    text = TEXT
    for old, new, _ in TEN:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / "trial.yaml"
    path.write_text(text, encoding="utf-8")
    lines = refused(capsys, "check", path)
    assert len(lines) == 10, lines
    for said, (_, new, error) in zip(lines, TEN, strict=True):
        number = text[: text.index(new) + len(new)].count("\n") + 1
        assert said.startswith(f"{path}:{number}: {error}"), said
    with pytest.raises(ScenarioError) as caught:
        kaptrial.load_scenario(yaml.safe_load(text))
    said = str(caught.value).splitlines()
    assert sorted(said) == sorted(line.partition(": ")[2] for line in lines)


def test_checks_across_fields_are_gathered_too_beside_fields_that_cannot_be_read(tmp_path, capsys):
    changed = TEXT.replace("ketamine_cbt - ketamine", "ketamine_cbt - placebo").replace("name: cbt,", "name: cbtt,")
    changed = changed.replace("visits: [0, 1, 7, 14, 28]", "visits: [0, 1, 7, 14, 20]").replace(
        "value: 32", "value: 99"
    )
    path = tmp_path / "trial.yaml"
    path.write_text(changed.replace("learning_per_session: {value: 0.25", "learning_per_session: {value: -1"))
    text = "\n".join(refused(capsys, "check", path))
    for part in (
        "estimand.contrast = 'ketamine_cbt - placebo'",
        "population.baseline.value = 99: must lie on the scale",
        "arms[1].therapy.days[7] = 23: must not be after the last visit",
        "therapies.cbt.learning_per_session.value = -1",
    ):
        assert part in text
    assert "cbtt" not in text  # which therapies there are could not be read
    path.write_text(changed, encoding="utf-8")
    assert "arms[1].therapy.name = 'cbtt'" in "\n".join(refused(capsys, "check", path))


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"sites": 2}, "strata of design.allocation; sites that recruit stand under clinic"),
        ({"design.sites": 2}, "strata of design.allocation"),
        ({"design.n_per_arm": {"ketamine": 40, "ketamine_cbt": 20}}, "n_total with allocation.ratio"),
        ({"drug.ec50.source": "smith2020"}, "your own stands under `sources`"),
        ({"dropout": 0.1}, "it stands at conduct.dropout"),
        ({"arms[0].attrition": 0.1}, "conduct.dropout"),
        ({"icc": 0.05}, "therapies.NAME.therapists"),
        ({"design.followup": 84}, "design.visits"),
        ({"arms[1].sessions": 9}, "therapy: {name: NAME, days:"),
        ({"alpha": 0.05}, "it stands at analysis.alpha"),
        ({"design.n": 60}, "design.n_per_arm or design.n_total"),
        ({"estimand.alpha": 0.05}, "it stands at analysis.alpha"),
        ({"conduct.gamma": 1}, "it stands at therapies.NAME.gamma"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_hints_say_where_what_was_meant_lives(change, hint):
    raw = read_raw(STARTER)
    edit(change)(raw)
    with pytest.raises(ScenarioError) as caught:
        build(raw)
    (line,) = str(caught.value).splitlines()
    assert hint in line


def test_what_was_set_on_the_command_line_is_named_by_its_option(capsys):
    settings = ("--set", "design.n_per_arm=1", "--set", "drug.ec50=-1", "--set", "estimand.day=3")
    lines = sorted(refused(capsys, "check", STARTER, *settings))
    assert len(lines) == 2
    assert lines[0].startswith("--set design.n_per_arm = 1: must be")
    assert lines[1].startswith("--set drug.ec50.value = -1: must be > 0")
    assert refused(capsys, "check", STARTER, *settings[4:])[0].startswith("--set estimand.day = 3: must be a visit")
    lines = refused(capsys, "check", STARTER, "--set", "desing.n_per_arm=1", "--set", "drug.ec5=1")
    assert [line.partition(":")[0] for line in lines] == ["--set desing.n_per_arm", "--set drug.ec5"]


def test_variants_are_checked_all_and_found_in_the_file(tmp_path):
    path = tmp_path / "trial.yaml"
    path.write_text(TEXT + "variants:\n  small: {design.n_per_arm: 1}\n  odd: {drug.ec50: 0}\n", encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load(path)
    first, second = str(caught.value).splitlines()
    last = TEXT.count("\n") + 1
    assert first.startswith(f"{path}:{last + 1}: variants.small: design.n_per_arm = 1: must be")
    assert second.startswith(f"{path}:{last + 2}: variants.odd: drug.ec50.value = 0: must be > 0")


def test_any_two_mistakes_give_lines_and_no_traceback():
    edits = [(name, case) for name, case in CASES.items() if callable(case.content)]
    chance = random.Random(14)
    for _ in range(150):
        raw = copy.deepcopy(yaml.safe_load(TEXT))
        names = []
        for name, case in chance.sample(edits, 2):
            try:
                case.content(raw)
            except (KeyError, IndexError, TypeError, AttributeError):
                continue  # the first left no place for the second
            names.append(name)
        with pytest.raises(ScenarioError) as caught:
            build(raw)
        assert all(": " in line for line in str(caught.value).splitlines()), names
