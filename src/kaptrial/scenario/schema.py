"""The JSON Schema of a scenario file, with which editors complete and check it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter

from kaptrial.scenario.keys import places, quantity_of, rows, units_of, words
from kaptrial.scenario.paths import fields_of
from kaptrial.scenario.percent_of_days import PERCENT
from kaptrial.scenario.scenario import Scenario
from kaptrial.yaml_file import parse


def json_schema() -> dict[str, Any]:
    """The schema: the types that files are read by, with the descriptions of every key."""
    schema = TypeAdapter(Scenario).json_schema()
    nouns = {kind.__name__: schema["$defs"].get(kind.__name__, schema) for kind in places()}
    for row in rows():
        entry = nouns[row.noun.__name__]["properties"][row.key]
        entry["description"] = row.meaning + (f" Unit: {row.unit}." if row.unit else "")
        entry["examples"] = [parse(row.example)]
        allowed = words(row.noun, row.key)
        if allowed:
            _restrict(entry, allowed)
    for kind in places():
        nouns[kind.__name__]["title"] = kind.__name__
        for field in fields(kind):
            quantity = quantity_of(fields_of(kind)[field.name])
            if quantity is not None:
                units = (*units_of(quantity), *([PERCENT] if quantity.unit == "effect" else []))
                _with_unit(nouns[kind.__name__]["properties"][field.name], units)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "A scenario of kaptrial",
        "description": "A trial, what is assumed about the world, and the question asked of it.",
    }


def _restrict(entry: dict[str, Any], allowed: tuple[str, ...]) -> None:
    """Words for text, wherever it stands in an entry."""
    if entry.get("type") == "string":
        entry["enum"] = list(allowed)
    for below in (*entry.get("anyOf", ()), *entry.get("oneOf", ()), *filter(None, [entry.get("items")])):
        _restrict(below, allowed)


def _with_unit(entry: dict[str, Any], units: tuple[str, ...]) -> None:
    """The units that fit a number with a source, wherever it stands in an entry."""
    if entry.get("$ref") == "#/$defs/Sourced":
        entry["properties"] = {"unit": {"enum": list(units)}}
    for below in (*entry.get("anyOf", ()), *entry.get("oneOf", ())):
        _with_unit(below, units)
