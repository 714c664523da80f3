"""Endpoints of substance use in simulated trials: from the days of use and what visits accounted for."""

from __future__ import annotations

import numpy as np

from kaptrial.arrays import Bools, Floats
from kaptrial.estimators import days_of_use
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.trial import Estimand
from kaptrial.simulation.trials import Trials


def counted(trials: Trials, scores: Floats, scenario: Scenario, estimand: Estimand) -> tuple[Floats, Floats]:
    """The days of use (or heavy days, or drinks) after randomisation up to the day, and the days that visits saw."""
    daily = {"days_used": _used, "heavy_days": _heavy, "drinks_per_day": _drinks}[estimand.endpoint](trials, scenario)
    seen = days_of_use.days_seen(scores, trials.days)
    return days_of_use.total(daily, seen, int(scenario.randomisation.day), int(estimand.day))


def of_patient(
    trials: Trials, scores: Floats, scenario: Scenario, estimand: Estimand, failure_day: Floats | None
) -> Floats:
    """An endpoint of use that is no time, (replicate, patient); NaN where days that it needs were not seen.

    `scores`: as the strategies make them; `failure_day`: of an event that is a failure.
    """
    name, day = estimand.endpoint, int(estimand.day)
    if name in ("days_used", "heavy_days", "drinks_per_day"):
        total, days = counted(trials, scores, scenario, estimand)
        length = estimand.day - scenario.randomisation.day
        return np.where(days < length, np.nan, total / length if name == "drinks_per_day" else total)
    seen, rules = days_of_use.days_seen(scores, trials.days), scenario.use_rules
    assert rules is not None  # the scenario was checked
    if name == "abstinent_last":
        assert rules.abstinent_last is not None
        y = days_of_use.abstinent_last(_used(trials, scenario), seen, day, rules.abstinent_last)
    else:
        y = _risk_reduced(trials, seen, scenario, day)
    return y if failure_day is None else np.where(failure_day <= estimand.day, 0.0, y)


def _risk_reduced(trials: Trials, seen: Bools, scenario: Scenario, day: int) -> Floats:
    """Whether the WHO risk level fell by enough from before entry to the last days."""
    rules, amount = scenario.use_rules, scenario.amount
    assert rules is not None  # the scenario was checked
    assert rules.risk_days is not None
    assert rules.risk_levels is not None
    assert amount is not None
    assert amount.grams_per_drink is not None
    assert trials.drinks_before is not None
    assert trials.is_woman is not None
    total, known = days_of_use.total(_drinks(trials, scenario), seen, day - rules.risk_days, day)
    drinks = np.where(known < rules.risk_days, np.nan, total / rules.risk_days)
    before, later = (
        days_of_use.risk_level(amount.grams_per_drink * each, trials.is_woman)
        for each in (trials.drinks_before, drinks)
    )
    return np.where(np.isnan(later), np.nan, before - later >= rules.risk_levels)


def times(
    trials: Trials, scores: Floats, scenario: Scenario, estimand: Estimand, failure_day: Floats | None
) -> tuple[Floats, Bools]:
    """Days from randomisation to the event of use, and whether it came; censored where visits stop accounting for them.

    With `missing_response: failure` a day that is not accounted for is one of use.
    """
    after, day = int(scenario.randomisation.day), int(estimand.day)
    seen = days_of_use.days_seen(scores, trials.days)
    fails = scenario.analysis.missing_response == "failure"
    time, event = days_of_use.first_day(_event(trials, scenario, estimand), seen, after, day, unseen_is_event=fails)
    if failure_day is not None:
        failed = np.ceil(failure_day) - after
        first = (failure_day <= estimand.day) & (failed <= time)
        time, event = np.where(first, np.maximum(failed, 0), time), event | first
    return time, event


def _event(trials: Trials, scenario: Scenario, estimand: Estimand) -> Bools:
    if estimand.endpoint == "time_to_first_use":
        return _used(trials, scenario)
    if estimand.endpoint == "time_to_first_heavy_day":
        return _heavy(trials, scenario)
    assert scenario.use_rules is not None  # the scenario was checked
    assert scenario.use_rules.relapse_days is not None
    after = int(scenario.randomisation.day)
    since = _used(trials, scenario).copy()
    since[..., :after] = False
    return days_of_use.run_ends(since, scenario.use_rules.relapse_days)


def _used(trials: Trials, _: Scenario) -> Bools:
    assert trials.used is not None
    return trials.used


def _drinks(trials: Trials, _: Scenario) -> Floats:
    assert trials.drinks is not None
    return trials.drinks


def _heavy(trials: Trials, scenario: Scenario) -> Bools:
    assert scenario.amount is not None  # the scenario was checked
    assert scenario.amount.heavy_from is not None
    return _drinks(trials, scenario) >= scenario.amount.heavy_from
