"""Tables from which figures are drawn: densities, intervals, predictive bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import gaussian_kde

from kaptrial.arrays import Floats
from kaptrial.questions.fit.checks import Check
from kaptrial.questions.fit.estimands import (
    STANDARDISED_DRAWS,
    asked_draws,
    contrast_weights,
    standardised_means,
)
from kaptrial.questions.fit.fit import Posterior
from kaptrial.questions.fit.forward import draw_prior

# Points of a density.
POINTS = 300


def question(posterior: Posterior) -> dict[str, Any]:
    """Prior and posterior density of the effect in question on the target day, in the unit of the outcome.

    `x`, `prior`, `posterior`: (point,); `lower`, `upper`, `median`; `name`, `day`, `sign` (of a benefit).
    """
    data = posterior.model.data
    draws = asked_draws(posterior).ravel()
    lower, median, upper = np.quantile(draws, [0.025, 0.5, 0.975])
    reach = 2.2 * max(median - lower, upper - median)
    x = np.linspace(min(median - reach, -0.2 * reach), max(median + reach, 0.2 * reach), POINTS)
    if posterior.model.likelihood == "normal":
        before = posterior.prior.density(posterior.prior.asked, x)
    else:
        before = gaussian_kde(_prior_draws(posterior))(x)
    density = {"x": x, "posterior": gaussian_kde(draws)(x), "prior": before}
    interval = {"lower": float(lower), "median": float(median), "upper": float(upper)}
    about = {"name": data.question, "day": data.target_day, "sign": data.sign}
    return {**density, **interval, **about}


class UnderPrior(NamedTuple):
    """The effect in question under a prior: median and central 95 % before and after, the benefit's probability."""

    prior: str
    before: Floats
    after: Floats
    p: float


def forest(posteriors: Sequence[Posterior], probabilities: Sequence[float]) -> list[UnderPrior]:
    """One row a prior."""
    rows = []
    for posterior, p in zip(posteriors, probabilities, strict=True):
        if posterior.model.likelihood == "normal":
            before = posterior.prior.quantiles(posterior.prior.asked, [0.025, 0.5, 0.975])
        else:
            before = np.quantile(_prior_draws(posterior), [0.025, 0.5, 0.975])
        after = np.quantile(asked_draws(posterior), [0.025, 0.5, 0.975])
        rows.append(UnderPrior(posterior.prior.name, before, after, p))
    return rows


def bands(check: Check) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of a check of means, by arm."""
    by_arm: dict[str, list[Mapping[str, Any]]] = {}
    for row in check.rows:
        if row["statistic"] == "mean":
            by_arm.setdefault(row["arm"], []).append(row)
    return by_arm


def _prior_draws(posterior: Posterior) -> Floats:
    """The effect in question under the prior, standardised over the trial's patients."""
    model = posterior.model
    thetas = draw_prior(model, posterior.prior, STANDARDISED_DRAWS, np.random.default_rng(0))
    weights = dict(contrast_weights(model.data))[model.data.question]
    return np.asarray(standardised_means(model, thetas)[..., model.data.target] @ weights)
