"""`kaptrial new`: a scenario from questions, or from options where nobody can be asked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from kaptrial.errors import UserError


def new(
    path: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="New file; standard output unless given.")
    ] = None,
    indication: Annotated[str | None, typer.Option(help="depression, ptsd, ocd or alcohol.")] = None,
    regimen: Annotated[str | None, typer.Option(help="How the drug is given, such as six_in_3_weeks.")] = None,
    therapy: Annotated[str | None, typer.Option(help="none, cbt, psychotherapy, exposure, relapse_prevention.")] = None,
    comparison: Annotated[str | None, typer.Option(help="The arms, such as drug, therapy_added, factorial.")] = None,
    outcome: Annotated[str | None, typer.Option(help="score, change, response, remission or abstinent_days.")] = None,
    day: Annotated[int | None, typer.Option(help="Day of the primary outcome.")] = None,
    n: Annotated[int | None, typer.Option("--n", help="Patients in all.")] = None,
    looks: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Looks before the end, as shares of its information, such as .5; else none."),
    ] = None,
) -> None:
    """Compose a commented scenario of sourced defaults; on a terminal, what is not given is asked for."""
    from kaptrial.cli.options import numbers_in
    from kaptrial.cli.scenarios import write_new
    from kaptrial.output.terminal import say
    from kaptrial.scenario.files import build
    from kaptrial.scenario.new import Plan
    from kaptrial.yaml_file import parse

    given = {
        "indication": indication, "regimen": regimen, "therapy": therapy, "comparison": comparison,
        "outcome": outcome, "day": day, "n": n,
    }  # fmt: skip
    text = Plan(**_completed(given), looks=numbers_in("--looks", looks)).text()
    build(parse(text))  # what does not go together is an error before anything is written
    if path is None:
        typer.echo(text, nl=False)
        return
    write_new(path, text)
    then = f"; `kaptrial looks {path}` says what its looks do" if looks else ""
    say(f"wrote {path}; `kaptrial check {path}` lists what in it is assumed{then}")


def _completed(given: dict[str, Any]) -> dict[str, Any]:
    """All choices, those that were not given asked for. Raises UserError where there is nobody to ask."""
    from kaptrial.scenario.new import QUESTIONS, choices

    missing = [name for name, value in given.items() if value is None]
    if missing and not sys.stdin.isatty():
        said = [f"--{name} ({', '.join(choices(name)) or 'a whole number'})" for name in missing]
        raise UserError(f"new is missing {'; '.join(said)}: must be given where there is no terminal")
    chosen = dict(given)
    for name in missing:
        chosen[name] = _asked(name, QUESTIONS[name], choices(name, chosen["indication"]))
    return chosen


def _asked(name: str, question: str, allowed: dict[str, str]) -> Any:
    """The answer to a question, asked until it is one of those allowed."""
    for choice, label in allowed.items():
        typer.echo(f"  {choice}: {label}", err=True)
    while True:
        typer.echo(f"{question} ", nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            raise UserError(f"--{name} is missing: {question}")
        answer = line.strip()
        if answer in allowed:
            return answer
        if not allowed and answer.isdigit():
            return int(answer)
        typer.echo(f"must be {'one of ' if allowed else ''}{', '.join(allowed) or 'a whole number'}", err=True)
