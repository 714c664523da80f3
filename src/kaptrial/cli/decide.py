"""`kaptrial decide …`: what Bayesian decision rules make of a design, before a patient is recruited."""

from __future__ import annotations

from typing import Annotated, Any

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
    hand_over,
    provenance_of,
    say_cost,
)
from kaptrial.errors import FieldError


def decide(
    scenario: ScenarioFile,
    design_prior: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="What is true: scenario, null, prior (of the file) or a named prior."),
    ] = None,
    prior: Annotated[
        str | None, typer.Option(metavar="NAME,…", help="What the analysis believes: weak, skeptical, … or all.")
    ] = None,
    margin: Annotated[float | None, typer.Option(help="Points towards benefit that the effect must exceed.")] = None,
    go: Annotated[float | None, typer.Option(help="Go: P(effect better than the margin) is at least this.")] = None,
    no_go: Annotated[float | None, typer.Option("--no-go", help="No go: it is at most this.")] = None,
    rope: Annotated[float | None, typer.Option(help="Half width, in points, of what is no difference.")] = None,
    rope_probability: Annotated[
        float | None, typer.Option(help="No difference: it holds the effect with this.")
    ] = None,
    interim: Annotated[float | None, typer.Option(metavar="SHARE", help="A look after this share of patients.")] = None,
    futility: Annotated[float | None, typer.Option(help="Stop there if go is foreseen with less than this.")] = None,
    efficacy: Annotated[
        float | None, typer.Option(help="Stop there with go if P(effect better than the margin) is at least this.")
    ] = None,
    replicates: Annotated[int, typer.Option(min=2, max=10_000_000, help="Trials for each design prior.")] = 2000,
    draws: Annotated[int, typer.Option(min=2, max=100_000, help="Draws of the file's prior, 128 trials each.")] = 200,
    nuisance: Annotated[
        bool, typer.Option("--nuisance/--no-nuisance", help="Type I error at other nuisance values too.")
    ] = True,
    calibrate: Annotated[
        float | None, typer.Option(metavar="ALPHA", help="Instead: the probability that go needs to keep this error.")
    ] = None,
    seed: Seed = 1,
    settings: Settings = None,
    vary: Vary = None,
    workers: Workers = AUTO,
    output: Folder = None,
    json_file: JsonFile = None,
) -> None:
    """How often a Bayesian trial ends with go, consider or no go, and wrongly: power, error and assurance.

    Options override what the scenario declares under `decision` and `design.looks`. Where neither says otherwise: go
    0.975, no-go 0.1, rope-probability 0.9, futility 0.05, prior weak,skeptical,evidence, design-prior scenario,null.
    """
    from kaptrial.catalogue.effect_priors import NAMES
    from kaptrial.output.terminal import progress
    from kaptrial.questions.decide import answer
    from kaptrial.questions.decide.characteristics import count_replicates
    from kaptrial.questions.decide.terminal import show_calibration, show_decisions

    rule = {"margin": margin, "go": go, "no_go": no_go, "rope": rope, "rope_probability": rope_probability}
    priors = {"priors": NAMES if prior == "all" else _names(prior), "design_priors": _names(design_prior)}
    options = {**rule, **priors, "share": interim, "futility": futility, "efficacy": efficacy}
    given = {name: value for name, value in options.items() if value is not None}
    declared = cells_of(scenario, settings, vary, variants=False)
    try:
        cells = [answer.with_rule(cell, given) for cell in declared]
        check_outputs(output, json_file)
        provenance = provenance_of(scenario, cells[0].scenario, seed, replicates, settings, vary)
        total = count_replicates(cells, replicates, draws, nuisance=nuisance or calibrate is not None)
        total *= 1 if calibrate is None else 2  # to find the threshold, and to verify it
        say_cost(cells[0].scenario, total, workers)
        run: dict[str, Any] = {"provenance": provenance, "seed": seed, "replicates": replicates, "workers": workers}
        with progress(total) as advance:
            if calibrate is not None:
                found = answer.calibrate(answer.only(cells), alpha=calibrate, progress=advance, **run)
            else:
                results = answer.answer(cells, draws=draws, nuisance=nuisance, progress=advance, **run)
    except FieldError as error:  # of an option, or else of the scenario's own rule
        own = (*given, "calibrate", "vary")
        raise error if error.field.partition("[")[0] in own else error.below("decision") from None
    if calibrate is not None:
        hand_over(found, lambda: show_calibration(found), json_file, output)
    else:
        hand_over(results, lambda: show_decisions(results), json_file, output)


def _names(text: str | None) -> tuple[str, ...] | None:
    """Priors with commas between them, each once."""
    from kaptrial.scenario.own_prior import listed

    return None if text is None else tuple(dict.fromkeys(listed(text)))
