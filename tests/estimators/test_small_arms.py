"""One, two or three patients an arm: a number with an error above 0, or a named failure, and no p that few can give."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kaptrial.estimators import survival
from kaptrial.estimators.ancova import ancova
from kaptrial.estimators.binary import logistic
from kaptrial.estimators.counts import negative_binomial
from kaptrial.estimators.crossover import crossover
from kaptrial.estimators.fit import Failure
from kaptrial.estimators.imputation import Imputation, Scores, reference_based
from kaptrial.estimators.mmrm import MmrmPlan, mmrm
from kaptrial.estimators.nested import nested
from kaptrial.estimators.proportion import beta_binomial, quasi_binomial

W = [-1.0, 1.0]
REPLICATES = 60


def fits(rng, n, events):
    """Every estimator on trials without any difference; `events` is the share of them."""
    arm = np.tile(np.repeat([0, 1], n), (REPLICATES, 1))
    shape = arm.shape
    none = np.empty((*shape, 0))
    y, patient = rng.normal(20, 6, (*shape, 3)), rng.normal(0, 5, (*shape, 1))
    y += patient
    response = (rng.random(shape) < events).astype(float)
    k = np.clip(np.round(30 * rng.beta(1, 1, shape)), 0, 30) if events == 0.5 else 30.0 * response
    time, happened = rng.exponential(20, shape), rng.random(shape) < events
    means = survival.rmst(time, happened, arm, 2, 10.0)
    therapist = np.where(arm == 1, np.arange(2 * n) % 2, -1)
    with_gaps = y.copy()
    with_gaps[:, ::2, 2] = np.nan
    yield "ancova", ancova(y[..., 0], arm, none, W)
    yield "mmrm", mmrm(y, arm, none, none, [W], [[0, 0, 1.0]], MmrmPlan(structures=("us", "cs"))).contrast(0)
    yield "nested", nested(y[..., 0], arm, therapist, none, W).fit
    yield "crossover", crossover(y[..., :2], np.stack([arm, 1 - arm], axis=-1), W)
    some = Scores(y=with_gaps[:20], arm=arm[:20], crossed=none[:20], main=none[:20])
    yield "JR", reference_based(some, W, 2, Imputation(strategy="JR", reference=0, structures=("us", "cs")))
    for firth in (False, True):
        result = logistic(response, arm, none, W, firth=firth)
        yield "odds", result.log_odds_ratio
        yield "risks", result.risk_difference
        yield "risks of a sample", result.risk_difference_random
    yield "quasi-binomial", quasi_binomial(k, np.full(shape, 30.0), arm, none, W).fit
    yield "beta-binomial", beta_binomial(k, np.full(shape, 30.0), arm, none, W).fit
    counts = rng.negative_binomial(1, 0.1, shape) * (events > 0)
    yield "negative binomial", negative_binomial(counts.astype(float), np.ones(shape), arm, none, W).fit
    yield "cox", survival.cox(time, happened, arm, none, W)
    yield "rmst", means.difference(W)
    yield "rmst ratio", means.ratio(W)


@pytest.mark.parametrize(("n", "events"), list(itertools.product((1, 2, 3), (0.0, 0.5, 1.0))))
def test_a_number_or_a_named_failure(n, events):
    for name, fit in fits(np.random.default_rng(n), n, events):
        fine = fit.failure == Failure.NONE
        assert np.isnan(fit.estimate[~fine]).all(), name
        assert np.isfinite(fit.estimate[fine]).all(), name
        assert (fit.se[fine] > 0).all(), name
        # In 60 trials without a difference a p this small comes once in 1,700.
        assert not (fit.p[fine] < 1e-5).any(), name
