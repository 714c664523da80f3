"""The scenario's analyses of simulated trials: one fit of an estimand in every replicate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.estimators.fit import Fit
from kaptrial.method_table import method_of, methods
from kaptrial.methods.prepared import covariate_columns, event_counts, event_times, patient_endpoint, scores_under
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.trial import Estimand
from kaptrial.simulation.trials import Trials

# The covariates whose effect may differ from visit to visit; the others have one slope.
BY_VISIT = ("baseline", "randomisation_score")


class AnyQuestion(Protocol):
    """What a method can count on, of simulated trials and of a file: arrays (replicate, patient)."""

    @property
    def y(self) -> Floats:
        """The outcome of each patient."""

    @property
    def arm(self) -> Ints:
        """The arm of each patient."""

    @property
    def covariates(self) -> Floats:
        """All covariates, (replicate, patient, column)."""

    @property
    def therapist(self) -> Ints | None:
        """The therapist of each patient, −1 for none; None where there are none."""

    @property
    def weights(self) -> Sequence[float]:
        """The contrast, as weights of the arms."""


@dataclass(frozen=True, kw_only=True)
class SimulatedQuestion:
    """What an analysis of a block of trials is asked. `seed` and `block`: those under which they were simulated."""

    trials: Trials
    scenario: Scenario
    estimand: Estimand
    option: str = ""
    seed: int = 1
    block: int = 0

    @property
    def weights(self) -> tuple[float, ...]:
        """The contrast, as weights of the arms."""
        return self.scenario.contrast(self.estimand).weights

    @property
    def arm(self) -> Ints:
        """The arm of each patient."""
        return self.trials.arm

    @property
    def therapist(self) -> Ints | None:
        """The therapist of each patient, −1 for none."""
        return self.trials.therapist

    @property
    def y(self) -> Floats:
        """The endpoint of each patient."""
        return patient_endpoint(self.trials, self.trials.score, self.scenario, self.estimand)

    @property
    def covariates(self) -> Floats:
        """All covariates."""
        return covariate_columns(self.trials, self.scenario.covariates_of(self.estimand))

    def strata(self) -> Ints | None:
        """The stratum of each patient, of the factors among the covariates; None where there are none."""
        stratum = None
        for name in self.scenario.strata:
            if name in self.scenario.covariates_of(self.estimand):
                covariate = self.trials.covariates[name]
                level = covariate.values.astype(np.int64)
                stratum = level if stratum is None else stratum * len(covariate.levels) + level
        return stratum

    def unstratified_covariates(self) -> Floats:
        """The covariates besides those that `strata` is made of."""
        names = [name for name in self.scenario.covariates_of(self.estimand) if name not in self.scenario.strata]
        return covariate_columns(self.trials, names)

    def split_covariates(self) -> tuple[Floats, Floats]:
        """Covariates with a slope at each visit, and with one slope."""
        names = self.scenario.covariates_of(self.estimand)
        return (
            covariate_columns(self.trials, [name for name in names if name in BY_VISIT]),
            covariate_columns(self.trials, [name for name in names if name not in BY_VISIT]),
        )

    def scores(self) -> tuple[Floats, Floats]:
        """Scores after randomisation under the strategies, as changes if the endpoint is one, and their days."""
        later = self.trials.days > self.scenario.randomisation.day
        under = scores_under(
            self.trials, self.trials.score, self.estimand.strategies, self.scenario.scale_of(self.estimand).worst
        )
        y = under[..., later]
        return (y - self.trials.baseline[..., None] if self.estimand.endpoint == "change" else y), self.trials.days[
            later
        ]

    def imputation_rng(self) -> np.random.Generator:
        """The generator of multiple imputation, the same for each analysis of the block."""
        from kaptrial.model.streams import Stream, generator

        return generator(self.seed, self.block, Stream.IMPUTATION)

    def times(self) -> tuple[Floats, Bools]:
        """Days from the origin to the event, and whether it was seen."""
        return event_times(self.trials, self.trials.score, self.scenario, self.estimand)

    def counts(self) -> tuple[Floats, Floats]:
        """Events of each patient, and the days over which they were counted."""
        return event_counts(self.trials, self.trials.score, self.scenario, self.estimand)


def estimate(trials: Trials, scenario: Scenario, estimand: Estimand, analysis: str) -> Fit:
    """One of `scenario.analyses(estimand)` in every replicate."""
    return estimates(trials, scenario, [(estimand, analysis)])[0]


def estimates(
    trials: Trials, scenario: Scenario, asked: Sequence[tuple[Estimand, str]], *, seed: int = 1, block: int = 0
) -> list[Fit]:
    """The fit of each estimand by an analysis; what one model answers is fitted once.

    `seed` and `block` are those of the trials, for analyses that draw.
    """
    fits: dict[int, Fit] = {}
    groups: dict[tuple[object, ...], list[int]] = {}
    for i, (estimand, analysis) in enumerate(asked):
        shared = (
            (estimand.outcome, estimand.strategies, estimand.endpoint == "change")
            if method_of(analysis).one_fit
            else (i,)
        )
        groups.setdefault((analysis, *shared), []).append(i)
    for members in groups.values():
        name, _, option = asked[members[0]][1].partition(" ")
        of_outcome = trials.of(scenario.other_outcome(asked[members[0]][0]))
        questions = [
            SimulatedQuestion(
                trials=of_outcome, scenario=scenario, estimand=asked[i][0], option=option, seed=seed, block=block
            )
            for i in members
        ]
        answer = methods()[name].estimate
        assert answer is not None  # the scenario was checked
        answers = answer(questions) if methods()[name].one_fit else [answer(questions[0])]
        fits |= dict(zip(members, answers, strict=True))
    return [fits[i] for i in range(len(asked))]


def visit_weights(endpoint_name: str, days: Floats, day: float) -> Floats:
    """The endpoint as a weighted sum of the scores at `days`: what an MMRM contrast averages over visits.

    auc: the trapezoid rule from day 0, where arms do not differ, divided by its length.
    """
    at = (days == day).astype(float)
    if endpoint_name == "mean_score":
        upto = (days <= day).astype(float)
        return upto / upto.sum()
    if endpoint_name == "auc":
        knots = np.concatenate([[0.0], days[days <= day]])
        spans = np.diff(knots)
        at[days <= day] = (spans + np.append(spans[1:], 0.0)) / 2 / day
    return at
