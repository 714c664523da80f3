"""What patients receive and when they leave: missed and stopped treatment, dropout hazards, rescue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kaptrial.model.streams import Floats

Bools = NDArray[np.bool_]


def treatment_taken(
    u: Floats,
    *,
    event_day: Floats,
    miss_probability: Floats,
    stop_day: Floats,
) -> Bools:
    """Which scheduled events a patient attends.

    `u`, `event_day`, `miss_probability`, `stop_day` broadcast to (replicate, patient, event); an event is
    attended if it is not
    missed and not later than the stop.
    """
    return (u >= miss_probability) & (event_day <= stop_day)


def stop_days(exponential: Floats, hazard_per_day: Floats, start: float) -> Floats:
    """Day of stopping for good under a constant hazard from `start`; infinity where the hazard is 0."""
    with np.errstate(divide="ignore"):
        return start + np.where(
            hazard_per_day > 0, exponential / np.where(hazard_per_day > 0, hazard_per_day, 1), np.inf
        )


def hazard_ratio(slope_per_point: float, score: Floats, centre: float) -> Floats:
    """exp(slope·(score − centre)), bounded to e^±50."""
    return np.exp(np.clip(slope_per_point * (score - centre), -50, 50))


def rescue_improvement(days_since: Floats, effect: float, onset_days: float) -> Floats:
    """effect·(1 − exp(−t/onset)); 0 before rescue (t < 0)."""
    return effect * -np.expm1(-np.maximum(days_since, 0.0) / onset_days)
