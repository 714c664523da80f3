"""Text as readers see it: whole sentences, numbers beside their per cent sign, names of the scenario's keys as code."""

from __future__ import annotations

import re
from collections.abc import Iterator

NO_BREAK = "\u00a0"
_CODE = re.compile(r"`([^`]+)`")


def sentence(text: str) -> str:
    """The text with a full stop, unless it ends in a mark already."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def unbroken(text: str) -> str:
    """The text with numbers that a line does not part from their per cent sign."""
    return re.sub(r"(?<=\d) (?=%)", NO_BREAK, text)


def words_and_code(text: str) -> Iterator[tuple[bool, str]]:
    """The text in parts: whether each stands between backticks, and the part without them."""
    for i, part in enumerate(_CODE.split(text)):
        if part:
            yield i % 2 == 1, part
