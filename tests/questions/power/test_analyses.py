"""The analyses inside `power`: estimands with strategies, each method on its endpoint, margins, multiplicity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kaptrial.errors import ScenarioError
from kaptrial.estimators import survival
from kaptrial.methods.from_file import analyse
from kaptrial.methods.options import Options
from kaptrial.methods.simulated import SimulatedQuestion, estimate, estimates
from kaptrial.questions.power.analysis_notes import analysis_notes
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.characteristics import characteristics
from kaptrial.questions.power.execution import run_block
from kaptrial.questions.power.truth import truths
from kaptrial.results import Row
from kaptrial.scenario.files import build, load
from kaptrial.simulation.simulate import simulate, simulate_block
from tests import SCENARIOS
from tests.builders import clean_raw, number

STARTER = SCENARIOS / "starter.yaml"
CONTRAST = "ketamine_cbt - ketamine"


def everybody(from_day=7.0, effect=5.0):
    """Taken by every patient at the first visit from `from_day` on."""
    return {
        "from_day": from_day, "score_at_least": 0.0, "effect": number(effect, "points"), "onset": number(7, "day"),
        "half_life": number(14, "day"), "share_taking": number(1, "share"),
    }  # fmt: skip


def starter(**settings):
    return load(STARTER, {key.replace("__", "."): value for key, value in settings.items()})


def truth(**settings):
    return truths(starter(**settings), seed=1)[0].value


def estimand(day=28, **more):
    return {"contrast": CONTRAST, "day": day, **more}


# --- strategies -------------------------------------------------------------------------------------------------------


def test_an_event_that_can_happen_needs_a_strategy():
    with pytest.raises(ScenarioError, match=r"estimand\.strategies\.rescue is missing: can happen"):
        starter(conduct__rescue=everybody(), estimand=estimand())
    starter(estimand=estimand())  # no event, none needed
    with pytest.raises(ScenarioError, match=r"composite_value is missing: must be baseline or worst"):
        starter(conduct__rescue=everybody(), estimand=estimand(strategies={"rescue": "composite"}))


def test_each_strategy_has_its_own_truth():
    rescue = {"conduct__rescue": everybody()}
    held = truth(**rescue, estimand=estimand(strategies={"rescue": "while_on_treatment"}))
    assert held == truth(estimand=estimand(day=7))  # all are held at day 7, before rescue
    failed = {"rescue": "composite", "composite_value": "worst"}
    assert truth(**rescue, estimand=estimand(strategies=failed)) == 0  # all have the worst score
    assert truth(**rescue, estimand=estimand(strategies={"rescue": "hypothetical"})) == truth(estimand=estimand())
    unlike = truth(**rescue, estimand=estimand(strategies={"rescue": "treatment_policy"}))
    assert unlike != truth(estimand=estimand())  # the floor of the scale is nearer after rescue


def test_open_label_ketamine_is_an_event_of_its_own():
    a = simulate(starter(conduct__rescue=everybody()), seed=3, replicates=4)
    b = simulate(starter(conduct__open_label_ketamine=everybody()), seed=3, replicates=4)
    np.testing.assert_array_equal(a.score, b.score)
    assert list(a.events) == ["rescue"]
    assert list(b.events) == ["open_label_ketamine"]


def test_events_are_dated_and_end_with_dropout():
    trials = simulate_block(
        starter(
            conduct__missed_doses=number(1, "share"), conduct__stop_sessions=number(0.05, "per_day"),
            conduct__dropout={"hazard": number(0.02, "per_day")},
        ),
        seed=1, block=0,
    )  # fmt: skip
    missed, stopped = trials.events["missed_infusions"], trials.events["therapy_discontinuation"]
    assert set(np.unique(missed)) <= {0.0, np.inf}  # the only infusion, on day 0
    assert np.isinf(stopped[trials.arm == 0]).all()
    assert stopped[trials.arm == 1].min() > 0
    seen_last = np.where(np.isnan(trials.score), -1, trials.days).max(axis=-1)
    after = trials.days[np.minimum(np.searchsorted(trials.days, seen_last) + 1, len(trials.days) - 1)]
    happened = np.isfinite(stopped)
    assert (stopped[happened] <= after[happened]).all()  # nothing is seen to happen after the visit that was missed


# --- methods on their endpoints ---------------------------------------------------------------------------------------


def complete(methods, **changes):
    """A clean trial without dropout, three visits after baseline."""
    raw = clean_raw(n_per_arm=30, delta=3)
    raw["design"]["visits"] = [0, 7, 14, 28]
    raw["analysis"] = {"methods": methods, **changes.pop("analysis", {})}
    raw["estimand"] |= changes
    return build(raw)


@pytest.mark.parametrize("endpoint", ["score", "change", "auc", "mean_score"])
def test_without_missing_scores_the_mmrm_is_the_ancova_of_the_average(endpoint):
    # Balanced and complete, generalised and ordinary least squares agree, and the average has its own exact t test.
    s = complete(["mmrm", "ancova"], endpoint=endpoint, analysis={"covariance": ["us"]})
    trials = simulate_block(s, seed=5, block=0)
    ours, exact = (estimate(trials, s, s.estimand, method) for method in ("mmrm", "ancova"))
    if endpoint == "auc":
        # The patient's own area holds the baseline, whose weight the covariate takes up.
        np.testing.assert_allclose(ours.estimate, exact.estimate, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.estimate, exact.estimate, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.se, exact.se, rtol=1e-7)
    np.testing.assert_allclose(ours.df, exact.df, rtol=1e-7)


def test_constrained_baseline_gains_from_patients_never_seen_again():
    s = complete(["mmrm"], analysis={"constrained_baseline": True, "covariates": []})
    trials = simulate_block(s, seed=5, block=0)
    fit = estimate(trials, s, s.estimand, "mmrm")
    assert (fit.failure == 0).all()
    plain = complete(["mmrm"])
    usual = estimate(trials, plain, plain.estimand, "mmrm")
    # Both adjust for the baseline; they differ by terms of the order of the chance imbalance squared.
    np.testing.assert_allclose(fit.estimate, usual.estimate, atol=0.25 * usual.se.mean())


RELAPSE = {
    "relapse": {"response_day": 7.0, "fraction": 0.25},
    "design.visits": [0, 7, 14, 21, 28],
    "design.n_per_arm": 40,
}


def power_rows(s, replicates=256, **options):
    (result,) = characteristics([Cell(scenario=s, columns={})], seed=2, replicates=replicates, **options)
    return list(map(Row.flat, result.rows))


def value(rows, analysis, metric):
    return next(row["value"] for row in rows if row["analysis"] == analysis and row["metric"] == metric)


def test_time_to_relapse_by_three_methods():
    methods = ["logrank", "cox", "rmst"]
    # Without covariates: a hazard ratio given the baseline is another one than that of the arms as they are.
    plan = {"estimand": estimand(endpoint="time_to_relapse", methods=methods), "analysis": {"covariates": []}}
    s = load(STARTER, RELAPSE | plan)
    rows = power_rows(s)
    measures = {row["analysis"]: row["measure"] for row in rows}
    assert measures == {"logrank": "log_hazard_ratio", "cox": "log_hazard_ratio", "rmst": "rmst_difference"}
    assert value(rows, "cox", "truth") < 0 < value(rows, "rmst", "truth")  # therapy delays relapse
    for method in ("cox", "rmst"):
        truth_, mean = value(rows, method, "truth"), value(rows, method, "mean_estimate")
        spread = value(rows, method, "empirical_se")
        # 256 replicates: 4 standard errors of their mean, and a tenth of an SE for what few events bend.
        assert abs(mean - truth_) < (4 / np.sqrt(256) + 0.1) * spread
    assert "bias" not in {row["metric"] for row in rows if row["analysis"] == "logrank"}  # a test, no estimator
    with pytest.raises(ScenarioError, match="cannot analyse score"):
        load(STARTER, {"analysis": {"methods": ["cox"]}})


def test_times_are_tested_within_the_strata_of_the_allocation():
    strata = [{"name": "site", "levels": {"a": {"share": 0.5}, "b": {"share": 0.5}}}]
    plan = {"estimand": estimand(endpoint="time_to_relapse"), "analysis": {"methods": ["logrank", "cox"]}}
    s = load(STARTER, RELAPSE | plan | {"design.allocation.strata": strata})
    trials = simulate(s, seed=1, replicates=4)
    question = SimulatedQuestion(trials=trials, scenario=s, estimand=s.estimand, option="")
    site = trials.covariates["site"].values
    assert set(np.unique(site)) == {0, 1}
    times, site = question.times(), site.astype(int)
    within = survival.logrank(*times, trials.arm, question.weights, stratum=site)
    adjusted = survival.cox(*times, trials.arm, trials.baseline[..., None], question.weights, stratum=site)
    for expected, method in ((within, "logrank"), (adjusted, "cox")):
        np.testing.assert_allclose(estimate(trials, s, s.estimand, method).p, expected.p, rtol=1e-9)


def test_sandwich_errors_are_those_of_files():
    analysis = {"methods": ["mmrm"], "covariance": ["cs"], "sandwich": True, "covariates": ["baseline"]}
    s = load(STARTER, {"analysis": analysis, "design.n_per_arm": 30})
    trials = simulate(s, seed=1, replicates=3)
    robust = estimate(trials, s, s.estimand, "mmrm")
    plain = estimate(trials, replace(s, analysis=replace(s.analysis, sandwich=False)), s.estimand, "mmrm")
    np.testing.assert_allclose(robust.estimate, plain.estimate, rtol=1e-9)
    assert (np.abs(robust.se / plain.se - 1) > 0.001).all()
    assert (robust.df < plain.df).all()


def test_a_structure_that_cannot_be_fitted_is_a_sentence():
    """Eight patients have too few for an unstructured covariance of six visits; there are enough in 40."""
    plan = {"analysis": {"methods": ["mmrm"]}, "design.visits": [0, 1, 7, 14, 21, 25, 28]}

    def said(**settings):
        cell = Cell(scenario=load(STARTER, plan | {k.replace("__", "."): v for k, v in settings.items()}), columns={})
        notes = characteristics([cell], seed=1, replicates=64, nulls=False)[0].notes
        return [note.text for note in notes if note.code == "fallback"]

    (text,) = said(design__n_per_arm=4)
    assert text.startswith("mmrm: the covariance structure us could not be fitted in")
    assert text.endswith("its errors hold if it is right, those of `analysis.sandwich` in any case")
    (text,) = said(design__n_per_arm=4, analysis__sandwich=True)
    assert text.endswith("a later one was in its place")
    assert said(design__n_per_arm=20) == []


def test_response_by_four_methods_of_one_truth_a_measure():
    methods = ["response", "firth", "fisher", "difference"]
    rows = power_rows(load(STARTER, {"estimand": estimand(endpoint="response", methods=methods)}))
    assert value(rows, "response", "truth") == value(rows, "difference", "truth") == value(rows, "fisher", "truth")
    shares = truths(load(STARTER, {"estimand": estimand(endpoint="response")}), seed=2)[0].arm_means
    odds = [np.log(p / (1 - p)) for p in shares]
    assert value(rows, "firth", "truth") == pytest.approx(odds[1] - odds[0])
    assert value(rows, "fisher", "power") <= value(rows, "response", "power")  # the exact test is conservative


def test_every_imputation_is_a_row_and_therapists_are_not_ignored():
    s = load(SCENARIOS / "rescue_and_dropout.yaml", {"secondary": []})
    rows = power_rows(s, replicates=128, nulls=False)
    names = list(dict.fromkeys(row["analysis"] for row in rows))
    assert names == ["mmrm", "nested", *(f"reference_based {x}" for x in ("MAR", "JR", "CR", "CIR", "LMCF"))]
    bias = {name: value(rows, name, "bias") for name in names}
    # Filling in from the reference arm takes effect away: the estimate, negative, moves towards 0.
    assert bias["reference_based JR"] > bias["reference_based CIR"] > bias["reference_based MAR"]
    assert value(rows, "nested", "model_se") > value(rows, "mmrm", "model_se")


def imputed(n: int, inference: str, imputations: int = 25, **settings):
    """A trial whose patients leave early, imputed from the reference arm."""
    analysis = {"imputation": ["JR"], "covariance": ["us"], "inference": inference, "imputations": imputations}
    dropout = {"conduct.dropout": {"hazard": number(0.02, "per_day")}, "design.n_per_arm": n}
    return load(STARTER, {"analysis": analysis, "estimand": estimand(methods=["reference_based"])} | dropout | settings)


def test_rubins_rules_are_those_of_files(tmp_path, monkeypatch):
    s = imputed(30, "rubin")
    trials = simulate(s, seed=1, replicates=1)
    table = trials.to_frame().assign(patient=lambda t: 100 + t["patient"])  # in a file names come by the alphabet
    table.drop(columns=["replicate", "latent", "outcome"]).to_csv(tmp_path / "data.csv", index=False)
    options = Options(
        reference="ketamine", imputation=("JR",), covariance=("us",), inference="rubin", imputations=25, seed=7
    )
    row = analyse(tmp_path / "data.csv", "reference_based", options).flat()[0]
    monkeypatch.setattr("kaptrial.model.streams.generator", lambda *_: np.random.default_rng(7))
    fit = estimate(trials, s, s.estimand, "reference_based JR")
    for name in ("estimate", "se", "df", "p"):
        assert row[name] == pytest.approx(getattr(fit, name)[0], rel=1e-8)
    assert [note.text for note in analysis_notes(s) if note.code == "inference"] == [
        "standard errors of reference_based by Rubin's rules, 25 imputations a trial"
    ]


def test_rubins_rules_exceed_the_spread_where_the_jackknife_estimates_it():
    """512 trials without an effect, 4 Monte Carlo SE: Rubin's error is too large under JR and its test conservative."""
    rejected, ratio = {}, {}
    for inference in ("jackknife", "rubin"):
        s = imputed(60, inference, null="therapy")
        fits = [fit for block in range(4) for fit in run_block(s, 1, block).values()]
        p, se, estimates = (np.concatenate([getattr(f, name) for f in fits]) for name in ("p", "se", "estimate"))
        rejected[inference], ratio[inference] = (p < 0.05).mean(), np.sqrt((se**2).mean()) / estimates.std()
    error = 4 / np.sqrt(2 * 512)
    assert abs(ratio["jackknife"] - 1) < error + 0.03  # the jackknife is a little too large in samples this small
    assert ratio["rubin"] > 1 + error
    assert rejected["rubin"] < 0.05 < rejected["jackknife"] + 4 * np.sqrt(0.05 * 0.95 / 512)
    assert rejected["jackknife"] < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 512)


