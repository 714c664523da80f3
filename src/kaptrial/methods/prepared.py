"""What the estimators are given: endpoints and times under the estimand's strategies, covariates as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.estimators import intercurrent
from kaptrial.estimators.endpoints import Rule, endpoint, events_at_visits, failures, with_missing_as_failures
from kaptrial.method_table import ATTENDANCE, MAY_FAIL, TIME, TIMES, USE, USE_TIMES
from kaptrial.methods import substance_use
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

    Of a time it is the time without the event up to the estimand's day, as far as it is known.
    """
    if estimand.endpoint in TIMES:
        return event_times(trials, scores, scenario, estimand)[0]
    if estimand.endpoint in ATTENDANCE:
        return _attendance(trials, scenario, estimand)
    under = scores_under(trials, scores, estimand.strategies, scenario.scale_of(estimand).worst)
    failure_day = _failure_day(trials, estimand.strategies)
    if estimand.endpoint == "count":
        count, exposure = event_counts(trials, scores, scenario, estimand)
        return np.where(exposure < estimand.day - scenario.randomisation.day, np.nan, count)
    if estimand.endpoint in USE:
        y = substance_use.of_patient(trials, under, scenario, estimand, failure_day)
    else:
        own_rule = rule(scenario, estimand)
        y = endpoint(estimand.endpoint, under, trials.baseline, trials.days, estimand.day, own_rule, failure_day)
    fails = scenario.analysis.missing_response == "failure" and estimand.endpoint in MAY_FAIL
    return with_missing_as_failures(y) if fails else y


def _attendance(trials: Trials, scenario: Scenario, estimand: Estimand) -> Floats:
    """By the estimand's day: sessions attended, whether they are enough to be engaged, or whether the patient left."""
    if estimand.endpoint == "dropout":
        assert trials.dropout_day is not None
        return (trials.dropout_day <= estimand.day).astype(float)
    assert trials.attended is not None
    attended = trials.attended[..., int(np.searchsorted(trials.days, estimand.day))]
    if estimand.endpoint == "sessions_attended":
        return attended
    rule = scenario.engagement
    assert rule is not None  # the scenario was checked
    planned = np.array(scenario.planned_sessions(estimand.day))[trials.arm]
    needed = np.full(planned.shape, rule.sessions or 0) if rule.share is None else np.ceil(rule.share * planned - 1e-9)
    return (attended >= needed).astype(float)


def event_times(trials: Trials, scores: Floats, scenario: Scenario, estimand: Estimand) -> tuple[Floats, np.ndarray]:
    """Days from the origin to the event and whether it was seen, (replicate, patient); NaN who is not at risk."""
    if estimand.endpoint == TIME:
        return relapse_times(trials, scores, scenario, estimand)
    if estimand.endpoint in USE_TIMES:
        under = scores_under(trials, scores, estimand.strategies, scenario.scale_of(estimand).worst)
        return substance_use.times(trials, under, scenario, estimand, _failure_day(trials, estimand.strategies))
    assert trials.dropout_day is not None
    until = np.minimum(trials.dropout_day, estimand.day)
    return until - time_origin(scenario, estimand), trials.dropout_day <= estimand.day


def event_counts(trials: Trials, scores: Floats, scenario: Scenario, estimand: Estimand) -> tuple[Floats, Floats]:
    """Events of each patient and the days over which they were counted; no number where there is none."""
    under = scores_under(trials, scores, estimand.strategies, scenario.scale_of(estimand).worst)
    if estimand.endpoint == "count":
        count, exposure = events_at_visits(under, trials.days, scenario.randomisation.day, estimand.day)
    else:
        count, exposure = substance_use.counted(trials, under, scenario, estimand)
    return count, np.where(exposure > 0, exposure, np.nan)


def time_origin(scenario: Scenario, estimand: Estimand) -> float:
    """The day from which the times of an estimand run."""
    relapse = scenario.relapse
    if estimand.endpoint == TIME and relapse is not None and relapse.origin == "response":
        return relapse.response_day
    return scenario.randomisation.day


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
    time, event = observed_at_visits(failed, trials.days[: v + 1], time_origin(scenario, estimand))
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
