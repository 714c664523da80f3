"""`kaptrial clinic`: can the trial be run, how long does it take, what does it cost, and what would other plans do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaptrial.cli.options import (
    Folder,
    JsonFile,
    ScenarioFile,
    Seed,
    Settings,
    Vary,
    Workers,
    cells_of,
    check_outputs,
    hand_over,
    provenance_of,
    say_clinic_cost,
    say_cost,
)
from kaptrial.errors import UserError

if TYPE_CHECKING:
    from kaptrial.questions.power.characteristics import Cell
    from kaptrial.results import Results

    Written = tuple[Results[Any], Callable[[], None], Callable[[Path], None]]

# More plans than this are a slip of the pen, or a night's work.
MOST_PLANS = 200


def clinic(
    scenario: ScenarioFile,
    replicates: Annotated[int, typer.Option(min=2, max=1_000_000, help="Trials to run through the clinic.")] = 200,
    seed: Seed = 1,
    settings: Settings = None,
    vary: Vary = None,
    power: Annotated[
        float | None, typer.Option(min=0.01, max=0.999, help="With --vary: the cheapest plan with this power.")
    ] = None,
    months: Annotated[
        float | None, typer.Option(min=0.1, help="With --vary: the cheapest plan that ends by then on average.")
    ] = None,
    workers: Workers = 1,
    output: Folder = None,
    json_file: JsonFile = None,
) -> None:
    """A trial's way through its clinic: accrual, waits, windows kept, staff, cost; with --vary, what other plans do."""

    if vary is None and (power is not None or months is not None):
        raise UserError("--power, --months: go with --vary, which says what may be changed")
    cells = cells_of(scenario, settings, vary, variants=False)
    if len(cells) > MOST_PLANS:
        raise UserError(f"--vary = {len(cells)} plans: must be at most {MOST_PLANS}")
    from kaptrial.questions.clinic.operations import check_has_clinic

    for cell in cells:
        check_has_clinic(cell.scenario)
    check_outputs(output, json_file)
    say_clinic_cost(cells[0].scenario, len(cells) * replicates, workers)
    if vary is not None:
        say_cost(cells[0].scenario, len(cells) * replicates, workers)
    provenance = provenance_of(scenario, cells, seed, replicates, settings, vary)
    if vary is None:
        results, show, write = _one(cells[0], seed, replicates, workers, provenance)
    else:
        provenance |= {"power": power, "months": months}
        base = cells_of(scenario, settings, None, variants=False)[0]
        results, show, write = _several(base, cells, seed, replicates, workers, provenance)
    hand_over(results, show, json_file, output, write)


def _one(cell: Cell, seed: int, replicates: int, workers: int, provenance: dict[str, Any]) -> Written:
    from kaptrial.output.terminal import progress
    from kaptrial.questions.clinic import tables, terminal
    from kaptrial.questions.clinic.operations import operations
    from kaptrial.results import Results

    s = cell.scenario
    with progress(replicates) as advance:
        run = operations(s, seed=seed, replicates=replicates, workers=workers, progress=advance)
    costs = s.clinic.costs if s.clinic else None
    quantities = tables.summary(run.summaries, costs.currency if costs else "")
    note = tables.bottleneck_note(run.summaries)
    results = Results(kind="clinic", rows=quantities, provenance=provenance, notes=[note])

    def write(folder: Path) -> None:
        from kaptrial.questions.clinic.output import write_clinic

        write_clinic(folder, s, run, results)

    return results, partial(terminal.show_clinic, results), write


def _several(
    base: Cell, cells: list[Cell], seed: int, replicates: int, workers: int, provenance: dict[str, Any]
) -> Written:
    from kaptrial.output.terminal import progress
    from kaptrial.questions.clinic import terminal
    from kaptrial.questions.clinic.staffing_plans import Target, compare
    from kaptrial.results import of_lines

    power, months = provenance["power"], provenance["months"]
    target = None if power is None and months is None else Target(power=power, months=months)
    with progress(len(cells) * replicates) as advance:
        rows = compare(cells, seed=seed, replicates=replicates, workers=workers, target=target, progress=advance)
    paths = list(cells[0].columns)
    results = of_lines("plans", rows, provenance)
    show = partial(terminal.show_plans, rows, paths, provenance)

    def write(folder: Path) -> None:
        from kaptrial.questions.clinic.output import write_plans

        write_plans(folder, base.scenario, results, paths)

    return results, show, write
