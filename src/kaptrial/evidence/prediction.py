"""Predictive distributions of a trial's published figures, from draws of the parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.catalogue import Trial
from kaptrial.evidence.published_arm import Baseline, arm_scenario, new_trial_effects, scores_by_block
from kaptrial.evidence.statistics import statistic
from kaptrial.evidence.synthesis.arms import courses, elsewhere
from kaptrial.evidence.synthesis.layout import Target


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A target and its simulated values, one a draw; NaN where the statistic is undefined."""

    target: Target
    values: Floats

    @property
    def simulated(self) -> Floats:
        """The values of the draws in which the statistic is defined."""
        return self.values[~np.isnan(self.values)]


def predict(
    trial: Trial,
    own: Sequence[Target],
    draws: Mapping[str, Floats],
    *,
    seed: int,
    n: Mapping[str, int] | None = None,
    effects: Mapping[str, Floats] | None = None,
) -> list[Prediction]:
    """Simulate the trial once for each draw and compute each target's statistic.

    `n` replaces the arms' sizes; `effects` the trial effects, which are otherwise drawn anew.
    """
    entropy = [seed, *trial.key.encode()]
    effects = effects or new_trial_effects(
        draws,
        np.random.default_rng(np.random.SeedSequence(entropy)),
        elsewhere=elsewhere(trial),
        pooled=trial.pooled,
    )
    replicates = len(effects["trial_course"])
    arms = courses(trial)
    values: dict[int, list[Floats]] = {t.number: [] for t in own}
    # One simulation for figures of one scale and the same patients; another scale has the same patients.
    for endpoint, sizes in sorted({(t.endpoint, t.n) for t in own}):
        group = [t for t in own if (t.endpoint, t.n) == (endpoint, sizes)]
        visits = {
            arm: tuple(sorted({day for t in group if arm in t.arms for day in days_read(t)}))
            for t in group
            for arm in t.arms
        }
        doses = {arm: arms[arm].dose_days for arm in visits}
        behind = {arm: size for t in group for arm, size in zip(t.arms, t.n, strict=True)}
        baseline = Baseline(endpoint=endpoint, mean=group[0].mean_baseline, sd=group[0].sd_baseline)
        scenarios = {
            arm: arm_scenario(arms[arm], draws, effects, baseline, days=days, n=(n or behind)[arm])
            for arm, days in visits.items()
        }
        for y in scores_by_block(scenarios, seed=entropy, replicates=replicates):
            for t in group:
                values[t.number].append(statistic(t, y, visits, doses))
    return [Prediction(target=t, values=np.concatenate(values[t.number])) for t in own]


def days_read(target: Target) -> set[float]:
    """Every day on which the statistic reads a score."""
    starts = [target.settings[name] for name in ("response_day", "remission_day") if name in target.settings]
    return {*target.days, *(float(day) for day in starts)}
