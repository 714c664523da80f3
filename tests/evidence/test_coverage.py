"""docs/coverage.md: every entry of coverage.csv, what the collected evidence asks for, stands in it once.

Every name in it is there, and so is every name of docs/source_errors.md.
"""

from __future__ import annotations

import csv
import re
import types
import typing
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from kaptrial import catalogue
from kaptrial.method_table import methods
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.trial import Endpoint
from tests import ROOT, SCENARIOS

PAGE = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
OUT_OF_SCOPE = "out of scope: "


def read_pairs():
    text = Path(__file__).with_name("coverage.csv").read_text(encoding="utf-8")
    return [(row["kind"], row["item"]) for row in csv.DictReader(text.splitlines())]


def read_rows(page):
    """(kind, item, where) of each row of the page's tables; the kind is the last word of the section's heading."""
    kind, rows = "", []
    for line in page.splitlines():
        if line.startswith("## "):
            kind = line.rpartition(": ")[2]
        elif line.startswith("| ") and line != "| item | where it is expressed |":
            item, where = line.removeprefix("| ").removesuffix(" |").split(" | ")
            rows.append((kind, item, where))
    return rows


PAIRS = read_pairs()
ROWS = read_rows(PAGE)


def names_in(text):
    return re.findall(r"`([^`]+)`", text)


def all_names():
    """Every name in the tables and in the words before them, but for the placeholders of the explanation."""
    explained = {"catalogue:KEY", "source:KEY", "scale:NAME", "route:NAME", "endpoint:NAME", "method:NAME"}
    explained |= {"scenarios/x.yaml", "kaptrial analyse", "[]", "*"}
    preface = {n for n in names_in(PAGE.partition("\n## ")[0]) if not n.startswith(("src/", "tests/"))}
    return sorted((preface - explained) | {name for *_, where in ROWS for name in names_in(where)})


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
    assert Counter((kind, item) for kind, item, _ in ROWS) == Counter(PAIRS)


@pytest.mark.parametrize("name", all_names())
def test_every_name_is_there(name):
    assert is_there(name)


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


@pytest.mark.parametrize(("kind", "item", "where"), ROWS, ids=[f"{kind}: {item}" for kind, item, _ in ROWS])
def test_every_part_names_something_or_gives_a_reason(kind, item, where):
    """An entry is expressed by what it names; what is not expressed says why, in words and after what is."""
    parts = where.split("; ")
    outside = [part.startswith(OUT_OF_SCOPE) for part in parts]
    assert sum(outside) <= 1
    assert not any(outside[:-1])
    for part, is_outside in zip(parts, outside, strict=True):
        if is_outside:
            assert len(part.removeprefix(OUT_OF_SCOPE).split()) >= 4
        else:
            assert names_in(part)
            assert OUT_OF_SCOPE.strip() not in part


def test_every_scenario_answers_an_entry():
    """Of the scenario files only the one for beginners is asked for by no entry."""
    files = {f"scenarios/{path.name}" for path in (SCENARIOS).glob("*.yaml")}
    assert files - set(all_names()) == {"scenarios/starter.yaml"}


def test_source_errors_name_what_is_there():
    page = (ROOT / "docs" / "source_errors.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 34
    assert {len(row) for row in rows} == {4}
    known = {*catalogue.trial_keys(), *catalogue.source_keys(), "document_only", "doc_", "scales.yaml", "routes.yaml"}
    named = {name for row in rows for name in names_in(row[-1])}
    assert named <= known
    assert len(named & set(catalogue.trial_keys())) > 15
