"""How many patients of each arm come how far: the counts of a CONSORT flow diagram, over simulated trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.simulate import blocks

# Trials over which the counts are taken, two blocks of replicates.
TRIALS = 256
LOWER, UPPER = 0.05, 0.95
EVENT_NAMES = {
    "rescue": "took rescue treatment",
    "open_label_ketamine": "took ketamine outside the protocol",
    "therapy_discontinuation": "stopped their sessions",
    "missed_infusions": "missed an infusion or more",
}


@dataclass(frozen=True, kw_only=True)
class Count:
    """A number of patients: its mean over trials with its Monte Carlo error, and the range that holds 90 % of them."""

    mean: float
    mcse: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class ArmFlow:
    """One arm: randomised, each intercurrent event by the primary day, lost by then, with a score then, and with any
    score after randomisation."""

    arm: str
    label: str
    randomised: Count
    events: Mapping[str, Count]
    lost: Count
    followed: Count
    any_score: Count


def flow(s: Scenario, *, seed: int) -> list[ArmFlow]:
    """The flow of each arm up to the primary day."""
    counts: dict[tuple[int, str], list[Floats]] = {}
    for trials in blocks(s, seed=seed, replicates=TRIALS):
        day = int(np.searchsorted(trials.days, s.estimand.day))
        after = trials.days > s.randomisation.day
        followed = ~np.isnan(trials.score[..., day])
        seen = ~np.isnan(trials.score[..., after]).all(axis=-1)
        for a in range(len(s.arms)):
            here = trials.arm == a
            of_arm = {"randomised": here, "followed": here & followed, "lost": here & ~followed, "any": here & seen}
            for event in s.conduct.intercurrent_events:
                of_arm[event] = here & (trials.events[event] <= s.estimand.day)
            for name, who in of_arm.items():
                counts.setdefault((a, name), []).append(who.sum(axis=1).astype(float))
    return [
        ArmFlow(
            arm=arm.id,
            label=arm.label,
            randomised=_count(counts[a, "randomised"]),
            events={event: _count(counts[a, event]) for event in s.conduct.intercurrent_events},
            lost=_count(counts[a, "lost"]),
            followed=_count(counts[a, "followed"]),
            any_score=_count(counts[a, "any"]),
        )
        for a, arm in enumerate(s.arms)
    ]


def _count(parts: list[Floats]) -> Count:
    x = np.concatenate(parts)[:TRIALS]
    lower, upper = (float(q) for q in np.quantile(x, [LOWER, UPPER], method="inverted_cdf"))  # of whole patients
    return Count(mean=float(x.mean()), mcse=float(x.std(ddof=1) / np.sqrt(len(x))), lower=lower, upper=upper)