def test_imputed_data_sets_are_drawn_anew_in_each_block_and_alike_whatever_else_is_asked():
    s = imputed(20, "rubin", imputations=5)
    (one,), (again,) = run_block(s, 1, 0).values(), run_block(s, 1, 0).values()
    np.testing.assert_array_equal(one.se, again.se)
    two = replace(s, analysis=replace(s.analysis, imputation=("CR", "JR")))
    np.testing.assert_array_equal(run_block(two, 1, 0)[0, "reference_based JR"].se, one.se)
    trials = simulate_block(s, seed=1, block=0)
    other = estimates(trials, s, [(s.estimand, "reference_based JR")], seed=1, block=1)[0]
    assert (other.se != one.se).all()


# --- margins and multiplicity -----------------------------------------------------------------------------------------


def test_non_inferiority_by_a_margin():
    for margin, expected in ((1000.0, 1.0), (1e-6, None)):
        s = load(STARTER, {"estimand": estimand(margin=margin)})
        rows = power_rows(s, nulls=False)
        result = value(rows, "ancova", "power_non_inferiority")
        # A margin of nothing is a test of superiority at half the level, on one side.
        assert result == (expected if expected is not None else pytest.approx(value(rows, "ancova", "power"), abs=0.02))


def test_the_output_says_what_a_margin_is_of():
    s = load(SCENARIOS / "depression_maintenance.yaml", {"estimand.margin": 1.3, "secondary": []})
    (note,) = [note for note in analysis_notes(s) if note.code == "margin"]
    assert note.text == "margin of non-inferiority: 1.3 of time_to_relapse (a hazard ratio)"
    with pytest.raises(ScenarioError, match=r"margin = 0\.9: of a time is a hazard ratio: must be > 1"):
        load(SCENARIOS / "depression_maintenance.yaml", {"estimand.margin": 0.9})
    (note,) = [n for n in analysis_notes(load(SCENARIOS / "depression_noninferiority_ect.yaml")) if n.code == "margin"]
    assert note.text.endswith("0.15 of remission (a difference of shares), 3 of score (points)")


