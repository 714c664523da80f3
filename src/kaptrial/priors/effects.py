"""Named priors of the effects in a trial, by visit: what an analysis believes before it sees the data.

A prior is a finite mixture of normals over the vector of all effects at all days, so that the PyMC models and the fast
posterior use the same one. It is stated in SDs of the outcome between patients (`unit`) and turned into points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from kaptrial.arrays import Floats
from kaptrial.catalogue.effect_priors import NAMES, TABLES
from kaptrial.errors import FieldError, nearest

Role = Literal["drug", "therapy", "interaction"]
Better = Literal["lower", "higher"]

# assumption: effects at days t and u correlate exp(-|log(1 + t) - log(1 + u)| / SMOOTHING) in the prior: .51 between
# days 1 and 28, .84 between days 28 and 56. Under `flat` it does nothing.
SMOOTHING = 4.0


@dataclass(frozen=True, kw_only=True)
class Component:
    """One normal of a mixture: `mean` (effect × day,) and `covariance` in points, days fastest."""

    weight: float
    mean: Floats
    covariance: Floats


@dataclass(frozen=True, kw_only=True)
class EffectPrior:
    """A prior of the effects with these roles at these days: a mixture of normals."""

    name: str
    roles: tuple[Role, ...]
    days: tuple[float, ...]
    components: tuple[Component, ...]

    def index(self, role: Role, day: float) -> int:
        """The place of an effect at a day in the vectors of the components."""
        return self.roles.index(role) * len(self.days) + self.days.index(day)

    def along(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """Weights, means and SDs of the mixture of one linear combination of the effects, (component,)."""
        means = np.array([weights @ c.mean for c in self.components])
        sds = np.array([np.sqrt(weights @ c.covariance @ weights) for c in self.components])
        return np.array([c.weight for c in self.components]), means, sds

    def density(self, weights: Floats, x: Floats) -> Floats:
        """The prior density of a linear combination of the effects at the points x."""
        share, mean, sd = self.along(weights)
        return np.asarray(stats.norm.pdf(np.asarray(x)[..., None], mean, sd) @ share)

    def quantiles(self, weights: Floats, levels: ArrayLike) -> Floats:
        """The prior quantiles of a linear combination of the effects at these levels."""
        share, mean, sd = self.along(weights)
        normals = [stats.Normal(mu=m, sigma=s) for m, s in zip(mean, sd, strict=True)]
        return np.asarray(stats.Mixture(normals, weights=share).icdf(np.asarray(levels)))


def named(
    name: str, *, roles: Sequence[Role], days: Sequence[float], unit: float, better: Better = "lower"
) -> EffectPrior:
    """A prior by name. `unit`: SD of the outcome between patients, in points. Raises FieldError for other names."""
    if name not in TABLES:
        raise FieldError("prior", name, f"must be one of {', '.join(NAMES)}{nearest(name, NAMES)}")
    correlation = smoothness(days)
    sign = -1.0 if better == "lower" else 1.0
    components = []
    for weight, table in TABLES[name]:
        mean = np.repeat([sign * unit * table[role][0] for role in roles], len(days))
        spread = np.array([unit * table[role][1] for role in roles])
        covariance = np.asarray(np.kron(np.diag(spread**2), correlation), dtype=np.float64)
        components.append(Component(weight=weight, mean=mean, covariance=covariance))
    return EffectPrior(name=name, roles=tuple(roles), days=tuple(map(float, days)), components=tuple(components))


def smoothness(days: Sequence[float]) -> Floats:
    """Prior correlation of one effect between days; days unknown (one visit) count as one."""
    at = np.log1p(np.nan_to_num(np.asarray(days, dtype=np.float64)))
    return np.exp(-np.abs(at[:, None] - at[None, :]) / SMOOTHING)
