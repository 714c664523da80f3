"""The whole log density of each model, and each patient's part of it over many draws."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints
from kaptrial.questions.fit.density import beta_binomial, linear, logistic, normal

# LOGIT_LIMIT: beyond it a correlation is 0 or 1 to a double.
LOGIT_LIMIT = 30.0


@njit(cache=True, nogil=True)
def scores_density(
    theta: Floats, grad: Floats, at: Ints, y: Floats, x: Floats, z: Floats, w: Floats, therapist: Ints,
    of: Ints, mask: Floats, group: Ints, design: Floats, has_residual: bool, n_groups: int,
    weight: Floats, mean: Floats, root: Floats, centre: float, centres: Floats, widths: Floats,
) -> float:  # fmt: skip
    """Log density and gradient of the model of scores. `widths`: means, slopes, log SDs, therapists, log ratios."""
    grad[:] = 0.0
    total = linear.prior(theta, grad, at, weight, mean, root, centre, widths[0], widths[1], widths[3])
    n, n_visits = y.shape
    q = design.shape[1]
    eta, slope, loglik = np.empty((n, n_visits)), np.empty((n, n_visits)), np.empty(n)
    sigma, by_sigma = np.empty((n_groups, n_visits, n_visits)), np.zeros((n_groups, n_visits, n_visits))
    within = np.zeros((q, q))
    linear.predictor(theta, at, x, z, w, therapist, eta)
    normal.covariances(theta, at, design, has_residual, n_groups, within, sigma)
    total += normal.variance_prior(theta, grad, at, within, centres, widths[2], widths[4])
    if not math.isfinite(total) or not normal.likelihood(y - eta, sigma, of, mask, group, loglik, slope, by_sigma):
        grad[:] = 0.0
        return -np.inf
    linear.back(theta, grad, at, x, z, w, therapist, slope)
    normal.covariance_back(theta, grad, at, design, has_residual, within, by_sigma)
    return total + loglik.sum()


@njit(cache=True, nogil=True)
def scores_parts(
    thetas: Floats, at: Ints, y: Floats, x: Floats, z: Floats, w: Floats, therapist: Ints, of: Ints,
    mask: Floats, group: Ints, design: Floats, has_residual: bool, n_groups: int, out: Floats,
) -> None:  # fmt: skip
    """Log density of each patient's scores, (draw, patient)."""
    n, n_visits = y.shape
    q = design.shape[1]
    eta, slope = np.empty((n, n_visits)), np.empty((n, n_visits))
    sigma, by_sigma = np.empty((n_groups, n_visits, n_visits)), np.empty((n_groups, n_visits, n_visits))
    within = np.zeros((q, q))
    for s in range(len(thetas)):
        linear.predictor(thetas[s], at, x, z, w, therapist, eta)
        normal.covariances(thetas[s], at, design, has_residual, n_groups, within, sigma)
        normal.likelihood(y - eta, sigma, of, mask, group, out[s], slope, by_sigma)


@njit(cache=True, nogil=True)
def binary_density(
    theta: Floats, grad: Floats, at: Ints, y: Floats, x: Floats, z: Floats, w: Floats, therapist: Ints,
    nodes: Floats, log_weights: Floats, weight: Floats, mean: Floats, root: Floats, widths: Floats, width_sd: float,
) -> float:  # fmt: skip
    """Log density and gradient of the model of binary outcomes.

    The SD of the intercept is half-normal, and its parameter the same with either sign: the likelihood is even in it,
    and a logarithm would have the sampler walk to minus infinity where the data say nothing of it.
    """
    grad[:] = 0.0
    total = linear.prior(theta, grad, at, weight, mean, root, 0.0, widths[0], widths[1], widths[3])
    sd = 0.0
    if at[9] > at[6]:
        total += linear.normal_block(theta, grad, at[6], at[9], 0.0, width_sd)
        sd = theta[at[6]]
    if not math.isfinite(total):
        grad[:] = 0.0
        return -np.inf
    eta, slope, loglik = np.empty(y.shape), np.empty(y.shape), np.empty(len(y))
    linear.predictor(theta, at, x, z, w, therapist, eta)
    by_sd = logistic.likelihood(y, eta, sd, nodes, log_weights, loglik, slope)
    linear.back(theta, grad, at, x, z, w, therapist, slope)
    if at[9] > at[6]:
        grad[at[6]] += by_sd
    return total + loglik.sum()


@njit(cache=True, nogil=True)
def binary_parts(
    thetas: Floats, at: Ints, y: Floats, x: Floats, z: Floats, w: Floats, therapist: Ints, nodes: Floats,
    log_weights: Floats, out: Floats,
) -> None:  # fmt: skip
    """Log probability of each patient's outcomes, (draw, patient)."""
    eta, slope = np.empty(y.shape), np.empty(y.shape)
    for s in range(len(thetas)):
        linear.predictor(thetas[s], at, x, z, w, therapist, eta)
        sd = thetas[s, at[6]] if at[9] > at[6] else 0.0
        logistic.likelihood(y, eta, sd, nodes, log_weights, out[s], slope)


@njit(cache=True, nogil=True)
def counts_density(
    theta: Floats, grad: Floats, at: Ints, k: Floats, n: Floats, x: Floats, z: Floats, w: Floats,
    therapist: Ints, weight: Floats, mean: Floats, root: Floats, widths: Floats,
) -> float:  # fmt: skip
    """Log density and gradient of the model of successes; their correlation ρ is uniform, θ its logit."""
    grad[:] = 0.0
    total = linear.prior(theta, grad, at, weight, mean, root, 0.0, widths[0], widths[1], widths[3])
    v = theta[at[6]]
    if not math.isfinite(total) or abs(v) > LOGIT_LIMIT:
        grad[:] = 0.0
        return -np.inf
    rho = 1.0 / (1.0 + math.exp(-v))
    total += math.log(rho) + math.log1p(-rho)
    grad[at[6]] += 1.0 - 2.0 * rho
    eta, slope, loglik = np.empty((len(k), 1)), np.empty((len(k), 1)), np.empty(len(k))
    linear.predictor(theta, at, x, z, w, therapist, eta)
    # κ = (1 − ρ)/ρ = exp(−v)
    grad[at[6]] -= beta_binomial.likelihood(k, n, eta, math.exp(-v), loglik, slope)
    linear.back(theta, grad, at, x, z, w, therapist, slope)
    return total + loglik.sum()


@njit(cache=True, nogil=True)
def counts_parts(
    thetas: Floats, at: Ints, k: Floats, n: Floats, x: Floats, z: Floats, w: Floats, therapist: Ints, out: Floats
) -> None:
    """Log probability of each patient's successes, (draw, patient)."""
    eta, slope = np.empty((len(k), 1)), np.empty((len(k), 1))
    for s in range(len(thetas)):
        linear.predictor(thetas[s], at, x, z, w, therapist, eta)
        beta_binomial.likelihood(k, n, eta, math.exp(-thetas[s, at[6]]), out[s], slope)


@njit(cache=True, nogil=True)
def predictors(thetas: Floats, at: Ints, x: Floats, z: Floats, w: Floats, therapist: Ints, out: Floats) -> None:
    """Each patient's mean (or logit), (draw, patient, visit)."""
    for s in range(len(thetas)):
        linear.predictor(thetas[s], at, x, z, w, therapist, out[s])
