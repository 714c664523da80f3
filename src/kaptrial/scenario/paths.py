"""Paths into a scenario, such as `arms[1].therapy.days[0]`, and what the nouns declare to stand there."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from kaptrial.errors import ScenarioError, nearest
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import Sourced
from kaptrial.scenario.treatment import Schedule

type Steps = Sequence[str | int]

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def split_path(path: str) -> list[str | int]:
    """`arms[1].therapy.days` as its steps. Raises ScenarioError if it is not a path."""
    steps, at = _read(path)
    if not steps or at != len(path) or path.endswith("."):
        raise ScenarioError(f"{path!r}: must be a path such as design.n_per_arm or arms[1].therapy.days[0]")
    return steps


def leading_steps(path: str) -> list[str | int]:
    """The steps of as much of a text as is a path."""
    return _read(path)[0]


def _read(path: str) -> tuple[list[str | int], int]:
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
    return steps, at


def join_path(steps: Iterable[str | int]) -> str:
    """Steps as a path."""
    out = ""
    for step in steps:
        out += f"[{step}]" if isinstance(step, int) else (f".{step}" if out else str(step))
    return out


def plain(kind: Any) -> Any:
    """A field's type without `| None` and without the choice between one value and one for each arm."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        options = [a for a in typing.get_args(kind) if a is not type(None)]
        return plain(options[0])
    if typing.get_origin(kind) is typing.Annotated:
        inner = typing.get_args(kind)[0]
        if typing.get_origin(inner) in (types.UnionType, typing.Union):
            return plain(inner)
    return kind


def bare(kind: Any) -> Any:
    """The same without annotations."""
    kind = plain(kind)
    return bare(typing.get_args(kind)[0]) if typing.get_origin(kind) is typing.Annotated else kind


def is_sourced(kind: Any) -> bool:
    """Whether a type is that of a number with a source."""
    return bare(kind) is Sourced


def is_schedule(kind: Any) -> bool:
    """Whether a type is that of a list of days."""
    return bool(kind == Schedule)


def has_keys(kind: Any) -> bool:
    """Whether a type is a noun, whose keys are given, and no mapping with keys of the user's."""
    return is_dataclass(bare(kind))


def fields_of(noun_: Any) -> Mapping[str, Any]:
    """The fields of a noun with their types, annotations and all."""
    return typing.get_type_hints(noun_, include_extras=True)


def kind_below(kind: Any, step: str | int, path: str, steps: Steps, i: int) -> Any:
    """The declared type of what stands at `step` below a value of type `kind`; Any where it is free."""
    below = bare(kind)
    if below is Any:
        return Any
    if is_dataclass(below):
        known = fields_of(below)
        if step in known:
            return known[str(step)]
        if step == "by_arm":
            return dict[str, kind]
        raise ScenarioError(
            f"{path}: unknown key `{step}` in {join_path(steps[:i]) or 'the scenario'}{nearest(str(step), known)}"
        )
    origin, args = typing.get_origin(below), typing.get_args(below)
    if origin in (dict, Mapping):
        return args[1]
    if origin is tuple:
        return args[0]
    raise ScenarioError(f"{path}: nothing can be set below {join_path(steps[:i])}")


def kind_at(steps: Steps) -> Any:
    """The declared type of what stands at the end of a path. Raises ScenarioError where it leads nowhere."""
    kind: Any = Scenario
    for i, step in enumerate(steps):
        kind = kind_below(kind, step, join_path(steps), steps, i)
    return kind


def keys_at(steps: Steps) -> list[str]:
    """The keys of the noun that stands at the end of a path; none where there is no noun."""
    try:
        below = bare(kind_at(steps))
    except (ScenarioError, IndexError):
        return []
    return [field.name for field in fields(below)] if is_dataclass(below) else []


def noun_places(noun_: Any = Scenario, at: str = "") -> Iterator[tuple[str, type]]:
    """Every noun below one, itself first, with the path to it: `arms[]` for one of a list, `therapies.NAME` for one of
    a mapping; numbers with a source count as leaves."""
    yield at, noun_
    for name, kind in fields_of(noun_).items():
        below, path = bare(kind), f"{at}.{name}".strip(".")
        while typing.get_origin(below) in (tuple, dict, Mapping):
            is_list = typing.get_origin(below) is tuple
            below = bare(typing.get_args(below)[0 if is_list else 1])
            path += "[]" if is_list else ".NAME"
        if is_dataclass(below) and below is not Sourced:
            yield from noun_places(below, path)
