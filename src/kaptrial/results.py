"""Results: rows of numbers, what they are about, where they come from and what is to be said of them."""

from __future__ import annotations

import csv
import html
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from kaptrial import __code__, __version__
from kaptrial.errors import FieldError, nearest

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Value = str | float | int | bool | None
Severity = Literal["information", "warning", "error"]
# Rows that the short repr shows.
_SHOWN = 6


def provenance(**more: Any) -> dict[str, Any]:
    """The version and the hash of the compiled sources, then what else the numbers depend on."""
    return {"version": __version__, "code": __code__, **more}


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a number is about.

    Parameters
    ----------
    analysis, measure : str
        The analysis, and what its estimate is of.
    contrast : str or None
        What is compared; None where nothing is.
    endpoint : str
        Of a scenario; "" where a file says only a score.
    outcome : str or None
        The name of one of several outcomes; None where there is one.
    day : float or None
    strategies : str or None
        How intercurrent events are handled; None where the question has no such thing.
    benchmark : float or None
        In a trial of one arm, the value that the test asks about.
    columns : tuple of (name, value)
        What tells this question from the same one elsewhere in the results: variant, varied paths, priors.
    """

    analysis: str
    contrast: str | None
    measure: str
    endpoint: str = ""
    day: float | None = None
    strategies: str | None = None
    benchmark: float | None = None
    outcome: str | None = None
    columns: tuple[tuple[str, Value], ...] = ()

    def flat(self) -> dict[str, Value]:
        """As columns of a table."""
        names = ("analysis", "contrast", "measure", "endpoint", "day")
        columns: dict[str, Value] = {name: getattr(self, name) for name in names}
        if self.outcome is not None:
            columns["outcome"] = self.outcome
        if self.strategies is not None:
            columns["strategies"] = self.strategies
        if self.benchmark is not None:
            columns["benchmark"] = self.benchmark
        return columns | dict(self.columns)

    def column(self, name: str) -> Value:
        """The value of one of `columns`; None where there is no such column."""
        return dict(self.columns).get(name)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A Monte Carlo figure with its error; NaN where there is none.

    `favours`: the side, a or b, of the contrast that the truth favours. `more`: columns that only some results have.
    """

    question: Question
    metric: str
    value: float
    mcse: float
    n_replicates: int | None
    n_failed: int = 0
    favours: str | None = None
    more: Mapping[str, Value] = field(default_factory=dict)

    def flat(self) -> dict[str, Value]:
        """As columns of a table."""
        figure: dict[str, Value] = {"metric": self.metric, "value": self.value, "mcse": self.mcse}
        rest = {name: getattr(self, name) for name in ("n_replicates", "n_failed", "favours")}
        return self.question.flat() | figure | dict(self.more) | rest


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of numbers that belong together: an estimate with its SE, a parameter's posterior, a plan's cost."""

    numbers: Mapping[str, Value]

    def flat(self) -> dict[str, Value]:
        """As columns of a table."""
        return dict(self.numbers)


class Flat(Protocol):
    """What a row of results can do."""

    def flat(self) -> dict[str, Value]:
        """Itself as columns of a table."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """A verdict in words: what the numbers say, or what is to be minded when they are read."""

    code: str
    severity: Severity
    text: str


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The answer in one plain sentence, and the numbers in it by name."""

    text: str
    numbers: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, repr=False)
