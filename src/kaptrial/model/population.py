"""Who the patients are: trait baselines, drug and therapy parameters, and the entry criterion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri

from kaptrial.arrays import Floats


@dataclass(frozen=True, kw_only=True)
class DayZero:
    """What makes up the day-0 score, each (replicate, patient)."""

    trait: Floats
    deviation: Floats
    rater_error: Floats


def draw_day_zero(
    z: Floats,
    u: Floats | None,
    *,
    mean: Floats | float,
    trait_sd: Floats | float,
    deviation_sd: Floats | float,
    rater_sd: Floats | float,
    low: float = -np.inf,
    high: float = np.inf,
) -> DayZero:
    """Trait, deviation and rater error whose sum, the day-0 score, lies in [low, high].

    The sum is drawn from its truncated normal distribution by inverse CDF, then the components given the sum, so that
    regression to the mean after entry is real.

    Parameters
    ----------
    z : (replicate, patient, 3)
        Standard normals for trait, deviation, rater error.
    u : (replicate, patient) or None
        Uniforms for the truncated sum; None if there is no entry criterion.
    mean : float or (replicate, patient)
        Mean of the trait before the criterion.
    trait_sd, deviation_sd, rater_sd : float or (replicate, 1)
    """
    sds = np.stack(np.broadcast_arrays(trait_sd, deviation_sd, rater_sd), axis=-1)
    parts = z * sds
    if u is not None:
        variances = sds**2
        total = np.sqrt(variances.sum(axis=-1))
        standardised = truncated_normal(u, (low - mean) / total, (high - mean) / total)
        shortfall = standardised * total - parts.sum(axis=-1)
        parts = parts + shortfall[..., None] * (variances / total[..., None] ** 2)
    return DayZero(trait=mean + parts[..., 0], deviation=parts[..., 1], rater_error=parts[..., 2])


def truncated_normal(u: Floats, low: Floats | float, high: Floats | float) -> Floats:
    """Standard normal truncated to [low, high] by inverse CDF, worked in the tail where it is accurate."""
    flip = np.asarray(low) > 0
    a, b = np.where(flip, -np.asarray(high), low), np.where(flip, -np.asarray(low), high)
    x = ndtri(ndtr(a) + u * (ndtr(b) - ndtr(a)))
    return np.clip(np.where(flip, -x, x), low, high)


def correlate(trait_score: Floats, z: Floats, correlation: Floats) -> Floats:
    """Standard normals correlated with the standardised trait and with each other.

    `trait_score`: (replicate, patient); `z`: (replicate, patient, m); `correlation`: (m + 1, m + 1), the trait first.
    Returns (replicate, patient, m). Raises numpy.linalg.LinAlgError if the matrix is not positive definite.
    """
    if np.array_equal(correlation, np.eye(len(correlation))):
        return z
    lower = np.linalg.cholesky(correlation)
    # In the order in which a product of matrices is quick, and always rounds alike.
    return trait_score[..., None] * lower[1:, 0] + np.ascontiguousarray(z) @ lower[1:, 1:].T


def log_normal(median: Floats | float, log_sd: Floats | float, z: Floats) -> Floats:
    """median·exp(log_sd·z)."""
    return median * np.exp(log_sd * z)


def logit_normal(median: Floats | float, logit_sd: Floats | float, z: Floats) -> Floats:
    """The share whose logit is logit(median) + logit_sd·z; a median of 1 stays 1."""
    return expit(logit(median) + logit_sd * z)
