"""The fast posterior of one estimand in simulated trials: one endpoint a patient, adjusted, therapists as they were."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.errors import ScenarioError
from kaptrial.methods.prepared import covariate_columns, patient_endpoint
from kaptrial.priors.effects import EffectPrior, Role
from kaptrial.priors.gaussian_quadrature.posterior import (
    CoefficientPrior,
    Posterior,
    Scales,
    Terms,
    TrialData,
    posterior,
)
from kaptrial.scenario.contrast import factor_names
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.trial import Estimand
from kaptrial.simulation.trials import Trials

# Endpoints for which a normal likelihood is an analysis that trials declare.
GAUSSIAN = ("score", "change", "auc", "mean_score", "percent_abstinent_days")
# Wide, in units of the planned SD: the control mean about its plan, and slopes of covariates per unit of theirs.
_WIDE_MEAN, _WIDE_SLOPE = 10.0, 10.0
# Half-normal, as wide, of the residual SD.
RESIDUAL_SCALE = 2.0
# assumption: SD between therapists, half-normal, in units of the planned SD: .25 is an ICC of .06, and trials plan with
# .05 to .1.
THERAPIST_SCALE = 0.25


@dataclass(frozen=True, kw_only=True)
class TrialModel:
    """How an estimand's endpoint is analysed.

    x : (arm, effect), 0/1: which effects an arm's mean holds; `roles` of the effects. `weights`: the
    estimand's contrast as a combination of the effects. `shifted`: (arm,), 1 for the arms to which points are added to
    make the contrast so much larger. `unit`: planned SD between patients; `centre`: planned mean.
    """

    scenario: Scenario
    estimand: Estimand
    x: Floats
    roles: tuple[Role, ...]
    weights: Floats
    shifted: Floats
    unit: float
    centre: float


def trial_model(scenario: Scenario, estimand: Estimand, *, unit: float, centre: float) -> TrialModel:
    """The model of an estimand: a 2×2 in 0/1 coding, or every arm against the contrast's right one.

    Raises ScenarioError for an endpoint without a normal likelihood and for a trial of one arm.
    """
    if estimand.endpoint not in GAUSSIAN:
        raise ScenarioError(
            f"estimand.endpoint = {estimand.endpoint!r}: Bayesian decisions are for {', '.join(GAUSSIAN)}"
        )
    contrast = scenario.contrast(estimand)
    if contrast.kind == "single":
        raise ScenarioError("arms = 1: Bayesian decisions compare arms, must be two or more")
    factors = factor_names(scenario.arms)
    roles: list[Role]
    if factors:
        levels = np.array([[(arm.factors or {})[f] for f in factors] for arm in scenario.arms], dtype=np.float64)
        x = np.column_stack([levels, levels.prod(axis=1)])
        control = int(np.flatnonzero(levels.sum(axis=1) == 0)[0])
        alone = [int(np.flatnonzero((levels == row).all(axis=1))[0]) for row in np.eye(2)]
        roles = [*(_role(scenario, control, a) for a in alone), "interaction"]
        named = contrast.text.removeprefix("main(").removesuffix(")")
        shifted = x[:, factors.index(named)] if named in factors else x[:, 2]
    else:
        reference = contrast.right[0]
        others = [a for a in range(len(scenario.arms)) if a != reference]
        x = np.array([[float(a == other) for other in others] for a in range(len(scenario.arms))])
        roles = [_role(scenario, reference, other) for other in others]
    if contrast.kind == "difference":
        shifted = (np.arange(len(scenario.arms)) == contrast.left[0]).astype(np.float64)
    return TrialModel(
        scenario=scenario, estimand=estimand, x=x, roles=tuple(roles), weights=np.array(contrast.weights) @ x,
        shifted=shifted, unit=unit, centre=centre,
    )  # fmt: skip


def _role(scenario: Scenario, reference: int, other: int) -> Role:
    """What an arm has beyond another: therapy, unless only the drug differs."""
    a, b = scenario.arms[reference], scenario.arms[other]
    return "therapy" if str(a.therapy) != str(b.therapy) else "drug"


def fast_posterior(
    trials: Trials,
    model: TrialModel,
    prior: EffectPrior,
    at: Floats,
    *,
    patients: int | None = None,
    shift: Floats | None = None,
) -> Posterior:
    """Posterior of the estimand's contrast in every replicate; `at`: the values asked about, (value,).

    `patients`: only the first so many, as at an interim look. `shift`: points added to the contrast, (replicate,): a
    known effect on top of the simulated one.
    """
    data = endpoint_data(trials, model, patients=patients, shift=shift)
    p = data.z.shape[-1]
    terms = Terms(profile=np.ones((p, 1)), column=np.arange(p))
    unit = model.unit
    scales = Scales(residual=RESIDUAL_SCALE * unit, intercept=2.0 * unit, therapist=THERAPIST_SCALE * unit)
    believed, functional = coefficient_prior(model, prior, p), asked_functional(prior, p)
    return posterior(data, terms, believed, scales, functional[None], at[None, :], intercepts=False)


def endpoint_data(
    trials: Trials, model: TrialModel, *, patients: int | None = None, shift: Floats | None = None
) -> TrialData:
    """The endpoint of the first so many patients; covariates 1, the effects that act, and the centred covariates."""
    s, estimand = model.scenario, model.estimand
    n = trials.arm.shape[1] if patients is None else patients
    y = patient_endpoint(trials, trials.score, s, estimand)[:, :n]
    arm = trials.arm[:, :n]
    if shift is not None:
        y = y + shift[:, None] * model.shifted[arm]
    names = () if _unadjusted(s, estimand) else s.covariates
    covariates = covariate_columns(trials, names)[:, :n]
    centred = covariates - covariates.mean(axis=1, keepdims=True)
    return TrialData(
        y=y[..., None],
        z=np.concatenate([np.ones((*arm.shape, 1)), model.x[arm], centred], axis=-1),
        residual=arm if s.analysis.residual == "by_arm" else None,
        therapist=None if trials.therapist is None else trials.therapist[:, :n],
    )


def coefficient_prior(model: TrialModel, prior: EffectPrior, p: int) -> CoefficientPrior:
    """The prior of the effects beside wide ones of the reference's mean and of slopes; `p`: coefficients in all."""
    k = len(model.roles)
    spread = np.full(p, (_WIDE_SLOPE * model.unit) ** 2)
    spread[0] = (_WIDE_MEAN * model.unit) ** 2
    means, covariances = np.zeros((len(prior.components), p)), np.zeros((len(prior.components), p, p))
    for c, component in enumerate(prior.components):
        means[c, 0], means[c, 1 : 1 + k] = model.centre, component.mean
        covariances[c] = np.diag(spread)
        covariances[c, 1 : 1 + k, 1 : 1 + k] = component.covariance
    weights = np.array([c.weight for c in prior.components])
    return CoefficientPrior(weights=weights, means=means, covariances=covariances)


def asked_functional(prior: EffectPrior, p: int) -> Floats:
    """The contrast asked about as weights over the coefficients."""
    functional = np.zeros(p)
    functional[1 : 1 + len(prior.asked)] = prior.asked
    return functional


def _unadjusted(s: Scenario, estimand: Estimand) -> bool:
    """Whether the first declared method takes no covariates."""
    return s.analyses(estimand)[0].split()[0] == "difference"
