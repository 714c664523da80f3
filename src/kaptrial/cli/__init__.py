"""The command line: one clear line and exit 2 for what cannot be used, never a traceback."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaptrial import __version__
from kaptrial.cli import analyse as cli_analyse
from kaptrial.cli import boundaries as cli_boundaries
from kaptrial.cli import cite as cli_cite
from kaptrial.cli import clinic as cli_clinic
from kaptrial.cli import compare as cli_compare
from kaptrial.cli import decide as cli_decide
from kaptrial.cli import evidence as cli_evidence
from kaptrial.cli import fit as cli_fit
from kaptrial.cli import looks as cli_looks
from kaptrial.cli import mechanism as cli_mechanism
from kaptrial.cli import new as cli_new
from kaptrial.cli import report as cli_report
from kaptrial.cli import scenarios as cli_scenarios
from kaptrial.cli import schema as cli_schema
from kaptrial.cli.options import (
    AUTO,
    MANY_TRIALS,
    App,
    ControlVariates,
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
    costs_of,
    hand_over,
    load,
    numbers_of,
    provenance_of,
    read_scenario,
    say_clinic_cost,
    say_cost,
)
from kaptrial.errors import FieldError, UserError, printable
from kaptrial.process import drop_output, ended_by_sigterm, open_streams
from kaptrial.results import provenance

if TYPE_CHECKING:
    from kaptrial.scenario.scenario import Scenario

app = App(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Simulation and design of ketamine versus ketamine-plus-psychotherapy trials.",
    epilog="Every command takes --quiet: print nothing, write files only.",
)

app.add_typer(cli_evidence.app, name="evidence")
app.add_typer(cli_scenarios.app, name="scenarios")
app.command("analyse", cls=cli_analyse.AnalyseCommand)(cli_analyse.analyse)
app.command("boundaries")(cli_boundaries.boundaries)
app.command("cite")(cli_cite.cite)
app.command("clinic")(cli_clinic.clinic)
app.command("compare")(cli_compare.compare)
app.command("decide")(cli_decide.decide)
app.command("fit")(cli_fit.fit)
app.command("looks")(cli_looks.looks)
app.command("mechanism")(cli_mechanism.mechanism)
app.command("new")(cli_new.new)
app.command("report")(cli_report.report)
app.command("schema")(cli_schema.schema)


def main(argv: list[str] | None = None) -> None:
    """Run the command line. Exits 2 after one line on stderr for anything the user can mend."""

    open_streams()
    try:
        with ended_by_sigterm():
            app(args=argv, standalone_mode=True)
    except UserError as error:
        for said in str(as_option(error) if isinstance(error, FieldError) else error).splitlines():
            print(f"kaptrial: {said}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        if error.filename is None:
            drop_output()
        where = "standard output" if error.filename is None else printable(str(error.filename))
        print(f"kaptrial: {where}: {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"kaptrial {__version__}")
        raise typer.Exit


@app.command()
def check(scenario: ScenarioFile, settings: Settings = None, json_file: JsonFile = None) -> None:
    """Validate a scenario; say how far it is from the prior, and list the assumptions that have no source."""
    from kaptrial.priors.recomputed import recomputed
    from kaptrial.questions.power import terminal
    from kaptrial.questions.power.beside_prior import beside_prior

    check_outputs(None, json_file)
    base, *_ = cells_of(scenario, settings, None)  # builds every variant too, and so checks it
    made = provenance(scenario=scenario.name, set=settings or [])
    beside = beside_prior(base.scenario, made)
    from_figures = recomputed(base.scenario)
    hand_over(beside, lambda: terminal.show_check(base.scenario, scenario, beside, from_figures), json_file)


@app.command()
def describe(
    scenario: ScenarioFile,
    settings: Settings = None,
    seed: Seed = 1,
    truth: Annotated[
        bool, typer.Option("--truth/--no-truth", help="Simulate what the model says is true; else at once.")
    ] = True,
) -> None:
    """Show arms and days, parameters with their sources, and what the model says is true."""
    from kaptrial import api
    from kaptrial.questions.power import terminal

    loaded = load(scenario, settings)
    terminal.show_description(loaded, api.truth(loaded, seed=seed).truths if truth else [], seed)


@app.command()
def simulate(
    scenario: ScenarioFile,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="CSV file to write.")],
    settings: Settings = None,
    seed: Seed = 1,
    replicates: Annotated[int, typer.Option(min=1, help="Trials to simulate.")] = 1,
) -> None:
    """Simulate trials into a long-format CSV that `analyse` reads."""
    from kaptrial.output.files import check_writable, write_bytes
    from kaptrial.output.terminal import say

    loaded = load(scenario, settings)
    check_writable(output)
    write_bytes(output, lambda path: _write_trials(path, output, loaded, seed, replicates))
    say(f"wrote {output}: {replicates} trial{'s' * (replicates > 1)} of {loaded.n_total} patients, seed {seed}")


def _write_trials(path: Path, target: Path, scenario: Scenario, seed: int, replicates: int) -> None:
    """Block after block, so that memory does not grow with the number of trials."""
    from kaptrial.model.streams import BLOCK
    from kaptrial.output.files import check_room
    from kaptrial.simulation.simulate import blocks

    with path.open("w", encoding="utf-8", newline="\n") as file:
        for b, trials in enumerate(blocks(scenario, seed=seed, replicates=replicates)):
            table = trials.first(replicates - b * BLOCK).to_frame()
            table["replicate"] += b * BLOCK
            table.to_csv(file, header=b == 0, index=False)
            if b == 0 and replicates >= MANY_TRIALS:
                size = file.tell() * replicates / BLOCK
                check_room(target, size)
                print(f"{replicates:,} trials: about {size / 1e9:.2g} GB", file=sys.stderr, flush=True)


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
    mcse: Annotated[
        float | None, typer.Option(metavar="ERROR", help="Run until every power and error rate has this MCSE.")
    ] = None,
    control_variates: ControlVariates = True,
    everything: Annotated[
        bool, typer.Option("--all", help="Show diagnostics too: standard errors, coverage, errors of sign and size.")
    ] = False,
    workers: Workers = AUTO,
    output: Folder = None,
    json_file: JsonFile = None,
) -> None:
    """Power and the other operating characteristics, each with its Monte Carlo standard error."""
    from kaptrial.output.terminal import progress
    from kaptrial.questions.power import terminal
    from kaptrial.questions.power.answer import answer, answer_to_precision, check_precision
    from kaptrial.questions.power.characteristics import count_replicates

    check_precision(mcse, clinic=clinic)
    cells = cells_of(scenario, settings, vary, variants=variants)
    check_outputs(output, json_file)
    provenance = provenance_of(scenario, cells[0].scenario, seed, replicates, settings, vary)
    delivered = None
    if clinic:
        from kaptrial.questions.clinic.operations import count_clinics, delivered_to

        provenance |= {"clinic": True}
        plans = [cell.scenario for cell in cells]
        say_clinic_cost(plans[0], count_clinics(plans, replicates), workers)
        with progress(count_clinics(plans, replicates)) as advance:
            delivered = delivered_to(plans, seed=seed, replicates=replicates, workers=workers, progress=advance)
    total = count_replicates(cells, replicates, nulls=nulls)
    say_cost(cells[0].scenario, total, workers)
    asked: Any = answer if mcse is None else partial(answer_to_precision, mcse=mcse)
    run = partial(asked, cells, provenance=provenance, seed=seed, replicates=replicates, workers=workers)
    with progress(total) as advance:
        results = run(nulls=nulls, delivered=delivered, controls=control_variates, progress=advance)
    hand_over(results, lambda: terminal.show_power(results, everything=everything), json_file, output)


@app.command()
def size(
    scenario: ScenarioFile,
    target: Annotated[float, typer.Option("--power", min=0.01, max=0.999, help="Power to reach.")] = 0.9,
    over: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="The number to solve for; given twice, for the size and for therapies.NAME.therapists.count, the"
            " cheapest pair of the two.",
        ),
    ] = None,
    cost: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=AMOUNT",
            help="With two --over, once for each arm and for the therapists: ARM_ID=AMOUNT, a patient of the arm, and"
            " therapies.NAME.therapists=AMOUNT, a therapist.",
        ),
    ] = None,
    between: Annotated[str, typer.Option(metavar="LOW,HIGH", help="Where to look for it.")] = "",
    replicates: Annotated[int, typer.Option(min=100, max=10_000_000, help="Trials at each point tried.")] = 2000,
    seed: Seed = 1,
    settings: Settings = None,
    control_variates: ControlVariates = True,
    workers: Workers = AUTO,
    json_file: JsonFile = None,
) -> None:
    """The smallest size (or other number, or effect) that reaches a power; or patients and therapists at least cost."""
    from kaptrial.output.terminal import progress
    from kaptrial.questions.size import answer, count_points
    from kaptrial.questions.size.terminal import show
    from kaptrial.scenario.files import build

    raw = read_scenario(scenario, settings)
    check_outputs(None, json_file)
    paths = [path for path in over or [] if path]
    costs, bounds = costs_of(cost), numbers_of("--between", between) if between else None
    base = build(raw)
    points = count_points(paths, base) * replicates
    say_cost(base, points, workers)
    made = provenance_of(scenario, base, seed, replicates, settings)
    run: dict[str, Any] = {"target": target, "replicates": replicates, "seed": seed, "workers": workers}
    run |= {"controls": control_variates}
    with progress(points) as advance:
        results = answer(raw, over=paths, costs=costs, bounds=bounds, provenance=made, **run, progress=advance)
    hand_over(results, lambda: show(results), json_file)


@app.command()
def assurance(
    scenario: ScenarioFile,
    draws: Annotated[int, typer.Option(min=2, max=1_000_000, help="Draws of the design prior.")] = 400,
    replicates: Annotated[int, typer.Option(min=2, max=1_000_000, help="Trials to simulate for each draw.")] = 128,
    seed: Seed = 1,
    settings: Settings = None,
    prior: Annotated[str | None, typer.Option(metavar="NAME", help="A prior of the catalogue, by name.")] = None,
    control_variates: ControlVariates = True,
    workers: Workers = AUTO,
    output: Folder = None,
    json_file: JsonFile = None,
) -> None:
    """Power averaged over the scenario's design prior, and how likely high power is under it."""
    from kaptrial.output.terminal import progress
    from kaptrial.questions.assurance.answer import answer
    from kaptrial.questions.assurance.assurance import count_replicates
    from kaptrial.questions.assurance.terminal import show_assurance
    from kaptrial.scenario.files import build, with_prior

    raw = read_scenario(scenario, settings)
    loaded = build(raw if prior is None else with_prior(raw, prior))
    check_outputs(output, json_file)
    provenance = provenance_of(scenario, loaded, seed, replicates, settings) | {"draws": draws, "prior": prior}
    total = count_replicates(loaded, draws, replicates)
    say_cost(loaded, total, workers)
    run = partial(answer, loaded, provenance=provenance, seed=seed, replicates=replicates, workers=workers)
    with progress(total) as advance:
        results = run(draws=draws, controls=control_variates, progress=advance)
    hand_over(results, lambda: show_assurance(results), json_file, output)


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
    from kaptrial import api
    from kaptrial.output.terminal import say

    results = api.precision(half_width, sd=sd, share=share, assurance=assurance, alpha=alpha)
    n, level = results.rows[0].numbers["n"], f"{100 * (1 - alpha):g} % interval"
    if sd is not None:
        how = "on average" if assurance is None else f"with probability {assurance:g}"
        say(f"{n} patients: the {level} of the mean change is ± {half_width:g} or narrower {how} (SD {sd:g}, t)")
    else:
        say(f"{n} patients: half the exact {level} of a share of {share:g} is {half_width:g} or less on average")


if __name__ == "__main__":
    main()
