"""A trial of one arm: change from baseline and share of responders with their intervals, and the size for those.

The t interval of a mean has half-width t_{n−1} s/√n. Its expectation is t_{n−1} σ c_n/√n with c_n = E(s)/σ =
√(2/(n − 1)) Γ(n/2)/Γ((n − 1)/2), and it is at most w with probability P(χ²_{n−1} ≤ (n − 1) n w²/(t²_{n−1} σ²)) (Kupper
& Hafner 1989, The American Statistician 43:101-105). The expected half-width of Clopper and Pearson's interval is a sum
over the binomial distribution of the responders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, chdtr, gammaln, stdtrit, xlog1py, xlogy

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators.ancova import ancova
from kaptrial.estimators.binary import clopper_pearson
from kaptrial.estimators.fit import Failure, Fit

_MOST_PATIENTS = 10_000_000


def mean_change(change: Floats, benchmark: float | None = None) -> Fit:
    """Mean of each replicate's changes with its SE and n − 1 degrees of freedom; change : (replicate, patient).

    The test asks whether the mean is `benchmark`, or 0.
    """
    fit = ancova(change, np.zeros(change.shape, dtype=np.int64), np.empty((*change.shape, 0)), [1.0])
    return fit if benchmark is None else replace(fit, null=np.full(len(change), benchmark))


@dataclass(frozen=True, kw_only=True)
class Share(Fit):
    """A share of `n` patients with exact inference; its SE, √(p(1 − p)/n), serves neither test nor interval."""

    n: Ints

    @property
    def p(self) -> Floats:
        """2·min(P(X ≤ k), P(X ≥ k)) under `null`: below alpha where the 1 − alpha interval leaves `null` out.

        NaN where there is no null.
        """
        if self.null is None:
            return np.full(len(self.n), np.nan)
        k = np.where(self.n > 0, np.round(self.estimate * self.n), 0.0)
        least = np.where(k == 0, 1.0, betainc(np.maximum(k, 1), self.n - k + 1, self.null))
        most = np.where(k == self.n, 1.0, betainc(np.maximum(self.n - k, 1), k + 1, 1.0 - self.null))
        return np.where(self.n > 0, np.minimum(1.0, 2.0 * np.minimum(least, most)), np.nan)

    def interval(self, alpha: float) -> tuple[Floats, Floats]:
        """Clopper and Pearson's two-sided 1 − alpha interval."""
        return clopper_pearson(np.where(self.n > 0, np.round(self.estimate * self.n), 0.0), self.n, alpha)


def response(y: Floats, benchmark: float | None = None) -> Share:
    """Share of responders, with a test of `benchmark` if one is given.

    y : (replicate, patient); 1 for response, 0 for none, NaN for not observed.
    """
    n = (~np.isnan(y)).sum(axis=1)
    estimate = np.where(n > 0, np.nansum(y, axis=1) / np.maximum(n, 1), np.nan)
    return Share(
        estimate=estimate,
        se=np.sqrt(estimate * (1.0 - estimate) / np.maximum(n, 1)),
        df=np.where(n > 0, np.inf, np.nan),
        failure=np.where(n == 0, int(Failure.TOO_FEW_PATIENTS), int(Failure.NONE)),
        null=None if benchmark is None else np.full(len(y), benchmark),
        n=n,
    )


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
