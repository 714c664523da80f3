"""Endpoints of substance use from its days: arrays (replicate, patient, day) of days 1, 2, … after day 0.

`seen`: the days that a visit accounted for. Day d is the one that ends at d; an event on it has time d.
"""

from __future__ import annotations

import numpy as np

from kaptrial.arrays import Bools, Floats

# Grams of pure alcohol a day up to which consumption is of no, low, medium and high risk; above is very high (WHO 2000,
# International guide for monitoring alcohol consumption and related harm, WHO/MSD/MSB/00.4; read as tabulated in
# BMJ Open, bmjopen.bmj.com/highwire/markup/87412, not in the guide itself).
RISK_LEVELS = {"men": (0.0, 40.0, 60.0, 100.0), "women": (0.0, 20.0, 40.0, 60.0)}


def days_seen(score: Floats, days: Floats) -> Bools:
    """Which days a visit accounted for: those since the visit before it, where its score was observed."""
    start = 0 if days[0] > 0 else 1
    length = np.diff(np.concatenate([[0.0], days[start:]])).astype(np.int64)
    return np.repeat(np.isfinite(score[..., start:]), length, axis=-1)


def total(amount: np.ndarray, seen: Bools, after: int, day: int) -> tuple[Floats, Floats]:
    """The sum over the days seen after one day up to another, and how many they are."""
    known = seen[..., after:day]
    return np.where(known, amount[..., after:day], 0).sum(axis=-1, dtype=float), known.sum(axis=-1).astype(float)


def abstinent_last(used: Bools, seen: Bools, day: int, length: int) -> Floats:
    """1 without use on the last days up to `day`, 0 with use on one that was seen; NaN where that is not known."""
    days = slice(day - length, day)
    use = (used[..., days] & seen[..., days]).any(axis=-1)
    return np.where(use, 0.0, np.where(seen[..., days].all(axis=-1), 1.0, np.nan))


def first_day(
    event: Bools, seen: Bools, after: int, day: int, *, unseen_is_event: bool = False
) -> tuple[Floats, Bools]:
    """Days from `after` to the first event, or to the last day seen without a gap, and whether there was an event.

    `unseen_is_event`: a day that is not seen counts as one.
    """
    stops = (event | ~seen)[..., after:day]
    first = np.where(stops.any(axis=-1), stops.argmax(axis=-1), day - after)
    at = np.minimum(first, day - after - 1)[..., None]
    known = np.take_along_axis(seen[..., after:day], at, axis=-1)[..., 0]
    happened = stops.any(axis=-1) & (known | unseen_is_event)
    return np.where(happened, first + 1, first).astype(float), happened


def run_ends(used: Bools, length: int) -> Bools:
    """The days on which use has gone on for so many days, or longer."""
    ends = np.zeros(used.shape, dtype=np.bool_)
    run = np.zeros(used.shape[:-1], dtype=np.int64)
    for day in range(used.shape[-1]):
        run = np.where(used[..., day], run + 1, 0)
        ends[..., day] = run >= length
    return ends


def risk_level(grams_a_day: Floats, is_woman: Bools) -> Floats:
    """The WHO risk level: 0 abstinent, 1 low, 2 medium, 3 high, 4 very high; NaN where consumption is not known."""
    level = {sex: np.searchsorted(ends, grams_a_day, side="left") for sex, ends in RISK_LEVELS.items()}
    return np.where(np.isnan(grams_a_day), np.nan, np.where(is_woman, level["women"], level["men"]))
