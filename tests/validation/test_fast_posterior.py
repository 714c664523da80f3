"""The fast posterior against long NUTS runs of the same model, written again in PyMC."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from kaptrial.priors.gaussian_quadrature import CoefficientPrior, Scales, Terms, TrialData, posterior

pytestmark = pytest.mark.validation

SHAPE = np.array([0, 0.25, 0.5, 0.75, 1.0])
N_DATA, CHAINS, DRAWS = 20, 4, 70_000


def trials(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """20 trials of 50 a cell and five visits, their interactions from −8 to 0 so that P(interaction < 0) varies."""
    rng = np.random.default_rng(seed)
    k, t = np.repeat([0, 0, 1, 1], 50), np.repeat([0, 1, 0, 1], 50)
    z = np.stack([np.ones(200), k, t, k * t], axis=-1)
    effects = np.column_stack([np.full(N_DATA, -3.0), np.full(N_DATA, -2.0), np.linspace(-8, 0, N_DATA)])
    mean = np.array([30, 26, 24, 22, 20]) + SHAPE * (effects @ z[:, 1:].T)[:, :, None]
    u = 6 * rng.standard_normal((N_DATA, 200, 1))
    return mean + u + 6.7 * rng.standard_normal((N_DATA, 200, 5)), z


def test_mean_sd_and_tail_agree_with_nuts_on_twenty_trials() -> None:
    """Mean within .02 posterior SDs, SD within 2 %, P(interaction < 0) within .005, each + 4 MCSE of a NUTS run whose
    own MCSE of the probability is at most .0015. Intercepts are integrated by a rotation of the visits, whose
    covariance is then diagonal; the fast posterior uses another algebra."""
    import arviz as az
    import nutpie
    import pymc as pm
    import pytensor.tensor as pt

    y, z = trials(3)
    rotation = np.linalg.qr(np.column_stack([np.ones(5), np.eye(5)[:, 1:]]))[0]
    with pm.Model() as model:
        turned = pm.Data("turned", y[0] @ rotation)
        mu = pm.Normal("mu", 25, 20, shape=5)
        b = pm.Normal("b", 0, 10, shape=3)
        tau, sigma = pm.HalfNormal("tau", 10), pm.HalfNormal("sigma", 10)
        mean = mu[None, :] + SHAPE[None, :] * pt.dot(z[:, 1:], b)[:, None]
        sd = pt.sqrt(pt.stack([sigma**2 + 5 * tau**2, *[sigma**2] * 4]))
        pm.Normal("y", pt.dot(mean, rotation), sd, observed=turned)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = nutpie.compile_pymc_model(model)
    terms = Terms(profile=np.concatenate([np.eye(5), np.tile(SHAPE, (3, 1))]), column=np.array([0] * 5 + [1, 2, 3]))
    prior = CoefficientPrior(
        weights=np.ones(1), means=np.array([[25.0] * 5 + [0.0] * 3]),
        covariances=np.diag([400.0] * 5 + [100.0] * 3)[None],
    )  # fmt: skip
    fast = posterior(
        TrialData(y=y, z=np.broadcast_to(z, (N_DATA, *z.shape))), terms, prior,
        Scales(residual=10, intercept=10, therapist=10), np.eye(8)[[7]], np.zeros((1, 1)), intercepts=True,
    )  # fmt: skip
    for i in range(N_DATA):
        result = nutpie.sample(
            compiled.with_data(turned=y[i] @ rotation), draws=DRAWS, tune=1000, chains=CHAINS, cores=2, seed=i,
            progress_bar=False,
        )  # fmt: skip
        draws = np.asarray(result.posterior["b"])[..., 2]
        negative = (draws < 0).astype(float)
        mcse_p = float(az.mcse(negative, method="mean")) if 0 < negative.mean() < 1 else 0.0
        assert mcse_p <= 0.0015
        sd_nuts = draws.std()
        mcse_mean, mcse_sd = (float(az.mcse(draws, method=m)) for m in ("mean", "sd"))
        assert abs(fast.mean[i, 0] - draws.mean()) <= 0.02 * sd_nuts + 4 * mcse_mean
        assert abs(fast.sd[i, 0] / sd_nuts - 1) <= 0.02 + 4 * mcse_sd / sd_nuts
        assert abs(fast.below[i, 0, 0] - negative.mean()) <= 0.005 + 4 * mcse_p
        print(
            f"{i}: mean {(fast.mean[i, 0] - draws.mean()) / sd_nuts:+.4f} SD, SD {fast.sd[i, 0] / sd_nuts - 1:+.4f}, "
            f"P {fast.below[i, 0, 0] - negative.mean():+.5f} (MCSE {mcse_p:.5f})"
        )
