"""The model of successes out of a number (days abstinent of days), one row a patient: beta-binomial.

    k_i ~ BetaBinomial(n_i, p_i κ, (1 − p_i) κ),   ρ = 1/(1 + κ)
    logit p_i = μ + b·z_i + c'w_i + Σ_k x_ik E_k + u_j(i)

ρ, the correlation of two days of one patient, is uniform on (0, 1).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import expit, logit

from kaptrial.arrays import Floats
from kaptrial.questions.fit.data import InteractionData
from kaptrial.questions.fit.layout import layout, linear_draws
from kaptrial.questions.fit.model import Given, InteractionModel, linear_prior

PARAMETERS = ("effect", "means", "slopes", "coefficients", "rho", "therapist_sd", "therapist_raw")
# Risks are shown in percent of the days.
PERCENT = 100.0


def model(data: InteractionData) -> InteractionModel:
    """The model of successes `data.y[:, 0]` out of `data.trials_of`."""
    from kaptrial.questions.fit.density import likelihoods, linear

    assert data.trials_of is not None
    lay = layout(data, spread=1)
    n = np.ascontiguousarray(data.trials_of)
    patients = linear.Patients(lay.x, lay.z, lay.w, lay.therapist)

    def density(theta: Floats, scores: Floats, given: Given) -> tuple[float, Floats]:
        grad = np.empty(lay.size)
        k = np.ascontiguousarray(scores[:, 0])
        prior = linear_prior(given, data.unit_sd, lay.columns_alike, centre=0.0, linked=True)
        value = likelihoods.counts_density(theta, grad, lay.at, k, n, patients, prior)
        return value, grad

    def parts(thetas: Floats, scores: Floats) -> Floats:
        out = np.empty((len(thetas), len(n)))
        k = np.ascontiguousarray(scores[:, 0])
        likelihoods.counts_parts(np.ascontiguousarray(thetas), lay.at, k, n, patients, out)
        return out

    def natural(thetas: Floats) -> dict[str, Floats]:
        return linear_draws(data, lay, thetas) | {"rho": expit(lay.block(thetas, "spread"))}

    def replicas(named: Mapping[str, Floats], expected: Floats, rng: np.random.Generator) -> Floats:
        kappa = 1 / np.asarray(named["rho"]).reshape(-1, 1, 1) - 1
        p = np.clip(expit(expected), 1e-12, 1 - 1e-12)
        # Where a patient's days are nearly all alike the beta's parameters come near 0.
        share = rng.beta(np.maximum(p * kappa, 1e-12), np.maximum((1 - p) * kappa, 1e-12))
        return rng.binomial(n.astype(np.int64)[None, :, None], share).astype(np.float64)

    def spread_draws(n: int, rng: np.random.Generator, widths: Mapping[str, float]) -> Floats:
        return np.asarray(logit(rng.random((n, 1))))

    def spread_log_prior(_: Mapping[str, Floats], __: Mapping[str, float]) -> dict[str, Floats]:
        return {}  # ρ is uniform

    def risk(expected: Floats, _: Mapping[str, Floats]) -> Floats:
        return np.asarray(PERCENT * expit(expected))

    start = np.zeros(lay.size)
    return InteractionModel(
        "abstinent_days", data, lay, density, parts, natural, replicas, risk, spread_draws, spread_log_prior, start
    )
