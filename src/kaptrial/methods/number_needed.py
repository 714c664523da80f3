"""The number needed to treat: one over a risk difference, with the interval that is one over the difference's ends."""

from __future__ import annotations

import math

from kaptrial.method_table import Side


def number_needed(difference: float, lower: float, upper: float, *, better: Side = "higher") -> str:
    """A risk difference with its interval as a number needed to treat, in words; empty where there is none.

    NNTB are patients for one more to benefit, NNTH for one more to be harmed; `better`: which side of the difference
    is benefit. An interval of the difference that holds 0 goes through infinity (Altman 1998, BMJ 317:1309-1312).
    """
    if math.isnan(difference):
        return ""
    gain, low, high = (difference, lower, upper) if better == "higher" else (-difference, -upper, -lower)
    estimate = "∞" if gain == 0 else f"{'NNTB' if gain > 0 else 'NNTH'} {_patients(gain)}"
    if math.isnan(low) or math.isnan(high):
        return estimate
    if low < 0 < high:
        interval = f"NNTB {_patients(high)} to ∞ to NNTH {_patients(low)}"
    else:
        interval = f"{_patients(high)} to {_patients(low)}" if high > 0 else f"{_patients(low)} to {_patients(high)}"
    return f"{estimate} ({interval})"


def _patients(difference: float) -> str:
    """Three digits of the patients that a difference stands for."""
    if difference == 0:
        return "∞"
    number = 1 / abs(difference)
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"
