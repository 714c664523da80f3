"""The linear part of the PyMC models: priors and predictor, the same for every likelihood."""

from __future__ import annotations

from typing import Any

import numpy as np

from kaptrial.bayes.effects import EffectPrior
from kaptrial.bayes.interaction.data import InteractionData, standardised
from kaptrial.bayes.interaction.scales import prior_data, share


def coordinates(data: InteractionData, groups: list[str]) -> dict[str, Any]:
    """Names along the dimensions of the models."""
    n_patients, n_visits = data.y.shape
    return {
        "effect_name": list(data.effects), "arm_name": list(data.arms), "visit": np.arange(n_visits),
        "patient": np.arange(n_patients), "other": np.arange(n_visits), "group": groups,
    }  # fmt: skip


def linear(
    data: InteractionData, prior: EffectPrior, n_components: int, centre: float, *, linked: bool
) -> tuple[Any, dict[str, Any]]:
    """Each patient's mean (or logit), (patient, visit), and the prior's replaceable data; inside a model's context.

    `centre`: where the prior of the means stands. `linked`: on the logit scale.
    """
    import pymc as pm
    import pytensor.tensor as pt

    unit, n_visits = data.unit_sd, len(data.days)
    for_means, for_slopes = unit * share("means", linked=linked), unit * share("slopes", linked=linked)
    given = {
        name: pm.Data(name, value)
        for name, value in prior_data(prior, max(n_components, len(prior.components))).items()
    }
    effects = pm.Mixture(
        "effects", w=given["prior_weight"],
        comp_dists=pm.MvNormal.dist(given["prior_mean"], chol=given["prior_root"]),
    )  # fmt: skip
    effect = pm.Deterministic("effect", effects.reshape((len(data.effects), n_visits)), dims=("effect_name", "visit"))
    means = pm.Normal("means", centre, for_means * given["width_means"], shape=n_visits, dims="visit")
    mean = means[None, :] + pt.dot(data.x, effect)
    if data.baseline is not None:
        slopes = pm.Normal("slopes", 0.0, for_slopes * given["width_slopes"], shape=n_visits, dims="visit")
        mean += standardised(data.baseline)[:, None] * slopes[None, :]
    if data.covariates.shape[1]:
        c = pm.Normal("coefficients", 0.0, for_slopes * given["width_slopes"], shape=data.covariates.shape[1])
        mean += pt.dot(standardised(data.covariates), c)[:, None]
    if data.n_therapists:
        tau = pm.HalfNormal("therapist_sd", unit * given["width_therapists"])
        raw = pm.Normal("therapist_raw", 0.0, 1.0, shape=data.n_therapists)
        mean += pt.concatenate([tau * raw, pt.zeros(1)])[data.therapist][:, None]  # −1 is the zero at the end
    pm.Deterministic("arm_mean", means[None, :] + pt.dot(data.levels, effect), dims=("arm_name", "visit"))
    pm.Deterministic("expected", mean, dims=("patient", "visit"))
    return mean, given
