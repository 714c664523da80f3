"""A trial of one arm: change from baseline and share of responders with their intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import betainc

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators.ancova import ancova
from kaptrial.estimators.clopper_pearson import clopper_pearson
from kaptrial.estimators.fit import Failure, Fit


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
