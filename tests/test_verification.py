"""docs/verification.md against the tests: each is named, what is named is there, and no number stands there alone."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

import pytest

from tests import ROOT

PAGE = (ROOT / "docs" / "verification.md").read_text(encoding="utf-8")
KINDS = {"exact", "golden", "statistical", "external"}
HEADER = "| kind | what | where | result |"
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py"))


class Check(NamedTuple):
    kind: str
    what: str
    where: str
    result: str


def named(text: str) -> list[str]:
    """The tests and scripts that a text names: `tests/…/test_x.py`, `tests/…/test_x.py::test_y`, `benchmarks/z.py`."""
    return re.findall(r"`((?:tests|benchmarks)/[\w/]+\.\w+(?:::\w+)?)`", text)


def checks(page: str) -> list[Check]:
    """The rows of the tables of checks."""
    rows, inside = [], False
    for line in page.splitlines():
        inside = line == HEADER or (inside and line.startswith("|"))
        if inside and line.startswith("| ") and line != HEADER:
            rows.append(Check(*line.removeprefix("| ").removesuffix(" |").split(" | ")))
    return rows


def numbers(text: str) -> set[float]:
    """The numbers written in a text, as 0.05, .05, 5e-2 or 20,000."""
    matches = re.findall(r"(?<![\w.])(?:\d[\d,_]*\.?\d*|\.\d+)(?:e-?\d+)?", text)
    return {float(re.sub("[,_]", "", each)) for each in matches}


def unknown(text: str, source: str) -> set[float]:
    """The numbers of a text that a source does not hold; a share may be written in per cent."""
    known = numbers(source)
    in_percent = {float(x) for x in re.findall(r"([\d.]+) %", text)}
    return {x for x in numbers(text) - known if x not in in_percent or round(x / 100, 9) not in known}


def is_there(name: str) -> bool:
    """Whether there is a file and, where one is named, a test of this name in it."""
    file, _, function = name.partition("::")
    path = ROOT / file
    return path.is_file() and (not function or f"\ndef {function}(" in path.read_text(encoding="utf-8"))


CHECKS = checks(PAGE)


def test_the_kinds_are_four():
    assert {each.kind for each in CHECKS} == KINDS


@pytest.mark.parametrize("name", sorted(set(named(PAGE))))
def test_what_is_named_is_there(name):
    assert is_there(name)


def test_every_test_module_is_named():
    assert set(MODULES) - {name.partition("::")[0] for name in named(PAGE)} == set()


@pytest.mark.parametrize("check", CHECKS, ids=[each.what[:60] for each in CHECKS])
def test_a_check_has_its_numbers_from_the_tests_it_names(check):
    """A tolerance that is changed in a test must be changed in the table."""
    files = {name.partition("::")[0] for name in named(check.where)}
    assert files
    source = "\n".join((ROOT / file).read_text(encoding="utf-8") for file in files)
    assert unknown(f"{check.what} {check.result}", source) == set()
    assert not re.search(r"not yet|to come|TODO", f"{check.result} {check.where}")


@pytest.mark.parametrize(
    "row",
    [
        "| exact | a sum | `tests/model/test_none.py` | 1e-12 |",
        "| exact | a sum | `tests/test_verification.py::test_none` | 1e-12 |",
    ],
)
def test_a_name_that_is_not_there_is_found_out(row):
    (check,) = checks(f"{HEADER}\n|---|---|---|---|\n{row}")
    assert not is_there(named(check.where)[0])


def test_numbers_are_read_as_they_are_written():
    assert numbers("within 1e-12, .05 or 20_000 of 2,400 × 2; not v1.5, x2") == {1e-12, 0.05, 20_000, 2400, 2}


def test_a_number_that_no_test_holds_is_found_out():
    source = "assert x == pytest.approx(0.91, rel=1e-10, abs=0)"
    assert unknown("91 % within 1e-10", source) == set()
    assert unknown("92 % within 1e-11", source) == {92, 1e-11}


def test_no_test_skips_but_for_a_missing_r_or_node():
    skipping = set()
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in {"skip", "skipif", "importorskip", "xfail"}:
                skipping.add(path.relative_to(ROOT).as_posix())
    assert skipping == {"tests/golden/test_scripts.py", "tests/test_site.py"}
