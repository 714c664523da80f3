"""The predictive probability of success at a look against completions of the trial, each with its own posterior."""

from __future__ import annotations

import numpy as np
import pytest

from kaptrial.catalogue.effect_priors import NAMES
from kaptrial.priors.effects import EffectPrior, named
from kaptrial.priors.gaussian_quadrature import CoefficientPrior, Posterior, Scales, Terms, TrialData, posterior
from kaptrial.priors.gaussian_quadrature.interim import known_at
from kaptrial.questions.decide.predictive import predictive_probability
from kaptrial.scenario.decision import DecisionRule

UNIT = 8.0
SCALES = Scales(residual=2 * UNIT, intercept=2 * UNIT, therapist=0.25 * UNIT)
FUNCTIONAL = np.array([0.0, 0, 0, 1, 0])
TERMS = Terms(profile=np.ones((5, 1)), column=np.arange(5))


def effects(name: str) -> EffectPrior:
    return named(name, roles=("drug", "therapy", "interaction"), days=(28.0,), contrast=(0, 0, 1), visit=0, unit=UNIT)


def coefficients(prior: EffectPrior) -> CoefficientPrior:
    means = np.stack([[25.0, *component.mean, 0.0] for component in prior.components])
    covariances = np.stack([(10 * UNIT) ** 2 * np.eye(5)] * len(means))
    for covariance, component in zip(covariances, prior.components, strict=True):
        covariance[1:4, 1:4] = component.covariance
    weights = np.array([component.weight for component in prior.components])
    return CoefficientPrior(weights=weights, means=means, covariances=covariances)


