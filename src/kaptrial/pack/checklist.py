"""What SPIRIT 2025, CONSORT 2025 and DELTA2 ask for, and which section of a pack says it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from kaptrial.yaml_file import parse

YOURS = "yours"


@dataclass(frozen=True, kw_only=True)
class Item:
    """An item of a statement.

    Parameters
    ----------
    statement, number : str
        `SPIRIT 2025` and `27c`, for example.
    topic : str
        What it is about, not in the statement's words.
    where : str
        The section of the pack that answers it; `YOURS` where the author has to.
    note : str
        What is left to write although a section answers a part; "" where it answers the whole.
    with_looks : str
        The section that answers it where the trial has interim analyses; "" where that makes no difference.
    checked : bool
        Whether number and meaning were found in a copy of the published list.
    """

    statement: str
    number: str
    topic: str
    where: str
    note: str = ""
    with_looks: str = ""
    checked: bool = True


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A published list of items: `use` says for which document, `seen` where its items were looked up."""

    name: str
    citation: str
    doi: str
    use: str
    seen: tuple[str, ...]


@cache
def statements() -> tuple[Statement, ...]:
    """The statements, in the order in which a pack has them."""
    return tuple(
        Statement(name=name, seen=tuple(entry["seen"]), **{key: entry[key] for key in ("citation", "doi", "use")})
        for name, entry in _content().items()
    )


@cache
def items() -> tuple[Item, ...]:
    """The items of all statements, in their order."""
    return tuple(
        Item(statement=name, number=str(number), **item)
        for name, entry in _content().items()
        for number, item in entry["items"].items()
    )


def _content() -> dict[str, Any]:
    text = (files("kaptrial.pack") / "checklists.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = parse(text)
    return content
