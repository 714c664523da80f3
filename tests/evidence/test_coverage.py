"""docs/coverage.md: every entry of coverage.csv, what the collected evidence asks for, with the commands that show it.

The counts are the table's, every name is there, and the commands run: a sample by default, all of them as `validation`.
So are the names of docs/source_errors.md.
"""

from __future__ import annotations

import csv
import json
import math
import re
import shlex
import types
import typing
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

import pytest

from kaptrial import catalogue
from kaptrial.method_table import methods
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.trial import Endpoint
from tests import ROOT, SCENARIOS

PAGE = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
COUNTS = re.compile(
    r"Of (\d+) entries (\d+) ask for something that a trial can have: (\d+) work, (\d+) work in part, (\d+) do not. "
    r"(\d+) are no trial quantity."
)
MISSING = "missing: "
# What makes a command small, by its first words.
SMALL = {"power": ("--replicates", "64"), "clinic": ("--replicates", "20"), "analyse": (), "evidence show": ()}
# Of each kind of command one that is quick, and the newest kinds of outcome.
SAMPLE = (
    "evidence show feder2021",
    "analyse tests/data/relapse.csv",
    "power scenarios/depression_noninferiority_ect.yaml",
    "power scenarios/starter.yaml --set outcome.scale=SHAPS",
    "power scenarios/depression_oral_at_home.yaml --set 'population.description=autism",
    "power scenarios/suicidality_24h.yaml --set outcomes.ideation.scale=MoCA",
)


def names_in(text):
    return re.findall(r"`([^`]+)`", text)


@dataclass(frozen=True)
class Entry:
    """A row of the page; the kind is the last word of the section's heading."""

    kind: str
    item: str
    status: str
    shown_by: str
    remark: str

    @property
    def commands(self):
        return [command.removeprefix("kaptrial ") for command in names_in(self.shown_by)]


def read_pairs():
    text = Path(__file__).with_name("coverage.csv").read_text(encoding="utf-8")
    return [(row["kind"], row["item"]) for row in csv.DictReader(text.splitlines())]


def read_entries(page):
    kind, entries = "", []
    for line in page.splitlines():
        if line.startswith("## "):
            kind = line.rpartition(": ")[2]
        elif line.startswith("| ") and not line.startswith("| item | status |"):
            entries.append(Entry(kind, *line.removeprefix("| ").removesuffix(" |").split(" | ")))
    return entries


PAIRS = read_pairs()
ENTRIES = read_entries(PAGE)
COMMANDS = sorted({command for entry in ENTRIES for command in entry.commands})


def scenario_files(command):
    return re.findall(r"scenarios/\w+\.yaml", command)


def all_names():
    """Every name in the remarks and in the words before the tables, but for the placeholders of the explanation."""
    explained = {"catalogue:KEY", "source:KEY", "scale:NAME", "route:NAME", "endpoint:NAME", "method:NAME"}
    explained |= {"scenarios/x.yaml", "[]", "*", "evidence show KEY", "set", "validation", "power"}
    preface = {name for name in names_in(PAGE.partition("\n## ")[0]) if not name.startswith("tests/")}
    return sorted((preface - explained) | {name for entry in ENTRIES for name in names_in(entry.remark)})


# --- a path of the scenario file, over the fields of the dataclasses --------------------------------------------------


def options(kind):
    """The types that a declared type may be, without Annotated, unions and None."""
    if isinstance(kind, typing.TypeAliasType):
        return options(kind.__value__)
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return options(typing.get_args(kind)[0])
    if origin in (typing.Union, types.UnionType):
        return [each for option in typing.get_args(kind) for each in options(option)]
    return [] if kind is type(None) else [kind]


def below(kind, step):
    """The types of what stands at `step` below a value of type `kind`: a field, `[]` of a list, `*` of a mapping."""
    shares = []
    for option in options(kind):
        origin = typing.get_origin(option)
        if step == "[]":
            shares += [typing.get_args(option)[0]] if origin is tuple else []
        elif step == "*":
            shares += [typing.get_args(option)[1]] if origin in (dict, Mapping) else []
        elif is_dataclass(noun := origin or option) and step in {field.name for field in fields(noun)}:
            hint = typing.get_type_hints(noun, include_extras=True)[step]
            shares.append(hint[typing.get_args(option)] if getattr(hint, "__parameters__", ()) else hint)
    return shares


def resolves(path):
    kinds = [Scenario]
    for step in re.findall(r"\[\]|[^.\[\]]+", path):
        kinds = [deeper for kind in kinds for deeper in below(kind, step)]
    return bool(kinds) and bool(re.fullmatch(r"\w+(\[\]|\.\w+|\.\*)*", path))


def is_there(name):
    prefix, colon, rest = name.partition(":")
    known = {
        "catalogue": catalogue.trial_keys(),
        "source": frozenset(catalogue.source_keys()) - set(catalogue.trial_keys()),
        "scale": catalogue.scale_names(),
        "route": catalogue.route_names(),
        "endpoint": typing.get_args(Endpoint),
        "method": methods(),
    }
    if colon:
        return rest in known[prefix]
    if name.startswith("scenarios/"):
        return (ROOT / name).is_file() and name.endswith(".yaml")
    return resolves(name)


# --- the tests --------------------------------------------------------------------------------------------------------


