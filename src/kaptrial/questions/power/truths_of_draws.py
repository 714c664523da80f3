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
# so much is known and can be taken away. Patients of one draw, the first and the most, whatever its error.
SHARE_OF_SPREAD, FIRST_PATIENTS, MOST_PATIENTS = 0.2, 8 * BLOCK, 50 * BLOCK


def truths_of_draws(
    scenarios: Sequence[Scenario], seeds: Sequence[int], *, workers: int = 1
) -> list[list[Truth] | None]:
    """The truths of the scenario under each draw, with a seed of its own: their errors must be independent.

    None of a draw under which hardly anybody passes the run-in. The result does not depend on `workers`.
    """
    tasks = [(scenario, seed, lambda *_: 0.0) for scenario, seed in zip(scenarios, seeds, strict=True)]
    first = list(in_threads(_filled, tasks, workers))
    filled = [each for each in first if each is not None]
    goals = [_goals(of_estimand) for of_estimand in zip(*filled, strict=True)]

    def excess(i: int, truth: Truth) -> float:
        return max(_times(truth.by_measure.get(name, (0.0, np.inf))[1], goal) for name, goal in goals[i].items())

    def known_enough(scenario: Scenario, seed: int, known: list[Truth] | None) -> list[Truth] | None:
        if known is None or all(excess(i, truth) <= 1 for i, truth in enumerate(known)):
            return known
        return _filled(scenario, seed, excess) or known

    return list(in_threads(known_enough, zip(scenarios, seeds, first, strict=True), workers))


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
        known = [truth.by_measure[name] for truth in of_draws if name in truth.by_measure]
        values, errors = np.array(known).T
        between = float(values.var(ddof=1) - np.mean(errors**2)) if len(known) > 1 else 0.0
        goals[name] = SHARE_OF_SPREAD * max(between, 0.0) ** 0.5
    return goals


def _times(error: float, goal: float) -> float:
    """How many times as large as it may be an error is."""
    return 0.0 if error == 0 else error / goal if goal > 0 else float("inf")
