"""A response that is missing counts as a failure where that is asked for, in a file and in a simulated trial alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, fisher_exact

from kaptrial.errors import FieldError, ScenarioError
from kaptrial.methods.from_file import analyse
from kaptrial.methods.options import Options
from kaptrial.methods.simulated import estimate
from kaptrial.questions.power.analysis_notes import analysis_notes
from kaptrial.scenario.files import build, with_settings
from kaptrial.simulation.simulate import simulate, simulate_block
from tests.builders import clean_raw, number

FAILURE = {"missing_response": "failure"}


def scenario(method, dropout=0.02, n=40, **settings):
    """Two arms, whose patients leave at a rate a day; nothing else can happen to them."""
    raw = clean_raw(n_per_arm=n, delta=6)
    asked = {
        "estimand.endpoint": "response", "analysis.methods": [method],
        "natural_course": {"change": number(15, "points"), "time_constant": number(2, "day")},
        "conduct": {"dropout": {"hazard": number(dropout, "per_day")}},
    }  # fmt: skip
    return build(with_settings(raw, asked | {"analysis.missing_response": "failure"} | settings))


# Ten patients of an arm: 4 respond of 8 seen, and 2 of 9.
SEEN = {"a": [1] * 4 + [0] * 4 + [None] * 2, "b": [1] * 2 + [0] * 7 + [None]}


@pytest.fixture
def shares(tmp_path):
    rows = [{"patient": f"{arm}{i}", "arm": arm, "score": y} for arm, ys in SEEN.items() for i, y in enumerate(ys)]
    pd.DataFrame(rows).to_csv(tmp_path / "data.csv", index=False)
    return tmp_path / "data.csv"


@pytest.mark.parametrize(("options", "tables"), [({}, ((4, 8), (2, 9))), (FAILURE, ((4, 10), (2, 10)))])
def test_shares_are_those_counted_by_hand(shares, options, tables):
    (events_a, n_a), (events_b, n_b) = tables
    difference, n = events_a / n_a - events_b / n_b, n_a + n_b
    said = Options(reference="b", baseline="", **options)
    fisher = analyse(shares, "fisher", said).flat()[0]
    assert fisher["p"] == pytest.approx(fisher_exact([[events_a, n_a - events_a], [events_b, n_b - events_b]])[1])
    odds, fixed, random = analyse(shares, "response", said).flat()[:3]
    for row in (fisher, fixed, random):
        assert row["estimate"] == pytest.approx(difference, abs=1e-12)
    assert odds["estimate"] == pytest.approx(np.log(events_a / (n_a - events_a) / (events_b / (n_b - events_b))))
    assert {row["n_observed"] for row in (fisher, odds, fixed, random)} == {n}
    # Firth's estimate of a 2 × 2 table adds a half to each cell.
    halves = [(k + 0.5) / (m - k + 0.5) for k, m in tables]
    assert analyse(shares, "firth", said).flat()[0]["estimate"] == pytest.approx(np.log(halves[0] / halves[1]))


def test_a_score_that_is_missing_fails_and_a_baseline_that_is_missing_does_not(tmp_path):
    table = pd.DataFrame({"patient": range(6), "arm": "a", "day": 7, "baseline": 20.0, "score": 5.0})
    table.loc[[0, 1], "score"], table.loc[2, "baseline"] = np.nan, np.nan
    table.to_csv(tmp_path / "data.csv", index=False)
    share = analyse(tmp_path / "data.csv", "single_arm", Options(**FAILURE))
    change, response = share.flat()
    assert (change["n_observed"], response["n_observed"]) == (3, 5)
    assert response["estimate"] == pytest.approx(3 / 5)
    said = [note.text for note in share.notes]
    assert "left out of the change and a failure in the share where the score is missing: 2 patients on day 7" in said


def test_the_output_says_what_became_of_them(shares):
    for options, text in (({}, "left out"), (FAILURE, "counted as failures")):
        for method in ("fisher", "response", "firth"):
            said = [note.text for note in analyse(shares, method, Options(baseline="", **options)).notes]
            assert f"{text} where the score is missing: 3 patients" in said
    (note,) = [note for note in analysis_notes(scenario("firth")) if note.code == "missing_response"]
    assert note.text.startswith("patients whose response is missing count as failures")


@pytest.mark.parametrize(("method", "measure"), [
    ("response", "risk_difference_random_covariates"), ("odds_ratio", "log_odds_ratio"),
    ("firth", "log_odds_ratio"), ("fisher", "risk_difference"),
])  # fmt: skip
@pytest.mark.parametrize("missing", ["left_out", "failure"])
def test_a_simulated_trial_and_its_file_give_the_same(tmp_path, method, measure, missing):
    s = scenario(method, **{"analysis.missing_response": missing})
    trials = simulate(s, seed=1, replicates=1)
    trials.to_frame().drop(columns=["replicate", "latent", "outcome"]).to_csv(tmp_path / "data.csv", index=False)
    fit = estimate(trials, s, s.estimand, method)
    options = Options(
        reference=s.arms[0].id, target_day=s.estimand.day, missing_response=missing, best=s.scale.best,
        response_fraction=s.scale.response_fraction or 0.5,
    )  # fmt: skip
    rows = analyse(tmp_path / "data.csv", method, options).flat()
    row = next(each for each in rows if each["measure"] == measure)
    unseen = np.isnan(trials.score[0, :, -1]).sum()
    assert unseen > 10
    assert row["n_observed"] == 80 - (missing == "left_out") * unseen
    assert row["estimate"] == pytest.approx(fit.estimate[0], abs=1e-8)
    # Firth's se is Wald's on files and in power the one that gives p; Fisher has none.
    if method in ("response", "odds_ratio"):
        assert row["se"] == pytest.approx(fit.se[0], abs=1e-8)
    assert row["p"] == pytest.approx(fit.p[0], abs=1e-8)


def test_dropout_lowers_both_shares_and_the_difference_with_them():
    """Who leaves by a coin is a failure: shares fall by the share of those who stay; 4 Monte Carlo SE of 2,048."""
    estimates = {}
    for missing in ("left_out", "failure"):
        s = scenario("difference", dropout=0.03, n=30, **{"analysis.missing_response": missing})
        fits = [estimate(simulate_block(s, seed=1, block=b), s, s.estimand, "difference") for b in range(16)]
        estimates[missing] = np.concatenate([fit.estimate for fit in fits])
    stayed = np.exp(-0.03 * s.estimand.day)
    error = np.sqrt(sum(e.var() / e.size for e in estimates.values()))
    assert abs(estimates["failure"].mean() - stayed * estimates["left_out"].mean()) < 4 * error


@pytest.mark.parametrize("method", ["response", "fisher", "firth"])
def test_its_type_i_error_holds(method):
    """Of 1,024 trials without an effect, 60 an arm; between tails of 3e-5, as beyond 4 SE. Fisher's is conservative."""
    s = scenario(method, n=60, **{"null": "therapy"})
    p = np.concatenate([estimate(simulate_block(s, seed=3, block=b), s, s.estimand, method).p for b in range(8)])
    least = 0.0 if method == "fisher" else binom.ppf(3e-5, p.size, 0.05)
    assert least <= (p < 0.05).sum() <= binom.ppf(1 - 3e-5, p.size, 0.05)


def test_it_is_refused_where_it_means_nothing():
    with pytest.raises(
        ScenarioError, match="missing_response = 'failure': goes with the endpoints response, remission"
    ):
        scenario("ancova", **{"estimand.endpoint": "score"})
    rescue = {"from_day": 7.0, "score_at_least": 20.0, "effect": number(5, "points"), "onset": number(7, "day"),
              "half_life": number(14, "day"), "share_taking": number(1, "share")}  # fmt: skip
    asked = {"conduct.rescue": rescue, "estimand.strategies": {"rescue": "hypothetical"}}
    with pytest.raises(ScenarioError, match="would count scores that `rescue: hypothetical` sets aside as failures"):
        scenario("firth", **asked)
    assert scenario("firth", **asked | {"analysis.missing_response": "left_out"})
    with pytest.raises(FieldError, match="missing_response = 'maybe': must be one of left_out, failure"):
        replace(Options(), missing_response="maybe")
