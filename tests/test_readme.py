"""Every row of README's table runs as it stands, in order, in a fresh folder: the quick ones by default."""

from __future__ import annotations

import re
import shlex

import pytest

from tests import ROOT

ROWS = re.findall(r"\| `uv run kaptrial ([^`]+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"))
QUICK = (
    "scenarios",
    "boundaries",
    "check",
    "describe",
    "schema",
    "cite",
    "precision",
    "simulate",
    "analyse",
    "evidence list",
    "evidence show",
)


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """What a fresh clone has of what the rows read."""
    for name in ("scenarios", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_is_a_row_for_every_command():
    said = {row.split()[0] for row in ROWS}
    assert said >= {
        "scenarios", "check", "describe", "schema", "power", "size", "precision", "assurance", "decide", "simulate",
        "analyse", "fit", "mechanism", "evidence", "clinic", "cite", "compare", "report", "boundaries", "looks",
    }  # fmt: skip


def test_the_quick_rows_run_in_order(clone, run, capsys):
    for row in ROWS:
        if row.startswith(QUICK):
            run(*shlex.split(row))
            assert capsys.readouterr().out.strip(), row
    assert (clone / "trial.csv").exists()


@pytest.mark.validation
def test_every_row_runs_in_order(clone, run, capsys):
    for row in ROWS:
        run(*shlex.split(row))
        assert capsys.readouterr().out.strip(), row
    assert all((clone / name / "manifest.json").exists() for name in ("by_size", "by_day", "grid", "clinic"))
