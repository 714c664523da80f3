"""What would be predicted with other evidence: each fitted trial taken away, each trial or reading left out put in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.catalogue import Trial, trial, trial_keys
from kaptrial.catalogue.priors import provenance
from kaptrial.catalogue.trials import QUALITIES
from kaptrial.evidence.indication_summary import standardised_benefit
from kaptrial.evidence.indications import INDICATIONS, PTSD_AT_END
from kaptrial.evidence.published_arm import arm_scenario, new_trial_effects, scores_by_block
from kaptrial.evidence.replication import resized
from kaptrial.evidence.reweighting import log_likelihoods
from kaptrial.evidence.shipped_priors import PRIOR
from kaptrial.evidence.statistics import responders
from kaptrial.evidence.summary import MADRS, one_infusion, quantiles, without_drug
from kaptrial.evidence.synthesis.arms import POPULATION
from kaptrial.evidence.synthesis.fit import PUBLISHED
from kaptrial.evidence.synthesis.layout import Target, targets
from kaptrial.evidence.synthesis.leaving_out import resampled, smoothed
from kaptrial.evidence.synthesis.model import chosen_targets
from kaptrial.evidence.synthesis.shipped import LARGEST_K, fold_draws, fold_shapes, prior_draws

PATIENTS = 400
FIGURES = {
    "ketamine": "response at 24 h, one infusion",
    "midazolam": "response at 24 h, midazolam",
    "ptsd": "g in PTSD after six infusions, mean of six new trials",
}

# How figures that are no targets now were read once, by trial and number of the figure; `not_target` says what of it
# was wrong. Readings with a statistic that the fit never used are left out.
FORMER_READINGS: dict[str, dict[int, dict[str, Any]]] = {
    "wilkinson2019_ipd": {
        0: {"statistic": "standardised_benefit", "arm": "ketamine_midazolam - midazolam", "day": 1},
        1: {"statistic": "standardised_benefit", "arm": "ketamine_saline - saline", "day": 1},
    },
    "price2022_asat": {
        0: {"statistic": "standardised_benefit", "arm": "ketamine_sham - saline_asat", "day": 1, "value": 1.3},
        1: {
            "statistic": "standardised_benefit", "arm": "ketamine_asat - saline_asat", "days": [1, 7, 14, 21, 30],
            "value": 0.61, "ci95": [0.28, 0.95],
        },
    },
    "sl_body2021": {
        0: {"statistic": "standardised_change", "endpoint": "PCL-5", "arm": "sublingual", "day": 42, "value": 0.48},
        2: {"statistic": "standardised_change", "endpoint": "PHQ-9", "arm": "sublingual", "day": 42, "value": 0.53},
    },
    "fieldtrip_yermus": {
        0: {"statistic": "standardised_change", "endpoint": "PHQ-9", "arm": "kap", "day": 90, "value": 0.805},
        1: {"statistic": "standardised_change", "endpoint": "PHQ-9", "arm": "kap", "day": 180, "value": 0.67},
    },
}  # fmt: skip


def without_row() -> list[tuple[str, str, str]]:
    """Figures that no fit uses and that no row puts back: trial, figure, and why. Of indications that the model has."""
    return [
        (study.key, figure.statistic, figure.not_target)
        for study in map(trial, trial_keys())
        if study.indication in POPULATION
        for i, figure in enumerate(study.figures)
        if figure.not_target is not None and i not in FORMER_READINGS.get(study.key, {})
    ]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Other evidence than what was fitted: what is changed, why one may, and the draws under it.

    `pareto_k`: how far the weights are to be trusted that make the draws; none where nothing was weighted.
    """

    reading: str
    why: str
    draws: Mapping[str, Floats]
    pareto_k: float | None

    @property
    def rough(self) -> bool:
        """Whether the weights are not to be trusted."""
        return self.pareto_k is not None and not self.pareto_k <= LARGEST_K


def rows(*, seed: int) -> list[dict[str, Any]]:
    """A row for what is shipped and for each `Choice`: Pareto k, then median and 90 % interval of the `FIGURES`."""
    table = []
    for choice in choices(seed=seed):
        row: dict[str, Any] = {"reading": choice.reading, "why": choice.why}
        row |= {"pareto_k": choice.pareto_k, "rough": choice.rough}
        for figure, values in main_figures(choice.draws, seed=seed).items():
            found = quantiles(values)
            row |= {f"{figure}_{q}": found[q] for q in ("median", "q05", "q95")}
        table.append(row)
    return table


