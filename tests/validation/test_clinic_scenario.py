"""The clinic that is one therapist short: power falls by what its notes say, and docs/clinic.md and README.md quote
what `kaptrial clinic` gives. Powers with four and three therapists: `test_scenario_notes.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml

import kaptrial as kt
from kaptrial.questions.clinic.staffing_plans import compare
from kaptrial.questions.power.cells import Cell
from kaptrial.scenario.files import load
from tests import ROOT, SCENARIOS

pytestmark = pytest.mark.validation

NAME = "clinic_one_therapist_short"
SCENARIO = SCENARIOS / f"{NAME}.yaml"
PATH, CHAIRS, UNTIL = "clinic.sites[0].therapists.cbt", "clinic.sites[0].chairs", "clinic.sessions.to_hours"
SKIP = {"clinic.sessions.after_window": "skip"}
PAGE, README = (" ".join((ROOT / name).read_text(encoding="utf-8").split()) for name in ("docs/clinic.md", "README.md"))
NOTES = " ".join(yaml.safe_load(SCENARIO.read_text(encoding="utf-8"))["notes"].split())


def plans(settings: dict[str, Any], replicates: int, path: str, values: list[int]) -> list[dict[str, Any]]:
    """The row of each plan of `kaptrial clinic --vary`."""
    scenario = kt.load_scenario(NAME, settings)
    return kt.clinic(scenario, vary={path: values}, replicates=replicates, seed=1, workers=2).flat()


def power(row: dict[str, Any], places: int = 2) -> str:
    """As prose has it, without the zero before the point."""
    return f"{row['power']:.{places}f} ± {row['power_mcse']:.{places}f}".replace("0.", ".")


def test_one_therapist_too_few_costs_a_quarter_of_the_power():
    cells = [Cell(scenario=load(SCENARIO, {PATH: n}), columns={PATH: n}) for n in (4, 3)]
    enough, short = compare(cells, seed=2, replicates=512, workers=2)
    for row, expected in ((enough, 0.9), (short, 0.64)):
        assert abs(row["power"] - expected) < 0.02 + 4 * row["power_mcse"]
    gap, error = enough["power"] - short["power"], np.hypot(enough["power_mcse"], short["power_mcse"])
    assert gap - 4 * error > 0.1
    assert enough["in_window"] > 0.75
    assert short["in_window"] < 0.6
    assert enough["months"] == pytest.approx(short["months"], abs=0.5)


@pytest.mark.parametrize(("therapists", "replicates"), [(6, 2048), (5, 1024), (4, 1024), (3, 1024), (2, 2048)])
def test_the_table_of_therapists(therapists, replicates):
    (row,) = plans({}, replicates, PATH, [therapists])
    share, points, cost = f"{row['in_window']:.0%}"[:-1], f"{row['mean_estimate']:.1f}", f"{row['cost'] / 1e6:.2f}"
    shown = points.replace("-", "−")
    assert f"| {therapists} | {share} % | {shown} |" in PAGE
    assert f"| {row['months']:.1f} | {cost} |" in PAGE.split(f"| {therapists} | {share} % | {shown} |")[1][:40]
    if replicates == 2048 or therapists == 5:
        assert f"| {shown} | {power(row, 3)} |" in PAGE
    else:
        assert f"{therapists} {share} % {points} points" in NOTES
        assert {4: f"four therapists {share} % of the sessions", 3: f"with three it is {share} %"}[therapists] in README


def test_what_chairs_cost():
    one, two, four = plans({}, 512, CHAIRS, [1, 2, 4])
    assert f"({power(two)} against {power(four)})" in PAGE
    assert f"are missed and come late ({power(one)})" in PAGE
    assert f"chairs are busy {four['chairs_busy']:.0%}"[:-1] in NOTES


def test_what_skipping_late_sessions_gains():
    kept, late = plans({**SKIP, PATH: 3}, 256, UNTIL, [56, 176])
    assert f"skipping late sessions has {power(kept)} (256 trials)" in PAGE
    assert f"a window of a week has {power(late)}" in PAGE
    short, two_days, long, week = map(power, plans(SKIP, 128, UNTIL, [32, 56, 104, 176]))
    assert f"With four therapists it is {two_days} (128 trials)" in PAGE
    assert short == long == week
    assert f"and {short} with windows of 32, 104 and 176 hours" in PAGE
