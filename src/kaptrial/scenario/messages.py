"""What pydantic found wrong in a scenario, each error with its path, its value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from kaptrial.errors import ABSENT, FieldError, FieldErrors, nearest
from kaptrial.scenario.hints import UNEQUAL_ARMS, unknown_key
from kaptrial.scenario.paths import join_path, keys_at

UNKNOWN_KEY = "unexpected_keyword_argument"
MISSING = ("missing", "missing_argument")


def field_errors(error: ValidationError) -> list[FieldError]:
    """Every error, unknown keys first; not a key that is missing because it was misspelt, nor what is below a key that
    may not stand there."""
    every = sorted(error.errors(), key=lambda each: each["type"] != UNKNOWN_KEY)
    misspelt = {(*_steps(each)[:-1], _meant(each)) for each in every if each["type"] == UNKNOWN_KEY}
    bad_keys = [each["loc"][:-1] for each in every if each["loc"][-1:] == ("[key]",)]
    gathered: list[FieldError] = []
    for each in every:
        at = each["loc"]
        if each["type"] in MISSING and tuple(_steps(each)) in misspelt:
            continue
        if at[-1:] != ("[key]",) and any(at[: len(key)] == key for key in bad_keys):
            continue
        gathered += _field_errors_of(each)
    return gathered


def _steps(error: Any) -> list[str | int]:
    return [step for step in error["loc"] if not (isinstance(step, str) and step.startswith("#"))]


def _meant(error: Any) -> str:
    """The key that a misspelt one is most like, or nothing."""
    steps = _steps(error)
    hint = nearest(str(steps[-1]), keys_at(steps[:-1]))
    return hint.partition("`")[2].partition("`")[0]


def _field_errors_of(error: Any) -> Iterator[FieldError]:
    steps = _steps(error)
    where = join_path(steps)
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, FieldErrors):
        yield from (each.below(where) if where else each for each in cause.errors)
    elif isinstance(cause, FieldError):
        yield cause.below(where) if where else cause
    else:
        value = ABSENT if error["type"] in MISSING else error["input"]
        yield FieldError(where, value, _allowed(error, steps))


def _allowed(error: Any, steps: list[Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == UNKNOWN_KEY:
        keys = ["by_arm"] if "#by_arm" in error["loc"] else keys_at(steps[:-1])
        hint = unknown_key(str(steps[-1]), keys, join_path(steps[:-1]))
        return f"unknown key{hint}" + (f" (known: {', '.join(keys)})" if keys else "")
    if kind == "dataclass_type":
        if context.get("class_name") == "Sourced":
            return "a number about the world must be written {value: …, unit: …, source: …}"
        return "must be a mapping" + (f" with {', '.join(keys_at(steps))}" if keys_at(steps) else "")
    said = {
        "missing": "must be given",
        "missing_argument": "must be given",
        "float_type": "must be a number",
        "finite_number": "must be a finite number",
        "int_type": "must be a whole number",
        "bool_type": "must be true or false",
        "string_type": "must be text",
        "string_too_short": "must not be empty",
        "tuple_type": "must be a list",
        "dict_type": "must be a mapping",
        "string_pattern_mismatch": "must be one word of letters, digits and _, beginning with a letter",
        "int_from_float": "must be a whole number",
    }
    if kind in said:
        return said[kind] + (_meant_as(error["input"], kind, steps))
    for key, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
        if key in context:
            return f"must be {sign} {context[key]:g}"
    if "expected" in context:
        return f"must be {context['expected']}"
    text: str = error["msg"]
    return text[0].lower() + text[1:]


def _meant_as(value: Any, kind: str, steps: list[Any]) -> str:
    """How what stands in place of a number would be written, as far as it can be told."""
    if kind not in ("float_type", "int_type"):
        return ""
    if isinstance(value, dict) and steps[-2:] == ["design", "n_per_arm"]:
        return f"; {UNEQUAL_ARMS}"
    return _as_number(value) if isinstance(value, str) else ""


def _as_number(value: str) -> str:
    """Of text that was meant as a number, why it is none."""
    try:
        number = float(value)
    except ValueError:
        return ""
    if "e" not in value.lower() or not math.isfinite(number):
        return ", without quotes"
    return f"; YAML reads {value[:20]} as text: write {number:.15g}" if 1e-4 <= abs(number) < 1e15 else ""