def test_multiplicity_over_estimands():
    two = {"secondary": [estimand(day=14)], "analysis": {"multiplicity": {"procedure": "fixed_sequence"}}}
    rows = power_rows(load(STARTER, two))
    by = {(row["contrast"], row["day"], row["metric"]): row["value"] for row in rows}
    assert by[CONTRAST, 28.0, "power_multiplicity"] == by[CONTRAST, 28.0, "power"]  # first in the sequence
    assert by[CONTRAST, 14.0, "power_multiplicity"] <= by[CONTRAST, 14.0, "power"]
    assert by["all estimands", None, "power_any"] == by[CONTRAST, 28.0, "power_multiplicity"]
    assert by["all estimands", None, "power_all"] == by[CONTRAST, 14.0, "power_multiplicity"]
    error = by["all estimands", None, "familywise_error_therapy"]
    assert error < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 256)  # 4 binomial SE
    with pytest.raises(ScenarioError, match="serial_gatekeeping needs the number of estimands"):
        load(STARTER, {"analysis": {"multiplicity": {"procedure": "serial_gatekeeping"}}})


@pytest.mark.parametrize(("scenario", "favoured"), [("ocd_exposure.yaml", "a"), ("ptsd_repeated_midazolam.yaml", "a")])
def test_more_responders_and_lower_scores_favour_the_same_arm(scenario, favoured):
    """Ketamine helps in both: rows of responders, whose share rises, and of scores, which fall, must agree on it."""
    cell = Cell(scenario=load(SCENARIOS / scenario), columns={})
    rows = list(map(Row.flat, characteristics([cell], seed=1, replicates=2, nulls=False)[0].rows))
    endpoints = {row["endpoint"] for row in rows}
    assert endpoints & {"response", "score", "change"}
    assert {row["favours"] for row in rows if row["metric"] == "truth"} == {favoured}


