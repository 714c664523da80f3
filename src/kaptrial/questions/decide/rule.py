"""Decision rules on a posterior: go, consider, no go, or no difference that matters."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.priors.effects import Better
from kaptrial.scenario.decision import DecisionRule


class Decision(IntEnum):
    """What a trial concludes."""

    GO = 0
    CONSIDER = 1
    NO_GO = 2
    EQUIVALENT = 3


def thresholds(rule: DecisionRule, better: Better) -> Floats:
    """The values whose posterior CDF the rule needs: the margin, then the ends of the ROPE."""
    sign = -1.0 if better == "lower" else 1.0
    half = 0.0 if rule.rope is None else rule.rope
    return np.array([sign * rule.margin, -half, half])


def decide(rule: DecisionRule, below: Floats, better: Better) -> Ints:
    """The decision in each replicate from the CDF at the thresholds, (replicate, 3). A posterior of NaN decides
    nothing: it counts as CONSIDER."""
    benefit = below[:, 0] if better == "lower" else 1.0 - below[:, 0]
    out = np.full(len(below), int(Decision.CONSIDER))
    if rule.rope is not None:
        out[below[:, 2] - below[:, 1] >= rule.rope_probability] = Decision.EQUIVALENT
    out[benefit <= rule.no_go] = Decision.NO_GO
    out[benefit >= rule.go] = Decision.GO
    return out
