"""Sensitivity to each assumption: power with one number at the 10 and at the 90 % of its range, all others as declared.

The trials of every row come from the same streams, so that a difference of powers is known better than either power.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import Any

import numpy as np
from scipy import special

from kaptrial.errors import FieldError, ScenarioError, TooFewEligible
from kaptrial.estimators.margin import non_inferior, on_scale_of
from kaptrial.method_table import method_of
from kaptrial.priors.design_prior import draws, with_draw
from kaptrial.questions.power.controlled import Controlled, controlled_share, difference
from kaptrial.questions.power.execution import Fits, Job, attempt
from kaptrial.questions.power.rows import better, rejects
from kaptrial.scenario.checks import ketamine_routes
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import Sourced, walk

LOW, HIGH = 0.1, 0.9
# A number without range, prior or spread is moved by so much, so that the rows can be compared; an assumption.
FACTOR = 1.25
# Parts of a scenario that are assumed about the world and act on a trial's result.
ASSUMED = ("population", "drug", "natural_course", "therapies", "expectancy", "conduct", "measurement")
# Draws of a prior from which its ends are taken: their place among the draws is then known to .02.
_DRAWS = 200


@dataclass(frozen=True, kw_only=True)
class Range:
    """The ends between which a number is moved, and where they come from."""

    path: str
    unit: str
    own: float
    low: float
    high: float
    origin: str


@dataclass(frozen=True, kw_only=True)
class End:
    """Power with a number at one end, and its difference from the power as declared, each with its error.

    `value`: the number at this end. NaN where the scenario refuses the value (`problem` says why).
    """

    value: float
    power: float
    power_mcse: float
    difference: float
    mcse: float
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One assumption: its range, and what each end gives."""

    range: Range
    low: End
    high: End

    @property
    def reach(self) -> float:
        """The largest change of power at either end."""
        changes = [abs(end.difference) for end in (self.low, self.high) if np.isfinite(end.difference)]
        return max(changes, default=0.0)


@dataclass(frozen=True, kw_only=True)
class Tornado:
    """The assumptions, those that move power most first, and the power as declared in the same trials."""

    bars: tuple[Bar, ...]
    power: float
    mcse: float
    replicates: int


def ranges(s: Scenario) -> list[Range]:
    """The range of every number that is assumed about the world.

    In this order: the range that the scenario declares for its path; the 10 and 90 % points of its design prior; those
    of its spread between patients, as if the typical patient were one of these; a
    fifth less and a quarter more.
    """
    declared = s.sensitivity.ranges if s.sensitivity and s.sensitivity.ranges else {}
    believed = _believed(s)
    found = []
    for path, number in walk_assumed(s):
        own = number.value
        if path in declared:
            low, high = declared[path].low, declared[path].high
            origin = "declared range"
        elif path in believed:
            (low, high), origin = believed[path], "design prior"
        elif own == 0 and not number.spread:
            continue  # an effect that is declared absent: a world of its own
        else:
            (low, high), origin = _spread(number)
        found.append(Range(path=path, unit=number.unit, own=own, low=low, high=high, origin=origin))
    return found


def walk_assumed(s: Scenario) -> list[tuple[str, Sourced]]:
    """The sourced numbers of the parts of a scenario that act on a trial's result, with their paths."""
    return [(path, number) for path, number in walk(s) if path.split(".")[0].split("[")[0] in ASSUMED]


def _believed(s: Scenario) -> dict[str, tuple[float, float]]:
    """The 10 and 90 % points of what the scenario's prior says of each number, over its draws."""
    if s.prior is None:
        return {}
    drawn: dict[str, list[float]] = {}
    for draw in draws(s.prior, ketamine_routes(s), seed=0, n=_DRAWS):
        for path, number in walk_assumed(with_draw(s, draw)):
            drawn.setdefault(path, []).append(number.value)
    return {
        path: (float(np.quantile(values, LOW)), float(np.quantile(values, HIGH)))
        for path, values in drawn.items()
        if len(set(values)) > 1
    }