def test_the_null_of_an_adjunct_takes_the_adjunct_away():
    """Doses of the run-in stay under the null: only the adjunct's absence makes the arms alike; 4 SE of .05 in 600."""
    cell = Cell(scenario=load(SCENARIOS / "depression_riluzole_adjunct.yaml"), columns={})
    changed = {"arms[1].adjuncts[0].half_life_factor": 30.0}
    strong = Cell(scenario=load(SCENARIOS / "depression_riluzole_adjunct.yaml", changed), columns={})
    for each in (cell, strong):
        rows = list(map(Row.flat, characteristics([each], seed=1, replicates=600)[0].rows))
        (error,) = [r["value"] for r in rows if r["metric"] == "type_i_error" and r["analysis"] == "cox"]
        assert error < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 600)


def test_what_no_null_makes_alike_has_no_type_i_error_and_a_line_that_says_why():
    result = characteristics([Cell(scenario=load(SCENARIOS / "kap_package.yaml"), columns={})], seed=1, replicates=2)[0]
    assert "type_i_error" not in {row["metric"] for row in map(Row.flat, result.rows)}
    assert [n for n in result.notes if "no type_i_error for kap - medical: its sides differ in both" in n.text]
    (other,) = characteristics([Cell(scenario=load(STARTER), columns={})], seed=1, replicates=2)
    assert not [note for note in other.notes if note.code == "no_type_i_error"]


