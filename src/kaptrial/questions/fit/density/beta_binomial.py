"""Successes out of a number of trials, one row a patient: beta-binomial with mean p and correlation ρ = 1/(1 + κ)."""

from __future__ import annotations

import math

from numba import njit

from kaptrial.arrays import Floats


@njit(cache=True, nogil=True)
def digamma(x: float) -> float:
    """ψ(x), x > 0: recurrence to 10, then the asymptotic series (Abramowitz & Stegun 6.3.18); error below 1e-13."""
    total = 0.0
    while x < 10.0:
        total -= 1.0 / x
        x += 1.0
    r = 1.0 / (x * x)
    series = r * (1 / 12 - r * (1 / 120 - r * (1 / 252 - r * (1 / 240 - r * (1 / 132 - r * 691 / 32760)))))
    return total + math.log(x) - 0.5 / x - series


@njit(cache=True, nogil=True)
def likelihood(k: Floats, n: Floats, eta: Floats, kappa: float, loglik: Floats, slope: Floats) -> float:
    """Each patient's log probability and its derivative by the logit, (patient, 1); returns that by log κ."""
    by_log_kappa = 0.0
    for i in range(len(k)):
        p = 1.0 / (1.0 + math.exp(-eta[i, 0]))
        # Logits beyond what a double can tell from 0 or 1 have no beta distribution.
        p = min(max(p, 1e-12), 1 - 1e-12)
        a, b = p * kappa, (1 - p) * kappa
        loglik[i] = math.lgamma(n[i] + 1) - math.lgamma(k[i] + 1) - math.lgamma(n[i] - k[i] + 1)
        loglik[i] += math.lgamma(k[i] + a)
        loglik[i] += math.lgamma(n[i] - k[i] + b)
        loglik[i] -= math.lgamma(n[i] + kappa)
        loglik[i] += math.lgamma(kappa)
        loglik[i] -= math.lgamma(a)
        loglik[i] -= math.lgamma(b)
        by_a = digamma(k[i] + a) - digamma(a)
        by_b = digamma(n[i] - k[i] + b) - digamma(b)
        both = digamma(kappa) - digamma(n[i] + kappa)
        slope[i, 0] = (by_a - by_b) * kappa * p * (1 - p)
        by_log_kappa += kappa * (p * by_a + (1 - p) * by_b + both)
    return by_log_kappa
