"""What commands have in common: their options, and reading what was asked."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from kaptrial.errors import FieldError, UserError, line
from kaptrial.process import Cost, memory, processors
from kaptrial.results import Note

if TYPE_CHECKING:
    from kaptrial.results import Results
    from kaptrial.scenario.scenario import Scenario

# More scenarios in one run than this are a slip of the pen.
# A run of more trials says first what it will cost.
MANY_TRIALS = 200_000
MANY_CLINICS = 5000

ScenarioFile = Annotated[Path, typer.Argument(metavar="SCENARIO", help="Scenario file in YAML.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Set one path of the scenario.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random stream.")]


def _workers(given: str) -> int:
    if given == AUTO:
        return processors()
    if not given.isdecimal() or int(given) == 0:
        raise typer.BadParameter(f"{given!r} is neither a positive number nor {AUTO}")
    return int(given)


# As many workers as there are processors.
AUTO: Any = "auto"
Workers = Annotated[
    int,
    typer.Option(parser=_workers, metavar="N|auto", help="How many work at once; the result does not depend on it."),
]
Vary = Annotated[
    list[str] | None, typer.Option("--vary", metavar="PATH=A,B,C", help="Run for each value; may be given twice.")
]
ControlVariates = Annotated[
    bool,
    typer.Option(
        "--control-variates/--no-control-variates",
        help="Use the known means of the draws: smaller Monte Carlo errors (docs/precision.md).",
    ),
]
Folder = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="DIR", help="Write tables and figures to this folder.")
]
# In place of a file: standard output, and nothing else is printed there.
STDOUT = Path("-")
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write one JSON object; -: print it, and nothing else.")
]
ResponseFraction = Annotated[
    float,
    typer.Option(
        min=0.01,
        max=1.0,
        help="Improvement that counts as response, as a fraction of the distance from baseline to the best score.",
    ),
]


# Which every command takes.
QUIET = "--quiet"


class Command(TyperCommand):
    """A command that uses every option it is given, each once, and may be told to print nothing."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        from kaptrial.output.terminal import be_quiet

        be_quiet(QUIET in args)
        args = [each for each in args if each != QUIET]
        values, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for option in given:
            called = max(option.opts, key=len)
            if not getattr(option, "multiple", False):
                if given.count(option) > 1:
                    raise UserError(f"{called}: is given {given.count(option)} times; must be given once")
                continue
            keys = [value.partition("=")[0].strip() for value in values[option.name]]
            for key in keys:
                if keys.count(key) > 1:
                    raise UserError(f"{called}: {key} is given {keys.count(key)} times; must be given once")
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


class App(typer.Typer):
    """A group of such commands."""

    def command(self, name: str | None = None, *, cls: type[TyperCommand] | None = Command, **settings: Any) -> Any:
        """As typer's, with `Command` for its class."""
        return super().command(name, cls=cls, **settings)


def check_outputs(output: Path | None, json_file: Path | None) -> None:
    """Raise OSError before any work is done where what is asked for cannot be written."""
    from kaptrial.output.files import check_folder, check_writable

    if json_file is not None and json_file != STDOUT:
        check_writable(json_file)
    if output is not None:
        check_folder(output)


def hand_over(
    results: Results[Any],
    show: Callable[[], object],
    json_file: Path | None = None,
    output: Path | None = None,
) -> None:
    """Write the files that were asked for, and only then print: a pipe that ends early costs no result.

    Where writing fails what was found is printed all the same.
    """
    from kaptrial.output import files
    from kaptrial.output.terminal import say

    said = None
    if json_file == STDOUT:
        if output is not None:
            results.write(output)
        print(results.to_json(), end="", flush=True)
        return
    try:
        if json_file is not None:
            files.write_text(json_file, results.to_json())
        if output is not None:
            said = f"wrote {output}: {results.write(output)}"
    finally:
        show()
    if said is not None:
        say(said)


def say_cost(scenario: Scenario, trials: int, workers: int) -> None:
    """Of a long run say first, from a block of trials that is timed, what it will cost; refuse one beyond memory."""
    if trials >= MANY_TRIALS:
        from kaptrial.questions.power.execution import cost_of

        announce(cost_of(scenario, trials, workers), f"{trials:,} trials", f"--workers {workers}", "--replicates")


def say_clinic_cost(scenario: Scenario, replicates: int, workers: int) -> None:
    """The same of a clinic, from a few replicates."""
    if replicates >= MANY_CLINICS:
        from kaptrial.questions.clinic.operations import clinic_cost

        cost = clinic_cost(scenario, replicates, workers)
        announce(cost, f"{replicates:,} trials in the clinic", f"--workers {workers}", "--replicates")


def announce(cost: Cost, work: str, how: str, option: str) -> None:
    """A line on stderr of what work costs; one of what it would, and UserError, where memory is too small for it."""
    hours = cost.seconds / 3600
    time = f"{hours:,.0f} h" if hours >= 10 else f"{hours:.1f} h" if hours >= 1 else f"{max(1, 60 * hours):.0f} min"
    said = f"{work}: about {time} and {cost.bytes / 1e9:.2g} GB of memory with {how}"
    if cost.bytes > memory():
        raise UserError(f"{option}: {said}, and there are {memory() / 1e9:.2g} GB; must be fewer")
    print(said, file=sys.stderr, flush=True)


