"""Closed forms where therapists treat one arm (Moerbeek & Wong 2008, Stat Med 27:2850-2864): the plan of least variance
for a budget, and power by a t test with Satterthwaite's degrees of freedom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kaptrial.questions.power.measures import t_power


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the variance of an estimate, and its degrees of freedom."""

    variance: float
    df: float


def square_root_plan(
    variances: Sequence[float], costs: Sequence[float], *, budget: float | None = None, variance: float | None = None
) -> list[float]:
    """How many of each unit make Σ variance/number least at Σ cost·number = `budget`, or cost least at `variance`.

    Either way the numbers are in the ratio of √(variance/cost). In a partially nested trial the units are therapists,
    their patients and controls, and a therapist has √(cost of a therapist/cost of a patient · (1 − ρ)/ρ) patients.
    """
    rates = [math.sqrt(v / c) for v, c in zip(variances, costs, strict=True)]
    spent = sum(math.sqrt(v * c) for v, c in zip(variances, costs, strict=True))
    if budget is not None:
        return [budget * rate / spent for rate in rates]
    assert variance is not None
    return [spent * rate / variance for rate in rates]


def satterthwaite(parts: Sequence[Part]) -> float:
    """Degrees of freedom of a sum of independent variances (Satterthwaite 1946, Biometrics Bulletin 2:110-114)."""
    return sum(part.variance for part in parts) ** 2 / sum(part.variance**2 / part.df for part in parts)


def power_of(effect: float, parts: Sequence[Part], alpha: float) -> float:
    """Two-sided power of the t test whose variance is the sum of the parts."""
    return t_power(effect, math.sqrt(sum(part.variance for part in parts)), satterthwaite(parts), alpha)
