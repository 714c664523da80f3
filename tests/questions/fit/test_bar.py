"""The posterior of the 2×2 under a flat prior against REML on the same data (R's mmrm, tests/data/reference.json)."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kaptrial.methods.options import Options
from kaptrial.questions.fit import gaussian
from kaptrial.questions.fit.fit import fit
from kaptrial.questions.fit.models import ModelOptions
from kaptrial.questions.fit.priors import believed
from kaptrial.questions.fit.trial_data import FitQuestion, from_file
from tests import DATA
from tests.questions.fit import pymc_models

OPTIONS = Options(factors=("ketamine", "therapy"), covariates=("site",), target_day=28)


def the_trial():
    return from_file(DATA / "factorial_intermittent.csv", OPTIONS, FitQuestion())


def under(name, data):
    return believed(name, data, "normal")


def compare(draws):
    """Posterior of the interaction at day 28 less REML's estimate, in SE, the ratio of SDs less 1, and their MCSEs."""
    import arviz as az

    terms = json.loads((DATA / "reference.json").read_text())["factorial_mmrm"]["satterthwaite"]["terms"]
    reference = terms["ketamine:therapy@28"]
    se = reference["se"]
    off, wider = (draws.mean() - reference["estimate"]) / se, draws.std() / se - 1
    return off, float(az.mcse(draws)) / se, wider, float(az.mcse(draws, method="sd")) / se


def test_flat_prior_is_reml():
    data = the_trial()
    posterior = fit(gaussian.model(data), [under("flat", data)], seed=1)[0]
    assert not posterior.diagnostics.failures
    assert posterior.reruns == 0
    off, mcse, wider, mcse_sd = compare(posterior.named["effect"][..., 2, 3])
    assert abs(off) <= 0.03 + 4 * mcse
    assert abs(wider) <= 0.03 + 4 * mcse_sd
    # Without the allowance these would be missed only by a posterior that is another: 4,000 draws have MCSE .015.
    assert mcse < 0.03
    assert mcse_sd < 0.03


@pytest.mark.validation
def test_flat_prior_is_reml_without_monte_carlo_error():
    data = the_trial()
    posterior = fit(gaussian.model(data), [under("flat", data)], seed=2, draws=20_000)[0]
    off, mcse, wider, mcse_sd = compare(posterior.named["effect"][..., 2, 3])
    print(f"off {off:.4f} SE (MCSE {mcse:.4f}), SD/SE - 1 = {wider:.4f} (MCSE {mcse_sd:.4f})")
    assert abs(off) <= 0.01 + 4 * mcse
    assert abs(wider) <= 0.02 + 4 * mcse_sd


@pytest.mark.validation
def test_pymc_draws_the_same():
    import arviz as az

    data = the_trial()
    prior = under("evidence", data)
    own = fit(gaussian.model(data), [prior], seed=1, draws=4000)[0].named
    theirs = pymc_models.draw(pymc_models.build(data, prior, ModelOptions()), seed=2, draws=4000)
    for name in ("effect", "means", "slopes", "coefficients", "sds", "correlations"):
        pairs = (np.asarray(p[name]).reshape(4, 4000, -1).transpose(2, 0, 1) for p in (own, theirs))
        for one, other in zip(*pairs, strict=True):
            error = np.hypot(float(az.mcse(one)), float(az.mcse(other)))
            # 56 comparisons: 4 SE leaves .4 % for a false alarm.
            assert abs(one.mean() - other.mean()) <= 4 * error, name
