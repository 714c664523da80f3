"""`kaptrial looks` and `kt.looks`: contract, the clean case by integration, decisions by hand, one line for errors."""

from __future__ import annotations

import json
from time import process_time

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtri, stdtr

import kaptrial as kt
from kaptrial.estimators.fit import Fit
from kaptrial.estimators.sequential.bias import mean_estimate
from kaptrial.estimators.sequential.boundaries import Rule, design, futility_of
from kaptrial.estimators.sequential.delayed import decisions
from kaptrial.estimators.sequential.spending import spending_of
from kaptrial.questions.looks.decisions import courses, decided_later, estimates, statistic
from kaptrial.scenario.looks import DAYS_IN_MONTH
from tests.builders import CORRELATION, DAY, RATER_SD, TOTAL_SD, clean_raw

PLAN = "{accrual_per_month: 10, looks: [{patients: 40}], spending: pocock}"
SETTINGS = ["--set", f"design.group_sequential={PLAN}", "--set", "design.n_per_arm=40"]


def clean_with(n, delta, visits=(0, DAY), method="ancova", **plan):
    raw = clean_raw(n_per_arm=n, delta=delta)
    raw["design"] |= {"visits": list(visits), "group_sequential": plan}
    raw["analysis"] = {"methods": [method]}
    return raw


def by_look(results):
    return {(row.question.column("look"), row.metric): row for row in results.rows}


def fit_of(z, se, df=1e9):
    z, se = np.asarray(z, dtype=float), np.asarray(se, dtype=float)
    failure = np.where(np.isnan(z), 4, 0)
    return Fit(estimate=z * se, se=se, df=np.full(len(z), df), failure=failure)


def test_the_command_and_the_call_give_the_same(run, capsys, tmp_path, starter_looks):
    capsys.readouterr()
    out = tmp_path / "looks"
    command = ["looks", "scenarios/starter.yaml", *SETTINGS, "--replicates", 256]
    run(*command, "--workers", 2, "--json", tmp_path / "looks.json", "-o", out)
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("With looks, power for ketamine_cbt - ketamine")
    assert {path.name for path in out.iterdir()} >= {"boundaries.pdf", "stopping.pdf", "results.csv", "scenario.yaml"}
    rows = json.loads((tmp_path / "looks.json").read_text())["results"]
    assert rows == json.loads(starter_looks.to_json())["results"]
    whole = {row["metric"] for row in rows if row["look"] == 0}
    assert whole >= {
        "power", "type_i_error", "stop_efficacy", "stop_futility", "fixed_power", "expected_n", "max_n", "truth",
        "expected_months", "mean_estimate", "bias", "mean_bias_adjusted", "mean_median_unbiased", "coverage", "n_q10",
        "n_q50", "n_q90", "months_q10", "months_q50", "months_q90", "n_saved", "months_saved", "n_saved_type_i_error",
    }  # fmt: skip
    each = {row["metric"] for row in rows if row["look"] == 1}
    assert each >= {"stop_efficacy", "stop_futility", "cumulative_power", "information", "n_randomised", "months"}


@pytest.fixture(scope="module")
def starter_looks():
    plan = {"accrual_per_month": 10, "looks": [{"patients": 40}], "spending": "pocock"}
    scenario = kt.load_scenario("starter", {"design.n_per_arm": 40, "design.group_sequential": plan})
    return kt.looks(scenario, replicates=256, workers=1)


def test_shares_add_up(starter_looks):
    value = {key: row.value for key, row in by_look(starter_looks).items()}
    assert value[0, "power"] == pytest.approx(value[1, "stop_efficacy"] + value[2, "stop_efficacy"])
    assert value[0, "stop_efficacy"] == value[1, "stop_efficacy"]
    assert value[2, "cumulative_power"] == value[0, "power"]
    stopped = value[1, "stop_efficacy"]
    assert value[0, "expected_n"] == pytest.approx(stopped * value[1, "n_randomised"] + (1 - stopped) * 80)
    assert value[1, "n_followed"] == 40
    assert value[0, "max_n"] == 80
    assert value[0, "n_saved"] == pytest.approx(80 - value[0, "expected_n"])
    assert value[0, "months_saved"] == pytest.approx(value[0, "fixed_months"] - value[0, "expected_months"])


