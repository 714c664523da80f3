"""The hierarchical model: priors, between-trial heterogeneity, likelihoods (PyMC)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kaptrial.arrays import Ints
from kaptrial.evidence.synthesis.arms import BACKGROUND, POPULATION, ROUTE
from kaptrial.evidence.synthesis.layout import LEVELS, PATHS, SHARES, Layout, Target

if TYPE_CHECKING:
    import pymc as pm

# Parameters of the population, in the order in which draws are shipped: name, and what it is.
PARAMETERS = {
    "logit_share": "logit of φ, the median share of the baseline a saturating dose removes",
    "logit_share_sd": "SD of logit φ between patients",
    "log_ec50": "log of the amount (reference doses) with half the largest effect",
    "log_half_life": "log of the median half-life of the drug's effect, days",
    "log_half_life_sd": "SD of the log half-life between patients",
    "durable_share": "share of what the drug loses that is consolidated (half-life 365 days)",
    "non_responders": "share of patients in whom the drug does nothing",
    "expectancy": "improvement from believing, share of the baseline",
    "belief_midazolam": "share of patients on midazolam who believe they received ketamine",
    "belief_saline": "the same on saline",
    "expectancy_half_life": "half-life of expectancy, days",
    "natural": "natural course after months, share of the baseline",
    "natural_sd": "its SD between patients",
    "therapy": "effect of a general psychotherapy once learnt, share of the baseline",
    "exposure_therapy": "the same of an exposure or trauma-focused therapy",
    "deviation_sd": "SD of a patient's own ups and downs, share of the baseline",
    "deviation_time_constant": "their time constant, days",
    "between_logit_share": "SD between trials of logit φ",
    "between_course": "SD between trials of improvement without the drug, share of the baseline",
    "between_log_half_life": "SD between trials of the log half-life",
}
VECTORS = {"population_effect": POPULATION, "route_effect": ROUTE, "background_effect": BACKGROUND}
# Reported standard deviations differ between trials by more than their sampling error; assumption.
SD_LOG_ERROR = 0.2


def chosen_targets(targets: Sequence[Target], qualities: Sequence[str]) -> list[Target]:
    """The targets that a fit to these qualities of evidence uses."""
    return [t for t in targets if t.quality in qualities and _fits(t)]


def _fits(target: Target) -> bool:
    if target.statistic in PATHS:
        return "remission_day" not in target.settings
    return target.statistic in (*LEVELS, *SHARES) and "response_day" not in target.settings


def build(lay: Layout, *, expectations: bool = False) -> pm.Model:
    """The model of the laid-out figures; priors and their reasons stand in docs/synthesis.md.

    `expectations`: keep the expected figures as deterministics, from which data can be simulated.
    """
    import pymc as pm
    import pytensor.tensor as pt

    from kaptrial.evidence.synthesis.forward import expected

    n_trials = len(lay.trials)
    with pm.Model() as model:
        p: dict[str, Any] = {
            "logit_share": pm.Normal("logit_share", 1.1, 0.7),
            "logit_share_sd": pm.LogNormal("logit_share_sd", np.log(0.8), 0.4),
            "log_ec50": pm.Normal("log_ec50", np.log(0.4), 0.8),
            "log_half_life": pm.Normal("log_half_life", np.log(7.0), 0.6),
            "log_half_life_sd": pm.LogNormal("log_half_life_sd", np.log(1.2), 0.35),
            "durable_share": pm.Beta("durable_share", 1.0, 6.0),
            "non_responders": pm.Beta("non_responders", 1.0, 5.0),
            "expectancy": pm.LogNormal("expectancy", np.log(0.2), 0.6),
            "belief_midazolam": pm.Beta("belief_midazolam", 3.0, 3.0),
            "belief_saline": pm.Beta("belief_saline", 1.5, 10.0),
            "expectancy_half_life": pm.LogNormal("expectancy_half_life", np.log(21.0), 0.5),
            "natural": pm.Normal("natural", 0.06, 0.06),
            "natural_sd": pm.LogNormal("natural_sd", np.log(0.12), 0.4),
            "therapy": pm.LogNormal("therapy", np.log(0.12), 0.6),
            "exposure_therapy": pm.LogNormal("exposure_therapy", np.log(0.25), 0.6),
            "deviation_sd": pm.LogNormal("deviation_sd", np.log(0.17), 0.3),
            "deviation_time_constant": pm.LogNormal("deviation_time_constant", np.log(7.0), 0.5),
            "between_logit_share": pm.HalfNormal("between_logit_share", 0.7),
            "between_course": pm.HalfNormal("between_course", 0.12),
            "between_log_half_life": pm.HalfNormal("between_log_half_life", 0.5),
        }
        population = pm.Normal("population_raw", 0.0, 0.6, shape=len(POPULATION) - 1)
        route = pm.Normal("route_raw", 0.0, 1.5, shape=len(ROUTE) - 1)
        background = pm.Normal("background_raw", np.array([0.15, 0.3]), 0.1, shape=len(BACKGROUND) - 1)
        zero = pt.zeros(1)
        p["population_effect"] = pt.concatenate([zero, population])
        p["route_effect"] = pt.concatenate([zero, route])
        p["background_effect"] = pt.concatenate([zero, background])
        for name in ("logit_share", "course", "log_half_life"):
            raw = pm.Normal(f"trial_{name}_raw", 0.0, 1.0, shape=n_trials)
            p[f"trial_{name}"] = raw * p[f"between_{name}"] * lay.trial_scale
        figures = expected(lay, p)
        if lay.levels:
            _levels(lay, figures["levels"], figures["level_sd"], expectations)
        if lay.shares:
            _binomial("shares", lay.shares, figures["shares"], expectations)
        if lay.paths:
            _binomial("paths", lay.paths, figures["paths"], expectations)
    return model


def _levels(lay: Layout, mean: Any, sd: Any, expectations: bool) -> None:
    import pymc as pm
    import pytensor.tensor as pt

    values = pm.Data("level_values", np.array([t.value for t in lay.levels]))
    known = np.array([np.nan if t.se is None else t.se for t in lay.levels])
    # The SE of a mean is SD/√n, of a difference √(SD²/n + SD²/n), of a standardised change about √(1/n + d²/2n).
    inverse_n = np.array([sum(1 / n for n in t.n) for t in lay.levels])
    standardised = np.array([t.statistic.startswith("standardised") for t in lay.levels])
    unknown = pt.switch(standardised, pt.sqrt(inverse_n * (1 + 0.5 * mean**2)), sd * np.sqrt(inverse_n))
    se = pt.switch(np.isnan(known), unknown, np.nan_to_num(known, nan=1.0))
    with_sd = sd_targets(lay)
    if expectations:
        for name, value in (("level_means", mean), ("level_ses", se), ("level_sd_centres", sd[with_sd])):
            pm.Deterministic(name, value)
    _weighted("levels", lay.levels, pm.logp(pm.Normal.dist(mean, se), values))
    if len(with_sd):
        reported = pm.Data("level_sds", np.array([lay.levels[i].sd for i in with_sd], dtype=float))
        sampling = np.array([0.5 / (lay.levels[i].n[0] - 1) for i in with_sd])
        spread = np.sqrt(sampling + SD_LOG_ERROR**2)
        terms = pm.logp(pm.Normal.dist(pt.log(sd[with_sd]), spread), pt.log(reported))
        _weighted("level_sds", [lay.levels[i] for i in with_sd], terms)


def _weighted(name: str, targets: Sequence[Target], terms: Any) -> None:
    """Add the terms of the log likelihood, each times a weight: 0 leaves a figure out without another compilation."""
    import pymc as pm

    weight = pm.Data(f"{name}_weight", np.ones(len(targets)))
    pm.Potential(f"{name}_likelihood", (weight * terms).sum())


def sd_targets(lay: Layout) -> Ints:
    """Numbers of the levels that came with an SD of the change."""
    return np.array([i for i, t in enumerate(lay.levels) if _has_sd_of_change(t)], dtype=np.int64)


def _has_sd_of_change(target: Target) -> bool:
    return target.sd is not None and target.statistic == "mean_change"


def _binomial(name: str, targets: Sequence[Target], probability: Any, expectations: bool) -> None:
    import pymc as pm

    n = np.array([patients_behind(t) for t in targets])
    counts = pm.Data(f"{name}_counts", np.array([observed_count(t, m) for t, m in zip(targets, n, strict=True)]))
    squeezed = 1e-4 + (1 - 2e-4) * probability
    if expectations:
        pm.Deterministic(f"{name}_probabilities", squeezed)
    _weighted(name, targets, pm.logp(pm.Binomial.dist(n=n, p=squeezed), counts))


def patients_behind(target: Target) -> int:
    """Patients of whom the share is a share: all of the arm, or about half (the responders) where it is of those."""
    conditional = target.statistic in PATHS and target.statistic != "response_any_time"
    return max(round(target.n[0] * 0.5), 2) if conditional else target.n[0]


def observed_count(target: Target, n: int) -> int:
    """The number of patients that the reported share means; a median says that half have relapsed."""
    if target.statistic == "median_days_to_relapse":
        return round(n / 2)
    share = 1 - target.value if target.statistic == "relapsed" else target.value
    return round(share * n)
