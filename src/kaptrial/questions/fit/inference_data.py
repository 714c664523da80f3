"""A posterior as one ArviZ DataTree, and as a netCDF file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kaptrial.questions.fit.checks import Check
from kaptrial.questions.fit.fit import Posterior
from kaptrial.questions.fit.forward import draw_prior

# Replicas kept of each predictive distribution: enough to draw bands from, and files stay small.
KEPT = 500
DIMS = {
    "effect": ["effect_name", "visit"],
    "means": ["visit"],
    "slopes": ["visit"],
    "coefficients": ["covariate"],
    "arm_mean": ["arm_name", "visit"],
    "covariance": ["group", "visit", "other"],
    "scores": ["patient", "visit"],
    "patient_scores": ["patient"],
}


def tree(posterior: Posterior, before: Check, after: Check, *, seed: int, provenance: Mapping[str, Any]) -> Any:
    """Groups posterior, sample_stats, log_likelihood (one entry a patient), posterior_predictive, prior,
    prior_predictive and observed_data; provenance in the attributes.
    """
    import arviz as az

    data = posterior.model.data
    prior = posterior.model.natural(
        draw_prior(posterior.model, posterior.prior, KEPT, np.random.default_rng([seed, 3]))
    )
    groups = {
        "posterior": posterior.named,
        "sample_stats": posterior.draws.stats,
        "log_likelihood": {"patient_scores": posterior.patient_loglik},
        "posterior_predictive": {"scores": _as_draws(after.replicas)},
        "prior": {name: value[None] for name, value in prior.items()},
        "prior_predictive": {"scores": _as_draws(before.replicas)},
        "observed_data": {"scores": data.y, "arm": data.arm, "therapist": data.therapist},
    }
    names_of = {"effect_name": data.effects, "arm_name": data.arms, "covariate": data.covariate_names}
    coords: dict[str, Any] = {name: list(values) for name, values in names_of.items()}
    coords |= {"visit": np.array(data.days), "other": np.array(data.days), "patient": np.arange(len(data.y))}
    if posterior.named.get("covariance", np.empty((1, 1, 1))).shape[2] == len(data.arms):
        coords["group"] = list(data.arms)
    names = {name for group in groups.values() for name in group}
    dims: dict[str, list[str]] = {name: of for name, of in DIMS.items() if name in names}
    inference_data = az.from_dict(groups, coords=coords, dims=dims | {"arm": ["patient"], "therapist": ["patient"]})
    inference_data.attrs.update({key: _plain(value) for key, value in provenance.items()})
    return inference_data


def save(inference_data: Any, path: Path) -> None:
    """Write the tree as netCDF."""
    inference_data.to_netcdf(path, engine="h5netcdf")


def _as_draws(replicas: Any) -> Any:
    kept = np.linspace(0, len(replicas) - 1, min(len(replicas), KEPT)).astype(np.int64)
    return replicas[kept][None]


def _plain(value: Any) -> Any:
    """What a netCDF attribute can hold."""
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else str(value)
