"""Partially nested model: R's answers, plain dense algebra on random data, and a number or a named failure always."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from kaptrial.estimators.fit import Failure
from kaptrial.estimators.nested import _fit_general, common, nested
from kaptrial.estimators.nested.general import Model
from kaptrial.estimators.nested.sums import gather, room
from tests import DATA
from tests.estimators.mixed_reference import derivatives, deviance, peaks

R = json.loads((DATA / "reference.json").read_text())["partially_nested"]
TWO_ARMS = [-1.0, 1.0]
CROSSED = [0, 0, 1, 1]  # each of four arms' level of the factor crossed with the therapists


@pytest.fixture(scope="module")
def partially_nested():
    """The arguments of `nested` for the reference data."""
    d = pd.read_csv(DATA / "partially_nested.csv")
    arm = (d["arm"] == "ketamine_therapy").to_numpy(dtype=np.int64)
    therapist = pd.factorize(d["therapist"])[0].astype(np.int64)  # −1 where there is none
    return d["score"].to_numpy()[None], arm[None], therapist[None], d["baseline"].to_numpy()[None, :, None], TWO_ARMS


@pytest.mark.parametrize(("df", "key"), [("satterthwaite", "satterthwaite"), ("kenward-roger", "kenward_roger")])
def test_golden_common_residual_variance(partially_nested, df, key):
    fit = nested(*partially_nested, df=df)
    r = R["homoscedastic"]
    # lme4's optimiser stops near 1e-7 of the variances: the estimate and its SE, flat there, agree to more, df to less.
    assert fit.fit.estimate[0] == pytest.approx(r[key]["estimate"], rel=1e-6)
    assert fit.fit.se[0] == pytest.approx(r[key]["se"], rel=1e-6)
    assert fit.fit.df[0] == pytest.approx(r[key]["df"], rel=1e-5)
    assert fit.fit.p[0] == pytest.approx(r[key]["p"], rel=1e-5)
    assert fit.therapist_sd[0] == pytest.approx(r["therapist_sd"], rel=1e-5)
    assert fit.residual_sd[0] == pytest.approx([r["residual_sd"]] * 2, rel=1e-6)
    assert fit.reml_loglik[0] == pytest.approx(r["reml_loglik"], abs=1e-8)
    assert fit.crossed_sd is None


def test_golden_residual_variance_by_arm(partially_nested):
    fit = nested(*partially_nested, residual="by_arm")
    r = R["heteroscedastic"]
    # nlme printed seven digits of the therapists' SD, and stops at about 1e-6 of the variances.
    assert fit.fit.estimate[0] == pytest.approx(r["estimate"], rel=1e-6)
    assert fit.fit.se[0] == pytest.approx(r["se"], rel=1e-6)
    assert fit.therapist_sd[0] == pytest.approx(r["therapist_sd"], rel=1e-5)
    by_arm = r["residual_sd_by_arm"]
    assert fit.residual_sd[0] == pytest.approx([by_arm["ketamine"], by_arm["ketamine_therapy"]], rel=1e-5)
    assert fit.reml_loglik[0] == pytest.approx(r["reml_loglik"], abs=1e-8)


def random_trial(rng, n_arms=2, crossed=False, per_arm=(6, 14)):
    """Scores, arms, therapists and covariates of one small trial: the first arm has no therapist unless crossed."""
    n = n_arms * int(rng.integers(*per_arm))
    n_therapists = int(rng.integers(3, 7))
    arm = np.arange(n) % n_arms
    therapist = rng.integers(0, n_therapists, n)
    if rng.random() < 0.5:  # unequal caseloads
        therapist = np.minimum(therapist, rng.integers(0, n_therapists, n))
    if not crossed:
        therapist[arm == 0] = -1
    x = rng.normal(50.0, 10.0, (n, rng.integers(0, 3)))
    effect = rng.normal(0.0, rng.choice([0.0, 1.0, 3.0]), (n_therapists, 1))
    if crossed:
        effect = effect + rng.normal(0.0, rng.choice([0.0, 2.0]), (n_therapists, 2))[:, CROSSED]
    effect = np.broadcast_to(effect, (n_therapists, n_arms))
    y = 20.0 + rng.normal(0.0, rng.choice([1.0, 3.0]), n) * (1.0 + 0.5 * arm) + 0.3 * x.sum(axis=1)
    y += np.where(therapist >= 0, effect[therapist, arm], 0.0)
    y[rng.random(n) < 0.08] = np.nan
    if x.size:
        x[rng.random(n) < 0.04, 0] = np.nan
    return y, arm, therapist, x


def dense_model(y, arm, therapist, x, weights, by_arm, crossed):
    """The arguments of the dense reference."""
    seen = np.isfinite(y) & np.isfinite(x).all(axis=1)
    y, arm, therapist, x = y[seen], arm[seen], therapist[seen], x[seen]
    arms = range(len(weights))
    design = np.column_stack([*(arm == a for a in arms), x]).astype(float)
    same = (therapist[:, None] == therapist) & (therapist >= 0)
    g = [same]
    if crossed is not None:
        level = np.array(crossed)[arm]
        g.append(same & (level[:, None] == level))
    n_therapist = len(g)
    g += [np.diag(arm == a) for a in arms] if by_arm else [np.eye(len(y))]
    not_negative = np.arange(len(g)) < n_therapist
    contrast = np.concatenate([weights, np.zeros(x.shape[1])])
    return y, design, contrast, np.array(g, dtype=float), not_negative, np.full(len(g), np.var(y))


def test_the_reference_differentiates_its_own_likelihood():
    rng = np.random.default_rng(1)
    y, design, _, g, _, _ = dense_model(*random_trial(rng, 4, True), np.array([1.0, -1.0, 0.0, 0.0]), True, CROSSED)
    psi = np.array([2.0, 1.0, 1.0, 3.0, 4.0, 9.0])
    gradient, observed, _ = derivatives(psi, y, design, g)
    steps = 1e-4 * np.eye(len(psi))
    numerical = [(deviance(psi + h, y, design, g) - deviance(psi - h, y, design, g)) / 2e-4 for h in steps]
    hessian = [(derivatives(psi + h, y, design, g)[0] - derivatives(psi - h, y, design, g)[0]) / 2e-4 for h in steps]
    # Truncation of central differences is 1e-8 times third derivatives; rounding of −2ℓ 1e-13 / 1e-4.
    np.testing.assert_allclose(numerical, gradient, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(hessian, observed, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("is_crossed", [False, True])
@pytest.mark.parametrize("residual", ["common", "by_arm"])
def test_equals_dense_algebra_on_random_data(residual, is_crossed):
    rng = np.random.default_rng(2)
    compared = at_zero = highest = 0
    for _ in range(25):
        n_arms = 4 if is_crossed else int(rng.integers(2, 4))
        crossed = CROSSED if is_crossed else None
        trial = random_trial(rng, n_arms, is_crossed)
        weights = rng.normal(size=n_arms)
        weights -= weights.mean()
        data = (*(a[None] for a in trial), weights)
        options = {"residual": residual, "crossed": crossed}
        satterthwaite = nested(*data, df="satterthwaite", **options)
        kenward_roger = nested(*data, df="kenward-roger", **options).fit
        fit = satterthwaite.fit
        if fit.failure[0] == Failure.TOO_FEW_THERAPISTS:
            continue
        maxima = peaks(*dense_model(*trial, weights, residual == "by_arm", crossed))
        maxima = [peak for peak in maxima if (peak.psi >= 0.0).all()]
        if fit.failure[0]:  # a residual variance runs to 0
            assert fit.failure[0] == Failure.SINGULAR_COVARIANCE
            assert not maxima
            continue
        expected = min(maxima, key=lambda peak: abs(peak.loglik - satterthwaite.reml_loglik[0]))
        compared += 1
        at_zero += not expected.free.all()
        highest += expected is maxima[0]
        # Variances are found to 1e-10, to which estimate and SE are the less sensitive. Without a common residual
        # variance, derivatives by differences carry 1e-11 of the largest terms, and with a residual variance a tenth
        # of another's, two more digits are gone by the second one, which degrees of freedom are made of.
        closed_form = residual == "common" and not is_crossed
        se_error, df_error = (1e-8, 1e-7) if closed_form else (1e-4, 1e-3)
        scale = expected.se
        np.testing.assert_allclose(fit.estimate[0], expected.estimate, atol=1e-7 * scale, rtol=0)
        np.testing.assert_allclose(fit.se[0], expected.se, rtol=1e-7)
        np.testing.assert_allclose(fit.df[0], expected.df, rtol=df_error)
        np.testing.assert_allclose(kenward_roger.estimate[0], expected.estimate, atol=1e-7 * scale, rtol=0)
        np.testing.assert_allclose(kenward_roger.se[0], expected.se_kenward_roger, rtol=se_error)
        np.testing.assert_allclose(kenward_roger.df[0], expected.df_kenward_roger, rtol=df_error)
        np.testing.assert_allclose(satterthwaite.reml_loglik[0], expected.loglik, atol=1e-8)
        variances = [satterthwaite.therapist_sd[0] ** 2]
        variances += [satterthwaite.crossed_sd[0] ** 2] if is_crossed else []
        variances += list(satterthwaite.residual_sd[0] ** 2)[: n_arms if residual == "by_arm" else 1]
        np.testing.assert_allclose(variances, expected.psi, atol=1e-6 * expected.psi.max())
    assert compared >= 22
    assert at_zero >= 4
    # With two therapist variances and a residual variance for each handful of patients there can be two peaks.
    assert highest >= compared - 2 * (is_crossed and residual == "by_arm")


def test_without_a_therapist_variance_it_is_least_squares():
    # Patients of one therapist differ more than those of two: the therapist variance is 0.
    y = np.array([[1.0, 3.0, 2.0, 5.0, 4.0, 9.0, 5.0, 8.0, 4.5, 9.5, 2.5]])
    arm = np.array([[0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0]])
    therapist = np.array([[-1, -1, -1, -1, 0, 0, 1, 1, 2, 2, -1]])
    fit = nested(y, arm, therapist, np.empty((1, 11, 0)), TWO_ARMS)
    a, b = y[arm == 0], y[arm == 1]
    variance = (((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()) / 9
    assert fit.therapist_sd[0] == 0.0
    assert fit.fit.df[0] == pytest.approx(9.0, rel=1e-12)
    assert fit.fit.estimate[0] == pytest.approx(b.mean() - a.mean(), rel=1e-12)
    assert fit.fit.se[0] == pytest.approx(np.sqrt(variance * (1 / 5 + 1 / 6)), rel=1e-12)
    assert fit.residual_sd[0, 0] == pytest.approx(np.sqrt(variance), rel=1e-12)


def both_paths(trial, weights, kenward_roger):
    """One replicate by the profiled likelihood and by the general one: (estimate, SE, df, failure, loglik), ψ."""
    y, arm, therapist, x = trial
    n_arms, n_therapists, p = len(weights), max(int(therapist.max()) + 1, 1), x.shape[1]
    sums = room(n_arms, n_therapists, p)
    gather(y, arm, therapist, x, sums)
    zero = np.zeros(n_arms, dtype=np.int64)
    psi, psi_general = np.empty(2), np.empty(2)
    one = common.fit(sums, weights, kenward_roger, common.scratch(n_arms, p, n_therapists), psi)
    general = _fit_general(sums, weights, Model(1, zero, zero, kenward_roger), psi_general)
    return one, psi, general, psi_general


@pytest.mark.parametrize("kenward_roger", [False, True])
def test_general_and_profiled_likelihood_agree(kenward_roger):
    rng = np.random.default_rng(3)
    n_compared = 0
    for _ in range(400):
        trial = random_trial(rng, int(rng.integers(2, 4)))
        weights = np.concatenate([[-1.0], rng.dirichlet(np.ones(trial[1].max()))])
        if len(set(trial[2][np.isfinite(trial[0]) & np.isfinite(trial[3]).all(axis=1)]) - {-1}) < 2:
            continue
        one, psi, general, psi_general = both_paths(trial, weights, kenward_roger)
        assert one[3] == general[3] == Failure.NONE
        # Second differences carry 1e-11 of the largest terms, which a caseload of many patients multiplies.
        np.testing.assert_allclose(general[0], one[0], atol=1e-6 * one[1], rtol=0)
        np.testing.assert_allclose(general[1], one[1], rtol=1e-6)
        np.testing.assert_allclose(general[2], one[2], rtol=1e-5)
        np.testing.assert_allclose(general[4], one[4], atol=1e-8)
        np.testing.assert_allclose(psi_general, psi, atol=1e-6 * psi[1])
        n_compared += 1
    assert n_compared > 380


def test_patients_with_missing_values_are_left_out():
    rng = np.random.default_rng(4)
    y, arm, therapist, x = random_trial(rng, 3)
    x = rng.normal(size=(len(y), 1))
    y[::7], x[3] = np.nan, np.nan
    seen = np.isfinite(y) & np.isfinite(x[:, 0])
    weights = [-1.0, 0.5, 0.5]
    with_missing = nested(y[None], arm[None], therapist[None], x[None], weights)
    part = nested(y[seen][None], arm[seen][None], therapist[seen][None], x[seen][None], weights)
    # The same sums, but for the order of additions.
    np.testing.assert_allclose(with_missing.fit.estimate, part.fit.estimate, rtol=1e-10)
    np.testing.assert_allclose(with_missing.fit.df, part.fit.df, rtol=1e-8)


@pytest.mark.parametrize("residual", ["common", "by_arm"])
@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_a_redundant_covariate_is_dropped(residual, df):
    rng = np.random.default_rng(5)
    y, arm, therapist, _ = (a[None] for a in random_trial(rng, per_arm=(14, 15)))
    x = rng.normal(size=(*y.shape, 1))
    more = np.concatenate([x, 2.0 * x + 1.0, np.ones_like(x)], axis=-1)
    one = nested(y, arm, therapist, x, TWO_ARMS, df=df, residual=residual)
    three = nested(y, arm, therapist, more, TWO_ARMS, df=df, residual=residual)
    assert one.fit.failure[0] == three.fit.failure[0] == Failure.NONE
    # The profiled likelihood hands over to the general one, with the error of its differences.
    np.testing.assert_allclose(three.fit.estimate, one.fit.estimate, rtol=1e-6)
    np.testing.assert_allclose(three.fit.se, one.fit.se, rtol=1e-6)
    np.testing.assert_allclose(three.fit.df, one.fit.df, rtol=1e-5)
    np.testing.assert_allclose(three.reml_loglik, one.reml_loglik, atol=1e-8)


def test_scores_in_other_units_give_the_same_test():
    rng = np.random.default_rng(6)
    y, arm, therapist, x = (a[None] for a in random_trial(rng, 4, True, (12, 13)))
    weights = [1.0, -1.0, -1.0, 1.0]
    for options in ({}, {"residual": "by_arm"}, {"crossed": CROSSED}):
        one = nested(y, arm, therapist, x, weights, **options)
        assert one.fit.failure[0] == Failure.NONE
        for unit in (1e-6, 1e6):
            other = nested(1e3 * unit + unit * y, arm, therapist, x, weights, **options)
            # Exact but for rounding, which the origin of 1000 raises to 1e-13 and second differences to 1e-9.
            np.testing.assert_allclose(other.fit.estimate, unit * one.fit.estimate, rtol=1e-7)
            np.testing.assert_allclose(other.fit.se, unit * one.fit.se, rtol=1e-7)
            np.testing.assert_allclose(other.fit.df, one.fit.df, rtol=1e-5)


@pytest.mark.parametrize(
    ("y", "arm", "therapist", "x", "failure"),
    [
        ([1.0, 2.0, np.nan, np.nan], [0, 0, 1, 1], [-1, -1, 0, 1], None, Failure.TOO_FEW_PATIENTS),
        ([1.0, 2.0, 3.0, 5.0], [0, 0, 1, 1], [-1, -1, 0, 0], None, Failure.TOO_FEW_THERAPISTS),
        ([1.0, 2.0, 3.0, 5.0], [0, 0, 1, 1], [-1, -1, -1, -1], None, Failure.TOO_FEW_THERAPISTS),
        ([1.0, 2.0, 3.0, 5.0, 4.0], [0, 0, 0, 1, 1], [0, 0, 0, 1, 1], None, Failure.TOO_FEW_THERAPISTS),
        ([1.0, 2.0, 3.0], [0, 1, 1], [-1, 0, 1], None, Failure.TOO_FEW_PATIENTS),
        ([3.0] * 6, [0, 0, 1, 1, 1, 1], [-1, -1, 0, 0, 1, 1], None, Failure.NO_RESIDUAL_VARIANCE),
        (
            [1.0, 2.0, 4.0, 3.0, 7.0, 5.0], [0, 0, 1, 1, 1, 1], [-1, -1, 0, 0, 1, 1], [5.0, 5.0, 7.0, 7.0, 7.0, 7.0],
            Failure.CONFOUNDED_COVARIATE,
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("residual", ["common", "by_arm"])
def test_failures_are_named_and_give_no_number(y, arm, therapist, x, failure, residual):
    columns = np.empty((1, len(y), 0)) if x is None else np.array(x)[None, :, None]
    fit = nested(np.array([y]), np.array([arm]), np.array([therapist]), columns, TWO_ARMS, residual=residual)
    assert fit.fit.failure[0] == failure
    assert np.isnan([fit.fit.estimate[0], fit.fit.se[0], fit.fit.df[0], fit.therapist_sd[0], fit.reml_loglik[0]]).all()
    assert np.isnan(fit.residual_sd).all()


def test_names_and_shapes_that_do_not_fit_are_refused():
    y, arm, x = np.zeros((1, 4)), np.zeros((1, 4), dtype=np.int64), np.empty((1, 4, 0))
    with pytest.raises(ValueError, match="df"):
        nested(y, arm, arm, x, TWO_ARMS, df="residual")
    with pytest.raises(ValueError, match="residual"):
        nested(y, arm, arm, x, TWO_ARMS, residual="by_therapist")
    with pytest.raises(ValueError, match="shapes"):
        nested(y, arm[:, :3], arm, x, TWO_ARMS)


def nasty_trial(rng):
    """A small trial with something wrong with it."""
    n_arms = int(rng.choice([2, 3, 4]))
    n = int(rng.integers(1, 31))
    arm = rng.integers(0, n_arms, n) if rng.random() < 0.5 else np.arange(n) % n_arms
    therapists = {
        "one": np.zeros(n, dtype=np.int64),
        "each his own": np.arange(n),
        "none": np.full(n, -1),
        "some": rng.integers(-1, 4, n),
        "therapy arms only": np.where(arm == 0, -1, rng.integers(0, 4, n)),
        "one an arm": arm.copy(),
    }
    therapist = therapists[rng.choice(list(therapists))]
    effect = rng.choice([0.0, 3.0]) * rng.normal(size=n + 4)
    y = rng.normal(size=n) + effect[therapist]
    match rng.choice(
        ["normal", "normal", "normal", "constant", "by arm", "by therapist", "whole", "missing", "all missing"]
    ):
        case "constant":
            y[:] = 7.0
        case "by arm":
            y = arm.astype(float)
        case "by therapist":
            y = therapist.astype(float)
        case "whole":
            y = np.round(y)
        case "missing":
            y[rng.random(n) < 0.4] = np.nan
        case "all missing":
            y[:] = np.nan
    y = y * rng.choice([1e-6, 1.0, 1e6]) + rng.choice([0.0, 1e3])
    columns = []
    for kind in rng.choice(["normal", "constant", "huge", "arm", "therapist", "missing"], rng.integers(0, 3)):
        column = rng.normal(size=n)
        match kind:
            case "constant":
                column[:] = 3.0
            case "huge":
                column = 1e6 + 1e3 * column
            case "arm":
                column = (arm == 0).astype(float)
            case "therapist":
                column = therapist.astype(float)
            case "missing":
                column[rng.random(n) < rng.choice([0.3, 1.0])] = np.nan
        columns.append(column)
    x = np.stack(columns, axis=-1) if columns else np.empty((n, 0))
    return y, arm, therapist, x, n_arms


def test_a_number_or_a_named_failure_whatever_comes():
    rng = np.random.default_rng(7)
    n_fitted = 0
    for _ in range(1500):
        y, arm, therapist, x, n_arms = nasty_trial(rng)
        weights = {2: TWO_ARMS, 3: [-1.0, 0.5, 0.5], 4: [1.0, -1.0, -1.0, 1.0]}[n_arms]
        result = nested(
            y[None], arm[None], therapist[None], x[None], weights,
            df=rng.choice(["satterthwaite", "kenward-roger"]), residual=rng.choice(["common", "by_arm"]),
            crossed=CROSSED if n_arms == 4 and rng.random() < 0.7 else None,
        )  # fmt: skip
        fit = result.fit
        numbers = [fit.estimate[0], fit.se[0], fit.df[0], result.therapist_sd[0], result.reml_loglik[0]]
        if fit.failure[0]:
            assert fit.failure[0] in list(Failure)
            assert np.isnan(numbers).all()
        else:
            n_fitted += 1
            assert np.isfinite(numbers).all()
            assert fit.se[0] > 0.0
            assert fit.df[0] > 0.0
            assert (result.residual_sd[0] > 0.0).all()
    assert n_fitted > 120  # so that the fits above were not all failures
