"""Decisions after a delay: recruitment stops at a look, those still under way are observed, and then is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from kaptrial.arrays import Floats
from kaptrial.errors import FieldError
from kaptrial.estimators.sequential.boundaries import LEAST_STEP, Boundaries
from kaptrial.estimators.sequential.recursion import FARTHEST, Continuing, above, below, go_on, start


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What is decided once the patients under way at a look are observed; arrays are (look,), the last without delay.

    `critical`: reject at or above it. `reversal`: the probability under the null to cross the boundary for efficacy and
    then not to reject; that of the reverse is the same, so that the type I error stays what it was. `drift`: θ at which
    the power is as asked, counting the decisions.
    """

    boundaries: Boundaries
    information: Floats
    critical: Floats
    reversal: Floats
    drift: float

    @property
    def inflation(self) -> float:
        """The information at the last look over that of a trial without looks and with the same power."""
        assert self.boundaries.fixed_drift is not None
        return float(self.drift**2 * self.boundaries.information[-1] / self.boundaries.fixed_drift**2)

    def rejecting(self, drift: float) -> Floats:
        """The probability to stop at each look and to reject in the end."""
        return _rejecting(self.boundaries, self.information, self.critical, drift)


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
    if not (boundaries.has_futility and rule.binding and boundaries.drift is not None):
        allowed = (
            "goes with `power` and a `binding` `futility`: whoever stops recruiting must decide with what there is"
        )
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

    def lacks(drift: float) -> float:
        return float(np.sum(_rejecting(boundaries, at, critical, drift))) - (rule.power or 0.0)

    drift = float(brentq(lacks, 0.3 * boundaries.drift, 2.0 * boundaries.drift, xtol=1e-12))
    return Decisions(boundaries=boundaries, information=at, critical=critical, reversal=reversal, drift=drift)


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


def _rejecting(boundaries: Boundaries, at: Floats, critical: Floats, drift: float) -> Floats:
    looks = boundaries.information
    now, finest, rejected = start(), _finest(looks, at), np.zeros(len(looks))
    for k in range(len(looks) - 1):
        low, high = boundaries.lower[k], boundaries.upper[k]
        for first, end in ((high, np.inf), (-np.inf, low)):
            stopped = go_on(now, looks[k], drift, first, end, finest=finest)
            rejected[k] += above(stopped, at[k], drift, critical[k])
        now = go_on(now, looks[k], drift, low, high, finest=finest)
    rejected[-1] = above(now, looks[-1], drift, critical[-1])
    return rejected


def _finest(looks: Floats, at: Floats) -> float:
    steps = np.append(np.diff(looks, prepend=0.0), (at - looks)[:-1])
    return float(np.sqrt(np.min(steps)))
