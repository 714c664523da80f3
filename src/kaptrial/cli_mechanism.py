"""`kaptrial mechanism …`: the response model fitted to a trial, one mechanism at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kaptrial.cli_reading import (
    Folder,
    JsonFile,
    ScenarioFile,
    Seed,
    Settings,
    check_outputs,
    hand_over,
    load,
    say_notes,
)
from kaptrial.results import provenance as made_by


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
    from kaptrial.bayes.mechanism.fit import fit
    from kaptrial.data_file import read_file
    from kaptrial.report.mechanism_words import show_mechanism, warnings
    from kaptrial.results import Note, of_lines
    from kaptrial.simulate import simulate
    from kaptrial.spec.files import scenario_hash
    from kaptrial.trials import Columns, trials_of

    loaded = load(scenario, settings)
    check_outputs(output, json_file)
    if data is None:
        trials, of_file = simulate(loaded, seed=seed, replicates=1), []
    else:
        file = read_file(data)
        columns = Columns(patient=patient, arm=arm, day=day, score=score, baseline=baseline, factors=loaded.factors)
        trials, of_file = trials_of(file, columns), file.notes
        say_notes(of_file)
    found = fit(loaded, trials, seed=seed, draws=draws, say=lambda text: typer.echo(text, err=True))
    source = data.name if data else f"one trial simulated under seed {seed}"
    provenance = made_by() | {"scenario": scenario.name, "scenario_sha256": scenario_hash(loaded)}
    provenance |= {"title": loaded.title, "data": source, "seed": seed, "draws": 4 * draws}
    provenance |= {"ranking": found.ranking, "why_not": found.why_not}
    notes = [Note(code="unusable", severity="error", text=line) for line in warnings(found)]
    results = of_lines("mechanism", found.rows, provenance, *of_file, *notes)

    def write_folder(folder: Path) -> None:
        from kaptrial.report.mechanism_pack import write_mechanism

        write_mechanism(folder, loaded, found, results)

    hand_over(results, lambda: show_mechanism(found, provenance), json_file, output, write_folder)
