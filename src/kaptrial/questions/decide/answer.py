"""Cells and a rule to one answer: rows and notes, the cells that they are of, figure and folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from kaptrial.errors import FieldError, nearest
from kaptrial.output.folder import write_folder
from kaptrial.questions.decide.characteristics import decisions, notes
from kaptrial.questions.decide.output import figures_of, write_decisions
from kaptrial.questions.power.characteristics import Cell
from kaptrial.results import Results, Row
from kaptrial.scenario.decision import DecisionRule
from kaptrial.scenario.trial import Look

LOOK = ("share", "futility")
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
    declared = {"rule": vars(first.decision), "interim": [vars(look) for look in first.design.looks], "draws": draws}
    return DecideResults(
        kind="decide",
        rows=rows,
        provenance={**provenance, **declared},
        notes=notes(rows),
        figures=figures_of,
        writer=partial(write_folder, write_decisions),
        cells=tuple(cells),
    )


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
        raise FieldError("futility", look["futility"], "needs a look: `share`, or design.looks in the scenario")
    design = replace(s.design, looks=tuple(replace(each, **look) for each in looks))
    return replace(cell, scenario=replace(s, decision=replace(s.decision, **rule), design=design))
