"""Inference after a trial that may have stopped early, by stagewise ordering, and intervals that hold at every look."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.estimators.sequential.recursion import COARSE, FINE, Grid, above, finest_of, go_on, root, start

# Estimates are looked for within so many SDs of the naive one.
_REACH = 12.0


def p_value(
    z: Floats, information: Floats, low: Floats, upper: Floats, drift: float | Floats = 0.0, grid: Grid = FINE
) -> Floats:
    """The probability to stop as far out, or farther, than at the last of these looks with statistic z; one-sided.

    A stop for efficacy counts as farther out the earlier it comes (Armitage 1957; Tsiatis, Rosner & Mehta 1984,
    Biometrics 40:797-803; Jennison & Turnbull 2000, sections 8.4 and 8.5).

    Parameters
    ----------
    z : (…)
    information, low, upper : (…, look)
        The looks up to the one at which the trial stopped, and the boundaries of those before it.
    drift : (…)
        θ under which the probability is meant.
    """
    shape = np.broadcast_shapes(np.shape(z), np.shape(drift), information.shape[:-1])
    now, beyond = start(shape), np.zeros(shape)
    finest = finest_of(information)
    for k in range(information.shape[-1] - 1):
        at = np.broadcast_to(information[..., k], shape)
        beyond = beyond + above(now, at, drift, upper[..., k])
        now = go_on(now, at, drift, low[..., k], upper[..., k], finest=finest, grid=grid)
    return beyond + above(now, np.broadcast_to(information[..., -1], shape), drift, z)


def drift_at(
    probability: float, z: Floats, information: Floats, low: Floats, upper: Floats, grid: Grid = COARSE
) -> Floats:
    """The θ under which `p_value` is this: ½ gives the median-unbiased estimate, α/2 and 1 − α/2 the ends of the
    interval."""
    sd = np.sqrt(information[..., -1])
    return where_p_is(probability, z, sd, lambda drift: p_value(z, information, low, upper, drift, grid))


def where_p_is(probability: float, z: Floats, sd: Floats, p_at: Callable[[Floats], Floats]) -> Floats:
    """The θ at which a p-value that rises with it is this; `sd`: of the score at the end, with statistic `z`."""
    z = np.asarray(z, dtype=float)

    def rising(x: Floats) -> Floats:
        """In units of the SD of Z about the naive estimate."""
        return p_at((z + x) / sd)

    return (z + root(rising, np.full(z.shape, probability), low=-_REACH, high=_REACH)) / sd
