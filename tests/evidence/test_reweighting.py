"""A new trial on the shipped draws: weights against closed forms, the same predictions as a replica, plain refusals."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import kaptrial as kt
from kaptrial.catalogue import read_trial
from kaptrial.evidence import reweighting
from kaptrial.evidence.replication import catalogued, draws_without
from kaptrial.evidence.reweighting import log_likelihoods
from kaptrial.evidence.shipped_priors import PRIOR
from kaptrial.evidence.summary import predictive_summary
from kaptrial.evidence.synthesis.layout import targets
from kaptrial.evidence.synthesis.leaving_out import Weights, resampled, smoothed
from kaptrial.evidence.synthesis.shipped import LARGEST_K, fold_draws, prior_draws
from kaptrial.evidence.terminal import show_prediction
from kaptrial.priors.constants import NATURAL_TIME_CONSTANT_DAYS, ONSET_DAYS, TRIAL_DF
from tests import ROOT
from tests.builders import published_trial, trial_figure, trial_file, trial_raw

CATALOGUE = ROOT / "src" / "kaptrial" / "catalogue" / "data" / "trials"


def test_weights_of_a_normal_mean_have_a_closed_form():
    """Prior N(0, 1), one observation of SD s: N(y/(1 + s²), s²/(1 + s²)), and 1/E w² for weights of mean 1."""
    n, y, s = 4000, 1.2, 1.0
    theta = np.random.default_rng(1).permutation(stats.norm.ppf((np.arange(n) + 0.5) / n))
    weights = smoothed(stats.norm.logpdf(y, theta, s))
    assert weights.values.sum() == pytest.approx(1)
    mean = weights.values @ theta
    assert mean == pytest.approx(y / (1 + s**2), abs=0.01)
    assert weights.values @ (theta - mean) ** 2 == pytest.approx(s**2 / (1 + s**2), abs=0.01)
    square = stats.norm.pdf(0, 0, np.sqrt(2) * s) * stats.norm.pdf(y, 0, np.sqrt(1 + s**2 / 2))
    assert weights.effective / n == pytest.approx(stats.norm.pdf(y, 0, np.sqrt(1 + s**2)) ** 2 / square, rel=0.02)
    assert weights.pareto_k < 0.5
    assert smoothed(stats.norm.logpdf(8.0, theta, 0.1)).pareto_k > 0.7


def test_resampling_takes_each_draw_as_often_as_it_weighs():
    w = np.random.default_rng(2).dirichlet(np.full(500, 0.3))
    drawn = resampled(
        {"x": np.arange(500), "v": np.arange(1000).reshape(500, 2)}, Weights(values=w, pareto_k=0), 500, seed=1
    )
    assert (np.abs(np.bincount(drawn["x"], minlength=500) - 500 * w) < 1).all()
    np.testing.assert_array_equal(drawn["v"], np.stack([2 * drawn["x"], 2 * drawn["x"] + 1], axis=1))


def test_the_likelihood_averages_the_trials_own_effects_out(tmp_path, monkeypatch):
    """Saline alone, with a reported SE: the effect on the course, Student's t, is the only one that matters."""
    monkeypatch.setattr(reweighting, "EFFECTS", 1024)
    study = published_trial(
        tmp_path,
        arms=[{"id": "saline", "n": 20, "doses": [{"agent": "saline", "days": [0]}]}],
        figures=[trial_figure("mean_change", -6.0, arm="saline", day=7) | {"se": 1.5}],
    )
    draws = {name: values[:12] for name, values in prior_draws(PRIOR).items()}
    draws |= {"between_belief": np.full(12, 1e-9), "deviation_sd": np.full(12, 0.02), "natural_sd": np.full(12, 0.02)}
    found = log_likelihoods(study, targets(study), draws, seed=1)
    onset, course = -np.expm1(-7 / ONSET_DAYS), -np.expm1(-7 / NATURAL_TIME_CONSTANT_DAYS)
    hope = draws["belief_saline"] * draws["expectancy"] * onset * 2 ** (-7 / draws["expectancy_half_life"])
    z = stats.t.ppf((np.arange(20_000) + 0.5) / 20_000, TRIAL_DF)
    mean = -32 * (hope + draws["natural"] * course)[:, None] - 32 * draws["between_course"][:, None] * z * onset
    expected = np.log(stats.norm.pdf(-6.0, mean, 1.5).mean(axis=1)) + np.log(np.sqrt(2 * np.pi))
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_leaving_out_and_back_in_is_where_it_was(tmp_path):
    """Weights of the draws without one figure, times those with it, are equal weights."""
    study = published_trial(tmp_path, figures=[trial_figure("response", 40.0, arm="ketamine", day=1)])
    draws = {name: values[:400] for name, values in prior_draws(PRIOR).items()}
    known = log_likelihoods(study, targets(study), draws, seed=1)
    out, back = smoothed(-known), smoothed(known)
    assert max(out.pareto_k, back.pareto_k) < LARGEST_K
    product = out.values * back.values
    assert np.abs(product / product.mean() - 1).max() < 0.1  # the tails are smoothed


