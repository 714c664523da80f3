"""Tables of text at any width from 40 columns: no number is cut, no row lost, what does not fit stands in blocks."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

GAP = 2
# Where the columns that name a row take more of the width than this, each row is a paragraph.
MOST_FOR_KEYS = 0.6
# Text is not wrapped to less than this, unless its longest word is shorter.
NARROWEST = 12


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its heading and cells. `key`: it names the row. `number`: right-aligned, and never wrapped."""

    heading: str
    cells: tuple[str, ...]
    key: bool = False
    number: bool = True


def key(heading: str, cells: Iterable[str]) -> Column:
    """A column that names rows."""
    return Column(heading=heading, cells=tuple(cells), key=True, number=False)


def number(heading: str, cells: Iterable[str]) -> Column:
    """A column of numbers."""
    return Column(heading=heading, cells=tuple(cells))


def text(heading: str, cells: Iterable[str]) -> Column:
    """A column of text."""
    return Column(heading=heading, cells=tuple(cells), number=False)


def laid_out(columns: Sequence[Column], width: int) -> list[str]:
    """The lines of a table no wider than `width`: at once, in blocks that repeat the keys, or row by row."""
    columns = [column for column in columns if column.heading or any(column.cells)]
    if not columns or not columns[0].cells:
        return []
    widths = _fitted(columns, width)
    if widths is not None:
        return _block(columns, widths)
    keys, rest = [c for c in columns if c.key], [c for c in columns if not c.key]
    if not rest:
        return _paragraphs([], keys, width)
    named = _fitted(keys, int(MOST_FOR_KEYS * width))
    blocks: list[tuple[list[Column], list[int]]] = []
    left = list(rest)
    while left:
        for size in range(len(left), 0, -1):
            room = width - sum(named or ()) - GAP * len(keys)
            widths = _fitted(left[:size], room)
            if named is not None and widths is not None:
                blocks.append((keys + left[:size], named + widths))
                left = left[size:]
                break
        else:
            return _paragraphs(keys, rest, width)
    lines: list[str] = []
    for chosen, widths in blocks:
        lines += ([""] if lines else []) + _block(chosen, widths)
    return lines


def wrapped(paragraph: str, width: int, indent: str = "") -> list[str]:
    """A paragraph in lines of `width`; what follows the first line is indented."""
    options = {"break_on_hyphens": False, "subsequent_indent": indent}
    return [
        line
        for part in paragraph.split("\n")
        for line in textwrap.wrap(part, width, **options) or [""]  # type: ignore[arg-type]
    ]


def _fitted(columns: Sequence[Column], width: int) -> list[int] | None:
    """Widths that fit, as wide as they need to be where there is room; None where even the narrowest do not."""
    space = width - GAP * (len(columns) - 1)
    least, most = [_least(c) for c in columns], [_most(c) for c in columns]
    if sum(least) > space:
        return None
    widths = list(least)
    spare = space - sum(widths)
    while spare > 0:
        wanting = [i for i in range(len(columns)) if widths[i] < most[i]]
        if not wanting:
            break
        i = min(wanting, key=lambda i: widths[i] / most[i])
        widths[i] += 1
        spare -= 1
    return widths


def _most(column: Column) -> int:
    return max(len(column.heading), *map(len, column.cells))


def _least(column: Column) -> int:
    heading = max((len(word) for word in column.heading.split()), default=0)
    if column.number:
        return max(heading, *map(len, column.cells))
    longest = max((len(word) for cell in column.cells for word in cell.split()), default=0)
    widest = max(map(len, column.cells))
    return max(heading, longest, min(widest, NARROWEST))


def _block(columns: Sequence[Column], widths: Sequence[int]) -> list[str]:
    heads = [wrapped(c.heading, w) for c, w in zip(columns, widths, strict=True)]
    tallest = max(map(len, heads))
    lines = _rows(columns, widths, [[""] * (tallest - len(head)) + head for head in heads])
    for r in range(len(columns[0].cells)):
        cells = [[c.cells[r]] if c.number else wrapped(c.cells[r], w) for c, w in zip(columns, widths, strict=True)]
        lines += _rows(columns, widths, cells)
    return lines


def _rows(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[Sequence[str]]) -> list[str]:
    lines = []
    for k in range(max(map(len, cells))):
        parts = [cell[k] if k < len(cell) else "" for cell in cells]
        line = (" " * GAP).join(
            part.rjust(w) if column.number else part.ljust(w)
            for part, column, w in zip(parts, columns, widths, strict=True)
        )
        lines.append(line.rstrip())
    return lines


def _paragraphs(keys: Sequence[Column], rest: Sequence[Column], width: int) -> list[str]:
    lines: list[str] = []
    for r in range(len(rest[0].cells)):
        named = [
            f"{c.heading}: {c.cells[r]}" if c.heading and len(keys) > 1 else c.cells[r] for c in keys if c.cells[r]
        ]
        lines += wrapped(", ".join(named), width) if named else []
        line = ""
        for c in rest:
            if not c.cells[r]:
                continue
            pair = f"{c.heading}: {c.cells[r]}" if c.heading else c.cells[r]
            if line and len(line) + 2 + len(pair) > width - 2:
                lines += wrapped(f"  {line}", width, "    ")
                line = ""
            line = f"{line}; {pair}" if line else pair
        lines += wrapped(f"  {line}", width, "    ")
    return lines


def of_rows(heads: Sequence[tuple[str, Callable[..., Column]]], rows: Sequence[Sequence[object]]) -> list[Column]:
    """Columns from rows: each heading with what its column is (`key`, `number` or `text`)."""
    return [make(heading, [str(row[i]) for row in rows]) for i, (heading, make) in enumerate(heads)]
