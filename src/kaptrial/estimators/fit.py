"""What every estimator returns: a linear contrast's estimate with its standard error and degrees of freedom."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

from kaptrial.arrays import Bools, Floats, Ints

# With fewer in an arm no way to share six patients out is rarer than .1, while errors of large samples claim any p.
LEAST_PATIENTS = 4


class Failure(IntEnum):
    """Why a replicate has no estimate. A failed replicate counts as a non-rejection."""

    NONE = 0
    TOO_FEW_PATIENTS = 1
    NO_RESIDUAL_VARIANCE = 2
    CONFOUNDED_COVARIATE = 3
    NOT_CONVERGED = 4
    SINGULAR_COVARIANCE = 5
    SEPARATION = 6
    NO_EVENTS = 7
    TOO_FEW_THERAPISTS = 8
    ALL_THE_SAME = 9
    NOT_OBSERVED = 10


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Estimates of one contrast, each of shape (replicate,); NaN where `failure` is not NONE.

    `fell_back`: where another than the first of the models declared was fitted; None where only one was. `null`: the
    value that the test asks about; None for 0. Of simulated trials also what is known of the draws behind them, each
    (replicate, component) (simulation/arm_sums.py: KnownDraws).
    """

    estimate: Floats
    se: Floats
    df: Floats
    failure: Ints
    fell_back: Bools | None = None
    null: Floats | None = None
    normals: Floats | None = None
    within: Floats | None = None
    centred: Floats | None = None

    @property
    def usual_failure(self) -> str:
        """Why most of the replicates without an estimate have none, in words."""
        reasons = self.failure[self.failure != Failure.NONE]
        return Failure(int(np.bincount(reasons).argmax())).name.lower().replace("_", " ") if len(reasons) else ""

    @property
    def departure(self) -> Floats:
        """estimate − null."""
        return self.estimate if self.null is None else self.estimate - self.null

    @property
    def statistic(self) -> Floats:
        """(estimate − null) / se."""
        return self.departure / self.se

    @property
    def p(self) -> Floats:
        """Two-sided p-value of the t distribution with `df`."""
        from scipy.special import stdtr

        return 2.0 * stdtr(self.df, -np.abs(self.statistic))

    def interval(self, alpha: float) -> tuple[Floats, Floats]:
        """Lower and upper end of the two-sided 1 − alpha confidence interval."""
        from scipy.special import stdtrit

        half = stdtrit(self.df, 1.0 - alpha / 2.0) * self.se
        return self.estimate - half, self.estimate + half


def too_few(seen: Bools, arm: Ints, weights: ArrayLike) -> Bools:
    """Whether an arm that is compared has fewer patients `seen` than an error of large samples needs, (replicate,)."""
    used = np.flatnonzero(np.asarray(weights, dtype=float))
    return np.stack([(seen & (arm == a)).sum(axis=1) < LEAST_PATIENTS for a in used]).any(axis=0)
