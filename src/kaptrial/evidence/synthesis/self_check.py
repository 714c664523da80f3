"""Simulation-based calibration of the synthesis on a reduced set of trials: does it find what made its data?

Each figure is drawn on its own, and fitted so: the correlation of figures of the same patients is not checked here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from kaptrial.evidence.synthesis import fit
from kaptrial.evidence.synthesis.model import PARAMETERS, SD_LOG_ERROR, patients_behind, sd_targets
from kaptrial.priors import sbc

# Few trials, but of every kind of figure: means with SDs, shares, relapse, saline and midazolam.
REDUCED = ("murrough2013a", "singh2016", "mathew2010", "ibrahim2012", "karmadep2_2025")
# Fits of data sets are short; above this their ranks are rough.
LARGEST_R_HAT = 1.05


def ranks(n_fits: int, *, seed: int, say: Callable[[str], None] = print) -> pd.DataFrame:
    """Ranks (fit, parameter) of prior draws among thinned posterior draws, with R-hat and divergences of each fit."""
    import pymc as pm

    trials, chosen = fit.fitted_trials(fit.PUBLISHED, REDUCED)
    evidence = fit.prepare(trials, chosen, expectations=True)
    with evidence.model, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The effect of Potentials")  # the prior is meant to ignore them
        prior = pm.sample_prior_predictive(draws=n_fits, random_seed=seed).prior
    rows = []
    for i in range(n_fits):
        drawn = {name: np.asarray(prior[name])[0, i] for name in prior.data_vars}
        rng = np.random.default_rng(np.random.SeedSequence([seed, i]))
        result = _fit(evidence, _simulated(evidence.lay, drawn, rng), seed + i)
        diagnostics = fit.diagnostics(result)
        row: dict[str, Any] = {"fit": i, "r_hat": diagnostics["r_hat"], "divergences": diagnostics["divergences"]}
        for name in PARAMETERS:
            draws = np.asarray(result.posterior[name]).reshape(-1)
            row[name] = sbc.rank(float(drawn[name]), sbc.thinned(draws))
        rows.append(row)
        if (i + 1) % 10 == 0:
            say(f"{i + 1} of {n_fits} fits")
    return pd.DataFrame(rows)


def _simulated(lay: fit.Layout, drawn: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Data drawn from the model's own likelihoods at one draw of the prior."""
    data: dict[str, Any] = {"level_values": rng.normal(drawn["level_means"], drawn["level_ses"])}
    with_sd = sd_targets(lay)
    sampling = np.array([0.5 / (lay.levels[i].n[0] - 1) for i in with_sd])
    error = np.sqrt(sampling + SD_LOG_ERROR**2)
    data["level_sds"] = drawn["level_sd_centres"] * np.exp(error * rng.standard_normal(len(with_sd)))
    for name, group in (("shares", lay.shares), ("paths", lay.paths)):
        n = np.array([patients_behind(t) for t in group])
        data[f"{name}_counts"] = rng.binomial(n, drawn[f"{name}_probabilities"])
    return data


def _fit(evidence: fit.Evidence, data: dict[str, Any], seed: int) -> Any:
    import nutpie

    sampler = {"draws": 500, "tune": 400, "chains": 2, "cores": 2, "target_accept": 0.9, "adaptation": "low_rank"}
    return nutpie.sample(evidence.compiled.with_data(**data), seed=seed, progress_bar=False, **sampler)
