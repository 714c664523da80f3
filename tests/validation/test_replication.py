"""Replicas of every published trial, each under the fit without it: calibration and misses as docs/synthesis.md has
them."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from kaptrial.catalogue import trial
from kaptrial.evidence.replication import calibration, replicable, replicate
from kaptrial.evidence.terminal import rival_line
from tests import ROOT

pytestmark = pytest.mark.validation

PAGE = ROOT / "docs" / "synthesis.md"
MEASURES = (
    "median_width_90", "crps", "crps_pooled", "crps_pooled_mean", "rival_figures", "crps_beside_rival", "crps_rival",
)  # fmt: skip
SHARE_IN_90, SHARE_IN_50, CRPS, CRPS_POOLED = 0.89, 0.50, 0.133, 0.141  # of 103 figures read in abstracts


@pytest.fixture(scope="module")
def table():
    return replicate([trial(key) for key in replicable()], seed=1)


def rows_under(header):
    """The cells of the table of docs/synthesis.md with this header."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = []
    for line in lines[lines.index(header) + 2 :]:
        if not line.startswith("| "):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_calibration_is_as_documented(table):
    """To half of the last digit shown, and as much again where another processor rounds the other way."""
    rows = rows_under(
        "| figures | quality | number | in 50 % | in 90 % | median width of 90 % | CRPS | pooled | pooled mean "
        "| with rival | CRPS there | rival |"
    )
    result = calibration(table).to_dict("records")
    assert [[row["kind"], row["quality"], str(row["figures"])] for row in result] == [row[:3] for row in rows]
    for row, (_, _, _, in_50, in_90, *measures) in zip(result, rows, strict=True):
        shares = [100 * row["inside_50"], 100 * row["inside_90"]]
        assert shares == pytest.approx([float(cell.removesuffix(" %")) for cell in (in_50, in_90)], abs=1)
        for name, cell in zip(MEASURES, measures, strict=True):
            shown = math.nan if cell == "–" else float(cell)
            assert row[name] == pytest.approx(shown, abs=10.0 ** -len(cell.partition(".")[2]), nan_ok=True)


def test_the_line_on_the_rival_is_as_documented(table):
    assert rival_line(table) in " ".join(PAGE.read_text(encoding="utf-8").replace("\n> ", " ").split())


def test_abstracts_are_predicted_better_than_by_the_other_trials(table):
    row = calibration(table).to_dict("records")[1]
    assert (row["quality"], row["figures"]) == ("abstract", 103)
    assert (row["inside_90"], row["inside_50"]) == pytest.approx((SHARE_IN_90, SHARE_IN_50), abs=0.01)
    assert (row["crps"], row["crps_pooled"]) == pytest.approx((CRPS, CRPS_POOLED), abs=1e-3)


def test_the_misses_are_those_explained(table):
    explained = rows_under("| trial | figure | reported | predicted | likely reason |")
    assert Counter(table.loc[~table["inside_90"], "trial"]) == Counter(row[0] for row in explained)
