"""The shipped draws after one more trial: weighted by the likelihood of its figures, Pareto-smoothed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from kaptrial.arrays import Floats
from kaptrial.catalogue import Trial
from kaptrial.catalogue.priors import provenance
from kaptrial.evidence.replication import catalogued, draws_without
from kaptrial.evidence.shipped_priors import PRIOR
from kaptrial.evidence.summary import predictive_summary
from kaptrial.evidence.synthesis.arms import POPULATION
from kaptrial.evidence.synthesis.correlation import precision
from kaptrial.evidence.synthesis.fit import PUBLISHED
from kaptrial.evidence.synthesis.layout import Target, layout, targets
from kaptrial.evidence.synthesis.leaving_out import (
    resampled,
    smoothed,
    standard_effects,
    trial_terms,
)
from kaptrial.evidence.synthesis.model import build, chosen_targets
from kaptrial.evidence.synthesis.shipped import LARGEST_K
from kaptrial.results import Note

EFFECTS = 32  # trials with effects of their own that stand for the new one under each draw; not compiled
FEW = 100  # effective draws
_CARD = ("median", "q05", "q95")


def log_likelihoods(study: Trial, figures: Sequence[Target], draws: Mapping[str, Floats], *, seed: int) -> Floats:
    """Log likelihood of the figures under each draw, the trial's own effects averaged out, as the fit has it.

    `EFFECTS` trials with the same figures and effects of their own stand for each draw.
    """
    copies = [replace(study, key=f"{study.key}:{i}") for i in range(EFFECTS)]
    lay = layout(copies, [replace(t, trial=copy.key) for copy in copies for t in figures])
    middle = {name: np.median(value, axis=0, keepdims=True) for name, value in draws.items()}
    of_one = precision([study], layout([study], figures).figures, middle, seed=0)
    joint = np.zeros((len(lay.figures), len(lay.figures)))
    for number in range(EFFECTS):
        own = np.flatnonzero(lay.figure_trial == number)
        joint[np.ix_(own, own)] = of_one
    # Not compiled: some milliseconds a draw are less than half a minute of compilation.
    terms = trial_terms(build(lay, joint), compiled=False)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 16]))
    values = np.array(
        [terms(draws, k, standard_effects(EFFECTS, 1, rng)[:, 0]) for k in range(len(draws["logit_share"]))]
    )
    return np.asarray(logsumexp(values, axis=1) - np.log(EFFECTS))


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
    after = predictive_summary(resampled(draws, weights, len(weights.values), seed=seed), seed=seed)
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
