"""The record of results: `uv run python -m tests.record.record write|compare [JOB …]`.

`write` runs the jobs and stores their rows in expected/; `compare` runs them and says what differs, and by how much.
Provenance is no part of the record. Columns and rows may be added; what is recorded may not change.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaptrial.cli import main
from tests.record.jobs import JOBS

EXPECTED = Path(__file__).parent / "expected"
Row = dict[str, Any]


def run(name: str) -> list[Row]:
    """The rows that a job's command writes with --json."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "out.json"
        try:
            main([*map(str, JOBS[name]), "--json", str(file)])
        except SystemExit as stop:
            if stop.code not in (0, None):
                raise RuntimeError(f"{name}: exit {stop.code}") from None
        rows: list[Row] = json.loads(file.read_text(encoding="utf-8"))["results"]
        return rows


def write(name: str, rows: Sequence[Row]) -> None:
    """Store rows, one a line, under the columns that any of them has."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [json.dumps([row.get(column) for column in columns], ensure_ascii=False) for row in rows]
    text = "[\n" + ",\n".join([json.dumps(columns), *lines]) + "\n]\n"
    (EXPECTED / f"{name}.json").write_text(text, encoding="utf-8")


def read(name: str) -> list[Row]:
    """Rows as stored; an absent value is None."""
    columns, *rows = json.loads((EXPECTED / f"{name}.json").read_text(encoding="utf-8"))
    return [dict(zip(columns, row, strict=True)) for row in rows]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A value that is not what was recorded. `relative`: its distance; infinite where it is no number."""

    job: str
    row: Row
    column: str
    expected: Any
    actual: Any

    @property
    def relative(self) -> float:
        if not all(isinstance(x, int | float) for x in (self.expected, self.actual)):
            return float("inf")
        return abs(self.actual - self.expected) / max(abs(self.expected), abs(self.actual), 1e-300)

    def __str__(self) -> str:
        numbers = ("value", "mcse", "estimate", "se", self.column)
        about = ", ".join(str(v) for k, v in self.row.items() if k not in numbers and isinstance(v, str) and v)
        size = "" if self.relative == float("inf") else f" (relative {self.relative:.2g})"
        return f"{self.job}: {about}: {self.column} = {self.actual}, recorded {self.expected}{size}"


def differences(name: str, rows: Sequence[Row]) -> list[Difference]:
    """What has changed since the record: values, and rows that are gone; rows and columns may have been added."""
    expected = read(name)
    recorded = set(expected[0])
    texts = [_words(row, recorded) for row in rows]
    different, start = [], 0
    for row in expected:
        key = _words(row, recorded)
        place = next((i for i in range(start, len(rows)) if texts[i] == key), None)
        if place is None:
            different.append(Difference(job=name, row=row, column="the row", expected="there", actual="not there"))
            continue
        start = place + 1
        now = rows[place]
        different += [
            Difference(job=name, row=row, column=column, expected=value, actual=now.get(column))
            for column, value in row.items()
            if now.get(column) != value
        ]
    return different


def _words(row: Row, columns: set[str]) -> tuple[tuple[str, str], ...]:
    """What a row is about: its texts."""
    return tuple((k, v) for k, v in sorted(row.items()) if k in columns and isinstance(v, str))


def _say(name: str) -> bool:
    changed = differences(name, run(name))
    for each in changed[:20]:
        print(each, file=sys.stderr)
    if changed:
        largest = max(each.relative for each in changed)
        print(f"{name}: {len(changed)} values differ, by at most {largest:.2g} of their size", file=sys.stderr)
    return not changed


if __name__ == "__main__":
    action, *names = sys.argv[1:]
    if action == "write":
        for job in names or JOBS:
            write(job, run(job))
    else:
        same = [_say(job) for job in names or JOBS]
        print(f"{sum(same)} of {len(same)} jobs give what was recorded", file=sys.stderr)
        raise SystemExit(not all(same))
