"""The numbers of a pack, each once by name; text that holds one is marked, so that every format shows the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kaptrial.errors import FieldError
from kaptrial.output.terminal import by_mcse, error
from kaptrial.results import Value

# Characters of Unicode's private use, which no text of a scenario holds: a scenario refuses them.
OPEN, MIDDLE, CLOSE = "\ue000", "\ue001", "\ue002"
_MARKED = re.compile(f"{OPEN}([^{MIDDLE}]*){MIDDLE}([^{CLOSE}]*){CLOSE}")


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number of the pack: its name, its value in `unit` with its Monte Carlo standard error, and how it is shown.

    As text (`str`) it is marked with its name.
    """

    key: str
    value: Value
    shown: str
    mcse: float | None = None
    unit: str = ""

    def __str__(self) -> str:
        return f"{OPEN}{self.key}{MIDDLE}{self.shown}{CLOSE}"

    def flat(self) -> dict[str, Value]:
        """As columns of a table."""
        return {"key": self.key, "value": self.value, "mcse": self.mcse, "unit": self.unit, "shown": self.shown}


class Numbers:
    """All numbers of a pack. The same name is the same number: to set it anew to another value is an error."""

    def __init__(self) -> None:
        self._by_key: dict[str, Number] = {}

    def __getitem__(self, key: str) -> Number:
        return self._by_key[key]

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    def __iter__(self) -> Iterator[Number]:
        return iter(self._by_key.values())

    def add(
        self, key: str, value: Value, *, mcse: float | None = None, unit: str = "", shown: str | None = None
    ) -> Number:
        """The number under this name. Raises FieldError where the name has another value already."""
        if shown is None:
            shown = _shown(value, mcse)
        number = Number(key=key, value=value, shown=shown, mcse=mcse, unit=unit)
        known = self._by_key.setdefault(key, number)
        if known.value != value and not (known.value != known.value and value != value):
            raise FieldError(key, value, f"is {known.value} already in this pack")
        return number

    def percent(self, key: str, value: float, mcse: float | None = None) -> Number:
        """A probability, shown in percent with its error."""
        if value != value:
            return self.add(key, value, mcse=mcse, unit="probability", shown="not known")
        if mcse is None or mcse != mcse:
            return self.add(key, value, unit="probability", shown=f"{100 * value:.3g} %")
        shown = f"{by_mcse(100 * value, 100 * mcse)} %" + (f" (± {error(100 * mcse)})" if mcse > 0 else "")
        return self.add(key, value, mcse=mcse, unit="probability", shown=shown)

    def points(self, key: str, value: float, mcse: float) -> Number:
        """A difference of two probabilities, shown in percentage points with its error."""
        shown = f"{by_mcse(100 * value, 100 * mcse)}" + (f" (± {error(100 * mcse)})" if mcse > 0 else "")
        return self.add(key, value, mcse=mcse, unit="difference of probabilities", shown=shown.replace("-", "−"))


def _shown(value: Value, mcse: float | None) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if mcse is None:
        return f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{by_mcse(value, mcse)}" + (f" ± {error(mcse)}" if mcse > 0 else "")


def pieces(text: str) -> Iterator[tuple[str | None, str]]:
    """Text in pieces: (None, words) and (name of a number, how it is shown)."""
    at = 0
    for match in _MARKED.finditer(text):
        if match.start() > at:
            yield None, text[at : match.start()]
        yield match[1], match[2]
        at = match.end()
    if at < len(text):
        yield None, text[at:]


def plain(text: str) -> str:
    """Text without its marks."""
    return "".join(part for _, part in pieces(text))
