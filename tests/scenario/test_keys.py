"""Every key of a scenario is described once; schema and reference page are made of that."""

from __future__ import annotations

import copy
import json
from dataclasses import fields

import jsonschema
import pytest
from pydantic import TypeAdapter

from kaptrial.cli import main
from kaptrial.scenario.descriptions import KEYS
from kaptrial.scenario.keys import page, places, rows
from kaptrial.scenario.paths import fields_of
from kaptrial.scenario.schema import json_schema
from kaptrial.yaml_file import parse
from tests import ROOT, SCENARIOS

SHIPPED = sorted(SCENARIOS.glob("*.yaml"))
STARTER = parse((SCENARIOS / "starter.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def validator():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_every_key_is_described_and_nothing_else():
    assert {name: set(keys) for name, keys in KEYS.items()} == {
        kind.__name__: {field.name for field in fields(kind)} for kind in places()
    }


def test_every_example_may_stand_where_it_is_shown():
    for row in rows():
        TypeAdapter(fields_of(row.noun)[row.key]).validate_python(parse(row.example))


def test_meanings_are_sentences_and_examples_hold_no_bar():
    for row in rows():
        assert row.meaning.rstrip().endswith("."), row.key
        assert "|" not in row.example


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_scenario_fits_the_schema(validator, path):
    assert list(validator.iter_errors(parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_per_amr": 60},
        {"visits": "weekly"},
        {"visits": {"first": 0, "evry": 7, "count": 5}},
        {"n_per_arm": "60"},
    ],
    ids=str,
)
def test_the_schema_refuses_what_a_file_may_not_say(validator, wrong):
    raw = copy.deepcopy(STARTER)
    raw["design"] |= wrong
    assert list(validator.iter_errors(raw))


def test_the_schema_knows_units_and_words(validator):
    for path, value in ((("drug", "half_life", "unit"), "hour"), (("outcome", "scale"), "MADRAS")):
        raw = copy.deepcopy(STARTER)
        node = raw
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = value
        assert list(validator.iter_errors(raw)), path


@pytest.mark.parametrize(("arguments", "made"), [(["schema"], None), (["schema", "--reference"], page)])
def test_the_command_prints_both(arguments, made, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code in (0, None)
    shown = capsys.readouterr().out
    assert shown == made() if made else json.loads(shown) == json_schema()


def test_the_page_in_docs_is_the_one_that_is_made():
    assert (ROOT / "docs" / "keys.md").read_text(encoding="utf-8") == page()
