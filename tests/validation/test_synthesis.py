"""What the shipped synthesis says of evidence that it was not fitted to: the numbers of docs/synthesis.md."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import kaptrial as kt
from kaptrial.catalogue import trial
from kaptrial.evidence import replication
from kaptrial.evidence.prediction import predict
from kaptrial.evidence.published_arm import Baseline, arm_scenario, new_trial_effects, scores_by_block
from kaptrial.evidence.replication import resized
from kaptrial.evidence.shipped_priors import PRIOR
from kaptrial.evidence.synthesis.arms import courses
from kaptrial.evidence.synthesis.layout import targets
from kaptrial.evidence.synthesis.shipped import prior_draws
from kaptrial.evidence.terminal import pareto_k, with_interval
from tests import ROOT
from tests.builders import published_trial, trial_figure

pytestmark = pytest.mark.validation

HELD_OUT = ("murrough2013b", "albott2018", "lii2023", "correiamelo2020")
SERIES = [0, 2, 4, 7, 9, 11]
PAGE = (ROOT / "docs" / "synthesis.md").read_text(encoding="utf-8")


def rows_under(header):
    lines = PAGE.splitlines()
    rows = []
    for line in lines[lines.index(header) + 2 :]:
        if not line.startswith("| "):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


@pytest.fixture(scope="module")
def draws():
    return resized(prior_draws(PRIOR), 2000, 5)


def never_fitted(prior):
    """Replicas under a prior, without the two-hour figure of murrough2013b, at which the onset of belief was chosen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replication, "PRIOR", prior)
        table = replication.replicate([trial(key) for key in HELD_OUT], seed=1)
    return table[~((table["trial"] == "murrough2013b") & (table["day"] < 1))]


def scores_of(table):
    beside = table.dropna(subset="crps_rival")
    drug = beside[beside["statistic"].isin(["response", "remission"]) & (beside["arm"] != "saline")]
    widths = table.loc[~table["statistic"].str.contains("days_to"), "width_90"]
    return {
        "CRPS": table["crps"].mean(),
        "CRPS beside the rival": beside["crps"].mean(),
        "the rival's": beside["crps_rival"].mean(),
        "drug-arm shares": drug["crps"].mean(),
        "the rival's of those": drug["crps_rival"].mean(),
        "share in 90 %": table["inside_90"].mean(),
        "share in 50 %": table["inside_50"].mean(),
        "width of 90 %": widths.mean(),
    }


def test_trials_never_fitted_are_predicted_as_documented():
    rows = rows_under("| 14 figures never fitted | 2026 | 2026b |")
    for column, prior in ((1, "depression_iv_2026"), (2, PRIOR)):
        table = never_fitted(prior)
        assert len(table) == 14
        found = scores_of(table)
        assert {row[0]: float(row[column]) for row in rows} == pytest.approx(found, abs=6e-4)
    assert found["CRPS"] <= 0.9 * 0.138
    assert found["drug-arm shares"] <= found["the rival's of those"]
    assert found["share in 90 %"] >= 0.8
    assert found["width of 90 %"] <= 0.55


def pool(folder, control, k, n, figure, days=(0,), **changes):
    """A pooled analysis of k trials of ketamine against a control, n patients in each arm of all together."""
    arms = [
        {"id": "ketamine", "n": n, "doses": [{"agent": "ketamine", "mg_per_kg": 0.5, "days": list(days)}]},
        {"id": control, "n": n, "doses": [{"agent": control, "days": list(days)}]},
    ]
    return published_trial(folder, pooled=k, arms=arms, figures=[figure], **changes)


def in_ptsd(folder, value, k, n, day, days):
    figure = trial_figure("standardised_benefit", value, arm="ketamine - midazolam", day=day)
    figure["measure"]["endpoint"] = "CAPS-5"
    baselines = {"CAPS-5": {"mean": 42, "sd": 8, "source": "assumption"}}
    return pool(folder, "midazolam", k, n, figure, days, indication="PTSD", baselines=baselines)


def pooled_figures(folder):
    """Of pooled analyses that are not fitted: a name, and the trial that has the one figure.

    Cochrane 2021 (296 patients against midazolam, 231 against placebo); specialk2024 (6 trials of PTSD, 221 patients;
    against active controls at 24 h half as many, an assumption).
    """
    response = trial_figure("response", 25.9, arm="midazolam", day=1)
    smd = {
        control: trial_figure("standardised_difference", value, arm=f"ketamine - {control}", day=1)
        for control, value in (("midazolam", 0.49), ("saline", 0.87))
    }
    yield "response to midazolam at 24 h", pool(folder, "midazolam", 4, 148, response)
    yield "SMD of scores against midazolam at 24 h", pool(folder, "midazolam", 4, 148, smd["midazolam"])
    yield "SMD of scores against placebo at 24 h", pool(folder, "saline", 8, 115, smd["saline"])
    yield "g in PTSD against midazolam at 24 h", in_ptsd(folder, 0.24, 3, 55, 1, (0,))
    yield "g in PTSD after six infusions", in_ptsd(folder, 0.27, 6, 110, 14, SERIES)


