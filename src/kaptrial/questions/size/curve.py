"""The curve of power fitted near its target, and Fieller's interval of where it meets it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from kaptrial.arrays import Floats
from kaptrial.questions.size.search import Point, Search

# Points within this many probits of the target enter the fit.
_WINDOW = 0.7
_Z95, _Z999 = (float(special.ndtri(1 - tail)) for tail in (0.025, 0.0005))
Ends = tuple[float | None, float | None, float | None, float | None]


@dataclass(frozen=True, kw_only=True)
class ProbitLine:
    """probit(power) = intercept + slope·(u − centre) with the covariance of the two."""

    intercept: float
    slope: float
    covariance: Floats
    centre: float

    def root(self, goal: float) -> float:
        """u at which the fitted probit is the goal."""
        return self.centre + (goal - self.intercept) / self.slope

    def interval(self, goal: float, z: float) -> tuple[float | None, float | None]:
        """Fieller's interval of the root; None for an end that the data do not bound."""
        v = self.covariance
        c = self.intercept - goal
        # (c + slope·t)² ≤ z²(v00 + 2 v01 t + v11 t²), a quadratic in t = u − centre.
        a2 = self.slope**2 - z**2 * v[1, 1]
        a1 = 2 * (c * self.slope - z**2 * v[0, 1])
        a0 = c**2 - z**2 * v[0, 0]
        disc = a1**2 - 4 * a2 * a0
        if a2 <= 0 or disc < 0:
            return None, None
        ends = ((-a1 + sign * math.sqrt(disc)) / (2 * a2) + self.centre for sign in (-1, 1))
        lower, upper = ends
        return lower, upper


def fit_line(us: Floats, each: Floats) -> ProbitLine | None:
    """Probit regression on shares (point, replicate), whose means are powers, replicates as clusters; None if it does
    not converge."""
    centre = float(us.mean())
    x = np.stack([np.ones_like(us), us - centre], axis=1)
    shares = each.mean(axis=1)
    n = each.shape[1]
    safe = np.clip(shares, 0.5 / n, 1 - 0.5 / n)
    beta = np.linalg.lstsq(x, special.ndtri(safe), rcond=None)[0]
    for _ in range(50):
        eta = x @ beta
        p = np.clip(special.ndtr(eta), 1e-9, 1 - 1e-9)
        density = np.exp(-(eta**2) / 2) / math.sqrt(2 * math.pi)
        gain = density / (p * (1 - p))
        information = (x * (gain * density)[:, None]).T @ x
        try:
            step = np.linalg.solve(information, x.T @ (gain * (shares - p)))
        except np.linalg.LinAlgError:
            return None
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    else:
        return None
    bread = np.linalg.inv(information) / n
    scores = (x * gain[:, None]).T @ (each - p[:, None])
    return ProbitLine(
        intercept=float(beta[0]), slope=float(beta[1]), covariance=bread @ (scores @ scores.T) @ bread, centre=centre
    )


@dataclass(frozen=True, kw_only=True)
class Axis:
    """The coordinate u in which the probit of the power is nearly straight, and the values that may be tried."""

    to: Callable[[float], float]
    back: Callable[[float], float]
    low: float
    high: float
    step: float | None

    def tryable(self, u: float) -> float:
        """The value at u, within the limits and on the grid."""
        least, most = sorted((self.to(self.low), self.to(self.high)))
        value = self.back(min(max(u, least), most))
        if self.step is not None:
            value = round(value / self.step) * self.step
            value = min(max(value, math.ceil(self.low / self.step) * self.step), self.high)
        return value


@dataclass(frozen=True, kw_only=True)
class _Fitted:
    line: ProbitLine
    u: float


def refine(search: Search, axis: Axis, u: float, slope: float, *, points: int) -> _Fitted | Point:
    """Simulate and fit ever nearer to the root; or, where there is no fit, the nearest point that
    reaches the target, or the nearest of those that do not: the root is beyond the limits, or the grid too coarse.

    `u`, `slope`: a first guess of the root and of the change of the probit with u there.
    """
    done: dict[float, Point] = {}
    offsets = [0.0, -0.4, 0.4, 0.0, -0.2, 0.2, 0.0, -0.3, 0.3, 0.1, -0.1, 0.0]
    fitted: _Fitted | None = None
    for i, offset in enumerate(offsets):
        value = axis.tryable(u + offset / slope)
        if value in done:
            # On a coarse grid a neighbour instead.
            beside = [] if axis.step is None else [value + axis.step, value - axis.step]
            untried = [v for v in beside if v not in done and axis.low <= v <= axis.high]
            if not untried or i >= points:
                continue
            value = untried[0]
        point = done[value] = search.at(value)
        near = [p for p in done.values() if abs(p.probit - search.goal) <= _WINDOW]
        if len(near) >= 2:
            us = np.array([axis.to(p.value) for p in near])
            line = fit_line(us, np.stack([p.shares for p in near]))
            if line is not None and line.slope * slope > 0:
                moved = abs(line.root(search.goal) - u) * abs(line.slope)
                fitted = _Fitted(line=line, u=line.root(search.goal))
                u, slope = fitted.u, line.slope
                if len(near) >= points and moved < 0.03:
                    break
                continue
        # No fit yet: go from this point along the slope.
        u = axis.to(point.value) + float(np.clip(search.goal - point.probit, -1.5, 1.5)) / slope
        if not near and len(done) > 1 and axis.tryable(u) in done:
            break
    if fitted is not None:
        return fitted
    reaching = [p for p in done.values() if p.power >= search.target]
    return min(reaching or done.values(), key=lambda p: abs(p.probit - search.goal))


def rounded(search: Search, axis: Axis, fitted: _Fitted, *, rising: bool) -> tuple[float, Ends]:
    """The answer and the ends of its 95 % and 99.9 % intervals, on the grid: up if power rises with the value.

    Ends are within the bounds, where there are any; the answer may lie beyond them.
    """
    goal = search.goal
    least, most = search.bounds or (-math.inf, math.inf)
    if search.bounds and axis.step is not None:
        least, most = math.ceil(least / axis.step) * axis.step, math.floor(most / axis.step) * axis.step

    def place(u: float | None) -> float | None:
        if u is None:
            return None
        try:
            value = axis.back(max(u, 0.0) if axis.to is math.sqrt else u)
        except OverflowError:  # an end that no number holds is none, or the bound
            return most if search.bounds else None
        if axis.step is None:
            return value
        towards = math.ceil if rising else math.floor
        return max(towards(value / axis.step - 1e-9) * axis.step, axis.low)

    value = place(fitted.u)
    assert value is not None
    lower, upper = fitted.line.interval(goal, _Z95)
    lower_999, upper_999 = fitted.line.interval(goal, _Z999)
    ends = (place(u) for u in (lower, upper, lower_999, upper_999))
    first, second, third, fourth = (None if end is None else min(max(end, least), most) for end in ends)
    return value, (first, second, third, fourth)
