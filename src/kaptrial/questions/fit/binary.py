"""The model of binary outcomes by visit (response, or any score of 0 and 1).

    logit P(y_it = 1) = μ_t + b_t·z_i + c'w_i + Σ_k x_ik E_kt + u_j(i) + σ·v_i,   v_i ~ N(0, 1)

The patient's v is integrated out numerically, so that a patient's probability is one number and missing outcomes drop
out. By the trapezoidal rule on ± 6 SDs, whose error falls as exp(−2π²/(σh)), h its step: below 1e-3 up to σ = 3, where
Gauss-Hermite of as many nodes still errs by 1e-2.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import expit
from scipy.stats import halfnorm

from kaptrial.arrays import Floats
from kaptrial.questions.fit.data import InteractionData
from kaptrial.questions.fit.layout import layout, linear_draws
from kaptrial.questions.fit.model import Given, InteractionModel, linear_prior

PARAMETERS = ("effect", "means", "slopes", "coefficients", "patient_sd", "therapist_sd", "therapist_raw")
# The SD of a standard logistic: the unit of the named priors on the logit scale (Chinn 2000, Stat Med 19:3127, turns
# standardised differences into log odds ratios by it).
LOGISTIC_SD = float(np.pi / np.sqrt(3))
NODES, REACH = 25, 6.0
# assumption: SD of the prior of σ in logits; 2.5 would make nearly all patients always or never respond.
PATIENT_SD_WIDTH = 1.5


def quadrature(n_visits: int) -> tuple[Floats, Floats]:
    """Nodes and log weights for a standard normal; with one visit there is no intercept to tell from chance."""
    if n_visits == 1:
        return np.zeros(1), np.zeros(1)
    nodes = np.linspace(-REACH, REACH, NODES)
    weights = np.exp(-0.5 * nodes**2)
    return nodes, np.log(weights / weights.sum())


def model(data: InteractionData) -> InteractionModel:
    """The model of outcomes of 0 and 1."""
    from kaptrial.questions.fit.density import likelihoods, linear, logistic

    n_visits = len(data.days)
    several = n_visits > 1
    lay = layout(data, spread=int(several))
    nodes, log_weights = quadrature(n_visits)
    patients = linear.Patients(lay.x, lay.z, lay.w, lay.therapist)
    rule = logistic.Rule(nodes, log_weights)
    seen = data.seen

    def density(theta: Floats, scores: Floats, given: Given) -> tuple[float, Floats]:
        grad = np.empty(lay.size)
        y = np.where(seen, scores, np.nan)
        prior = linear_prior(given, data.unit_sd, lay.columns_alike, centre=0.0, linked=True)
        value = likelihoods.binary_density(theta, grad, lay.at, y, patients, rule, prior, PATIENT_SD_WIDTH)
        return value, grad

    def parts(thetas: Floats, scores: Floats) -> Floats:
        out = np.empty((len(thetas), len(data.y)))
        y = np.where(seen, scores, np.nan)
        likelihoods.binary_parts(np.ascontiguousarray(thetas), lay.at, y, patients, rule, out)
        return out

    def natural(thetas: Floats) -> dict[str, Floats]:
        own = {"patient_sd": np.abs(lay.block(thetas, "spread"))} if several else {}
        return linear_draws(data, lay, thetas) | own

    def replicas(named: Mapping[str, Floats], expected: Floats, rng: np.random.Generator) -> Floats:
        shift = np.zeros(expected.shape[:2])
        if several:
            shift = np.asarray(named["patient_sd"]).reshape(-1, 1) * rng.standard_normal(expected.shape[:2])
        return (rng.random(expected.shape) < expit(expected + shift[..., None])).astype(np.float64)

    def risk(expected: Floats, named: Mapping[str, Floats]) -> Floats:
        if not several:
            return np.asarray(expit(expected))
        sd = np.asarray(named["patient_sd"]).reshape(-1, *[1] * (expected.ndim - 1))
        total = np.zeros_like(expected)
        for node, log_weight in zip(nodes, log_weights, strict=True):
            total += np.exp(log_weight) * expit(expected + sd * node)
        return total

    def spread_draws(n: int, rng: np.random.Generator, widths: Mapping[str, float]) -> Floats:
        return rng.normal(0, PATIENT_SD_WIDTH, (n, int(several)))

    def spread_log_prior(named: Mapping[str, Floats], _: Mapping[str, float]) -> dict[str, Floats]:
        if not several:
            return {}
        return {"patient_sd": halfnorm.logpdf(named["patient_sd"], scale=PATIENT_SD_WIDTH).sum(axis=-1)}

    start = np.zeros(lay.size)
    return InteractionModel(
        "binary", data, lay, density, parts, natural, replicas, risk, spread_draws, spread_log_prior, start
    )