def test_a_declared_null_is_an_error_rate_only_of_what_it_takes_away():
    """Of the 2×2, no therapy leaves the drug: rejecting main(ketamine) is power then."""
    s = load(SCENARIOS / "kare_factorial.yaml", {"null": "therapy"})
    rows = list(map(Row.flat, characteristics([Cell(scenario=s, columns={})], seed=1, replicates=2)[0].rows))
    names = {(r["contrast"], r["metric"]) for r in rows} & {
        (c, m) for c in ("main(ketamine)", "main(therapy)", s.estimand.contrast) for m in ("power", "type_i_error")
    }
    assert names == {
        ("main(ketamine)", "power"), ("main(therapy)", "type_i_error"), (s.estimand.contrast, "type_i_error"),
    }  # fmt: skip


def test_a_margin_is_tested_on_its_own_measure_alone():
    """A margin in shares is none for a log odds ratio; more remissions are better, so all but a wide margin is hard."""
    path = SCENARIOS / "depression_noninferiority_ect.yaml"
    rows = []
    for margin in (0.99, 1e-6):
        s = load(
            path, {"estimand.margin": margin, "estimand.methods": ["response", "firth", "fisher"], "secondary": []}
        )
        (result,) = characteristics([Cell(scenario=s, columns={})], seed=1, replicates=64, nulls=False)
        rows.append(list(map(Row.flat, result.rows)))
    actual = [
        {r["analysis"]: r["value"] for r in each if r["metric"] == "power_non_inferiority" and r["endpoint"] != "score"}
        for each in rows
    ]
    assert [set(each) for each in actual] == [{"response"}, {"response"}]
    assert actual[0]["response"] > 0.9 > actual[1]["response"]
