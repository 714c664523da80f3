"""The main figures with other evidence: as shipped they are the card's, and rough rows say so."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kaptrial.catalogue import trial
from kaptrial.evidence import other_evidence
from kaptrial.evidence.cards import card
from kaptrial.evidence.indications import PTSD_AT_END
from kaptrial.evidence.other_evidence import Choice, doubts, main_figures
from kaptrial.evidence.shipped_priors import PRIOR
from kaptrial.evidence.summary import quantiles
from kaptrial.evidence.synthesis.shipped import fold_shapes, prior_draws, rough_folds


def test_as_shipped_the_figures_are_those_of_the_card():
    rows = {row["figure"]: row for row in card(PRIOR, seed=1)}
    figures = main_figures(prior_draws(PRIOR), seed=1)
    for name in ("ketamine", "midazolam"):
        row = rows[other_evidence.FIGURES[name]]
        found = quantiles(figures[name])
        assert found == pytest.approx({q: row[q] for q in found}, abs=1e-12)
    effect = card(PRIOR, indication="PTSD", seed=1)[-1]
    assert effect["figure"] == PTSD_AT_END.figure
    found = quantiles(figures["ptsd"])
    assert found == pytest.approx({q: effect[q] for q in found}, abs=1e-12)


def test_figures_without_a_row_are_named_with_the_reason():
    excluded = other_evidence.without_row()
    assert ("su2017", "response %", "needs a statistic of its own") in excluded
    assert not [each for each in excluded if each[:2] == ("sl_body2021", "PTSD d")]  # has a row, as read before
    assert all(why for _, _, why in excluded)


def test_rough_folds_are_those_above_the_limit_that_were_not_fitted_anew():
    shapes = fold_shapes()
    assert rough_folds() == {key: k for key, k in shapes.items() if k is not None and k > 0.7}
    assert rough_folds().keys() < shapes.keys()


def test_what_of_a_trial_is_assumed():
    assert doubts(trial("feder2021")) == "assumed: baseline, relapse"
    assert doubts(trial("correiamelo2020")) == ""


def choice(k):
    return Choice(reading="as shipped", why="", draws={}, pareto_k=k)


def test_rough_rows_are_marked_and_counted(run, monkeypatch, tmp_path, capsys):
    assert [choice(k).rough for k in (None, 0.7, 0.71, np.inf, np.nan)] == [False, False, True, True, True]
    draws = {name: value[:40] for name, value in prior_draws(PRIOR).items()}
    made = [
        Choice(reading="as shipped", why="", draws=draws, pareto_k=None),
        Choice(reading="without one", why="assumed: n", draws=draws, pareto_k=2.0),
    ]
    monkeypatch.setattr(other_evidence, "choices", lambda *, seed: iter(made))
    run("evidence", "sensitivity", "--json", tmp_path / "out.json", "-o", tmp_path / "out")
    shown = capsys.readouterr().out
    assert "2.0*" in shown
    assert "1 of 2 rows" in shown
    assert "Excluded figures without a row. albott2018 (PTSD remission %), albott2018 (median time" in " ".join(
        shown.split()
    )
    first, second = json.loads((tmp_path / "out.json").read_text())["results"]
    assert (first["pareto_k"], second["rough"], second["why"]) == (None, True, "assumed: n")
    assert (tmp_path / "out" / "sensitivity.csv").exists()
