"""From the prior to data: parameters drawn from a prior, and trials from parameters."""

from __future__ import annotations

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.priors.effects import EffectPrior
from kaptrial.questions.fit.model import InteractionModel
from kaptrial.questions.fit.scales import share, widths


def draw_prior(model: InteractionModel, prior: EffectPrior, n: int, rng: np.random.Generator) -> Floats:
    """Draws of the model's prior in its unconstrained parameters, (n, parameter)."""
    data, lay, width = model.data, model.layout, widths(prior)
    linked = model.likelihood != "normal"
    unit, centre = data.unit_sd, 0.0 if linked else float(np.nanmean(data.y))
    component = rng.choice(len(prior.components), n, p=[c.weight for c in prior.components])
    effects = np.empty((n, len(prior.components[0].mean)))
    for c, normal in enumerate(prior.components):
        own = component == c
        noise = rng.standard_normal((own.sum(), effects.shape[1]))
        effects[own] = normal.mean + noise @ np.linalg.cholesky(normal.covariance).T
    sizes = np.diff(lay.at)
    return np.concatenate(
        [
            effects,
            centre + unit * share("means", linked=linked) * width["means"] * rng.standard_normal((n, sizes[1])),
            unit * share("slopes", linked=linked) * width["slopes"] * rng.standard_normal((n, sizes[2] + sizes[3])),
            np.log(np.abs(unit * width["therapists"] * rng.standard_normal((n, sizes[4])))),
            rng.standard_normal((n, sizes[5])),
            model.spread_draws(n, rng, width),
        ],
        axis=1,
    )


def replicate_scores(model: InteractionModel, thetas: Floats, rng: np.random.Generator) -> Floats:
    """A trial of the same patients for each draw, (draw, patient, visit), complete."""
    return model.replicas(model.natural(thetas), model.expected(thetas), rng)
