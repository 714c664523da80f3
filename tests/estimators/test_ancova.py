"""ANCOVA: equal to least squares on random data, to R on reference data, and named failures instead of numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kaptrial.estimators.ancova import ancova
from kaptrial.estimators.fit import Failure
from kaptrial.methods.from_file import analyse
from kaptrial.methods.options import Options
from tests import DATA

R = json.loads((DATA / "reference.json").read_text())


def by_least_squares(y, arm, x, weights):
    """Readable reference: one replicate, arm indicators and covariates, by numpy's least squares."""
    seen = np.isfinite(y) & np.isfinite(x).all(axis=1)
    n_arms = len(weights)
    design = np.column_stack([arm[seen] == a for a in range(n_arms)] + [x[seen]]).astype(float)
    beta, _, rank, _ = np.linalg.lstsq(design, y[seen], rcond=None)
    residual = y[seen] - design @ beta
    df = seen.sum() - rank
    contrast = np.concatenate([weights, np.zeros(x.shape[1])])
    variance = residual @ residual / df * contrast @ np.linalg.pinv(design.T @ design) @ contrast
    return contrast @ beta, np.sqrt(variance), df


def test_equals_least_squares_on_random_data():
    rng = np.random.default_rng(1)
    for _ in range(200):
        n, p, n_arms = rng.integers(12, 40), rng.integers(0, 4), rng.integers(2, 5)
        arm = rng.integers(0, n_arms, (3, n))
        arm[:, :n_arms] = np.arange(n_arms)
        x = rng.normal(50, 10, (3, n, p))
        y = rng.normal(20, 5, (3, n)) + x.sum(axis=-1)
        y[rng.random((3, n)) < 0.1] = np.nan
        weights = rng.normal(size=n_arms)
        weights -= weights.mean()
        fit = ancova(y, arm, x, weights)
        for r in range(3):
            if fit.failure[r]:
                continue
            expected = by_least_squares(y[r], arm[r], x[r], weights)
            # Both are exact up to rounding; the covariates lie ten SDs from 0, which costs the reference two digits.
            np.testing.assert_allclose((fit.estimate[r], fit.se[r], fit.df[r]), expected, rtol=1e-8, atol=1e-8)
    assert fit.estimate.shape == (3,)


def row(table, contrast):
    return table[table["contrast"] == contrast].iloc[0]


@pytest.mark.parametrize(
    ("file", "options", "contrast", "day", "expected"),
    [
        (
            "two_arm_monotone.csv",
            {},
            "ketamine_therapy - ketamine",
            56,
            R["two_arm_ancova_day56_completers"],
        ),
        (
            "partially_nested.csv",
            {},
            "ketamine_therapy - ketamine",
            None,
            R["partially_nested"]["ignoring_therapists"],
        ),
    ],
)
def test_golden_ancova_of_r(file, options, contrast, day, expected):
    actual = row(analyse(DATA / file, "ancova", Options(target_day=day, **options)).to_frame(), contrast)
    for ours, theirs in (("estimate", "estimate"), ("se", "se"), ("df", "df"), ("statistic", "t"), ("p", "p")):
        # R printed ten digits.
        assert actual[ours] == pytest.approx(expected[theirs], rel=1e-8)


@pytest.mark.parametrize("term", ["ketamine", "therapy", "ketamine:therapy"])
def test_golden_factorial_of_r(tmp_path, term):
    lines = (DATA / "abstinent_days.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    text = "patient,ketamine,therapy,score\n" + "\n".join(
        f"{i},{k},{t},{100 * int(d) / int(n)!r}" for i, k, t, d, n in rows
    )
    (tmp_path / "percent.csv").write_text(text)
    options = Options(factors=("ketamine", "therapy"))
    actual = row(analyse(tmp_path / "percent.csv", "difference", options).to_frame(), term)
    expected = R["abstinent_days"]["percent_linear_interaction"][term]
    for ours, theirs in (("estimate", "estimate"), ("se", "se"), ("df", "df"), ("p", "p")):
        assert actual[ours] == pytest.approx(expected[theirs], rel=1e-8)


def test_a_saturated_model_is_the_difference_in_means():
    y = np.array([[1.0, 2.0, 4.0, 8.0, np.nan]])
    arm = np.array([[0, 0, 1, 1, 1]])
    fit = ancova(y, arm, np.empty((1, 5, 0)), [-1.0, 1.0])
    assert fit.estimate[0] == pytest.approx(4.5)
    assert fit.df[0] == 2
    assert fit.se[0] == pytest.approx(np.sqrt((0.5 + 8.0) / 2 * (1 / 2 + 1 / 2)))


def test_a_redundant_covariate_is_dropped_as_in_r():
    rng = np.random.default_rng(2)
    arm = np.tile([0, 1], 15)[None, :]
    x = rng.normal(size=(1, 30, 1))
    y = rng.normal(size=(1, 30))
    one = ancova(y, arm, x, [-1.0, 1.0])
    two = ancova(y, arm, np.concatenate([x, 2 * x + 1, np.ones_like(x)], axis=-1), [-1.0, 1.0])
    np.testing.assert_allclose((two.estimate, two.se, two.df), (one.estimate, one.se, one.df), rtol=1e-9)


@pytest.mark.parametrize(
    ("y", "arm", "x", "failure"),
    [
        ([1.0, 2.0, np.nan], [0, 0, 1], None, Failure.TOO_FEW_PATIENTS),
        ([1.0, 2.0], [0, 1], None, Failure.TOO_FEW_PATIENTS),
        ([3.0, 3.0, 3.0, 3.0], [0, 0, 1, 1], None, Failure.NO_RESIDUAL_VARIANCE),
        ([1.0, 2.0, 4.0, 3.0], [0, 0, 1, 1], [5.0, 5.0, 7.0, 7.0], Failure.CONFOUNDED_COVARIATE),
    ],
)
def test_failures_are_named_and_give_no_number(y, arm, x, failure):
    columns = np.empty((1, len(y), 0)) if x is None else np.array(x)[None, :, None]
    fit = ancova(np.array([y]), np.array([arm]), columns, [-1.0, 1.0])
    assert fit.failure[0] == failure
    assert np.isnan([fit.estimate[0], fit.se[0], fit.df[0]]).all()
