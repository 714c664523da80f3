"""A model and a prior to a posterior that has been judged; once more if the first draws will not do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.priors.effects import EffectPrior
from kaptrial.process import Cost, timed
from kaptrial.questions.fit.diagnostics import Diagnostics, diagnose
from kaptrial.questions.fit.model import InteractionModel
from kaptrial.questions.fit.models import PARAMETERS
from kaptrial.questions.fit.sample import DRAWS, TARGET_ACCEPT, TUNE, Draws, compiled, draw
from kaptrial.questions.fit.scales import most_components, prior_data

# Draws from which the cost of more is told.
PROBE = 200
# When the first draws fail, once more: a longer warm-up, more draws, and smaller steps where some diverged (only then:
# they cost many times as much, and do nothing for chains that are merely slow, as under a prior of two widths).
AGAIN_TUNE, AGAIN_DRAWS, AGAIN_TARGET_ACCEPT = 2000, 4, 0.99


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """What the data and one prior say. `named`: parameters and what derives from them, arrays (chain, draw, …)."""

    model: InteractionModel
    prior: EffectPrior
    draws: Draws
    named: dict[str, Floats]
    patient_loglik: Floats
    diagnostics: Diagnostics
    reruns: int


def fit_cost(model: InteractionModel, prior: EffectPrior, *, n_priors: int, draws: int) -> Cost:
    """What `fit` will cost under so many priors, unless draws fail and are drawn again: from a few draws of one."""
    ready = compiled(model, prior)
    posterior, seconds = timed(lambda: _judged(model, prior, draw(ready, seed=0, draws=PROBE), 0))
    kept = sum(x.nbytes for x in (posterior.draws.thetas, posterior.patient_loglik, *posterior.named.values()))
    each = Cost(seconds=seconds * (TUNE + draws) / (TUNE + PROBE), bytes=kept * draws / PROBE)
    return Cost(seconds=n_priors * each.seconds, bytes=n_priors * each.bytes)


def fit(model: InteractionModel, priors: list[EffectPrior], *, seed: int, draws: int = DRAWS) -> list[Posterior]:
    """The posterior under each prior, compiled once. Under one seed a prior's draws do not depend on the others."""
    # Two at least, so that a prior's draws do not depend, to the last bit, on which others were asked for.
    n_components = max(2, most_components(priors))
    ready = compiled(model, priors[0], n_components)
    return [_one(model, prior, ready.with_data(**prior_data(prior, n_components)), seed, draws) for prior in priors]


def _one(model: InteractionModel, prior: EffectPrior, ready: Any, seed: int, draws: int) -> Posterior:
    posterior = _judged(model, prior, draw(ready, seed=seed, draws=draws), 0)
    if not posterior.diagnostics.failures:
        return posterior
    accept = AGAIN_TARGET_ACCEPT if posterior.diagnostics.divergences else TARGET_ACCEPT
    again = draw(ready, seed=seed, draws=draws * AGAIN_DRAWS, tune=AGAIN_TUNE, target_accept=accept)
    return _judged(model, prior, again, 1)


def _judged(model: InteractionModel, prior: EffectPrior, drawn: Draws, reruns: int) -> Posterior:
    chains, n = drawn.thetas.shape[:2]
    named = model.natural(drawn.thetas)
    parts = model.parts(drawn.flat, np.nan_to_num(model.data.y)).reshape(chains, n, -1)
    judged = diagnose(named, PARAMETERS[model.likelihood], drawn.divergences, parts)
    return Posterior(
        model=model, prior=prior, draws=drawn, named=named, patient_loglik=parts, diagnostics=judged, reruns=reruns
    )
