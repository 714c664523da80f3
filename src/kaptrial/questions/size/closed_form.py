"""Closed forms beside the simulation, where one holds: t test, ANCOVA, 2×2 interaction."""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize, special

from kaptrial.errors import ScenarioError
from kaptrial.questions.power.measures import t_power
from kaptrial.questions.power.truth import Truth, truths
from kaptrial.questions.size.search import Search
from kaptrial.questions.size.standard_error import SELaw, size_by_law
from kaptrial.scenario.scenario import Scenario


def closed_power(s: Scenario, effect: float) -> float | None:
    """Exact power of the primary contrast in a clean scenario; None where its conditions do not hold.

    Scores are Gaussian with the same variance σ² in every arm and correlation ρ with the baseline. The unadjusted test
    is a t test with N − arms degrees of freedom. Given the baselines ANCOVA's variance is
    σ²(1 − ρ²)·Σ w²/n·(1 + F/(N − arms)) with F ~ F(1, N − arms), over which the power is averaged, and it has a degree
    of freedom fewer.
    """
    moments = _clean_moments(s)
    if moments is None:
        return None
    total, covariance, baseline = moments
    change = s.estimand.endpoint == "change"
    units = s.n_total / sum(s.ratio)
    spread = sum(w * w / (units * share) for w, share in zip(s.contrast(s.estimand).weights, s.ratio, strict=True))
    df = s.n_total - len(s.arms)
    if df < 2:
        return None
    if s.analyses(s.estimand)[0] == "difference" or not s.covariates:
        variance = total + baseline - 2 * covariance if change else total
        return t_power(effect, math.sqrt(variance * spread), df, s.analysis.alpha)
    residual = total - covariance**2 / baseline
    nodes, node_weights = np.polynomial.legendre.leggauss(64)
    # F(1, df) is the square of t: averaged over |t| by its quantiles.
    leverage = special.stdtrit(df, 0.5 + (nodes + 1) / 4) ** 2 / df
    powers = [t_power(effect, math.sqrt(residual * spread * (1 + h)), df - 1, s.analysis.alpha) for h in leverage]
    return float(node_weights @ powers / 2)


def _clean_moments(s: Scenario) -> tuple[float, float, float] | None:
    """Variance of the score, its covariance with the baseline and the baseline's variance, or None if not clean."""
    m, d, e = s.measurement, s.drug, s.estimand
    varies = any(x is not None and x.spread > 0 for x in (d.share, d.max_effect, d.slope))
    inert = (d.slope is not None and d.slope.value == 0 and d.slope.spread == 0) or not any(
        doses.is_ketamine for arm in s.arms for doses in arm.doses
    )
    fixed_drug = inert or (
        d.share is None and not varies and d.half_life.spread == 0 and s.population.non_responders is None
    )
    fixed_therapy = all(
        (t.max_effect.spread == 0 or t.max_effect.value == 0)
        and t.therapists is None
        and (inert or not (t.gamma or t.kappa or t.xi) or fixed_drug)
        for t in s.therapies.values()
    )
    natural = s.natural_course is None or s.natural_course.change.spread == 0
    conduct = s.conduct
    untouched = not any(vars(conduct).values()) and s.expectancy.drug is None and s.expectancy.therapy is None
    adjusted = s.analyses(s.estimand)[0] == "ancova"
    normal = s.scale.link == "identity" and e.endpoint in ("score", "change") and not m.round and not m.clip
    unselected = s.population.entry is None and s.randomisation.day == 0 and not s.design.allocation.strata
    usual = not adjusted or s.covariates in ((), ("baseline",))
    if not (normal and unselected and fixed_drug and fixed_therapy and natural and untouched and usual):
        return None
    trait, deviation, rater = s.population.baseline.spread**2, m.deviation_sd.value**2, m.rater_sd.value**2
    total = trait + deviation + rater
    covariance = trait + deviation * math.exp(-e.day / m.deviation_time_constant.value)
    return total, covariance, total


def closed_size(
    search: Search, truth: Truth, effect: float, law: SELaw, df_per_n: float, low: float, high: float, step: float
) -> tuple[float | None, str | None]:
    """The size by the exact form, or by the t test with the simulated SE, and which of the two it is."""
    if closed_power(search.base, abs(truth.value)) is not None:

        def enough(units: int) -> bool:
            power = closed_power(search.scenario(units * step), abs(truth.value))
            return power is not None and power >= search.target

        first, last = math.ceil(low / step), math.floor(high / step)
        if not enough(last):
            return None, None
        while first < last:
            middle = (first + last) // 2
            first, last = (first, middle) if enough(middle) else (middle + 1, last)
        return first * step, "exact"
    n = size_by_law(search, effect, law, df_per_n, low, high)
    return (None, None) if n is None else (math.ceil(n / step - 1e-9) * step, "approximate")


def closed_path(search: Search, value: float) -> float | None:
    """The root of the exact power, where the scenario is clean; sought between half and twice the answer, and within
    the bounds.
    """
    least, most = search.bounds or (-math.inf, math.inf)

    def lack(x: float) -> float:
        s = search.scenario(x)
        power = closed_power(s, abs(truths(s, seed=search.seed)[0].value))
        if power is None:
            raise ArithmeticError
        return power - search.target

    if search.in_whole_numbers or value == 0:
        return None
    try:
        return float(optimize.brentq(lack, max(value / 2, least), min(value * 2, most), xtol=1e-4 * abs(value)))
    except (ArithmeticError, ScenarioError, ValueError):
        return None
