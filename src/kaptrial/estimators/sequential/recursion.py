"""The one recursion: the joint distribution of a statistic at successive looks, by numerical integration.

The score statistic S at information I is N(θI, I), its increments independent, and Z = S/√I. The density of those that
went on so far is carried from look to look (Armitage, McPherson & Rowe 1969, JRSS A 132:235-244; Jennison & Turnbull
2000, Group Sequential Methods, chapter 19). Leading axes of all arguments are trials, each with its own information.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from kaptrial.arrays import Floats

# A statistic beyond which no trial is looked for.
FARTHEST = 38.0
# Steps in which a root is found, and how near.
_STEPS, _CLOSE = 100, 1e-12


@dataclass(frozen=True, kw_only=True)
class Grid:
    """How finely to integrate: Gauss–Legendre `nodes` on panels of `width` SDs of the smallest increment, over `reach`
    SDs on either side of the mean."""

    nodes: int = 10
    width: float = 2.0
    reach: float = 9.0


# Errors below 1e-10; and, for thousands of trials at once, below 1e-6.
FINE, COARSE = Grid(), Grid(nodes=6, width=2.5, reach=6.0)


@dataclass(frozen=True, kw_only=True)
class Continuing:
    """Those that went on after a look: nodes of the score statistic, and the probability at each; (…, node).

    `information`: at that look, (…).
    """

    information: Floats
    score: Floats
    mass: Floats


def start(shape: tuple[int, ...] = ()) -> Continuing:
    """All trials, before the first look."""
    return Continuing(information=np.zeros(shape), score=np.zeros((*shape, 1)), mass=np.ones((*shape, 1)))


def above(now: Continuing, information: float | Floats, drift: float | Floats, z: float | Floats) -> Floats:
    """The probability to have gone on and then to have a statistic of z or more at `information`; `drift`: θ."""
    return _tail(now, information, drift, z, -1.0)


def below(now: Continuing, information: float | Floats, drift: float | Floats, z: float | Floats) -> Floats:
    """The same of a statistic of z or less."""
    return _tail(now, information, drift, z, 1.0)


def _tail(
    now: Continuing, information: float | Floats, drift: float | Floats, z: float | Floats, sign: float
) -> Floats:
    information, drift = np.asarray(information, dtype=float), np.asarray(drift, dtype=float)
    more = information - now.information
    limit = np.asarray(z * np.sqrt(information) - drift * more)[..., None]
    return np.sum(now.mass * ndtr(sign * (limit - now.score) / np.sqrt(more)[..., None]), axis=-1)


def go_on(
    now: Continuing,
    information: float | Floats,
    drift: float | Floats,
    lower: float | Floats,
    upper: float | Floats,
    *,
    finest: float,
    grid: Grid = FINE,
) -> Continuing:
    """Those that go on beyond a look, with a statistic between `lower` and `upper`.

    `finest`: the smallest SD of an increment of the score, of those before and those to come.
    """
    information, drift = np.asarray(information, dtype=float), np.asarray(drift, dtype=float)
    sd, mean = np.sqrt(information), drift * information
    low = np.maximum(lower * sd, mean - grid.reach * sd)
    high = np.maximum(np.minimum(upper * sd, mean + grid.reach * sd), low)
    panels = max(1, int(np.ceil(np.max(high - low, initial=0.0) / (grid.width * finest))))
    at, weight = np.polynomial.legendre.leggauss(grid.nodes)
    unit = ((np.arange(panels)[:, None] + (at + 1) / 2) / panels).ravel()
    length = np.asarray(high - low)[..., None]
    score = np.asarray(low)[..., None] + length * unit
    more = np.asarray(information - now.information)[..., None, None]
    step = score[..., None] - now.score[..., None, :] - np.asarray(drift)[..., None, None] * more
    density = np.einsum("...nm,...m->...n", np.exp(-0.5 * step**2 / more), now.mass) / np.sqrt(2 * np.pi * more[..., 0])
    return Continuing(
        information=information, score=score, mass=density * length * np.tile(weight / 2 / panels, panels)
    )


def finest_of(information: Floats) -> float:
    """The smallest SD of an increment of the score between looks; looks on the last axis."""
    return float(np.sqrt(np.min(np.diff(information, axis=-1, prepend=0.0))))


def stops(
    information: Floats, lower: Floats, upper: Floats, drift: float | Floats, grid: Grid = FINE
) -> tuple[Floats, Floats]:
    """The probabilities to stop at each look at or below `lower`, and at or above `upper`; looks on the last axis."""
    shape = np.broadcast_shapes(information.shape[:-1], np.shape(drift))
    now, down, up = start(shape), [], []
    finest = finest_of(information)
    for k in range(information.shape[-1]):
        at = np.broadcast_to(information[..., k], shape)
        down.append(below(now, at, drift, lower[..., k]))
        up.append(above(now, at, drift, upper[..., k]))
        if k + 1 < information.shape[-1]:
            now = go_on(now, at, drift, lower[..., k], upper[..., k], finest=finest, grid=grid)
    return np.stack(down, axis=-1), np.stack(up, axis=-1)


def root(
    probability: Callable[[Floats], Floats],
    target: float | Floats,
    *,
    falling: bool = False,
    low: float = -FARTHEST,
    high: float = FARTHEST,
) -> Floats:
    """Where a probability that rises (or falls) with its argument is `target`, for each element; infinite where it is
    nowhere.

    By the Illinois rule on the normal scale, on which such probabilities are nearly straight lines; by halves where
    that has no slope.
    """
    target = np.asarray(target, dtype=float)
    sign, wanted = -1.0 if falling else 1.0, ndtri(target)

    def excess(x: Floats) -> Floats:
        found = ndtri(np.minimum(probability(x), 1.0))
        return np.where(found == wanted, 0.0, sign * (found - np.where(np.isfinite(wanted), wanted, 0.0)))

    nowhere = np.where(target == 0, np.inf if falling else -np.inf, np.nan)
    return zero(excess, np.full(target.shape, low), np.full(target.shape, high), known=nowhere)


def zero(rising: Callable[[Floats], Floats], left: Floats, right: Floats, *, known: float | Floats = np.nan) -> Floats:
    """Where a function that rises is 0, for each element; infinite where it is so nowhere between `left` and `right`.

    By the Illinois rule; by halves where the function has no slope. `known`: what is known already, NaN elsewhere.
    """
    at_left, at_right = rising(left), rising(right)
    found = np.where(np.isnan(known), np.where(at_right < 0, np.inf, np.where(at_left > 0, -np.inf, np.nan)), known)
    x, open_ends = (left + right) / 2, np.isnan(found)
    was_up = was_down = np.zeros(x.shape, dtype=bool)
    for _ in range(_STEPS):
        straight = np.isfinite(at_left) & np.isfinite(at_right) & (at_right > at_left)
        rise = np.subtract(at_right, at_left, out=np.ones_like(at_left), where=straight)
        x = np.where(straight, right - np.where(straight, at_right, 0.0) / rise * (right - left), (left + right) / 2)
        at_x = rising(x)
        up, down = at_x >= 0, at_x <= 0
        at_left = np.where(down, at_x, np.where(was_up & up, at_left / 2, at_left))
        at_right = np.where(up, at_x, np.where(was_down & down, at_right / 2, at_right))
        left, right, was_up, was_down = np.where(down, x, left), np.where(up, x, right), up, down
        if not np.any(open_ends & (np.abs(at_x) > _CLOSE) & (right - left > _CLOSE)):
            break
    return np.where(open_ends, x, found)


def z_above(now: Continuing, information: float | Floats, drift: float | Floats, probability: Floats) -> Floats:
    """The statistic at or above which this probability lies: the inverse of `above`; ∞ for 0."""
    return root(lambda z: above(now, information, drift, z), probability, falling=True)


def z_below(now: Continuing, information: float | Floats, drift: float | Floats, probability: Floats) -> Floats:
    """The statistic at or below which this probability lies: the inverse of `below`; −∞ for 0."""
    return root(lambda z: below(now, information, drift, z), probability)
