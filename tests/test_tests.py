"""How the tests are kept apart: a test module is imported by none; what several need is in builders or conftest."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests import ROOT, TESTS

MODULES = sorted((*TESTS.rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")))


def imported(text: str) -> set[str]:
    """The last part of every module that a text imports, and every name that it imports from one."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(alias.name for alias in node.names)}
    return {name.rpartition(".")[2] for name in names}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_test_module_is_imported(path: Path):
    tests = {each.stem for each in TESTS.rglob("test_*.py")}
    assert imported(path.read_text(encoding="utf-8")) & tests == set()


@pytest.mark.parametrize(
    "text", ["import tests.test_api", "from tests import test_api", "def f():\n    from tests.test_api import SMALL"]
)
def test_an_import_is_seen(text):
    assert "test_api" in imported(text)
