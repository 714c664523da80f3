"""`kaptrial decide …`: what Bayesian decision rules make of a design, before a patient is recruited."""

from __future__ import annotations

from typing import Annotated

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


def decide(
    scenario: ScenarioFile,
    design_prior: Annotated[
        str,
        typer.Option(
            metavar="NAME,…", help="What is true: scenario, null, prior (of the file), or a named prior of the effect."
        ),
    ] = "scenario,null",
    prior: Annotated[
        str, typer.Option(metavar="NAME,…", help="What the analysis believes: weak, skeptical, … or all.")
    ] = "weak,skeptical,evidence",
    margin: Annotated[float, typer.Option(help="Points towards benefit that the effect must exceed.")] = 0.0,
    go: Annotated[float, typer.Option(help="Go: P(effect better than the margin) is at least this.")] = 0.975,
    no_go: Annotated[float, typer.Option("--no-go", help="No go: it is at most this.")] = 0.1,
    rope: Annotated[float | None, typer.Option(help="Half width, in points, of what is no difference.")] = None,
    rope_probability: Annotated[float, typer.Option(help="No difference: it holds the effect with this.")] = 0.9,
    interim: Annotated[float | None, typer.Option(metavar="SHARE", help="A look after this share of patients.")] = None,
    futility: Annotated[float, typer.Option(help="Stop there if go is foreseen with less than this.")] = 0.05,
    replicates: Annotated[int, typer.Option(min=2, max=10_000_000, help="Trials for each design prior.")] = 2000,
    draws: Annotated[int, typer.Option(min=2, max=100_000, help="Draws of the file's prior, 128 trials each.")] = 200,
    seed: Seed = 1,
    settings: Settings = None,
    vary: Vary = None,
    workers: Workers = 1,
    output: Folder = None,
    json_file: JsonFile = None,
) -> None:
    """How often a Bayesian trial ends with go, consider or no go, and wrongly: power, error and assurance."""
    from kaptrial.bayes.decisions import Rule
    from kaptrial.catalogue.effect_priors import NAMES
    from kaptrial.design.decisions import Interim, Plan, count_replicates, decisions
    from kaptrial.report import files, words
    from kaptrial.report.decision_words import show_decisions

    plan = Plan(
        design_priors=_names(design_prior),
        analysis_priors=NAMES if prior == "all" else _names(prior),
        rule=Rule(margin=margin, go=go, no_go=no_go, rope=rope, rope_probability=rope_probability),
        interim=None if interim is None else Interim(share=interim, futility=futility),
    )
    cells = cells_of(scenario, settings, vary, variants=False)
    check_outputs(output, json_file)
    with words.progress(count_replicates(cells, plan, replicates, draws)) as advance:
        rows = decisions(
            cells, plan, seed=seed, replicates=replicates, draws_of_prior=draws, workers=workers, progress=advance
        )
    provenance = provenance_of(scenario, cells, seed, replicates, settings, vary) | {
        "rule": vars(plan.rule), "interim": None if plan.interim is None else vars(plan.interim), "draws": draws
    }  # fmt: skip
    show_decisions(rows, plan, provenance)
    if json_file is not None:
        files.write_json(json_file, provenance, rows)
    if output is not None:
        from kaptrial.report.decision_pack import write_decisions

        write_decisions(output, cells[0].scenario, rows, plan, provenance)
        typer.echo(f"wrote tables and a figure to {output}")


def _names(text: str) -> tuple[str, ...]:
    """Names with commas, each once, in the order given."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",")))
