"""Durations that the literature states: each has a model's counterpart, and its sources are the catalogue's."""

from __future__ import annotations

import numpy as np

import kaptrial as kt
from kaptrial.catalogue import source_keys, stated_durations
from kaptrial.evidence import duration_summary
from kaptrial.evidence.cards import card
from kaptrial.evidence.shipped_priors import PRIOR
from kaptrial.evidence.summary import days_to_loss, median_of_responders
from kaptrial.evidence.terminal import show_durations
from tests import ROOT


def test_every_statement_has_sources_and_a_counterpart():
    stated = stated_durations()
    assert {each.id for each in stated} == set(duration_summary._MODEL)
    for each in stated:
        assert each.low <= each.high
        of_document = [key for key in each.sources if key.startswith("doc_")]
        assert set(each.sources) - set(of_document) <= source_keys()
        assert bool(of_document) == (each.quality == "document_only")


def test_days_to_loss_by_hand():
    # Baseline 20, half gone on the day of response, then what is left of it on days 3, 7 and 14.
    scores = np.array([[[20, 10, 10, 13, 10], [20, 10, 10, 10, 10], [20, 10, 15, 10, 10], [20, 18, 18, 18, 18]]])
    lost = days_to_loss(scores.astype(float), [3.0, 7.0, 14.0], 0.4)
    assert lost.tolist() == [[7.0, np.inf, 3.0, 3.0]]
    start = np.array([[True, True, True, False]])
    assert median_of_responders(np.repeat(start, 4, axis=1), np.repeat(lost, 4, axis=1)).tolist() == [7.0]
    assert median_of_responders(start, lost).size == 0  # too few responders


def test_durations_are_shown_as_documented(capsys, monkeypatch):
    """The table of docs/synthesis.md; after a series the card's own line, but for Monte Carlo error."""
    monkeypatch.setenv("COLUMNS", "200")
    results = kt.evidence.durations()
    rows = {(row["indication"], row["figure"]): row for row in results.flat()}
    show_durations(results)
    shown = capsys.readouterr().out
    page = (ROOT / "docs" / "synthesis.md").read_text(encoding="utf-8")
    for indication, figure in rows:
        line = next(line for line in page.splitlines() if line.startswith(f"| {indication}: {figure} |"))
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert all(cell in shown for cell in cells[1:4]), line
        assert cells[4] == ("yes" if rows[indication, figure]["inside"] else "no")
    series = next(row for row in card(PRIOR) if row["figure"] == "median days to loss of response")
    after_six = rows["depression", "days to relapse after a series"]
    assert abs(after_six["median"] - series["median"]) <= 7
