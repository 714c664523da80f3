"""What patients receive and when they leave: missed and stopped treatment, dropout hazards, rescue."""

from __future__ import annotations

import numpy as np
from numba import njit

from kaptrial.arrays import Bools, Floats, Ints


@njit(cache=True, nogil=True)
def treatment_taken(
    u: Floats, arm: Ints, day: Floats, n_doses: Ints, miss: Floats, stop_doses: Floats, stop_sessions: Floats
) -> tuple[Bools, Floats]:
    """Which scheduled doses and sessions a patient attends, and the day of the first infusion not received.

    `u`: uniforms, (replicate, patient, treatment event); `arm`, `stop_doses`, `stop_sessions`: (replicate, patient);
    `day`, `miss`: day and probability of missing, (arm, treatment event), doses first; `n_doses`: (arm,). An event is
    attended if it is not missed and not later than the stop. Infinite where every infusion was received.
    """
    taken = np.empty((u.shape[1], u.shape[0], u.shape[2]), dtype=np.bool_).transpose(1, 0, 2)
    first_missed = np.full(arm.T.shape, np.inf).T
    for i in range(u.shape[1]):
        for r in range(u.shape[0]):
            a = arm[r, i]
            for k in range(u.shape[2]):
                is_dose = k < n_doses[a]
                stop = stop_doses[r, i] if is_dose else stop_sessions[r, i]
                attends = u[r, i, k] >= miss[a, k] and day[a, k] <= stop
                taken[r, i, k] = attends
                if is_dose and not attends and day[a, k] < first_missed[r, i]:
                    first_missed[r, i] = day[a, k]
    return taken, first_missed


def treatment_given(
    own_day: Floats, arm: Ints, day: Floats, n_doses: Ints, stop_doses: Floats, stop_sessions: Floats
) -> tuple[Bools, Floats]:
    """As `treatment_taken` where a clinic gave each patient an event on `own_day`, (replicate, patient, treatment
    event), NaN for one not given. The first infusion not received has its day of the timetable."""
    is_dose = np.arange(day.shape[1]) < n_doses[arm][..., None]
    stop = np.where(is_dose, stop_doses[..., None], stop_sessions[..., None])
    taken = own_day <= stop
    return taken, np.where(is_dose & ~taken, day[arm], np.inf).min(axis=-1)


@njit(cache=True, nogil=True)
def first_session(taken: Bools, arm: Ints, day: Floats, n_doses: Ints) -> Floats:
    """Day of the first session attended, (replicate, patient), infinite without one; arguments as above."""
    first = np.full(arm.T.shape, np.inf).T
    for i in range(arm.shape[1]):
        for r in range(arm.shape[0]):
            a = arm[r, i]
            for k in range(n_doses[a], day.shape[1]):
                if taken[r, i, k] and day[a, k] < first[r, i]:
                    first[r, i] = day[a, k]
    return first


def stop_days(exponential: Floats, hazard_per_day: Floats, start: float) -> Floats:
    """Day of stopping for good under a constant hazard from `start`; infinity where the hazard is 0."""
    with np.errstate(divide="ignore"):
        return start + np.where(
            hazard_per_day > 0, exponential / np.where(hazard_per_day > 0, hazard_per_day, 1), np.inf
        )


def hazard_ratio(slope_per_point: float, score: Floats, centre: float) -> Floats:
    """exp(slope·(score − centre)), bounded to e^±50."""
    return np.exp(np.clip(slope_per_point * (score - centre), -50, 50))


def rescue_improvement(days_since: Floats, effect: float, onset_days: float, half_life_days: float) -> Floats:
    """effect·(1 − exp(−t/onset))·2^(−t/half_life); 0 before rescue (t < 0)."""
    t = np.maximum(days_since, 0.0)
    return effect * -np.expm1(-t / onset_days) * np.exp2(-t / half_life_days)
