"""`kaptrial scenarios`: the scenarios that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kaptrial.cli.options import App
from kaptrial.errors import UserError, nearest

app = App(no_args_is_help=True, help="Scenarios that come with the package: list them, copy one to change it.")


@app.command("list")
def list_shipped() -> None:
    """Name and title of each."""
    from kaptrial.output.tables import key, of_rows, text
    from kaptrial.output.terminal import table
    from kaptrial.scenario import shipped
    from kaptrial.scenario.files import read_raw

    lines = []
    for name in shipped.names():
        path = shipped.path_of(name)
        assert path is not None  # it is one of the names
        lines.append((name, read_raw(path)["title"]))
    table(*of_rows([("scenario", key), ("title", text)], lines))


@app.command()
def copy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of those that `list` shows.")],
    path: Annotated[
        Path | None, typer.Argument(metavar="[PATH]", help="File or folder; NAME.yaml unless given.")
    ] = None,
) -> None:
    """Copy one, comments and all; an existing file is never overwritten."""
    from kaptrial.output.terminal import say
    from kaptrial.scenario import shipped

    source = shipped.path_of(name)
    if source is None:
        allowed = f"must be one of {', '.join(shipped.names())}{nearest(name, shipped.names())}"
        raise UserError(f"NAME = {name!r}: {allowed}")
    target = Path(f"{name}.yaml") if path is None else path / f"{name}.yaml" if path.is_dir() else path
    write_new(target, source.read_text(encoding="utf-8"))
    say(f"wrote {target}; `kaptrial check {target}` says what in it is assumed")


def write_new(path: Path, text: str) -> None:
    """Write a file that must not exist yet."""
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise UserError(f"{path}: exists already and is not overwritten; must be a new file") from None
