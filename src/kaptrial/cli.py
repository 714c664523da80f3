"""The command line: one clear line and exit 2 for what cannot be used, never a traceback."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from kaptrial import __version__, cli_analyse, cli_clinic, cli_decide, cli_evidence, cli_fit, cli_mechanism
from kaptrial.cli_reading import (
    Folder,
    JsonFile,
    ScenarioFile,
    Seed,
    Settings,
    Vary,
    Workers,
    as_option,
    cells_of,
    check_outputs,
    load,
    numbers_of,
    provenance_of,
    read_scenario,
)
from kaptrial.errors import FieldError, UserError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Simulation and design of ketamine versus ketamine-plus-psychotherapy trials.",
)

app.add_typer(cli_evidence.app, name="evidence")
app.command("analyse", cls=cli_analyse.AnalyseCommand)(cli_analyse.analyse)
app.command("clinic")(cli_clinic.clinic)
app.command("decide")(cli_decide.decide)
app.command("fit")(cli_fit.fit)
app.command("mechanism")(cli_mechanism.mechanism)


def main(argv: list[str] | None = None) -> None:
    """Run the command line. Exits 2 after one line on stderr for anything the user can mend."""

    try:
        app(args=argv, standalone_mode=True)
    except UserError as error:
        print(f"kaptrial: {as_option(error) if isinstance(error, FieldError) else error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(f"kaptrial: {error.filename}: {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"kaptrial {__version__}")
        raise typer.Exit


@app.command()
def check(scenario: ScenarioFile, settings: Settings = None) -> None:
    """Validate a scenario; list the assumptions that have no source."""
    from kaptrial.report import words

    base, *_ = cells_of(scenario, settings, None)  # builds every variant too, and so checks it
    words.show_check(base.scenario, scenario)


@app.command()
def describe(
    scenario: ScenarioFile,
    settings: Settings = None,
    seed: Seed = 1,
) -> None:
    """Show arms and days, parameters with their sources, and what the model says is true."""
    from kaptrial.report import words
    from kaptrial.truth import truths

    loaded = load(scenario, settings)
    words.show_description(loaded, truths(loaded, seed=seed), seed)


@app.command()
def simulate(
    scenario: ScenarioFile,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="CSV file to write.")],
    settings: Settings = None,
    seed: Seed = 1,
    replicates: Annotated[int, typer.Option(min=1, help="Trials to simulate.")] = 1,
) -> None:
    """Simulate trials into a long-format CSV that `analyse` reads."""
    from kaptrial.report.files import write_text
    from kaptrial.simulate import simulate as simulate_trials

    trials = simulate_trials(load(scenario, settings), seed=seed, replicates=replicates)
    write_text(output, trials.to_frame().to_csv(index=False))
    typer.echo(
        f"wrote {output}: {replicates} trial{'s' * (replicates > 1)} of {trials.arm.shape[1]} patients, seed {seed}"
    )


@app.command()
def power(
    scenario: ScenarioFile,
    replicates: Annotated[int, typer.Option(min=2, max=10_000_000, help="Trials to simulate for each row.")] = 2000,
    seed: Seed = 1,
    settings: Settings = None,
    vary: Vary = None,
    nulls: Annotated[bool, typer.Option("--nulls/--no-nulls", help="Simulate the nulls too.")] = True,
    variants: Annotated[bool, typer.Option("--variants/--no-variants", help="Run the scenario's variants too.")] = True,
    clinic: Annotated[
        bool, typer.Option("--clinic", help="The trial as its clinic would run it (docs/clinic.md).")
    ] = False,
    workers: Workers = 1,
    output: Folder = None,
    json_file: JsonFile = None,
) -> None:
    """Power and the other operating characteristics, each with its Monte Carlo standard error."""
    from kaptrial.design.characteristics import characteristics, count_replicates, results_of
    from kaptrial.report import files, words

    cells = cells_of(scenario, settings, vary, variants=variants)
    check_outputs(output, json_file)
    realised = None
    if clinic:
        from kaptrial.design.operations import count_clinics, operations_of

        plans = [cell.scenario for cell in cells]
        with words.progress(count_clinics(plans, replicates)) as advance:
            run = operations_of(plans, seed=seed, replicates=replicates, workers=workers, progress=advance)
        realised = [each.realised or () for each in run]
    with words.progress(count_replicates(cells, replicates, nulls=nulls)) as advance:
        found = characteristics(
            cells, seed=seed, replicates=replicates, workers=workers, nulls=nulls, realised=realised, progress=advance
        )
    provenance = provenance_of(scenario, cells, seed, replicates, settings, vary) | ({"clinic": True} if clinic else {})
    results = results_of(found, provenance)
    words.show_power(results)
    if json_file is not None:
        files.write_text(json_file, results.to_json())
    if output is not None:
        from kaptrial.report.pack import write_power

        write_power(output, found, results)
        typer.echo(f"wrote tables and figures to {output}")


@app.command()
def size(
    scenario: ScenarioFile,
    target: Annotated[float, typer.Option("--power", min=0.01, max=0.999, help="Power to reach.")] = 0.9,
    over: Annotated[str, typer.Option(metavar="PATH", help="The number to solve for.")] = "",
    between: Annotated[str, typer.Option(metavar="LOW,HIGH", help="Where to look for it.")] = "",
    replicates: Annotated[int, typer.Option(min=100, max=10_000_000, help="Trials at each point tried.")] = 2000,
    seed: Seed = 1,
    settings: Settings = None,
    workers: Workers = 1,
    json_file: JsonFile = None,
) -> None:
    """The smallest size (or other number, or effect) that reaches a power, with its interval."""
    from kaptrial.design.sample_size import solve
    from kaptrial.report import files
    from kaptrial.report.size_words import show_size

    raw = read_scenario(scenario, settings)
    bounds = numbers_of("--between", between) if between else None
    answer = solve(
        raw,
        target=target,
        over=over or None,
        bounds=bounds,
        replicates=replicates,
        seed=seed,
        workers=workers,
    )
    provenance = provenance_of(
        scenario, cells_of(scenario, settings, None, variants=False), seed, replicates, settings, None
    )
    show_size(answer, provenance)
    if json_file is not None:
        files.write_text(json_file, answer.results(provenance).to_json())


@app.command()
def assurance(
    scenario: ScenarioFile,
    draws: Annotated[int, typer.Option(min=2, max=1_000_000, help="Draws of the design prior.")] = 400,
    replicates: Annotated[int, typer.Option(min=2, max=1_000_000, help="Trials to simulate for each draw.")] = 128,
    seed: Seed = 1,
    settings: Settings = None,
    prior: Annotated[str | None, typer.Option(metavar="NAME", help="A prior of the catalogue, by name.")] = None,
    workers: Workers = 1,
    output: Folder = None,
    json_file: JsonFile = None,
) -> None:
    """Power averaged over the scenario's design prior, and how likely high power is under it."""
    from kaptrial.design.assurance import assurance as average
    from kaptrial.design.assurance import count_replicates
    from kaptrial.design.characteristics import Cell
    from kaptrial.report import files, words
    from kaptrial.report.assurance_words import show_assurance
    from kaptrial.results import Results
    from kaptrial.spec.files import build, with_prior

    raw = read_scenario(scenario, settings)
    loaded = build(raw if prior is None else with_prior(raw, prior))
    check_outputs(output, json_file)
    with words.progress(count_replicates(draws, replicates)) as advance:
        found = average(
            loaded, seed=seed, draws_of_prior=draws, replicates=replicates, workers=workers, progress=advance
        )
    cells = [Cell(scenario=loaded, columns={})]
    provenance = provenance_of(scenario, cells, seed, replicates, settings, None) | {"draws": draws, "prior": prior}
    results = Results(kind="assurance", rows=found.rows, provenance=provenance, notes=found.notes)
    show_assurance(results)
    if json_file is not None:
        files.write_text(json_file, results.to_json())
    if output is not None:
        from kaptrial.report.assurance_pack import write_assurance

        write_assurance(output, loaded, found, results)
        typer.echo(f"wrote tables and a figure to {output}")


