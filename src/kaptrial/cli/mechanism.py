"""`kaptrial mechanism …`: the response model fitted to a trial, one mechanism at a time."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from kaptrial.cli.options import Folder, JsonFile, ScenarioFile, Seed, Settings, check_outputs, hand_over, load


def mechanism(
    scenario: ScenarioFile,
    data: Annotated[
        Path | None, typer.Option(metavar="DATA.csv", help="The trial's scores; else one is simulated.")
    ] = None,
    patient: str = "patient",
    arm: str = "arm",
    day: str = "day",
    score: str = "score",
    baseline: str = "baseline",
    seed: Seed = 1,
    settings: Settings = None,
    draws: Annotated[int, typer.Option(min=200, max=100_000, help="Draws of each of four chains.")] = 1000,
    output: Folder = None,
    json_file: JsonFile = None,
) -> None:
    """Does therapy add, work through the window, or slow the decay: what the data say of each, and which fits.

    SCENARIO gives the arms' doses and sessions and what is held fixed. A 2×2 reads its factors' columns from DATA.csv.
    """
    from kaptrial.output.terminal import progress
    from kaptrial.questions.mechanism.answer import answer
    from kaptrial.questions.mechanism.fit import count_draws
    from kaptrial.questions.mechanism.terminal import show_mechanism
    from kaptrial.simulation.data_file import read_file

    loaded = load(scenario, settings)
    check_outputs(output, json_file)
    columns = {"patient": patient, "arm": arm, "day": day, "score": score, "baseline": baseline}
    file = None if data is None else read_file(data)
    run = partial(answer, loaded, file, seed=seed, draws=draws, columns=columns, scenario=scenario.name)
    with progress(count_draws(draws), "sampling", "draws") as advance:
        results = run(say=partial(typer.echo, err=True), progress=advance)
    hand_over(results, lambda: show_mechanism(results.fitted, results.provenance), json_file, output)
