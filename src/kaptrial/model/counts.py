"""Counts of events: Poisson given the rate, by the inverse of the distribution function."""

from __future__ import annotations

import numpy as np

from kaptrial.arrays import Floats

# Means above this are inverted by the library, whose search does not begin at 0.
_LARGE = 500.0


def poisson(u: Floats, mean: Floats) -> Floats:
    """The Poisson count whose distribution function is the first to exceed the uniform `u`; both of one shape."""
    u, mean = np.broadcast_arrays(u, mean)
    count = np.zeros(u.shape)
    large = mean > _LARGE
    if large.any():
        from scipy.stats import poisson as library

        count[large] = library.ppf(u[large], mean[large])
    at = np.flatnonzero(~large.ravel())
    flat_u, flat_mean, out = u.ravel(), mean.ravel(), count.ravel()
    p = np.exp(-flat_mean[at])
    total, k = p.copy(), 0
    while True:
        # What is left of the sum is lost in rounding where p is 0: u is then the last that can be told apart.
        more = (flat_u[at] >= total) & (p > 0)
        if not more.any():
            return out.reshape(u.shape)
        at, p, total, k = at[more], p[more], total[more], k + 1
        out[at] = k
        p = p * flat_mean[at] / k
        total = total + p
