"""`kaptrial evidence …`: the catalogue of published trials, and the model's replicas of them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from kaptrial.cli.options import App, JsonFile, check_outputs, hand_over
from kaptrial.errors import UserError
from kaptrial.results import of_lines
from kaptrial.results import provenance as made_by

app = App(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Published trials: list, show, cite; simulate them under the calibrated model; predict new ones.",
)


@app.command("list")
def list_trials(
    indication: Annotated[str | None, typer.Option(metavar="TEXT", help="Only indications with this text.")] = None,
    therapy: Annotated[bool, typer.Option("--therapy", help="Only trials with a psychotherapy.")] = False,
    json_file: JsonFile = None,
) -> None:
    """The catalogued trials."""
    from kaptrial import evidence
    from kaptrial.catalogue import trial
    from kaptrial.evidence import terminal

    results = evidence.list(indication, therapy=therapy)
    check_outputs(None, json_file)
    chosen = [trial(str(line.numbers["key"])) for line in results]
    hand_over(results, lambda: terminal.show_list(chosen), json_file)


@app.command()
def show(
    key: Annotated[str, typer.Argument(metavar="SOURCE", help="A trial, another source, or the file of a trial.")],
    cite: Annotated[str | None, typer.Option(metavar="FORM", help="Only the citation: text or bibtex.")] = None,
    json_file: JsonFile = None,
) -> None:
    """One trial, or another source that a scenario may name: who, what, and every figure with where it was read."""
    from kaptrial.evidence import terminal
    from kaptrial.evidence.answer import TrialResults, read_in
    from kaptrial.output.terminal import say

    found = read_in(key)
    if cite is not None:
        if cite not in ("text", "bibtex"):
            raise UserError(f"--cite = {cite!r}: must be text or bibtex")
        say(found.citation.bibtex(found.key) if cite == "bibtex" else terminal.cited(found.citation))
        return
    check_outputs(None, json_file)
    if isinstance(found, TrialResults):
        hand_over(found, lambda: terminal.show_trial(found.trial), json_file)
    else:
        hand_over(found, lambda: terminal.show_source(found), json_file)


@app.command()
def replicate(
    which: Annotated[str, typer.Argument(metavar="TRIAL|all", help="Key, file of its form, or all.")] = "all",
    replicates: Annotated[int, typer.Option(min=100, max=100_000, help="Simulated trials each.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random stream.")] = 1,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Write table and figure.")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Simulate published trials under the model fitted without them, and set their figures against it."""
    from kaptrial import evidence
    from kaptrial.evidence import terminal

    check_outputs(output, json_file)
    results = evidence.replicate(which, replicates=replicates, seed=seed)
    hand_over(results, lambda: terminal.show_replication(results), json_file, output)


@app.command()
def predict(
    file: Annotated[str, typer.Argument(metavar="TRIAL.yaml", help="File of the catalogue's form, or a key of it.")],
    replicates: Annotated[int, typer.Option(min=100, max=100_000, help="Simulated trials.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random stream.")] = 1,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Write tables and figure.")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Predict a new trial from the calibrated model, and say what its reported figures change."""
    from kaptrial import evidence
    from kaptrial.evidence import terminal

    check_outputs(output, json_file)
    results = evidence.predict(file, replicates=replicates, seed=seed)
    hand_over(results, lambda: terminal.show_prediction(results), json_file, output)


@app.command()
def sensitivity(
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random stream.")] = 1,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="Write the table.")] = None,
    json_file: JsonFile = None,
) -> None:
    """What a new trial would show without each fitted trial, and with those that are not fitted."""
    from kaptrial import evidence
    from kaptrial.evidence import terminal

    check_outputs(output, json_file)
    results = evidence.sensitivity(seed=seed)
    hand_over(results, lambda: terminal.show_sensitivity(results), json_file, output)


@app.command()
def card(
    prior: Annotated[str | None, typer.Option(metavar="NAME", help="A shipped prior; else the default.")] = None,
    indication: Annotated[
        str, typer.Option(metavar="NAME", help="depression, bipolar depression, PTSD, OCD or anxiety.")
    ] = "depression",
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random stream.")] = 1,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Write every prior's card, and figures.")
    ] = None,
) -> None:
    """What the calibrated model says a new trial would show, beside the published figures."""
    from kaptrial import evidence
    from kaptrial.evidence import terminal

    check_outputs(output, None)
    results = evidence.card(prior, indication=indication, seed=seed)
    hand_over(results, lambda: terminal.show_card(results), None, output)


@app.command()
def durations(
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random stream.")] = 1,
    json_file: JsonFile = None,
) -> None:
    """How long effects last: what the literature states, and what the calibrated model says of the same."""
    from kaptrial import evidence
    from kaptrial.evidence import terminal

    check_outputs(None, json_file)
    results = evidence.durations(seed=seed)
    hand_over(results, lambda: terminal.show_durations(results), json_file)


@app.command()
def calibrate(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the files.")],
    only: Annotated[
        str | None, typer.Option(metavar="PART", help="prior, folds, abstinence, variants or cards; else all.")
    ] = None,
) -> None:
    """Fit the response model to the catalogue again: the design prior, its variants, and the fits without one trial."""
    from kaptrial.evidence.calibration import PARTS
    from kaptrial.evidence.calibration import calibrate as fit_again
    from kaptrial.output.files import output_folder, write_bytes

    if only is not None and only not in PARTS:
        raise UserError(f"--only = {only!r}: must be one of {', '.join(PARTS)}")
    check_outputs(output, None)
    with output_folder(output, keep=only is not None) as folder:
        fit_again(lambda name, fill: write_bytes(output / name, fill), only=only, say=typer.echo)
    typer.echo(f"wrote {output}: {folder.said()}")


@app.command("self-check")
def self_check(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for ranks and figure.")],
    fits: Annotated[int, typer.Option(min=20, help="Simulated data sets, each fitted.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random stream.")] = 1,
) -> None:
    """Simulation-based calibration of the synthesis on a reduced set of trials: slow, minutes to an hour."""
    from kaptrial.evidence import terminal
    from kaptrial.evidence.output import write_self_check
    from kaptrial.evidence.synthesis import self_check as check
    from kaptrial.output.folder import write_folder

    check_outputs(output, None)
    ranks = check.ranks(fits, seed=seed, say=typer.echo)
    results = of_lines("self-check", ranks.to_dict("records"), made_by(seed=seed, fits=fits))
    writer = partial(write_folder, lambda folder, _: write_self_check(folder, ranks, results.provenance))
    hand_over(
        replace(results, writer=writer),
        lambda: terminal.show_self_check(ranks),
        None,
        output,
    )