# Options that are not called as the argument they become.
_OPTIONS = {
    "bounds": "--between",
    "categories": "--category",
    "costs": "--cost",
    "covariates": "--covariate",
    "design_priors": "--design-prior",
    "designs": "SCENARIO",
    "factors": "--factor",
    "priors": "--prior",
    "share": "--interim",
    "statistics": "--statistic",
    "target": "--power",
}


def as_option(error: FieldError) -> str:
    """The line of a field's error, its fields called by their options."""
    allowed = re.sub(r"(?<!did you mean )`(\w+)`", lambda name: _option(name[1]), error.allowed)
    return line(_option(error.field), error.value, allowed)


def _option(field: str) -> str:
    """The option that becomes a field, or one of a list; a path in a scenario is no option and stays."""
    if "." in field:
        return field
    name = field.partition("[")[0]
    return _OPTIONS.get(name, f"--{name.replace('_', '-')}")


def choice(option: str, value: str, allowed: Iterable[str]) -> Any:
    """The value of an option, one of those allowed. Raises UserError for others."""

    if value not in allowed:
        raise UserError(f"{option} = {value!r}: must be one of {', '.join(allowed)}")
    return value


def choices(option: str, values: str, allowed: Iterable[str]) -> tuple[Any, ...]:
    """Several values with commas, each one of those allowed."""
    return tuple(choice(option, value.strip(), allowed) for value in values.split(","))


def numbers_in(option: str, text: str | None) -> tuple[float, ...]:
    """Numbers with commas between them."""
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise UserError(f"{option} = {text!r}: must be numbers with commas, such as 7,14,28") from None


def say_notes(notes: Iterable[Note]) -> None:
    """Notes on stderr, a line each."""
    for note in notes:
        typer.echo(f"{'note' if note.severity == 'information' else note.severity}: {note.text}", err=True)


def _assignment(option: str, text: str) -> tuple[str, str]:

    path, sign, value = text.partition("=")
    if not sign or not path.strip() or not value.strip():
        raise UserError(f"{option} = {text!r}: must be PATH=VALUE, such as design.n_per_arm=60")
    return path.strip(), value.strip()


def _scalar(text: str) -> Any:
    from kaptrial.yaml_file import YamlError, parse

    try:
        return parse(text)
    except YamlError as error:
        raise UserError(f"{text!r} = {error}: must be a value as YAML would read it") from None


def costs_of(given: list[str] | None) -> dict[str, float]:
    """The amounts of `--cost` by what they are of."""
    amounts = {}
    for text in given or []:
        name, value = _assignment("--cost", text)
        amount = _scalar(value)
        if isinstance(amount, bool) or not isinstance(amount, int | float):
            raise UserError(f"--cost = {text!r}: must be NAME=AMOUNT, such as ketamine=1000")
        amounts[name] = float(amount)
    return amounts


def numbers_of(option: str, text: str) -> tuple[float, float]:
    """Two rising numbers, `LOW,HIGH`."""

    parts = [_scalar(part) for part in text.split(",")]
    if len(parts) != 2 or not all(isinstance(x, int | float) for x in parts) or parts[0] >= parts[1]:
        raise UserError(f"{option} = {text!r}: must be two rising numbers such as 20,200")
    return float(parts[0]), float(parts[1])


def read_scenario(path: Path, settings: list[str] | None) -> dict[str, Any]:
    """A scenario file as it was read, with `--set` applied."""
    from kaptrial.scenario.files import read_raw, with_settings

    chosen = {key: _scalar(value) for key, value in (_assignment("--set", text) for text in settings or [])}
    return with_settings(read_raw(path), chosen, by="--set")


def load(path: Path, settings: list[str] | None) -> Any:
    """A scenario, with `--set` applied."""
    from kaptrial.scenario.files import build

    return build(read_scenario(path, settings))


def axes_of(vary: list[str] | None) -> dict[str, list[Any]]:
    """The values of `--vary` by path."""
    axes: dict[str, list[Any]] = {}
    for text in vary or []:
        key, values = _assignment("--vary", text)
        axes[key] = [_scalar(value) for value in _parts(values)]
    return axes


def _parts(text: str) -> list[str]:
    """Values with commas between them; a comma within brackets is part of a list or a mapping."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def cells_of(path: Path, settings: list[str] | None, vary: list[str] | None, *, variants: bool = True) -> list[Any]:
    """The scenario, its variants and every combination of the varied values, each checked before anything runs."""
    from kaptrial.questions.power.cells import cells

    return cells(read_scenario(path, settings), axes_of(vary), variants=variants)


def provenance_of(
    path: Path,
    scenario: Scenario,
    seed: int,
    replicates: int,
    settings: list[str] | None,
    vary: list[str] | None = None,
) -> dict[str, Any]:
    """Where the numbers of a run come from."""
    from kaptrial.api import made_from

    return made_from(path.name, scenario, seed=seed, replicates=replicates, set=settings or [], vary=vary or [])
