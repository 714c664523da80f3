"""Attendance and dropout as endpoints: closed forms, the days of the simulated trials, what cannot be asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kaptrial.api import power
from kaptrial.errors import ScenarioError
from kaptrial.methods.prepared import event_times, patient_endpoint
from kaptrial.questions.power.nulls import null_runs
from kaptrial.questions.power.truth import truths
from kaptrial.scenario.files import build, with_settings
from kaptrial.scenario.trial import Strategies
from kaptrial.simulation.simulate import simulate
from tests.builders import clean_raw, number

DAYS, LAST = np.array([1, 8, 15, 22]), 28
MISSED, HAZARD = {"control": 0.4, "treated": 0.2}, {"control": 0.02, "treated": 0.01}
ENDPOINTS = ("sessions_attended", "engaged", "dropout", "time_to_dropout")


def attendance_raw(**settings):
    """Two therapies of four sessions that do nothing; what differs is who comes to them and who leaves."""
    raw = clean_raw(n_per_arm=40, delta=0)
    raw["therapies"]["talk"] = dict(raw["therapies"]["shift"])
    for arm, name in zip(raw["arms"], ("talk", "shift"), strict=True):
        arm["therapy"] = {"name": name, "days": DAYS.tolist()}
    by_arm = (
        {arm: number(x, unit) for arm, x in each.items()} for each, unit in ((MISSED, "share"), (HAZARD, "per_day"))
    )
    raw["conduct"] = {"missed_sessions": {"by_arm": next(by_arm)}, "dropout": {"hazard": {"by_arm": next(by_arm)}}}
    raw["engagement"] = {"share": 0.75}
    del raw["analysis"]
    asked = [{"contrast": "treated - control", "day": LAST, "endpoint": endpoint} for endpoint in ENDPOINTS]
    raw["estimand"], raw["secondary"] = asked[0], asked[1:]
    return with_settings(raw, settings)


def attends(arm):
    """The probability of attending each session, as if each were independent of the others."""
    return (1 - MISSED[arm]) * np.exp(-HAZARD[arm] * DAYS)


def engages(arm):
    """The probability of three or four sessions of four: by the sessions begun before leaving."""
    stay, come = np.exp(-HAZARD[arm] * DAYS), 1 - MISSED[arm]
    before_fourth = (stay[2] - stay[3]) * come**3
    return before_fourth + stay[3] * (come**4 + 4 * come**3 * (1 - come))


def test_the_truths_are_those_of_the_closed_forms():
    sessions, engaged, dropout, until = truths(build(attendance_raw()), seed=5)
    expected = {
        "sessions_attended": (sessions, [attends(arm).sum() for arm in MISSED]),
        "engaged": (engaged, [engages(arm) for arm in MISSED]),
        "dropout": (dropout, [1 - np.exp(-HAZARD[arm] * LAST) for arm in MISSED]),
        "time_to_dropout": (until, [(1 - np.exp(-HAZARD[arm] * LAST)) / HAZARD[arm] for arm in MISSED]),
    }
    for name, (truth, means) in expected.items():
        errors = np.sqrt(np.diag(truth.arm_covariance))
        assert np.abs(np.array(truth.arm_means) - means).max() < 4 * errors.max(), name
    log_ratio, error = until.measures["log_hazard_ratio"]
    assert abs(log_ratio - np.log(HAZARD["treated"] / HAZARD["control"])) < 4 * error


def test_a_simulated_trial_carries_them():
    s = build(attendance_raw())
    trials = simulate(s, seed=1, replicates=2)
    sessions, engaged, dropout, until = (patient_endpoint(trials, trials.score, s, e) for e in s.estimands)
    lost = np.isnan(trials.score[..., -1])
    np.testing.assert_array_equal(dropout == 1, lost)
    np.testing.assert_array_equal(engaged == 1, sessions >= 3)
    time, seen = event_times(trials, trials.score, s, s.estimands[3])
    np.testing.assert_array_equal(seen, lost)
    np.testing.assert_array_equal(time, until)
    assert (until[~lost] == LAST).all()
    most = np.searchsorted(DAYS, until, side="left")  # nobody attends after leaving
    assert (sessions <= most).all()
    assert (sessions == most).any()
    unasked = simulate(build(attendance_raw(**{"estimand.endpoint": "score", "secondary": []})), seed=1, replicates=2)
    assert unasked.attended is None
    np.testing.assert_array_equal(unasked.score, trials.score)


def test_the_type_i_error_is_of_arms_that_attend_alike():
    """512 trials; beyond 4 standard errors with the share's own variance."""
    results = power(attendance_raw(), replicates=512)
    rows = {(row.question.endpoint, row.metric): row.value for row in results.rows}
    for endpoint in ENDPOINTS:
        assert abs(rows[endpoint, "type_i_error"] - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 512)
        assert rows[endpoint, "power"] > 0.3
    (run,) = null_runs(build(attendance_raw()))
    means = [truth.arm_means for truth in truths(run.scenario, seed=5)]
    assert all(control == treated for control, treated in means)


def test_fewer_who_leave_are_better():
    settings = {"estimand.endpoint": "dropout", "secondary": [], "analysis.methods": ["response", "firth", "fisher"]}
    results = power(attendance_raw(**settings), replicates=128, nulls=False)
    assert {row.favours for row in results.rows} == {"a"}
    (first, *_) = (note.text for note in results.notes if note.code == "number_needed_to_treat")
    assert ": NNTB 5" in first


def test_the_baseline_is_a_covariate_only_where_it_is_asked_for():
    s = build(attendance_raw())
    assert s.covariates_of(s.estimand) == ()
    assert s.covariates_of(replace(s.estimand, endpoint="score", strategies=Strategies())) == ("baseline",)
    asked = build(attendance_raw(**{"analysis.covariates": ["baseline"]}))
    assert asked.covariates_of(asked.estimand) == ("baseline",)


@pytest.mark.parametrize(("settings", "line"), [
    ({"engagement": None}, "engagement is missing: engaged needs engagement: sessions, or share of those planned"),
    ({"engagement": {"sessions": 5}}, "engagement.sessions = 5: must be at most 4, what an arm plans by day 28"),
    ({"engagement": {"sessions": 2, "share": 0.5}}, "engagement.sessions = 2: must be given, or share of the sessions"),
    ({"conduct.dropout": None}, "conduct.dropout is missing: dropout is asked for, and nobody leaves"),
    ({"arms[0].therapy": None}, "estimand.contrast = 'treated - control': must compare arms with sessions by day 28"),
    ({"estimand.methods": ["mmrm"]}, "estimand.methods[0] = 'mmrm': cannot analyse sessions_attended"),
    (
        {
            "conduct.stop_sessions": number(0.01, "per_day"),
            "estimand.strategies.therapy_discontinuation": "hypothetical",
        },
        "estimand.strategies.therapy_discontinuation = 'hypothetical': must be treatment_policy: sessions_attended is",
    ),
])  # fmt: skip
def test_what_cannot_be_asked_is_one_line(settings, line):
    with pytest.raises(ScenarioError) as error:
        build(attendance_raw(**settings))
    assert any(line in each for each in str(error.value).splitlines()), str(error.value)