def test_what_looks_save_in_cost():
    plan = {"accrual_per_month": 10, "looks": [{"patients": 40}], "spending": "pocock"}
    scenario = kt.load_scenario("starter", {"design.n_per_arm": 40, "design.group_sequential": plan})
    costs = {"ketamine": 1000, "ketamine_cbt": 2000}
    results = kt.looks(scenario, replicates=256, workers=1, nulls=False, costs=costs)
    value = {key: row.value for key, row in by_look(results).items()}
    assert value[0, "max_cost"] == 40 * 3000
    assert value[0, "expected_cost"] == pytest.approx(1500 * value[0, "expected_n"])
    assert value[0, "cost_saved"] == pytest.approx(1500 * value[0, "n_saved"])
    assert results.provenance["costs"] == costs
    with pytest.raises(kt.FieldError, match="costs is missing: must be given for ketamine_cbt too"):
        kt.looks(scenario, replicates=256, costs={"ketamine": 1000})


def test_quantiles_are_those_of_the_looks(starter_looks):
    rows, course = by_look(starter_looks), starter_looks.parts[0].own.course
    early = np.mean(course.stop == 0)
    assert 0.1 < early < 0.5
    assert [rows[0, f"n_q{p}"].value for p in (10, 50, 90)] == [rows[1, "n_randomised"].value, 80, 80]
    assert rows[0, "months_q10"].value == rows[1, "months"].value
    assert rows[0, "n_q50"].mcse == 0


def test_the_fixed_design_is_that_of_power(starter_looks):
    scenario = kt.load_scenario("starter", {"design.n_per_arm": 40})
    power = {row.metric: row.value for row in kt.power(scenario, replicates=256).rows}
    value = {key: row.value for key, row in by_look(starter_looks).items()}
    assert value[0, "fixed_power"] == power["power"]
    assert value[0, "fixed_type_i_error"] == power["type_i_error"]
    assert value[0, "truth"] == power["truth"]


def test_power_says_that_it_has_no_looks():
    plan = {"accrual_per_month": 10, "looks": [{"patients": 10}]}
    scenario = kt.load_scenario("starter", {"design.n_per_arm": 10, "design.group_sequential": plan})
    assert "looks" in {note.code for note in kt.power(scenario, replicates=4, nulls=False).notes}


def as_integrated(n, replicates):
    """A clean trial of n an arm, each look once its patients are followed up: stops for efficacy and futility, power,
    type I error and information are those of the integral, within 4 MCSE. Gives the rows by look and metric."""
    delta = 3.4 * np.sqrt(150 / n)
    looks = [{"patients": round(0.8 * n)}, {"patients": round(1.3 * n)}]
    plan = {"accrual_per_month": 10, "looks": looks, "recruitment": "stops", "sided": 1, "futility": "cp:.2"}
    results = kt.looks(clean_with(n, delta, spending="hsd:-2", **plan), replicates=replicates)
    value, plan = by_look(results), results.parts[0].designed.plan
    assert_allclose(plan.information, [0.4, 0.65, 1.0], atol=0.01)
    drift = delta / (TOTAL_SD * np.sqrt((1 - CORRELATION**2) * 2 / n))
    for true, names in (
        (drift, ("cumulative_power", "stop_futility")),
        (0.0, ("cumulative_type_i_error", "stop_futility_type_i_error")),
    ):
        efficacy, futility = plan.stopping(true)
        for k, expected in enumerate(zip(np.cumsum(efficacy), [*futility[:-1], 0.0], strict=True)):
            for name, share in zip(names, expected, strict=True):
                error = 4 * np.sqrt(max(share * (1 - share), 4 / replicates) / replicates)
                assert value[k + 1, name].value == pytest.approx(share, abs=error)
    return value


def test_the_clean_case_by_integration():
    as_integrated(150, 1024)


@pytest.mark.validation
def test_the_clean_case_by_integration_at_length():
    # With 800 patients at the first look it does not matter that variances are estimated.
    value = as_integrated(1000, 100_000)
    above, covered = value[0, "median_unbiased_above_truth"], value[0, "coverage"]
    assert above.value == pytest.approx(0.5, abs=4 * above.mcse)
    assert covered.value == pytest.approx(0.95, abs=4 * covered.mcse)


def information_with_partial_visits(n_followed, n_partial, n, rho):
    """The share of the final information where some have the visit before the last only; variances known."""
    return 1 / (((1 - rho**2) / n_followed + rho**2 / (n_followed + n_partial)) * n)


