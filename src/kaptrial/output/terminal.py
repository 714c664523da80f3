"""What commands print alike: a console to which text is text, progress, numbers rounded by their Monte Carlo error."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text

from kaptrial.errors import printable
from kaptrial.results import Row


class _Terminal(Console):
    """A console to which text is text: no markup, no emoji, no terminal codes, in a table as elsewhere."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The text, whatever characters it holds."""
        return super().render_str(printable(text), **options | {"markup": False, "emoji": False})


def console() -> Console:
    """Where everything is printed that may hold text of a file."""
    width = None if sys.stdout is not None and sys.stdout.isatty() else 230
    return _Terminal(width=width, highlight=False, soft_wrap=False, markup=False, emoji=False)


def say(text: str) -> None:
    """Print a line as it is, not wrapped."""
    print(printable(text), flush=True)


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar over replicates on a terminal, nothing in a pipe."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("simulating"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("trials"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, advance=done)


def by_mcse(value: float | None, mcse: float | None) -> str:
    """The value to the decimal place of its Monte Carlo error's first digit."""
    if value is None or not math.isfinite(value):
        return "–"
    if not mcse or not math.isfinite(mcse):
        return f"{value:.4g}"
    places = max(0, min(6, -math.floor(math.log10(mcse))))
    return f"{value:.{places}f}"


def error(mcse: float | None) -> str:
    """A Monte Carlo error to its first two digits."""
    return "" if mcse is None or not math.isfinite(mcse) else f"{mcse:.1g}"


def with_error(row: Row | None) -> str:
    """A figure with its Monte Carlo error; nothing where there is none."""
    return "" if row is None else f"{by_mcse(row.value, row.mcse)} ± {error(row.mcse)}"
