"""The parameters of an interaction model in one unconstrained vector, and out of it again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.questions.fit.data import InteractionData, standardised

# In the order of the vector. What `spread` holds is the likelihood's own.
BLOCKS = ("effects", "means", "slopes", "coefficients", "therapist_sd", "therapist_raw", "spread", "residual", "ratios")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """`at`: where each of `BLOCKS` begins, then the end. `x`, `z`, `w`: what effects, slopes, coefficients act on.
    `columns_alike`: of each column of `w`, how many belong to its category.
    """

    at: Ints
    x: Floats
    z: Floats
    w: Floats
    columns_alike: Floats
    therapist: Ints
    n_effects: int
    n_visits: int

    @property
    def size(self) -> int:
        """Number of parameters."""
        return int(self.at[-1])

    def block(self, theta: Floats, name: str) -> Floats:
        """The part of (draw, parameter) that belongs to a block."""
        b = BLOCKS.index(name)
        return theta[..., self.at[b] : self.at[b + 1]]


def layout(data: InteractionData, *, spread: int, residual: int = 0, ratios: int = 0) -> Layout:
    """The lay-out for these data, with so many parameters in the likelihood's own blocks."""
    n_visits = len(data.days)
    w = standardised(data.covariates) if data.covariates.shape[1] else data.covariates
    z = np.zeros(len(data.y)) if data.baseline is None else standardised(data.baseline)
    n_slopes, n_therapists = 0 if data.baseline is None else n_visits, data.n_therapists
    by_patient = [w.shape[1], int(n_therapists > 0), n_therapists]
    sizes = [len(data.effects) * n_visits, n_visits, n_slopes, *by_patient, spread, residual, ratios]
    at = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    x, w = np.ascontiguousarray(data.x), np.ascontiguousarray(w)
    shape = {"n_effects": len(data.effects), "n_visits": n_visits}
    return Layout(at=at, x=x, z=z, w=w, columns_alike=data.columns_alike, therapist=data.therapist, **shape)


def linear_draws(data: InteractionData, lay: Layout, theta: Floats) -> dict[str, Floats]:
    """The parameters all models share, and `effect` and `arm_mean`, by name; leading axes as those of `theta`."""
    shape = theta.shape[:-1]
    effect = lay.block(theta, "effects").reshape(*shape, lay.n_effects, lay.n_visits)
    names = ("means", "slopes", "coefficients", "therapist_sd", "therapist_raw")
    draws = {"effect": effect} | {name: lay.block(theta, name) for name in names}
    draws["therapist_sd"] = np.exp(draws["therapist_sd"])
    draws["arm_mean"] = draws["means"][..., None, :] + np.einsum("ak,...kt->...at", data.levels, effect)
    return {name: value for name, value in draws.items() if value.shape[-1]}
