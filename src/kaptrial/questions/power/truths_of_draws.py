"""Truths under the draws of a prior: each needs to be known only within the spread between the draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.errors import TooFewEligible
from kaptrial.model.streams import BLOCK
from kaptrial.questions.power.execution import in_threads
from kaptrial.questions.power.truth import Truth, truths_within
from kaptrial.scenario.scenario import Scenario

# The largest error of a truth as a share of the SD between draws, which widens the spread of the truths found by 2 %:
# so much is known and can be taken away. The draws that tell the SD.
SHARE_OF_SPREAD, PILOTS = 0.2, 50
# Patients of one draw, the first and the most, whatever its error.
FIRST_PATIENTS, MOST_PATIENTS = 8 * BLOCK, 50 * BLOCK


def truths_of_draws(
    scenarios: Sequence[Scenario], seeds: Sequence[int], *, workers: int = 1
) -> list[list[Truth] | None]:
    """The truths of the scenario under each draw, with a seed of its own: their errors must be independent.

    None of a draw under which hardly anybody passes the run-in. The result does not depend on `workers`.
    """
    draws = list(zip(scenarios, seeds, strict=True))
    pilots = list(in_threads(_filled, [(*draw, lambda *_: 0.0) for draw in draws[:PILOTS]], workers))
    goals = [_goals(of_estimand) for of_estimand in zip(*(each for each in pilots if each is not None), strict=True)]

    def excess(i: int, truth: Truth) -> float:
        return max((_times(truth, name, goal) for name, goal in goals[i].items()), default=0.0) if goals else 0.0

    def known(k: int, scenario: Scenario, seed: int) -> list[Truth] | None:
        if k < len(pilots) and (first := pilots[k]) and all(excess(i, truth) <= 1 for i, truth in enumerate(first)):
            return first
        return _filled(scenario, seed, excess)

    return list(in_threads(known, [(k, *draw) for k, draw in enumerate(draws)], workers))


def without_errors(values: Floats, errors: Floats) -> Floats:
    """Truths of draws drawn together towards their mean, so that their variance is that of truths without errors."""
    variance, added = float(np.var(values, ddof=1)), float(np.mean(errors**2))
    kept = max(0.0, 1.0 - added / variance) if variance > 0 else 1.0
    return np.asarray(values.mean() + np.sqrt(kept) * (values - values.mean()))


def _filled(scenario: Scenario, seed: int, excess: Callable[[int, Truth], float]) -> list[Truth] | None:
    """The truths of a draw; None where so many patients do not pass the run-in."""
    try:
        return truths_within(scenario, seed=seed, excess=excess, first=FIRST_PATIENTS, most=MOST_PATIENTS)
    except TooFewEligible:
        return None


def _goals(of_draws: Sequence[Truth]) -> dict[str, float]:
    """The largest error that the truth of an estimand may have on each measure that any draw has."""
    goals = {}
    for name in {name for truth in of_draws for name in truth.by_measure}:
        pairs = [truth.by_measure[name] for truth in of_draws if name in truth.by_measure]
        values, errors = np.array([pair for pair in pairs if np.isfinite(pair).all()]).reshape(-1, 2).T
        between = float(values.var(ddof=1) - np.mean(errors**2)) if len(values) > 1 else 0.0
        goals[name] = SHARE_OF_SPREAD * max(between, 0.0) ** 0.5
    return goals


def _times(truth: Truth, measure: str, goal: float) -> float:
    """How many times as large as it may be the error of a truth is; one that so few patients do not have is unknown."""
    value, error = truth.by_measure.get(measure, (np.nan, np.nan))
    if not np.isfinite([value, error]).all():
        return np.inf
    return 0.0 if error == 0 else error / goal if goal > 0 else np.inf
