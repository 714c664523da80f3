"""MMRM: against R, a dense likelihood, the closed form in NumPy, and itself where two ways must agree."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kaptrial.estimators.ancova import ancova
from kaptrial.estimators.fit import Failure
from kaptrial.estimators.mmrm import STRUCTURES, MmrmPlan, mmrm
from kaptrial.simulation.trials import read_csv
from tests import DATA
from tests.estimators.mmrm_numpy import closed_form
from tests.estimators.mmrm_reference import reml, stack

R = json.loads((DATA / "reference.json").read_text())


def trials(rng, replicates, n, n_visits, *, n_arms=2, p=1, gaps=0.0, dropout=0.1):
    """Correlated scores of random trials with dropout for good and, if asked, gaps; arms in turn."""
    arm = np.tile(np.arange(n) % n_arms, (replicates, 1))
    x = rng.normal(30, 6, (replicates, n, p))
    walk = np.cumsum(rng.normal(0, 5, (replicates, n, n_visits)), axis=-1)
    y = 20 + walk + rng.normal(0, 4, walk.shape) - arm[..., None] + 0.3 * x.sum(axis=-1, keepdims=True)
    leaves = rng.geometric(dropout, (replicates, n)) if dropout else np.full((replicates, n), n_visits)
    y[np.arange(n_visits) >= leaves[..., None]] = np.nan
    y[rng.random(y.shape) < gaps] = np.nan
    return y, arm, x


def none(y):
    return np.empty((*y.shape[:2], 0))


# --- against R --------------------------------------------------------------------------------------------------------

TWO_ARMS = read_csv(DATA / "two_arm_monotone.csv")
FACTORIAL = read_csv(DATA / "factorial_intermittent.csv", factors=("ketamine", "therapy"), covariates=("site",))


def agrees(fit, k, expected):
    """R mmrm's optimiser leaves about 1e-5 relative in standard errors and up to 5e-5 of one in estimates."""
    assert abs(fit.estimate[0, k] - expected["estimate"]) < 1e-4 * expected["se"]
    assert fit.se[0, k] == pytest.approx(expected["se"], rel=1e-4)
    assert fit.df[0, k] == pytest.approx(expected["df"], rel=1e-3)


@pytest.mark.parametrize("name", list(R["two_arm_mmrm"]))
@pytest.mark.parametrize("components", [False, True])
def test_golden_two_arms(name, components):
    structure, df = name.split("_", 1)
    t, expected = TWO_ARMS, R["two_arm_mmrm"][name]
    fit = mmrm(
        t.score, t.arm, t.baseline[..., None], none(t.score), [[-1, 1]] * 4, np.eye(4),
        MmrmPlan(structures=[structure], df=df.replace("_", "-"), components=components),
    )  # fmt: skip
    for k, day in enumerate(expected["by_day"].values()):
        agrees(fit, k, day)
    if components:
        assert fit.loglik[0] > expected["reml_loglik"] - 1e-6  # ours is the better optimum
        assert fit.loglik[0] == pytest.approx(expected["reml_loglik"], abs=1e-5)
        scale = np.sqrt(np.outer(*[np.diag(fit.covariance[0])] * 2))
        np.testing.assert_allclose(fit.covariance[0] / scale, np.array(expected["covariance"]) / scale, atol=1e-4)


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_golden_factorial_with_gaps(df):
    t, expected = FACTORIAL, R["factorial_mmrm"][df.replace("-", "_")]
    site = t.covariates["site"]
    main = np.stack([site.values == level for level in range(1, len(site.levels))], axis=-1).astype(float)
    terms = [[-1, 0, 1, 0], [-1, 1, 0, 0], [1, -1, -1, 1]]
    fit = mmrm(t.score, t.arm, t.baseline[..., None], main, terms * 5, np.repeat(np.eye(5), 3, axis=0), MmrmPlan(df=df))
    for k, term in enumerate(expected["terms"].values()):
        agrees(fit, k, term)
    assert fit.loglik[0] > expected["reml_loglik"] - 1e-6