def test_information_of_partial_visits_by_its_closed_form():
    """A look at 160 of 400 patients, while 91 more have all visits but the last: MMRM uses them, ANCOVA does not."""
    before = DAY - 7
    plan = {"accrual_per_month": 400, "looks": [{"patients": 160}]}
    value = {}
    for method in ("mmrm", "ancova"):
        raw = clean_with(200, 0, visits=(0, before, DAY), method=method, **plan)
        raw["measurement"]["deviation_time_constant"]["value"] = 1e9
        value[method] = by_look(kt.looks(raw, replicates=512, nulls=False))
    # Given the baseline, of both visits: the variance of the score and its covariance with the other.
    total, shared = TOTAL_SD**2, TOTAL_SD**2 - RATER_SD**2
    rho = (shared - shared**2 / total) / (total - shared**2 / total)
    month = 159 / 400 + DAY / DAYS_IN_MONTH
    partial = sum(i / 400 + before / DAYS_IN_MONTH <= month + 1e-9 for i in range(400)) - 160
    assert partial == 91
    row = value["mmrm"][1, "information"]
    assert row.value == pytest.approx(information_with_partial_visits(160, partial, 400, rho), abs=4 * row.mcse + 0.005)
    assert value["ancova"][1, "information"].value == pytest.approx(0.4, abs=0.01)
    assert row.value > 0.43


def test_decisions_at_looks_by_hand():
    plan = design(Rule(alpha=0.025, spending=spending_of("obf"), futility=futility_of("cp:.3")), [0.5, 1.0])
    se = np.full(6, 1.0)
    first = fit_of([3.0, -1.0, 1.5, 1.5, np.nan, -3.0], se * np.sqrt(2))
    last = fit_of([0.0, 3.0, 2.5, 1.0, 2.5, 3.0], se)
    course = courses([first, last], plan, 1.0, 1.0)
    assert_array_equal(course.stop, [0, 0, 1, 1, 1, 0])
    assert_array_equal(course.efficacy, [True, False, True, False, True, False])
    assert_array_equal(course.futility, [False, True, False, False, False, True])
    assert_allclose(course.information[:4, 0], 0.5)
    mirrored = courses([fit_of(-first.statistic, first.se), fit_of(-last.statistic, last.se)], plan, 1.0, -1.0)
    assert_array_equal(mirrored.stop, course.stop)
    own = courses([first, last], plan, 1.0, 1.0, own=True)
    assert_allclose(own.upper[0], plan.upper, atol=1e-4)
    at_end = estimates(course, [first, last], plan, 1.0)
    assert_allclose(at_end.naive[:2], first.estimate[:2])
    assert_allclose(at_end.median_unbiased[:2], first.estimate[:2], atol=1e-3)
    assert np.isfinite(at_end.median_unbiased[4])
    reverse = estimates(mirrored, [fit_of(-first.statistic, first.se), fit_of(-last.statistic, last.se)], plan, -1.0)
    assert_allclose(reverse.lower, -at_end.upper, atol=1e-9)


def test_decisions_at_follow_up_by_hand():
    """Stopped for efficacy and upheld, reversed, without an estimate; for futility, and that reversed; the end."""
    plan = design(Rule(alpha=0.025, spending=spending_of("obf"), futility=futility_of("cp:.3"), binding=True), [0.5, 1])
    decided = decisions(plan, [0.3])
    critical = decided.critical[0]
    looks = [fit_of([3.5, 3.5, 3.5, 0.0, 0.0, 1.7, 1.7], np.full(7, 2**0.5)), fit_of([0, 0, 0, 0, 0, 3, 1], np.ones(7))]
    later = fit_of([critical + 0.1, critical - 0.1, np.nan, 0.5, critical + 0.1, 0, 3], np.full(7, 1.25**0.5))
    course = decided_later(courses(looks, plan, 1.0, 1.0), [later], decided, 1.0)
    assert_array_equal(course.stop, [0, 0, 0, 0, 0, 1, 1])
    assert_array_equal(course.efficacy, [True, True, True, False, False, True, False])
    assert_array_equal(course.rejects, [True, False, False, False, True, True, False])
    assert_allclose(course.deciding, [critical + 0.1, critical - 0.1, np.nan, 0.5, critical + 0.1, 3, 1])
    at_end = estimates(course, [later, looks[1]], plan, 1.0, decided)
    assert_allclose(at_end.naive[[0, 3, 5]], [later.estimate[0], later.estimate[3], 3.0])
    first = decided.drift_at(0.5, 0, np.array([critical + 0.1]))
    assert at_end.median_unbiased[0] == pytest.approx(first[0], abs=1e-9)
    assert_array_equal((at_end.lower > 0)[[0, 1, 3, 4, 5, 6]], course.rejects[[0, 1, 3, 4, 5, 6]])
    seen = (plan.information, plan.low, plan.upper)
    means = mean_estimate(*seen, at_end.bias_adjusted[[0, 3, 5]], decided=decided.information)
    assert_allclose(means, at_end.naive[[0, 3, 5]], atol=1e-5)


