"""Every key of a scenario with its meaning, unit, default, what is allowed, and an example: as rows and as a page."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal

import yaml

from kaptrial.catalogue import route_names
from kaptrial.catalogue.priors import prior_names
from kaptrial.method_table import methods
from kaptrial.scenario.descriptions import KEYS
from kaptrial.scenario.files import as_raw
from kaptrial.scenario.noun import noun
from kaptrial.scenario.outcomes import simulated_scales
from kaptrial.scenario.paths import bare, fields_of, noun_places
from kaptrial.scenario.sourced import EFFECT_UNITS, ByArm, Quantity, Sourced


@noun
class KeyRow:
    """A key: the noun that has it, the paths of that noun, and what is to be known."""

    noun: type
    key: str
    meaning: str
    unit: str
    default: str
    allowed: str
    example: str


def places() -> dict[type, list[str]]:
    """The paths at which each noun stands, in the order of the scenario; numbers with a source last."""
    at: dict[type, list[str]] = {}
    for path, kind in noun_places():
        at.setdefault(kind, []).append(path)
    return at | {Sourced: ["a number about the world"]}


def rows() -> Iterator[KeyRow]:
    """Every key there is."""
    for kind in places():
        for field in fields(kind):
            described = KEYS[kind.__name__][field.name]
            declared = fields_of(kind)[field.name]
            yield KeyRow(
                noun=kind,
                key=field.name,
                meaning=described.meaning,
                unit=unit_of(declared) or described.unit,
                default=_default(field),
                allowed=_allowed_at(kind, field.name, declared),
                example=described.example,
            )


def quantity_of(kind: Any) -> Quantity | None:
    """What may stand at a number with a source; None for another type."""
    if typing.get_origin(kind) is Annotated:
        inside, *extras = typing.get_args(kind)
        given = [func for func in (getattr(extra, "func", None) for extra in extras) if isinstance(func, Quantity)]
        return given[0] if given else quantity_of(inside)
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return next((each for each in map(quantity_of, typing.get_args(kind)) if each is not None), None)
    return None


def units_of(quantity: Quantity) -> tuple[str, ...]:
    """The units that may stand there."""
    return EFFECT_UNITS if quantity.unit == "effect" else (quantity.unit,)


def unit_of(kind: Any) -> str:
    """The units of a number with a source, or nothing."""
    quantity = quantity_of(kind)
    return "" if quantity is None else " or ".join(units_of(quantity))


@cache
def _choices() -> Mapping[tuple[str, str], tuple[str, ...]]:
    """What the catalogue and the methods allow where the type says text."""
    return {
        ("Outcome", "scale"): tuple(simulated_scales()),
        ("OneOfSeveral", "scale"): tuple(simulated_scales()),
        ("Doses", "route"): tuple(route_names()),
        ("Prior", "name"): tuple(prior_names()),
        ("Estimand", "methods"): tuple(methods()),
        ("Analysis", "methods"): tuple(methods()),
    }


def words(kind: type, key: str) -> tuple[str, ...]:
    """The words allowed at a key of text; none where any is, or where the type says which."""
    return _choices().get((kind.__name__, key), ())


def _allowed_at(kind: type, key: str, declared: Any) -> str:
    """What may stand at a key, in words; a mapping may stand in place of a word where the type says so."""
    listed = ", ".join(words(kind, key))
    if listed and is_dataclass(bare(declared)):
        return f"{listed}; or {_allowed(declared)}"
    return listed or _allowed(declared)


def _default(field: Any) -> str:
    if field.default is MISSING and field.default_factory is MISSING:
        return "required"
    value = field.default if field.default is not MISSING else field.default_factory()
    if value is None:
        return ""
    text = yaml.safe_dump(as_raw(value), default_flow_style=True, width=1000).strip()
    return "" if text in ("{}", "[]") else text.removesuffix("...").strip()


def _allowed(kind: Any) -> str:
    """What a type allows, in words."""
    quantity = quantity_of(kind)
    if quantity is not None:
        text = f"a number with a source{_bounds_of(quantity)}"
        text += f"; spread: {quantity.spread}" if quantity.spread else ""
        return text + ("; or by_arm, one an arm" if _is_by_arm(kind) else "")
    below = bare(kind)
    origin, inside = typing.get_origin(below), typing.get_args(below)
    if is_dataclass(below):
        return "a mapping"
    if origin is Literal:
        return ", ".join(map(str, inside))
    if origin is tuple:
        return f"a list: {_allowed(inside[0])}"
    if origin in (dict, Mapping):
        return f"a mapping: {_allowed(inside[1])}"
    plain = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}
    return plain.get(below, "any value") + (_bounds(kind) if below in (float, int) else "")


def _is_by_arm(kind: Any) -> bool:
    parts = [kind, *typing.get_args(kind)]
    return any(
        typing.get_origin(each) is ByArm or (each is not kind and _is_by_arm(each))
        for each in parts
        if not isinstance(each, str)
    )


def _bounds_of(quantity: Quantity) -> str:
    low = f" {'>' if quantity.open_low else '≥'} {quantity.low:g}" if quantity.low is not None else ""
    high = f" {'<' if quantity.open_low else '≤'} {quantity.high:g}" if quantity.high is not None else ""
    return ",".join(filter(None, (low, high)))


def _bounds(kind: Any) -> str:
    """The bounds of a bare number, but for those that only say that it is no slip of the pen."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found: dict[str, float] = {}
    for limit in _limits(kind):
        for name in signs:
            value = getattr(limit, name, None)
            if value is not None and abs(value) < 1e5 and value != 36_500:
                found[name] = value
    return ",".join(f" {signs[name]} {value:g}" for name, value in found.items())


def _limits(kind: Any) -> Iterator[Any]:
    if typing.get_origin(kind) is Annotated:
        inside, *extras = typing.get_args(kind)
        yield from _limits(inside)
        for extra in extras:
            yield extra
            yield from getattr(extra, "metadata", ())
    elif typing.get_origin(kind) in (types.UnionType, typing.Union):
        for each in typing.get_args(kind):
            yield from _limits(each)


_HEAD = """\
# Keys of a scenario

Made by `kaptrial schema` with its option `reference`; without it the command prints the same as JSON
Schema, with which editors complete and check a file.

A number about the world is a mapping with a unit and a source ([numbers](#numbers)). `[]` stands for
the index of a list, `NAME` for a name of your own. Where no default is given a key may be left out.
"""


def page() -> str:
    """The reference page, in Markdown."""
    parts, every = [_HEAD], list(rows())
    for kind, paths in places().items():
        title = {"Scenario": "The file", "Sourced": "Numbers"}.get(kind.__name__, paths[0])
        parts.append(f"\n## {title}\n")
        if len(paths) > 1:
            parts.append(f"Also {', '.join(f'`{path}`' for path in paths[1:])}.\n")
        parts.append("| key | meaning | unit | default | allowed | example |\n|---|---|---|---|---|---|")
        parts += [_line(row) for row in every if row.noun is kind]
    return "\n".join(parts) + "\n"


def _line(row: KeyRow) -> str:
    default = f"`{row.default}`" if row.default not in ("", "required") else row.default
    cells = (f"`{row.key}`", row.meaning, row.unit, default, row.allowed, f"`{row.example}`")
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
