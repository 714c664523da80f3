"""Decision rules on a posterior: go, consider, no go, or no difference that matters; success foreseen at interim."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from scipy.special import ndtr, ndtri

from kaptrial.arrays import Floats, Ints
from kaptrial.bayes.effects import Better
from kaptrial.spec.errors import ScenarioError


class Decision(IntEnum):
    """What a trial concludes."""

    GO = 0
    CONSIDER = 1
    NO_GO = 2
    EQUIVALENT = 3


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`go`: the effect is better than `margin` (points towards benefit) with at least this probability. `no_go`: with
    at most this one. Otherwise, with `rope` (half width in points) given, `equivalent`: it is nearer to 0 than that
    with at least the probability `rope_probability`. Consider: none of these."""

    margin: float = 0.0
    go: float = 0.975
    no_go: float = 0.1
    rope: float | None = None
    rope_probability: float = 0.9

    def __post_init__(self) -> None:
        if not 0.5 <= self.go < 1:
            raise ScenarioError(f"--go = {self.go:g}: must be a probability from 0.5 to below 1")
        if not 0 <= self.no_go < self.go:
            raise ScenarioError(f"--no-go = {self.no_go:g}: must be a probability from 0 to below --go, {self.go:g}")
        if self.rope is not None and not self.rope > 0:
            raise ScenarioError(f"--rope = {self.rope:g}: must be more than 0 points")
        if not 0.5 <= self.rope_probability < 1:
            raise ScenarioError(f"--rope-probability = {self.rope_probability:g}: must be from 0.5 to below 1")

    def asked(self, better: Better) -> Floats:
        """The values whose posterior CDF the rule needs: the margin, then the ends of the ROPE."""
        sign = -1.0 if better == "lower" else 1.0
        half = 0.0 if self.rope is None else self.rope
        return np.array([sign * self.margin, -half, half])

    def decisions(self, below: Floats, better: Better) -> Ints:
        """The decision in each replicate from the CDF at `asked`, (replicate, 3). A posterior of NaN decides nothing:
        it counts as CONSIDER."""
        benefit = probability_of_benefit(below, better)
        out = np.full(len(below), int(Decision.CONSIDER))
        if self.rope is not None:
            out[below[:, 2] - below[:, 1] >= self.rope_probability] = Decision.EQUIVALENT
        out[benefit <= self.no_go] = Decision.NO_GO
        out[benefit >= self.go] = Decision.GO
        return out


def probability_of_benefit(below: Floats, better: Better) -> Floats:
    """P(effect better than the margin) from the CDF at the margin, the first column of `below`."""
    return below[:, 0] if better == "lower" else 1.0 - below[:, 0]


def predictive_probability(
    mean: Floats, sd: Floats, prior_sd: float, share: float, rule: Rule, better: Better
) -> Floats:  # fmt: skip
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
