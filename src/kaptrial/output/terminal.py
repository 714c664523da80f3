"""What commands print alike: paragraphs and tables at the width there is, progress, numbers rounded by their error."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from kaptrial.compile_cache import tell_when_compiling
from kaptrial.errors import printable
from kaptrial.output.tables import Column, laid_out, wrapped
from kaptrial.results import Row

# The width of a pipe, unless COLUMNS says another, and the least that is written for.
IN_A_PIPE, LEAST_WIDTH = 100, 40
# What stands for a character that the output's encoding has not.
PLAIN = {
    "±": "+-", "–": "-", "—": "-", "−": "-", "≥": ">=", "≤": "<=", "×": "x", "·": "*", "…": "...", "→": "->",
    "▼": "v", "●": "o", "◆": "#", "γ": "gamma", "κ": "kappa", "ξ": "xi", "φ": "phi", "ρ": "rho", "τ": "tau",
    "σ": "sigma", "α": "alpha", "β": "beta", "δ": "delta", "½": "1/2",
}  # fmt: skip
# Processor time was 5 to 6 s for ANCOVA of one and of four arms, 83 s for nested_mmrm.
COMPILING = "compiling once, about 8 s (nested_mmrm: a minute or two)"


_quiet = False


def be_quiet(quiet: bool) -> None:
    """Print nothing from now on, or print again; errors are not printed here."""
    global _quiet
    _quiet = quiet


def width() -> int:
    """Columns of the terminal, or those of a pipe."""
    return max(LEAST_WIDTH, shutil.get_terminal_size(fallback=(IN_A_PIPE, 24)).columns)


def say(text: str) -> None:
    """Print a line as it is, not wrapped."""
    if not _quiet:
        print(_encodable(text), flush=True)


def paragraph(text: str, indent: str = "") -> None:
    """Print text wrapped at the width there is; what follows the first line is indented."""
    for line in wrapped(_encodable(text), width(), indent):
        say(line)


def table(*columns: Column, title: str | None = None) -> None:
    """Print a table at the width there is; no number of it is cut."""
    if title is not None:
        paragraph(f"\n{title}")
    shown = [
        replace(c, heading=_encodable(c.heading), cells=tuple(_encodable(cell) for cell in c.cells)) for c in columns
    ]
    for line in laid_out(shown, width()):
        say(line)


def _encodable(text: str) -> str:
    """Text of a file as a terminal may show it, in characters that the output can encode."""
    text = printable(text)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(PLAIN.get(c, c) if not c.encode(encoding, "ignore") else c for c in text)
    return text


@contextmanager
def progress(total: int, doing: str = "simulating", unit: str = "trials") -> Iterator[Callable[[int], None]]:
    """A bar with the time left on a terminal, nothing in a pipe. `total` may be a guess: what goes beyond it moves it.

    The block is given a function that is told what has been done since it was last called.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        tell_when_compiling(lambda: bar.console.print(COMPILING, highlight=False))
        done = 0

        def advance(more: int) -> None:
            nonlocal done
            done += more
            bar.update(task, completed=done, total=max(total, done))

        yield advance


def with_controls(provenance: Mapping[str, Any]) -> str:
    """What is added to how results were made: nothing of plain ones."""
    return ", with control variates" if provenance.get("control_variates") else ""


def by_mcse(value: float | None, mcse: float | None) -> str:
    """The value to the decimal place of its Monte Carlo error's first digit."""
    if value is None or not math.isfinite(value):
        return "–"
    if not mcse or not math.isfinite(mcse):
        return f"{value:.4g}"
    places = max(0, min(6, -math.floor(math.log10(float(f"{mcse:.1g}")))))
    return f"{value:.{places}f}"


def error(mcse: float | None) -> str:
    """A Monte Carlo error to its first digit."""
    return "" if mcse is None or not math.isfinite(mcse) else f"{float(f'{mcse:.1g}'):.7g}"


def with_error(row: Row | None) -> str:
    """A figure with its Monte Carlo error; nothing where there is none."""
    if row is None:
        return ""
    value, spread = by_mcse(row.value, row.mcse), error(row.mcse)
    return f"{value} ± {spread}" if spread else value
