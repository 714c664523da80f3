"""Operating characteristics as numbers, each with its Monte Carlo standard error (Morris 2019, Stat Med)."""

from __future__ import annotations

import numpy as np
from scipy import optimize, special

from kaptrial.estimators.fit import Fit
from kaptrial.questions.power.execution import best_endpoint, scenario_arm_with_both
from kaptrial.questions.power.truth import Truth
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.trial import Estimand

# Power at which the detectable difference is stated.
TARGET_POWER = 0.8
# A truth nearer to 0 than this many of its standard errors has no sign to be wrong about.
SIGN_KNOWN = 4.0


def share(hits: np.ndarray) -> tuple[float, float]:
    """A share and its standard error, by Agresti and Coull's adjusted share: 0 of n is not known without error."""
    n, adjusted = len(hits), (np.sum(hits) + 2) / (len(hits) + 4)
    return float(np.mean(hits)), float(np.sqrt(adjusted * (1 - adjusted) / (n + 4)))


def paired_difference(hits: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """The difference of two shares of the same replicates, first less second, and its standard error.

    The error is that of matched proportions with half a pair added to each of the four kinds, so that pairs that never
    differed are not taken for certainty (Agresti & Min 2005, Stat Med 24:729-740).
    """
    each = np.asarray(hits, dtype=float) - np.asarray(others, dtype=float)
    n, more, fewer = len(each), float((each > 0).sum()) + 0.5, float((each < 0).sum()) + 0.5
    variance = (more + fewer - (more - fewer) ** 2 / (n + 2)) / (n + 2) ** 2
    return float(each.mean()), float(np.sqrt(variance))


def sd_error(x: np.ndarray) -> float:
    """Standard error of a sample's SD, by the delta method from its fourth moment; normal samples give sd/√(2n)."""
    n, variance = len(x), float(x.var(ddof=1))
    fourth = float(np.mean((x - x.mean()) ** 4))
    of_variance = max(0.0, fourth - variance**2 * (n - 3) / (n - 1)) / n
    return float(np.sqrt(of_variance / (4 * variance))) if variance > 0 else 0.0


def type_s(fit: Fit, alpha: float, truth: Truth) -> tuple[float, float]:
    """Share of the rejections whose sign is wrong (Gelman & Carlin 2014); NaN if the truth has no sign.

    `truth`: less the value that the test asks about, as in `type_m`.
    """
    rejected = np.nan_to_num(fit.p, nan=1.0) < alpha
    if abs(truth.value) <= SIGN_KNOWN * truth.mcse or not rejected.any():
        return np.nan, np.nan
    return share(np.sign(fit.departure[rejected]) != np.sign(truth.value))


def type_m(fit: Fit, alpha: float, truth: Truth) -> tuple[float, float]:
    """Mean size of the rejecting estimates over the true size (Gelman & Carlin 2014)."""
    rejected = np.nan_to_num(fit.p, nan=1.0) < alpha
    if abs(truth.value) <= SIGN_KNOWN * truth.mcse or rejected.sum() < 2:
        return np.nan, np.nan
    sizes = np.abs(fit.departure[rejected]) / abs(truth.value)
    mean, error = float(sizes.mean()), float(sizes.std(ddof=1) / np.sqrt(len(sizes)))
    return mean, float(np.hypot(error, mean * truth.mcse / truth.value))


def t_power(effect: float, se: float, df: float, alpha: float) -> float:
    """Two-sided power of a t test: both tails of the non-central t with noncentrality effect/se."""
    critical = special.stdtrit(df, 1 - alpha / 2)
    delta = abs(effect) / se
    # Far out in a tail the library gives NaN for what is 0 to double precision.
    below = np.nan_to_num([special.nctdtr(df, delta, critical), special.nctdtr(df, delta, -critical)])
    return float(1 - below[0] + below[1])


def detectable_difference(se: float, df: float, alpha: float, power: float) -> float:
    """The true difference found with `power` at this standard error: the non-central t solved for its mean."""
    high = (special.stdtrit(df, 1 - alpha / 2) + special.stdtrit(df, power) + 10) * se
    return float(optimize.brentq(lambda d: t_power(d, se, df, alpha) - power, 1e-9 * se, high))


def room_for_synergy(s: Scenario, estimand: Estimand, additive: Truth) -> tuple[float, float] | None:
    """How far the combined arm could go beyond the sum of the two effects before the scale ends, and its error.

    The room is a sum over the other three arms, which the pairing of patients does not make more precise.
    """
    if estimand.endpoint in ("change", "auc"):
        return None
    weights = np.array(s.contrast(estimand).weights)
    means = np.array(additive.arm_means)
    weights[scenario_arm_with_both(s)] = 0.0
    return abs(best_endpoint(s, estimand) + float(weights @ means)), additive.error_of(weights)
