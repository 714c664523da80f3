"""The page of the command line: every command with its arguments and options, as Typer knows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import typer

from kaptrial.cli import app
from kaptrial.method_table import methods


def page() -> str:
    """The page in Markdown."""
    root = typer.main.get_command(app)
    head = f"# Command line\n\n{root.help}\n\n{root.epilog}\n"
    return head + "".join(_command(path, command) for path, command in sorted(_commands(root, "kaptrial")))


def _commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _command(path: str, command: Any) -> str:
    ctx = command.make_context(path, [], resilient_parsing=True)
    usage = " ".join([path, *command.collect_usage_pieces(ctx)])
    records = [record for each in command.get_params(ctx) if (record := each.get_help_record(ctx)) is not None]
    listed = _table("argument or option", records)
    if path == "kaptrial analyse":
        listed += _table("method", [(each.name, each.summary) for each in methods().values()])
    return f"\n## {path}\n\n{command.help}\n\n```text\n{usage}\n```\n{listed}"


def _table(head: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| `{_in_cell(name)}` | {_in_cell(text)} |\n" for name, text in rows]
    return f"\n| {head} | meaning |\n|---|---|\n{''.join(lines)}"


def _in_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
