"""Simulation-based calibration: ranks of prior draws among posterior draws, and bands for their distribution.

(Talts et al. 2018, arXiv:1804.06788; simultaneous bands as Säilynoja, Bürkner & Vehtari 2022, Stat Comput 32:32, here
by simulation of uniform ranks.)
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def rank(true: float, draws: Floats) -> int:
    """How many of the draws lie below the value that made the data."""
    return int(np.sum(draws < true))


def ecdf_difference(ranks: Ints, n_draws: int) -> tuple[Floats, Floats]:
    """Points in (0, 1) and the ranks' empirical distribution function there, less the uniform one."""
    at = np.arange(1, n_draws + 1) / (n_draws + 1)
    below = np.searchsorted(np.sort(ranks), np.arange(n_draws), side="right") / len(ranks)
    return at, below - at


@cache
def band(n_fits: int, n_draws: int, level: float, *, seed: int = 0, simulations: int = 20_000) -> tuple[Floats, Floats]:
    """Lower and upper bound of `ecdf_difference` that uniform ranks stay within everywhere with probability `level`."""
    at = np.arange(1, n_draws + 1) / (n_draws + 1)
    rng = np.random.default_rng(seed)
    least = np.empty(simulations)
    for i in range(simulations):
        counts = np.cumsum(np.bincount(rng.integers(0, n_draws + 1, n_fits), minlength=n_draws + 1))[:n_draws]
        least[i] = np.min(_tail(counts, n_fits, at))
    gamma = np.quantile(least, 1 - level)
    return binom.ppf(gamma / 2, n_fits, at) / n_fits - at, binom.ppf(1 - gamma / 2, n_fits, at) / n_fits - at


def _tail(counts: Ints, n_fits: int, at: Floats) -> Floats:
    return 2 * np.minimum(binom.cdf(counts, n_fits, at), binom.sf(counts - 1, n_fits, at))


def inside(ranks: Ints, n_draws: int, level: float) -> bool:
    """Whether the ranks' distribution stays within the band everywhere."""
    _, difference = ecdf_difference(ranks, n_draws)
    low, high = band(len(ranks), n_draws, level)
    return bool(np.all((difference >= low - 1e-12) & (difference <= high + 1e-12)))
