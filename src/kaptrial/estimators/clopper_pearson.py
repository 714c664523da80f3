"""The exact interval of a share (Clopper & Pearson 1934, Biometrika 26:404-413)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from kaptrial.arrays import Floats


def clopper_pearson(events: ArrayLike, n: ArrayLike, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """The two-sided 1 − alpha interval of a proportion, any shape; NaN for n = 0."""
    k, total = np.broadcast_arrays(np.asarray(events, dtype=float), np.asarray(n, dtype=float))
    with np.errstate(invalid="ignore"):
        lower = np.where(k == 0, 0.0, betaincinv(np.maximum(k, 1), total - k + 1, alpha / 2))
        upper = np.where(k == total, 1.0, betaincinv(k + 1, np.maximum(total - k, 1), 1 - alpha / 2))
    return np.where(total > 0, lower, np.nan), np.where(total > 0, upper, np.nan)
