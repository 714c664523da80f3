"""Differences between designs from paired replicates, and which design is no better than another."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kaptrial.comparison.measures import ASKED, BY_NAME, ERRORS, MEASURES, PRICES, Compared, Estimate
from kaptrial.questions.power.controlled import difference as of_shares


def difference(a: Estimate, b: Estimate) -> Estimate:
    """a − b, with the error of the paired replicates, or of the paired draws of a prior."""
    if a.each is None or b.each is None:
        return Estimate(value=a.value - b.value)
    each = a.each - b.each
    if a.is_share and b.is_share:
        value, mcse = of_shares(a.each, b.each)
        return Estimate(value=value, mcse=mcse, each=each)
    return Estimate(value=float(each.mean()), mcse=float(each.std(ddof=1) / math.sqrt(len(each))), each=each)


def differences(design: Compared, first: Compared) -> dict[str, Estimate]:
    """Of every measure that both have, in one currency, what the design has more than the first."""
    return {name: difference(design.estimates[name], first.estimates[name]) for name in shared(design, first)}


def shared(a: Compared, b: Compared) -> list[str]:
    """The measures that are known of both and can be set against each other."""
    names = [m.name for m in MEASURES if m.name in a.estimates and m.name in b.estimates]
    return [name for name in names if name != "cost" or a.currency == b.currency]


def advantage(a: Compared, b: Compared, name: str) -> int:
    """1 where a is better by a measure, −1 where b is, 0 where they are alike within Monte Carlo error.

    A type I error is worse only where it is above the level of its test.
    """
    known = difference(a.estimates[name], b.estimates[name])
    if not abs(known.value) > max(ERRORS * known.mcse, 1e-9):
        return 0
    is_a = (known.value > 0) == (BY_NAME[name].better == "higher")
    worse = b if is_a else a
    error = worse.estimates[name]
    if name == "type_i_error" and error.value <= worse.alpha + ERRORS * error.mcse:
        return 0
    return 1 if is_a else -1


def dominates(a: Compared, b: Compared, names: Sequence[str] | None = None) -> bool:
    """Whether b is better by none of the measures and worse by one; `names`: of these alone.

    Of all measures: not where one asks for what is unknown of the other.
    """
    if names is None and any((name in a.estimates) != (name in b.estimates) for name in ASKED):
        return False
    signs = [advantage(a, b, name) for name in names or shared(a, b)]
    return max(signs) == 1 and min(signs) >= 0 and (names is not None or a.currency == b.currency)


def dominated_by(design: Compared, others: Sequence[Compared]) -> list[str]:
    """The names of the designs that dominate it."""
    return [other.name for other in others if other is not design and dominates(other, design)]


def price(compared: Sequence[Compared]) -> str:
    """What power is set against: the first of cost, therapist hours and patients that is known of all and differs."""
    for name in PRICES:
        if all(name in shared(design, compared[0]) for design in compared):
            values = [design.estimates[name].value for design in compared]
            if max(values) > min(values):
                return name
    return PRICES[-1]


def front(compared: Sequence[Compared], by: str) -> list[Compared]:
    """The designs that no other has more power than at the same price or less."""
    names = ("power", by)
    return [d for d in compared if not any(dominates(other, d, names) for other in compared if other is not d)]
