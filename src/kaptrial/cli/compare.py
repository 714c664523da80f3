"""`kaptrial compare`: designs side by side, and which of them dominates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kaptrial.cli.options import (
    AUTO,
    ControlVariates,
    Folder,
    JsonFile,
    Seed,
    Settings,
    Workers,
    axes_of,
    check_outputs,
    hand_over,
    read_scenario,
    say_cost,
)
from kaptrial.errors import ScenarioError


def compare(
    scenarios: Annotated[list[Path], typer.Argument(metavar="SCENARIO...", help="Two or more scenario files, or one.")],
    replicates: Annotated[int, typer.Option(min=2, max=10_000_000, help="Trials to simulate of each design.")] = 2000,
    draws: Annotated[int, typer.Option(min=2, max=1_000_000, help="Draws of a prior, for assurance.")] = 100,
    seed: Seed = 1,
    settings: Settings = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH=A,B,C", help="Each scenario beside itself with these values; may be given twice."),
    ] = None,
    prior: Annotated[
        str | None, typer.Option(metavar="NAME", help="A prior of the catalogue for all; else each design's own.")
    ] = None,
    control_variates: ControlVariates = True,
    workers: Workers = AUTO,
    output: Folder = None,
    json_file: JsonFile = None,
) -> None:
    """Designs side by side: power, errors, assurance, patients, therapist hours, months, cost; and which dominates."""
    from kaptrial.comparison.answer import answer
    from kaptrial.comparison.designs import designs_of, varied
    from kaptrial.comparison.measures import count_trials
    from kaptrial.comparison.terminal import show_comparison
    from kaptrial.output.terminal import progress
    from kaptrial.results import provenance

    read = [(path.stem, _read(path, settings)) for path in scenarios]
    designs = designs_of(varied(read, axes_of(vary)), prior=prior)
    check_outputs(output, json_file)
    run = {"replicates": replicates, "draws": draws}
    made = provenance(seed=seed, **run, prior=prior, set=settings or []) | ({"vary": vary} if vary else {})
    total = count_trials(designs, **run)
    say_cost(designs[0].scenario, total, workers)
    with progress(total) as advance:
        results = answer(
            designs,
            provenance=made,
            seed=seed,
            **run,
            workers=workers,
            controls=control_variates,
            progress=advance,
        )
    hand_over(results, lambda: show_comparison(results), json_file, output)


def _read(path: Path, settings: list[str] | None) -> dict[str, Any]:
    """A file with the settings of all; what leads nowhere names the file in which it does."""
    try:
        return read_scenario(path, settings)
    except ScenarioError as error:
        lines = str(error).splitlines()
        raise ScenarioError(*(line if line.startswith(str(path)) else f"{path}: {line}" for line in lines)) from None
