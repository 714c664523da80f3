"""Where outcomes of 0 and 1, or days of success, are all alike: nothing but the prior bounds the log odds there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kaptrial.arrays import Bools, Floats
from kaptrial.questions.fit.data import InteractionData
from kaptrial.results import Note

NAMED = 4


def separation_notes(data: InteractionData) -> tuple[Note, ...]:
    """A note that names the arms, with their days, and the levels of covariates in which all outcomes are alike."""
    y = data.y if data.trials_of is None else data.y / data.trials_of[:, None]
    alike = [*_arms(data, y), *_levels(data, y)]
    if not alike:
        return ()
    more = f" and {len(alike) - NAMED} more" if len(alike) > NAMED else ""
    text = f"{'; '.join(alike[:NAMED])}{more}: the prior alone bounds the log odds there"
    return (Note(code="separation", severity="warning", text=text),)


def _arms(data: InteractionData, y: Floats) -> Iterator[str]:
    for a, arm in enumerate(data.arms):
        for t, day in enumerate(data.days):
            when = "" if np.isnan(day) else f" on day {day:g}"
            yield from _said(data, y[data.arm == a, t], f"arm {arm}{when}")


def _levels(data: InteractionData, y: Floats) -> Iterator[str]:
    for name, own in _groups(data):
        yield from _said(data, y[own], name)


def _groups(data: InteractionData) -> Iterator[tuple[str, Bools]]:
    """Each level of every category and of every covariate of two values, with its patients."""
    categories = data.categories or ("",) * len(data.covariate_names)
    columns = list(zip(data.covariate_names, categories, data.covariates.T, strict=True))
    for name, category, values in columns:
        if category:
            yield name, values == 1
        elif len(levels := np.unique(values)) == 2:
            yield from ((f"{name} {level:g}", values == level) for level in levels)
    for category in dict.fromkeys(filter(None, categories)):
        own = np.stack([values for _, of, values in columns if of == category])
        yield f"the first level of {category}", ~own.any(axis=0)


def _said(data: InteractionData, y: Floats, where: str) -> Iterator[str]:
    seen = y[np.isfinite(y)]
    words = ("outcomes are 0", "outcomes are 1") if data.trials_of is None else ("have 0 days", "have every day")
    for value, word in zip((0.0, 1.0), words, strict=True):
        if len(seen) and (seen == value).all():
            yield f"{where}: all {len(seen)} {word}"
