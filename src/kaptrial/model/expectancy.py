"""Expectancy: what believing and hoping add to the outcome, and what disappointment takes."""

from __future__ import annotations

import numpy as np

from kaptrial.arrays import Bools, Floats


def rise_and_fade(days: Floats, start: float, onset_days: Floats | float, half_life_days: Floats | float) -> Floats:
    """(1 − exp(−t/onset))·2^(−t/half-life) with t the days since `start`; 0 before it.

    `days`: (visit,); onset and half-life numbers or (replicate, 1). Returns (visit,) or (replicate, visit).
    """
    t = np.maximum(days - start, 0.0)
    return -np.expm1(-t / onset_days) * np.exp2(-t / half_life_days)


def renewed(days: Floats, given: Floats, onset_days: Floats | float, half_life_days: Floats | float) -> Floats:
    """As `rise_and_fade` from the first day of `given`, fading from the latest one before each visit instead."""
    latest = np.array([max(given[given < day], default=given.min()) for day in days])
    since = np.maximum(days - latest, 0.0)
    return -np.expm1(-np.maximum(days - given.min(), 0.0) / onset_days) * np.exp2(-since / half_life_days)


def expectancy(hopes: Bools, shape: Floats, gain: Floats | float, disappointment: Floats | float) -> Floats:
    """+gain·shape for those who hope, −disappointment·shape for the others.

    `hopes`: (replicate, patient); `shape`: (visit,) or (replicate, patient, visit); gain and disappointment numbers or
    (replicate, 1). Returns (replicate, patient, visit).
    """
    return np.multiply(np.where(hopes, gain, -disappointment)[..., None], shape, order="F")
