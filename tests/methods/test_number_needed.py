"""Numbers needed to treat against risk differences by hand, and odds ratios against R and tables by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from kaptrial.api import power
from kaptrial.methods.from_file import analyse
from kaptrial.methods.number_needed import number_needed
from kaptrial.methods.options import Options
from kaptrial.scenario.files import as_raw, load
from tests import DATA, ROOT

R = json.loads((DATA / "reference.json").read_text())["two_arm_response_day56"]
Z = 1.959963984540054


@pytest.mark.parametrize(("difference", "better", "words"), [
    ((0.2, 0.05, 0.35), "higher", "NNTB 5 (2.86 to 20)"),
    ((-0.2, -0.35, -0.05), "higher", "NNTH 5 (2.86 to 20)"),
    ((-0.2, -0.35, -0.05), "lower", "NNTB 5 (2.86 to 20)"),
    ((0.1, -0.05, 0.25), "higher", "NNTB 10 (NNTB 4 to ∞ to NNTH 20)"),
    ((0.1, -0.05, 0.25), "lower", "NNTH 10 (NNTB 20 to ∞ to NNTH 4)"),
    ((0.0, -0.1, 0.2), "higher", "∞ (NNTB 5 to ∞ to NNTH 10)"),
    ((0.2, 0.0, 0.4), "higher", "NNTB 5 (2.5 to ∞)"),
    ((0.004, np.nan, np.nan), "higher", "NNTB 250"),
    ((np.nan, np.nan, np.nan), "higher", ""),
])  # fmt: skip
def test_it_is_one_over_the_difference_and_its_ends(difference, better, words):
    assert number_needed(*difference, better=better) == words


def test_files_give_it_beside_each_risk_difference_of_two_arms():
    options = Options(reference="ketamine", target_day=56.0)
    rows = {row["measure"]: row for row in analyse(DATA / "two_arm_monotone.csv", "response", options).flat()[:4]}
    row = rows["risk_difference"]
    ends = [1 / abs(row[name]) for name in ("estimate", "upper", "lower")]
    assert row["number_needed_to_treat"] == "NNTB {:.3g} (NNTB {:.3g} to ∞ to NNTH {:.3g})".format(*ends)
    assert "number_needed_to_treat" not in rows["log_odds_ratio"]
    factorial = analyse(DATA / "factorial_intermittent.csv", "response", Options(factors=("ketamine", "therapy")))
    for row in factorial.flat():
        said = bool(row.get("number_needed_to_treat"))
        assert said == ("risk_difference" in row["measure"] and ":" not in row["contrast"])


def test_the_odds_ratio_is_that_of_r():
    """`glm(response ~ arm + baseline, binomial)` at day 56, its Wald interval."""
    options = Options(reference="ketamine", target_day=56.0)
    rows = analyse(DATA / "two_arm_monotone.csv", "odds_ratio", options).flat()
    assert [row["measure"] for row in rows] == ["log_odds_ratio", "odds_ratio"]
    expected = R["log_odds_ratio"]
    log_ends = expected["estimate"] + np.array([0, -Z, Z]) * expected["se"]
    actual = [rows[1][name] for name in ("estimate", "lower", "upper")]
    assert actual == pytest.approx(np.exp(log_ends), rel=1e-4)
    assert rows[1]["p"] == pytest.approx(expected["p"], rel=1e-4)


def test_the_odds_ratio_of_a_table_is_its_cross_product(tmp_path):
    """9 of 20 against 4 of 18: (9·14)/(11·4), log SE² = 1/9 + 1/11 + 1/4 + 1/14."""
    score = [1] * 9 + [0] * 11 + [1] * 4 + [0] * 14
    frame = pd.DataFrame({"patient": range(38), "arm": ["new"] * 20 + ["old"] * 18, "score": score})
    frame.to_csv(tmp_path / "data.csv", index=False)
    for method in ("odds_ratio", "response"):
        options = Options(reference="old", baseline="")
        row = next(
            each for each in analyse(tmp_path / "data.csv", method, options).flat() if each["measure"] == "odds_ratio"
        )
        half = Z * np.sqrt(1 / 9 + 1 / 11 + 1 / 4 + 1 / 14)
        ratio = 9 * 14 / (11 * 4)
        expected = [ratio, ratio * np.exp(-half), ratio * np.exp(half)]
        assert [row[name] for name in ("estimate", "lower", "upper")] == pytest.approx(expected, rel=1e-9)


def test_power_says_it_of_the_true_risk_difference():
    settings = {"estimand.endpoint": "response", "analysis.methods": ["difference", "odds_ratio"]}
    results = power(load(ROOT / "scenarios" / "starter.yaml", settings), replicates=128, nulls=False)
    rows = {(row.question.analysis, row.metric): row.value for row in results.rows}
    truth, half = rows["difference", "truth"], Z * rows["difference", "empirical_se"]
    (note,) = [note for note in results.notes if note.code == "number_needed_to_treat"]
    assert number_needed(truth, truth - half, truth + half) in note.text
    assert rows["odds_ratio", "truth"] > 0


def test_power_says_which_variant_it_is_of():
    settings = {"estimand.endpoint": "response", "analysis.methods": ["difference"]}
    raw = as_raw(load(ROOT / "scenarios" / "starter.yaml", settings))
    raw["variants"] = {"smaller": {"therapies.cbt.max_effect": 3}}
    notes = [
        note.text for note in power(raw, replicates=64, nulls=False).notes if note.code == "number_needed_to_treat"
    ]
    assert ["variant = smaller" in text for text in notes] == [False, True]
