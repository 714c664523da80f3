"""Scenario files in and out, and settings of single paths."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from kaptrial.errors import FieldError, ScenarioError, UserError, nearest, shown
from kaptrial.scenario.checks import scenario_errors
from kaptrial.scenario.file_checks import file_errors, question_errors
from kaptrial.scenario.gathering import partial_scenario
from kaptrial.scenario.located import LocatedRaw, Problem, Raw, lines_of, problems_of
from kaptrial.scenario.messages import field_errors
from kaptrial.scenario.paths import (
    Steps,
    fields_of,
    has_keys,
    is_schedule,
    is_sourced,
    join_path,
    kind_at,
    kind_below,
    plain,
    split_path,
)
from kaptrial.scenario.percent_of_days import in_logits, is_written_in_percent
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import ASSUMPTION, OWN, SPREADS, Quantity, walk
from kaptrial.scenario.treatment import SHORTHAND, days_as_led_into
from kaptrial.yaml_file import YamlError, parse_with_lines, read_text


def read_raw(path: Path) -> Raw:
    """The file's mapping, unchecked, which knows its lines. Raises ScenarioError if it cannot be read as one."""
    try:
        raw, lines = parse_with_lines(read_text(path))
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror}); must be a scenario file in YAML") from None
    except YamlError as error:
        raise ScenarioError(f"{path}{error.at} = {error}: must be valid YAML") from None
    except UserError as error:
        raise ScenarioError(str(error)) from None
    if not isinstance(raw, dict):
        kind = "nothing" if raw is None else type(raw).__name__
        raise ScenarioError(f"{path} = {kind}: must be a mapping with title, question, outcome, arms ...")
    return LocatedRaw(raw, str(path), lines)


@cache
def _adapter() -> TypeAdapter[Scenario]:
    return TypeAdapter(Scenario)


def build(raw: Raw) -> Scenario:
    """The checked scenario; its variants are checked too.

    Raises ScenarioError with a line for each path that does not fit, its value and what may stand there. Of a file that
    was read, each line begins with its place.
    """
    scenario, problems = _read(raw)
    if scenario is not None:
        for label, changes in (scenario.variants or {}).items():
            problems += _problems_of_values(raw, ("variants", label), changes)
        for path, belief in ((scenario.prior.also if scenario.prior else None) or {}).items():
            problems += _problems_of_belief(raw, scenario, path, belief.quantile(0.5))
        problems += _problems_of_sensitivity(raw, scenario)
    if scenario is None or problems:
        raise ScenarioError(*lines_of(raw, problems))
    return scenario


def _read(raw: Raw) -> tuple[Scenario | None, list[Problem]]:
    """The scenario, or what is wrong with it; its variants and beliefs aside."""
    problems = list(_text_problems(raw, ()))
    if problems:
        return None, problems
    try:
        raw = in_logits(raw)
    except FieldError as error:
        return None, problems_of([error])
    try:
        scenario = _adapter().validate_python(raw, context=_context(raw))
    except ValidationError as error:
        return None, problems_of(_errors(raw, error))
    return scenario, problems_of(file_errors(scenario) or question_errors(scenario))


def _errors(raw: Raw, error: ValidationError) -> list[FieldError]:
    """What pydantic found, and what the checks find in the fields that could be read."""
    errors, unread = field_errors(error), {str(each["loc"][0]) for each in error.errors() if each["loc"]}
    unread |= {field.name for field in fields(Scenario) if field.name not in raw and field.default is MISSING}
    given = [name for name in fields_of(Scenario) if name in raw and name not in unread]
    read = {name: _reader(name).validate_python(raw[name], context=_context(raw)) for name in given}
    partial = partial_scenario(Scenario, read, unread)
    return errors + (scenario_errors(partial) if unread else []) + file_errors(partial)


def _context(raw: Raw) -> dict[str, Any]:
    """What a part of a scenario has to know of the others as it is read."""
    own = raw.get("sources")
    return {OWN: tuple(own) if isinstance(own, dict) else ()}


@cache
def _reader(name: str) -> TypeAdapter[Any]:
    """What reads one field of a scenario."""
    return TypeAdapter(fields_of(Scenario)[name])


