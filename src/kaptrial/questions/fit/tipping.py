"""How a sceptic or an enthusiast would have to believe for the verdict to change: prior means by prior SD."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize, stats

from kaptrial.questions.fit.data import InteractionData
from kaptrial.questions.fit.information import Likelihood
from kaptrial.questions.fit.verdict import LIMITS

# Prior SDs, in SDs of the outcome.
PRIOR_SDS = (0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.25, 1.5, 2.0)
# Points about the estimate and about the prior's mean, and how many SEs or SDs they reach.
_POINTS, _REACH = 2001, 15.0


def p_benefit(found: Likelihood, mean: float, sd: float, sign: float) -> float:
    """P(benefit) under a normal prior of the effect in its unit, the likelihood a t in the effect."""
    se = found.information**-0.5
    grids = (np.linspace(at - _REACH * by, at + _REACH * by, _POINTS) for at, by in ((found.estimate, se), (mean, sd)))
    x = np.union1d(np.concatenate(list(grids)), 0.0)
    z = (x - found.estimate) / se
    log = stats.t.logpdf(z, found.df) if np.isfinite(found.df) else stats.norm.logpdf(z)
    log = log - 0.5 * ((x - mean) / sd) ** 2
    density = np.exp(log - log.max())
    benefit = sign * x >= 0
    return float(np.trapezoid(density[benefit], x[benefit]) / np.trapezoid(density, x))


def tipping_points(found: Likelihood, data: InteractionData) -> list[dict[str, Any]]:
    """One row a prior SD and limit of the verdict: the mean, towards benefit, at which P(benefit) is just that."""
    rows = []
    for sd in PRIOR_SDS:
        for limit in LIMITS:
            mean = _mean_at(found, sd * data.unit_sd, limit, data.sign)
            rows.append({"prior_sd": sd, "p_benefit": limit, "prior_mean": mean / data.unit_sd, "points": mean})
    return rows


def _mean_at(found: Likelihood, sd: float, limit: float, sign: float) -> float:
    """The prior mean, towards benefit; P rises with it."""
    reach = 50 * (sd + found.information**-0.5) + abs(found.estimate)
    reach *= 1 + sd**2 * found.information  # a wide prior must lie far off to say anything

    def above(mean: float) -> float:
        return p_benefit(found, sign * mean, sd, sign) - limit

    low, high = above(-reach), above(reach)
    return float(optimize.brentq(above, -reach, reach, xtol=1e-6)) if low < 0 < high else float("nan")
