"""Binary outcomes by visit with a patient's normal intercept, integrated out by a sum over nodes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from kaptrial.arrays import Floats

# Below the logarithm of the largest double, 709.
LOG_LARGE = 700.0


class Rule(NamedTuple):
    """Nodes and log weights of the sum that stands for the integral over a standard normal."""

    nodes: Floats
    log_weights: Floats


@njit(cache=True, nogil=True)
def likelihood(y: Floats, eta: Floats, sd: float, rule: Rule, loglik: Floats, slope: Floats) -> float:
    """Each patient's log probability and its derivative by the logits, (patient, visit); returns that by the SD.

    `y`: NaN where not observed. `sd`: of either sign, if the nodes are symmetric. One node at 0: no intercept.
    """
    nodes, log_weights = rule
    n, n_visits = y.shape
    n_nodes = len(nodes)
    terms, by_sd = np.empty(n_nodes), 0.0
    rest = np.empty((n_nodes, n_visits))
    growth, odds = np.exp(np.minimum(sd * nodes, LOG_LARGE)), np.empty(n_visits)
    reach = abs(sd) * np.abs(nodes).max()
    for i in range(n):
        total_y, own, largest, m_seen = 0.0, 0.0, 0.0, 0
        for t in range(n_visits):
            slope[i, t] = 0.0
            if y[i, t] == y[i, t]:
                total_y += y[i, t]
                own += y[i, t] * eta[i, t]
                largest = max(largest, abs(eta[i, t]))
                m_seen += 1
        # Odds are products of the visit's and the node's, and one logarithm does for all visits, where none overflows.
        small = (largest + reach) * max(m_seen, 1) < LOG_LARGE
        for t in range(n_visits):
            odds[t] = math.exp(eta[i, t]) if small and y[i, t] == y[i, t] else 0.0
        for m in range(n_nodes):
            product, sum_log = 1.0, 0.0
            for t in range(n_visits):
                rest[m, t] = 0.0
                if y[i, t] == y[i, t]:
                    if small:
                        one = 1.0 + odds[t] * growth[m]
                        product *= one
                        rest[m, t] = y[i, t] - 1.0 + 1.0 / one
                    else:
                        v = eta[i, t] + sd * nodes[m]
                        low = math.exp(-abs(v))
                        sum_log += max(v, 0.0) + math.log1p(low)
                        rest[m, t] = y[i, t] - (1.0 if v >= 0 else low) / (1.0 + low)
            terms[m] = log_weights[m] + own + total_y * sd * nodes[m] - sum_log - math.log(product)
        top = terms.max()
        total = 0.0
        for m in range(n_nodes):
            terms[m] = math.exp(terms[m] - top)
            total += terms[m]
        loglik[i] = top + math.log(total)
        for m in range(n_nodes):
            share = terms[m] / total
            for t in range(n_visits):
                slope[i, t] += share * rest[m, t]
                by_sd += share * rest[m, t] * nodes[m]
    return by_sd