def _problems_of_values(raw: Raw, at: tuple[str, ...], changes: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with values by path that are set together."""
    try:
        _, problems = _read(with_settings(raw, changes))
    except ScenarioError as error:
        return [Problem(at, f"{join_path(at)}: {error}")]
    return [Problem(at, f"{join_path(at)}: {each.text}") for each in problems]


def _problems_of_sensitivity(raw: Raw, scenario: Scenario) -> list[Problem]:
    """Worlds can be built, and ranges lead to numbers about the world that may take both ends."""
    problems: list[Problem] = []
    if scenario.sensitivity is None:
        return problems
    for label, world in (scenario.sensitivity.worlds or {}).items():
        problems += _problems_of_values(raw, ("sensitivity", "worlds", label), world.values)
    known = [place for place, _ in walk(scenario)]
    for path, ends in (scenario.sensitivity.ranges or {}).items():
        at = ("sensitivity", "ranges", path)
        if path not in known:
            text = f"{join_path(at)}: must lead to a number about the world{nearest(path, known)}"
            problems.append(Problem(at, text))
            continue
        for end in (ends.low, ends.high):
            problems += _problems_of_values(raw, at, {path: end})
    return problems


def _problems_of_belief(raw: Raw, scenario: Scenario, path: str, median: float) -> list[Problem]:
    """A prior's path leads to a number about the world that can take the middle of its distribution."""
    at = ("prior", "also", path)
    known = [place for place, _ in walk(scenario)]
    hint = nearest(sourced_path(path), known)
    if is_written_in_percent(raw, sourced_path(path)):
        return [
            Problem(at, f"prior.also.{path}: must lead to a number in logits, and it is written in percent of days")
        ]
    try:
        if not _leads_to_sourced(path):
            return [Problem(at, f"prior.also.{path}: must lead to a number about the world{hint}")]
        _, problems = _read(with_settings(raw, {sourced_path(path): median}))
    except ScenarioError as error:
        return [Problem(at, f"prior.also.{path}: {str(error).removeprefix(f'{path}: ')}")]
    return [
        Problem(at, f"prior.also.{path} at its median: {each.text}" + (hint if "is missing" in each.text else ""))
        for each in problems[:1]
    ]


def _leads_to_sourced(path: str) -> bool:
    """Whether a path ends at a number with a source, at its value or at its spread."""
    steps = split_path(path)
    is_part = len(steps) > 1 and steps[-1] in ("value", *SPREADS) and is_sourced(kind_at(steps[:-1]))
    return is_part or is_sourced(kind_at(steps))


def sourced_path(path: str) -> str:
    """A path to the value of a sourced number, as the path to the number itself: setting it marks the new source."""
    return path.removesuffix(".value")


def _text_problems(node: Any, steps: tuple[str | int, ...]) -> Iterator[Problem]:
    """Keys that are no words, and text that cannot be written in UTF-8."""
    if isinstance(node, str):
        try:
            node.encode()
        except UnicodeEncodeError:
            yield Problem(steps, f"{join_path(steps)} = {node!a}: must be text that UTF-8 can hold")
    elif isinstance(node, dict):
        for key, value in node.items():
            at = (*steps, key)
            if not isinstance(key, str):
                yield Problem(at, f"{join_path([*steps, str(key)])}: unknown key; a key must be a word")
                continue
            yield from _text_problems(key, at)
            yield from _text_problems(value, at)
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from _text_problems(value, (*steps, i))


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


def with_settings(raw: Raw, settings: Mapping[str, Any], *, by: str = "") -> Raw:
    """A copy with each path set. A bare number at a sourced value sets its `value` and marks it as an assumption.

    `by`: the option that asks for it, which errors name. Raises ScenarioError, a line for each path that leads nowhere.
    """
    out = copy.deepcopy(raw)
    lines = []
    for path, value in settings.items():
        try:
            steps = _set(out, path, value)
        except ScenarioError as error:
            lines.append(f"{by} {error}".lstrip())
            continue
        if isinstance(out, LocatedRaw):
            out.set_by[tuple(steps)] = by
    if lines:
        raise ScenarioError(*lines)
    return out


def with_prior(raw: Raw, name: str) -> Raw:
    """A copy that takes the named prior of the catalogue; distributions by path stay."""
    old = raw.get("prior")
    content = raw | {"prior": old | {"name": name} if isinstance(old, dict) else name}
    return raw.with_content(content) if isinstance(raw, LocatedRaw) else content


def _set(raw: Raw, path: str, value: Any) -> Steps:
    """Set a path in place; its steps."""
    steps = split_path(path)
    kind: Any = Scenario
    node: Any = raw
    for i, step in enumerate(steps):
        above, kind = kind, kind_below(kind, step, path, steps, i)
        last = i == len(steps) - 1
        if last and is_sourced(kind) and not isinstance(value, Mapping):
            old = node.get(step) if isinstance(node, dict) else None
            value = _as_assumption(old, value, kind)
        if isinstance(node, list):
            if not isinstance(step, int) or step >= len(node):
                raise ScenarioError(f"{path} = {shown(value)}: index {step} must be below {len(node)}")
        elif not isinstance(node, dict) or isinstance(step, int):
            raise ScenarioError(f"{path} = {shown(value)}: nothing can be set below {join_path(steps[:i])}")
        if last:
            node[step] = value
        else:
            if isinstance(node, dict) and node.get(step) is None:
                if not has_keys(above):
                    raise ScenarioError(f"{path}: no `{step}` in {join_path(steps[:i])}{nearest(str(step), node)}")
                node[step] = {}
            if is_schedule(kind):
                node[step] = days_as_led_into(node[step], steps[i + 1])
                if isinstance(node[step], list) and steps[i + 1] in SHORTHAND:
                    raise ScenarioError(
                        f"{path}: {join_path(steps[: i + 1])} is not evenly spaced: must be set as a list"
                    )
            node = node[step]
    return steps


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
    for extra in getattr(plain(kind), "__metadata__", ()):
        quantity = getattr(extra, "func", None)
        if isinstance(quantity, Quantity):
            return "points" if quantity.unit == "effect" else quantity.unit
    return "none"
