"""The whole log density of each model, and each patient's part of it over many draws."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints
from kaptrial.questions.fit.density import beta_binomial, linear, logistic, normal
from kaptrial.questions.fit.density.linear import Patients, Prior
from kaptrial.questions.fit.density.logistic import Rule
from kaptrial.questions.fit.density.normal import Spread

# LOGIT_LIMIT: beyond it a correlation is 0 or 1 to a double.
LOGIT_LIMIT = 30.0


@njit(cache=True, nogil=True)
def scores_density(
    theta: Floats, grad: Floats, at: Ints, y: Floats, patients: Patients, spread: Spread, prior: Prior
) -> float:
    """Log density and gradient of the model of scores."""
    design, has_residual, n_groups, widths = spread.design, spread.has_residual, spread.n_groups, prior.widths
    grad[:] = 0.0
    total = linear.prior(theta, grad, at, prior)
    n, n_visits = y.shape
    q = design.shape[1]
    eta, slope, loglik = np.empty((n, n_visits)), np.empty((n, n_visits)), np.empty(n)
    sigma, by_sigma = np.empty((n_groups, n_visits, n_visits)), np.zeros((n_groups, n_visits, n_visits))
    within = np.zeros((q, q))
    linear.predictor(theta, at, patients, eta)
    normal.covariances(theta, at, design, has_residual, n_groups, within, sigma)
    total += normal.variance_prior(theta, grad, at, within, spread.centres, widths[2], widths[4])
    if not math.isfinite(total) or not normal.likelihood(y - eta, sigma, spread, loglik, slope, by_sigma):
        grad[:] = 0.0
        return -np.inf
    linear.back(theta, grad, at, patients, slope)
    normal.covariance_back(theta, grad, at, design, has_residual, within, by_sigma)
    return total + loglik.sum()


@njit(cache=True, nogil=True)
def scores_parts(thetas: Floats, at: Ints, y: Floats, patients: Patients, spread: Spread, out: Floats) -> None:
    """Log density of each patient's scores, (draw, patient)."""
    design, has_residual, n_groups = spread.design, spread.has_residual, spread.n_groups
    n, n_visits = y.shape
    q = design.shape[1]
    eta, slope = np.empty((n, n_visits)), np.empty((n, n_visits))
    sigma, by_sigma = np.empty((n_groups, n_visits, n_visits)), np.empty((n_groups, n_visits, n_visits))
    within = np.zeros((q, q))
    for s in range(len(thetas)):
        linear.predictor(thetas[s], at, patients, eta)
        normal.covariances(thetas[s], at, design, has_residual, n_groups, within, sigma)
        normal.likelihood(y - eta, sigma, spread, out[s], slope, by_sigma)


@njit(cache=True, nogil=True)
def binary_density(
    theta: Floats, grad: Floats, at: Ints, y: Floats, patients: Patients, rule: Rule, prior: Prior, width_sd: float
) -> float:
    """Log density and gradient of the model of binary outcomes.

    The SD of the intercept is half-normal, and its parameter the same with either sign: the likelihood is even in it,
    and a logarithm would have the sampler walk to minus infinity where the data say nothing of it.
    """
    grad[:] = 0.0
    total = linear.prior(theta, grad, at, prior)
    sd = 0.0
    if at[9] > at[6]:
        total += linear.normal_block(theta, grad, at[6], at[9], 0.0, width_sd)
        sd = theta[at[6]]
    if not math.isfinite(total):
        grad[:] = 0.0
        return -np.inf
    eta, slope, loglik = np.empty(y.shape), np.empty(y.shape), np.empty(len(y))
    linear.predictor(theta, at, patients, eta)
    by_sd = logistic.likelihood(y, eta, sd, rule, loglik, slope)
    linear.back(theta, grad, at, patients, slope)
    if at[9] > at[6]:
        grad[at[6]] += by_sd
    return total + loglik.sum()


@njit(cache=True, nogil=True)
def binary_parts(thetas: Floats, at: Ints, y: Floats, patients: Patients, rule: Rule, out: Floats) -> None:
    """Log probability of each patient's outcomes, (draw, patient)."""
    eta, slope = np.empty(y.shape), np.empty(y.shape)
    for s in range(len(thetas)):
        linear.predictor(thetas[s], at, patients, eta)
        sd = thetas[s, at[6]] if at[9] > at[6] else 0.0
        logistic.likelihood(y, eta, sd, rule, out[s], slope)


@njit(cache=True, nogil=True)
def counts_density(
    theta: Floats, grad: Floats, at: Ints, k: Floats, n: Floats, patients: Patients, prior: Prior
) -> float:
    """Log density and gradient of the model of successes; their correlation ρ is uniform, θ its logit."""
    grad[:] = 0.0
    total = linear.prior(theta, grad, at, prior)
    v = theta[at[6]]
    if not math.isfinite(total) or abs(v) > LOGIT_LIMIT:
        grad[:] = 0.0
        return -np.inf
    rho = 1.0 / (1.0 + math.exp(-v))
    total += math.log(rho) + math.log1p(-rho)
    grad[at[6]] += 1.0 - 2.0 * rho
    eta, slope, loglik = np.empty((len(k), 1)), np.empty((len(k), 1)), np.empty(len(k))
    linear.predictor(theta, at, patients, eta)
    # κ = (1 − ρ)/ρ = exp(−v)
    grad[at[6]] -= beta_binomial.likelihood(k, n, eta, math.exp(-v), loglik, slope)
    linear.back(theta, grad, at, patients, slope)
    return total + loglik.sum()


@njit(cache=True, nogil=True)
def counts_parts(thetas: Floats, at: Ints, k: Floats, n: Floats, patients: Patients, out: Floats) -> None:
    """Log probability of each patient's successes, (draw, patient)."""
    eta, slope = np.empty((len(k), 1)), np.empty((len(k), 1))
    for s in range(len(thetas)):
        linear.predictor(thetas[s], at, patients, eta)
        beta_binomial.likelihood(k, n, eta, math.exp(-thetas[s, at[6]]), out[s], slope)


@njit(cache=True, nogil=True)
def predictors(thetas: Floats, at: Ints, patients: Patients, out: Floats) -> None:
    """Each patient's mean (or logit), (draw, patient, visit)."""
    for s in range(len(thetas)):
        linear.predictor(thetas[s], at, patients, out[s])
