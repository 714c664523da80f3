"""Cells and a rule to one answer: rows and notes, the cells that they are of, figure and folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

from kaptrial.errors import FieldError, nearest
from kaptrial.output.folder import write_folder
from kaptrial.questions.decide.characteristics import decisions, notes
from kaptrial.questions.decide.output import figures_of, write_decisions
from kaptrial.questions.power.characteristics import Cell
from kaptrial.questions.power.headline import percent
from kaptrial.results import Headline, Results, Row, grouped
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
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> DecideResults:
    """How often a trial of each cell ends with each verdict."""
    rows = decisions(cells, seed=seed, replicates=replicates, draws_of_prior=draws, workers=workers, progress=progress)
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
        notes=notes(rows),
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
    groups = grouped(rows)
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
    return Headline(text=text, numbers={f"go_{world}": row.value for world, row in own.items()})
