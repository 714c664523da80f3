"""A scenario with looks to one answer: rows of every analysis, notes, the answer in a sentence, figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from kaptrial.errors import FieldError
from kaptrial.estimators.sequential.boundaries import LEAST_STEP, Boundaries, Rule, design, futility_of
from kaptrial.estimators.sequential.delayed import Decisions, decisions
from kaptrial.estimators.sequential.spending import spending_of
from kaptrial.method_table import TIMES, method_of
from kaptrial.output.folder import write_folder
from kaptrial.output.terminal import by_mcse
from kaptrial.questions.looks.decisions import Course, courses, decided_later, estimates
from kaptrial.questions.looks.output import looks_figures, write_looks
from kaptrial.questions.looks.rows import Designed, World, rows
from kaptrial.questions.looks.trials import Analysed, analysed, calendar_of, information_of, plan_of
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.nulls import null_runs
from kaptrial.questions.power.rows import better, question
from kaptrial.questions.power.shared import shared_truths
from kaptrial.results import Headline, Note, Results, Row
from kaptrial.scenario.scenario import Scenario

# Patients an arm at the primary visit below which an MMRM needs Kenward and Roger's errors: with 8 and 14 of them two
# looks with Pocock's boundary had a type I error of .064, and of .055 with theirs (5,000 trials).
SMALL = 15


@dataclass(frozen=True, kw_only=True)
class LookResult:
    """What a cell gave by one analysis: its plan, and the trials under the scenario."""

    cell: Cell
    analysis: str
    designed: Designed
    own: World


@dataclass(frozen=True, kw_only=True, repr=False)
class LookResults(Results[Row]):
    """Results of `looks`, and of each cell the plan and the trials."""

    parts: tuple[LookResult, ...]


def answer(
    cells: Sequence[Cell],
    *,
    provenance: Mapping[str, Any],
    seed: int,
    replicates: int,
    workers: int = 1,
    nulls: bool = True,
    progress: Callable[[int], None] | None = None,
) -> LookResults:
    """The characteristics of every cell's looks, by the first analysis of its primary estimand.

    Raises FieldError for a plan that makes no design, and for an analysis without a standard error.
    """
    for cell in cells:
        rule_of(cell.scenario)
    truths = shared_truths([cell.scenario for cell in cells], seed, workers)
    parts, every = [], list[Row]()
    for cell, known in zip(cells, truths, strict=True):
        s = cell.scenario
        analysis = s.analyses(s.estimand)[0]
        about = question(s, s.estimand, analysis, cell.columns)
        when = calendar_of(s, analysis, seed)
        sign = 1.0 if better(s, s.estimand, analysis) == "higher" else -1.0
        run = partial(
            analysed, analysis=analysis, when=when, seed=seed, replicates=replicates, workers=workers, progress=progress
        )
        fits = run(s)
        information = _planned_information(fits, analysis)
        plan = planned(s, fits, information)
        decided = planned_decisions(s, fits, plan, information)
        course_of = partial(_course, s, plan=plan, decided=decided, information=information, sign=sign)
        own = World(metric="power", fits=fits, course=course_of(fits))
        wanted = [null for null in null_runs(s) if 0 in null.estimands] if nulls else []
        under = []
        for null in wanted:
            of_null = run(null.scenario)
            under.append(World(metric=null.metric, fits=of_null, course=course_of(of_null)))
        designed = Designed(plan=plan, information=information, when=when, decided=decided)
        ends = fits.looks if decided is None else (*fits.followed_up, fits.looks[-1])
        at_end = estimates(own.course, ends, plan, sign, decided)
        truth = known[0].actual.on(about.measure)
        every += rows(about, designed, own, under, at_end, truth, s.analysis.alpha)
        parts.append(LookResult(cell=cell, analysis=analysis, designed=designed, own=own))
    return LookResults(
        kind="looks",
        rows=every,
        provenance=provenance,
        notes=_notes(parts),
        headline=_headline(every),
        figures=looks_figures,
        writer=partial(write_folder, write_looks),
        parts=tuple(parts),
    )


def count_replicates(cells: Sequence[Cell], replicates: int, *, nulls: bool = True) -> int:
    """How many trials `answer` will simulate in all, for a progress bar."""
    from kaptrial.model.streams import BLOCK

    runs = sum(1 + (sum(0 in null.estimands for null in null_runs(cell.scenario)) if nulls else 0) for cell in cells)
    return runs * -(-replicates // BLOCK) * BLOCK


def rule_of(s: Scenario) -> Rule:
    """The errors that a scenario's looks keep; one-sided at half of the analysis' two-sided level."""
    plan, analysis = plan_of(s), s.analyses(s.estimand)[0]
    if method_of(analysis).test_only and s.estimand.endpoint not in TIMES:
        allowed = "is an exact test, in which looks have no information: must be another one"
        raise FieldError("analysis.methods", analysis, allowed)
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


def planned(s: Scenario, fits: Analysed, information: float) -> Boundaries:
    """The boundaries at the information that the looks have under the scenario."""
    at = [information_of(fit) / information for fit in fits.looks[:-1]]
    for k, share in enumerate(at):
        if not (at[k - 1] if k else 0.0) + LEAST_STEP <= share < 1:
            allowed = "has no more information than the look before it, or as much as the end: must be another one"
            raise FieldError(f"design.group_sequential.looks[{k}]", round(share, 4), allowed)
    try:
        return design(rule_of(s), [*at, 1.0])
    except FieldError as error:
        raise error.below("design.group_sequential") from None


def planned_decisions(s: Scenario, fits: Analysed, plan: Boundaries, information: float) -> Decisions | None:
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


def _course(
    s: Scenario, fits: Analysed, *, plan: Boundaries, decided: Decisions | None, information: float, sign: float
) -> Course:
    at_looks = courses(fits.looks, plan, information, sign, own=plan_of(s).spend_at == "own")
    return at_looks if decided is None else decided_later(at_looks, fits.followed_up, decided, sign)


def _planned_information(fits: Analysed, analysis: str) -> float:
    """The information at the end. Raises FieldError where a look has none."""
    if any(information_of(fit) == 0 for fit in fits.looks):
        allowed = "has no estimate at one of the looks in any trial: must be another one, or the look a later one"
        raise FieldError("analysis.methods", analysis, allowed)
    return information_of(fits.looks[-1])


def _notes(parts: Sequence[LookResult]) -> tuple[Note, ...]:
    notes = []
    for part in parts:
        plan = part.designed.plan
        spread = part.own.course.information[:, :-1]
        said = ", ".join(
            f"{at:.2f} ({np.nanquantile(spread[:, k], 0.05):.2f} to {np.nanquantile(spread[:, k], 0.95):.2f})"
            for k, at in enumerate(plan.information[:-1])
        )
        text = f"{part.analysis}: shares of the planned information that the looks had, with nine trials in ten: {said}"
        notes.append(Note(code="information", severity="information", text=text))
        least = min(part.designed.n_followed) / len(part.cell.scenario.arms)
        if least < SMALL and part.analysis.startswith("mmrm") and part.cell.scenario.analysis.df == "satterthwaite":
            text = (
                f"a look has {least:.3g} patients an arm at the primary visit, and in so few the MMRM with"
                " Satterthwaite's degrees of freedom rejects too often: use analysis.df: kenward-roger"
            )
            notes.append(Note(code="small_look", severity="warning", text=text))
        if plan.has_futility and not plan.rule.binding:
            text = "futility does not bind, and is obeyed here; where it is not, the type I error still holds"
            notes.append(Note(code="non_binding", severity="information", text=text))
    return tuple(dict.fromkeys(notes))


def _headline(every: Sequence[Row]) -> Headline:
    whole = {row.metric: row for row in every if row.question.column("look") == 0 and row.question == every[0].question}
    power, fixed, n, most = (whole[name] for name in ("power", "fixed_power", "expected_n", "max_n"))
    about = power.question
    text = (
        f"With looks, power for {about.contrast} ({about.endpoint}, day {about.day:g}, by {about.analysis}) is"
        f" {by_mcse(100 * power.value, 100 * power.mcse)} %, against {by_mcse(100 * fixed.value, 100 * fixed.mcse)} %"
        f" without; {by_mcse(n.value, n.mcse)} of {most.value:.0f} patients are randomised on average"
    )
    numbers = {"power": power.value, "fixed_power": fixed.value, "expected_n": n.value, "max_n": most.value}
    if "type_i_error" in whole:
        error = whole["type_i_error"]
        text += f"; type I error {by_mcse(error.value, error.mcse)}"
        numbers["type_i_error"] = error.value
    return Headline(text=f"{text}.", numbers=numbers)
