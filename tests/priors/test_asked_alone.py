"""A sceptic's posterior is never surer of an interaction than a flat one, whatever the therapy alone does."""

from __future__ import annotations

import numpy as np
import pytest

from kaptrial.priors.effects import EffectPrior, named
from kaptrial.priors.gaussian_quadrature import CoefficientPrior, Flag, Scales, Terms, TrialData, posterior

SD = 8.0  # of patients' intercepts and residuals together
DAYS = {1: (28.0,), 3: (1.0, 7.0, 28.0)}


def trials(n: int, per_cell: int, visits: int, *, gaps: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """2×2 trials, a therapy's effect of 0 to 1 SD in each, an interaction of −.5 to .5 SD, and scores missing more
    often in one cell than in another."""
    rng = np.random.default_rng(seed)
    a, b = np.repeat([0, 0, 1, 1], per_cell), np.repeat([0, 1, 0, 1], per_cell)
    z = np.stack([np.ones(4 * per_cell), a, b, a * b], axis=-1)
    effects = np.stack([np.full(n, -0.5), -rng.random(n), rng.random(n) - 0.5], axis=-1) * SD
    y = 25 + (effects @ z[:, 1:].T)[:, :, None] * np.ones(visits)
    y = y + np.sqrt(0.5) * SD * (rng.standard_normal((n, len(a), 1)) + rng.standard_normal(y.shape))
    if gaps:
        y[rng.random(y.shape) < np.where(a == b, 0.15, 0.4)[:, None]] = np.nan
    return y, z


def probability_of_benefit(name: str, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """P(interaction < 0 on the last day) in each trial, effects by visit."""
    visits = y.shape[-1]
    believed = named(
        name, roles=("drug", "therapy", "interaction"), days=DAYS[visits], contrast=(0, 0, 1), visit=visits - 1, unit=SD
    )
    terms = Terms(profile=np.tile(np.eye(visits), (4, 1)), column=np.repeat(np.arange(4), visits))
    functional = np.append(np.zeros(visits), believed.asked)[None]
    result = posterior(
        TrialData(y=y, z=np.broadcast_to(z, (len(y), *z.shape))), terms, with_means(believed),
        Scales(residual=SD, intercept=SD, therapist=SD), functional, np.zeros((1, 1)), intercepts=visits > 1,
    )  # fmt: skip
    assert (result.flag == Flag.OK).all()
    return result.below[:, 0, 0]


def with_means(believed: EffectPrior) -> CoefficientPrior:
    """The prior of the effects beside a wide one of the control cell's mean at each visit."""
    visits, size = len(believed.days), len(believed.days) + len(believed.asked)
    means, covariances = [], []
    for component in believed.components:
        covariance = (10 * SD) ** 2 * np.eye(size)
        covariance[visits:, visits:] = component.covariance
        means.append(np.append(np.full(visits, 25.0), component.mean))
        covariances.append(covariance)
    weights = np.array([component.weight for component in believed.components])
    return CoefficientPrior(weights=weights, means=np.stack(means), covariances=np.stack(covariances))


def scepticism_shrinks(n: int, per_cell: int, visits: int, gaps: bool) -> None:
    """Up to what is left of the wide priors; `fit` shows a probability near .5 with an error of .008."""
    y, z = trials(n, per_cell, visits, gaps=gaps, seed=per_cell + visits)
    flat, sceptic = (probability_of_benefit(name, y, z) - 0.5 for name in ("flat", "skeptical"))
    further = np.where(flat * sceptic < 0, np.abs(sceptic), np.abs(sceptic) - np.abs(flat))
    assert further.max() < 0.001
    assert np.mean(np.abs(sceptic)) < 0.9 * np.mean(np.abs(flat))


CELLS = [(24, 1, False), (24, 1, True), (96, 1, True), (24, 3, False), (24, 3, True), (96, 3, True)]


@pytest.mark.parametrize(("per_cell", "visits", "gaps"), CELLS)
def test_the_sceptic_is_never_surer(per_cell: int, visits: int, gaps: bool) -> None:
    scepticism_shrinks(34, per_cell, visits, gaps)


@pytest.mark.validation
@pytest.mark.parametrize(("per_cell", "visits", "gaps"), CELLS)
def test_the_sceptic_is_never_surer_in_a_thousand_trials(per_cell: int, visits: int, gaps: bool) -> None:
    scepticism_shrinks(170, per_cell, visits, gaps)
