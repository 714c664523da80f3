"""Widths of a table's columns on paper, by what stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

# Points of type, of which the largest that fits is taken: smaller type only on a page across.
SIZES, SMALLER = (9.0, 8.0), (7.5, 7.0)
# Inches of a character, as a multiple of the type, and of the room beside a cell's text.
CHARACTER, ROOM = 0.56 / 72, 0.12
# Characters of the shortest line into which a text is broken: so many, and one for each `PER_LINE` of the text.
SHORT_LINE, PER_LINE = 12, 8
# Characters of a line beyond which more width is no gain.
LONG_LINE = 60


class Columns(NamedTuple):
    """The width of each column in inches, the size of type in points, and whether the page lies across."""

    widths: tuple[float, ...]
    points: float
    across: bool


def fitted(headings: Sequence[str], rows: Sequence[Sequence[str]], *, upright: float, across: float) -> Columns:
    """The columns on a page upright where their words fit, else across; these are the inches between its margins.

    Each column holds its longest word; what is left goes to those whose texts are longer than a line.
    """
    columns = list(zip(headings, *rows, strict=True))
    longest = [max(map(len, texts)) for texts in columns]
    words = [max(map(_longest_word, texts)) + 1 for texts in columns]
    least = [max(word, min(text, SHORT_LINE + text // PER_LINE)) for word, text in zip(words, longest, strict=True)]
    wanted = [max(low, min(text, LONG_LINE)) for low, text in zip(least, longest, strict=True)]
    for page, sizes, is_across in ((upright, SIZES, False), (across, SIZES + SMALLER, True)):
        for points in sizes:
            if sum(_inches(low, points) for low in least) <= page:
                return Columns(_shared(least, wanted, points, page), points, is_across)
    points = SMALLER[-1]
    whole = sum(_inches(low, points) for low in least)
    return Columns(tuple(_inches(low, points) * across / whole for low in least), points, True)


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def _inches(characters: int, points: float) -> float:
    return characters * points * CHARACTER + ROOM


def _shared(least: Sequence[int], wanted: Sequence[int], points: float, page: float) -> tuple[float, ...]:
    """What each column wants, or a share of it between that and the least."""
    low = [_inches(n, points) for n in least]
    high = [_inches(n, points) for n in wanted]
    room, gap = page - sum(low), sum(high) - sum(low)
    share = min(1.0, room / gap) if gap > 0 else 1.0
    return tuple(a + share * (b - a) for a, b in zip(low, high, strict=True))
