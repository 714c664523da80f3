"""What an interim look knows of the contrast asked about, and what the whole trial will: estimate and information.

The prior of everything else given the contrast is the same in all components of an `EffectPrior`, so that the data
speak of the contrast through one normal likelihood. Its SDs are those that the look makes likely, times a common scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.priors.effects import EffectPrior
from kaptrial.priors.gaussian_quadrature.posterior import CoefficientPrior, Posterior, TrialData
from kaptrial.priors.gaussian_quadrature.trial_model import (
    RESIDUAL_SCALE,
    TrialModel,
    asked_functional,
    coefficient_prior,
    endpoint_data,
)
from kaptrial.simulation.trials import Trials


@dataclass(frozen=True, kw_only=True)
class Interim:
    """Of each replicate, (replicate,): the estimate at the look and the squares about it, in residual variances; the
    information and the residual degrees of freedom at the look (`early`) and at the end (`whole`); the residual
    variances in squares of the scale of their half-normal prior, summed over classes (`in_prior`)."""

    estimate: Floats
    squares: Floats
    early: Floats
    whole: Floats
    early_df: Floats
    whole_df: Floats
    in_prior: Floats


def interim(
    trials: Trials, model: TrialModel, prior: EffectPrior, at_look: Posterior, patients: int, *, shift: Floats | None
) -> Interim:
    """What the first `patients` of simulated trials say, `at_look` being their posterior; see `known_at`."""
    planned = endpoint_data(trials, model, shift=shift)
    p = planned.z.shape[-1]
    coefficients, functional = coefficient_prior(model, prior, p), asked_functional(prior, p)
    scale = RESIDUAL_SCALE * model.unit
    return known_at(patients, planned, at_look.sds, coefficients, functional, prior, residual_scale=scale)


def known_at(
    patients: int, trial: TrialData, sds: Floats, coefficients: CoefficientPrior, functional: Floats,
    prior: EffectPrior, *, residual_scale: float,
) -> Interim:  # fmt: skip
    """What the first `patients` say and what all will say, if as many of the rest are observed as of them.

    trial : of one visit and with the design of all patients; scores after the first `patients` are not looked at
    sds : (replicate, SD), those of residuals by class and last of therapists, as the look has them
    coefficients, functional : their prior, and the contrast asked about, whose prior alone is `prior`
    """
    y, first = trial.y[..., 0], np.arange(trial.y.shape[1]) < patients
    observed = np.isfinite(y) & first
    share = observed.sum(axis=1) / patients
    precisions = _precisions(trial, sds)
    now = observed * precisions
    later = np.where(first, now, share[:, None] * precisions)
    scores = np.where(observed, y, 0.0)
    early, estimate, squares = _of_contrast(trial, now, scores, sds, coefficients, functional, prior)
    whole, _, _ = _of_contrast(trial, later, scores, sds, coefficients, functional, prior)
    df = observed.sum(axis=1) - trial.z.shape[-1] - 1.0
    whole_df = df + share * (y.shape[1] - patients)
    classes = sds if trial.therapist is None else sds[:, :-1]
    return Interim(
        estimate=estimate, squares=squares, early=early, whole=whole, early_df=df, whole_df=whole_df,
        in_prior=np.sum(classes**2, axis=1) / residual_scale**2,
    )  # fmt: skip


def _precisions(data: TrialData, sds: Floats) -> Floats:
    """Of each patient's residual, (replicate, patient)."""
    of = np.zeros(data.y.shape[:2], dtype=np.int64) if data.residual is None else data.residual
    return np.asarray(1.0 / np.take_along_axis(sds, of, axis=1) ** 2)


def _of_contrast(
    data: TrialData,
    weights: Floats,
    y: Floats,
    sds: Floats,
    coefficients: CoefficientPrior,
    functional: Floats,
    prior: EffectPrior,
) -> tuple[Floats, Floats, Floats]:
    """Of the contrast, all else integrated out: information, estimate, and the squares about it, (replicate,) each."""
    _, means, prior_sds = prior.along(prior.asked)
    own = int(np.argmax(prior_sds))  # under which least is lost to rounding; all components give the same
    mean, variance = means[own], prior_sds[own] ** 2
    sums = _cross_products(data, weights, y, sds)
    precision, centre = np.linalg.inv(coefficients.covariances[own]), coefficients.means[own]
    matrix, vector = sums[:, :-1, :-1] + precision, sums[:, :-1, -1] + precision @ centre
    both = np.stack([np.broadcast_to(functional, vector.shape), vector], axis=-1)
    along, fitted = np.moveaxis(np.linalg.solve(matrix, both), -1, 0)
    posterior_variance = along @ functional
    information = 1 / posterior_variance - 1 / variance
    estimate = (fitted @ functional / posterior_variance - mean / variance) / information
    squares = sums[:, -1, -1] + centre @ precision @ centre - np.einsum("ra,ra->r", vector, fitted)
    return information, estimate, squares - (estimate - mean) ** 2 / (variance + 1 / information)


def _cross_products(data: TrialData, weights: Floats, y: Floats, sds: Floats) -> Floats:
    """Weighted products of the columns of the design and, last, y; therapists integrated out, each meeting only itself
    (Woodbury)."""
    columns = np.concatenate([data.z, y[..., None]], axis=-1)
    sums = np.einsum("ri,ria,rib->rab", weights, columns, columns)
    if data.therapist is not None:
        for j in range(int(data.therapist.max()) + 1):
            own = weights * (data.therapist == j)
            row = np.einsum("ri,ria->ra", own, columns)
            shrunk = sds[:, -1] ** 2 / (1 + sds[:, -1] ** 2 * own.sum(axis=1))
            sums -= shrunk[:, None, None] * row[:, :, None] * row[:, None, :]
    return np.asarray(sums)
