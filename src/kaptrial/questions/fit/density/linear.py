"""The linear part that all likelihoods share: priors of its coefficients, each patient's mean, and the way back.

Parameters stand in one unconstrained vector, in the order of `layout.BLOCKS`; `at` holds where each block begins, and
one more number, the end.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints


class Patients(NamedTuple):
    """x, (patient, effect); z, the baseline; w, the covariates; the therapist's number or −1."""

    x: Floats
    z: Floats
    w: Floats
    therapist: Ints


class Prior(NamedTuple):
    """Of the effects a mixture of normals: weights, means, Cholesky factors. `centre`: of the means' prior.

    `widths`: of means, slopes, log SDs, therapists and log ratios. `coefficients`: of each column of the covariates.
    """

    weight: Floats
    mean: Floats
    root: Floats
    centre: float
    widths: Floats
    coefficients: Floats


@njit(cache=True, nogil=True)
def normal_block(theta: Floats, grad: Floats, start: int, end: int, mean: float, sd: float) -> float:
    """Log density of independent normals for a block."""
    total = 0.0
    for j in range(start, end):
        z = (theta[j] - mean) / sd
        total -= 0.5 * z * z + math.log(sd) + 0.9189385332046727
        grad[j] -= z / sd
    return total


@njit(cache=True, nogil=True)
def mixture(theta: Floats, grad: Floats, size: int, weight: Floats, mean: Floats, root: Floats) -> float:
    """Log density of the first `size` parameters under a mixture of normals with Cholesky factors `root`."""
    n = len(weight)
    terms, slopes, z = np.empty(n), np.zeros((n, size)), np.empty(size)
    for c in range(n):
        square, log_determinant = 0.0, 0.0
        for i in range(size):
            value = theta[i] - mean[c, i]
            for j in range(i):
                value -= root[c, i, j] * z[j]
            z[i] = value / root[c, i, i]
            square += z[i] * z[i]
            log_determinant += math.log(root[c, i, i])
        terms[c] = math.log(weight[c]) - 0.5 * square - log_determinant - size * 0.9189385332046727
        for i in range(size - 1, -1, -1):
            value = z[i]
            for j in range(i + 1, size):
                value -= root[c, j, i] * slopes[c, j]
            slopes[c, i] = value / root[c, i, i]
    top = terms.max()
    total = np.exp(terms - top).sum()
    for c in range(n):
        share = math.exp(terms[c] - top) / total
        for i in range(size):
            grad[i] -= share * slopes[c, i]
    return top + math.log(total)


@njit(cache=True, nogil=True)
def half_normal_log(theta: Floats, grad: Floats, j: int, sd: float) -> float:
    """Log density of log τ at place j, τ half-normal, with the change of variable."""
    z = math.exp(theta[j]) / sd
    grad[j] += 1.0 - z * z
    return -0.5 * z * z + math.log(z) - 0.22579135264472744


@njit(cache=True, nogil=True)
def prior(theta: Floats, grad: Floats, at: Ints, of: Prior) -> float:
    """Log prior of effects, means, slopes, coefficients and therapists; adds its gradient to `grad`."""
    total = mixture(theta, grad, at[1], of.weight, of.mean, of.root)
    total += normal_block(theta, grad, at[1], at[2], of.centre, of.widths[0])
    total += normal_block(theta, grad, at[2], at[3], 0.0, of.widths[1])
    for k in range(at[4] - at[3]):
        total += normal_block(theta, grad, at[3] + k, at[3] + k + 1, 0.0, of.coefficients[k])
    if at[5] > at[4]:
        total += half_normal_log(theta, grad, at[4], of.widths[3])
        total += normal_block(theta, grad, at[5], at[6], 0.0, 1.0)
    return total


@njit(cache=True, nogil=True)
def predictor(theta: Floats, at: Ints, patients: Patients, out: Floats) -> None:
    """Each patient's mean at each visit, (patient, visit)."""
    x, z, w, therapist = patients
    n, n_visits = out.shape
    tau = math.exp(theta[at[4]]) if at[5] > at[4] else 0.0
    for i in range(n):
        same = 0.0
        for k in range(w.shape[1]):
            same += w[i, k] * theta[at[3] + k]
        if therapist[i] >= 0:
            same += tau * theta[at[5] + therapist[i]]
        for t in range(n_visits):
            value = same + theta[at[1] + t]
            if at[3] > at[2]:
                value += z[i] * theta[at[2] + t]
            for k in range(x.shape[1]):
                if x[i, k] != 0.0:
                    value += x[i, k] * theta[k * n_visits + t]
            out[i, t] = value


@njit(cache=True, nogil=True)
def back(theta: Floats, grad: Floats, at: Ints, patients: Patients, slope: Floats) -> None:
    """Add to `grad` what `slope`, the derivative by each patient's mean, says of the linear parameters."""
    x, z, w, therapist = patients
    n, n_visits = slope.shape
    tau = math.exp(theta[at[4]]) if at[5] > at[4] else 0.0
    for i in range(n):
        same = 0.0
        for t in range(n_visits):
            g = slope[i, t]
            same += g
            grad[at[1] + t] += g
            if at[3] > at[2]:
                grad[at[2] + t] += z[i] * g
            for k in range(x.shape[1]):
                if x[i, k] != 0.0:
                    grad[k * n_visits + t] += x[i, k] * g
        for k in range(w.shape[1]):
            grad[at[3] + k] += w[i, k] * same
        if therapist[i] >= 0:
            grad[at[5] + therapist[i]] += tau * same
            grad[at[4]] += tau * theta[at[5] + therapist[i]] * same