def _spread(number: Sourced) -> tuple[tuple[float, float], str]:
    own, z = number.value, float(special.ndtri(HIGH))
    if number.sd:
        return (own - z * number.sd, own + z * number.sd), "spread between patients"
    if number.log_sd:
        return (own * exp(-z * number.log_sd), own * exp(z * number.log_sd)), "spread between patients"
    if number.logit_sd and 0 < own < 1:
        logit = log(own / (1 - own))
        ends = [1 / (1 + exp(-(logit + sign * z * number.logit_sd))) for sign in (-1, 1)]
        return (ends[0], ends[1]), "spread between patients"
    low, high = sorted((own / FACTOR, own * FACTOR))
    if number.unit == "share":
        high = min(high, 1.0)
    return (low, high), "a fifth less, a quarter more"


def tornado(
    s: Scenario,
    *,
    seed: int,
    replicates: int,
    workers: int = 1,
    controls: bool = True,
    only: Sequence[str] | None = None,
) -> Tornado:
    """Power of the primary analysis with each assumption at either end, paired with the power as declared.

    `only`: paths to be moved; all that have a range unless given. The analysis stays the one that the scenario as
    declared has. Raises FieldError for a path that has no range.
    """
    plain = as_analysed(s)
    moved = [r for r in ranges(s) if only is None or r.path in only]
    for path in only or ():
        if path not in {r.path for r in moved}:
            raise FieldError("only", path, "must be the path of a number with a range")
    scenarios: list[Scenario] = [plain]
    places: list[int | str] = []
    for r in moved:
        for value in (r.low, r.high):
            try:
                scenarios.append(plain.with_values({r.path: value}))
                places.append(len(scenarios) - 1)
            except ScenarioError as error:
                places.append(str(error).splitlines()[0])
    analysis = plain.analyses(plain.estimand)[0]
    run: dict[str, Any] = {"seed": seed, "replicates": replicates, "controls": controls}
    jobs = [Job(scenario=x, **run, estimands=(0,), at_best=False) for x in scenarios]
    outcomes = list(attempt(jobs, workers=workers))
    base = outcomes[0]
    if isinstance(base, TooFewEligible):
        raise base
    own = success(base, analysis, plain)
    bars, ends = [], iter(places)
    for r in moved:
        low, high = (_end(value, next(ends), outcomes, own, analysis, plain) for value in (r.low, r.high))
        bars.append(Bar(range=r, low=low, high=high))
    bars.sort(key=lambda bar: (-bar.reach, bar.range.path))
    return Tornado(bars=tuple(bars), power=own.value, mcse=own.mcse, replicates=replicates)


def as_analysed(s: Scenario) -> Scenario:
    """The scenario asking its primary question alone, by the method that it has as declared.

    Without this a world with therapists or dropout would be analysed by another method than the plan's.
    """
    estimand = replace(s.estimand, methods=s.methods(s.estimand))
    changes: Mapping[str, object] = {"secondary": (), "variants": None, "prior": None, "sensitivity": None}
    multiplicity = replace(s.analysis, multiplicity=None)
    return replace(s, estimand=estimand, analysis=multiplicity, **changes)  # type: ignore[arg-type]


def success(fits: Fits, analysis: str, s: Scenario) -> Controlled:
    """How often the primary question is answered as hoped; a failed fit is no answer.

    Of a margin, where non-inferiority is shown; elsewhere, where the two-sided test rejects.
    """
    fit = fits[0, analysis]
    if s.estimand.margin is not None:
        side = better(s, s.estimand, analysis)
        margin = on_scale_of(method_of(analysis).measure_of(s.estimand.endpoint), s.estimand.margin, side)
        shown, _ = non_inferior(fit, margin, better=side, alpha_one_sided=s.analysis.alpha / 2)
        return controlled_share(shown, fit)
    return controlled_share(rejects(fit, s.analysis.alpha), fit)


def _end(
    value: float,
    place: int | str,
    outcomes: Sequence[Fits | TooFewEligible],
    own: Controlled,
    analysis: str,
    s: Scenario,
) -> End:
    unknown = float("nan")
    outcome = place if isinstance(place, str) else outcomes[place]
    if isinstance(outcome, str | TooFewEligible):
        return End(
            value=value, power=unknown, power_mcse=unknown, difference=unknown, mcse=unknown, problem=str(outcome)
        )
    found = success(outcome, analysis, s)
    more, mcse = difference(found.each, own.each)
    return End(value=value, power=found.value, power_mcse=found.mcse, difference=more, mcse=mcse)
