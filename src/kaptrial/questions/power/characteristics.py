"""Operating characteristics of scenarios, from estimates and truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kaptrial.model.delivered import DeliveredTreatment
from kaptrial.model.streams import BLOCK
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.execution import Fits
from kaptrial.questions.power.notes import (
    RUN_IN_CLINIC,
    calendar_notes,
    fallbacks,
    never_analysed,
    notes_of,
    numbers_needed,
    rooms,
)
from kaptrial.questions.power.nulls import NullRun, null_runs
from kaptrial.questions.power.rows import analysed, estimand_rows, favours, multiplicity_rows, question, rejection
from kaptrial.questions.power.shared import Run, fits_of, shared_truths, trials_key
from kaptrial.questions.power.truth import Truth
from kaptrial.results import Note, Row, grouped


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """What a cell gave: rows of characteristics, the fits they come from, the truths of its estimands, and notes.

    `under_null`: the runs under its nulls, and their fits.
    """

    cell: Cell
    rows: list[Row]
    fits: Fits
    truths: list[Truth]
    notes: list[Note]
    under_null: list[tuple[NullRun, Fits]]

    @property
    def primary(self) -> dict[str, Row]:
        """The rows of the primary estimand by its first method, by metric."""
        s = self.cell.scenario
        return grouped(self.rows)[question(s, s.estimand, s.analyses(s.estimand)[0], self.cell.columns)]


def characteristics(
    cells: Sequence[Cell],
    *,
    seed: int,
    replicates: int,
    workers: int = 1,
    nulls: bool = True,
    delivered: Sequence[Sequence[DeliveredTreatment]] | None = None,
    controls: bool = False,
    progress: Callable[[int], None] | None = None,
) -> list[CellResult]:
    """Simulate and analyse every cell, and the nulls that its contrasts ask for.

    `delivered`: for each cell and block, what its clinic made of the protocol; the nulls are run in the same clinic.
    Truth, bias and coverage are then still of the protocol: the bias is what the clinic takes away. `controls`: whether
    means and shares are made more precise by control variates.
    """
    plans = [null_runs(cell.scenario) if nulls else [] for cell in cells]
    given = [None] * len(cells) if delivered is None else delivered
    runs: list[Run] = []
    for cell, plan, clinic in zip(cells, plans, given, strict=True):
        runs.append(Run(scenario=cell.scenario, clinic=clinic, estimands=range(len(cell.scenario.estimands))))
        together = cell.scenario.analysis.multiplicity is not None
        for null in plan:
            needed = runs[-1].estimands if together else null.estimands
            runs.append(Run(scenario=null.scenario, clinic=clinic, estimands=needed, at_best=False))
    fits = iter(fits_of(runs, seed, replicates, workers, progress, controls=controls))
    known = shared_truths([cell.scenario for cell in cells], seed, workers)
    results = []
    for cell, plan, known_truths in zip(cells, plans, known, strict=True):
        own, truth = next(fits), [each.actual for each in known_truths]
        under_null = [(null, next(fits)) for null in plan]
        rows: list[Row] = []
        for i, estimand in enumerate(cell.scenario.estimands):
            for analysis in cell.scenario.analyses(estimand):
                about = question(cell.scenario, estimand, analysis, cell.columns)
                new_rows = estimand_rows(cell.scenario, estimand, own, i, about, known_truths[i])
                for p, fit in under_null:
                    if i in p.estimands:
                        alpha = cell.scenario.analysis.alpha
                        new_rows.append(analysed(rejection(about, p.metric, fit[i, analysis], alpha)))
                side = None if len(cell.scenario.arms) == 1 else favours(cell.scenario, estimand, truth[i])
                rows += [replace(row, favours=side) for row in new_rows]
        if cell.scenario.analysis.multiplicity is not None:
            rows += multiplicity_rows(cell.scenario, cell.columns, own, under_null)
        notes = [*notes_of(cell.scenario, cell.columns, truth, nulls), *never_analysed(own)]
        notes += fallbacks(cell.scenario, own)
        notes += [
            *([*calendar_notes(cell.scenario), RUN_IN_CLINIC] if delivered is not None else []),
            *rooms(cell.scenario, rows),
            *numbers_needed(cell.scenario, rows),
        ]
        results.append(CellResult(cell=cell, rows=rows, fits=own, truths=truth, notes=notes, under_null=under_null))
    return results


def count_replicates(cells: Sequence[Cell], replicates: int, *, nulls: bool = True) -> int:
    """How many replicates `characteristics` will simulate in all, for a progress bar."""
    scenarios = [
        s for c in cells for s in (c.scenario, *(p.scenario for p in (null_runs(c.scenario) if nulls else [])))
    ]
    return len({trials_key(s) for s in scenarios}) * -(-replicates // BLOCK) * BLOCK
