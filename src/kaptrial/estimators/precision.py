"""How many patients a trial of one arm needs for a mean or a share as precise as wanted.

The t interval of a mean has half-width t_{n−1} s/√n. Its expectation is t_{n−1} σ c_n/√n with c_n = E(s)/σ =
√(2/(n − 1)) Γ(n/2)/Γ((n − 1)/2), and it is at most w with probability P(χ²_{n−1} ≤ (n − 1) n w²/(t²_{n−1} σ²)) (Kupper
& Hafner 1989, The American Statistician 43:101-105). The expected half-width of Clopper and Pearson's interval is a sum
over the binomial distribution of the responders.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtr, gammaln, stdtrit, xlog1py, xlogy

from kaptrial.arrays import Floats
from kaptrial.estimators.clopper_pearson import clopper_pearson

_MOST_PATIENTS = 10_000_000


def expected_half_width_of_mean(n: ArrayLike, sd: float, alpha: float = 0.05) -> Floats:
    """Expected half-width of the two-sided 1 − alpha t interval of a mean of n normal values, in the units of `sd`."""
    size = np.asarray(n, dtype=float)
    mean_s = np.sqrt(2.0 / (size - 1.0)) * np.exp(gammaln(size / 2.0) - gammaln((size - 1.0) / 2.0))
    return stdtrit(size - 1.0, 1.0 - alpha / 2.0) * sd * mean_s / np.sqrt(size)


def assurance_of_mean(n: ArrayLike, half_width: float, sd: float, alpha: float = 0.05) -> Floats:
    """Probability that the half-width of that interval is at most `half_width`."""
    size = np.asarray(n, dtype=float)
    t = stdtrit(size - 1.0, 1.0 - alpha / 2.0)
    return chdtr(size - 1.0, (size - 1.0) * size * (half_width / (t * sd)) ** 2)


def expected_half_width_of_share(n: int, share: float, alpha: float = 0.05) -> float:
    """Expected half-width of Clopper and Pearson's two-sided 1 − alpha interval of the share among n patients."""
    k = np.arange(n + 1)
    choose = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
    probability = np.exp(choose + xlogy(k, share) + xlog1py(n - k, -share))
    lower, upper = clopper_pearson(k, n, alpha)
    return float(probability @ (upper - lower)) / 2.0


def size_for_mean(half_width: float, sd: float, *, alpha: float = 0.05, assurance: float | None = None) -> int:
    """Smallest n whose expected half-width is at most `half_width`; with `assurance`, whose half-width is so with that
    probability. Raises ValueError if ten million are too few.
    """
    if assurance is None:
        return _smallest(2, lambda n: bool(expected_half_width_of_mean(n, sd, alpha) <= half_width))
    return _smallest(2, lambda n: bool(assurance_of_mean(n, half_width, sd, alpha) >= assurance))


def size_for_share(half_width: float, share: float, *, alpha: float = 0.05) -> int:
    """Smallest n whose expected half-width is at most `half_width`. Raises ValueError if ten million are too few."""
    return _smallest(1, lambda n: expected_half_width_of_share(n, share, alpha) <= half_width)


def _smallest(first: int, enough: Callable[[int], bool]) -> int:
    """Smallest n from `first` on that is enough, by doubling and halving: all larger n are enough too."""
    low, high = first - 1, first
    while not enough(high):
        low, high = high, 2 * high
        if high > _MOST_PATIENTS:
            raise ValueError("no sample of up to ten million patients is that precise")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
