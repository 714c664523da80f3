"""Location of each arm and one scale for all that a few impossible values cannot move."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from kaptrial.arrays import Floats, Ints

# Residuals beyond so many SDs count as so many: 88 % of the SD's efficiency at the normal.
K = 2.0
# E min(Z², K²) of a standard normal Z: what makes the scale the SD there.
AT_NORMAL = float(norm.cdf(K) - norm.cdf(-K) - 2 * K * norm.pdf(K) + 2 * K**2 * norm.sf(K))
TOLERANCE, MOST_STEPS = 1e-10, 1000


def pooled_scale(values: Floats, arm: Ints, n_arms: int) -> tuple[Floats, float]:
    """Locations of the arms, (arm,), and the scale within arms; NaN left out.

    Huber's Proposal 2 (1964, Ann Math Stat 35:73) with one scale s for all arms, μ of each: Σ ψ((y − μ)/s) = 0 in each
    arm and Σ ψ² = (n − arms) E ψ(Z)², ψ(z) = z cut off at ± K. Means and pooled SD where over half of the values equal
    the median of their arm, so that no scale of the rest can be told, and NaN where there are no more values than arms.
    """
    seen = np.isfinite(values)
    y, of = values[seen], arm[seen]
    counts = np.bincount(of, minlength=n_arms)
    df = len(y) - int((counts > 0).sum())

    def means(of_values: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            return np.bincount(of, of_values, minlength=n_arms) / counts

    location = means(y)
    if df <= 0:
        return location, float("nan")
    sd = float(np.sqrt(np.sum((y - location[of]) ** 2) / df))
    medians = np.array([np.median(y[of == a]) if counts[a] else np.nan for a in range(n_arms)])
    scale = float(np.median(np.abs(y - medians[of])) / norm.ppf(0.75))
    if scale == 0:
        return location, sd
    location = medians
    for _ in range(MOST_STEPS):
        before, at = scale, location[of]
        cut = np.clip(y, at - K * scale, at + K * scale)
        location = means(cut)
        scale = float(np.sqrt(np.sum((cut - location[of]) ** 2) / (df * AT_NORMAL)))
        if abs(scale - before) <= TOLERANCE * before:
            return location, scale
    return means(y), sd
