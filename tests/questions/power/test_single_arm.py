"""Trials of one arm: regression to the mean, the tests of one sample, and what a second arm would be needed for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, nct, norm, t

from kaptrial.cli import main
from kaptrial.errors import ScenarioError
from kaptrial.estimators.clopper_pearson import clopper_pearson
from kaptrial.questions.power.answer import results_of
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.characteristics import characteristics
from kaptrial.questions.power.output import write_power
from kaptrial.questions.power.truth import truths
from kaptrial.questions.size import solve
from kaptrial.results import Row
from kaptrial.scenario.files import build, load, with_settings
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.simulate import simulate
from kaptrial.simulation.trials import read_csv
from tests import SCENARIOS
from tests.builders import CORRELATION, DAY, TOTAL_SD, clean_raw, number

ORAL = SCENARIOS / "oral_titration_single_arm.yaml"
N = 22
CHANGE = {"contrast": "treated", "day": DAY, "endpoint": "change"}
RESPONSE = {"contrast": "treated", "day": DAY, "endpoint": "response", "benchmark": 0.3}


def one_arm_raw(delta: float, estimand: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """The treated arm of the clean scenario alone."""
    raw = clean_raw(n_per_arm=N, delta=delta)
    raw["arms"] = raw["arms"][1:]
    raw["estimand"] = estimand
    raw["analysis"] = {"methods": [f"single_arm_{'change' if estimand['endpoint'] == 'change' else 'response'}"]}
    return with_settings(raw, {key.replace("__", "."): value for key, value in settings.items()})


def one_arm(delta: float, estimand: dict[str, Any], **settings: Any) -> Scenario:
    return build(one_arm_raw(delta, estimand, **settings))


def metrics_of(s: Scenario, replicates: int = 4_000) -> dict[str, tuple[float, float]]:
    """Metrics of the primary estimand with their Monte Carlo errors."""
    (result,) = characteristics([Cell(scenario=s, columns={})], seed=7, replicates=replicates)
    assert [note.code for note in result.notes] == ["one_arm"]
    return {row["metric"]: (row["value"], row["mcse"]) for row in map(Row.flat, result.rows)}


# --- truth ------------------------------------------------------------------------------------------------------------


def test_without_drug_and_natural_course_the_change_is_regression_to_the_mean():
    entry = 42.0
    (truth,) = truths(one_arm(0, CHANGE, population__entry={"at_least": entry}), seed=3)
    excess = TOTAL_SD * norm.pdf((entry - 40) / TOTAL_SD) / norm.sf((entry - 40) / TOTAL_SD)
    expected = -(1 - CORRELATION) * excess
    assert expected < -3  # points: a change that nobody caused
    assert abs(truth.value - expected) < 4 * truth.mcse
    (without,) = truths(one_arm(0, CHANGE), seed=3)
    assert abs(without.value) < 4 * without.mcse


def test_the_truth_of_an_effect_is_the_effect_and_hope_is_told_apart():
    hope = {"effect": number(3, "points"), "onset": number(0.01, "day"), "half_life": number(1e9, "day"),
            "belief": number(1, "share")}  # fmt: skip
    rows = metrics_of(one_arm(5, CHANGE, expectancy__drug=hope), replicates=256)
    assert rows["truth"][0] == pytest.approx(-8, abs=4 * rows["truth"][1])
    assert rows["truth_without_expectancy"][0] == pytest.approx(rows["truth"][0] + 3, abs=1e-6)
    assert not {"type_i_error", "expectancy_only_rate", "false_synergy_rate"} & set(rows)


# --- operating characteristics ----------------------------------------------------------------------------------------


def change_power(delta: float) -> float:
    """Power of the one-sample t test of the change."""
    se = TOTAL_SD * np.sqrt(2 * (1 - CORRELATION) / N)
    critical = t.ppf(0.975, N - 1)
    return float(nct.sf(critical, N - 1, delta / se) + nct.cdf(-critical, N - 1, delta / se))


@pytest.mark.parametrize(("delta", "benchmark"), [(6.0, None), (0.0, None), (11.0, -5.0), (5.0, -5.0)])
def test_the_mean_change_has_the_power_of_the_t_test(delta, benchmark):
    rows = metrics_of(one_arm(delta, CHANGE if benchmark is None else CHANGE | {"benchmark": benchmark}))
    power, mcse = rows["power"]
    assert abs(power - change_power(delta + (benchmark or 0))) < 4 * mcse
    coverage, error = rows["coverage"]
    assert abs(coverage - 0.95) < 4 * error
    assert abs(rows["bias"][0]) < 4 * rows["bias"][1]
    assert abs(rows["model_se"][0] - rows["empirical_se"][0]) < 4 * np.hypot(
        rows["model_se"][1], rows["empirical_se"][1]
    )


def test_the_share_of_responders_is_binomial():
    s = one_arm(20, RESPONSE)
    rows = metrics_of(s)
    share, k = rows["truth"][0], np.arange(N + 1)
    assert 0.4 < share < 0.6
    pmf = binom.pmf(k, N, share)
    lower, upper = clopper_pearson(k, N)
    # The share itself has the error of the truth: 0.002, which moves these probabilities by less than 0.01.
    for metric, hits in (
        ("power", (lower > 0.3) | (upper < 0.3)),
        ("power_better", lower > 0.3),
        ("coverage", (lower <= share) & (share <= upper)),
    ):
        value, mcse = rows[metric]
        assert abs(value - pmf @ hits) < 4 * mcse + 0.01, metric
    assert rows["empirical_se"][0] == pytest.approx(np.sqrt(share * (1 - share) / N), rel=0.05)
    assert rows["coverage"][0] > 0.95  # exact: never below
    assert "detectable_difference" not in rows


def test_worse_than_the_benchmark_is_rejection_but_no_success():
    rows = metrics_of(one_arm(0, CHANGE | {"benchmark": -10.0}), replicates=512)
    assert rows["power"][0] > 0.99
    assert rows["power_better"][0] == 0


def test_a_null_of_the_model_is_simulated_as_power_against_the_benchmark():
    rows = metrics_of(one_arm(6, CHANGE, null="therapy"), replicates=512)
    assert abs(rows["truth"][0]) < 4 * rows["truth"][1]
    assert "type_i_error" not in rows
    assert abs(rows["power"][0] - 0.05) < 4 * rows["power"][1]


# --- everything around ------------------------------------------------------------------------------------------------


def test_a_simulated_trial_goes_through_its_file(tmp_path, capsys):
    s = one_arm(6, CHANGE)
    path = tmp_path / "trial.csv"
    trial = simulate(s, seed=1, replicates=1)
    trial.to_frame().to_csv(path, index=False)
    assert read_csv(path, one_arm=True).arms == ("treated",)
    main_ends_well("analyse", path, "--method", "single_arm")
    assert f"{(trial.score[0, :, 1] - trial.baseline[0]).mean():.1f}" in capsys.readouterr().out


def main_ends_well(*arguments: Any) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    assert stop.value.code == 0


def test_every_number_of_the_oral_scenario_reaches_the_pack(tmp_path, capsys):
    main_ends_well("power", ORAL, "--replicates", 128, "-o", tmp_path)
    out = capsys.readouterr().out
    assert "one arm: its mean holds time, expectancy and regression to the mean" in out
    assert "power is" in out
    assert (tmp_path / "trajectories.pdf").exists()


def test_estimands_that_differ_in_their_benchmark_have_rows_of_their_own(tmp_path, capsys):
    raw = one_arm_raw(20, RESPONSE)
    raw["secondary"] = [RESPONSE | {"benchmark": 0.1}]
    (result,) = characteristics([Cell(scenario=build(raw), columns={})], seed=1, replicates=128)
    power = {row["benchmark"]: row["value"] for row in map(Row.flat, result.rows) if row["metric"] == "power"}
    assert power[0.1] > power[0.3]
    provenance = {"version": "0", "seed": 1, "replicates": 128, "scenario_sha256": "0" * 64, "title": "a test"}
    write_power(tmp_path, results_of([result], provenance))
    main_ends_well("power", ORAL, "--no-variants", "--replicates", 128, "--vary", "estimand.benchmark=0.3,0.5")
    assert "estimand.benchmark" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("estimand", "settings", "message"),
    [
        (CHANGE | {"contrast": "control"}, {}, "estimand.contrast = 'control': must be treated, the only arm"),
        (CHANGE | {"contrast": "treated - control"}, {}, "must be treated, the only arm"),
        (CHANGE | {"endpoint": "score"}, {}, "estimand.endpoint = 'score': of one arm must be change, response"),
        (CHANGE | {"margin": 3.0}, {}, "estimand.margin = 3: needs two arms"),
        (RESPONSE | {"benchmark": None}, {}, "estimand.benchmark is missing: must be the share"),
        (RESPONSE | {"benchmark": 30.0}, {}, "estimand.benchmark = 30: must be the share"),
        (CHANGE, {"analysis.methods": ["ancova"]}, "cannot analyse change of one arm (estimand): must be one of"),
        (RESPONSE, {"analysis.methods": ["fisher"]}, "must be one of single_arm"),
        (
            CHANGE,
            {"conduct.dropout": {"hazard": number(0.01, "per_day"), "afterwards": "as_reference"}},
            "conduct.dropout.afterwards = 'as_reference': needs a reference arm",
        ),
    ],
)  # fmt: skip
def test_what_needs_a_second_arm_is_refused_in_one_line(estimand, settings, message):
    with pytest.raises(ScenarioError) as caught:
        build(with_settings(one_arm_raw(5, estimand), settings))
    assert message in str(caught.value)


def test_what_needs_one_arm_is_refused_with_two():
    raw = clean_raw(n_per_arm=10, delta=3)
    for change, message in (
        ({"estimand.benchmark": -3.0}, "estimand.benchmark = -3: goes with a trial of one arm"),
        ({"estimand.contrast": "treated"}, "must be `a - b`"),
        (
            {"analysis.methods": ["single_arm"], "estimand.endpoint": "change"},
            "must be one of ancova, difference",
        ),
    ):
        with pytest.raises(ScenarioError) as caught:
            build(with_settings(raw, change))
        assert message in str(caught.value)


def test_one_arm_is_not_sized_by_a_search():
    with pytest.raises(ScenarioError, match="arms = 1: must be two or more; one arm is sized by `precision`"):
        solve(one_arm_raw(5, CHANGE), target=0.9)


def test_the_oral_trial_is_the_published_one_within_its_error():
    s = load(ORAL)
    assert s.n_total == 22
    at_6_weeks, a_month_later, change = truths(s, seed=1)
    # oktop2025: 16 and 13 of 22 responded; the mean fell from 40 to 17. Two standard errors of 22 patients.
    assert abs(at_6_weeks.value - 16 / 22) < 2 * np.sqrt(0.73 * 0.27 / 22)
    assert abs(a_month_later.value - 13 / 22) < 2 * np.sqrt(0.59 * 0.41 / 22)
    assert abs(change.value - (17 - 40)) < 2 * change.arm_sds[0] / np.sqrt(22)
