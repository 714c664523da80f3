"""Cells and a rule to one answer: rows and notes, the cells that they are of, figure and folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

from kaptrial.errors import FieldError, nearest
from kaptrial.output.folder import write_folder
from kaptrial.questions.decide.calibration import calibrated
from kaptrial.questions.decide.characteristics import NUISANCE, as_planned, decisions, large_priors, notes
from kaptrial.questions.decide.output import figures_of, write_calibration, write_decisions
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.headline import percent
from kaptrial.results import Headline, Question, Results, Row, grouped
from kaptrial.scenario.decision import DecisionRule
from kaptrial.scenario.trial import Look

LOOK = ("share", "futility", "efficacy")
# Fields that are left out of the provenance where they are not given.
RARE = ("own_priors", "nuisance", "efficacy")
# What is true, as the second half of a sentence.
IF_TRUE = {
    "scenario": "if the scenario is true",
    "null": "if there is no effect",
    "prior": "if the effect is drawn from the file's prior",
}
RULE = tuple(each.name for each in fields(DecisionRule))


@dataclass(frozen=True, kw_only=True, repr=False)
class DecideResults(Results[Row]):
    """Results of `decide`, and the cells that they are of, with their rules."""

    cells: tuple[Cell, ...]


def answer(
    cells: Sequence[Cell],
    *,
    provenance: Mapping[str, Any],
    seed: int,
    replicates: int,
    draws: int,
    nuisance: bool = True,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> DecideResults:
    """How often a trial of each cell ends with each verdict."""
    run = partial(decisions, cells, seed=seed, replicates=replicates, draws_of_prior=draws, nuisance=nuisance)
    rows = run(workers=workers, progress=progress)
    first = cells[0].scenario
    declared = {
        "rule": given(first.decision),
        "interim": [given(look) for look in first.design.looks],
        "draws": draws,
    }
    return DecideResults(
        kind="decide",
        rows=rows,
        provenance={**provenance, **declared},
        notes=(*notes(rows), *large_priors(cells[0], rows)),
        headline=headline(rows),
        figures=figures_of,
        writer=partial(write_folder, write_decisions),
        cells=tuple(cells),
    )


def given(declared: Any) -> dict[str, Any]:
    """A rule's or a look's fields as plain values; of what few scenarios declare only what this one does."""
    return {name: value for name, value in asdict(declared).items() if value is not None or name not in RARE}


def with_rule(cell: Cell, given: Mapping[str, Any]) -> Cell:
    """The cell with fields of the rule, and of one look, in place of those that its scenario declares.

    A field that is varied stays as the cell has it. Raises FieldError for a name or a value that cannot be used.
    """
    for name, value in given.items():
        if name not in (*RULE, *LOOK):
            known = ", ".join((*RULE, *LOOK))
            raise FieldError(name, value, f"is no field of a rule: must be one of {known}{nearest(name, RULE)}")
    s, looks = cell.scenario, cell.scenario.design.looks
    look = {k: v for k, v in given.items() if k in LOOK and f"design.looks[0].{k}" not in cell.columns}
    rule = {k: v for k, v in given.items() if k in RULE and f"decision.{k}" not in cell.columns}
    if "share" in look:  # one look, in place of all that are declared
        looks = looks[:1] or (Look(share=look["share"]),)
    elif look and not looks:
        name, value = next(iter(look.items()))
        raise FieldError(name, value, "needs a look: `share`, or design.looks in the scenario")
    design = replace(s.design, looks=tuple(replace(each, **look) for each in looks))
    return replace(cell, scenario=replace(s, decision=replace(s.decision, **rule), design=design))


def headline(rows: Sequence[Row]) -> Headline:
    """How often the first analysis prior ends in go, under each of what may be true, in the first cell."""
    groups = grouped(as_planned(rows))
    first = next(iter(groups))
    alike = [(name, value) for name, value in first.columns if name != "design_prior"]
    own = {
        str(about.column("design_prior")): by_metric["go"]
        for about, by_metric in groups.items()
        if all(about.column(name) == value for name, value in alike)
    }
    parts = []
    for world, row in own.items():
        parts.append(f"{percent(row.value, row.mcse)} {IF_TRUE.get(world, f'if it is drawn from {world}')}")
    text = (
        f"A trial of {first.contrast} ({first.endpoint}, day {first.day:g}), analysed with the"
        f" {first.column('analysis_prior')} prior, ends in go in {'; '.join(parts)}."
    )
    numbers = {f"go_{world}": row.value for world, row in own.items()}
    errors = [row for row in rows if row.metric == "type_1_error" and same(row.question, first)]
    if errors:
        worst = max(errors, key=lambda row: row.value)
        text += f" With other nuisance values go without an effect is at most {percent(worst.value, worst.mcse)}"
        text += f" ({worst.question.column(NUISANCE)}, of {len(errors)} tried)."
        numbers |= {"largest_type_1_error": worst.value, "largest_type_1_error_mcse": worst.mcse}
    return Headline(text=text, numbers=numbers)


def same(one: Question, other: Question) -> bool:
    """Whether both are of one cell and one analysis prior."""
    apart = ("design_prior", NUISANCE)
    left, right = ({k: v for k, v in each.columns if k not in apart} for each in (one, other))
    return left == right


@dataclass(frozen=True, kw_only=True, repr=False)
class CalibrationResults(Results[Row]):
    """Results of `decide` with a type I error to be kept: rows as of `calibration.Calibration`."""

    cell: Cell


def only(cells: Sequence[Cell]) -> Cell:
    """The one cell that there is. Raises FieldError for more: each has thresholds of its own."""
    if len(cells) > 1:
        raise FieldError("vary", f"{len(cells)} scenarios", "must be one scenario where a threshold is looked for")
    return cells[0]


def calibrate(
    cell: Cell,
    *,
    alpha: float,
    provenance: Mapping[str, Any],
    seed: int,
    replicates: int,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> CalibrationResults:
    """The thresholds of go that keep the type I error, with their power."""
    run = partial(calibrated, cell, alpha=alpha, seed=seed, replicates=replicates)
    found = run(workers=workers, progress=progress)
    scenario = cell.scenario
    declared = {"rule": given(scenario.decision), "interim": [given(look) for look in scenario.design.looks]}
    return CalibrationResults(
        kind="calibrate",
        rows=found.rows,
        provenance={**provenance, **declared, "alpha": alpha, "verifying_runs": found.rounds},
        headline=calibration_headline(found.rows, alpha),
        writer=partial(write_folder, write_calibration),
        cell=cell,
    )


def calibration_headline(rows: Sequence[Row], alpha: float) -> Headline:
    """Threshold, type I error and power under the first analysis prior."""
    by_metric: dict[str, Row] = {}
    for row in rows:
        by_metric.setdefault(row.metric, row)
    at, worst, power = (by_metric[name] for name in ("go_threshold", "largest_type_1_error", "power"))
    text = (
        f"Analysed with the {at.question.column('analysis_prior')} prior, go needs a probability of {at.value:.4f} for"
        f" a type I error of at most {alpha:g}: in trials not used to find it the largest is"
        f" {percent(worst.value, worst.mcse)} ({worst.question.column(NUISANCE)}), and power is"
        f" {percent(power.value, power.mcse)}."
    )
    return Headline(text=text, numbers={name: row.value for name, row in by_metric.items() if name != "type_1_error"})
