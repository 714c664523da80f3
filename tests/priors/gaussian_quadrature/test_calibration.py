"""Simulation-based calibration of the fast posterior: parameters drawn from the prior are where it says they are."""

from __future__ import annotations

import numpy as np
import pytest

from kaptrial.priors import sbc
from kaptrial.priors.gaussian_quadrature import CoefficientPrior, Flag, Scales, Terms, TrialData, posterior
from tests.builders import by_visit

N_FITS, RANKS = 600, sbc.RANKED_DRAWS
SCALES = Scales(residual=6.0, intercept=6.0, therapist=3.0)


def drawn(seed: int, terms: Terms, *, intercepts: bool, therapists: int, by_class: bool, n: int = 48):
    """Coefficients and SDs from their priors, and one trial of each."""
    rng = np.random.default_rng(seed)
    p, days = terms.profile.shape
    a, b = np.repeat([0, 0, 1, 1], n // 4), np.repeat([0, 1, 0, 1], n // 4)
    z = np.stack([np.ones(n), a, b, a * b, np.linspace(-1.5, 1.5, n)], -1)
    means = np.where(terms.column == 0, 20.0, np.where(terms.column == 3, -2.0, 0.0))
    spread = np.where(terms.column == 0, 5.0, 3.0)
    first = np.diag(spread**2)
    second = np.diag(np.where(terms.column == 3, 0.5, spread) ** 2)
    prior = CoefficientPrior(
        weights=np.array([0.6, 0.4]), means=np.stack([means, np.where(terms.column == 3, 0.0, means)]),
        covariances=np.stack([first, second]),
    )  # fmt: skip
    component = rng.random(N_FITS) < 0.4
    sds = np.where(component[:, None], np.sqrt(np.diag(second)), spread)
    beta = prior.means[component.astype(int)] + sds * rng.standard_normal((N_FITS, p))
    sigma = np.abs(SCALES.residual * rng.standard_normal((N_FITS, 2)))
    tau = np.abs(SCALES.intercept * rng.standard_normal(N_FITS)) * intercepts
    tau_u = np.abs(SCALES.therapist * rng.standard_normal(N_FITS))
    classes = b if by_class else np.zeros(n, dtype=np.int64)
    group = np.where(b == 1, np.arange(n) % max(therapists, 1), -1) if therapists else np.full(n, -1)
    u = tau_u[:, None] * rng.standard_normal((N_FITS, max(therapists, 1)))
    y = np.einsum("rc,ct,ic->rit", beta, terms.profile, z[:, terms.column])
    y = y + np.where(group >= 0, u[:, group], 0.0)[:, :, None]
    y = y + tau[:, None, None] * rng.standard_normal((N_FITS, n, 1))
    y = y + sigma[:, classes][:, :, None] * rng.standard_normal((N_FITS, n, days))
    y[rng.random(y.shape) < 0.1] = np.nan
    return y, z, classes, group, prior, beta


@pytest.mark.parametrize(
    ("days", "intercepts", "therapists", "by_class"),
    [(1, False, 5, True), (3, True, 0, False)],
    ids=["one visit, therapists, unequal residuals", "three visits, intercepts"],
)
def test_ranks_are_uniform(days: int, intercepts: bool, therapists: int, by_class: bool) -> None:
    """Every coefficient's rank ECDF lies inside its simultaneous band, .95 for all together (Säilynoja 2022)."""
    terms = by_visit(days)
    p = len(terms.column)
    y, z, classes, group, prior, beta = drawn(
        11, terms, intercepts=intercepts, therapists=therapists, by_class=by_class
    )
    shape = y.shape[:2]
    data = TrialData(
        y=y, z=np.broadcast_to(z, (*shape, z.shape[1])),
        residual=np.broadcast_to(classes, shape) if by_class else None,
        therapist=np.broadcast_to(group, shape) if therapists else None,
    )  # fmt: skip
    fitted = posterior(data, terms, prior, SCALES, np.eye(p), beta[:, :, None], intercepts=intercepts)
    # Half-normal SDs near 0 are drawn, too, and hardly a fit may be lost, or calibration would be of the easy ones.
    assert (fitted.flag == Flag.OK).mean() > 0.99
    below = fitted.below[fitted.flag == Flag.OK, :, 0]
    ranks = np.minimum((below * (RANKS + 1)).astype(int), RANKS)
    outside = [c for c in range(p) if not sbc.inside(ranks[:, c], RANKS, 1 - 0.05 / p)]
    assert not outside


def test_a_wrong_prior_is_found_out() -> None:
    """The check can fail: an interaction believed too small is outside the band."""
    terms = by_visit(1)
    y, z, _, _, prior, beta = drawn(12, terms, intercepts=False, therapists=0, by_class=False)
    wrong = CoefficientPrior(weights=prior.weights, means=prior.means, covariances=prior.covariances / 16)
    shape = y.shape[:2]
    data = TrialData(y=y, z=np.broadcast_to(z, (*shape, z.shape[1])))
    fitted = posterior(data, terms, wrong, SCALES, np.eye(5)[[3]], beta[:, [3], None], intercepts=False)
    ranks = np.minimum((fitted.below[:, 0, 0] * (RANKS + 1)).astype(int), RANKS)
    assert not sbc.inside(ranks, RANKS, 0.95)
