"""A model as the sampler and the checks take it: one noun for all likelihoods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.questions.fit.data import InteractionData
from kaptrial.questions.fit.layout import Layout
from kaptrial.questions.fit.scales import WIDTHS, coefficient_widths, scaled

Likelihood = Literal["normal", "binary", "abstinent_days"]
LIKELIHOODS: tuple[Likelihood, ...] = ("normal", "binary", "abstinent_days")
Given = Mapping[str, Floats]


@dataclass(frozen=True)
class InteractionModel:
    """`density(theta, scores, given)`: log density and gradient in the unconstrained parameters, `given` as of
    `scales.prior_data`. `parts(thetas, scores)`: each patient's log likelihood, (draw, patient). `natural(thetas)`:
    named parameters and what derives from them. `replicas(named, expected, rng)`: scores drawn, (draw, patient,
    visit). `risk(expected, named)`: the mean outcome of patients with these predictors, for the g-computation.
    `spread_draws(n, rng, widths)`: draws of the likelihood's own blocks from their prior, in their order.
    `spread_log_prior(named, widths)`: the log density of that prior by block, where it is not constant. `start`: where
    to begin.
    """

    likelihood: Likelihood
    data: InteractionData
    layout: Layout
    density: Callable[[Floats, Floats, Given], tuple[float, Floats]]
    parts: Callable[[Floats, Floats], Floats]
    natural: Callable[[Floats], dict[str, Floats]]
    replicas: Callable[[Mapping[str, Floats], Floats, np.random.Generator], Floats]
    risk: Callable[[Floats, Mapping[str, Floats]], Floats]
    spread_draws: Callable[[int, np.random.Generator, Mapping[str, float]], Floats]
    spread_log_prior: Callable[[Mapping[str, Floats], Mapping[str, float]], dict[str, Floats]]
    start: Floats

    def expected(self, thetas: Floats, x: Floats | None = None) -> Floats:
        """Each patient's mean or logit, (draw, patient, visit).

        Where `x` is given with these effects acting, and an average therapist or none.
        """
        from kaptrial.questions.fit.density.likelihoods import predictors
        from kaptrial.questions.fit.density.linear import Patients

        lay = self.layout
        out = np.empty((len(thetas), len(lay.z), lay.n_visits))
        acting = lay.x if x is None else np.ascontiguousarray(x)
        therapist = lay.therapist if x is None else np.full_like(lay.therapist, -1)
        predictors(np.ascontiguousarray(thetas), lay.at, Patients(acting, lay.z, lay.w, therapist), out)
        return out


def linear_prior(given: Given, unit: float, columns_alike: Floats, *, centre: float, linked: bool) -> Any:
    """The prior as the densities take it, widths in points or logits; `centre`: of the means' prior."""
    from kaptrial.questions.fit.density.linear import Prior

    width = scaled({name: float(given[f"width_{name}"]) for name in WIDTHS}, unit, linked=linked)
    rest = np.array([width[name] for name in ("means", "slopes", "log_sds", "therapists", "log_ratios")])
    coefficients = coefficient_widths(width, columns_alike)
    return Prior(given["prior_weight"], given["prior_mean"], given["prior_root"], centre, rest, coefficients)
