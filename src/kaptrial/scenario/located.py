"""Where each part of a scenario that was read comes from: a line of a file, or an option."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import yaml

from kaptrial.errors import FieldError
from kaptrial.scenario.paths import Steps, leading_steps
from kaptrial.yaml_file import Lines

Raw = dict[str, Any]


class LocatedRaw(Raw):
    """The mapping of a scenario file that knows its lines.

    Parameters
    ----------
    content : mapping
        What the file says.
    file : str
        The file, as errors name it.
    lines : Lines
        The line of each of its parts.
    """

    def __init__(self, content: Mapping[str, Any], file: str, lines: Lines) -> None:
        super().__init__(content)
        self.file = file
        self.lines = lines
        # The option, or "", by which each path was set after the file was read.
        self.set_by: dict[tuple[str | int, ...], str] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> LocatedRaw:
        return self.with_content(copy.deepcopy(dict(self), memo))

    def with_content(self, content: Mapping[str, Any]) -> LocatedRaw:
        """Another content that comes from the same file."""
        other = LocatedRaw(content, self.file, self.lines)
        other.set_by = dict(self.set_by)
        return other

    def origin(self, steps: Steps) -> tuple[int, str]:
        """The line of a part, or of what it stands in, and what an error says before its path."""
        above = [tuple(steps[:n]) for n in range(1, len(steps) + 1)]
        for part in above:
            if part in self.set_by:
                return 0, f"{self.set_by[part]} ".lstrip()
        for part in reversed(above):
            if part in self.lines:
                return self.lines[part], f"{self.file}:{self.lines[part]}: "
        return 0, f"{self.file}: "


class Problem(NamedTuple):
    """A line of an error, and the steps to the part of the scenario that it is about."""

    steps: tuple[str | int, ...]
    text: str


def problems_of(errors: Iterable[FieldError]) -> list[Problem]:
    """Errors of fields as problems of the scenario; the first of each field, from which others often follow."""
    first: dict[str, FieldError] = {}
    for error in errors:
        first.setdefault(error.field, error)
    return [Problem(tuple(leading_steps(error.field)), str(error)) for error in first.values()]


def lines_of(raw: Raw, problems: Iterable[Problem]) -> list[str]:
    """A line for each problem: of a file in the order of its lines, each with its place."""
    if not isinstance(raw, LocatedRaw):
        return [each.text for each in problems]
    placed = [(*raw.origin(each.steps), each.text) for each in problems]
    return [place + text for _, place, text in sorted(placed, key=lambda each: each[0])]


# What was read from a file can be written as YAML like any mapping.
yaml.SafeDumper.add_representer(LocatedRaw, lambda dumper, raw: dumper.represent_dict(raw))
