"""Decisions after a delay: recruitment stops at a look, those still under way are observed, and then is decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.optimize import brentq

from kaptrial.arrays import Floats
from kaptrial.errors import FieldError
from kaptrial.estimators.sequential.boundaries import LEAST_STEP, Boundaries
from kaptrial.estimators.sequential.recursion import (
    COARSE,
    FARTHEST,
    FINE,
    Continuing,
    Grid,
    above,
    below,
    go_on,
    start,
)
from kaptrial.estimators.sequential.stagewise import where_p_is


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What is decided once the patients under way at a look are observed; arrays are (look,), the last without delay.

    `information`: once they are. `critical`: reject at or above it. `reversal`: the probability under the null to cross
    the boundary for efficacy and then not to reject; that of the reverse is the same, so that the type I error stays
    what it was. `drift`: θ at which the power is as asked, counting the decisions; None where none is asked for.
    """

    boundaries: Boundaries
    information: Floats
    critical: Floats
    reversal: Floats
    drift: float | None = None

    @property
    def inflation(self) -> float | None:
        """The information at the last look over that of a trial without looks and with the same power."""
        if self.drift is None or self.boundaries.fixed_drift is None:
            return None
        return float(self.drift**2 * self.boundaries.information[-1] / self.boundaries.fixed_drift**2)

    def rejecting(self, drift: float) -> Floats:
        """The probability to stop at each look and to reject in the end."""
        return np.array(
            [
                sum(above(stopped, self.information[k], drift, self.critical[k]) for stopped in stopping)
                for k, (stopping, _) in enumerate(self._followed(np.asarray(drift), len(self.information)))
            ]
        )

    def p_value(self, look: int, z: Floats, drift: float | Floats = 0.0, grid: Grid = FINE) -> Floats:
        """The probability to end as far out, or farther, than with statistic z after this look (from 0); one-sided.

        Farther out are rejections after earlier looks, and all that comes later where z itself does not reject. `z`,
        `drift`: (…).
        """
        drift = np.asarray(drift, dtype=float)
        beyond = np.zeros(np.broadcast_shapes(np.shape(z), drift.shape))
        for k, (stopping, going_on) in enumerate(self._followed(drift, look + 1, grid)):
            limit = z if k == look else self.critical[k]
            beyond = beyond + sum(above(stopped, self.information[k], drift, limit) for stopped in stopping)
            if k == look and going_on is not None:
                beyond = beyond + np.where(z < self.critical[k], np.sum(going_on.mass, axis=-1), 0.0)
        return beyond

    def drift_at(self, probability: float, look: int, z: Floats, grid: Grid = COARSE) -> Floats:
        """The θ under which `p_value` is this: ½ gives the median-unbiased estimate."""
        sd = np.sqrt(self.information[look])
        return where_p_is(probability, z, sd, lambda drift: self.p_value(look, z, drift, grid))

    def _followed(
        self, drift: Floats, looks: int, grid: Grid = FINE
    ) -> Iterator[tuple[tuple[Continuing, ...], Continuing | None]]:
        """At each of the first looks those who stop, as they stood there, and those who go on; None after the last."""
        at, lower, upper = self.boundaries.information, self.boundaries.lower, self.boundaries.upper
        now, finest = start(drift.shape), _finest(at, self.information)
        for k in range(looks):
            if k + 1 == len(at):
                yield (now,), None
                return
            step = partial(go_on, now, at[k], drift, finest=finest, grid=grid)
            now_on = step(lower[k], upper[k])
            yield (step(upper[k], np.inf), step(-np.inf, lower[k])), now_on
            now = now_on


def decisions(boundaries: Boundaries, pending: Sequence[float]) -> Decisions:
    """Critical values for the decision after each look (Hampson & Jennison 2013, JRSS B 75:3-54).

    Parameters
    ----------
    boundaries : Boundaries
        With futility, which the trial obeys.
    pending : sequence of float
        For each look but the last, the information of those under way.

    Raises
    ------
    FieldError
        Where futility does not bind, or what is pending makes no sense.
    """
    looks, rule = boundaries.information, boundaries.rule
    if not (boundaries.has_futility and rule.binding):
        allowed = "goes with a `binding` `futility`: whoever stops recruiting must decide with what there is"
        raise FieldError("pending", list(pending), allowed)
    if len(pending) != len(looks) - 1:
        raise FieldError("pending", list(pending), f"must have a number for each look but the last: {len(looks) - 1}")
    for k, more in enumerate(pending):
        if not LEAST_STEP <= more <= looks[-1] - looks[k] + 1e-12:
            allowed = f"must be from {LEAST_STEP:g} to what is left of the last look's information"
            raise FieldError(f"pending[{k}]", more, allowed)
    at = np.append(looks[:-1] + np.array(pending, dtype=float), looks[-1])
    critical, reversal = boundaries.upper.copy(), np.zeros(len(looks))
    now, finest = start(), _finest(looks, at)
    for k in range(len(looks) - 1):
        low, high = boundaries.lower[k], boundaries.upper[k]
        better = go_on(now, looks[k], 0.0, high, np.inf, finest=finest)
        worse = go_on(now, looks[k], 0.0, -np.inf, low, finest=finest)
        critical[k] = _critical(better, worse, at[k])
        reversal[k] = below(better, at[k], 0.0, critical[k])
        now = go_on(now, looks[k], 0.0, low, high, finest=finest)
    found = Decisions(boundaries=boundaries, information=at, critical=critical, reversal=reversal)
    return found if boundaries.drift is None else replace(found, drift=_powered(found))


def _powered(found: Decisions) -> float:
    power, drift = found.boundaries.rule.power or 0.0, found.boundaries.drift or 0.0
    return float(brentq(lambda d: float(np.sum(found.rejecting(d))) - power, 0.3 * drift, 2.0 * drift, xtol=1e-12))


def _critical(better: Continuing, worse: Continuing, information: float) -> float:
    """The critical value below which those who were better fall as often as those who were worse rise above it."""
    return float(
        brentq(
            lambda c: float(below(better, information, 0.0, c) - above(worse, information, 0.0, c)),
            -FARTHEST,
            FARTHEST,
            xtol=1e-12,
        )
    )


def _finest(looks: Floats, at: Floats) -> float:
    steps = np.append(np.diff(looks, prepend=0.0), (at - looks)[:-1])
    return float(np.sqrt(np.min(steps)))
