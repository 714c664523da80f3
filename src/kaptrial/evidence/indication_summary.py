"""The calibrated model on what a new trial of an indication other than depression would show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from kaptrial.arrays import Bools, Floats
from kaptrial.catalogue import scale, trial
from kaptrial.evidence.indications import Indication, Question
from kaptrial.evidence.published_arm import Baseline, arm_scenario, new_trial_effects, scores_by_block
from kaptrial.evidence.statistics import responders
from kaptrial.evidence.summary import SIX, one_infusion, without_drug
from kaptrial.evidence.synthesis.arms import Course
from kaptrial.evidence.synthesis.layout import DEFAULT_FRACTION
from kaptrial.scenario.scenario import Scenario


def lines(indication: Indication, draws: Mapping[str, Floats], *, seed: int) -> dict[str, Floats]:
    """Each line of the indication's card by its name, one value a draw."""
    plain = [q for q in indication.questions if q.measure != "standardised_benefit"]
    values: dict[str, Floats] = {}
    for infusions in sorted({q.infusions for q in plain}):
        asked = [q for q in plain if q.infusions == infusions]
        values |= _of_one_trial(indication, asked, infusions, draws, seed)
    for q in indication.questions:
        if q.measure == "standardised_benefit":
            values[q.figure] = standardised_benefit(indication, q, draws, seed=seed)
    return {q.figure: values[q.figure] for q in indication.questions}


def _of_one_trial(
    indication: Indication, asked: list[Question], infusions: int, draws: Mapping[str, Floats], seed: int
) -> dict[str, Floats]:
    """The lines that one new trial of so many infusions would give."""
    entropy = [seed, 79, infusions]
    effects = new_trial_effects(draws, np.random.default_rng(np.random.SeedSequence(entropy)), elsewhere=True)
    days = tuple(sorted({day for q in asked for day in q.days}))
    given = course(indication, infusions, asked[0].patients)
    arms = {"ketamine": given, indication.control: without_drug(given, indication.control)}
    scores = _scores(
        {
            name: arm_scenario(arm, draws, effects, baseline(indication), days=days, n=arm.n)
            for name, arm in arms.items()
        },
        entropy,
    )
    fraction = scale(indication.endpoint).response_fraction or DEFAULT_FRACTION
    values = {}
    for q in asked:
        columns = [1 + days.index(day) for day in q.days]
        if q.measure == "response":
            values[q.figure] = _any_response(scores[q.arm], columns, fraction).mean(axis=1)
            continue
        improvement = {name: (y[..., 0] - y[..., columns[0]]).mean(axis=1) for name, y in scores.items()}
        apart = improvement["ketamine"] - improvement[indication.control]
        values[q.figure] = apart if q.measure == "difference" else improvement[q.arm]
    return values


def _any_response(y: Floats, columns: list[int], fraction: float) -> Bools:
    return np.asarray(np.any([responders(y, column, fraction) for column in columns], axis=0))


def standardised_benefit(
    indication: Indication, question: Question, draws: Mapping[str, Floats], *, seed: int
) -> Floats:
    """Improvement with ketamine less that with the control, over the SD of the change: the mean of so many trials."""
    entropy = [seed, 78]
    rng = np.random.default_rng(np.random.SeedSequence(entropy))
    effects = new_trial_effects(draws, rng, elsewhere=True, pooled=question.trials)
    given = course(indication, question.infusions, question.patients)
    scenarios = {
        name: arm_scenario(arm, draws, effects, baseline(indication), days=question.days, n=arm.n)
        for name, arm in (("series", given), (indication.control, without_drug(given, indication.control)))
    }
    left, right = (y[..., 0] - y[..., 1] for y in _scores(scenarios, entropy).values())
    pooled = np.sqrt((left.var(axis=1, ddof=1) + right.var(axis=1, ddof=1)) / 2)
    return np.asarray((left.mean(axis=1) - right.mean(axis=1)) / pooled)


def baseline(indication: Indication) -> Baseline:
    """Mean and SD before treatment, as the trial has them that the indication names."""
    own = trial(indication.baselines_of).baselines[indication.endpoint]
    return Baseline(endpoint=indication.endpoint, mean=float(own["mean"]), sd=float(own["sd"]))


def course(indication: Indication, infusions: int, patients: int) -> Course:
    """The arm of one infusion, or of six, in patients of the indication."""
    days = SIX[:infusions]
    one = one_infusion(patients)
    return replace(
        one, dose_days=days, dose_sizes=(1.0,) * infusions, given_days=days, population=indication.population
    )


def _scores(scenarios: Mapping[str, Scenario], entropy: list[int]) -> dict[str, Floats]:
    replicates = len(next(iter(scenarios.values())).drug.half_life.value)
    blocks = list(scores_by_block(scenarios, seed=entropy, replicates=replicates))
    return {name: np.concatenate([block[name] for block in blocks]) for name in scenarios}
