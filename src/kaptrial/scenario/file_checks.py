"""What nobody who writes a scenario's file means, though it could be simulated."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any

from kaptrial.errors import FieldError
from kaptrial.method_table import MAY_FAIL, methods
from kaptrial.scenario.gathering import Check, gathered
from kaptrial.scenario.sourced import EFFECT_UNITS, walk

if TYPE_CHECKING:
    from kaptrial.scenario.scenario import Scenario

# More arms, estimands or variants than this are a slip of the pen, and so are more strata.
MAX_PARTS, MAX_STRATA = 100, 10_000
# Patients × days on which they are read: a block of trials must fit into memory.
MAX_READ = 1_000_000
# The largest effect on the logit of a day's abstinence; on a score it is the length of the scale.
MAX_LOGIT = 20.0


def _check_extent(s: Scenario) -> Iterator[FieldError]:
    """Nothing is so many that it could not be simulated."""
    for name, parts in (("arms", s.arms), ("secondary", s.secondary), ("variants", s.variants or {})):
        if len(parts) > MAX_PARTS:
            yield FieldError(name, f"{len(parts)} of them", f"must be at most {MAX_PARTS}")
    strata = prod(len(stratum.levels) for stratum in s.design.allocation.strata)
    if strata > MAX_STRATA:
        yield FieldError("design.allocation.strata", f"{strata} strata", f"must be at most {MAX_STRATA}")
    visits = s.design.visits
    days = len(visits) if s.scale.link == "identity" else visits[-1] + 1
    if s.n_total * days > MAX_READ:
        each = "visits" if s.scale.link == "identity" else "days to the last visit"
        allowed = f"{s.n_total} patients × {days:g} {each} must be at most {MAX_READ}"
        yield FieldError("design.visits", f"{len(visits)} visits", allowed)


def _check_effects(s: Scenario) -> Iterator[FieldError]:
    """No effect is longer than the scale, and no SD than half of it, as that of scores at both of its ends."""
    longest = s.scale.high - s.scale.low if s.scale.link == "identity" else MAX_LOGIT
    for path, value in walk(s):
        if path.startswith("outcomes."):
            continue
        for at, number in (("value", value.value), ("sd", value.sd)):
            most = longest / 2 if at == "sd" or path.endswith("sd") else longest
            if value.unit in EFFECT_UNITS and number is not None and abs(number) > most:
                allowed = f"must be at most {most:g} {value.unit} on the scale {s.scale.id}"
                yield FieldError(f"{path}.{at}", number, allowed)


def _check_room(s: Scenario) -> Iterator[FieldError]:
    """Patients begin where they can improve: at most one in six beyond the best score, where nobody is selected."""
    baseline, best = s.population.baseline, s.scale.best
    room = abs(baseline.value - best)
    if s.scale.link == "identity" and s.population.entry is None and (room == 0 or room < baseline.spread):
        allowed = f"must be an SD of {baseline.spread:g} or more from the best score, {best:g}"
        yield FieldError("population.baseline.value", baseline.value, allowed)


def _check_ends(s: Scenario) -> Iterator[FieldError]:
    """Nothing begins after the last visit, which ends the trial, and no rescue waits for a score off the scale."""
    last = s.design.visits[-1]
    schedules: dict[str, tuple[float, ...]] = {}
    days: dict[str, float] = {}
    for i, arm in enumerate(s.arms):
        schedules |= {f"arms[{i}].doses[{j}]": doses.days for j, doses in enumerate(arm.doses)}
        schedules |= {f"arms[{i}].therapy": arm.therapy.days} if arm.therapy else {}
        days |= {f"arms[{i}].adjuncts[{j}].from_day": adjunct.from_day for j, adjunct in enumerate(arm.adjuncts)}
    for name in ("rescue", "open_label_ketamine"):
        rescue = getattr(s.conduct, name)
        if rescue is None:
            continue
        days[f"conduct.{name}.from_day"] = rescue.from_day
        for at in ("score_at_least", "score_at_most"):
            trigger = getattr(rescue, at)
            if trigger is not None and not s.scale.low <= trigger <= s.scale.high:
                allowed = f"must lie on the scale {s.scale.id}, {s.scale.low:g} to {s.scale.high:g}"
                yield FieldError(f"conduct.{name}.{at}", trigger, allowed)
    for at, schedule in schedules.items():
        late = next((k for k, day in enumerate(schedule) if day > last), None)
        if late is not None:
            days[f"{at}.days[{late}]"] = schedule[late]
    for at, day in days.items():
        if day > last:
            yield FieldError(at, day, f"must not be after the last visit, day {last:g}, which ends the trial")


def _check_asked_once(s: Scenario) -> Iterator[FieldError]:
    """Rows of results that answer the same question by the same analysis could not be told apart."""
    asked: dict[tuple[Any, ...], str] = {}
    places = ("estimand", *(f"secondary[{i}]" for i in range(len(s.secondary))))
    for at, estimand in zip(places, s.estimands, strict=True):
        contrast = estimand.contrast.strip()
        handled = estimand.strategies.described(s.conduct.intercurrent_events)
        for analysis in s.analyses(estimand):
            key = (
                contrast,
                s.other_outcome(estimand),
                estimand.day,
                estimand.endpoint,
                handled,
                estimand.benchmark,
                analysis,
            )
            if key in asked:
                allowed = f"must differ from {asked[key]} in contrast, day, endpoint, strategies or method, {analysis}"
                yield FieldError(at, f"{contrast}, {estimand.endpoint}, day {estimand.day:g}", allowed)
                break
            asked[key] = at


def _check_visits(s: Scenario) -> Iterator[FieldError]:
    """Models of all visits take so many and no more."""
    later = sum(day > s.randomisation.day for day in s.design.visits)
    for name in dict.fromkeys(name for estimand in s.estimands for name in s.methods(estimand)):
        n_visits, most = later + (name == "mmrm" and s.analysis.constrained_baseline), methods()[name].most_visits
        if most is not None and n_visits > most:
            allowed = f"must be at most {most} after randomisation for {name}, and are {n_visits}"
            yield FieldError("design.visits", list(s.design.visits), allowed)


CHECKS: tuple[Check, ...] = (_check_extent, _check_effects, _check_room, _check_ends)


def file_errors(s: Scenario) -> list[FieldError]:
    """Everything that nobody means.

    Scenarios made from others for a figure or a null need not pass: they have other visits and other questions.
    """
    return gathered(s, CHECKS)


def _check_failures(s: Scenario) -> Iterator[FieldError]:
    """Missing endpoints are counted as failures where an estimand has an endpoint that may fail."""
    fails = s.analysis.missing_response == "failure"
    if fails and not any(estimand.endpoint in MAY_FAIL for estimand in s.estimands):
        allowed = f"goes with the endpoints {', '.join(MAY_FAIL)}"
        yield FieldError("analysis.missing_response", s.analysis.missing_response, allowed)


def _check_primary_estimand(s: Scenario) -> Iterator[FieldError]:
    """What a trial is sized by is its primary outcome."""
    if s.other_outcome(s.estimand) is not None:
        allowed = "must be the primary outcome; questions about others are secondary"
        yield FieldError("estimand.outcome", s.estimand.outcome, allowed)


def question_errors(s: Scenario) -> list[FieldError]:
    """Questions asked twice, and of too many visits; of a scenario that is sound otherwise."""
    return gathered(s, (_check_asked_once, _check_visits, _check_failures, _check_primary_estimand))