def main_figures(draws: Mapping[str, Floats], *, seed: int) -> dict[str, Floats]:
    """The `FIGURES`, one value a draw: those of depression as the card has them."""
    effects = new_trial_effects(draws, np.random.default_rng(np.random.SeedSequence([seed, 77])), elsewhere=False)
    infusion = one_infusion(PATIENTS)
    arms = {"single": infusion, "midazolam": without_drug(infusion, "midazolam")}
    scenarios = {
        name: arm_scenario(arm, draws, effects, MADRS, days=days, n=PATIENTS)
        for (name, arm), days in zip(arms.items(), ((1.0, 7.0), (1.0,)), strict=True)
    }
    single, midazolam = _scores(scenarios, [seed, 77])
    out = {"ketamine": responders(single, 1).mean(axis=1), "midazolam": responders(midazolam, 1).mean(axis=1)}

    return out | {"ptsd": standardised_benefit(INDICATIONS["PTSD"], PTSD_AT_END, draws, seed=seed)}


def _scores(scenarios: Mapping[str, Any], seed: Sequence[int]) -> Iterator[Floats]:
    replicates = len(next(iter(scenarios.values())).drug.half_life.value)
    blocks = list(scores_by_block(scenarios, seed=seed, replicates=replicates))
    return (np.concatenate([block[name] for block in blocks]) for name in scenarios)


def choices(*, seed: int) -> Iterator[Choice]:
    """As shipped; without each fitted trial, or its figures that are not of an abstract; with what was left out."""
    draws = prior_draws(PRIOR)
    size = len(draws["logit_share"])
    yield Choice(reading="as shipped", why="", draws=draws, pareto_k=None)
    fitted = [trial(key) for key in provenance(PRIOR)["trials"]]
    shapes = fold_shapes()
    for study in fitted:
        without = fold_draws(study.key)
        assert without is not None
        yield Choice(
            reading=f"without {study.key}",
            why=doubts(study),
            draws=resized(without, size, seed),
            pareto_k=shapes[study.key],
        )

    def weighted(reading: str, why: str, log_weights: Floats) -> Choice:
        weights = smoothed(log_weights)
        chosen = resampled(draws, weights, size, seed=seed)
        return Choice(reading=reading, why=why, draws=chosen, pareto_k=weights.pareto_k)

    def likelihood(study: Trial, figures: Sequence[Target]) -> Floats:
        return log_likelihoods(study, figures, draws, seed=seed) if figures else np.zeros(size)

    for study in fitted:
        own, abstract = (chosen_targets(targets(study), of) for of in (PUBLISHED, ("abstract",)))
        if abstract and len(abstract) < len(own):
            yield weighted(
                f"{study.key}: abstract only",
                f"{len(own) - len(abstract)} of {len(own)} figures are not of its abstract",
                likelihood(study, abstract) - likelihood(study, own),
            )
    inside = {key for study in fitted for key in study.contains}
    for pool in (study for study in fitted if study.contains):
        parts = [(trial(key), chosen_targets(targets(trial(key)), PUBLISHED)) for key in pool.contains]
        parts = [(study, own) for study, own in parts if own]
        if parts:
            yield weighted(
                f"{', '.join(study.key for study, _ in parts)} for {pool.key}",
                "a pooled analysis stands in place of the trials that it contains",
                sum((likelihood(*part) for part in parts), -likelihood(pool, chosen_targets(targets(pool), PUBLISHED))),
            )
    for study in map(trial, trial_keys()):
        if study in fitted or study.key in inside or study.indication not in POPULATION:
            continue
        own = chosen_targets(targets(study), QUALITIES)
        if own:
            why = "held out" if study.held_out else "claimed by a document alone"
            yield weighted(f"with {study.key}", why, likelihood(study, own))
    for key, measures in FORMER_READINGS.items():
        study = trial(key)
        own = chosen_targets(targets(study), PUBLISHED)
        more = chosen_targets(targets(_read_so(study, measures)), PUBLISHED)
        yield weighted(
            f"{key}: effect size as read before",
            str(study.figures[next(iter(measures))].not_target),
            likelihood(study, more) - likelihood(study, own),
        )


def _read_so(study: Trial, measures: Mapping[int, dict[str, Any]]) -> Trial:
    """The trial with some of its figures as targets; an endpoint that is not said is the MADRS."""
    figures = [
        replace(figure, measures=({"endpoint": "MADRS"} | measures[i],), not_target=None) if i in measures else figure
        for i, figure in enumerate(study.figures)
    ]
    return replace(study, figures=tuple(figures))


def doubts(study: Trial) -> str:
    """What of the reading of a trial is assumed, in words."""
    assumed = {
        "baseline": any(of.get("source") == "assumption" for of in study.baselines.values()),
        "n": any(arm.get("n_source") == "assumption" for arm in study.arms),
        "doses": study.dose_note is not None,
        "relapse": any("kept" in measure for figure in study.figures for measure in figure.measures),
    }
    said = [name for name, is_assumed in assumed.items() if is_assumed]
    return f"assumed: {', '.join(said)}" if said else ""
