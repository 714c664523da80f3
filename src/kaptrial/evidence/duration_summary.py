"""How long effects last: what the literature states, and what the calibrated model says of a new trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.catalogue import StatedDuration, scale, stated_durations
from kaptrial.evidence.indication_summary import baseline, course
from kaptrial.evidence.indications import INDICATIONS, PATIENTS
from kaptrial.evidence.published_arm import Baseline, arm_scenario, new_trial_effects, scores_by_block
from kaptrial.evidence.shipped_priors import PRIOR
from kaptrial.evidence.statistics import responders
from kaptrial.evidence.summary import FOLLOW_UP, KEPT, MADRS, SIX, days_to_loss, median_of_responders, one_infusion
from kaptrial.evidence.synthesis.arms import Course
from kaptrial.evidence.synthesis.layout import DEFAULT_FRACTION
from kaptrial.evidence.synthesis.shipped import prior_draws

AN_HOUR = 1 / 24
_AFTER_ONE = (2.0, 3.0, 4.0, 5.0, 7.0, 9.0, 11.0, 14.0, 17.0, 21.0, 28.0, 35.0, 42.0, 56.0)
_AFTER_SIX_IN_PTSD = (21.0, 28.0, 35.0, 42.0, 56.0, 70.0, 84.0, 105.0, 140.0, 190.0)
Draws = Mapping[str, Floats]


def rows(*, seed: int) -> list[dict[str, Any]]:
    """A row for each statement: its range, and median and 90 % interval of a new trial.

    `inside`: whether the interval holds the whole range.
    """
    draws = prior_draws(PRIOR)
    return [_row(stated, _MODEL[stated.id](draws, seed)) for stated in stated_durations()]


def _row(stated: StatedDuration, values: Floats) -> dict[str, Any]:
    low, median, high = (float(q) for q in np.quantile(values, [0.05, 0.5, 0.95], method="inverted_cdf"))
    return {
        "indication": stated.indication,
        "figure": stated.says,
        "unit": stated.unit,
        "stated_low": stated.low,
        "stated_high": stated.high,
        "median": median,
        "q05": low,
        "q95": high,
        "inside": bool(low <= stated.low and stated.high <= high),
        "quality": stated.quality,
        "source": ", ".join(stated.sources),
        "note": stated.note,
    }


def _after_one(draws: Draws, seed: int) -> Floats:
    """Days from an infusion under a blind to loss of the response at 24 h, half of the responders of a trial."""
    scores = _scores(one_infusion(PATIENTS), draws, MADRS, (1.0, *_AFTER_ONE), [seed, 80], elsewhere=False)
    return median_of_responders(responders(scores, 1), days_to_loss(scores, _AFTER_ONE, KEPT))


def _after_six(draws: Draws, seed: int) -> Floats:
    """Days from the last of six infusions under a blind, half of those who respond the day after it."""
    six = replace(one_infusion(PATIENTS), dose_days=SIX, dose_sizes=(1.0,) * 6, given_days=SIX)
    days = [float(day) for day in FOLLOW_UP]
    scores = _scores(six, draws, MADRS, (SIX[-1] + 1, *days), [seed, 81], elsewhere=False)
    return median_of_responders(responders(scores, 1), days_to_loss(scores, [day - SIX[-1] for day in days], KEPT))


def _after_six_in_ptsd(draws: Draws, seed: int) -> Floats:
    """Days from the end of a course of two weeks, half of those who respond then, as feder2021 counts."""
    asked, end = INDICATIONS["PTSD"], 14.0
    arm = course(asked, 6, PATIENTS)
    scores = _scores(arm, draws, baseline(asked), (end, *_AFTER_SIX_IN_PTSD), [seed, 82], elsewhere=True)
    rule = scale(asked.endpoint).response_fraction or DEFAULT_FRACTION
    lost = days_to_loss(scores, [day - end for day in _AFTER_SIX_IN_PTSD], rule)
    return median_of_responders(responders(scores, 1, rule), lost)


def _improvement_in_ocd(day: float) -> Callable[[Draws, int], Floats]:
    def share_of_baseline(draws: Draws, seed: int) -> Floats:
        asked = INDICATIONS["OCD"]
        scores = _scores(course(asked, 1, PATIENTS), draws, baseline(asked), (day,), [seed, 83], elsewhere=True)
        start = scores[..., 0].mean(axis=1)
        return np.asarray((start - scores[..., 1].mean(axis=1)) / start)

    return share_of_baseline


_MODEL: dict[str, Callable[[Draws, int], Floats]] = {
    "one_infusion": _after_one,
    "series": _after_six,
    "ptsd_series": _after_six_in_ptsd,
    "ocd_one_hour": _improvement_in_ocd(AN_HOUR),
    "ocd_week": _improvement_in_ocd(7.0),
}


def _scores(
    arm: Course, draws: Draws, before: Baseline, days: tuple[float, ...], entropy: list[int], *, elsewhere: bool
) -> Floats:
    rng = np.random.default_rng(np.random.SeedSequence(entropy))
    effects = new_trial_effects(draws, rng, elsewhere=elsewhere)
    scenario = arm_scenario(arm, draws, effects, before, days=days, n=arm.n)
    replicates = len(effects["trial_course"])
    return np.concatenate(
        [block["arm"] for block in scores_by_block({"arm": scenario}, seed=entropy, replicates=replicates)]
    )
