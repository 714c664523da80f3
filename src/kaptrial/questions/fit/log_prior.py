"""The log density of the prior at each draw, by block, for power-scaling."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import special, stats

from kaptrial.arrays import Floats
from kaptrial.priors.effects import EffectPrior
from kaptrial.questions.fit.model import InteractionModel
from kaptrial.questions.fit.scales import coefficient_widths, scaled, widths


def log_prior(model: InteractionModel, prior: EffectPrior, named: Mapping[str, Floats]) -> dict[str, Floats]:
    """By block (chain, draw), of the parameters as they are named, without the sampler's changes of variable.

    Left out are blocks whose density is constant (correlations, ρ), and the therapists given their SD, which are part
    of the model and not of what was believed (Kallioinen, Paananen, Bürkner & Vehtari 2024, Stat Comput 34:57).
    """
    data, linked = model.data, model.likelihood != "normal"
    width = scaled(widths(prior), data.unit_sd, linked=linked)
    centre = 0.0 if linked else float(np.nanmean(data.y))
    blocks = {"effects": _mixture(prior, named["effect"]), "means": _normal(named["means"], centre, width["means"])}
    if "slopes" in named:
        blocks["slopes"] = _normal(named["slopes"], 0.0, width["slopes"])
    if "coefficients" in named:
        of_columns = coefficient_widths(width, model.layout.columns_alike)
        blocks["coefficients"] = _normal(named["coefficients"], 0.0, of_columns)
    if "therapist_sd" in named:
        blocks["therapist_sd"] = stats.halfnorm.logpdf(named["therapist_sd"], scale=width["therapists"]).sum(axis=-1)
    return blocks | model.spread_log_prior(named, width)


def _normal(values: Floats, mean: float, sd: Floats | float) -> Floats:
    return np.asarray(stats.norm.logpdf(values, mean, sd)).sum(axis=-1)


def _mixture(prior: EffectPrior, effect: Floats) -> Floats:
    flat = effect.reshape(*effect.shape[:-2], -1)
    parts = [
        np.log(c.weight) + stats.multivariate_normal.logpdf(flat, c.mean, c.covariance, allow_singular=False)
        for c in prior.components
    ]
    return np.asarray(special.logsumexp(parts, axis=0))
