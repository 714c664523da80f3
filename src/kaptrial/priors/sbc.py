"""Simulation-based calibration: ranks of prior draws among posterior draws, and bands for their distribution.

(Talts et al. 2018, arXiv:1804.06788; simultaneous bands as Säilynoja, Bürkner & Vehtari 2022, Stat Comput 32:32, here
by simulation of uniform ranks.)
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import binom

from kaptrial.arrays import Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

# Posterior draws that a prior draw is ranked among, thinned to be nearly independent.
RANKED_DRAWS = 63
# Columns of a table of ranks, one row a fit, that are no parameters.
NOT_RANKED = ("fit", "r_hat", "divergences")


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


def thinned(draws: Floats) -> Floats:
    """RANKED_DRAWS of the draws, evenly along the first axis."""
    return draws[np.linspace(0, len(draws) - 1, RANKED_DRAWS).round().astype(np.int64)]


def ranked(table: pd.DataFrame) -> list[str]:
    """The parameters that a table of ranks holds."""
    return [str(name) for name in table if name not in NOT_RANKED]


def level(table: pd.DataFrame) -> float:
    """Of each parameter's band, so that all of them hold together with probability .95."""
    return 1 - 0.05 / len(ranked(table))


def outside(table: pd.DataFrame) -> list[str]:
    """Parameters whose ranks leave their simultaneous band."""
    at = level(table)
    return [name for name in ranked(table) if not inside(table[name].to_numpy(), RANKED_DRAWS, at)]
