"""A clinic, or several plans of one, to one answer: rows and notes, what they come from, figures and folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from kaptrial.errors import FieldError
from kaptrial.output.folder import write_folder
from kaptrial.questions.clinic import tables
from kaptrial.questions.clinic.operations import Operations, check_has_clinic, check_has_costs, operations
from kaptrial.questions.clinic.output import clinic_figures, currency, plan_figures, write_clinic, write_plans
from kaptrial.questions.clinic.staffing_plans import Target, compare
from kaptrial.questions.clinic.tables import Quantity
from kaptrial.questions.power.cells import Cell, cells
from kaptrial.questions.power.headline import percent
from kaptrial.questions.power.notes import calendar_notes
from kaptrial.results import Headline, Line, Note, Results
from kaptrial.scenario.files import Raw, build
from kaptrial.scenario.scenario import Scenario

# More plans than this are a slip of the pen, or a night's work.
MOST_PLANS = 200
IN_WINDOW = " in window"


@dataclass(frozen=True, kw_only=True, repr=False)
class ClinicResults(Results[Quantity]):
    """Results of `clinic`, and the run that they are of."""

    scenario: Scenario
    run: Operations


@dataclass(frozen=True, kw_only=True, repr=False)
class PlanResults(Results[Line]):
    """Results of `clinic` for several plans; `scenario`: as it stands, `paths`: what the plans vary of it."""

    scenario: Scenario
    paths: tuple[str, ...]


def plans_of(
    raw: Raw, vary: Mapping[str, Sequence[Any]] | None, *, power: float | None, months: float | None
) -> tuple[Scenario, list[Cell]]:
    """The scenario, and every plan of its clinic. Raises ScenarioError for one without a clinic, and where the cheapest
    is asked for of plans without costs."""
    if vary is None and (power is not None or months is not None):
        name, value = ("power", power) if power is not None else ("months", months)
        raise FieldError(name, value, "goes with `vary`, which says what may be changed")
    base, plans = build(raw), cells(raw, vary or {}, variants=False)
    if len(plans) > MOST_PLANS:
        raise FieldError("vary", len(plans), f"plans, must be at most {MOST_PLANS}")
    for plan in plans:
        check_has_clinic(plan.scenario)
        if power is not None or months is not None:
            check_has_costs(plan.scenario)
    return base, plans


def answer(
    scenario: Scenario,
    *,
    provenance: Mapping[str, Any],
    seed: int,
    replicates: int,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> ClinicResults:
    """The scenario's trial run through its clinic."""
    run = operations(scenario, seed=seed, replicates=replicates, workers=workers, progress=progress)
    rows = tables.summary(run.summaries, currency(scenario))
    return ClinicResults(
        kind="clinic",
        rows=rows,
        headline=headline(rows),
        provenance=provenance,
        notes=[*calendar_notes(scenario), tables.bottleneck_note(run.summaries)],
        figures=clinic_figures,
        writer=partial(write_folder, write_clinic),
        scenario=scenario,
        run=run,
    )


def compared(
    scenario: Scenario,
    plans: Sequence[Cell],
    *,
    provenance: Mapping[str, Any],
    seed: int,
    replicates: int,
    workers: int = 1,
    power: float | None = None,
    months: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> PlanResults:
    """Plans of the scenario's clinic, one row each, and the cheapest that reaches `power` or ends within `months`."""
    target = None if power is None and months is None else Target(power=power, months=months)
    rows = compare(plans, seed=seed, replicates=replicates, workers=workers, target=target, progress=progress)
    notes = {note.text: note for plan in plans for note in calendar_notes(plan.scenario)}
    return PlanResults(
        kind="plans",
        rows=[Line(numbers={name: x for name, x in row.items() if name != "why_no_power"}) for row in rows],
        notes=[*notes.values(), *_without_power(rows, tuple(plans[0].columns))],
        provenance={**provenance, "power": power, "months": months},
        figures=plan_figures,
        writer=partial(write_folder, write_plans),
        scenario=scenario,
        paths=tuple(plans[0].columns),
    )


def _without_power(rows: Sequence[Mapping[str, Any]], paths: Sequence[str]) -> list[Note]:
    """Why plans have no power."""
    return [
        Note(
            code="never_analysed",
            severity="warning",
            text=f"{', '.join(f'{path} = {row[path]}' for path in paths)} has no power: none of its trials could be"
            f" analysed ({row['why_no_power']}).",
        )
        for row in rows
        if "why_no_power" in row
    ]


def headline(rows: Sequence[Quantity]) -> Headline:
    """How long the trial takes, and how much of what came due fell in its window."""
    last = next(q for q in rows if (q.table, q.metric) == ("milestones", "last patient out"))
    kept = [q for q in rows if q.table == "kept" and q.metric.endswith(IN_WINDOW)]
    text = (
        f"The trial takes {last.value:.1f} months to its last patient out (90 % of trials {last.lower:.1f} to"
        f" {last.upper:.1f})"
    )
    if kept:
        worst = min(kept, key=lambda q: q.value)
        what = worst.metric.removesuffix(IN_WINDOW)
        text += (
            f"; of what came due, least is kept of {what} in {worst.of}: {percent(worst.value, worst.mcse)} in window"
        )
    numbers = {"months": last.value, "mcse": last.mcse, "lower": last.lower, "upper": last.upper}
    return Headline(text=f"{text}.", numbers=numbers)
