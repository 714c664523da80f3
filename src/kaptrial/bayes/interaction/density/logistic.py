"""Binary outcomes by visit with a patient's normal intercept, integrated out by Gauss-Hermite quadrature."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from kaptrial.bayes.interaction.density.linear import Floats


@njit(cache=True, nogil=True)
def likelihood(
    y: Floats, eta: Floats, sd: float, nodes: Floats, log_weights: Floats, loglik: Floats, slope: Floats
) -> float:
    """Each patient's log probability and its derivative by the logits, (patient, visit); returns that by the SD.

    `y`: NaN where not observed. One node at 0 is the model without an intercept.
    """
    n, n_visits = y.shape
    n_nodes = len(nodes)
    terms, by_sd = np.empty(n_nodes), 0.0
    rest = np.empty((n_nodes, n_visits))
    for i in range(n):
        for m in range(n_nodes):
            terms[m] = log_weights[m]
            for t in range(n_visits):
                rest[m, t] = 0.0
                if y[i, t] == y[i, t]:
                    v = eta[i, t] + sd * nodes[m]
                    # log(1 + e^v) without overflow
                    terms[m] += y[i, t] * v - (max(v, 0.0) + math.log1p(math.exp(-abs(v))))
                    rest[m, t] = y[i, t] - 1.0 / (1.0 + math.exp(-v)) if v > -700 else y[i, t]
        top = terms.max()
        total = np.exp(terms - top).sum()
        loglik[i] = top + math.log(total)
        for t in range(n_visits):
            slope[i, t] = 0.0
        for m in range(n_nodes):
            share = math.exp(terms[m] - top) / total
            for t in range(n_visits):
                slope[i, t] += share * rest[m, t]
                by_sd += share * rest[m, t] * nodes[m]
    return by_sd