@app.command()
def precision(
    half_width: Annotated[float, typer.Option(min=1e-9, help="Half the width of the confidence interval wanted.")],
    sd: Annotated[float | None, typer.Option(min=1e-9, help="SD of the change: size for a mean.")] = None,
    share: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Share responding: size for a share.")] = None,
    assurance: Annotated[
        float | None, typer.Option(min=0.01, max=0.9999, help="Probability of so narrow an interval; else on average.")
    ] = None,
    alpha: Annotated[float, typer.Option(min=0.0001, max=0.5)] = 0.05,
) -> None:
    """Size of a single-arm trial by the precision of its estimate."""
    from kaptrial.analysis import single_arm

    if (sd is None) == (share is None):
        raise UserError("--sd, --share: exactly one must be given")
    level = f"{100 * (1 - alpha):g} % interval"
    if sd is not None:
        n = single_arm.size_for_mean(half_width, sd, alpha=alpha, assurance=assurance)
        how = "on average" if assurance is None else f"with probability {assurance:g}"
        typer.echo(f"{n} patients: the {level} of the mean change is ± {half_width:g} or narrower {how} (SD {sd:g}, t)")
        return
    assert share is not None
    if assurance is not None:
        raise UserError(f"--assurance = {assurance:g}: goes with --sd")
    n = single_arm.size_for_share(half_width, share, alpha=alpha)
    typer.echo(f"{n} patients: half the exact {level} of a share of {share:g} is {half_width:g} or less on average")


if __name__ == "__main__":
    main()
