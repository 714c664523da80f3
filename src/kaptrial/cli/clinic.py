"""`kaptrial clinic`: can the trial be run, how long does it take, what does it cost, and what would other plans do."""

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
    axes_of,
    check_outputs,
    hand_over,
    provenance_of,
    read_scenario,
    say_clinic_cost,
    say_cost,
)


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
    workers: Workers = AUTO,
    output: Folder = None,
    json_file: JsonFile = None,
) -> None:
    """A trial's way through its clinic: accrual, waits, windows kept, staff, cost; with --vary, what other plans do."""
    from kaptrial.output.terminal import progress
    from kaptrial.questions.clinic import terminal
    from kaptrial.questions.clinic.answer import answer, compared, plans_of

    axes = None if vary is None else axes_of(vary)
    base, plans = plans_of(read_scenario(scenario, settings), axes, power=power, months=months)
    check_outputs(output, json_file)
    total = len(plans) * replicates
    say_clinic_cost(plans[0].scenario, total, workers)
    provenance = provenance_of(scenario, plans[0].scenario, seed, replicates, settings, vary)
    run: dict[str, Any] = {"provenance": provenance, "seed": seed, "replicates": replicates, "workers": workers}
    if vary is None:
        with progress(total) as advance:
            results = answer(base, **run, progress=advance)
        hand_over(results, lambda: terminal.show_clinic(results), json_file, output)
        return
    say_cost(plans[0].scenario, total, workers)
    with progress(total) as advance:
        by_plan = compared(base, plans, **run, power=power, months=months, progress=advance)
    hand_over(by_plan, lambda: terminal.show_plans(by_plan), json_file, output)
