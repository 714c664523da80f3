"""The analysis of a scenario that names none, and the strata in it."""

from __future__ import annotations

import numpy as np
import pytest

from kaptrial.estimators import survival
from kaptrial.methods.prepared import relapse_times
from kaptrial.methods.simulated import estimate
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.characteristics import characteristics
from kaptrial.scenario.files import load
from kaptrial.simulation.simulate import simulate
from tests import ROOT, SCENARIOS
from tests.builders import number

STARTER, CBT = SCENARIOS / "starter.yaml", SCENARIOS / "cbt_after_ketamine.yaml"
STRATA = ROOT / "tests" / "data" / "faults" / "strata.yaml"
DROPOUT = {"conduct.dropout": {"hazard": number(0.005, "per_day")}}
RELAPSE = {
    "estimand.endpoint": "time_to_relapse", "relapse": {"response_day": 7, "fraction": 0.25},
    "secondary": [],
}  # fmt: skip
POLICY = {"rescue": "treatment_policy", "missed_infusions": "treatment_policy"}
RESCUE = {
    "from_day": 7, "score_at_least": 20, "effect": number(5, "points"), "onset": number(7, "day"),
    "half_life": number(14, "day"), "share_taking": number(0.5, "share"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("scenario", "settings", "chosen"),
    [
        (CBT, {}, "nested_mmrm"),
        (CBT, {"estimand.endpoint": "auc"}, "nested_mmrm"),
        (CBT, {"conduct.dropout": None}, "nested"),
        (CBT, {"design.visits": [0, 84], "secondary": []}, "nested"),
        (CBT, {"estimand.endpoint": "response", "secondary": []}, "nested"),
        (CBT, {"therapies.cbt.therapists": None}, "mmrm"),
        # A patient a therapist: nothing to be clustered in.
        (CBT, {"therapies.cbt.therapists.caseload": 1}, "mmrm"),
        # The model has all visits; which of them is asked about changes nothing.
        (CBT, {"estimand.day": 7}, "nested_mmrm"),
        (CBT, {"analysis.methods": ["ancova"]}, "ancova"),
        (CBT, {"estimand.methods": ["difference"]}, "difference"),
        (STARTER, {}, "ancova"),
        (STARTER, DROPOUT, "mmrm"),
        (STARTER, DROPOUT | {"design.visits": [0, 28]}, "ancova"),
        (STARTER, {"conduct.rescue": RESCUE, "estimand.strategies": {"rescue": "hypothetical"}}, "mmrm"),
        (STARTER, {"conduct.rescue": RESCUE, "estimand.strategies": {"rescue": "treatment_policy"}}, "ancova"),
        (STARTER, {"estimand.endpoint": "response"}, "firth"),
        (STARTER, RELAPSE, "logrank"),
        (SCENARIOS / "ketamine_by_cbt.yaml", RELAPSE | {"estimand.strategies": POLICY}, "cox"),
        (
            SCENARIOS / "alcohol_single_infusion_met.yaml",
            {"estimand.methods": None, "analysis.methods": None},
            "abstinent_days",
        ),
        (SCENARIOS / "oral_titration_single_arm.yaml", {"analysis.methods": None}, "single_arm"),
    ],
)
def test_the_analysis_fits_the_trial(scenario, settings, chosen):
    s = load(scenario, {"variants": None} | settings)
    assert s.methods(s.estimand) == (chosen,)


def test_the_choice_is_said_and_what_is_left_out_too():
    by_default = load(CBT, {"variants": None, "design.n_per_arm": 16})
    said = {note.code: note.text for note in notes(by_default)}
    assert "nested_mmrm (therapists, 6 visits, scores that can be missing)" in said["default_analysis"]
    assert "therapists_ignored" not in said
    ignoring = load(CBT, {"variants": None, "design.n_per_arm": 16, "analysis.methods": ["ancova"]})
    said = {note.code: note.text for note in notes(ignoring)}
    assert said["therapists_ignored"] == "therapists are not in the model of ancova: see type_i_error"
    assert "default_analysis" not in said


def notes(s):
    (result,) = characteristics([Cell(scenario=s, columns={})], seed=1, replicates=1, nulls=False)
    return result.notes


def estimates(s):
    (fits,) = (estimate(simulate(s, seed=1, replicates=8), s, s.estimand, name) for name in s.analyses(s.estimand))
    return fits.estimate


def test_strata_are_covariates_unless_covariates_are_named():
    s = load(STRATA)
    assert s.covariates == ("baseline", "severity")
    np.testing.assert_array_equal(
        estimates(s), estimates(load(STRATA, {"analysis.covariates": ["baseline", "severity"]}))
    )
    without = load(STRATA, {"analysis.covariates": ["baseline"]})
    assert (estimates(s) != estimates(without)).all()
    assert "strata_ignored" in {note.code for note in notes(without)}
    assert "strata_ignored" not in {note.code for note in notes(s)}
    unadjusted = load(STRATA, {"analysis.methods": ["difference"]})
    assert "strata_ignored" in {note.code for note in notes(unadjusted)}


@pytest.mark.parametrize("method", ["logrank", "cox"])
def test_times_are_stratified(method):
    s = load(STRATA, RELAPSE | {"analysis.methods": [method], "design.n_per_arm": 40})
    trials = simulate(s, seed=1, replicates=4)
    fit = estimate(trials, s, s.estimand, method)
    time, event = relapse_times(trials, trials.score, s, s.estimand)
    weights = s.contrast(s.estimand).weights
    stratum = trials.covariates["severity"].values.astype(int)
    if method == "logrank":
        expected = survival.logrank(time, event, trials.arm, weights, stratum=stratum)
    else:
        baseline = trials.baseline[..., None]
        expected = survival.cox(time, event, trials.arm, baseline, weights, stratum=stratum)
    np.testing.assert_array_equal(fit.estimate, expected.estimate)
    assert np.isfinite(fit.estimate).all()
    plain = load(STRATA, RELAPSE | {"analysis.methods": [method], "design.n_per_arm": 40, "analysis.covariates": []})
    assert (estimate(trials, plain, s.estimand, method).estimate != fit.estimate).all()
