"""Stated priors as mixtures of normals, the form that all posteriors take.

What is no normal becomes a mixture whose distribution function is within `ERROR` of its own.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import optimize, stats

from kaptrial.arrays import Floats
from kaptrial.scenario.own_prior import parsed

# Weight, mean and SD of each part of a mixture.
Parts = tuple[tuple[float, float, float], ...]
ERROR = 0.005


@cache
def parts_of(text: str) -> Parts:
    """The mixture of normals that an expression states. Raises FieldError, without a field, for what cannot be read."""
    return tuple(
        (share * weight, mean, sd)
        for share, family, numbers in parsed(text)
        for weight, mean, sd in _normals(family, numbers)
    )


def _normals(family: str, numbers: tuple[float, ...]) -> Parts:
    if family == "normal":
        return ((1.0, *numbers),)  # type: ignore[return-value]  # mean and SD
    if family == "t":
        mean, scale, df = numbers
        return tuple((weight, mean, scale * sd) for weight, _, sd in _t(df))
    (scale,) = numbers
    return tuple((weight, scale * mean, scale * sd) for weight, mean, sd in _half_normal())


def _t(df: float) -> Parts:
    """Student's t: normals about 0, their precisions quantiles of the gamma distribution that makes the t."""
    precisions = np.asarray(stats.gamma.ppf([0.0005, 0.005, 0.03, 0.1, 0.25, 0.5, 0.75, 0.95], df / 2, scale=2 / df))
    x = np.linspace(-12, 12, 481)
    return _fitted(x, stats.t.cdf(x, df), np.zeros(len(precisions)), 1 / np.sqrt(precisions))


@cache
def _half_normal() -> Parts:
    """|z|, z standard normal: normals whose SDs shrink with their means towards the edge at 0."""
    means = [0.005]
    while means[-1] < 2.4:
        means.append(min(1.8 * means[-1], means[-1] + 0.55))
    x = np.linspace(-0.3, 4.5, 4801)
    exact = np.where(x > 0, 2 * stats.norm.cdf(x) - 1, 0.0)
    return _fitted(x, exact, np.array(means), np.minimum(0.35 * np.array(means), 0.8))


def _fitted(x: Floats, exact: Floats, means: Floats, sds: Floats) -> Parts:
    """The weights of these normals that come nearest to a distribution function; those without weight are left out."""
    below = stats.norm.cdf(x[:, None], means, sds)
    heavy = 1e3  # makes the weights sum to 1
    weights, _ = optimize.nnls(np.vstack([below, np.full(len(means), heavy)]), np.append(exact, heavy))
    weights /= weights.sum()
    parts = zip(weights, means, sds, strict=True)
    return tuple((float(weight), float(mean), float(sd)) for weight, mean, sd in parts if weight > 1e-6)
