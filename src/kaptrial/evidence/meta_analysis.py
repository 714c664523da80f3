"""Random-effects meta-analysis of one figure a trial (DerSimonian & Laird), and what it predicts of a new trial."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from kaptrial.arrays import Floats

FEWEST = 3  # trials; the predictive t has two degrees of freedom fewer


@dataclass(frozen=True, kw_only=True)
class RandomEffects:
    """The mean over trials with its standard error, and the variance between trials."""

    mean: float
    se: float
    between: float
    trials: int


def random_effects(estimates: Floats, variances: Floats) -> RandomEffects:
    """The method of moments of DerSimonian & Laird (1986), Control Clin Trials 7:177-188."""
    k, weight = len(estimates), 1 / variances
    fixed = np.sum(weight * estimates) / np.sum(weight)
    q = np.sum(weight * (estimates - fixed) ** 2)
    excess = (q - (k - 1)) / (np.sum(weight) - np.sum(weight**2) / np.sum(weight)) if k > 1 else 0.0
    between = max(0.0, float(excess))
    weight = 1 / (variances + between)
    mean = float(np.sum(weight * estimates) / np.sum(weight))
    return RandomEffects(mean=mean, se=float(np.sum(weight) ** -0.5), between=between, trials=k)


def predicted(fitted: RandomEffects, levels: Floats, *, sampling: float = 0.0, pooled: int = 1) -> Floats:
    """Quantiles of what a new trial shows: t with k − 2 degrees of freedom, SD √(τ²/pooled + SE² + sampling).

    Higgins, Thompson & Spiegelhalter (2009), J R Stat Soc A 172:137-159, for the effect in a new trial (`sampling` 0);
    `sampling` is the variance of the new trial's own estimate, `pooled` the number of trials it is a mean of.
    """
    spread = np.sqrt(fitted.between / pooled + fitted.se**2 + sampling)
    return fitted.mean + spread * np.asarray(stats.t.ppf(levels, fitted.trials - 2))
