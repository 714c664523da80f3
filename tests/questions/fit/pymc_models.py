"""The interaction models in PyMC: what the compiled densities are held against.

The unknowns have the names that `InteractionModel.natural` gives them. `patient_loglik`: (patient,), each patient's
part of the log likelihood.
"""

from __future__ import annotations

import warnings

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from kaptrial.questions.fit import binary, gaussian
from kaptrial.questions.fit.data import standardised
from kaptrial.questions.fit.sample import CHAINS, TARGET_ACCEPT, TUNE
from kaptrial.questions.fit.scales import share, widths
from kaptrial.questions.mechanism.model import masked_normal


def build(data, prior, options):
    """The model of these options (`models.ModelOptions`)."""
    with pm.Model() as built:
        match options.likelihood:
            case "normal":
                loglik = scores(data, prior, options.covariance, options.residual)
            case "binary":
                loglik = binary_outcomes(data, prior)
            case "abstinent_days":
                loglik = days(data, prior)
        pm.Deterministic("patient_loglik", loglik)
        pm.Potential("likelihood", loglik.sum())
    return built


def values_for(model, built, theta):
    """The unconstrained vector as values of the PyMC model's variables."""
    lay = model.layout
    blocks = {
        "effects": "effects", "means": "means", "slopes": "slopes", "coefficients": "coefficients",
        "therapist_sd_log__": "therapist_sd", "therapist_raw": "therapist_raw", "log_ratios": "ratios",
        "packed_cholesky-cov-packed__": "spread", "sds_log__": "spread", "patient_sd_signed": "spread",
        "rho_interval__": "spread", "residual_sd_log__": "residual",
    }  # fmt: skip
    values = {v.name: lay.block(theta, blocks[v.name]) for v in built.value_vars}
    return {v.name: values[v.name].reshape(()) if v.ndim == 0 else values[v.name] for v in built.value_vars}


def linear(data, prior, centre, *, linked):
    """Each patient's mean (or logit), (patient, visit); `centre`: where the prior of the means stands."""
    n_visits, width = len(data.days), widths(prior)
    for_means, for_slopes = (data.unit_sd * share(name, linked=linked) * width[name] for name in ("means", "slopes"))
    parts = prior.components
    normals = pm.MvNormal.dist(np.array([c.mean for c in parts]), np.array([c.covariance for c in parts]))
    effects = pm.Mixture("effects", w=np.array([c.weight for c in parts]), comp_dists=normals)
    effect = pm.Deterministic("effect", effects.reshape((len(data.effects), n_visits)))
    mean = pm.Normal("means", centre, for_means, shape=n_visits)[None, :] + pt.dot(data.x, effect)
    if data.baseline is not None:
        slopes = pm.Normal("slopes", 0.0, for_slopes, shape=n_visits)
        mean += standardised(data.baseline)[:, None] * slopes[None, :]
    if data.covariates.shape[1]:
        c = pm.Normal("coefficients", 0.0, for_slopes / data.columns_alike ** width["levels"])
        mean += pt.dot(standardised(data.covariates), c)[:, None]
    if data.n_therapists:
        tau = pm.HalfNormal("therapist_sd", data.unit_sd * width["therapists"])
        raw = pm.Normal("therapist_raw", 0.0, 1.0, shape=data.n_therapists)
        mean += pt.concatenate([tau * raw, pt.zeros(1)])[data.therapist][:, None]  # −1 is the zero at the end
    return mean


def scores(data, prior, covariance, residual):
    """The log likelihood of each patient's scores."""
    by_arm = residual == "by_arm"
    residuals = np.nan_to_num(data.y) - linear(data, prior, float(np.nanmean(data.y)), linked=False)
    sigma = covariances(data, widths(prior), covariance, by_arm=by_arm)
    group = data.arm if by_arm else np.zeros_like(data.arm)
    return masked_normal(residuals, sigma, gaussian.patterns(data.seen, group))


def covariances(data, width, covariance, *, by_arm):
    """Σ of each class of patients, (class, visit, visit)."""
    design, centres = gaussian.time_design(data, covariance), gaussian.spread_centres(data, covariance)
    spread, (n_visits, q) = width["log_sds"], design.shape
    ratio = pt.ones(1)
    if by_arm:
        # Of the SDs to those of the first arm.
        free = pm.Normal("log_ratios", 0.0, width["log_ratios"], shape=len(data.arms) - 1)
        ratio = pt.exp(pt.concatenate([pt.zeros(1), free]))
    if q == 1:
        inner = pm.LogNormal("sds", centres[:1], spread, shape=1)[None, :] ** 2
    else:
        root, correlations, sds = pm.LKJCholeskyCov(
            "packed",
            n=q,
            eta=gaussian.ETA,
            sd_dist=pm.LogNormal.dist(centres[:q], spread, shape=q),
            compute_corr=True,
            store_in_trace=False,
        )
        pm.Deterministic("sds", sds)
        pm.Deterministic("correlations", correlations[np.tril_indices(q, -1)])
        inner = pt.dot(root, root.T)
    between = pt.dot(pt.dot(design, inner), design.T)[None]
    if q == n_visits:
        return (ratio**2)[:, None, None] * between
    sd = pm.LogNormal("residual_sd", centres[-1:], spread, shape=1)
    return between + (sd * ratio)[:, None, None] ** 2 * np.eye(n_visits)[None]


def binary_outcomes(data, prior):
    """The log probability of each patient's outcomes of 0 and 1."""
    logit, sd = linear(data, prior, 0.0, linked=True), np.zeros(1)
    if len(data.days) > 1:
        # Half-normal, as a normal of either sign (density/likelihoods.py: binary_density).
        sd = pm.Normal("patient_sd_signed", 0.0, binary.PATIENT_SD_WIDTH, shape=1)
    nodes, log_weights = binary.quadrature(len(data.days))
    at = logit[:, :, None] + sd * nodes[None, None, :]
    terms = ((np.nan_to_num(data.y)[:, :, None] * at - pt.softplus(at)) * data.seen[:, :, None]).sum(axis=1)
    return pt.logsumexp(terms + log_weights[None, :], axis=1)


def days(data, prior):
    """The log probability of each patient's days of success."""
    logit = linear(data, prior, 0.0, linked=True)
    rho = pm.Uniform("rho", 0.0, 1.0, shape=1)
    kappa = 1 / rho - 1
    p = pt.clip(pt.sigmoid(logit[:, 0]), 1e-12, 1 - 1e-12)
    return pm.logp(pm.BetaBinomial.dist(p * kappa, (1 - p) * kappa, data.trials_of), data.y[:, 0])


def draw(built, *, seed, draws):
    """The posterior by nutpie, under the settings of `sample.draw`; PyTensor takes minutes to compile it."""
    import nutpie

    with warnings.catch_warnings():
        # Matrices of a few visits need no BLAS.
        warnings.filterwarnings("ignore", message="PyTensor could not link to a BLAS")
        ready = nutpie.compile_pymc_model(built)
    return nutpie.sample(
        ready,
        draws=draws,
        tune=TUNE,
        chains=CHAINS,
        cores=2,
        seed=seed,
        target_accept=TARGET_ACCEPT,
        adaptation="low_rank",
        save_warmup=False,
        progress_bar=False,
    ).posterior
