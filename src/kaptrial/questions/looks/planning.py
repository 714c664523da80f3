"""A scenario's looks planned, and trials that are held by the plan: what `looks` and the other rooms build on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Bools, Floats
from kaptrial.errors import FieldError
from kaptrial.estimators.sequential.boundaries import LEAST_STEP, Boundaries, Rule, design, futility_of
from kaptrial.estimators.sequential.delayed import Decisions, decisions
from kaptrial.estimators.sequential.spending import spending_of
from kaptrial.method_table import TIMES, method_of
from kaptrial.questions.looks.decisions import courses, decided_later
from kaptrial.questions.looks.rows import Designed, World, rejects_without_looks
from kaptrial.questions.looks.trials import Analysed, analysed, calendar_of, information_of, plan_of
from kaptrial.questions.power.nulls import NullRun, null_runs
from kaptrial.questions.power.rows import better
from kaptrial.scenario.scenario import Scenario


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The looks of a scenario, fixed as a protocol fixes them: by the first analysis of its primary estimand.

    `sign`: 1 where a larger estimate is better, −1 else. `at_own_information`: where errors are spent.
    """

    analysis: str
    designed: Designed
    sign: float
    at_own_information: bool
    alpha: float

    def world(self, metric: str, fits: Analysed) -> World:
        """What becomes of these trials; `metric`: what their rejections are called."""
        course = courses(
            fits.looks,
            plan=self.designed.plan,
            planned=self.designed.information,
            sign=self.sign,
            own=self.at_own_information,
        )
        if self.designed.decided is not None:
            course = decided_later(course, fits.followed_up, self.designed.decided, self.sign)
        return World(metric=metric, fits=fits, course=course)

    def held(
        self,
        scenario: Scenario,
        metric: str = "power",
        *,
        seed: int,
        replicates: int,
        workers: int = 1,
        progress: Callable[[int], None] | None = None,
        follow_up: bool = False,
    ) -> World:
        """Trials of a scenario, whatever is true in it, held by this plan."""
        fits = analysed(
            scenario,
            self.analysis,
            self.designed.when,
            seed=seed,
            replicates=replicates,
            workers=workers,
            progress=progress,
            follow_up=follow_up or self.designed.decided is not None,
        )
        return self.world(metric, fits)

    def without_looks(self, world: World) -> Bools:
        """Which trials of a world reject without looks."""
        return rejects_without_looks(world, self.designed.plan, self.alpha)

    def n_randomised(self, world: World) -> Floats:
        """Patients randomised in each trial of a world until it ends."""
        return self.designed.n_randomised[world.course.stop].astype(float)

    def months(self, world: World) -> Floats:
        """Months of each trial of a world until its decision."""
        return self.designed.months_decided[world.course.stop]


def planned(
    s: Scenario,
    *,
    seed: int,
    replicates: int,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
    follow_up: bool = False,
) -> tuple[Planned, World]:
    """The looks of a scenario planned on its own trials, and these trials held by the plan.

    `follow_up`: whether those under way at a look are analysed too, once they are followed up. Raises FieldError for a
    plan that makes no design, and for an analysis without a standard error.
    """
    rule = rule_of(s)
    analysis = s.analyses(s.estimand)[0]
    when = calendar_of(s, analysis, seed)
    fits = analysed(
        s,
        analysis,
        when,
        seed=seed,
        replicates=replicates,
        workers=workers,
        progress=progress,
        follow_up=follow_up or plan_of(s).decide == "at_follow_up",
    )
    information = _planned_information(fits, analysis)
    boundaries = _boundaries(rule, fits, information)
    decided = _decisions(s, fits, boundaries, information)
    made = Planned(
        analysis=analysis,
        designed=Designed(plan=boundaries, information=information, when=when, decided=decided),
        sign=1.0 if better(s, s.estimand, analysis) == "higher" else -1.0,
        at_own_information=plan_of(s).spend_at == "own",
        alpha=s.analysis.alpha,
    )
    return made, made.world("power", fits)


def check(s: Scenario, seed: int) -> None:
    """Raises FieldError for looks at impossible times and a rule that makes no design, where a scenario has looks: what
    is known before trials are simulated at length."""
    if s.design.group_sequential is not None:
        rule_of(s)
        calendar_of(s, s.analyses(s.estimand)[0], seed)


def nulls_of_primary(s: Scenario) -> list[NullRun]:
    """The nulls of the primary estimand."""
    return [null for null in null_runs(s) if 0 in null.estimands]


def rule_of(s: Scenario) -> Rule:
    """The errors that a scenario's looks keep; one-sided at half of the analysis' two-sided level."""
    plan, analysis = plan_of(s), s.analyses(s.estimand)[0]
    if method_of(analysis).test_only and s.estimand.endpoint not in TIMES:
        allowed = "is an exact test, in which looks have no information: must be another one"
        raise FieldError("analysis.methods", analysis, allowed)
    if s.estimand.margin is not None:
        raise FieldError("estimand.margin", s.estimand.margin, "must be absent: looks test for a difference")
    try:
        return Rule(
            alpha=s.analysis.alpha if plan.sided == 2 else s.analysis.alpha / 2,
            sided=plan.sided,
            spending=spending_of(plan.spending),
            power=plan.power,
            futility=None if plan.futility is None else futility_of(plan.futility),
            binding=plan.binding,
        )
    except FieldError as error:
        raise error.below("design.group_sequential") from None


def _boundaries(rule: Rule, fits: Analysed, information: float) -> Boundaries:
    """The boundaries at the information that the looks have under the scenario."""
    at = [information_of(fit) / information for fit in fits.looks[:-1]]
    for k, share in enumerate(at):
        if not (at[k - 1] if k else 0.0) + LEAST_STEP <= share < 1:
            allowed = "has no more information than the look before it, or as much as the end: must be another one"
            raise FieldError(f"design.group_sequential.looks[{k}]", round(share, 4), allowed)
    try:
        return design(rule, [*at, 1.0])
    except FieldError as error:
        raise error.below("design.group_sequential") from None


def _decisions(s: Scenario, fits: Analysed, plan: Boundaries, information: float) -> Decisions | None:
    """What decides once those under way are followed up, at the information that they then are planned to have; None
    where the look decides."""
    if plan_of(s).decide == "at_look":
        return None
    pending = [
        information_of(fit) / information - at for fit, at in zip(fits.followed_up, plan.information, strict=False)
    ]
    for k, more in enumerate(pending):
        if more < LEAST_STEP:
            allowed = f"adds no information after look {k + 1}, where too few are under way: must be at_look"
            raise FieldError("design.group_sequential.decide", "at_follow_up", allowed)
    return decisions(plan, np.minimum(pending, 1.0 - plan.information[:-1]).tolist())


def _planned_information(fits: Analysed, analysis: str) -> float:
    """The information at the end. Raises FieldError where a look has none."""
    if any(information_of(fit) == 0 for fit in fits.looks):
        allowed = "has no estimate at one of the looks in any trial: must be another one, or the look a later one"
        raise FieldError("analysis.methods", analysis, allowed)
    return information_of(fits.looks[-1])
