"""Any other number of a scenario: the smallest detectable effect, say."""

from __future__ import annotations

import math

from kaptrial.errors import FieldError
from kaptrial.questions.size.answer import Answer
from kaptrial.questions.size.closed_form import closed_path
from kaptrial.questions.size.curve import Axis, Ends, refine, rounded
from kaptrial.questions.size.search import Point, Search
from kaptrial.questions.size.sizes import size_notes

# Endings of paths that are effects: the smallest one found with the power is the minimal detectable effect.
_EFFECTS = ("max_effect", "slope", "share", "gamma", "kappa", "effect")


def solve_path(search: Search) -> Answer:
    bracket = _bracket(search)
    effect = search.path.removesuffix(".value").rsplit(".", 1)[-1] in _EFFECTS
    if isinstance(bracket, Point):
        best = search.at(bracket.value)
        message = f"not reached: the most that was found is {best.power:.3f}, at {search.path} = {best.value:g}"
        metric = "minimal_detectable" if effect else "threshold"
        return search.answer(metric=metric, ceiling=best.power, ceiling_mcse=best.mcse, message=message)
    low, high = sorted(bracket, key=lambda p: p.value)
    logs = low.value > 0
    limits = search.bounds or (low.value, high.value)
    axis = Axis(
        to=math.log if logs else float,
        back=math.exp if logs else float,
        low=low.value if logs and limits[0] <= 0 else limits[0],
        high=limits[1],
        step=1.0 if search.in_whole_numbers else None,
    )
    ul, uh = axis.to(low.value), axis.to(high.value)
    slope = (high.ncp - low.ncp) / (uh - ul)
    rising = slope > 0
    metric = "largest" if not rising else "minimal_detectable" if effect else "smallest"
    u = ul + (search.required_ncp((low.df + high.df) / 2) - low.ncp) / slope
    refined = refine(search, axis, u, slope, points=6)
    notes: list[str] = []
    ends: Ends
    if isinstance(refined, Point):
        if refined.power < search.target:
            message = f"not reached by {search.path} = {refined.value:g}"
            return search.answer(metric=metric, ceiling=refined.power, ceiling_mcse=refined.mcse, message=message)
        notes.append(f"power is above the target at {refined.value:g}")
        value, ends = refined.value, (None, None, None, None)
    else:
        value, ends = rounded(search, axis, refined, rising=rising)
        least, most = search.bounds or (-math.inf, math.inf)
        inside = min(max(value, least), most)
        if inside != value:
            if (value > inside) == rising:
                last = search.at(inside)
                message = f"not reached by {search.path} = {inside:g}, the end of what is searched"
                return search.answer(metric=metric, ceiling=last.power, ceiling_mcse=last.mcse, message=message)
            notes.append(f"power is above the target at {inside:g}, the end of what is searched")
            value = inside
    fresh = search.at(value, 2 * search.replicates, fresh=True)
    notes += size_notes(search, fresh, True, search.truth())
    closed = closed_path(search, value) if search.looks is None else None
    kind = None if closed is None else "exact"
    return search.reached(value, ends, fresh, notes, metric=metric, closed_form=closed, closed_form_kind=kind)


def _lack(search: Search, p: Point) -> float:
    """How far a point's noncentrality is above the one required: it tells points apart where power is 0 or 1.

    Looks take more than that: where their power tells, it does.
    """
    if p.held is not None and 0 < p.power < 1:
        return p.probit - search.goal
    return p.ncp - search.required_ncp(p.df)


def _bracket(search: Search) -> tuple[Point, Point] | Point:
    """Two points on either side of the root and near it; the best point if there are none."""
    if search.bounds is not None:
        low, high = search.bounds
        middle = math.sqrt(low * high) if low > 0 else (low + high) / 2
        ends = [search.at(v, search.pilot) for v in (low, round(middle) if search.in_whole_numbers else middle, high)]
        signs = [_lack(search, p) > 0 for p in ends]
        if signs[0] == signs[2] != signs[1]:
            allowed = f"power at {search.path} is not monotone there; must be a range on one side"
            raise FieldError("bounds", search.bounds, allowed)
        if len(set(signs)) == 1:
            if signs[0]:
                allowed = f"power is above {search.target:g} throughout; must hold the root"
                raise FieldError("bounds", search.bounds, allowed)
            return max(ends, key=lambda p: p.power)
        pair = (ends[0], ends[1]) if signs[0] != signs[1] else (ends[1], ends[2])
    else:
        bracket = _expand(search)
        if isinstance(bracket, Point):
            return bracket
        pair = bracket
    return _narrow(search, pair)


def _expand(search: Search) -> tuple[Point, Point] | Point:
    """From the scenario's own value by doubling, in the direction in which the root lies."""
    own = search.own
    if own is None or own == 0:
        raise FieldError("over", search.path, "has no value other than 0 to start from; `bounds` must be given")
    first = search.at(own, search.pilot)
    reached = _lack(search, first) > 0
    best = first
    for factor in (2.0, 0.5):
        last = first
        for _ in range(7):
            value = last.value * factor
            value = float(round(value)) if search.in_whole_numbers else value
            if value == last.value or not search.allows(value):
                break
            point = search.at(value, search.pilot)
            best = max(best, point, key=lambda p: p.ncp)
            if (_lack(search, point) > 0) != reached:
                return last, point
            # Away from the root: the other direction.
            if (point.ncp > last.ncp) == reached and abs(point.ncp - last.ncp) > 0.1:
                break
            last = point
    if reached:
        allowed = f"power is above {search.target:g} wherever it was tried; `bounds` must be given"
        raise FieldError("over", search.path, allowed)
    return best


def _narrow(search: Search, pair: tuple[Point, Point]) -> tuple[Point, Point]:
    """Halve the bracket (in logs, where positive) until its ends differ by one in noncentrality."""
    a, b = pair
    for _ in range(12):
        if abs(a.ncp - b.ncp) < 1:
            break
        positive = min(a.value, b.value) > 0
        middle = math.copysign(math.sqrt(a.value * b.value), a.value) if positive else (a.value + b.value) / 2
        if search.in_whole_numbers:
            middle = float(round(middle))
        if middle in (a.value, b.value):
            break
        point = search.at(middle, search.pilot)
        a, b = (point, b) if (_lack(search, point) > 0) == (_lack(search, a) > 0) else (a, point)
    return a, b
