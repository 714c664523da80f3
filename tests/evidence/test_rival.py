"""The rival: DerSimonian–Laird against a published example, its prediction against quadrature, whom it learns from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import expit, logit

from kaptrial.catalogue import trial
from kaptrial.evidence.meta_analysis import predicted, random_effects
from kaptrial.evidence.replication import RIVAL_COLUMNS, against_rival, replicate
from kaptrial.evidence.rival import reported, rival
from kaptrial.evidence.scoring import crps
from kaptrial.evidence.terminal import rival_line

# Thirteen trials of BCG (Colditz et al. 1994): cases and others, vaccinated and not.
BCG = np.array([
    (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761),
    (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232), (17, 1699, 65, 1600),
    (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825),
])  # fmt: skip


def log_risk_ratios():
    a, b, c, d = BCG.T
    return np.log(a / (a + b)) - np.log(c / (c + d)), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)


def test_random_effects_of_the_bcg_trials():
    """The values that the R package metafor prints for `rma(method = "DL")` of these trials."""
    fitted = random_effects(*log_risk_ratios())
    assert (fitted.mean, fitted.se) == pytest.approx((-0.7141, 0.1787), abs=5e-5)
    assert (fitted.between, fitted.trials) == (pytest.approx(0.3088, abs=5e-5), 13)


def test_equal_variances_have_a_closed_form():
    y = np.array([0.3, -1.0, 2.2, 0.7])
    fitted = random_effects(y, np.full(4, 0.2))
    assert fitted.between == pytest.approx(np.var(y, ddof=1) - 0.2)
    assert (fitted.mean, fitted.se) == pytest.approx((y.mean(), np.std(y, ddof=1) / 2))
    alike = random_effects(np.full(4, 1.5), np.array([0.1, 0.2, 0.3, 0.4]))
    assert (alike.mean, alike.between) == (pytest.approx(1.5), 0)


def test_predictive_interval_is_that_of_higgins():
    fitted = random_effects(*log_risk_ratios())
    half = stats.t.ppf(0.975, 11) * np.sqrt(0.3088 + 0.1787**2)
    assert predicted(fitted, np.array([0.025, 0.975])) == pytest.approx([-0.7141 - half, -0.7141 + half], abs=1e-3)
    wider = predicted(fitted, np.array([0.975]), sampling=0.1, pooled=4)[0] - fitted.mean
    assert wider == pytest.approx(stats.t.ppf(0.975, 11) * np.sqrt(0.3088 / 4 + 0.1787**2 + 0.1), abs=1e-3)


def crps_by_quadrature(cdf, y, low, high):
    below = integrate.quad(lambda x: cdf(x) ** 2, low, y, limit=500)[0]
    return below + integrate.quad(lambda x: (1 - cdf(x)) ** 2, y, high, limit=500)[0]


def find(key, statistic, arm, day):
    return next(
        (study, t)
        for study, t in reported()
        if (t.trial, t.statistic, t.arms, t.days[-1]) == (key, statistic, (arm,), day)
    )


def by_hand(y, v, sampling):
    """Mean and SD of the prediction by the plain formulas."""
    w = 1 / v
    q = np.sum(w * (y - np.sum(w * y) / np.sum(w)) ** 2)
    tau2 = max(0, (q - len(y) + 1) / (np.sum(w) - np.sum(w**2) / np.sum(w)))
    w = 1 / (v + tau2)
    mean = np.sum(w * y) / np.sum(w)
    return mean, np.sqrt(tau2 + 1 / np.sum(w) + sampling(mean))


def test_crps_of_a_share_against_quadrature():
    """Remission in karmadep2_2025 from the four other trials that report it, written out by hand."""
    study, target = find("karmadep2_2025", "remission", "ketamine", 25)
    n = np.array([1247, 93, 41, 16])  # hull2022_mindbloom, ketect2022, phillips2019, wilkinson2017
    p = np.array([0.326, 0.46, 0.23, 0.438])
    mean, sd = by_hand(logit(p), 1 / (n * p * (1 - p)), lambda m: 1 / (32 * expit(m) * expit(-m)))
    found = rival(study, target)
    assert found.trials == ("hull2022_mindbloom", "ketect2022", "phillips2019", "wilkinson2017")
    levels = np.array([0.05025, 0.50025, 0.94975])
    expected = expit(mean + sd * stats.t.ppf(levels, 2))
    assert found.quantiles[[100, 1000, 1899]] == pytest.approx(expected, rel=1e-6)
    exact = crps_by_quadrature(lambda x: stats.t.cdf((logit(x) - mean) / sd, 2), target.value, 0, 1)
    assert crps(found.quantiles, target.value) == pytest.approx(exact, rel=2e-4)


def test_crps_of_a_change_against_quadrature():
    """Three trials: a t with one degree of freedom, whose tails the evenly spaced quantiles cut off at little cost."""
    study, target = find("albott2018", "mean_change", "ketamine", 12)
    found = rival(study, target, [(s, t) for s, t in reported() if s.key != "domany2019"])
    assert len(found.trials) == 3
    spread = (found.quantiles[1500] - found.quantiles[500]) / 2 / stats.t.ppf(0.75025, 1)
    middle = (found.quantiles[999] + found.quantiles[1000]) / 2
    exact = crps_by_quadrature(lambda x: stats.t.cdf((x - middle) / spread, 1), target.value, -np.inf, np.inf)
    assert crps(found.quantiles, target.value) == pytest.approx(exact, rel=2e-3)


def test_a_mean_is_the_baseline_plus_a_change_and_free_of_relapse_is_not_relapsed():
    study, target = find("murrough2013a", "mean_change", "ketamine", 1)
    as_mean = replace(target, statistic="mean", value=target.mean_baseline + target.value)
    change, mean = rival(study, target).quantiles, rival(study, as_mean).quantiles
    np.testing.assert_allclose(mean, target.mean_baseline + change)
    study, target = find("ketect2022", "relapsed", "ketamine", 391)
    free = rival(study, replace(target, statistic="relapse_free", value=1 - target.value)).quantiles
    np.testing.assert_allclose(free, 1 - rival(study, target).quantiles[::-1], atol=1e-12)


def test_the_rival_never_knows_the_trial_it_predicts():
    """… nor a pooled analysis of its patients: with absurd figures of those, its predictions stay as they are."""
    seen = 0
    for key in ("murrough2013a", "wilkinson2019_ipd", "transform_pool_2021", "albott2018"):
        own = {key, *trial(key).contains} | {s.key for s, _ in reported() if key in s.contains}
        absurd = [(s, replace(t, value=0.999, se=1e-3, sd=1e-3) if s.key in own else t) for s, t in reported()]
        for study, target in reported():
            if study.key == key and (found := rival(study, target)) is not None:
                np.testing.assert_array_equal(found.quantiles, rival(study, target, absurd).quantiles)
                assert not own & set(found.trials)
                seen += 1
    assert seen >= 8


def test_fewer_than_three_other_trials_make_no_rival():
    study, target = find("karmadep2_2025", "remission", "ketamine", 25)
    alike = rival(study, target).trials
    for kept, there in ((alike[:2], False), (alike[:3], True)):
        found = rival(study, target, [(s, t) for s, t in reported() if s.key in kept])
        assert (found is not None) == there
    study, target = find("karmadep2_2025", "remission", "midazolam", 25)
    assert rival(study, target) is None


def test_a_trial_counts_once_and_a_pooled_analysis_stands_aside_for_its_trials():
    for study, target in reported():
        found = rival(study, target)
        if found is not None:
            assert len(set(found.trials)) == len(found.trials) >= 3
            assert not {inner for key in found.trials for inner in trial(key).contains} & set(found.trials)
            assert (np.diff(found.quantiles) >= 0).all()
            assert np.isfinite(found.quantiles).all()


def test_what_a_trial_leaves_unsaid_of_its_spread_is_the_mean_of_the_others():
    study, target = find("phillips2019", "mean_change", "single", 1)
    assert target.se is None
    assert target.sd is None
    levels = np.array([0.05025, 0.94975])
    trials = rival(study, target).trials
    others = {}
    for s, t in reported():
        change = t.statistic in ("mean", "mean_change") and t.days[-1] < 2.5 and "midazolam" not in t.arms
        if change and s.key in trials:
            assert t.sd is not None
            improved = t.value - t.mean_baseline * (t.statistic == "mean")
            others.setdefault(s.key, []).append((improved / t.mean_baseline, (t.sd / t.mean_baseline) ** 2, t.n[0]))
    percent = next(t for s, t in reported() if s.key == "glue2018_maint")
    unit_variance = np.mean([entry[1] for entries in others.values() for entry in entries])
    others["glue2018_maint"] = [(percent.value / 100, unit_variance, percent.n[0])]
    y = np.array([np.mean([e[0] for e in entries]) for entries in others.values()])
    v = np.array([np.mean([e[1] / e[2] for e in entries]) for entries in others.values()])
    mean, sd = by_hand(y, v, lambda _: unit_variance / target.n[0])
    expected = target.mean_baseline * (mean + sd * stats.t.ppf(levels, len(y) - 2))
    assert rival(study, target).quantiles[[100, 1899]] == pytest.approx(expected, rel=1e-6)


@pytest.fixture(scope="module")
def table():
    return replicate([trial("phillips2019")], seed=1, replicates=100)


def test_the_rival_stands_beside_every_figure(table):
    assert set(RIVAL_COLUMNS) <= set(table.columns)
    has = table["rival_trials"] > 0
    assert has.any()
    assert not has.all()
    assert table.loc[~has, "crps_rival"].isna().all()
    assert (table.loc[has, "rival_q05"] < table.loc[has, "rival_q95"]).all()
    row = table[table["statistic"] == "remission"].iloc[0]
    study, target = find("phillips2019", "remission", "series", 12)
    quantiles = rival(study, target).quantiles
    assert row["crps_rival"] == crps(quantiles, target.value)
    assert row["rival_inside_90"] == (row["rival_q05"] <= target.value <= row["rival_q95"])


def test_the_line_counts_who_is_nearer(table):
    both = table[table["rival_trials"] > 0]
    of = against_rival(table)
    assert of["model_wins"] == (both["crps"] < both["crps_rival"]).sum()
    assert of["model_wins"] + of["rival_wins"] == of["rival_figures"] == len(both)
    line = rival_line(table)
    assert f"on {len(both)} of {len(table)} figures" in line
    assert f"means {both['crps'].mean():.3f} and {both['crps_rival'].mean():.3f}" in line
    assert "none, fewer than 3" in rival_line(table[table["rival_trials"] == 0])