# --- the whole answer -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """What is predicted of a trial of the catalogue that is given as a file."""
    path = tmp_path_factory.mktemp("copy") / "feder2021.yaml"
    path.write_bytes((CATALOGUE / "feder2021.yaml").read_bytes())
    return kt.evidence.predict(str(path), replicates=200)


def test_a_trial_of_the_catalogue_is_predicted_as_its_replica(copied):
    results = copied
    replica = kt.evidence.replicate("feder2021", replicates=200)
    pd.testing.assert_frame_equal(results.table, replica.table, check_exact=True)
    rows = [json.loads(each.to_json())["results"] for each in (results, replica)]
    assert rows[0][: len(replica)] == rows[1]


def test_under_another_name_it_is_still_predicted_without_itself(tmp_path):
    """Its random numbers are others, by the name: medians agree within Monte Carlo error."""
    text = (CATALOGUE / "feder2021.yaml").read_text(encoding="utf-8")
    copy = read_trial(trial_file(tmp_path, text, "mine"))
    assert catalogued(copy) == "feder2021"
    np.testing.assert_array_equal(draws_without(copy)["expectancy"], fold_draws("feder2021")["expectancy"])
    assert catalogued(published_trial(tmp_path)) is None
    mine, its = (
        kt.evidence.replicate(key, replicates=2000).table for key in (str(tmp_path / "mine.yaml"), "feder2021")
    )
    shares = its["statistic"] == "response"
    spread = (its["q95"] - its["q05"])[shares] / 3.29
    assert (np.abs(mine["median"] - its["median"])[shares] < 1 / 15 + 5 * 1.25 * spread * np.sqrt(2 / 2000)).all()
    pd.testing.assert_frame_equal(mine[["rival_q05", "rival_q95"]], its[["rival_q05", "rival_q95"]])


def test_the_card_before_and_after(copied, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")  # so that no cell of the card is wrapped
    results = copied
    assert results.notes[0].code == "reweighted"
    assert results.provenance["pareto_k"] < 0.7
    assert results.provenance["reweighted_by"] == 4
    before = predictive_summary(fold_draws("feder2021"), seed=1)
    pd.testing.assert_frame_equal(results.card[list(before.columns[:5])], before[before.columns[:5]])
    assert len(results) == len(results.table) + len(results.card)
    show_prediction(results)
    words = " ".join(capsys.readouterr().out.split())
    assert "Pareto k" in words
    assert "response at 24 h, one infusion" in words
    assert "Rival (random-effects meta-analysis" in words


def test_more_responders_raise_the_response_that_is_expected(tmp_path):
    figures = [trial_figure("response", 70.0, arm="ketamine", day=1, n=200)]
    raw = trial_raw() | {"figures": figures, "pooled": 9}
    card = kt.evidence.predict(str(trial_file(tmp_path, raw)), replicates=100).card.set_index("figure")
    row = card.loc["response at 24 h, one infusion"]
    assert row["reweighted_median"] > row["median"] + 0.02


@pytest.mark.parametrize("se", [0.2, 2.0])
def test_a_trial_too_far_from_the_draws_asks_for_a_refit(tmp_path, run, capsys, se):
    """Ketamine raises scores: no number of the card is given."""
    figures = [trial_figure("mean_change", 12.0, arm="ketamine", day=1) | {"se": se}]
    path = trial_file(tmp_path, trial_raw() | {"figures": figures})
    run("evidence", "predict", path, "--replicates", 100, "--json", tmp_path / "out.json")
    words = capsys.readouterr().out
    out = json.loads((tmp_path / "out.json").read_text())
    assert (out["provenance"]["pareto_k"] or np.inf) > 0.7
    assert [note["code"] for note in out["notes"]] == ["refit_needed"]
    assert len(out["results"]) == 1
    assert "A refit is needed" in " ".join(words.split())
    assert "with this trial" not in words


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"contains": ["mathew2010"]}, "fitted to patients of this trial already (mathew2010)"),
        (
            {"figures": [trial_figure("response", 50.0, arm="ketamine", day=1) | {"quality": "document_only"}]},
            "fitted.",
        ),
    ],
)
def test_where_the_figures_may_not_be_used_the_answer_says_so(tmp_path, changes, reason):
    results = kt.evidence.predict(str(trial_file(tmp_path, trial_raw() | changes)), replicates=100)
    assert results.notes[0].code == "not_reweighted"
    assert reason in results.notes[0].text
    assert results.card.empty


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"arms": [{"id": "ketamine", "n": 0}]}, "arms[0].n = 0: must be ≥ 1"),
        ({"indication": "gout"}, "must be one of depression"),
        ({"figures": []}, "no figure of this trial is a target"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path, refused, change, line):
    assert line in refused("evidence", "predict", trial_file(tmp_path, trial_raw() | change))


def test_no_such_file_is_refused(refused):
    assert "must be a catalogued trial" in refused("evidence", "predict", "nowhere")
