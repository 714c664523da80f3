"""Simulation-based calibration of the interaction models on a reduced trial: do they find what made their data?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from kaptrial.arrays import Floats
from kaptrial.priors import sbc
from kaptrial.questions.fit.data import InteractionData
from kaptrial.questions.fit.forward import draw_prior, replicate_scores
from kaptrial.questions.fit.model import InteractionModel
from kaptrial.questions.fit.models import ModelOptions, model_of
from kaptrial.questions.fit.priors import believed
from kaptrial.questions.fit.sample import compiled, draw
from kaptrial.questions.fit.scales import prior_data

# Every likelihood, covariance and option that ships, each in one model.
MODELS = {
    "scores, unstructured": ModelOptions(covariance="unstructured"),
    "scores, random slopes, residuals by arm": ModelOptions(covariance="random", residual="by_arm"),
    "response": ModelOptions(likelihood="binary"),
    "days of success": ModelOptions(likelihood="abstinent_days"),
}
PRIOR = "additive_shrinkage"  # a mixture, so that its parts are calibrated, too
CHAINS, TUNE, DRAWS = 2, 500, 500


def reduced(options: ModelOptions) -> InteractionData:
    """A 2×2 of 40 patients with gaps, a covariate and three therapists; its scores only stand for their places."""
    rng = np.random.default_rng(0)
    n, days = 40, ((1.0, 7.0, 28.0) if options.likelihood != "abstinent_days" else (180.0,))
    levels = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 1]], dtype=np.float64)
    arm = np.arange(n) % 4
    y = 20 + 6 * rng.standard_normal((n, len(days)))
    if options.likelihood == "binary":
        y = (y > 20).astype(np.float64)
    if options.likelihood == "abstinent_days":
        y = np.clip(np.round(90 + 40 * (y - 20) / 6), 0, 180)
    else:
        y[:, 1:][rng.random((n, len(days) - 1)) < 0.2] = np.nan
    return InteractionData(
        y=y, days=days, effects=("ketamine", "therapy", "ketamine:therapy"), roles=("drug", "therapy", "interaction"),
        x=levels[arm], levels=levels, baseline=rng.normal(30, 5, n), covariates=rng.normal(40, 10, n)[:, None],
        covariate_names=("age",), arms=("00", "01", "10", "11"), arm=arm,
        therapist=np.where(levels[arm, 1] == 1, np.arange(n) // 4 % 3, -1), target_day=days[-1],
        unit_sd=6.0 if options.likelihood == "normal" else 1.0, better="lower", factors=("ketamine", "therapy"),
        trials_of=np.full(n, 180.0) if options.likelihood == "abstinent_days" else None,
    )  # fmt: skip


def ranks(name: str, n_fits: int, *, seed: int, say: Callable[[str], None] = lambda _: None) -> pd.DataFrame:
    """Ranks (fit, parameter) of prior draws among thinned posterior draws of one of MODELS, with divergences."""
    options = MODELS[name]
    data = reduced(options)
    model = model_of(data, options)
    prior = believed(PRIOR, data, options.likelihood)
    rng = np.random.default_rng(np.random.SeedSequence([seed, list(MODELS).index(name)]))
    truths = draw_prior(model, prior, n_fits, rng)
    trials = np.where(data.seen, replicate_scores(model, truths, rng), 0.0)
    ready = compiled(model, prior)
    rows = []
    for i in range(n_fits):
        given = ready.with_data(scores=trials[i], **prior_data(prior, len(prior.components)))
        sample = draw(given, seed=seed + i, draws=DRAWS, tune=TUNE, chains=CHAINS, target_accept=0.95)
        rows.append(_row(model, truths[i], sbc.thinned(sample.flat)) | {"fit": i, "divergences": sample.divergences})
        if (i + 1) % 20 == 0:
            say(f"{name}: {i + 1} of {n_fits} fits")
    return pd.DataFrame(rows)


def _row(model: InteractionModel, truth: Floats, draws: Floats) -> dict[str, Any]:
    """Ranks of every named parameter, and of what is made of them: effects and SDs as users see them."""
    true, drawn = model.natural(truth[None]), model.natural(draws)
    row = {}
    for name, values in drawn.items():
        if name in ("arm_mean", "covariance"):
            continue
        flat = values.reshape(len(values), -1)
        for k, value in enumerate(true[name].reshape(-1)):
            row[f"{name}[{k}]" if flat.shape[1] > 1 else name] = sbc.rank(float(value), flat[:, k])
    return row
