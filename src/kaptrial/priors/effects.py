"""Named priors of the effects in a trial, by visit: what an analysis believes before it sees the data.

A named prior speaks of the estimand asked alone, one contrast on one day. All other effects are wide given it, so that
no belief about them can move it: in 0/1 coding a sceptic's prior of the therapy would push what the therapy does into
the interaction.

A prior is a finite mixture of normals over the vector of all effects at all days, so that the PyMC models and the fast
posterior use the same one. It is stated in SDs of the outcome between patients (`unit`) and turned into points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from kaptrial.arrays import Floats
from kaptrial.catalogue.effect_priors import NAMES, TABLES
from kaptrial.errors import ABSENT, FieldError, nearest
from kaptrial.priors.own import Parts, parts_of
from kaptrial.scenario.own_prior import OwnPrior, has_edge, is_expression

Role = Literal["drug", "therapy", "interaction"]
ROLES: tuple[Role, ...] = get_args(Role)
Better = Literal["lower", "higher"]

# SD of the effects that are not asked about, in SDs of the outcome: worth less than a hundredth of the data of 12
# patients an arm.
ELSEWHERE = 10.0
# Under `flat` effects at days t and u correlate exp(-|log(1 + t) - log(1 + u)| / SMOOTHING), which does nothing there.
SMOOTHING = 4.0
# A prior worth more than this share of a trial's patients is named.
LARGE = 0.25
# Points about each component at which a prior's information is summed up, and how many SDs they reach.
_POINTS, _REACH = 2001, 9.0


@dataclass(frozen=True, kw_only=True)
class Component:
    """One normal of a mixture: `mean` (effect × day,) and `covariance` in points, days fastest."""

    weight: float
    mean: Floats
    covariance: Floats


@dataclass(frozen=True, kw_only=True)
class EffectPrior:
    """A prior of the effects with these roles at these days: a mixture of normals.

    `asked`: the estimand that it speaks of, as weights over the vectors of the components. The components differ in
    the distribution of that combination alone, not in that of the effects given it.
    """

    name: str
    roles: tuple[Role, ...]
    days: tuple[float, ...]
    asked: Floats
    components: tuple[Component, ...]
    edge: bool = False

    def along(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """Weights, means and SDs of the mixture of one linear combination of the effects, (component,)."""
        means = np.array([weights @ c.mean for c in self.components])
        sds = np.array([np.sqrt(weights @ c.covariance @ weights) for c in self.components])
        return np.array([c.weight for c in self.components]), means, sds

    def information(self, weights: Floats) -> float:
        """What one such prior says of a linear combination, as data would: 1/variance if it is normal.

        In general the mean of −(log p)'' (the local information of Neuenschwander and colleagues 2020, Biometrics
        76:578), which is ∫ p'²/p; of a prior with an edge, where that is not finite, 1/variance.
        """
        share, mean, sd = self.along(weights)
        if self.edge:
            centre = share @ mean
            return float(1 / (share @ (sd**2 + (mean - centre) ** 2)))
        x = np.unique(np.linspace(mean - _REACH * sd, mean + _REACH * sd, _POINTS))
        z = (x[:, None] - mean) / sd
        parts = share / sd * np.exp(-0.5 * z * z)
        slope, density = (parts * z / sd).sum(axis=1), parts.sum(axis=1)
        return float(np.trapezoid(slope**2 / np.maximum(density, 1e-300), x) / np.sqrt(2 * np.pi))

    def density(self, weights: Floats, x: Floats) -> Floats:
        """The prior density of a linear combination of the effects at the points x."""
        share, mean, sd = self.along(weights)
        return np.asarray(stats.norm.pdf(np.asarray(x)[..., None], mean, sd) @ share)

    def quantiles(self, weights: Floats, levels: ArrayLike) -> Floats:
        """The prior quantiles of a linear combination of the effects at these levels."""
        share, mean, sd = self.along(weights)
        normals = [stats.Normal(mu=m, sigma=s) for m, s in zip(mean, sd, strict=True)]
        return np.asarray(stats.Mixture(normals, weights=share).icdf(np.asarray(levels)))


@dataclass(frozen=True, kw_only=True)
class Belief:
    """What a prior says of the effect that is asked about, by the effect's role: parts of a mixture in SDs of the
    outcome, means towards benefit. `edge`: as of an `EffectPrior`."""

    name: str
    parts: Mapping[Role, Parts]
    edge: bool = False


def belief(name: str, own: Mapping[str, OwnPrior] | None = None) -> Belief:
    """A prior of the catalogue or one of one's `own`, by name; or what an expression such as `normal(0, 0.3)` states of
    an effect of any kind. Raises FieldError for what is none of them.
    """
    if own is not None and name in own:
        stated = own[name].by_role
        parts = {role: parts_of(stated[role]) for role in ROLES if role in stated}
        return Belief(name=name, parts=parts, edge=any(map(has_edge, stated.values())))
    if is_expression(name):
        return Belief(name=name, parts=dict.fromkeys(ROLES, parts_of(name)), edge=has_edge(name))
    if name not in TABLES:
        allowed = f"must be one of {', '.join(NAMES)}, or stated, such as normal(0, 0.3){nearest(name, NAMES)}"
        raise FieldError("prior", name, allowed)
    return Belief(
        name=name, parts={role: tuple((weight, *table[role]) for weight, table in TABLES[name]) for role in ROLES}
    )


def named(
    prior: str | Belief,
    *,
    roles: Sequence[Role],
    days: Sequence[float],
    contrast: ArrayLike,
    visit: int,
    unit: float,
    better: Better = "lower",
    elsewhere: float = ELSEWHERE,
) -> EffectPrior:
    """A prior, by name or stated, of a contrast at a visit. Raises FieldError for other names, and where the prior says
    nothing of effects of that kind.

    `contrast`: weights over the effects, (effect,). `unit`: SD of the outcome between patients, in points. `elsewhere`:
    SD of what is not asked about, in units. Under `flat` all effects are N(0, 100 units), whatever is asked.
    """
    stated = belief(prior) if isinstance(prior, str) else prior
    name = stated.name
    at_visit = np.eye(len(days))[visit]
    asked = np.kron(np.asarray(contrast, dtype=np.float64), at_visit)
    role, sign = role_of(roles, contrast), -1.0 if better == "lower" else 1.0
    if name == "flat":
        spread = np.array([unit * TABLES[name][0][1][each][1] for each in roles])
        covariance = np.asarray(np.kron(np.diag(spread**2), smoothness(days)), dtype=np.float64)
        components = [Component(weight=1.0, mean=np.zeros(len(asked)), covariance=covariance)]
    else:
        between = (unit * elsewhere) ** 2 * _between_effects(roles)
        wide = np.asarray(np.kron(between, np.eye(len(days))), dtype=np.float64)
        if role not in stated.parts:
            raise FieldError(
                role, ABSENT, f"the effect asked about is of this kind, and prior {name} says nothing of it"
            )
        parts = stated.parts[role]
        components = [_with_marginal(wide, asked, w, sign * unit * mean, unit * sd) for w, mean, sd in parts]
    return EffectPrior(
        name=name, roles=tuple(roles), days=tuple(map(float, days)), asked=asked, components=tuple(components),
        edge=stated.edge,
    )  # fmt: skip


def role_of(roles: Sequence[Role], contrast: ArrayLike) -> Role:
    """The role of a contrast of effects: interaction if it is that alone, therapy if it has any, else drug."""
    acts = np.abs(np.asarray(contrast, dtype=np.float64)) > 1e-9
    within = {role for role, does in zip(roles, acts, strict=True) if does}
    if within == {"interaction"}:
        return "interaction"
    return "therapy" if "therapy" in within else "drug"


def _between_effects(roles: Sequence[Role]) -> Floats:
    """Covariance of independent effects with variance 1, each averaged over the levels of the other factor in a 2×2."""
    averaged = np.eye(len(roles))
    if "interaction" in roles:
        interaction = roles.index("interaction")
        averaged[:interaction, interaction] = 0.5
    effects = np.linalg.inv(averaged)
    return np.asarray(effects @ effects.T)


def _with_marginal(wide: Floats, asked: Floats, weight: float, mean: float, sd: float) -> Component:
    """The normal N(0, wide) with the distribution of one combination replaced, and that of the rest given it kept."""
    variance = asked @ wide @ asked
    slope = wide @ asked / variance
    along = np.outer(slope, slope)
    return Component(weight=weight, mean=slope * mean, covariance=(wide - variance * along) + sd**2 * along)


def smoothness(days: Sequence[float]) -> Floats:
    """Prior correlation of one effect between days; days unknown (one visit) count as one."""
    at = np.log1p(np.nan_to_num(np.asarray(days, dtype=np.float64)))
    return np.exp(-np.abs(at[:, None] - at[None, :]) / SMOOTHING)
