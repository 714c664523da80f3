"""The calibrated model in the terms in which trials report it: what a new depression trial would show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from kaptrial.arrays import Bools, Floats
from kaptrial.evidence.cards import QUANTILE_COLUMNS, unit_of_line
from kaptrial.evidence.published_arm import Baseline, arm_scenario, new_trial_effects, scores_by_block
from kaptrial.evidence.statistics import responders
from kaptrial.evidence.synthesis.arms import Course

SIX = (0.0, 2.0, 4.0, 7.0, 9.0, 11.0)
MADRS = Baseline(endpoint="MADRS", mean=32.0, sd=5.0)
KEPT = 0.4  # a responder has relapsed when less than 40 % of the baseline is gone; assumption, as in murrough2013b
FEWEST_RESPONDERS = 10
FOLLOW_UP = (14, 18, 22, 25, 29, 32, 39, 46, 53, 60, 67, 74, 81, 88, 95, 102)


def one_infusion(patients: int) -> Course:
    """An infusion of 0.5 mg/kg in depression, under a blind."""
    return Course(
        arm="ketamine", n=patients, dose_days=(0.0,), dose_sizes=(1.0,), given_days=(0.0,), belief="ketamine",
        population="depression", route="IV", background="none", therapy="", session_days=(),
    )  # fmt: skip


def without_drug(arm: Course, control: str) -> Course:
    """The same arm given midazolam or saline for the drug."""
    return replace(arm, dose_days=(), dose_sizes=(), belief=control)


def predictive_summary(draws: Mapping[str, Floats], *, seed: int, patients: int = 400) -> pd.DataFrame:
    """Each line of the card, for a new trial: median and 90 % interval over draws and trials.

    One trial of `patients` an arm for each draw, with trial effects of its own; MADRS 32 (SD 5).
    """
    effects = new_trial_effects(draws, np.random.default_rng(np.random.SeedSequence([seed, 77])), elsewhere=False)
    infusion = one_infusion(patients)
    six = replace(infusion, dose_days=SIX, dose_sizes=(1.0,) * 6, given_days=SIX)
    controls = {name: without_drug(infusion, name) for name in ("midazolam", "saline")}

    asked = {"single": (infusion, (1.0, 7.0)), "series": (six, (12.0, *(float(d) for d in FOLLOW_UP)))}
    asked |= {name: (arm, (1.0,)) for name, arm in controls.items()}
    arms = {
        name: arm_scenario(arm, draws, effects, MADRS, days=days, n=patients) for name, (arm, days) in asked.items()
    }
    simulated = list(scores_by_block(arms, seed=[seed, 77], replicates=len(effects["trial_course"])))
    scores = {name: np.concatenate([block[name] for block in simulated]) for name in arms}
    single, series = scores["single"], scores["series"]
    lines = {
        "response at 24 h, one infusion": responders(single, 1).mean(axis=1),
        "response on day 7, one infusion": responders(single, 2).mean(axis=1),
        "response after six infusions": responders(series, 1).mean(axis=1),
    }
    for name in controls:
        lines[f"response at 24 h, {name}"] = responders(scores[name], 1).mean(axis=1)
    start = responders(series, 1)
    lost = days_to_loss(series, [day - SIX[-1] for day in FOLLOW_UP])
    count = start.sum(axis=1)
    enough = count >= FEWEST_RESPONDERS
    lines["median days to loss of response"] = median_of_responders(start, lost)
    still = (start & (lost > FOLLOW_UP[-2] - SIX[-1])).sum(axis=1)
    lines["responders still well 90 days after the last"] = (still / np.maximum(count, 1))[enough]
    lines["half-life of the drug's effect, median patient"] = np.exp(
        draws["log_half_life"] + effects["trial_log_half_life"]
    )
    lines["spread of half-lives: 84th percentile over median"] = np.exp(draws["log_half_life_sd"])
    return pd.DataFrame([{"figure": name, "unit": unit_of_line(name)} | quantiles(of) for name, of in lines.items()])


def quantiles(values: Floats) -> dict[str, float]:
    """The quantiles of a line of the card, by column."""
    found = np.quantile(values, list(QUANTILE_COLUMNS.values()), method="inverted_cdf")
    return {name: float(value) for name, value in zip(QUANTILE_COLUMNS, found, strict=True)}


def days_to_loss(scores: Floats, days: Sequence[float], fraction: float = KEPT) -> Floats:
    """Of each patient the first of the `days` of follow-up with less than `fraction` of the baseline gone, or infinite.

    `scores` (replicate, patient, visit): on day 0, on the day of response, then on each of the `days`.
    """
    lost = np.full(scores.shape[:2], np.inf)
    for column in range(len(days), 0, -1):
        lost = np.where(~responders(scores, 1 + column, fraction), days[column - 1], lost)
    return lost


def median_of_responders(start: Bools, lost: Floats) -> Floats:
    """The day by which half of the responders have lost their response, of trials with `FEWEST_RESPONDERS` or more."""
    count = start.sum(axis=1)
    ordered = np.sort(np.where(start, lost, np.nan), axis=1)
    half = np.maximum(np.ceil(count / 2).astype(np.int64) - 1, 0)
    return np.asarray(ordered[np.arange(len(count)), half][count >= FEWEST_RESPONDERS])