def test_pooled_analyses_lie_where_documented(tmp_path, draws):
    documented = {row[0]: row[1:] for row in rows_under("| pooled analysis | reported | predicted | inside |")}
    for name, study in pooled_figures(tmp_path):
        (each,) = predict(study, targets(study), draws, seed=2)
        low, middle, high = np.quantile(each.simulated, [0.05, 0.5, 0.95])
        reported, predicted, inside = documented.pop(name)
        assert float(reported) == pytest.approx(each.target.value, abs=1e-3)
        assert predicted == f"{middle:.2f} ({low:.2f} to {high:.2f})"
        assert inside == ("yes" if low <= each.target.value <= high else "no"), name
    assert not documented


def test_responders_in_remission_are_as_documented(draws):
    """Of every trial that reports both: KARMA-Dep 2, and Phillips, whose remission a document claims."""
    documented = {
        row[0]: row[1:] for row in rows_under("| responders in remission | reported | predicted | within .1 |")
    }
    for name, key, arm, day in (
        ("KARMA-Dep 2, ketamine", "karmadep2_2025", "ketamine", 25),
        ("KARMA-Dep 2, midazolam", "karmadep2_2025", "midazolam", 25),
        ("Phillips 2019, six infusions", "phillips2019", "series", 12),
    ):
        own = [t for t in targets(trial(key)) if t.arms == (arm,) and t.days == (day,)]
        each = {p.target.statistic: p for p in predict(trial(key), own, draws, seed=2)}
        response, remission = each["response"], each["remission"]
        some = response.values > 0
        low, middle, high = np.quantile(remission.values[some] / response.values[some], [0.05, 0.5, 0.95])
        reported, predicted, within = documented.pop(name)
        share = remission.target.value / response.target.value
        assert float(reported) == pytest.approx(share, abs=6e-3)
        assert predicted == f"{middle:.2f} ({low:.2f} to {high:.2f})"
        assert within == ("yes" if abs(middle - share) <= 0.1 else "no"), name
    assert not documented


def test_other_evidence_gives_what_is_documented():
    documented = rows_under("| evidence | 24 h, ketamine | 24 h, midazolam | PTSD, g | k |")
    found = [
        [
            str(row["reading"]),
            *(with_interval(row, figure) for figure in ("ketamine", "midazolam", "ptsd")),
            pareto_k(row),
        ]
        for row in kt.evidence.sensitivity(seed=1).flat()
    ]
    assert documented == found


def test_spread_within_arms(tmp_path, draws):
    """Of MADRS 32 (SD 5): day-0 SD as reported, SD of the 24-h change 9 to 11 after one infusion."""
    one = published_trial(tmp_path, figures=[trial_figure("mean_change", -1, arm="ketamine", day=1)])
    effects = new_trial_effects(draws, np.random.default_rng(0), elsewhere=False)
    baseline = Baseline(endpoint="MADRS", mean=32.0, sd=5.0)
    arm = arm_scenario(courses(one)["ketamine"], draws, effects, baseline, days=(1.0,), n=400)
    y = np.concatenate([b["arm"] for b in scores_by_block({"arm": arm}, seed=[1], replicates=2000)])
    assert np.median(y[..., 0].std(axis=1, ddof=1)) == pytest.approx(5.0, rel=0.1)
    assert 9 <= np.median((y[..., 1] - y[..., 0]).std(axis=1, ddof=1)) <= 11


def test_baselines_have_the_reported_sd(draws):
    """Of every trial that reports one."""
    pairs = []
    for key in ("correiamelo2020", "feder2025_wet", "topel2025", "diazgranados2010", "bmcpsych2024"):
        study = trial(key)
        for endpoint, own in study.baselines.items():
            if own["source"] == "assumption":
                continue
            effects = new_trial_effects(draws, np.random.default_rng(0), elsewhere=False)
            course = next(iter(courses(study).values()))
            baseline = Baseline(endpoint=endpoint, mean=own["mean"], sd=own["sd"])
            arm = arm_scenario(course, draws, effects, baseline, days=(1.0,), n=200)
            y = next(scores_by_block({"arm": arm}, seed=[3], replicates=400))["arm"][..., 0]
            pairs.append({"trial": key, "reported": own["sd"], "simulated": np.median(y.std(axis=1, ddof=1))})
    table = pd.DataFrame(pairs)
    assert len(table) >= 3
    ratio = table["simulated"] / table["reported"]
    assert ratio.between(0.9, 1.1).all(), table.assign(ratio=ratio).to_string()
