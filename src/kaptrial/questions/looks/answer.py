"""A scenario with looks to one answer: rows of every analysis, notes, the answer in a sentence, figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from kaptrial.output.folder import write_folder
from kaptrial.output.terminal import by_mcse
from kaptrial.questions.looks.decisions import estimates
from kaptrial.questions.looks.output import looks_figures, write_looks
from kaptrial.questions.looks.planning import Planned, nulls_of_primary, planned, rule_of
from kaptrial.questions.looks.rows import Designed, World, rows
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.costs import costs_of
from kaptrial.questions.power.rows import question
from kaptrial.questions.power.shared import shared_truths
from kaptrial.results import Headline, Note, Results, Row

# Patients an arm at the primary visit below which an MMRM needs Kenward and Roger's errors: with 8 and 14 of them two
# looks with Pocock's boundary had a type I error of .064, and of .055 with theirs (5,000 trials).
SMALL = 15


@dataclass(frozen=True, kw_only=True)
class LookResult:
    """What a cell gave: its plan, and the trials under the scenario and under its nulls."""

    cell: Cell
    planned: Planned
    own: World
    nulls: tuple[World, ...]

    @property
    def designed(self) -> Designed:
        """The boundaries and the calendar."""
        return self.planned.designed


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
    costs: Mapping[str, float] | None = None,
    progress: Callable[[int], None] | None = None,
) -> LookResults:
    """The characteristics of every cell's looks, by the first analysis of its primary estimand.

    `costs`: of a patient by arm, and of a therapist by `therapies.NAME.therapists`. Raises FieldError for these where
    they do not fit, for a plan that makes no design, and for an analysis without a standard error.
    """
    for cell in cells:
        rule_of(cell.scenario)
    by_cell = [costs_of(cell.scenario, costs) if costs else None for cell in cells]
    truths = shared_truths([cell.scenario for cell in cells], seed, workers)
    run = {"seed": seed, "replicates": replicates, "workers": workers, "progress": progress, "follow_up": True}
    parts, every = [], list[Row]()
    for cell, known, of_cell in zip(cells, truths, by_cell, strict=True):
        s = cell.scenario
        plan, own = planned(s, **run)  # type: ignore[arg-type]
        wanted = nulls_of_primary(s) if nulls else []
        under = [plan.held(null.scenario, null.metric, **run) for null in wanted]  # type: ignore[arg-type]
        about = question(s, s.estimand, plan.analysis, cell.columns)
        decided, looks = plan.designed.decided, own.fits.looks
        ends = looks if decided is None else (*own.fits.followed_up, looks[-1])
        at_end = estimates(own.course, ends, plan.designed.plan, plan.sign, decided)
        truth = known[0].actual.on(about.measure)
        cost = None
        if of_cell is not None:
            cost = np.array([of_cell.of(s, n, {}) for n in plan.designed.n_randomised.tolist()])
        every += rows(about, plan.designed, own, under, at_end, truth, s.analysis.alpha, cost)
        parts.append(LookResult(cell=cell, planned=plan, own=own, nulls=tuple(under)))
    return LookResults(
        kind="looks",
        rows=every,
        provenance={**provenance, "costs": dict(costs)} if costs else provenance,
        notes=_notes(parts),
        headline=_headline(every),
        figures=looks_figures,
        writer=partial(write_folder, write_looks),
        parts=tuple(parts),
    )


def count_replicates(cells: Sequence[Cell], replicates: int, *, nulls: bool = True) -> int:
    """How many trials `answer` will simulate in all, for a progress bar."""
    from kaptrial.model.streams import BLOCK

    runs = sum(1 + (len(nulls_of_primary(cell.scenario)) if nulls else 0) for cell in cells)
    return runs * -(-replicates // BLOCK) * BLOCK


def _notes(parts: Sequence[LookResult]) -> tuple[Note, ...]:
    notes = []
    for part in parts:
        plan, analysis = part.designed.plan, part.planned.analysis
        spread = part.own.course.information[:, :-1]
        said = ", ".join(
            f"{at:.2f} ({np.nanquantile(spread[:, k], 0.05):.2f} to {np.nanquantile(spread[:, k], 0.95):.2f})"
            for k, at in enumerate(plan.information[:-1])
        )
        text = f"{analysis}: shares of the planned information that the looks had, with nine trials in ten: {said}"
        notes.append(Note(code="information", severity="information", text=text))
        least = min(part.designed.n_followed) / len(part.cell.scenario.arms)
        if least < SMALL and analysis.startswith("mmrm") and part.cell.scenario.analysis.df == "satterthwaite":
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
