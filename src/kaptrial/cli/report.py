"""`kaptrial report`: the grant pack of a scenario."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from kaptrial.cli.options import (
    AUTO,
    ControlVariates,
    JsonFile,
    ScenarioFile,
    Seed,
    Settings,
    Workers,
    check_outputs,
    hand_over,
    provenance_of,
    read_scenario,
)


def report(
    scenario: ScenarioFile,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Write the pack to this folder.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="A,B", help="These sections alone; a wrong name lists them all.")
    ] = None,
    replicates: Annotated[int, typer.Option(min=8, max=1_000_000, help="Trials behind each power.")] = 2000,
    seed: Seed = 1,
    settings: Settings = None,
    prior: Annotated[str | None, typer.Option(metavar="NAME", help="A prior of the catalogue, for assurance.")] = None,
    clean: Annotated[
        bool, typer.Option("--clean", help="Figures without title and provenance: both stand in the caption.")
    ] = False,
    control_variates: ControlVariates = True,
    workers: Workers = AUTO,
    json_file: JsonFile = None,
) -> None:
    """The grant pack: words, tables and figures of a proposal, as HTML, Word and Markdown."""
    from kaptrial.pack.answer import answer, chosen
    from kaptrial.pack.terminal import show_report
    from kaptrial.scenario.files import build, with_prior

    raw = read_scenario(scenario, settings)
    raw = raw if prior is None else with_prior(raw, prior)
    base = build(raw)
    names = chosen([name.strip() for name in only.split(",")] if only else None, base)
    check_outputs(output, json_file)
    provenance = provenance_of(scenario, base, seed, replicates, settings) | {"prior": prior}
    results = answer(
        raw,
        provenance=provenance,
        seed=seed,
        replicates=replicates,
        workers=workers,
        controls=control_variates,
        only=names,
        clean=clean,
        progress=_say if sys.stderr is not None and sys.stderr.isatty() else None,
    )
    hand_over(
        results, lambda: show_report(results, wrote=output is not None, in_full=only is not None), json_file, output
    )


def _say(what: str) -> None:
    print(f"{what} …", file=sys.stderr, flush=True)
