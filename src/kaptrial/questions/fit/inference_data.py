"""A posterior as one ArviZ DataTree, and as a netCDF file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.questions.fit.checks import Check
from kaptrial.questions.fit.data import InteractionData
from kaptrial.questions.fit.estimands import effect_weights
from kaptrial.questions.fit.fit import Posterior
from kaptrial.questions.fit.forward import draw_prior
from kaptrial.questions.fit.log_prior import log_prior

# Replicas kept of each predictive distribution: enough to draw bands from, and files stay small.
KEPT = 500
# Draws of the unknowns from their prior.
PRIOR_KEPT = 2000
DIMS = {
    "effect": ["effect_name", "visit"],
    "means": ["visit"],
    "slopes": ["visit"],
    "coefficients": ["covariate"],
    "arm_mean": ["arm_name", "visit"],
    "covariance": ["group", "visit", "other"],
    "therapist_effect": ["therapist_number"],
    "scores": ["patient", "visit"],
    "patient_scores": ["patient"],
}

CONSTANT_DIMS = {
    "arm": ["patient"],
    "therapist": ["patient"],
    "acting": ["patient", "effect_name"],
    "baseline": ["patient"],
    "covariates": ["patient", "covariate"],
    "days_counted": ["patient"],
}


def tree(posterior: Posterior, before: Check, after: Check, *, seed: int, provenance: Mapping[str, Any]) -> Any:
    """Groups posterior, sample_stats, log_likelihood (one entry a patient), log_prior (by block), posterior_predictive,
    prior, prior_predictive, observed_data and constant_data; provenance in the attributes.

    Beside the model's unknowns, posterior and prior have `asked`, the contrast that the verdict is about on the target
    day (on the scale of the effects), and the therapists' effects in points or logits.
    """
    import arviz as az

    data = posterior.model.data
    prior = posterior.model.natural(
        draw_prior(posterior.model, posterior.prior, PRIOR_KEPT, np.random.default_rng([seed, 3]))
    )
    groups = {
        "posterior": posterior.named | _derived(data, posterior.named),
        "sample_stats": posterior.draws.stats,
        "log_likelihood": {"patient_scores": posterior.patient_loglik},
        "posterior_predictive": {"scores": _as_draws(after.replicas)},
        "prior": {name: value[None] for name, value in (prior | _derived(data, prior)).items()},
        "prior_predictive": {"scores": _as_draws(before.replicas)},
        "observed_data": {"scores": data.y},
        "constant_data": _constant(data),
    }
    names_of = {"effect_name": data.effects, "arm_name": data.arms, "covariate": data.covariate_names}
    coords: dict[str, Any] = {name: list(values) for name, values in names_of.items()}
    coords |= {"visit": np.array(data.days), "other": np.array(data.days), "patient": list(data.patient_names)}
    if data.n_therapists:
        coords["therapist_number"] = np.arange(data.n_therapists)
    if posterior.named.get("covariance", np.empty((1, 1, 1))).shape[2] == len(data.arms):
        coords["group"] = list(data.arms)
    dims_of_sds = {}
    if posterior.named.get("sds", np.empty((1, 1, 0))).shape[2] == len(data.days):
        dims_of_sds = {"sds": ["visit"], "correlations": ["days"]}
        coords["days"] = [f"{data.days[t]:g}, {data.days[u]:g}" for u in range(len(data.days)) for t in range(u)]
    names = {name for group in groups.values() for name in group}
    dims: dict[str, list[str]] = {name: of for name, of in DIMS.items() if name in names}
    inference_data = az.from_dict(groups, coords=coords, dims=dims | dims_of_sds | CONSTANT_DIMS)
    # On its own: its entries have the names of the unknowns, and no dimension beside the draws.
    density = az.from_dict({"log_prior": log_prior(posterior.model, posterior.prior, posterior.named)})
    inference_data["log_prior"] = density["log_prior"]
    inference_data.attrs.update({key: _plain(value) for key, value in provenance.items()})
    return inference_data


def _derived(data: InteractionData, named: Mapping[str, Floats]) -> dict[str, Floats]:
    """What is asked, and the therapists' effects where there are therapists."""
    derived = {"asked": named["effect"][..., data.target] @ effect_weights(data)}
    if "therapist_sd" in named:
        derived["therapist_effect"] = named["therapist_sd"] * named["therapist_raw"]
    return derived


def _constant(data: InteractionData) -> dict[str, Any]:
    """What explains the scores: arms and therapists by number (−1 for none), effects acting, baseline, covariates."""
    constant = {"arm": data.arm, "therapist": data.therapist, "acting": data.x, "unit_sd": np.array(data.unit_sd)}
    if data.baseline is not None:
        constant["baseline"] = data.baseline
    if data.covariates.shape[1]:
        constant["covariates"] = data.covariates
    if data.trials_of is not None:
        constant["days_counted"] = data.trials_of
    return constant


def save(inference_data: Any, path: Path) -> None:
    """Write the tree as netCDF."""
    inference_data.to_netcdf(path, engine="h5netcdf")


def _as_draws(replicas: Any) -> Any:
    kept = np.linspace(0, len(replicas) - 1, min(len(replicas), KEPT)).astype(np.int64)
    return replicas[kept][None]


def _plain(value: Any) -> Any:
    """What a netCDF attribute can hold."""
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else str(value)
