"""`kaptrial clinic`: can the trial be run, how long does it take, what does it cost, and what would other plans do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaptrial.cli_reading import (
    Folder,
    JsonFile,
    ScenarioFile,
    Seed,
    Settings,
    Vary,
    Workers,
    cells_of,
    check_outputs,
    provenance_of,
)
from kaptrial.errors import UserError

if TYPE_CHECKING:
    from kaptrial.design.characteristics import Cell

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
    from kaptrial.design.operations import check_has_clinic

    for cell in cells:
        check_has_clinic(cell.scenario)
    check_outputs(output, json_file)
    provenance = provenance_of(scenario, cells, seed, replicates, settings, vary)
    if vary is None:
        _one(cells[0], seed, replicates, workers, output, json_file, provenance)
    else:
        provenance |= {"power": power, "months": months}
        base = cells_of(scenario, settings, None, variants=False)[0]
        _several(base, cells, seed, replicates, workers, (power, months), output, json_file, provenance)


def _one(
    cell: Cell, seed: int, replicates: int, workers: int, output: Path | None, json_file: Path | None,
    provenance: dict[str, Any],
) -> None:  # fmt: skip
    from kaptrial.clinic import tables
    from kaptrial.design.operations import operations
    from kaptrial.report import clinic_words, files, words
    from kaptrial.results import Results

    s = cell.scenario
    with words.progress(replicates) as advance:
        found = operations(s, seed=seed, replicates=replicates, workers=workers, progress=advance)
    costs = s.clinic.costs if s.clinic else None
    quantities = tables.summary(found.digests, costs.currency if costs else "")
    note = tables.bottleneck_note(found.digests)
    results = Results(kind="clinic", rows=quantities, provenance=provenance, notes=[note])
    clinic_words.show_clinic(results)
    if json_file is not None:
        files.write_text(json_file, results.to_json())
    if output is not None:
        from kaptrial.report.clinic_pack import write_clinic

        write_clinic(output, s, found, results)
        typer.echo(f"wrote tables and figures to {output}")


def _several(
    base: Cell, cells: list[Cell], seed: int, replicates: int, workers: int, targets: tuple[float | None, float | None],
    output: Path | None, json_file: Path | None, provenance: dict[str, Any],
) -> None:  # fmt: skip
    from kaptrial.design.what_if import Target, compare
    from kaptrial.report import clinic_words, files, words
    from kaptrial.results import of_lines

    target = None if targets == (None, None) else Target(power=targets[0], months=targets[1])
    with words.progress(len(cells) * replicates) as advance:
        rows = compare(cells, seed=seed, replicates=replicates, workers=workers, target=target, progress=advance)
    paths = list(cells[0].columns)
    results = of_lines("plans", rows, provenance)
    clinic_words.show_plans(rows, paths, provenance)
    if json_file is not None:
        files.write_text(json_file, results.to_json())
    if output is not None:
        from kaptrial.report.clinic_pack import write_plans

        write_plans(output, base.scenario, results, paths)
        typer.echo(f"wrote tables to {output}")
