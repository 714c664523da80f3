"""Tables behind the figures of the chains: the unknowns shown, their ranks, and what power-scaling does."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.questions.fit.data import InteractionData

if TYPE_CHECKING:
    import pandas as pd

# Unknowns in a figure.
MOST = 12
# No more of one kind than this, unless they mix worst.
MOST_OF_A_KIND = 3
# What they are called, in the order in which they are looked for.
KINDS = {
    "effect": "effect of",
    "means": "mean without effects",
    "slopes": "slope of the baseline",
    "coefficients": "slope of",
    "sds": "SD",
    "residual_sd": "residual SD",
    "patient_sd": "SD between patients, logits",
    "rho": "correlation of one patient's days",
    "correlations": "correlation",
    "log_ratios": "log ratio of SDs",
    "therapist_sd": "SD between therapists",
}
RANK_BINS = 20
# Powers to which prior and likelihood are raised in the figure; the sensitivities are at .99 and 1.01.
POWERS = (0.8, 1.25)


class Unknown(NamedTuple):
    """`draws`: (chain, draw); `prior`: draws before the data, (draw,); `ess`: bulk."""

    label: str
    draws: Floats
    prior: Floats
    ess: float


def unknowns(inference_data: Any, data: InteractionData) -> list[Unknown]:
    """The effects on the target day, a few unknowns of every other kind, and always the one that mixes worst."""
    import arviz as az

    shown: list[Unknown] = []
    rest: list[Unknown] = []
    for name in KINDS:
        if name not in inference_data["posterior"]:
            continue
        after, before = inference_data["posterior"][name], inference_data["prior"][name]
        dims = after.dims[2:]
        n_shown = 0
        for at in np.ndindex(*after.shape[2:]):
            own = dict(zip(dims, at, strict=True))
            draws = np.asarray(after.isel(own))
            unknown = Unknown(
                _label(name, after, own), draws, np.asarray(before.isel(own)).ravel(), float(az.ess(draws))
            )
            on_day = own.get("visit", data.target) == data.target
            if on_day and n_shown < MOST_OF_A_KIND and len(shown) < MOST:
                shown.append(unknown)
                n_shown += 1
            else:
                rest.append(unknown)
    worst = min(rest, key=lambda unknown: unknown.ess, default=None)
    if worst is not None and worst.ess < min(unknown.ess for unknown in shown):
        shown = [*shown[: MOST - 1], worst]
    return shown


def _label(name: str, values: Any, own: dict[Any, int]) -> str:
    """The kind of unknown, and what its coordinates say of it."""
    label = KINDS[name]
    for dim, place in own.items():
        at = values[dim].values[place]
        if dim in ("effect_name", "covariate"):
            label += f" {at}"
        elif dim == "visit":
            label += f", day {at:g}" if np.isfinite(at) else ""
        elif dim == "days":
            label += f", days {at}"
        elif values.sizes[dim] > 1:
            label += f" {place + 1}"
    return label


def rank_shares(draws: Floats) -> Floats:
    """Of each chain the shares of its draws in bins of their ranks among all, times the number of bins: 1 if alike."""
    from arviz_stats.base.array import array_stats

    ranks = np.asarray(array_stats.compute_ranks(draws, axis=None, relative=False))
    counts = np.array([np.histogram(chain, bins=RANK_BINS, range=(0.5, draws.size + 0.5))[0] for chain in ranks])
    return counts * RANK_BINS / draws.shape[1]


def density(draws: Floats, x: Floats) -> Floats:
    """The density at the points x by ArviZ's kernel, which ends where the draws end."""
    from arviz_stats.base.array import array_stats

    grid, values, _ = array_stats.kde(draws, bound_correction=True, bw="scott")
    return np.interp(x, grid, values, left=0.0, right=0.0)


def power_scaling(inference_data: Any) -> pd.DataFrame:
    """Sensitivity of what is asked and of every effect to the powers of prior and likelihood, by ArviZ.

    Columns: `parameter`; `prior`, of all blocks; `prior_of_effects`, of that block alone; `likelihood`; `diagnosis`.
    """
    import arviz as az

    names = ["asked", "effect"]
    # What it logs stands in `diagnosis`.
    log = logging.getLogger("arviz_stats.psense")
    before, log.disabled = log.disabled, True
    try:
        table = az.psense_summary(inference_data, var_names=names)
        alone = az.psense_summary(inference_data, var_names=names, prior_var_names=["effects"])
    finally:
        log.disabled = before
    table.insert(1, "prior_of_effects", alone["prior"])
    table["diagnosis"] = table["diagnosis"].replace("✓", "none")
    return table.rename_axis("parameter").reset_index()


def powers_of(inference_data: Any, group: str) -> tuple[tuple[float, ...], Floats]:
    """Powers of the prior of the effects or of the likelihood, and draws of what is asked under each, (power, draw)."""
    from arviz_stats.psense import power_scale_dataset

    block = "effects" if group == "prior" else None
    dims = ["chain", "draw"]
    scaled = power_scale_dataset(inference_data, group, POWERS, dims, block, None)
    return tuple(map(float, scaled["alpha"].values)), np.asarray(scaled["asked"].transpose("alpha", ...))
