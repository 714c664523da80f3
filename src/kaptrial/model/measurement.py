"""From the latent course to what is recorded: deviations, rounding, clipping, days counted."""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.special import expit

from kaptrial.arrays import Floats


def ornstein_uhlenbeck(
    start: Floats, z: Floats, days: Floats, sd: Floats | float, time_constant_days: Floats | float
) -> Floats:
    """Stationary deviations at `days` from their value at days[0].

    `start`: (replicate, patient); `z`: (replicate, patient, visit − 1). Autocorrelation exp(−Δt/τ), SD `sd` throughout;
    both numbers or (replicate, 1). Returns (replicate, patient, visit).
    """
    kept = np.exp(-np.diff(days) / time_constant_days)
    fresh = sd * np.sqrt(1 - kept**2)
    deviation = np.empty((*start.shape, len(days)), order="F")
    deviation[..., 0] = start
    of_replicates = (len(start), len(days) - 1)
    kept, fresh = (np.asfortranarray(np.broadcast_to(x, of_replicates)) for x in (kept, fresh))
    _follow_deviation(np.asfortranarray(z), kept, fresh, deviation)
    return deviation


@njit(cache=True, nogil=True)
def _follow_deviation(z, kept, fresh, deviation):  # type: ignore[no-untyped-def]
    for v in range(kept.shape[1]):
        for i in range(deviation.shape[1]):
            for r in range(deviation.shape[0]):
                deviation[r, i, v + 1] = kept[r, v] * deviation[r, i, v] + fresh[r, v] * z[r, i, v]


def between(
    known_days: Floats, known: Floats, days: Floats, z: Floats, sd: Floats | float, time_constant_days: Floats | float
) -> Floats:
    """The deviations of `ornstein_uhlenbeck` on other `days`, drawn given those on the `known_days`.

    `known`: (replicate, patient, known day); `z`: standard normals (replicate, patient, day); days rise and do not
    begin before the first known one. The process is Markov, so that a day given the one drawn before it and the next
    known one is normal: a draw onwards, updated by what follows.
    """
    out = np.empty(z.shape, order="F")
    last_day, last = known_days[0], known[..., 0]
    for k, day in enumerate(days):
        following = int(np.searchsorted(known_days, day))
        if following < len(known_days) and known_days[following] == day:
            out[..., k] = known[..., following]
            last_day, last = day, out[..., k]
            continue
        if following > 0 and known_days[following - 1] >= last_day:
            last_day, last = known_days[following - 1], known[..., following - 1]
        kept = np.exp(-(day - last_day) / time_constant_days)
        mean, variance = kept * last, sd**2 * (1 - kept**2)
        if following < len(known_days):
            onwards = np.exp(-(known_days[following] - day) / time_constant_days)
            gain = onwards * variance / (onwards**2 * variance + sd**2 * (1 - onwards**2))
            mean = mean + gain * (known[..., following] - onwards * mean)
            variance = variance * (1 - gain * onwards)
        out[..., k] = mean + np.sqrt(variance) * z[..., k]
        last_day, last = day, out[..., k]
    return out


def record(score: Floats, *, low: float, high: float, step: float, round_: bool, clip: bool) -> Floats:
    """The recorded score: rounded to multiples of `step` and clipped to [low, high] if asked."""
    if round_ and step > 0:
        score = np.round(score / step) * step
    if clip:
        score = np.clip(score, low, high)
    return score


def percent_of_days(linear_predictor: Floats, u: Floats) -> Floats:
    """Percent of days of success, (replicate, patient).

    `linear_predictor`, `u`: (replicate, patient, day): logits of a day's success, or one for all days, and uniforms.
    """
    success = u < expit(linear_predictor)
    return 100.0 * success.sum(axis=-1, dtype=np.float64) / u.shape[-1]


def mean_percent(linear_predictor: Floats, first_of_interval: np.ndarray, n_days: np.ndarray) -> Floats:
    """Expected percent of days of success in each interval, (replicate, patient, interval).

    `linear_predictor`: (replicate, patient, day): logits of a day's success; `first_of_interval`: the index of each
    interval's first day; `n_days`: its number of days.
    """
    return 100.0 * np.add.reduceat(expit(linear_predictor), first_of_interval, axis=-1) / n_days
