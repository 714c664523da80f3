"""A clean trial whose powers are known exactly: Gaussian, unclipped, equal variance, complete, no therapists or hopes.

The therapy is learnt at once and never forgotten, so its effect is the constant shift `delta`; the drug does nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from kaptrial.scenario.files import build
from kaptrial.scenario.scenario import Scenario

TRAIT_SD, DEVIATION_SD, RATER_SD, TIME_CONSTANT, DAY = 5.0, 6.0, 2.5, 14.0, 28.0
TOTAL_SD = float(np.sqrt(TRAIT_SD**2 + DEVIATION_SD**2 + RATER_SD**2))
CORRELATION = (TRAIT_SD**2 + DEVIATION_SD**2 * np.exp(-DAY / TIME_CONSTANT)) / TOTAL_SD**2


def number(value: Any, unit: str, **more: Any) -> dict[str, Any]:
    """A sourced number for a test."""
    return {"value": value, "unit": unit, "source": "assumption", "note": "for a test", **more}


def clean_raw(*, n_per_arm: int, delta: float) -> dict[str, Any]:
    """The clean scenario as a raw mapping, to be edited."""
    dose = {"agent": "ketamine", "mg_per_kg": 0.5, "days": [0]}
    return {
        "title": "clean",
        "question": "none",
        "outcome": {"scale": "MADRS"},
        "population": {"description": "test", "baseline": number(40, "points", sd=TRAIT_SD)},
        "drug": {"effect": "linear", "slope": number(0, "points"), "half_life": number(7, "day")},
        "therapies": {
            "shift": {
                "label": "a constant shift",
                "max_effect": number(delta, "points"),
                "learning_per_session": number(60, "none"),
                "half_life": number(1e9, "day"),
            }
        },
        "measurement": {
            "deviation_sd": number(DEVIATION_SD, "points"),
            "deviation_time_constant": number(TIME_CONSTANT, "day"),
            "rater_sd": number(RATER_SD, "points"),
            "round": False,
            "clip": False,
        },
        "arms": [
            {"id": "control", "label": "control", "doses": [dose]},
            {"id": "treated", "label": "treated", "doses": [dose], "therapy": {"name": "shift", "days": [1]}},
        ],
        "design": {"n_per_arm": n_per_arm, "visits": [0, DAY]},
        "estimand": {"contrast": "treated - control", "day": DAY},
        "analysis": {"methods": ["ancova", "difference"]},
    }


def clean(*, n_per_arm: int, delta: float) -> Scenario:
    """The clean scenario; `delta` points of improvement."""
    return build(clean_raw(n_per_arm=n_per_arm, delta=delta))


def t_test_power(delta: float, n: int, alpha: float = 0.05) -> float:
    """Power of the two-sample t test with n an arm: both tails of the non-central t."""
    return _power(delta / (TOTAL_SD * np.sqrt(2 / n)), 2 * n - 2, alpha)


def ancova_power(delta: float, n: int, alpha: float = 0.05) -> float:
    """Power of ANCOVA averaged over the random covariate.

    Given the covariate the variance is σ²(1 − ρ²)·(2/n)·(1 + F/(2n − 2)) with F ~ F(1, 2n − 2); the mean over
    F is taken by the
    midpoint rule on its quantiles.
    """
    f = special.fdtri(1, 2 * n - 2, (np.arange(2000) + 0.5) / 2000)
    se = TOTAL_SD * np.sqrt(1 - CORRELATION**2) * np.sqrt(2 / n * (1 + f / (2 * n - 2)))
    return float(np.mean([_power(delta / s, 2 * n - 3, alpha) for s in se]))


def _power(ncp: float, df: int, alpha: float) -> float:
    critical = special.stdtrit(df, 1 - alpha / 2)
    return float(1 - special.nctdtr(df, ncp, critical) + special.nctdtr(df, ncp, -critical))
