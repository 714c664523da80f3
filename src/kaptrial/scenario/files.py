"""Scenario files in and out, and settings of single paths."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from kaptrial.errors import ABSENT, FieldError, ScenarioError, UserError, line, nearest, shown
from kaptrial.scenario.file_checks import check_file
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import ASSUMPTION, SPREADS, Sourced, walk
from kaptrial.yaml_file import YamlError, parse, read_text

Raw = dict[str, Any]


def read_raw(path: Path) -> Raw:
    """The file's mapping, unchecked. Raises ScenarioError if it cannot be read as one."""
    try:
        raw = parse(read_text(path))
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror}); must be a scenario file in YAML") from None
    except YamlError as error:
        raise ScenarioError(f"{path}{error.at} = {error}: must be valid YAML") from None
    except UserError as error:
        raise ScenarioError(str(error)) from None
    if not isinstance(raw, dict):
        kind = "nothing" if raw is None else type(raw).__name__
        raise ScenarioError(f"{path} = {kind}: must be a mapping with title, question, outcome, arms ...")
    return raw


@cache
def _adapter() -> TypeAdapter[Scenario]:
    return TypeAdapter(Scenario)


def build(raw: Raw) -> Scenario:
    """The checked scenario; its variants are checked too.

    Raises ScenarioError naming the first path that does not fit, its value and what may stand there.
    """
    _check_text(raw, [])
    scenario = _validate(raw)
    for label, changes in (scenario.variants or {}).items():
        try:
            _validate(with_settings(raw, changes))
        except ScenarioError as error:
            raise ScenarioError(f"variants.{label}: {error}") from None
    if scenario.prior is not None:
        for path, belief in (scenario.prior.also or {}).items():
            _check_prior_path(raw, scenario, path, belief.quantile(0.5))
    return scenario


def _check_prior_path(raw: Raw, scenario: Scenario, path: str, median: float) -> None:
    """A prior's path leads to a number about the world that can take the middle of its distribution."""
    known = [place for place, _ in walk(scenario)]
    hint = nearest(sourced_path(path), known)
    try:
        if not _leads_to_sourced(path):
            raise ScenarioError(f"prior.also.{path}: must lead to a number about the world{hint}")
        _validate(with_settings(raw, {sourced_path(path): median}))
    except ScenarioError as error:
        text = str(error).removeprefix(f"{path}: ")
        if text.startswith("prior.also"):
            raise
        said = f"prior.also.{path}: {text}" if "unknown key" in text else f"prior.also.{path} at its median: {text}"
        raise ScenarioError(said + (hint if "is missing" in text else "")) from None


def _leads_to_sourced(path: str) -> bool:
    """Whether a path ends at a number with a source, at its value or at its spread."""
    steps = split_path(path)
    kinds: list[Any] = [Scenario]
    for i, step in enumerate(steps):
        kinds.append(_kind_below(kinds[-1], step, path, steps, i))
    return _is_sourced(kinds[-1]) or (_is_sourced(kinds[-2]) and steps[-1] in ("value", *SPREADS))


def sourced_path(path: str) -> str:
    """A path to the value of a sourced number, as the path to the number itself: setting it marks the new source."""
    return path.removesuffix(".value")


def _validate(raw: Raw) -> Scenario:
    try:
        scenario = _adapter().validate_python(raw)
        check_file(scenario)
    except ValidationError as error:
        raise ScenarioError(_line(error)) from None
    except FieldError as error:
        raise ScenarioError(str(error)) from None
    return scenario


def _check_text(node: Any, steps: list[str | int]) -> None:
    """Keys are words, and every text can be written in UTF-8."""
    if isinstance(node, str):
        try:
            node.encode()
        except UnicodeEncodeError:
            raise ScenarioError(f"{_join(steps)} = {node!a}: must be text that UTF-8 can hold") from None
    elif isinstance(node, dict):
        for key, value in node.items():
            if not isinstance(key, str):
                raise ScenarioError(f"{_join([*steps, str(key)])}: unknown key; a key must be a word")
            _check_text(key, steps)
            _check_text(value, [*steps, key])
    elif isinstance(node, list):
        for i, value in enumerate(node):
            _check_text(value, [*steps, i])


