"""`kaptrial looks SCENARIO`: what looks at the data do to a trial."""

from __future__ import annotations

from typing import Annotated

import typer

from kaptrial.cli.options import (
    AUTO,
    Folder,
    JsonFile,
    ScenarioFile,
    Seed,
    Settings,
    Vary,
    Workers,
    cells_of,
    check_outputs,
    costs_of,
    hand_over,
    provenance_of,
    say_cost,
)


def looks(
    scenario: ScenarioFile,
    replicates: Annotated[int, typer.Option(min=2, max=10_000_000, help="Trials to simulate for each row.")] = 2000,
    seed: Seed = 1,
    settings: Settings = None,
    vary: Vary = None,
    cost: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=AMOUNT",
            help="What looks save: once for each arm ARM_ID=AMOUNT, a patient of the arm; and"
            " therapies.NAME.therapists=AMOUNT, a therapist.",
        ),
    ] = None,
    nulls: Annotated[bool, typer.Option("--nulls/--no-nulls", help="Simulate the nulls too.")] = True,
    variants: Annotated[bool, typer.Option("--variants/--no-variants", help="Run the scenario's variants too.")] = True,
    workers: Workers = AUTO,
    output: Folder = None,
    json_file: JsonFile = None,
) -> None:
    """Power, errors, stopping and size of a group-sequential trial, its looks at half-observed patients and all."""
    from kaptrial.output.terminal import progress
    from kaptrial.questions.looks.answer import answer, count_replicates
    from kaptrial.questions.looks.terminal import show_looks

    cells = cells_of(scenario, settings, vary, variants=variants)
    costs = costs_of(cost)
    check_outputs(output, json_file)
    provenance = provenance_of(scenario, cells[0].scenario, seed, replicates, settings, vary)
    total = count_replicates(cells, replicates, nulls=nulls)
    say_cost(cells[0].scenario, total, workers)
    with progress(total) as advance:
        results = answer(
            cells,
            provenance=provenance,
            seed=seed,
            replicates=replicates,
            workers=workers,
            nulls=nulls,
            costs=costs,
            progress=advance,
        )
    hand_over(results, lambda: show_looks(results), json_file, output)