def decided_as_integrated(n, replicates):
    """A clean trial with 60 % of its patients followed up at a look and as many as come in a month under way: what the
    decisions reject, and reverse, is what the integral says, within 4 MCSE."""
    delta = 3.1 * np.sqrt(150 / n)
    plan = {"accrual_per_month": 0.5 * n, "looks": [{"patients": round(1.2 * n)}], "sided": 1, "spending": "pocock"}
    plan |= {"futility": "hsd:1", "power": 0.8, "binding": True, "decide": "at_follow_up"}
    results = kt.looks(clean_with(n, delta, **plan), replicates=replicates)
    value, designed = by_look(results), results.parts[0].designed
    decided = designed.decided
    assert_allclose(decided.information, [value[1, "n_randomised"].value / (2 * n), 1.0], atol=0.01)
    assert value[1, "months_decided"].value == pytest.approx(
        (value[1, "n_randomised"].value - 1) / (0.5 * n) + DAY / DAYS_IN_MONTH
    )
    drift = delta / (TOTAL_SD * np.sqrt((1 - CORRELATION**2) * 2 / n))
    for true, name in ((drift, "cumulative_power"), (0.0, "cumulative_type_i_error")):
        for k, share in enumerate(np.cumsum(decided.rejecting(true))):
            error = 4 * np.sqrt(max(share * (1 - share), 4 / replicates) / replicates)
            assert value[k + 1, name].value == pytest.approx(share, abs=error)
    assert value[0, "power"].value == value[2, "cumulative_power"].value
    assert value[1, "reversed"].value < 0.1
    looks = (designed.plan.information, designed.plan.low, designed.plan.upper)
    mean = mean_estimate(*looks, drift, decided=decided.information)
    row = value[0, "mean_estimate"]
    assert -row.value / delta == pytest.approx(mean / drift, abs=4 * row.mcse / delta)
    return value


def test_decisions_at_follow_up_by_integration():
    decided_as_integrated(150, 1024)


@pytest.mark.validation
def test_decisions_at_follow_up_by_integration_at_length():
    value = decided_as_integrated(1000, 100_000)
    above, covered = value[0, "median_unbiased_above_truth"], value[0, "coverage"]
    assert above.value == pytest.approx(0.5, abs=4 * above.mcse)
    assert covered.value == pytest.approx(0.95, abs=4 * covered.mcse)
    adjusted = value[0, "mean_bias_adjusted"]
    assert adjusted.value == pytest.approx(value[0, "truth"].value, abs=abs(0.02 * value[0, "truth"].value))


def test_a_small_trial_is_judged_by_its_t():
    fit = fit_of([2.5, -2.5], [1.0, 1.0], df=7.0)
    p = stdtr(7.0, -2.5)
    assert_allclose(statistic(fit, 1.0), [-ndtri(p), ndtri(p)])
    assert_allclose(statistic(fit, -1.0), [ndtri(p), -ndtri(p)])


def test_a_look_at_a_share_of_the_information_finds_its_patients():
    plan = {"accrual_per_month": 20, "looks": [{"information": 0.5}]}
    value = by_look(kt.looks(clean_with(60, 3, **plan), replicates=256, nulls=False))
    assert value[1, "information"].value == pytest.approx(0.5, abs=0.03)
    assert value[1, "n_followed"].value == pytest.approx(60, abs=3)


def test_small_looks_and_exact_tests_are_told():
    plan = {"accrual_per_month": 10, "looks": [{"patients": 16}]}
    changes = {"design.group_sequential": plan, "design.n_per_arm": 20, "analysis.methods": ["mmrm"]}
    for df, told in (("satterthwaite", True), ("kenward-roger", False)):
        scenario = kt.load_scenario("starter", changes | {"analysis.df": df})
        codes = {note.code for note in kt.looks(scenario, replicates=16, nulls=False).notes}
        assert ("small_look" in codes) == told
    exact = {"design.group_sequential": plan, "estimand.endpoint": "response", "analysis.methods": ["fisher"]}
    with pytest.raises(kt.FieldError, match=r"analysis\.methods = 'fisher': is an exact test"):
        kt.looks(kt.load_scenario("starter", exact), replicates=16)