# --- against plain algebra --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("structure", list(STRUCTURES))
@pytest.mark.parametrize("constrained", [False, True])
def test_equals_the_dense_likelihood(structure, constrained):
    rng = np.random.default_rng(list(STRUCTURES).index(structure) + 10 * constrained)
    compared = 0
    for _ in range(5):
        n_visits = int(rng.integers(2, 4))
        y, arm, x = trials(rng, 1, 24, n_visits, p=1, gaps=0.1)
        crossed, main = (none(y), x) if constrained else (x, rng.normal(size=(1, 24, 1)))
        arm_weights, visit_weights = [[-1, 1]] * 2, [np.eye(n_visits)[-1], np.full(n_visits, 1 / n_visits)]
        options = {"structures": [structure], "constrained_baseline": constrained}
        plans = [MmrmPlan(df=df, components=True, **options) for df in ("satterthwaite", "kenward-roger")]
        fits = [mmrm(y, arm, crossed, main, arm_weights, visit_weights, plan) for plan in plans]
        expected = reml(
            stack(y[0], arm[0], crossed[0], main[0], arm_weights, visit_weights, constrained), structure, 9.0
        )
        if expected is None or fits[0].failure[0]:
            continue
        compared += 1
        # The reference's optimum is good to 1e-9 SE of its parameters, ours to 1e-7, our Hessian to 3e-5.
        np.testing.assert_allclose(fits[0].estimate[0], expected.estimate, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(fits[0].se[0], expected.se, rtol=1e-6)
        np.testing.assert_allclose(fits[1].se[0], expected.se_kenward_roger, rtol=1e-4)
        np.testing.assert_allclose(fits[1].df[0], expected.df, rtol=3e-4)
        np.testing.assert_allclose(fits[0].covariance[0], expected.covariance, rtol=1e-4, atol=1e-3)
        assert fits[0].loglik[0] == pytest.approx(expected.loglik, abs=1e-6)
    assert compared >= 3


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_closed_form_equals_scoring_and_numpy_on_thousands(df):
    rng = np.random.default_rng(11)
    for _ in range(24):
        n_visits, n_arms, p = int(rng.integers(1, 6)), int(rng.integers(2, 5)), int(rng.integers(0, 3))
        y, arm, x = trials(rng, 100, int(rng.integers(40, 90)), n_visits, n_arms=n_arms, p=p, dropout=0.08)
        w, omega = rng.normal(size=n_arms), rng.random(n_visits)
        w -= w.mean()
        quick = mmrm(y, arm, x, none(y), [w], [omega], MmrmPlan(df=df))
        general = mmrm(y, arm, x, none(y), [w], [omega], MmrmPlan(df=df, components=True))
        fine = (quick.failure == 0) & (general.failure == 0)
        assert fine.mean() > 0.95
        plain = closed_form(y, arm, x, w, omega, kenward_roger=df == "kenward-roger")
        for ours, exact, slow, tight in zip(
            (quick.estimate, quick.se, quick.df), plain, (general.estimate, general.se, general.df),
            (1e-6, 1e-6 if df == "satterthwaite" else 1e-4, 3e-4), strict=True,
        ):  # fmt: skip
            # Both closed forms are exact up to rounding; scoring stops 1e-7 SE short. Its Hessian is good to
            # some 3e-5, which the degrees of freedom and Kenward and Roger's standard error feel.
            np.testing.assert_allclose(ours[fine, 0], exact[fine], rtol=1e-7, atol=1e-7)
            np.testing.assert_allclose(slow[fine, 0], exact[fine], rtol=tight, atol=1e-5)


# --- where two ways must agree ----------------------------------------------------------------------------------------


def test_one_visit_is_ancova():
    rng = np.random.default_rng(12)
    y, arm, x = trials(rng, 50, 30, 1, p=2, dropout=0)
    y[rng.random(y.shape) < 0.2] = np.nan
    exact = ancova(y[..., 0], arm, x, [-1.0, 1.0])
    for components in (False, True):
        fit = mmrm(y, arm, x, none(y), [[-1, 1]], [[1]], MmrmPlan(components=components))
        np.testing.assert_allclose(fit.estimate[:, 0], exact.estimate, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(fit.se[:, 0], exact.se, rtol=1e-7)
        np.testing.assert_allclose(fit.df[:, 0], exact.df, rtol=1e-6)


def test_the_scale_of_scores_and_where_they_lie_do_not_matter():
    rng = np.random.default_rng(13)
    y, arm, x = trials(rng, 20, 50, 3, gaps=0.05)
    one = mmrm(y, arm, x, none(y), [[-1, 1]], [[0, 0, 1]])
    other = mmrm(1e4 * (y - 1e3), arm, 1e3 * x, none(y), [[-1, 1]], [[0, 0, 1]])
    np.testing.assert_allclose(other.estimate, 1e4 * one.estimate, rtol=1e-6)
    np.testing.assert_allclose(other.df, one.df, rtol=1e-4)


def test_a_visit_nobody_came_to_is_ignored_and_a_redundant_covariate_dropped():
    rng = np.random.default_rng(14)
    y, arm, x = trials(rng, 10, 40, 3)
    empty = np.concatenate([y[..., :1], np.full_like(y[..., :1], np.nan), y[..., 1:]], axis=-1)
    twice = np.concatenate([x, 3 - 2 * x], axis=-1)
    one = mmrm(y, arm, x, none(y), [[-1, 1]], [[0, 0, 1]])
    other = mmrm(empty, arm, twice, none(y), [[-1, 1]], [[0, 0, 0, 1]])
    np.testing.assert_allclose(other.estimate, one.estimate, rtol=1e-6)
    np.testing.assert_allclose(other.se, one.se, rtol=1e-6)
    assert np.isnan(mmrm(empty, arm, x, none(y), [[-1, 1]], [[0, 0, 0, 1]]).covariance[:, 1]).all()


def test_a_structure_that_cannot_be_fitted_gives_way_and_says_so():
    rng = np.random.default_rng(15)
    y, arm, x = trials(rng, 5, 8, 6, p=0, dropout=0, gaps=0.4)  # 21 covariances from eight patients
    fit = mmrm(y, arm, x, none(y), [[-1, 1]], [np.eye(6)[-1]], MmrmPlan(structures=["us", "ar1h", "cs"]))
    assert ((fit.structure > 0) | (fit.failure != 0)).all()
    assert (fit.failure == 0).any()
    assert (mmrm(y, arm, x, none(y), [[-1, 1]], [np.eye(6)[-1]]).failure != 0).all()


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        (lambda y, arm, x: y.__setitem__((..., slice(None, None, 2), 2), np.nan), Failure.NOT_OBSERVED),
        (lambda y, arm, x: x.__setitem__((..., 0), arm), Failure.CONFOUNDED_COVARIATE),
        (lambda y, arm, x: y.__setitem__(..., 5.0), Failure.NO_RESIDUAL_VARIANCE),
        (lambda y, arm, x: y.__setitem__((..., slice(4, None), slice(None)), np.nan), Failure.TOO_FEW_PATIENTS),
    ],
)
def test_failures_are_named(change, failure):
    y, arm, x = trials(np.random.default_rng(16), 1, 40, 3, dropout=0)
    change(y, arm, x)
    fit = mmrm(y, arm, x, none(y), [[-1, 1]], [[0, 0, 1]])
    assert fit.failure[0] == failure
    assert np.isnan([fit.estimate[0, 0], fit.se[0, 0], fit.df[0, 0]]).all()