def load(path: Path, settings: Mapping[str, Any] | None = None) -> Scenario:
    """Read, set and check a scenario file."""
    return build(with_settings(read_raw(path), settings or {}))


def dump(scenario: Scenario) -> str:
    """The scenario as YAML, without what is absent or default; `build` reads it back to an equal scenario."""
    return yaml.safe_dump(as_raw(scenario), sort_keys=False, allow_unicode=True, width=110)


def scenario_hash(scenario: Scenario) -> str:
    """SHA-256 of the scenario's canonical JSON."""
    text = json.dumps(as_raw(scenario), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def as_raw(noun_: Any) -> Any:
    """Plain mappings, lists and scalars; defaults are left out."""
    if is_dataclass(noun_) and not isinstance(noun_, type):
        out = {}
        for field in fields(noun_):
            value = getattr(noun_, field.name)
            if field.default is MISSING or value != field.default:
                out[field.name] = as_raw(value)
        return out
    if isinstance(noun_, Mapping):
        return {key: as_raw(value) for key, value in noun_.items()}
    if isinstance(noun_, tuple | list):
        return [as_raw(value) for value in noun_]
    if isinstance(noun_, float) and noun_.is_integer() and abs(noun_) < 1e15:
        return int(noun_)
    return noun_


# --- settings of single paths -----------------------------------------------------------------------------------------

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def split_path(path: str) -> list[str | int]:
    """`arms[1].therapy.days` as its steps. Raises ScenarioError if it is not a path."""
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        if steps and path[at] == ".":
            at += 1
        match = _STEP.match(path, at)
        if not match:
            break
        steps.append(match.group(1) if match.group(1) is not None else int(match.group(2)))
        at = match.end()
    if not steps or at != len(path) or path.endswith("."):
        raise ScenarioError(f"{path!r}: must be a path such as design.n_per_arm or arms[1].therapy.days[0]")
    return steps


def with_settings(raw: Raw, settings: Mapping[str, Any]) -> Raw:
    """A copy with each path set. A bare number at a sourced value sets its `value` and marks it as an assumption."""
    out = copy.deepcopy(raw)
    for path, value in settings.items():
        _set(out, path, value)
    return out


def with_prior(raw: Raw, name: str) -> Raw:
    """A copy that takes the named prior of the catalogue; distributions by path stay."""
    old = raw.get("prior")
    return raw | {"prior": old | {"name": name} if isinstance(old, dict) else name}


def _set(raw: Raw, path: str, value: Any) -> None:
    steps = split_path(path)
    kind: Any = Scenario
    node: Any = raw
    for i, step in enumerate(steps):
        kind = _kind_below(kind, step, path, steps, i)
        last = i == len(steps) - 1
        if last and _is_sourced(kind) and not isinstance(value, Mapping):
            old = node.get(step) if isinstance(node, dict) else None
            value = _as_assumption(old, value, kind)
        if isinstance(node, list):
            if not isinstance(step, int) or step >= len(node):
                raise ScenarioError(f"{path} = {shown(value)}: index {step} must be below {len(node)}")
        elif not isinstance(node, dict) or isinstance(step, int):
            raise ScenarioError(f"{path} = {shown(value)}: nothing can be set below {_join(steps[:i])}")
        if last:
            node[step] = value
        else:
            if isinstance(node, dict) and node.get(step) is None:
                node[step] = {}
            node = node[step]


def _as_assumption(old: Any, value: Any, kind: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    base = (
        {key: old[key] for key in ("unit", "sd", "log_sd", "logit_sd") if key in old} if isinstance(old, dict) else {}
    )
    if isinstance(old, dict) and any(k in base for k in ("sd", "log_sd", "logit_sd")):
        base["spread_source"] = old.get("spread_source", old.get("source"))
        note = old.get("spread_note", old.get("note"))
        if note is not None:
            base["spread_note"] = note
    unit = base.pop("unit", None) or _default_unit(kind)
    return {"value": value, "unit": unit, **base, "source": ASSUMPTION, "note": "set for this run"}


def _default_unit(kind: Any) -> str:
    from kaptrial.scenario.sourced import Quantity

    for extra in getattr(_plain(kind), "__metadata__", ()):
        quantity = getattr(extra, "func", None)
        if isinstance(quantity, Quantity):
            return "points" if quantity.unit == "effect" else quantity.unit
    return "none"


def _plain(kind: Any) -> Any:
    """A field's type without `| None` and without the choice between one value and one for each arm."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        options = [a for a in typing.get_args(kind) if a is not type(None)]
        return _plain(options[0])
    if typing.get_origin(kind) is typing.Annotated:
        inner = typing.get_args(kind)[0]
        if typing.get_origin(inner) in (types.UnionType, typing.Union):
            return _plain(inner)
    return kind


def _bare(kind: Any) -> Any:
    kind = _plain(kind)
    return _bare(typing.get_args(kind)[0]) if typing.get_origin(kind) is typing.Annotated else kind


def _is_sourced(kind: Any) -> bool:
    return _bare(kind) is Sourced


def _kind_below(kind: Any, step: str | int, path: str, steps: list[str | int], i: int) -> Any:
    """The declared type of what stands at `step` below a value of type `kind`; Any where it is free."""
    bare = _bare(kind)
    if bare is Any:
        return Any
    if is_dataclass(bare):
        hints = typing.get_type_hints(bare, include_extras=True)
        if step in hints:
            return hints[str(step)]
        if step == "by_arm":
            return dict[str, kind]
        raise ScenarioError(
            f"{path}: unknown key `{step}` in {_join(steps[:i]) or 'the scenario'}{nearest(str(step), hints)}"
        )
    origin, args = typing.get_origin(bare), typing.get_args(bare)
    if origin in (dict, Mapping):
        return args[1]
    if origin is tuple:
        return args[0]
    raise ScenarioError(f"{path}: nothing can be set below {_join(steps[:i])}")


# --- the one line of an error -----------------------------------------------------------------------------------------


def _join(steps: typing.Iterable[str | int]) -> str:
    out = ""
    for step in steps:
        out += f"[{step}]" if isinstance(step, int) else (f".{step}" if out else str(step))
    return out


def _line(error: ValidationError) -> str:
    """The first error, unknown keys and wrong types before what follows from them."""
    first = min(error.errors(), key=lambda e: e["type"] != "unexpected_keyword_argument")
    steps = [step for step in first["loc"] if not (isinstance(step, str) and step.startswith("#"))]
    where, value, allowed = _join(steps), first["input"], ""
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, FieldError):
        where = f"{where}.{cause.field}".strip(".") if cause.field else where
        value, allowed = cause.value, cause.allowed
    else:
        allowed = _allowed(first, steps)
    if first["type"] in ("missing", "missing_argument"):
        value = ABSENT
    return line(where or "the scenario", value, allowed)


def _allowed(error: Any, steps: list[Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "unexpected_keyword_argument":
        hints = ["by_arm"] if "#by_arm" in error["loc"] else _hints_at(steps[:-1])
        return f"unknown key{nearest(str(steps[-1]), hints)}" + (f" (known: {', '.join(hints)})" if hints else "")
    if kind == "dataclass_type":
        if context.get("class_name") == "Sourced":
            return "a number about the world must be written {value: …, unit: …, source: …}"
        return "must be a mapping" + (f" with {', '.join(_hints_at(steps))}" if _hints_at(steps) else "")
    plain = {
        "missing": "must be given",
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
    if kind in plain:
        return plain[kind] + _as_number(error["input"], kind)
    for key, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
        if key in context:
            return f"must be {sign} {context[key]:g}"
    if "expected" in context:
        return f"must be {context['expected']}"
    return error["msg"][0].lower() + error["msg"][1:]


def _as_number(value: Any, kind: str) -> str:
    """Of text that was meant as a number, why it is none."""
    if not isinstance(value, str) or kind not in ("float_type", "int_type"):
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    if "e" not in value.lower() or not math.isfinite(number):
        return ", without quotes"
    return f"; YAML reads {value[:20]} as text: write {number:.15g}" if 1e-4 <= abs(number) < 1e15 else ""


def _hints_at(steps: list[Any]) -> list[str]:
    kind: Any = Scenario
    try:
        for i, step in enumerate(steps):
            kind = _kind_below(kind, step, "", steps, i)
    except (ScenarioError, IndexError):
        return []
    bare = _bare(kind)
    return [field.name for field in fields(bare)] if is_dataclass(bare) else []
