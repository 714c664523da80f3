"""Simulation-based calibration of the mechanistic model on a reduced trial, all mechanisms at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from kaptrial.priors import sbc
from kaptrial.questions.mechanism.course import PARAMETERS, course_of
from kaptrial.questions.mechanism.fit import prior_centres
from kaptrial.questions.mechanism.model import Scores, build, compiled
from kaptrial.scenario.scenario import Scenario

DAYS = (1.0, 14.0, 28.0, 84.0)
PATIENTS = 60
CHAINS, TUNE, DRAWS = 2, 600, 500
RANKED = (*PARAMETERS, "level")


def ranks(scenario: Scenario, n_fits: int, *, seed: int, say: Callable[[str], None] = lambda _: None) -> pd.DataFrame:
    """Ranks (fit, parameter) of prior draws among thinned posterior draws, with divergences.

    60 patients in turn in the scenario's arms, seen on days 1, 14, 28 and 84, one in seven scores missing.
    """
    import nutpie
    import pymc as pm

    course = course_of(scenario, DAYS)
    rng = np.random.default_rng(seed)
    gaps = rng.random((PATIENTS, len(DAYS))) < 1 / 7
    gaps[:, 0] = False
    sign = -1.0 if scenario.scale.better == "lower" else 1.0
    y, baseline = np.where(gaps, np.nan, 20.0), rng.normal(33, 6, PATIENTS)
    scores = Scores(y=y, baseline=baseline, arm=np.arange(PATIENTS) % len(scenario.arms), unit=10.0, sign=sign)
    model = build(course, scores, prior_centres(scenario))
    names = [*RANKED, "slope", "course", "covariance"]
    with model, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The effect of Potentials")  # the prior is meant to ignore them
        prior = pm.sample_prior_predictive(draws=n_fits, var_names=names, random_seed=seed).prior
    ready = compiled(model)
    sampler = {"draws": DRAWS, "tune": TUNE, "chains": CHAINS, "cores": 2, "target_accept": 0.95}
    centred = scores.baseline - scores.baseline.mean()
    rows = []
    for i in range(n_fits):
        drawn = {name: np.asarray(prior[name])[0, i] for name in names}
        root = np.zeros((len(DAYS), len(DAYS)))
        root[np.tril_indices(len(DAYS))] = drawn["covariance"]
        y = drawn["course"][scores.arm] + centred[:, None] * drawn["slope"][None, :]
        y = y + rng.standard_normal(y.shape) @ root.T
        given = ready.with_data(scores=np.where(gaps, 0.0, y))
        result = nutpie.sample(given, seed=seed + i, progress_bar=False, **sampler)
        row: dict[str, Any] = {"fit": i, "divergences": int(np.asarray(result.sample_stats["diverging"]).sum())}
        for name in RANKED:
            draws = np.asarray(result.posterior[name]).reshape(-1)
            row[name] = sbc.rank(float(drawn[name]), sbc.thinned(draws))
        rows.append(row)
        if (i + 1) % 20 == 0:
            say(f"mechanisms: {i + 1} of {n_fits} fits")
    return pd.DataFrame(rows)