class Results[R: Flat]:
    """What a command found: its rows, their provenance, and notes on them.

    Parameters
    ----------
    kind : str
        What was asked: power, size, assurance, decide, analyse, fit, mechanism, clinic, evidence.
    rows : sequence of Row, of Line, or of a row that one question has for itself
    provenance : mapping
        Version, code, scenario hash, seed, replicates and whatever else the numbers depend on.
    notes : sequence of Note
    headline : Headline, optional
        The answer in one sentence.
    figures : callable, optional
        Draws the figures of these results, by name.
    writer : callable, optional
        Writes the results into a folder, and says what it wrote.
    """

    kind: str
    rows: Sequence[R]
    provenance: Mapping[str, Any] = field(default_factory=provenance)
    notes: Sequence[Note] = ()
    headline: Headline | None = None
    figures: Callable[[Any], Mapping[str, Figure]] | None = field(default=None, compare=False)
    writer: Callable[[Path, Any], str] | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[R]:
        return iter(self.rows)

    def flat(self) -> list[dict[str, Value]]:
        """The rows as plain mappings."""
        return [row.flat() for row in self.rows]

    def to_frame(self) -> pd.DataFrame:
        """One line a row."""
        import pandas as pd

        return pd.DataFrame(self.flat())

    @property
    def figures_drawn(self) -> Mapping[str, Figure]:
        """All figures of these results by name, drawn anew."""
        return self.figures(self) if self.figures is not None else {}

    def plot(self, name: str) -> Figure:
        """One of the figures of these results. Raises FieldError for a name that is none, with those there are."""
        drawn = self.figures_drawn
        if name not in drawn:
            raise FieldError("name", name, f"must be one of {', '.join(drawn) or 'no figures'}{nearest(name, drawn)}")
        return drawn[name]

    def write(self, folder: str | PathLike[str]) -> str:
        """Tables and figures into a folder, as the command writes them; gives what was written, in words."""
        if self.writer is None:
            raise FieldError("folder", str(folder), f"results of {self.kind} write no folder: to_csv(), to_json()")
        return self.writer(Path(folder), self)

    def to_csv(self) -> str:
        """The rows as CSV with a header line."""
        return without_formulas(self.to_frame().to_csv(index=False))

    def to_json(self) -> str:
        """One object: `provenance`, `headline`, `results` (flat rows) and `notes`; no finite number is null."""
        sentence = self.headline
        headline = {"text": sentence.text} | {k: _finite(v) for k, v in sentence.numbers.items()} if sentence else None
        content = {
            "provenance": dict(self.provenance),
            **({"headline": headline} if headline else {}),
            "results": [{str(key): _finite(value) for key, value in row.items()} for row in self.flat()],
            "notes": [vars(note) for note in self.notes],
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def __repr__(self) -> str:
        made = ", ".join(f"{key} {self.provenance[key]}" for key in ("seed", "replicates") if key in self.provenance)
        head = f"{self.kind}: {len(self.rows)} rows" + (f" ({made})" if made else "")
        if self.headline is not None:
            head = f"{head}\n{self.headline.text}"
        lines: list[str] = [head, *(_in_short(row) for row in self.rows[:_SHOWN])]
        if len(self.rows) > _SHOWN:
            lines.append(f"… {len(self.rows) - _SHOWN} more; to_frame() has all")
        return "\n".join([*lines, *(f"{note.severity}: {note.text}" for note in self.notes)])

    def _repr_html_(self) -> str:
        notes = "".join(f"<p><b>{note.severity}</b>: {html.escape(note.text)}</p>" for note in self.notes)
        sentence = f"<p>{html.escape(self.headline.text)}</p>" if self.headline else ""
        return f"{sentence}{notes}{self.to_frame().to_html(index=False)}"


# A cell that a spreadsheet would take for a formula: it begins as one and is no number.
_FORMULA = re.compile(r"[=+@\t\r]|-(?!(?:\d+\.?\d*(?:e[-+]?\d+)?|inf)$)")
_MAY_HOLD_FORMULAS = re.compile(r'(?:^|[,\n])"?[=+@\t\r]|(?:^|[,\n])"?-(?!(?:\d+\.?\d*(?:e[-+]?\d+)?|inf)(?:[,\n]|$))')


def without_formulas(text: str) -> str:
    """CSV whose cells a spreadsheet shows as they are: an apostrophe stands before what it would compute."""
    if not _MAY_HOLD_FORMULAS.search(text):
        return text
    out = io.StringIO()
    rows = csv.reader(io.StringIO(text, newline=""))
    csv.writer(out, lineterminator="\n").writerows(
        [f"'{cell}" if _FORMULA.match(cell) else cell for cell in row] for row in rows
    )
    return out.getvalue()


def of_lines(kind: str, rows: Iterable[Mapping[Any, Any]], made: Mapping[str, Any], *notes: Note) -> Results[Line]:
    """Results of plain mappings, a line each."""
    return Results(kind=kind, rows=[Line(numbers=dict(row)) for row in rows], provenance=made, notes=notes)


def grouped(rows: Sequence[Row]) -> dict[Question, dict[str, Row]]:
    """The rows of each question by metric, in the order in which they come."""
    groups: dict[Question, dict[str, Row]] = {}
    for row in rows:
        groups.setdefault(row.question, {})[row.metric] = row
    return groups


def _in_short(row: Flat) -> str:
    """A row in one line."""
    if isinstance(row, Row):
        columns = "".join(f", {key} {value}" for key, value in row.question.columns)
        about = f"{row.question.contrast} ({row.question.analysis}{columns})"
        return f"  {about} {row.metric} {row.value:.4g} ± {row.mcse:.1g}"
    numbers = {key: x for key, x in row.flat().items() if x is not None and x != "" and x == x}
    return "  " + ", ".join(f"{key} {x:.4g}" if isinstance(x, float) else f"{key} {x}" for key, x in numbers.items())


def _finite(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
