"""The mean of the naive estimate after looks, and the estimate that is adjusted for its bias (Whitehead 1986)."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import make_interp_spline

from kaptrial.arrays import Floats
from kaptrial.estimators.sequential.recursion import COARSE, FINE, Grid, finest_of, go_on, start, zero

# The estimate is looked for within so many SDs that the first look's has. Of many trials of one design it is read off a
# spline through points so far apart, in SDs that an estimate with all information has; errors are below 1e-5 of these.
_REACH, _APART = 4.0, 0.16


def mean_estimate(
    information: Floats,
    low: Floats,
    upper: Floats,
    drift: float | Floats,
    *,
    decided: Floats | None = None,
    grid: Grid = FINE,
) -> Floats:
    """The mean of S/I at the end of a trial whose θ is `drift`.

    Parameters
    ----------
    information, low, upper : (…, look)
        All looks of the design, and between which statistics it goes on.
    drift : (…)
    decided : (…, look), optional
        The information once those under way at a look are observed, where the estimate waits for them.
    """
    drift = np.asarray(drift, dtype=float)
    shape = np.broadcast_shapes(drift.shape, information.shape[:-1])
    ends = information if decided is None else decided
    now, finest, mean = start(shape), finest_of(information), np.zeros(shape)
    for k in range(information.shape[-1]):
        at = np.broadcast_to(information[..., k], shape)
        stopped = np.sum(now.mass, axis=-1)
        score = np.sum(now.mass * now.score, axis=-1) + drift * (at - now.information) * stopped
        if k + 1 < information.shape[-1]:
            now = go_on(now, at, drift, low[..., k], upper[..., k], finest=finest, grid=grid)
            stopped = stopped - np.sum(now.mass, axis=-1)
            score = score - np.sum(now.mass * now.score, axis=-1)
        mean = mean + (score + drift * (ends[..., k] - at) * stopped) / ends[..., k]
    return mean


def bias_adjusted(
    estimate: Floats,
    information: Floats,
    low: Floats,
    upper: Floats,
    *,
    decided: Floats | None = None,
    grid: Grid = COARSE,
) -> Floats:
    """The θ under which the mean of the naive estimate is the one seen, (…) (Whitehead 1986, Biometrika 73:573-581).

    It counts on all looks of the design, those too that did not come about. That mean rises with θ everywhere: its
    slope is the mean of (S − θI)²/I.
    """
    estimate = np.asarray(estimate, dtype=float)
    reach = _REACH / np.sqrt(information[..., 0])

    def mean(drift: Floats) -> Floats:
        return mean_estimate(information, low, upper, drift, decided=decided, grid=grid)

    drifts = np.arange(np.min(estimate - reach), np.max(estimate + reach) + _APART, _APART)
    if information.ndim == 1 and len(drifts) < estimate.size:
        return np.asarray(make_interp_spline(mean(drifts), drifts)(estimate))
    return zero(lambda drift: mean(drift) - estimate, estimate - reach, estimate + reach)
