"""Fitting the synthesis: which trials, compiling once, sampling, leaving trials out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.catalogue import Trial, trial, trial_keys
from kaptrial.catalogue.trials import QUALITIES
from kaptrial.evidence.synthesis.arms import POPULATION
from kaptrial.evidence.synthesis.correlation import precision
from kaptrial.evidence.synthesis.layout import Layout, Target, layout, targets
from kaptrial.evidence.synthesis.model import PARAMETERS, VECTORS, build, chosen_targets, raw_name

if TYPE_CHECKING:
    import pymc as pm


# What the default fit believes: everything that somebody published. A claim of a document alone is not evidence.
PUBLISHED = tuple(quality for quality in QUALITIES if quality != "document_only")
QUALITY_SETS = {"published": PUBLISHED, "abstracts": ("abstract",), "with_documents": QUALITIES}
TUNE, DRAWS, CHAINS = 1000, 4000, 4


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a fit reads: the trials, their figures laid out, and the model compiled for any subset of them."""

    trials: tuple[Trial, ...]
    lay: Layout
    model: pm.Model
    compiled: Any


def fitted_trials(qualities: Sequence[str], keys: Sequence[str] | None = None) -> tuple[list[Trial], list[Target]]:
    """Trials with figures to fit, and the figures; neither held-out trials nor those of outcomes counted by days."""
    trials, chosen = [], []
    for key in keys or trial_keys():
        study = trial(key)
        if study.held_out or study.indication not in POPULATION:
            continue
        own = chosen_targets(targets(study), qualities)
        if own:
            trials.append(study)
            chosen += own
    return trials, chosen


def prepare(trials: Sequence[Trial], chosen: Sequence[Target], *, expectations: bool = False) -> Evidence:
    """Lay out the figures and compile the model once; `sample` then leaves trials out without another compilation.

    `expectations`: for data that are simulated from the model, each figure on its own, so that none are correlated.
    """
    import nutpie

    lay = layout(trials, chosen)
    joint = np.eye(len(lay.figures)) if expectations else precision(trials, lay.figures, centre(), seed=0)
    model = build(lay, joint, expectations=expectations)
    return Evidence(trials=tuple(trials), lay=lay, model=model, compiled=nutpie.compile_pymc_model(model))


def together(trials: Sequence[Trial], left_out: Sequence[str] = ()) -> set[str]:
    """Keys of the trials that may be fitted together, without `left_out` and those that share patients with it.

    A pooled analysis that contains a trial takes that trial's place.
    """
    contains = {t.key: set(t.contains) for t in trials}
    out = set(left_out)
    out |= {key for key, inside in contains.items() if inside & out} | {
        k for key in left_out for k in contains.get(key, ())
    }
    keys = {t.key for t in trials} - out
    return keys - {inner for key in keys for inner in contains[key]}


def sample(
    evidence: Evidence,
    *,
    keys: set[str],
    seed: int,
    draws: int = DRAWS,
    tune: int = TUNE,
    chains: int = CHAINS,
    target_accept: float = 0.95,
) -> Any:
    """Draw from the posterior given the figures of the trials in `keys` (NUTS by nutpie); an ArviZ DataTree."""
    import nutpie

    return nutpie.sample(
        evidence.compiled.with_data(
            trial_weight=np.array([1.0 if key in keys else 0.0 for key in evidence.lay.trials])
        ),
        draws=draws,
        tune=tune,
        chains=chains,
        cores=2,
        seed=seed,
        target_accept=target_accept,
        adaptation="low_rank",
        progress_bar=False,
    )


def parameter_draws(posterior: Any, thin_to: int | None = None) -> dict[str, Floats]:
    """Draws by name: (draw,) for `PARAMETERS`, (draw, level) for `VECTORS` with the reference's zero put back."""
    stacked = {}
    for name in PARAMETERS:
        stacked[name] = np.asarray(posterior[name]).reshape(-1)
    for name in VECTORS:
        raw = np.asarray(posterior[raw_name(name)])
        raw = raw.reshape(-1, raw.shape[-1])
        stacked[name] = np.concatenate([np.zeros((len(raw), 1)), raw], axis=1)
    if thin_to is None:
        return stacked
    chosen = np.linspace(0, len(stacked["logit_share"]) - 1, thin_to).round().astype(np.int64)
    return {name: value[chosen] for name, value in stacked.items()}


def draws_before_data(n: int, *, seed: int) -> dict[str, Floats]:
    """Draws of the priors, in the form of `parameter_draws`."""
    import pymc as pm

    trials, chosen = fitted_trials(PUBLISHED, ("murrough2013a",))
    with build(layout(trials, chosen), np.eye(len(chosen))):
        names = [*PARAMETERS, *map(raw_name, VECTORS)]
        with warnings.catch_warnings():
            # The likelihood stands in potentials, which draws of the prior are meant to ignore.
            warnings.filterwarnings("ignore", message="The effect of Potentials")
            return parameter_draws(pm.sample_prior_predictive(draws=n, var_names=names, random_seed=seed).prior)


def centre() -> dict[str, Floats]:
    """The medians of the priors, as one draw."""
    draws = draws_before_data(2001, seed=0)
    return {name: np.median(value, axis=0, keepdims=True) for name, value in draws.items()}


def diagnostics(result: Any) -> Mapping[str, float]:
    """Largest R-hat, smallest bulk and tail ESS over all unknowns, and the number of divergent transitions."""
    import arviz as az

    unknowns = [
        name
        for name in result.posterior.data_vars
        if not name.endswith(("_means", "_ses", "_centres", "_probabilities"))
    ]
    posterior = result.posterior.to_dataset()[unknowns]
    least = {
        kind: min(float(np.min(v)) for v in az.ess(posterior, method=kind).data_vars.values())
        for kind in ("bulk", "tail")
    }
    return {
        "r_hat": max(float(np.max(v)) for v in az.rhat(posterior).data_vars.values()),
        "ess_bulk": least["bulk"],
        "ess_tail": least["tail"],
        "divergences": int(result.sample_stats.diverging.sum()),
    }