def trial(per_cell: int, interaction: float, *, therapists: int = 0, seed: int = 1) -> TrialData:
    """One 2×2 with a large effect of therapy; therapists treat those who have it."""
    rng = np.random.default_rng(seed)
    n = 4 * per_cell
    a, b = np.arange(n) % 4 // 2, np.arange(n) % 2
    z = np.stack([np.ones(n), a, b, a * b, rng.standard_normal(n)], axis=-1)
    y = z @ [25.0, -4, -6, interaction, 3] + UNIT * rng.standard_normal(n)
    therapist = None
    if therapists:
        therapist = np.where(b == 1, np.arange(n) // 4 % therapists, -1)
        y += np.append(2.0 * rng.standard_normal(therapists), 0.0)[therapist]
        therapist = therapist[None]
    return TrialData(y=y[None, :, None], z=z[None], therapist=therapist)


def judged(data: TrialData, prior: EffectPrior) -> Posterior:
    return posterior(data, TERMS, coefficients(prior), SCALES, FUNCTIONAL[None], np.zeros((1, 1)), intercepts=False)


def first(data: TrialData, patients: int) -> TrialData:
    therapist = None if data.therapist is None else data.therapist[:, :patients]
    return TrialData(y=data.y[:, :patients], z=data.z[:, :patients], therapist=therapist)


def foreseen(data: TrialData, patients: int, prior: EffectPrior, rule: DecisionRule) -> float:
    sds = judged(first(data, patients), prior).sds
    known = known_at(patients, data, sds, coefficients(prior), FUNCTIONAL, prior, residual_scale=SCALES.residual)
    return float(predictive_probability(known, prior, rule, "lower")[0])


def completed(data: TrialData, patients: int, prior: EffectPrior, rule: DecisionRule, n: int) -> float:
    """The share of `n` completions that end with go. SDs, coefficients and therapists' effects are drawn from their
    posterior at the look, on a grid of SDs; every whole trial has a posterior of its own."""
    rng = np.random.default_rng(7)
    z, y = data.z[0], data.y[0, :, 0]
    has_therapists = data.therapist is not None
    group = data.therapist[0] if data.therapist is not None else np.full(len(y), -1)
    u = np.eye(group.max() + 1)[group] * (group >= 0)[:, None] if has_therapists else np.zeros((len(y), 0))
    design = np.concatenate([z, u], axis=1)
    now, believed = design[:patients], coefficients(prior)
    p, q = design.shape[1], u.shape[1]
    taus = SCALES.therapist * np.linspace(0.02, 4, 60) if has_therapists else np.ones(1)
    grid = [
        (sigma, tau, c)
        for sigma in UNIT * np.exp(np.linspace(-0.7, 0.7, 71))
        for tau in taus
        for c in range(len(believed.weights))
    ]
    logs, normals = [], []
    for sigma, tau, c in grid:
        precision = np.diag(np.full(p, 1 / tau**2))
        precision[:5, :5] = np.linalg.inv(believed.covariances[c])
        mean = np.append(believed.means[c], np.zeros(q))
        whole = now.T @ now / sigma**2 + precision
        vector = now.T @ y[:patients] / sigma**2 + precision @ mean
        centre = np.linalg.solve(whole, vector)
        fit = y[:patients] @ y[:patients] / sigma**2 + mean @ precision @ mean - vector @ centre
        determinants = np.linalg.slogdet(precision)[1] - np.linalg.slogdet(whole)[1]
        priors = np.log(believed.weights[c]) - 0.5 * (sigma / SCALES.residual) ** 2 + np.log(sigma)
        priors -= 0.5 * (tau / SCALES.therapist) ** 2 if has_therapists else 0.0
        logs.append(priors - patients * np.log(sigma) - 0.5 * fit + 0.5 * determinants)
        normals.append((centre, whole))
    share = np.exp(np.array(logs) - np.max(logs))
    picked = rng.choice(len(grid), n, p=share / share.sum())
    whole_trials = np.repeat(y[None], n, axis=0)
    for k in np.unique(picked):
        own = np.flatnonzero(picked == k)
        centre, whole = normals[k]
        noise = np.linalg.solve(np.linalg.cholesky(whole).T, rng.standard_normal((p, len(own))))
        later = (centre[:, None] + noise).T @ design[patients:].T
        whole_trials[own, patients:] = later + grid[k][0] * rng.standard_normal(later.shape)
    therapist = np.broadcast_to(data.therapist[0], (n, len(y))) if data.therapist is not None else None
    repeated = TrialData(y=whole_trials[..., None], z=np.broadcast_to(z, (n, *z.shape)), therapist=therapist)
    return float(np.mean(judged(repeated, prior).below[:, 0, 0] >= rule.go))


@pytest.mark.parametrize("name", NAMES)
def test_a_trial_half_done_ends_as_its_completions(name: str) -> None:
    """96 of 192 patients. Within .005, beside 4 standard errors of the share of 4,000 completions."""
    data, prior, rule = trial(48, -3.0), effects(name), DecisionRule(go=0.9)
    expected = completed(data, 96, prior, rule, 4000)
    assert abs(foreseen(data, 96, prior, rule) - expected) < 0.005 + 4 * np.sqrt(expected * (1 - expected) / 4000)


@pytest.mark.validation
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("per_cell", "interaction", "go"), [(12, -6.0, 0.9), (24, -5.0, 0.9), (48, -3.0, 0.975)])
def test_200_000_completions(name: str, per_cell: int, interaction: float, go: float) -> None:
    data, prior, rule = trial(per_cell, interaction), effects(name), DecisionRule(go=go)
    expected = completed(data, 2 * per_cell, prior, rule, 200_000)
    assert abs(foreseen(data, 2 * per_cell, prior, rule) - expected) < 0.005


@pytest.mark.validation
@pytest.mark.parametrize("name", NAMES)
def test_completions_with_therapists(name: str) -> None:
    """Within .005, beside 4 standard errors of the share of 20,000."""
    data, prior, rule = trial(24, -8.0, therapists=4), effects(name), DecisionRule(go=0.9)
    expected = completed(data, 48, prior, rule, 20_000)
    assert abs(foreseen(data, 48, prior, rule) - expected) < 0.005 + 4 * np.sqrt(expected * (1 - expected) / 20_000)
