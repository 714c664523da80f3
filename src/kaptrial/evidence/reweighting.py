"""The shipped draws after one more trial: weighted by the likelihood of its figures, Pareto-smoothed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logsumexp, ndtri
from scipy.stats import qmc

from kaptrial.arrays import Floats
from kaptrial.catalogue import Trial
from kaptrial.catalogue.priors import provenance
from kaptrial.evidence.replication import catalogued, draws_without
from kaptrial.evidence.shipped_priors import PRIOR
from kaptrial.evidence.summary import predictive_summary
from kaptrial.evidence.synthesis.arms import POPULATION
from kaptrial.evidence.synthesis.fit import PUBLISHED
from kaptrial.evidence.synthesis.layout import Target, layout, targets
from kaptrial.evidence.synthesis.model import PARAMETERS, VECTORS, build, chosen_targets
from kaptrial.priors.design_prior import TRIAL_EFFECTS
from kaptrial.results import Note

FEW = 100  # effective draws
LARGEST_K = 0.7  # Vehtari et al. (2024), J Mach Learn Res 25(72): above it, weights are not to be trusted
_CARD = ("median", "q05", "q95")
_EFFECTS = 32  # sets of the trial's own effects over which the likelihood of a draw is averaged


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One weight a draw, in sum 1, and the shape of their tail: infinite where a few draws have all of the weight."""

    values: Floats
    pareto_k: float

    @property
    def effective(self) -> float:
        """How many equal weights are as good, 1/Σw²."""
        return float(1 / np.sum(self.values**2))


def log_likelihoods(
    study: Trial, figures: Sequence[Target], draws: Mapping[str, Floats], *, seed: int, effects: int = _EFFECTS
) -> Floats:
    """Log likelihood of the figures under each draw, the trial's own effects averaged out, as the fit has it.

    `effects` trials with the same figures and effects of their own stand for each draw (scrambled Sobol points).
    """
    import pytensor

    copies = [replace(study, key=f"{study.key}:{i}") for i in range(effects)]
    lay = layout(copies, [replace(t, trial=copy.key) for copy in copies for t in figures])
    model = build(lay)
    weights = [variable for name, variable in model.named_vars.items() if name.endswith("_weight")]
    # The log likelihood is a sum of weight · term: its gradient by the weights is the terms.
    terms: list[Any] = [pytensor.grad(model[w.name.removesuffix("_weight") + "_likelihood"], w) for w in weights]
    inputs = _inputs(draws)
    # Not compiled: some milliseconds a draw are less than half a minute of compilation.
    mode = pytensor.compile.mode.Mode(linker="py", optimizer="fast_compile")
    of_draw = pytensor.function(
        [model[name] for name in inputs] + [model[f"{effect}_raw"] for effect in TRIAL_EFFECTS],
        terms,
        mode=mode,
        on_unused_input="ignore",
    )
    size = len(draws["logit_share"])
    z = _standard_normal(size, effects, seed)
    out = np.empty(size)
    for k in range(size):
        values = of_draw(*(column[k] for column in inputs.values()), *z[k].T)
        out[k] = logsumexp(sum(_by_copy(part, effects) for part in values)) - np.log(effects)
    return out


def _inputs(draws: Mapping[str, Floats]) -> dict[str, Floats]:
    """The draws by the names of the fit's unknowns; reference levels, which are 0, have none."""
    return {name: draws[name] for name in PARAMETERS} | {
        name.replace("_effect", "_raw"): draws[name][:, 1:] for name in VECTORS
    }


def _standard_normal(size: int, effects: int, seed: int) -> Floats:
    """(draw, set of effects, effect); the sets of one draw lie evenly."""
    points = qmc.Sobol(len(TRIAL_EFFECTS), rng=np.random.default_rng(np.random.SeedSequence([seed, 16])))
    uniform = points.random_base2(int(np.ceil(np.log2(size * effects))))[: size * effects]
    z = ndtri(np.clip(uniform, 1e-12, 1 - 1e-12))
    return np.asarray(z).reshape(size, effects, len(TRIAL_EFFECTS))


def _by_copy(terms: Floats, effects: int) -> Floats:
    """Sums over the figures of each copy, whose terms stand one copy after the other."""
    return np.asarray(terms).reshape(effects, -1).sum(axis=1)


def smoothed(log_likelihoods: Floats) -> Weights:
    """Pareto-smoothed weights of draws from the distribution before the data (ArviZ)."""
    from arviz_stats.base.array import array_stats

    # ArviZ takes the log likelihood of a figure that is to be left out, so that minus it is the log weight.
    log_weights, pareto_k = array_stats.psislw(-log_likelihoods)
    k = float(pareto_k) if np.isfinite(pareto_k) else np.inf  # no tail to fit
    return Weights(values=np.exp(log_weights - logsumexp(log_weights)), pareto_k=k)


def resampled(draws: Mapping[str, Floats], weights: Weights, *, seed: int) -> dict[str, Floats]:
    """As many draws, each as often as its weight says (systematic resampling)."""
    size = len(weights.values)
    start = np.random.default_rng(np.random.SeedSequence([seed, 17])).random()
    chosen = np.searchsorted(np.cumsum(weights.values), (np.arange(size) + start) / size).clip(max=size - 1)
    return {name: value[chosen] for name, value in draws.items()}


def reweighted(study: Trial, *, seed: int) -> tuple[pd.DataFrame, dict[str, float], Note]:
    """The card before and after the trial's figures, the diagnostics of the weights, and what was done in words.

    The card is empty where there is nothing to weight by, or the weights are not to be trusted.
    """
    figures, reason = _usable(study)
    if reason:
        return pd.DataFrame(), {}, Note(code="not_reweighted", severity="information", text=reason)
    draws = draws_without(study)
    weights = smoothed(log_likelihoods(study, figures, draws, seed=seed))
    said = {"reweighted_by": len(figures), "pareto_k": weights.pareto_k, "effective_draws": weights.effective}
    count = f"{len(figures)} figure{'' if len(figures) == 1 else 's'}"
    about = f"Pareto k {weights.pareto_k:.2f} ({count}, {len(weights.values)} draws)"
    if weights.pareto_k > LARGEST_K:
        text = (
            f"{about}, above {LARGEST_K}: the trial is too far from the draws to reweight them. A refit is needed: add "
            "it to the catalogue and run `kaptrial evidence calibrate`."
        )
        return pd.DataFrame(), said, Note(code="refit_needed", severity="warning", text=text)
    before = predictive_summary(draws, seed=seed)
    after = predictive_summary(resampled(draws, weights, seed=seed), seed=seed)
    card = before[["figure", "unit", *_CARD]].join(after[[*_CARD]].add_prefix("reweighted_"))
    text = f"{about}: the draws, reweighted by the trial's figures, are worth {weights.effective:.0f} equal ones."
    text += (
        " That is few: the ends of the intervals are rough, and a refit is better." if weights.effective < FEW else ""
    )
    return card, said, Note(code="reweighted", severity="information", text=text)


def _usable(study: Trial) -> tuple[list[Target], str]:
    """The figures that the fit would use, or why none may be."""
    if study.indication not in POPULATION:
        return [], f"Not reweighted: abstinence ({study.indication}) has a model of its own, which the card is not of."
    fitted = provenance(PRIOR)["trials"]
    again = [key for key in study.contains if key in fitted]
    if again and catalogued(study) is None:
        return [], f"Not reweighted: the draws are fitted to patients of this trial already ({', '.join(again)})."
    figures = chosen_targets(targets(study), PUBLISHED)
    return figures, "" if figures else "Not reweighted: none of the figures is of a kind and quality that is fitted."