def test_a_thousand_nasty_data_sets_give_a_number_or_a_name():
    rng = np.random.default_rng(17)
    for i in range(250):
        n, n_visits, n_arms, p = (int(rng.integers(low, high)) for low, high in ((2, 14), (1, 5), (2, 4), (0, 3)))
        y, arm, x = trials(rng, 4, n, n_visits, n_arms=n_arms, p=p, gaps=0.3 * rng.random(), dropout=0.3 * rng.random())
        match i % 7:
            case 0:
                y[..., rng.integers(n_visits)] = np.nan
            case 1:
                y[...] = np.where(np.isnan(y), np.nan, 3.0)
            case 2:
                y = y[..., :1] + np.arange(n_visits) + 1e-9 * y  # visits that repeat each other
            case 3:
                y, x = 1e6 * y, 1e-6 * x
            case 4:
                x[...] = 1.0
            case 5:
                y[:, 2:] = np.nan
        structures = list(rng.permutation(list(STRUCTURES))[:2])
        df = ("satterthwaite", "kenward-roger")[i % 2]
        plan = MmrmPlan(structures=structures, df=df)
        fit = mmrm(y, arm, x, none(y), [[-1, 1] + [0] * (n_arms - 2)], [np.eye(n_visits)[-1]], plan)
        fine = fit.failure == 0
        assert (fit.se[fine] > 0).all()
        assert (fit.df[fine] > 0).all()
        assert np.isfinite(fit.estimate[fine]).all()
        assert np.isnan([fit.estimate[~fine], fit.se[~fine], fit.df[~fine]]).all()


def test_what_does_not_fit_is_refused():
    y, arm, x = trials(np.random.default_rng(18), 1, 20, 3)
    with pytest.raises(ValueError, match="unknown covariance structure 'ar2'"):
        mmrm(y, arm, x, none(y), [[-1, 1]], [[0, 0, 1]], MmrmPlan(structures=["ar2"]))
    with pytest.raises(ValueError, match="do not fit 3 visits"):
        mmrm(y, arm, x, none(y), [[-1, 1]], [[0, 1]])
