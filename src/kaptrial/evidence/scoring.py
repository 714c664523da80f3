"""How well predictive distributions fit reported figures: intervals, tail probabilities, CRPS, and a naive rival."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.catalogue import Trial, trial
from kaptrial.evidence.synthesis.layout import Target

_DAY_BANDS = (0.0, 2.5, 10.0, 35.0, np.inf)
# Statistics in points of a scale: compared across scales as shares of the baseline.
_POINTS = ("mean", "mean_change", "difference")


def crps(simulated: Floats, reported: float) -> float:
    """Continuous ranked probability score E|X − y| − E|X − X′|/2, by the order statistics of the draws.

    (Gneiting & Raftery 2007, J Am Stat Assoc 102:359-378.) Infinite draws (a median never reached) count as the largest
    finite one, or as twice the reported value where there is none.
    """
    x = np.sort(simulated)
    finite = x[np.isfinite(x)]
    x = np.where(np.isfinite(x), x, finite[-1] if len(finite) else 2 * reported)
    n = len(x)
    spread = 2.0 * np.sum((2 * np.arange(1, n + 1) - n - 1) * x) / (n * n)
    return float(np.mean(np.abs(x - reported)) - spread / 2)


def tail_probability(simulated: Floats, reported: float) -> float:
    """Two-sided predictive tail probability; ties count half, so that a coarse statistic is not called surprising."""
    below = np.mean(simulated < reported) + 0.5 * np.mean(simulated == reported)
    return float(min(1.0, 2 * min(below, 1 - below)))


def unit_of(target: Target) -> float:
    """What a CRPS is divided by, so that it can be averaged: the mean baseline for points, else 1 (days: 30)."""
    if target.statistic in _POINTS:
        return target.mean_baseline
    if target.statistic.startswith(("median_days", "mean_days")):
        return 30.0
    return 100.0 if target.statistic in ("percent_change", "days_abstinent_difference") else 1.0


def _drugged(target: Target) -> bool:
    arms = trial(target.trial).arms
    doses = {raw["id"]: any(d["agent"] in ("ketamine", "esketamine") for d in raw.get("doses", ())) for raw in arms}
    return doses.get(target.arms[0], True)


def same_patients(one: Trial, other: Trial) -> bool:
    """Whether two trials are one (by key or DOI), or one is among the trials that the other contains."""
    same_paper = one.citation.doi is not None and one.citation.doi == other.citation.doi
    return one.key == other.key or same_paper or other.key in one.contains or one.key in other.contains


def day_band(target: Target) -> int:
    """The band of days in which a figure lies: to 2.5, 10, 35 days, later."""
    return int(np.searchsorted(_DAY_BANDS, target.days[-1] if target.days else 0.0))


def pooled_predictions(targets: Sequence[Target]) -> list[Floats]:
    """The naive rival of each target: the figures that other trials reported for the like.

    Alike means the same statistic, drug given or not, and band of days (to 2.5, 10, 35 days, later); where no other
    trial has one, the same statistic with the drug given or not, then the same statistic. In units of `unit_of`. Empty
    where no other trial reported the statistic.
    """
    keys = [(t.statistic, _drugged(t), day_band(t)) for t in targets]
    values = np.array([t.value / unit_of(t) for t in targets])
    out = []
    for t, key in zip(targets, keys, strict=True):
        predictions: list[float] = []
        for depth in (3, 2, 1):
            predictions = [
                value
                for value, other, k in zip(values, targets, keys, strict=True)
                if k[:depth] == key[:depth] and not same_patients(trial(other.trial), trial(t.trial))
            ]
            if predictions:
                break
        out.append(np.array(predictions))
    return out
