"""What the data alone say of the effect asked about, and what a prior of it is worth beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from kaptrial.arrays import Floats, Ints
from kaptrial.priors.effects import EffectPrior
from kaptrial.questions.fit.data import InteractionData
from kaptrial.questions.fit.estimands import contrast_weights
from kaptrial.questions.fit.fit import Posterior
from kaptrial.questions.fit.layout import BLOCKS
from kaptrial.questions.fit.priors import believed
from kaptrial.questions.fit.scales import prior_data

# Blocks of the parameters whose SDs are taken from the posterior; all others are estimated anew.
_SCALES = ("therapist_sd", "spread", "residual", "ratios")
_STEP, _NEWTON, _CONVERGED = 1e-4, 8, 1e-6
# A two-sided prior predictive p below this is named.
CONFLICT = 0.01


@dataclass(frozen=True, kw_only=True)
class Likelihood:
    """The data's own estimate of the effect asked about and its information, 1/SE²; `df`: of its t, nearly."""

    estimate: float
    information: float
    df: float


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What a prior is worth in patients of this trial.

    `nominal`: were each measured once, and nothing else known of them. `realised`: by the information of this fit, with
    its repeated and its missing scores, covariates and therapists. `conflict`: how far in the tails of what the prior
    foresees the data's estimate lies, two-sided (Box 1980, JRSS A 143:383), the other priors apart.
    """

    nominal: float
    realised: float
    patients: int
    conflict: float


def likelihood(posterior: Posterior) -> Likelihood:
    """Estimate and information by Newton's method, all scales as the posterior has them on average.

    Of scores this is generalised least squares under the posterior's covariance. Raises ValueError where the data say
    nothing of the effect.
    """
    model = posterior.model
    data, lay = model.data, model.layout
    flat = believed("flat", data, model.likelihood)
    given = prior_data(flat, 2)
    scores = np.nan_to_num(data.y)
    blocks = [np.arange(*lay.at[b : b + 2]) for b, name in enumerate(BLOCKS) if name not in _SCALES]
    free = np.concatenate(blocks)
    theta = posterior.draws.flat.mean(axis=0)

    def slope(at: Floats) -> Floats:
        return model.density(at, scores, given)[1]

    for _ in range(_NEWTON):
        precision = _curvature(slope, theta, free)
        move = np.linalg.solve(precision, slope(theta)[free])
        theta[free] += move
        if np.abs(move).max() < _CONVERGED * (1 + np.abs(theta[free]).max()):
            break
    asked = np.zeros(lay.size)
    asked[: len(flat.asked)] = flat.asked
    variance = float(asked[free] @ np.linalg.solve(precision, asked[free]))
    if not 0 < variance < np.inf:
        raise ValueError("the data say nothing of the effect asked about")
    columns = 1 + len(data.effects) + (data.baseline is not None) + data.covariates.shape[1]
    df = len(data.y) - columns if model.likelihood == "normal" else np.inf
    return Likelihood(estimate=float(asked @ theta), information=1 / variance, df=float(df))


def worth(prior: EffectPrior, data: InteractionData, found: Likelihood) -> Worth:
    """Of a prior of the effect asked about: its expected local information (Neuenschwander and colleagues 2020,
    Biometrics 76:578) over that of a patient.
    """
    information, n = prior.information(prior.asked), len(data.y)
    share, mean, sd = prior.along(prior.asked)
    below = float(share @ stats.norm.cdf(found.estimate, mean, np.sqrt(sd**2 + 1 / found.information)))
    return Worth(
        nominal=information * _one_patient(data), realised=n * information / found.information, patients=n,
        conflict=2 * min(below, 1 - below),
    )  # fmt: skip


def _one_patient(data: InteractionData) -> float:
    """Variance of the contrast from one measurement a patient, times the number of patients in the trial's ratio."""
    weights = dict(contrast_weights(data))[data.question]
    shares = np.bincount(data.arm, minlength=len(data.arms)) / len(data.y)
    return float(data.unit_sd**2 * np.sum(weights**2 / shares))


def _curvature(gradient: Callable[[Floats], Floats], theta: Floats, places: Ints) -> Floats:
    """Minus the second derivatives in some of the parameters, by differences of the gradient."""
    rows = []
    for k in places:
        step = np.zeros(len(theta))
        step[k] = _STEP * (1 + abs(theta[k]))
        rows.append((gradient(theta - step) - gradient(theta + step))[places] / (2 * step[k]))
    return (np.array(rows) + np.array(rows).T) / 2
