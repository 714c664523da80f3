"""Small trials with every complication: gaps, therapists in one arm, a covariate, unequal arms."""

from __future__ import annotations

import numpy as np

from kaptrial.questions.fit.data import InteractionData, pooled_sd


def factorial(seed: int = 0, n: int = 40, days: tuple[float, ...] = (1.0, 7.0, 28.0)) -> InteractionData:
    """A 2×2 of n patients with gaps and three therapists."""
    rng = np.random.default_rng(seed)
    levels = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 1]], dtype=float)
    arm = np.arange(n) % 4
    baseline, age = rng.normal(30, 5, n), rng.normal(40, 10, n)
    therapist = np.where(levels[arm, 1] == 1, rng.integers(0, 3, n), -1)
    y = 20 + 0.5 * (baseline - 30)[:, None] + levels[arm] @ np.array([[-4.0], [-2.0], [-1.0]])
    y = y + rng.normal(0, 3, (n, 1)) + rng.normal(0, 4, (n, len(days))) + np.arange(len(days))
    gaps = rng.random(y.shape) < 0.2
    gaps[:, 0] = False
    y[gaps] = np.nan
    return InteractionData(
        y=y, days=days, effects=("ketamine", "therapy", "ketamine:therapy"), roles=("drug", "therapy", "interaction"),
        x=levels[arm], levels=levels, baseline=baseline, covariates=age[:, None], covariate_names=("age",),
        arms=("00", "01", "10", "11"), arm=arm, therapist=therapist, unit_sd=pooled_sd(y[:, -1], arm, 4),
        target_day=days[-1], better="lower", factors=("ketamine", "therapy"),
    )  # fmt: skip
