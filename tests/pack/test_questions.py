"""The questions of docs/pack_questions.md: each answer stands in the page, in its section, and equals the results."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import kaptrial as kt
from kaptrial.pack.sections import SECTIONS
from tests.pack.conftest import REPLICATES

PAGE = Path(__file__).parents[2] / "docs" / "pack_questions.md"
ROWS = re.findall(r"^\| (.+\?) \| `(\w+)` \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
OF_CLINIC = ("months", "cost_in_all")


def asked(row: tuple[str, str, str]) -> list[tuple[str, str]]:
    """The section and the name of each number of a row."""
    _, section, numbers = row
    return [(elsewhere or section, key) for key, elsewhere in re.findall(r"`(\w+)`(?: \(in `(\w+)`\))?", numbers)]


def find(folder: Path, section: str, key: str) -> set[str]:
    """How a number is shown in a section of the page."""
    text = (folder / "report.html").read_text()
    part = re.search(rf'<section id="{section}".*?</section>', text, re.DOTALL)
    assert part is not None
    return set(re.findall(rf'<data value="{re.escape(key)}">(.*?)</data>', part[0]))


def test_there_are_ten_questions():
    assert len(ROWS) == 10
    assert all(section in SECTIONS for row in ROWS for section, _ in asked(row))


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_every_answer_stands_in_its_section(row, folder):
    shown = {r["key"]: r["shown"] for r in json.loads((folder / "results.json").read_text())["results"]}
    for section, key in asked(row):
        if key not in OF_CLINIC:
            assert find(folder, section, key) == {shown[key]}, key


@pytest.mark.validation
def test_months_and_cost_of_a_trial_with_a_clinic(tmp_path):
    pack = kt.report("clinic_one_therapist_short", only=["clinic"], replicates=REPLICATES)
    pack.write(tmp_path / "out")
    shown = {number.key: number.shown for number in pack}
    for key in OF_CLINIC:
        assert find(tmp_path / "out", "clinic", key) == {shown[key]}
