"""Every code block of README and docs runs, and prints what the page says: quick ones by default.

On a page the blocks run from the top in one fresh folder. `sh` blocks hold commands, and `python` blocks share their
names; a `text` block after one holds what it prints, at 80 columns, where a line `…` stands for what is left out.
`yaml` blocks are parts of a scenario, a citation of the catalogue, or numbers with a source by any name: their keys and
values are checked, not that they are complete.
"""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import Any, NamedTuple

import jsonschema
import pytest
import yaml

from kaptrial.catalogue.citation import Citation
from kaptrial.scenario.schema import json_schema
from tests import ROOT

FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "scenarios" / "README.md"]
FILES += sorted((ROOT / "docs").rglob("*.md"))
PAGES = {path.relative_to(ROOT).as_posix(): path for path in FILES}
LANGUAGES = {"sh", "text", "python", "yaml", ""}  # without a language it is a drawing
QUICK = ("new", "check", "precision", "scenarios", "simulate", "schema", "cite", "evidence list", "evidence show")
# Set-up, this suite and the other checks, the site, and a look at it.
NOT_RUN = ("pip install uv", "pytest", "ruff ", "mypy", "lint-imports", "python -m ", "git ")
PLACEHOLDER = "…"


class Block(NamedTuple):
    line: int
    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, with the line at which each begins."""
    text = PAGES[page].read_text(encoding="utf-8")
    fences = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(text[: fence.start()].count("\n") + 1, fence[1], fence[2]) for fence in fences]


def commands(block: Block) -> list[list[str]]:
    """What the block has kaptrial do, each as its arguments."""
    lines = re.sub(r"\\\n\s*", "", block.text).splitlines()
    found = []
    for part in (each for line in lines for each in line.split(" && ")):
        command = part.removeprefix("uv run --group docs ").removeprefix("uv run ")
        if command.startswith("kaptrial "):
            found.append(shlex.split(command, comments=True)[1:])
        else:
            assert command.startswith(NOT_RUN), part
    return found


def is_quick(arguments: list[str]) -> bool:
    return " ".join(arguments).startswith(QUICK)


def missing(said: str, printed: str) -> str | None:
    """The first part of what a block says that was not printed, in this order; line breaks do not matter."""
    rest = f" {' '.join(printed.split())} "
    for part in re.split(rf"^{PLACEHOLDER}$", said, flags=re.MULTILINE):
        words = f" {' '.join(part.split())} "
        before, found, after = rest.partition(words)
        if words.strip() and not found:
            return f"{words!r} is not in {before!r}"
        rest = f" {after}"
    return None


@cache
def loose_schema() -> Any:
    """The schema of a scenario's parts."""
    return loose(json_schema())


def loose(schema: Any) -> Any:
    """The same schema, in which nothing is required."""
    if isinstance(schema, list):
        return [loose(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: loose(value) for key, value in schema.items() if key != "required"}


def without_placeholders(value: Any) -> Any:
    """The same without the keys whose value is left out."""
    if isinstance(value, dict):
        return {key: without_placeholders(each) for key, each in value.items() if each != PLACEHOLDER}
    return value


def run_page(page: str, run: Any, capsys: Any, *, quick: bool) -> None:
    """Run the blocks of a page in order; with `quick` only commands that take no time."""
    names: dict[str, Any] = {}
    printed: str | None = None
    for block in blocks(page):
        if block.language == "sh":
            wanted = commands(block)
            chosen = [each for each in wanted if is_quick(each) or not quick]
            capsys.readouterr()
            for arguments in chosen:
                run(*arguments)
            output = capsys.readouterr()
            printed = output.out + output.err if len(chosen) == len(wanted) else None
        elif block.language == "text" and printed is not None:
            assert missing(block.text, printed) is None, f"{page}:{block.line}"
        elif block.language == "python":
            printed = None
            if not quick:
                capsys.readouterr()
                exec(compile(block.text, f"{page}:{block.line}", "exec"), names)
                printed = capsys.readouterr().out


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A fresh folder with what a clone has for the commands to read, at 80 columns."""
    for name in ("scenarios", "src", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


WITH_CODE = [page for page in PAGES if {"sh", "python"} & {block.language for block in blocks(page)}]
WITH_QUICK = [
    page
    for page in WITH_CODE
    if any(is_quick(each) for block in blocks(page) if block.language == "sh" for each in commands(block))
]
YAML = [(page, block) for page in PAGES for block in blocks(page) if block.language == "yaml"]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page):
    assert {block.language for block in blocks(page)} <= LANGUAGES


@pytest.mark.parametrize(("page", "block"), YAML, ids=[f"{page}:{block.line}" for page, block in YAML])
def test_yaml_blocks_hold_what_a_scenario_may(page, block):
    part = without_placeholders(yaml.safe_load(block.text))
    if set(part) == {"citation"}:
        Citation(**part["citation"])
    elif set(part) & set(loose_schema()["properties"]):
        jsonschema.validate(part, loose_schema())
    else:
        for number in part.values():
            jsonschema.validate(number, json_schema()["$defs"]["Sourced"])


@pytest.mark.parametrize("part", ["design: {n_per_arms: 40}", "outcome: {scale: MADR}", "estimand: {day: soon}"])
def test_wrong_yaml_is_seen(part):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(part), loose_schema())


def test_what_was_not_printed_is_seen():
    assert missing("a b\n…\nd", "a\nb c d") is None
    assert missing("d\n…\na", "a b c d") is not None
    assert missing("power 0.6", "power 0.6 and 0.5") is None
    assert missing("power 0.6", "power 0.61") is not None


@pytest.mark.parametrize("page", WITH_QUICK)
def test_quick_blocks_run_and_print_what_the_page_says(page, folder, run, capsys):
    run_page(page, run, capsys, quick=True)


@pytest.mark.validation
@pytest.mark.parametrize("page", WITH_CODE)
def test_every_block_runs_and_prints_what_the_page_says(page, folder, run, capsys):
    run_page(page, run, capsys, quick=False)
