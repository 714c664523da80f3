"""Decision rules on a posterior: go, consider, no go, or no difference that matters; success foreseen at interim."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from scipy.special import ndtr, ndtri

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


def predictive_probability(
    mean: Floats, sd: Floats, prior_sd: float, share: float, rule: DecisionRule, better: Better
) -> Floats:
    """Probability at an interim look that the whole trial will end with `go` (Spiegelhalter, Freedman & Blackburn 1986,
    Control Clin Trials 7:8).

    mean, sd : (replicate,), posterior at the look; `share`: of the patients seen so far; `prior_sd`: of the effect.
    All distributions taken as normal with known variance: the data's precision 1/sd² − 1/prior_sd² grows by
    1/share, and the final posterior mean is normal about today's with variance sd² − final sd².
    """
    data = np.maximum(1.0 / sd**2 - 1.0 / prior_sd**2, 0.0)
    final = 1.0 / (1.0 / prior_sd**2 + data / share)
    towards = -mean if better == "lower" else mean
    needed = rule.margin + ndtri(rule.go) * np.sqrt(final)
    spread = np.sqrt(np.maximum(sd**2 - final, 1e-300))
    return np.asarray(ndtr((towards - needed) / spread))