def test_there_are_188_entries():
    assert len(PAIRS) == len(set(PAIRS)) == 188
    assert Counter(kind for kind, _ in PAIRS) == {
        "trial_or_study": 62, "regimen": 17, "therapy": 22, "therapy_model": 9, "indication": 27, "route": 8,
        "endpoint": 24, "safety": 19,
    }  # fmt: skip


def test_every_entry_stands_once_under_its_kind_and_nothing_else_does():
    assert Counter((entry.kind, entry.item) for entry in ENTRIES) == Counter(PAIRS)


def test_the_counts_are_those_of_the_table():
    count = Counter(entry.status for entry in ENTRIES)
    works, in_part, fails, no_quantity = (count[s] for s in ("works", "in part", "not", "no trial quantity"))
    (said,) = COUNTS.findall(PAGE)
    assert [int(number) for number in said] == [
        len(ENTRIES), len(ENTRIES) - no_quantity, works, in_part, fails, no_quantity,
    ]  # fmt: skip
    assert works >= 115


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.kind}: {entry.item}")
def test_a_status_has_what_it_needs(entry):
    """What works, in part too, has commands; what does not work says what is missing, and last of all."""
    before, missing, what = entry.remark.partition(MISSING)
    if entry.status in ("works", "in part"):
        assert entry.commands
        assert "; ".join(f"`kaptrial {command}`" for command in entry.commands) == entry.shown_by
    else:
        assert entry.shown_by == "—"
    assert bool(missing) == (entry.status in ("in part", "not"))
    if missing:
        assert len(what.split()) >= 3
        assert not before or before.endswith("; ")
    if entry.status == "no trial quantity":
        assert len(entry.remark.split()) >= 4


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.kind}: {entry.item}")
def test_what_only_the_catalogue_shows_has_figures_there(entry):
    if entry.status != "works" or not all(command.startswith("evidence show ") for command in entry.commands):
        return
    trials = {command.split()[-1] for command in entry.commands} & set(catalogue.trial_keys())
    if entry.kind != "trial_or_study" or not trials:
        return
    figures = [figure for key in trials for figure in catalogue.trial(key).figures]
    assert any(isinstance(figure.value, int | float) and not isinstance(figure.value, bool) for figure in figures)


@pytest.mark.parametrize("name", all_names())
def test_every_name_is_there(name):
    assert is_there(name)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_of_a_kind_that_is_run_and_names_a_file_or_key(command):
    assert command.startswith(tuple(SMALL))
    if command.startswith("evidence show "):
        key = command.removeprefix("evidence show ")
        assert is_there(f"catalogue:{key}") or is_there(f"source:{key}")
    else:
        assert (ROOT / shlex.split(command)[1]).is_file()


@pytest.mark.parametrize(
    "name",
    [
        "catalogue:murrough2013", "source:murrough2013a", "scale:CAPS", "route:IV2", "endpoint:relapse", "method:nnt",
        "scenarios/none.yaml", "arms[].dose", "arms[].doses[].days.first", "arms.doses", "therapies.cbt",
        "therapies.*.name", "population.entry.age", "conduct.dropout.", "", "drug.share.by_arm",
        "conduct.dropout.hazard.by_arm.*.sds",
    ],
)  # fmt: skip
def test_a_name_that_is_not_there_is_found_out(name):
    assert not is_there(name)


@pytest.mark.parametrize(
    "path",
    [
        "arms[].doses[].mg_per_kg", "therapies.*.therapists.sd.value", "conduct.dropout.hazard.by_arm.*.value",
        "conduct.rescue.effect.source", "arms[].factors.*", "design.allocation.strata[].levels.*.share",
        "secondary[].strategies.rescue", "population.correlations[].between[]",
    ],
)  # fmt: skip
def test_paths_resolve(path):
    assert resolves(path)


def test_every_scenario_answers_an_entry():
    named = {name for name in all_names() if name.startswith("scenarios/")}
    named |= {name for command in COMMANDS for name in scenario_files(command)}
    assert {f"scenarios/{path.name}" for path in SCENARIOS.glob("*.yaml")} == named


def run_small(run, command, tmp_path):
    """Run a command small; of one that simulates, each power is a number of some replicates that could be fitted."""
    (extra,) = (small for kind, small in SMALL.items() if command.startswith(kind))
    found = tmp_path / "found.json"
    run(*shlex.split(command), *extra, "--json", found)
    results = json.loads(found.read_text(encoding="utf-8"))
    if command.startswith("power "):
        powers = [row for row in results["results"] if row["metric"] == "power"]
        assert powers
        assert all(math.isfinite(row["value"]) and row["n_failed"] < row["n_replicates"] for row in powers)


@pytest.mark.parametrize("start", SAMPLE)
def test_a_sample_of_the_commands_runs(start, run, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    command = min((command for command in COMMANDS if command.startswith(start)), key=len)
    run_small(run, command, tmp_path)


@pytest.mark.validation
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs(command, run, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    run_small(run, command, tmp_path)


def test_source_errors_name_what_is_there():
    page = (ROOT / "docs" / "source_errors.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 34
    assert {len(row) for row in rows} == {4}
    known = {*catalogue.trial_keys(), *catalogue.source_keys(), "document_only", "doc_", "scales.yaml", "routes.yaml"}
    named = {name for row in rows for name in names_in(row[-1])}
    assert named <= known
    assert len(named & set(catalogue.trial_keys())) > 15