def test_a_look_at_patients_who_count_as_failures_takes_those_followed_up():
    plan = {"accrual_per_month": 60, "looks": [{"patients": 60}]}
    changes = {"design.group_sequential": plan, "estimand.endpoint": "response"}
    changes |= {"analysis.methods": ["response"], "analysis.missing_response": "failure"}
    value = by_look(kt.looks(kt.load_scenario("starter", changes), replicates=64, nulls=False))
    assert value[1, "n_randomised"].value > 100
    assert value[1, "information"].value == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ("{accrual_per_month: 10, looks: [{month: 0.2}]}", "looks[0].month = 0.2: nobody has reached the primary"),
        ("{accrual_per_month: 10, looks: [{patients: 10}], spending: brien}", "spending = 'brien': must be one of obf"),
        (
            "{accrual_per_month: 10, looks: [{patients: 10}], spending: '.1,.2'}",
            "spending[1] = 0.2: must end with alpha, 0.05",
        ),
    ],
)
def test_one_line_for_what_cannot_be(refused, plan, said):
    line = refused("looks", "scenarios/starter.yaml", "--set", f"design.group_sequential={plan}", "--replicates", 128)
    assert f"design.group_sequential.{said}" in line
    assert "design.group_sequential" in refused("looks", "scenarios/starter.yaml")


@pytest.mark.validation
def test_two_looks_cost_at_most_three_times_a_trial_without():
    plan = {"accrual_per_month": 12, "looks": [{"patients": 60}, {"patients": 90}]}
    changes = {"design.n_per_arm": 60, "analysis.methods": ["mmrm"], "design.group_sequential": plan}
    scenario = kt.load_scenario("starter", changes)

    def seconds(question, replicates):
        begun = process_time()
        question(scenario, replicates=replicates, workers=1)
        return process_time() - begun

    seconds(kt.looks, 128), seconds(kt.power, 128)
    assert seconds(kt.looks, 8192) < 3 * seconds(kt.power, 8192)


@pytest.mark.validation
@pytest.mark.parametrize("spending", ["obf", "pocock", "hsd:-4", "kd:2"])
@pytest.mark.parametrize("looks", [(1.0,), (0.8, 1.4)])
@pytest.mark.parametrize("n", [20, 60, 200])
def test_type_i_error_with_half_observed_patients(spending, looks, n):
    """MMRM with Kenward and Roger's errors, a third as many again under way at a look: at most .05, at least .04."""
    plan = {"accrual_per_month": n / 5, "spending": spending, "looks": [{"patients": round(x * n)} for x in looks]}
    changes = {"design.group_sequential": plan, "design.n_per_arm": n, "analysis.methods": ["mmrm"]}
    changes |= {"analysis.df": "kenward-roger", "therapies.cbt.max_effect": 0}
    results = kt.looks(kt.load_scenario("starter", changes), replicates=20_000, nulls=False)
    row = by_look(results)[0, "power"]
    assert 0.04 - 4 * row.mcse < row.value < 0.05 + 4 * row.mcse
    assert by_look(results)[1, "under_way"].value > 0


@pytest.mark.validation
@pytest.mark.parametrize("looks", [(1.0,), (0.8, 1.4)])
@pytest.mark.parametrize("n", [20, 60, 200])
def test_type_i_error_decided_at_follow_up(looks, n):
    """The same where a look only ends recruitment: one-sided at most .025, at least .02."""
    plan = {"accrual_per_month": n / 5, "spending": "hsd:-2", "looks": [{"patients": round(x * n)} for x in looks]}
    plan |= {"sided": 1, "futility": "cp:.2", "binding": True, "decide": "at_follow_up"}
    changes = {"design.group_sequential": plan, "design.n_per_arm": n, "analysis.methods": ["mmrm"]}
    changes |= {"analysis.df": "kenward-roger", "therapies.cbt.max_effect": 0}
    value = by_look(kt.looks(kt.load_scenario("starter", changes), replicates=20_000, nulls=False))
    row = value[0, "power"]
    assert 0.02 - 4 * row.mcse < row.value < 0.025 + 4 * row.mcse
