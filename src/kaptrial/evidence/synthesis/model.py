"""The hierarchical model: priors, between-trial heterogeneity, likelihoods (PyMC)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.evidence.synthesis.arms import BACKGROUND, POPULATION, ROUTE
from kaptrial.evidence.synthesis.layout import LEVELS, PATHS, SHARES, Layout, Target
from kaptrial.priors.constants import TRIAL_DF

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
    "expectancy": "improvement from believing that one received the drug, share of the baseline",
    "belief_open": "share of patients given ketamine openly who improve so",
    "belief_ketamine": "the same of patients given ketamine under a blind",
    "belief_midazolam": "the same of patients given midazolam",
    "belief_saline": "the same of patients given an infusion of saline",
    "belief_placebo": "the same of patients given a spray or tablet without a drug",
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
    "between_belief": "SD between trials of the logit of belief",
    "elsewhere_ratio": "these SDs elsewhere over those between trials of infusions in depression",
}
# Differences from the first level, which is the reference and has none.
VECTORS = {
    "population_effect": POPULATION,
    "population_belief": POPULATION,
    "population_natural": POPULATION,
    "route_effect": ROUTE,
    "background_effect": BACKGROUND,
}
# Reported standard deviations differ between trials by more than their sampling error; assumption.
SD_LOG_ERROR = 0.2
# A difference is called significant at p < .05, two-sided.
CRITICAL = 1.959964


def raw_name(vector: str) -> str:
    """The name under which the fit has the levels of one of the `VECTORS` after the reference."""
    return vector.removesuffix("_effect") + "_raw"


def chosen_targets(targets: Sequence[Target], qualities: Sequence[str]) -> list[Target]:
    """The targets that a fit to these qualities of evidence uses."""
    return [t for t in targets if t.quality in qualities and _fits(t)]


def _fits(target: Target) -> bool:
    if target.statistic in PATHS:
        return "remission_day" not in target.settings
    return target.statistic in (*LEVELS, *SHARES) and "response_day" not in target.settings


def build(lay: Layout, precision: Floats, *, expectations: bool = False) -> pm.Model:
    """The model of the laid-out figures; priors and their reasons stand in docs/synthesis.md.

    `precision`: inverse correlation of the sampling errors of all figures (`correlation.precision`).
    `expectations`: keep the expected figures as deterministics, from which data can be simulated.
    """
    import pymc as pm
    import pytensor.tensor as pt

    from kaptrial.evidence.synthesis.forward import expected, shifted

    n_trials = len(lay.trials)
    with pm.Model() as model:
        p: dict[str, Any] = {
            "logit_share": pm.Normal("logit_share", 1.4, 0.5),
            "logit_share_sd": pm.LogNormal("logit_share_sd", np.log(0.8), 0.4),
            "log_ec50": pm.Normal("log_ec50", np.log(0.4), 0.8),
            "log_half_life": pm.Normal("log_half_life", np.log(7.0), 0.6),
            "log_half_life_sd": pm.LogNormal("log_half_life_sd", np.log(1.2), 0.35),
            "durable_share": pm.Beta("durable_share", 1.0, 6.0),
            "non_responders": pm.Beta("non_responders", 2.0, 4.0),
            "expectancy": pm.LogNormal("expectancy", np.log(0.4), 0.2),
            "belief_midazolam": pm.Beta("belief_midazolam", 3.0, 3.0),
            "belief_saline": pm.Beta("belief_saline", 1.5, 8.0),
            "belief_placebo": pm.Beta("belief_placebo", 2.0, 4.0),
            "expectancy_half_life": pm.LogNormal("expectancy_half_life", np.log(14.0), 0.6),
            "natural": pm.Normal("natural", 0.06, 0.06),
            "natural_sd": pm.LogNormal("natural_sd", np.log(0.12), 0.4),
            "therapy": pm.LogNormal("therapy", np.log(0.12), 0.6),
            "exposure_therapy": pm.LogNormal("exposure_therapy", np.log(0.25), 0.6),
            "deviation_sd": pm.LogNormal("deviation_sd", np.log(0.12), 0.25),
            "deviation_time_constant": pm.LogNormal("deviation_time_constant", np.log(7.0), 0.5),
            "between_logit_share": pm.HalfNormal("between_logit_share", 0.7),
            "between_course": pm.HalfNormal("between_course", 0.12),
            "between_log_half_life": pm.HalfNormal("between_log_half_life", 0.5),
            "between_belief": pm.HalfNormal("between_belief", 0.7),
            "elsewhere_ratio": pm.LogNormal("elsewhere_ratio", np.log(1.5), 0.4),
        }
        # Nobody given the drug believes in it less than who is given midazolam.
        for name in ("ketamine", "open"):
            more = pm.HalfNormal(f"belief_{name}_more", 1.0)
            p[f"belief_{name}"] = pm.Deterministic(f"belief_{name}", shifted(p["belief_midazolam"], more))
        of_level = {
            "population_effect": (0.0, 1.5),
            "population_belief": (0.0, 0.7),
            "population_natural": (0.0, 0.08),
            "route_effect": (0.0, 1.5),
            "background_effect": (np.array([0.15, 0.3]), 0.1),
        }
        for name, (centre, sd) in of_level.items():
            raw = pm.Normal(raw_name(name), centre, sd, shape=len(VECTORS[name]) - 1)
            p[name] = pt.concatenate([pt.zeros(1), raw])
        spread = lay.trial_scale * pt.switch(lay.trial_elsewhere, p["elsewhere_ratio"], 1.0)
        for name in ("logit_share", "course", "log_half_life", "belief"):
            raw = pm.StudentT(f"trial_{name}_raw", nu=TRIAL_DF, mu=0.0, sigma=1.0, shape=n_trials)
            p[f"trial_{name}"] = raw * p[f"between_{name}"] * spread
        figures = expected(lay, p)
        residuals, lost = [], []
        if lay.levels:
            of_levels, log_se = _levels(lay, figures["levels"], figures["level_sd"], expectations)
            residuals.append(of_levels)
            lost.append(-log_se)
        for kind, group in (("shares", lay.shares), ("paths", lay.paths)):
            if group:
                residuals.append(_shares(kind, group, figures[kind], expectations))
                lost.append(pt.zeros(len(group)))
        z = pt.concatenate(residuals)
        terms = pt.concatenate(lost) - 0.5 * z * pt.dot(precision, z)
        if lay.levels:
            terms = pt.concatenate([terms, _reported_sds(lay, figures["level_sd"], expectations)])
        # The terms are weighted by trial: 0 leaves one out without another compilation.
        weight = pm.Data("trial_weight", np.ones(n_trials))
        pm.Potential("likelihood", (weight[trial_of_terms(lay)] * terms).sum())
    return model


def trial_of_terms(lay: Layout) -> Ints:
    """The number of the trial of each term of the log likelihood: the figures', then the reported SDs'."""
    of = lay.figure_trial
    return np.concatenate([of, of[sd_targets(lay)]]) if lay.levels else of


def _levels(lay: Layout, mean: Any, sd: Any, expectations: bool) -> tuple[Any, Any]:
    """Residuals of the levels in SE, and the log SE."""
    import pymc as pm
    import pytensor.tensor as pt

    from kaptrial.evidence.synthesis.forward import phi

    values = pm.Data("level_values", np.array([t.value for t in lay.levels]))
    known = np.array([np.nan if t.se is None else t.se for t in lay.levels])
    # The SE of a mean is SD/√n, of a difference √(SD²/n + SD²/n), of a standardised change about √(1/n + d²/2n).
    inverse_n = np.array([sum(1 / n for n in t.n) for t in lay.levels])
    standardised = np.array([t.statistic.startswith("standardised") for t in lay.levels])
    unknown = pt.switch(standardised, pt.sqrt(inverse_n * (1 + 0.5 * mean**2)), sd * np.sqrt(inverse_n))
    se = pt.switch(np.isnan(known), unknown, np.nan_to_num(known, nan=1.0))
    if expectations:
        pm.Deterministic("level_means", mean)
        pm.Deterministic("level_ses", se)
    tests = np.array([t.statistic == "significant" for t in lay.levels])
    if not tests.any():
        return (values - mean) / se, pt.log(se)
    at = mean / se
    significant = 1e-6 + (1 - 2e-6) * (phi(at - CRITICAL) + phi(-at - CRITICAL))
    # Of a test only its outcome is reported; the residual is the signed root of its deviance.
    outcome = pt.switch(pt.eq(values, 1.0), -pt.sqrt(-2 * pt.log(significant)), pt.sqrt(-2 * pt.log1p(-significant)))
    return pt.switch(tests, pt.sign(mean) * outcome, (values - mean) / se), pt.switch(tests, 0.0, pt.log(se))


def _reported_sds(lay: Layout, sd: Any, expectations: bool) -> Any:
    """Log likelihood of the reported SDs of change."""
    import pymc as pm
    import pytensor.tensor as pt

    with_sd = sd_targets(lay)
    reported = pm.Data("level_sds", np.array([lay.levels[i].sd for i in with_sd], dtype=float))
    if expectations:
        pm.Deterministic("level_sd_centres", sd[with_sd])
    sampling = np.array([0.5 / (lay.levels[i].n[0] - 1) for i in with_sd])
    return pm.logp(pm.Normal.dist(pt.log(sd[with_sd]), np.sqrt(sampling + SD_LOG_ERROR**2)), pt.log(reported))


def sd_targets(lay: Layout) -> Ints:
    """Numbers of the levels that came with an SD of the change."""
    return np.array([i for i, t in enumerate(lay.levels) if _has_sd_of_change(t)], dtype=np.int64)


def _has_sd_of_change(target: Target) -> bool:
    return target.sd is not None and target.statistic == "mean_change"


def _shares(name: str, targets: Sequence[Target], probability: Any, expectations: bool) -> Any:
    """Signed roots of the binomial deviances: −½ of their squares is the log likelihood, but for a constant."""
    import pymc as pm
    import pytensor.tensor as pt
    from pytensor.tensor.special import xlogy

    n = np.array([patients_behind(t) for t in targets])
    counts = pm.Data(f"{name}_counts", np.array([observed_count(t, m) for t, m in zip(targets, n, strict=True)]))
    p = 1e-4 + (1 - 2e-4) * probability
    if expectations:
        pm.Deterministic(f"{name}_probabilities", p)
    seen = counts / n
    deviance = 2 * n * (xlogy(seen, seen) - seen * pt.log(p) + xlogy(1 - seen, 1 - seen) - (1 - seen) * pt.log1p(-p))
    # The root has no derivative at 0, where the deviance is flat.
    return pt.sign(seen - p) * pt.sqrt(pt.maximum(deviance, 0.0) + 1e-10)


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
