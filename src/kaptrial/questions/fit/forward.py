"""From the prior to data: parameters drawn from a prior, and trials from parameters."""

from __future__ import annotations

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.priors.effects import EffectPrior
from kaptrial.questions.fit.model import InteractionModel
from kaptrial.questions.fit.scales import coefficient_widths, scaled, widths


def draw_prior(model: InteractionModel, prior: EffectPrior, n: int, rng: np.random.Generator) -> Floats:
    """Draws of the model's prior in its unconstrained parameters, (n, parameter)."""
    data, lay, linked = model.data, model.layout, model.likelihood != "normal"
    width, centre = scaled(widths(prior), data.unit_sd, linked=linked), 0.0 if linked else float(np.nanmean(data.y))
    component = rng.choice(len(prior.components), n, p=[c.weight for c in prior.components])
    effects = np.empty((n, len(prior.components[0].mean)))
    for c, normal in enumerate(prior.components):
        own = component == c
        noise = rng.standard_normal((own.sum(), effects.shape[1]))
        effects[own] = normal.mean + noise @ np.linalg.cholesky(normal.covariance).T
    sizes = np.diff(lay.at)
    slopes = np.concatenate([np.full(sizes[2], width["slopes"]), coefficient_widths(width, lay.columns_alike)])
    return np.concatenate(
        [
            effects,
            centre + width["means"] * rng.standard_normal((n, sizes[1])),
            slopes * rng.standard_normal((n, len(slopes))),
            np.log(np.abs(width["therapists"] * rng.standard_normal((n, sizes[4])))),
            rng.standard_normal((n, sizes[5])),
            model.spread_draws(n, rng, width),
        ],
        axis=1,
    )


def replicate_scores(model: InteractionModel, thetas: Floats, rng: np.random.Generator) -> Floats:
    """A trial of the same patients for each draw, (draw, patient, visit), complete."""
    return model.replicas(model.natural(thetas), model.expected(thetas), rng)
