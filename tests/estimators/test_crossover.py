"""Crossover trials: R's answers, the classical t tests, dense algebra where periods are missing."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kaptrial.estimators.crossover import carryover, crossover
from kaptrial.estimators.fit import Failure
from tests import DATA
from tests.estimators.mixed_reference import peaks

R = json.loads((DATA / "reference.json").read_text())["crossover"]
TWO = [-1.0, 1.0]


@pytest.fixture(scope="module")
def reference_trial():
    """y, treatment (ketamine = 1) and sequence (KP = 1) of the reference data."""
    d = pd.read_csv(DATA / "crossover.csv")
    d["ketamine"] = (d["treatment"] == "ketamine").astype(int)
    wide = d.pivot(index="patient", columns="period", values=["score", "ketamine"])
    treatment = wide["ketamine"].to_numpy(dtype=np.int64)
    return wide["score"].to_numpy()[None], treatment[None], treatment[None, :, 0]


def test_golden_treatment_effect(reference_trial):
    y, treatment, _ = reference_trial
    fit = crossover(y, treatment, TWO)
    r = R["treatment"]
    # R printed ten digits; in a complete 2×2 the answer does not depend on where the optimiser stopped.
    assert fit.estimate[0] == pytest.approx(r["estimate"], rel=1e-8)
    assert fit.se[0] == pytest.approx(r["se"], rel=1e-8)
    assert fit.df[0] == pytest.approx(r["df"], rel=1e-8)
    assert fit.p[0] == pytest.approx(r["p"], rel=1e-8)


def test_golden_carryover(reference_trial):
    y, _, sequence = reference_trial
    fit = carryover(y, sequence)
    r = R["carryover_test_on_totals"]
    # R's t test is of KP − PK or the reverse, by alphabet: KP comes first. Ten digits printed.
    assert fit.statistic[0] == pytest.approx(r["t"], rel=1e-8)
    assert fit.df[0] == r["df"]
    assert fit.p[0] == pytest.approx(r["p"], rel=1e-8)


def random_trial(rng, n_patients, patient_sd=6.0, missing=0.0):
    """A two-period trial: y and treatment of (patient, period), and the sequence."""
    sequence = np.arange(n_patients) % 2
    treatment = np.column_stack([1 - sequence, sequence])
    y = 20.0 + rng.normal(0.0, patient_sd, (n_patients, 1)) + rng.normal(0.0, 3.0, (n_patients, 2))
    y += -4.0 * treatment + [0.0, 1.5]
    y[rng.random(y.shape) < missing] = np.nan
    return y, treatment, sequence


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_a_complete_two_by_two_is_the_t_test_within_patients(df):
    rng = np.random.default_rng(1)
    for n in (4, 7, 12, 31):
        y, treatment, sequence = random_trial(rng, n)
        fit = crossover(y[None], treatment[None], TWO, df=df)
        half = (y[:, 1] - y[:, 0]) / 2.0  # sequence 1 had treatment 1 second: half its difference is + effect / 2
        expected = stats.ttest_ind(half[sequence == 1], half[sequence == 0])
        assert fit.failure[0] == Failure.NONE
        # The same quantity by another route: only rounding is between them, and the variances' convergence (1e-10).
        assert fit.estimate[0] == pytest.approx(half[sequence == 1].mean() - half[sequence == 0].mean(), rel=1e-10)
        assert fit.statistic[0] == pytest.approx(expected.statistic, rel=1e-8)
        assert fit.df[0] == pytest.approx(n - 2, rel=1e-8)
        assert fit.p[0] == pytest.approx(expected.pvalue, rel=1e-7)


def test_patients_who_differ_less_than_their_periods_leave_least_squares():
    rng = np.random.default_rng(2)
    y, treatment, _ = random_trial(rng, 12)
    y[:, 1] = 40.0 - y[:, 0] + rng.normal(0.0, 0.5, 12)  # negative correlation: no variance between patients
    fit = crossover(y[None], treatment[None], TWO, df="satterthwaite")
    design = np.column_stack([np.ones(24), np.tile([0.0, 1.0], 12), treatment.ravel()])
    beta, rss, _, _ = np.linalg.lstsq(design, y.ravel(), rcond=None)
    assert fit.estimate[0] == pytest.approx(beta[2], rel=1e-10)  # rounding only
    assert fit.se[0] == pytest.approx(np.sqrt(rss[0] / 21 * np.linalg.inv(design.T @ design)[2, 2]), rel=1e-10)
    assert fit.df[0] == pytest.approx(21, rel=1e-10)


def dense(y, treatment, weights):
    """The highest peak of the dense reference."""
    n_patients, n_periods = y.shape
    seen = np.isfinite(y).ravel()
    patient = np.repeat(np.arange(n_patients), n_periods)[seen]
    period = np.tile(np.arange(n_periods), n_patients)[seen]
    given = treatment.ravel()[seen]
    columns = [given == a for a in range(len(weights))] + [period == j for j in range(1, n_periods)]
    design = np.column_stack(columns).astype(float)
    g = np.array([patient[:, None] == patient, np.eye(seen.sum())], dtype=float)
    contrast = np.concatenate([weights, np.zeros(n_periods - 1)])
    outcome = y.ravel()[seen]
    return peaks(outcome, design, contrast, g, np.array([True, False]), np.full(2, np.var(outcome)))[0]


def three_periods(rng, n_patients):
    """Three treatments in a Latin square, some scores missing."""
    y = 20.0 + rng.normal(0.0, 4.0, (n_patients, 1)) + rng.normal(0.0, 3.0, (n_patients, 3))
    treatment = (np.arange(n_patients)[:, None] + np.arange(3)) % 3
    y[rng.random(y.shape) < 0.15] = np.nan
    return y - 3.0 * treatment, treatment


@pytest.mark.parametrize("n_periods", [2, 3])
def test_incomplete_patients_equal_dense_algebra(n_periods):
    rng = np.random.default_rng(3)
    at_zero = 0
    for _ in range(25):
        if n_periods == 2:
            y, treatment, _ = random_trial(rng, int(rng.integers(10, 25)), rng.choice([0.5, 6.0]), missing=0.2)
            weights = TWO
        else:
            y, treatment = three_periods(rng, int(rng.integers(9, 18)))
            weights = [-1.0, 0.3, 0.7]
        expected = dense(y, treatment, weights)
        at_zero += not expected.free.all()
        # Variances are found to 1e-10; the rest is rounding.
        fit = crossover(y[None], treatment[None], weights, df="kenward-roger")
        np.testing.assert_allclose(fit.estimate[0], expected.estimate, rtol=1e-8)
        np.testing.assert_allclose(fit.se[0], expected.se_kenward_roger, rtol=1e-8)
        np.testing.assert_allclose(fit.df[0], expected.df_kenward_roger, rtol=1e-7)
        fit = crossover(y[None], treatment[None], weights, df="satterthwaite")
        np.testing.assert_allclose(fit.se[0], expected.se, rtol=1e-8)
        np.testing.assert_allclose(fit.df[0], expected.df, rtol=1e-7)
    assert n_periods == 3 or at_zero > 0


def test_the_treatment_of_a_score_not_seen_does_not_matter():
    rng = np.random.default_rng(4)
    y, treatment, _ = random_trial(rng, 14, missing=0.2)
    other = np.where(np.isnan(y), 99, treatment)
    one, two = (crossover(y[None], given[None], TWO) for given in (treatment, other))
    assert one.failure[0] == Failure.NONE
    assert (one.estimate[0], one.se[0], one.df[0]) == (two.estimate[0], two.se[0], two.df[0])


def test_first_periods_only_are_two_independent_samples():
    rng = np.random.default_rng(5)
    y, treatment, _ = random_trial(rng, 17, missing=0.1)
    fit = crossover(y[None], treatment[None], TWO, first_period_only=True)
    seen = np.isfinite(y[:, 0])
    first, given = y[seen, 0], treatment[seen, 0]
    expected = stats.ttest_ind(first[given == 1], first[given == 0])
    assert fit.statistic[0] == pytest.approx(expected.statistic, rel=1e-10)  # rounding only
    assert fit.df[0] == expected.df
    assert fit.p[0] == pytest.approx(expected.pvalue, rel=1e-9)


def test_carryover_leaves_incomplete_patients_out():
    rng = np.random.default_rng(6)
    y, _, sequence = random_trial(rng, 20, missing=0.15)
    fit = carryover(y[None], sequence[None])
    totals = y.sum(axis=1)
    seen = np.isfinite(totals)
    assert 4 < seen.sum() < 20
    expected = stats.ttest_ind(totals[seen & (sequence == 1)], totals[seen & (sequence == 0)])
    assert fit.statistic[0] == pytest.approx(expected.statistic, rel=1e-10)  # rounding only
    assert fit.df[0] == expected.df


def test_treatments_given_in_one_order_only_are_confounded_with_periods():
    rng = np.random.default_rng(7)
    y = rng.normal(size=(1, 10, 2))
    treatment = np.broadcast_to(np.array([0, 1]), y.shape)
    fit = crossover(y, treatment, TWO)
    assert fit.failure[0] == Failure.CONFOUNDED_COVARIATE
    assert np.isnan([fit.estimate[0], fit.se[0], fit.df[0]]).all()


def test_a_number_or_a_named_failure_whatever_comes():
    rng = np.random.default_rng(8)
    n_fitted = 0
    for _ in range(600):
        n, n_periods, n_treatments = int(rng.integers(1, 9)), int(rng.integers(1, 4)), int(rng.integers(2, 4))
        y = rng.normal(size=(1, n, n_periods)) + 2.0 * rng.normal(size=(1, n, 1))
        treatment = rng.integers(0, n_treatments, y.shape)
        match rng.choice(["normal", "constant", "by patient", "by treatment", "missing", "all missing", "one order"]):
            case "constant":
                y[:] = 5.0
            case "by patient":
                y = np.broadcast_to(np.arange(n, dtype=float)[None, :, None], y.shape).copy()
            case "by treatment":
                y = treatment.astype(float)
            case "missing":
                y[rng.random(y.shape) < 0.4] = np.nan
            case "all missing":
                y[:] = np.nan
            case "one order":
                treatment = np.broadcast_to(np.arange(n_periods) % n_treatments, y.shape)
        y = y * rng.choice([1e-6, 1.0, 1e6])
        weights = TWO if n_treatments == 2 else [-1.0, 0.5, 0.5]
        fit = crossover(
            y, treatment, weights, df=rng.choice(["satterthwaite", "kenward-roger"]),
            first_period_only=bool(rng.random() < 0.2),
        )  # fmt: skip
        numbers = [fit.estimate[0], fit.se[0], fit.df[0]]
        if fit.failure[0]:
            assert fit.failure[0] in list(Failure)
            assert np.isnan(numbers).all()
        else:
            n_fitted += 1
            assert np.isfinite(numbers).all()
            assert fit.se[0] > 0.0
            assert fit.df[0] > 0.0
    assert n_fitted > 100  # so that the fits above were not all failures
