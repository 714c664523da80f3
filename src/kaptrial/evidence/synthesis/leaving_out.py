"""The fit without one trial, or with one more, from the draws that are there: weights, Pareto-smoothed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logsumexp
from scipy.stats import qmc, t

from kaptrial.arrays import Floats
from kaptrial.evidence.synthesis.model import PARAMETERS, VECTORS, raw_name
from kaptrial.priors.constants import TRIAL_DF
from kaptrial.priors.design_prior import TRIAL_EFFECTS

if TYPE_CHECKING:
    import pymc as pm

SETS = 256  # sets of a trial's own effects over which the likelihood of a draw is averaged


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One weight a draw, in sum 1, and the shape of their tail: infinite where a few draws have all of the weight."""

    values: Floats
    pareto_k: float

    @property
    def effective(self) -> float:
        """How many equal weights are as good, 1/Σw²."""
        return float(1 / np.sum(self.values**2))


def smoothed(log_likelihoods: Floats) -> Weights:
    """Pareto-smoothed weights of draws from the distribution before the data (ArviZ)."""
    from arviz_stats.base.array import array_stats

    # ArviZ takes the log likelihood of a figure that is to be left out, so that minus it is the log weight.
    log_weights, pareto_k = array_stats.psislw(-log_likelihoods)
    k = float(pareto_k) if np.isfinite(pareto_k) else np.inf  # no tail to fit
    return Weights(values=np.exp(log_weights - logsumexp(log_weights)), pareto_k=k)


def resampled(draws: Mapping[str, Floats], weights: Weights, size: int, *, seed: int) -> dict[str, Floats]:
    """`size` draws, each as often as its weight says (systematic resampling)."""
    start = np.random.default_rng(np.random.SeedSequence([seed, 17])).random()
    chosen = np.searchsorted(np.cumsum(weights.values), (np.arange(size) + start) / size).clip(
        max=len(weights.values) - 1
    )
    return {name: value[chosen] for name, value in draws.items()}


def standard_effects(sets: int, trials: int, rng: np.random.Generator) -> Floats:
    """Standardised effects of trials, (set, trial, effect): sets that lie evenly, shifted for each trial."""
    even = qmc.Sobol(len(TRIAL_EFFECTS), scramble=False).random(sets)
    uniform = (even[:, None] + rng.random((trials, len(TRIAL_EFFECTS)))) % 1.0
    return np.asarray(t.ppf(np.clip(uniform, 1e-4, 1 - 1e-4), TRIAL_DF))


def trial_terms(model: pm.Model, *, compiled: bool = True) -> Callable[[Mapping[str, Floats], int, Floats], Floats]:
    """The log likelihood of each trial's figures, given one of the draws and effects of the trials, (trial, effect)."""
    import pytensor

    names = {name: name for name in PARAMETERS} | {name: raw_name(name) for name in VECTORS}
    mode: Any = None if compiled else pytensor.compile.mode.Mode(linker="py", optimizer="fast_compile")
    # The log likelihood is a sum of weight times term: its gradient by the weights is the terms.
    of_draw = pytensor.function(
        [model[name] for name in names.values()] + [model[f"{effect}_raw"] for effect in TRIAL_EFFECTS],
        pytensor.grad(model["likelihood"], model["trial_weight"]),
        mode=mode,
        on_unused_input="ignore",
    )

    def terms(draws: Mapping[str, Floats], k: int, effects: Floats) -> Floats:
        values = (draws[name][k, 1:] if name in VECTORS else draws[name][k] for name in names)
        return np.asarray(of_draw(*values, *effects.T))

    return terms


def marginal(model: pm.Model, trials: int, draws: Mapping[str, Floats], *, seed: int) -> Floats:
    """Log likelihood of each trial's figures under each draw, (draw, trial), its own effects averaged out."""
    terms = trial_terms(model)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 18]))
    out = np.empty((len(draws["logit_share"]), trials))
    for k in range(len(out)):
        values = np.array([terms(draws, k, z) for z in standard_effects(SETS, trials, rng)])
        # Effects so large that a figure has no number (one set in a hundred thousand) have no likelihood.
        out[k] = logsumexp(np.where(np.isfinite(values), values, -np.inf), axis=0) - np.log(SETS)
    return out
