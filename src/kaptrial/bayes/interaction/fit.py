"""A model and a prior to a posterior that has been judged; once more if the first draws will not do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kaptrial.bayes.effects import EffectPrior
from kaptrial.bayes.interaction.data import Floats
from kaptrial.bayes.interaction.diagnostics import Diagnostics, diagnose
from kaptrial.bayes.interaction.model import InteractionModel
from kaptrial.bayes.interaction.models import PARAMETERS
from kaptrial.bayes.interaction.sample import DRAWS, TARGET_ACCEPT, TUNE, Draws, Engine, compiled, draw, draw_by_pymc
from kaptrial.bayes.interaction.scales import most_components, prior_data

# When the first draws fail, once more with these, a longer way to the step size and a smaller step.
AGAIN_TUNE, AGAIN_TARGET_ACCEPT = 2000, 0.99


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


def fit(
    model: InteractionModel, priors: list[EffectPrior], *, seed: int, draws: int = DRAWS, engine: Engine = "own",
    progress: bool = False,
) -> list[Posterior]:  # fmt: skip
    """The posterior under each prior, compiled once. Under one seed a prior's draws do not depend on the others."""
    # Two at least, so that a prior's draws do not depend, to the last bit, on which others were asked for.
    n_components = max(2, most_components(priors))
    ready = compiled(model, priors[0], n_components) if engine == "own" else None
    return [_one(model, prior, ready, n_components, seed, draws, progress) for prior in priors]


def _one(
    model: InteractionModel, prior: EffectPrior, ready: Any, n_components: int, seed: int, draws: int, progress: bool
) -> Posterior:
    found: Posterior | None = None
    for rerun, (tune, accept) in enumerate(((TUNE, TARGET_ACCEPT), (AGAIN_TUNE, AGAIN_TARGET_ACCEPT))):
        # The rerun draws more too, for effective draws.
        settings: dict[str, Any] = {
            "seed": seed, "draws": draws * (1 + rerun), "tune": tune, "target_accept": accept, "progress": progress
        }  # fmt: skip
        if ready is None:
            drawn = draw_by_pymc(model, prior, **settings)
        else:
            drawn = draw(ready.with_data(**prior_data(prior, n_components)), **settings)
        found = _judged(model, prior, drawn, rerun)
        if not found.diagnostics.failures:
            break
    assert found is not None
    return found


def _judged(model: InteractionModel, prior: EffectPrior, drawn: Draws, reruns: int) -> Posterior:
    chains, n = drawn.thetas.shape[:2]
    named = model.natural(drawn.thetas)
    parts = model.parts(drawn.flat, np.nan_to_num(model.data.y)).reshape(chains, n, -1)
    judged = diagnose(named, PARAMETERS[model.likelihood], drawn.divergences, parts)
    return Posterior(
        model=model, prior=prior, draws=drawn, named=named, patient_loglik=parts, diagnostics=judged, reruns=reruns
    )
