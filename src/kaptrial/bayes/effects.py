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
from scipy.special import ndtri

from kaptrial.arrays import Floats
from kaptrial.spec.errors import ScenarioError
from kaptrial.spec.sourced import nearest

Role = Literal["drug", "therapy", "interaction"]
Better = Literal["lower", "higher"]

# assumption: an effect of half an SD is one that a trial would be planned for (g 0.43 in cuijpers2014).
HOPED = 0.5
# The SD under which an effect of HOPED or more has probability .05 for the sceptic, and none at all for the optimist
# (Spiegelhalter, Freedman & Parmar 1994, JRSS A 157:357).
DOUBT = HOPED / float(ndtri(0.95))
# cuijpers2014: therapy added to a drug, Hedges g 0.43 (95 % interval 0.31 to 0.56), hence the SE.
ADDED, ADDED_SE = 0.43, (0.56 - 0.31) / (2 * float(ndtri(0.975)))
# assumption: SD between trials of that effect, and of an interaction that the same source calls absent ("largely
# independent") without a figure.
BETWEEN_TRIALS, INTERACTION_SD = 0.2, 0.25
# assumption: weight of the weak prior beside the evidence, so that conflicting data can overrule it (Schmidli and
# colleagues 2014, Biometrics 70:1023).
ROBUST = 0.2
# assumption: effects at days t and u correlate exp(-|log(1 + t) - log(1 + u)| / SMOOTHING) in the prior: .51 between
# days 1 and 28, .84 between days 28 and 56. Under `flat` it does nothing.
SMOOTHING = 4.0

# Each prior: (weight, {role: (mean towards benefit, SD)}) in SD units.
_Table = tuple[tuple[float, dict[Role, tuple[float, float]]], ...]
_WEAK: dict[Role, tuple[float, float]] = {"drug": (0.0, 1.0), "therapy": (0.0, 1.0), "interaction": (0.0, 1.0)}
_TABLES: dict[str, _Table] = {
    "flat": ((1.0, {"drug": (0.0, 100.0), "therapy": (0.0, 100.0), "interaction": (0.0, 100.0)}),),
    "weak": ((1.0, _WEAK),),
    "skeptical": ((1.0, {"drug": (0.0, 1.0), "therapy": (0.0, DOUBT), "interaction": (0.0, DOUBT)}),),
    "optimistic": ((1.0, {"drug": (0.0, 1.0), "therapy": (HOPED, DOUBT), "interaction": (HOPED, DOUBT)}),),
    "additive_shrinkage": (
        (0.5, {"drug": (0.0, 1.0), "therapy": (0.0, 1.0), "interaction": (0.0, 0.1)}),
        (0.5, {"drug": (0.0, 1.0), "therapy": (0.0, 1.0), "interaction": (0.0, 0.5)}),
    ),
    "evidence": (
        (
            1 - ROBUST,
            {
                "drug": (0.0, 1.0),
                "therapy": (ADDED, float(np.hypot(ADDED_SE, BETWEEN_TRIALS))),
                "interaction": (0.0, INTERACTION_SD),
            },
        ),
        (ROBUST, _WEAK),
    ),
}  # fmt: skip
NAMES = tuple(_TABLES)
DESCRIPTIONS = {
    "flat": "all effects N(0, 100 SD): the data alone, to compare with maximum likelihood",
    "weak": "all effects N(0, 1 SD): larger ones are rare",
    "skeptical": f"therapy and interaction N(0, {DOUBT:.2f} SD): a benefit of {HOPED:g} SD has probability .05",
    "optimistic": f"therapy and interaction N({HOPED:g}, {DOUBT:.2f} SD) towards benefit: none has probability .05",
    "additive_shrinkage": "interaction N(0, 0.1 SD) or N(0, 0.5 SD), even odds: additive unless data say otherwise",
    "evidence": f"therapy g {ADDED:g} towards benefit (cuijpers2014; SD between trials {BETWEEN_TRIALS:g} assumed), "
    f"interaction N(0, {INTERACTION_SD:g} SD) assumed, and with weight {ROBUST:g} the weak prior",
}


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
    """A prior by name. `unit`: SD of the outcome between patients, in points. Raises ScenarioError for other names."""
    if name not in _TABLES:
        raise ScenarioError(f"prior = {name!r}: must be one of {', '.join(NAMES)}{nearest(name, NAMES)}")
    correlation = smoothness(days)
    sign = -1.0 if better == "lower" else 1.0
    components = []
    for weight, table in _TABLES[name]:
        mean = np.repeat([sign * unit * table[role][0] for role in roles], len(days))
        spread = np.array([unit * table[role][1] for role in roles])
        covariance = np.asarray(np.kron(np.diag(spread**2), correlation), dtype=np.float64)
        components.append(Component(weight=weight, mean=mean, covariance=covariance))
    return EffectPrior(name=name, roles=tuple(roles), days=tuple(map(float, days)), components=tuple(components))


def smoothness(days: Sequence[float]) -> Floats:
    """Prior correlation of one effect between days; days unknown (one visit) count as one."""
    at = np.log1p(np.nan_to_num(np.asarray(days, dtype=np.float64)))
    return np.exp(-np.abs(at[:, None] - at[None, :]) / SMOOTHING)
