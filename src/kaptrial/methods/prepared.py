"""What the estimators are given: endpoints and times under the estimand's strategies, covariates as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.estimators import intercurrent
from kaptrial.estimators.endpoints import Rule, endpoint, failures, with_missing_as_failures
from kaptrial.method_table import BINARY
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.trial import Estimand, Strategies
from kaptrial.simulation.trials import Trials


def scores_under(trials: Trials, scores: Floats, strategies: Strategies, worst: float) -> Floats:
    """`scores` as the strategies for intercurrent events make them. Where several apply a composite outcome stands."""
    for strategy, rewrite in (
        ("while_on_treatment", intercurrent.while_on_treatment),
        ("hypothetical", intercurrent.hypothetical),
    ):
        for event in strategies.events(strategy):  # type: ignore[arg-type]
            if event in trials.events:
                scores = rewrite(scores, trials.days, trials.events[event])
    day = _failure_day(trials, strategies)
    if day is not None:
        failure = trials.baseline if strategies.composite_value == "baseline" else worst
        scores = intercurrent.composite(scores, trials.days, day, failure)
    return scores


def _failure_day(trials: Trials, strategies: Strategies) -> Floats | None:
    """The day of the first event that counts as a failure."""
    days = [trials.events[event] for event in strategies.events("composite") if event in trials.events]
    return np.minimum.reduce(days) if days else None


def patient_endpoint(trials: Trials, scores: Floats, scenario: Scenario, estimand: Estimand) -> Floats:
    """The estimand's endpoint of each patient from `scores`, (replicate, patient).

    Of time_to_relapse it is the time without failure up to the estimand's day, as far as it is known.
    """
    if estimand.endpoint == "time_to_relapse":
        return relapse_times(trials, scores, scenario, estimand)[0]
    y = endpoint(
        estimand.endpoint,
        scores_under(trials, scores, estimand.strategies, scenario.scale_of(estimand).worst),
        trials.baseline,
        trials.days,
        estimand.day,
        rule(scenario, estimand),
        _failure_day(trials, estimand.strategies),
    )
    fails = scenario.analysis.missing_response == "failure" and estimand.endpoint in BINARY
    return with_missing_as_failures(y) if fails else y


def relapse_times(trials: Trials, scores: Floats, scenario: Scenario, estimand: Estimand) -> tuple[Floats, np.ndarray]:
    """Days from the origin to failure and whether it was seen, (replicate, patient); NaN who is not at risk."""
    from kaptrial.estimators.survival import observed_at_visits

    relapse = scenario.relapse
    assert relapse is not None  # the scenario was checked
    v = int(np.searchsorted(trials.days, estimand.day))
    under = scores_under(trials, scores, estimand.strategies, scenario.scale_of(estimand).worst)
    failed = failures(
        under, trials.baseline, trials.days, v, rule(scenario, estimand), _failure_day(trials, estimand.strategies)
    )
    origin = {"randomisation": scenario.randomisation.day, "response": relapse.response_day}[relapse.origin]
    time, event = observed_at_visits(failed, trials.days[: v + 1], origin)
    if relapse.among == "responders":
        first = int(np.searchsorted(trials.days, relapse.response_day))
        time = np.where(failed[..., first] == 0, time, np.nan)
    return time, event


def rule(scenario: Scenario, estimand: Estimand) -> Rule:
    """The rules of response and remission of the estimand's scale and the scenario's of relapse."""
    scale, relapse = scenario.scale_of(estimand), scenario.relapse
    return Rule(
        sign=scale.sign,
        best=scale.best,
        response_fraction=scale.response_fraction,
        response_points=scale.response_points,
        remission_at=scale.remission_at,
        relapse_fraction=relapse.fraction if relapse else None,
        response_day=relapse.response_day if relapse else None,
        confirmed=relapse.confirmed if relapse else False,
        randomisation_day=scenario.randomisation.day,
    )


def covariate_columns(trials: Trials, names: Sequence[str]) -> Floats:
    """The covariates as numbers, (replicate, patient, column): levels as 0/1 columns, the first level left out."""
    columns = []
    for name in names:
        if name == "baseline":
            columns.append(trials.baseline)
            continue
        covariate = trials.covariates[name]
        if covariate.levels:
            columns += [(covariate.values == level).astype(float) for level in range(1, len(covariate.levels))]
        else:
            columns.append(covariate.values)
    return np.stack(columns, axis=-1) if columns else np.empty((*trials.arm.shape, 0))
