"""Expectancy: what believing and hoping add to the outcome, and what disappointment takes."""

from __future__ import annotations

import numpy as np

from kaptrial.arrays import Bools, Floats


def rise_and_fade(days: Floats, start: float, onset_days: float, half_life_days: float) -> Floats:
    """(1 − exp(−t/onset))·2^(−t/half-life) with t the days since `start`; 0 before it."""
    t = np.maximum(days - start, 0.0)
    return -np.expm1(-t / onset_days) * np.exp2(-t / half_life_days)


def expectancy(hopes: Bools, shape: Floats, gain: float, disappointment: float) -> Floats:
    """+gain·shape for those who hope, −disappointment·shape for the others.

    `hopes`: (replicate, patient); `shape`: (visit,) or (replicate, patient, visit). Returns (replicate,
    patient, visit).
    """
    return np.where(hopes, gain, -disappointment)[..., None] * shape
