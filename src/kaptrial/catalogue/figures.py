"""Figures of the catalogue by name, which scenarios cite where a number follows from them (docs/catalogue.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from kaptrial.catalogue.reader import source
from kaptrial.catalogue.trials import trial, trial_keys


@dataclass(frozen=True, kw_only=True)
class NamedFigure:
    """One number that was read in a source, with what stood beside it."""

    value: float
    sd: float | None
    se: float | None

    def of(self, part: str | None) -> float | None:
        """The figure itself, or its `sd` or `se`; None where that was not read."""
        return {None: self.value, "sd": self.sd, "se": self.se}[part]


@cache
def named_figures(key: str) -> Mapping[str, NamedFigure]:
    """The named figures of a source or a trial, without what only a document claims. Raises KeyError."""
    return dict(_of_trial(key) if key in trial_keys() else _of_source(key))


def _of_trial(key: str) -> Iterator[tuple[str, NamedFigure]]:
    for figure in trial(key).figures:
        if figure.quality != "document_only":
            yield from _named(figure.name, figure.value, figure.uncertainty)


def _of_source(key: str) -> Iterator[tuple[str, NamedFigure]]:
    for raw in source(key).get("figures", ()):
        yield from _named(raw.get("name"), raw["value"], raw)


def _named(name: str | list[str] | None, value: Any, beside: Mapping[str, Any]) -> Iterator[tuple[str, NamedFigure]]:
    """A figure of several numbers has a name for each of them."""
    if name is None:
        return
    names, values = (name, value) if isinstance(name, list) else ([name], [value])
    for each, number in zip(names, values, strict=True):
        yield each, NamedFigure(value=float(number), sd=beside.get("sd"), se=beside.get("se"))
