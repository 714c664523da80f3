"""Reference-based imputation: R's numbers, plain NumPy, brute-force refits, identities, and named failures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kaptrial.estimators.ancova import ancova
from kaptrial.estimators.fit import Failure
from kaptrial.estimators.imputation import STRATEGIES, Imputation, Scores, Tipping, reference_based, tipping_point
from kaptrial.estimators.mmrm import MmrmPlan, mmrm
from kaptrial.simulation.trials import read_csv
from tests import DATA

R = json.loads((DATA / "reference.json").read_text())["two_arm_reference_based_day56"]["strategies"]


def imputed(y, arm, crossed, main, arm_weights, visit, *, strategy, reference, structures=("us",), **options):
    how = Imputation(strategy=strategy, reference=reference, structures=structures)
    scores = Scores(y=y, arm=arm, crossed=crossed, main=main)
    return (tipping_point if "limit" in options else reference_based)(scores, arm_weights, visit, how, **options)


def two_arm():
    """The two-arm data as arguments of `imputed`, analysed at day 56: ketamine + therapy − ketamine."""
    trial = read_csv(DATA / "two_arm_monotone.csv")
    assert trial.arms == ("ketamine", "ketamine_therapy")
    y = trial.score[..., trial.days > 0]
    return y, trial.arm, trial.baseline[..., None], np.empty((*trial.arm.shape, 0)), [-1.0, 1.0], y.shape[2] - 1


def trials(rng, *, replicates=1, n=40, visits=4, arms=2, p=1, q=0, dropout=0.12, gaps=0.0, never=0.05):
    """Random trials with dropout that depends on the last score, gaps, and patients never seen."""
    arm = np.tile(np.arange(n) % arms, (replicates, 1))
    crossed, main = rng.normal(30, 5, (replicates, n, p)), rng.normal(0, 1, (replicates, n, q))
    trait = rng.normal(0, 4, (replicates, n, 1))
    y = 10 + trait + 0.4 * crossed.sum(axis=-1, keepdims=True) + main.sum(axis=-1, keepdims=True)
    y = y - np.arange(visits) - 1.5 * arm[..., None] * np.arange(visits) + rng.normal(0, 3, (replicates, n, visits))
    first = rng.random((replicates, n, visits)) < dropout * np.exp(0.1 * trait)
    first[..., 0] = rng.random((replicates, n)) < never
    y[np.cumsum(first, axis=-1) > 0] = np.nan
    y[rng.random(y.shape) < gaps] = np.nan
    weights = np.zeros(arms)
    weights[[0, 1]] = -1.0, 1.0
    return y, arm, crossed, main, weights, visits - 1


def by_hand(y, arm, crossed, main, weights, visit, *, strategy, reference=0, delta=0.0, structures=("us",)):
    """Readable reference for one trial: constructed means, conditional normal algebra, ANCOVA."""
    model = mmrm(
        y[None], arm[None], crossed[None], main[None], weights, np.eye(y.shape[1])[visit],
        MmrmPlan(structures=structures, components=True),
    )  # fmt: skip
    v, own, arm_means = model.covariance[0], model.fitted[0], model.arm_means[0]
    z = y[:, visit].copy()
    for i in np.flatnonzero(np.isnan(z)):
        seen = np.flatnonzero(np.isfinite(y[i]))
        last = seen[-1] if len(seen) else -1
        after = np.arange(y.shape[1]) > last
        mean = own[i].copy()
        dropped_out = last < visit and arm[i] != reference
        if dropped_out:
            of_reference = own[i] - arm_means[:, arm[i]] + arm_means[:, reference]
            if strategy == "JR" or (strategy in ("CIR", "LMCF") and last < 0):
                mean[after] = of_reference[after]
            elif strategy == "CR":
                mean = of_reference
            elif strategy == "CIR":
                mean[after] = own[i, last] + of_reference[after] - of_reference[last]
            elif strategy == "LMCF":
                mean[after] = own[i, last]
        slopes = np.linalg.solve(v[np.ix_(seen, seen)], v[seen, visit])
        z[i] = mean[visit] + slopes @ (y[i, seen] - mean[seen]) + delta * dropped_out
    covariates = np.concatenate([crossed, main], axis=1)
    return ancova(z[None], arm[None], covariates[None], weights).estimate[0]


def brute_force(y, arm, crossed, main, weights, visit, **options):
    """Jackknife by leaving each patient out of the arrays; one trial."""
    n = len(arm[0])
    estimates = []
    for i in range(n):
        some = (np.delete(a, i, axis=1) for a in (y, arm, crossed, main))
        estimates.append(imputed(*some, weights, visit, inference="none", **options).estimate[0])
    return np.sqrt((n - 1) / n * np.sum((estimates - np.mean(estimates)) ** 2))


@pytest.mark.parametrize("strategy", R)
def test_golden_rbmi(strategy):
    fit = imputed(*two_arm(), strategy=strategy, reference=0)
    # Both refit 121 times; the optimiser behind R leaves about 1e-5.
    np.testing.assert_allclose(fit.estimate, R[strategy]["estimate"], rtol=2e-5)
    np.testing.assert_allclose(fit.se, R[strategy]["se"], rtol=2e-5)
    np.testing.assert_allclose(fit.p, R[strategy]["p"], rtol=1e-4)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"arms": 3, "p": 2, "visits": 3},
        {"gaps": 0.1},
        {"q": 1, "arms": 3, "n": 60},
        {"p": 0, "gaps": 0.15, "visits": 3},
    ],
)
def test_equals_dense_algebra(strategy, shape):
    data = trials(np.random.default_rng(11), replicates=6, **shape)
    y, arm, crossed, main, weights, last = data
    for visit in (last, last - 1):
        result = imputed(
            *data[:5], visit, strategy=strategy, reference=1, delta=1.5, inference="none"
        )  # fmt: skip
        assert not result.failure.any()
        expected = [
            by_hand(
                y[r], arm[r], crossed[r], main[r], weights, visit, strategy=strategy, reference=1, delta=1.5
            )
            for r in range(6)
        ]  # fmt: skip
        # The general path stops 1e-7 standard errors from the optimum; the reference is fitted by it always.
        np.testing.assert_allclose(result.estimate, expected, rtol=1e-6, atol=1e-6)


def test_other_structures_equal_dense_algebra():
    y, arm, crossed, main, weights, visit = trials(np.random.default_rng(3), gaps=0.1)
    result = imputed(
        y, arm, crossed, main, weights, visit, strategy="CIR", reference=0, structures=("ar1h",), inference="none"
    )
    expected = by_hand(y[0], arm[0], crossed[0], main[0], weights, visit, strategy="CIR", structures=("ar1h",))
    np.testing.assert_allclose(result.estimate, expected, rtol=1e-7)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("shape", [{}, {"arms": 3, "p": 2}, {"visits": 1, "p": 0}])
def test_leaving_out_by_downdates_equals_refits(strategy, shape):
    for seed in range(3):
        data = trials(np.random.default_rng(seed), **shape)
        options = {"strategy": strategy, "reference": 0, "delta": 0.7}
        fit = imputed(*data, **options)
        np.testing.assert_allclose(fit.se[0], brute_force(*data, **options), rtol=1e-9)
        assert fit.df[0] == np.inf


@pytest.mark.parametrize("shape", [{"gaps": 0.1, "n": 30, "visits": 3}, {"q": 1, "n": 30, "visits": 3}])
def test_leaving_out_by_reml_equals_refits(shape):
    data = trials(np.random.default_rng(5), **shape)
    fit = imputed(*data, strategy="CIR", reference=0)
    np.testing.assert_allclose(fit.se[0], brute_force(*data, strategy="CIR", reference=0), rtol=1e-9)


def test_closed_form_and_reml_agree():
    # A covariate that is constant sends the same data the general way.
    y, arm, crossed, main, weights, visit = trials(np.random.default_rng(8), n=30, visits=3)
    constant = np.concatenate([crossed, np.ones((1, 30, 1))], axis=-1)
    closed = imputed(y, arm, crossed, main, weights, visit, strategy="CR", reference=0)
    general = imputed(y, arm, constant, main, weights, visit, strategy="CR", reference=0)
    np.testing.assert_allclose((general.estimate, general.se), (closed.estimate, closed.se), rtol=1e-6)


@pytest.mark.parametrize("gaps", [0.0, 0.1])
def test_mar_is_the_mixed_model(gaps):
    # Conditional means at the REML solution are the E step of a fit that least squares, the M step, cannot improve.
    y, arm, crossed, main, weights, visit = trials(np.random.default_rng(21), replicates=20, gaps=gaps)
    fit = imputed(y, arm, crossed, main, weights, visit, strategy="MAR", reference=0, inference="none")
    model = mmrm(y, arm, crossed, main, weights, np.eye(visit + 1)[visit])
    np.testing.assert_allclose(fit.estimate, model.estimate[:, 0], rtol=1e-6, atol=1e-7)


def test_delta_adds_its_share():
    data = trials(np.random.default_rng(2), replicates=5, p=0)
    y, arm, _, _, _, visit = data
    at_0, at_3 = (imputed(*data, strategy="JR", reference=0, delta=delta) for delta in (0.0, 3.0))
    share = (np.isnan(y[..., visit]) & (arm == 1)).sum(axis=1) / (arm == 1).sum(axis=1)
    np.testing.assert_allclose(at_3.estimate - at_0.estimate, 3.0 * share, rtol=1e-9)
    # With a covariate, the adjusted share.
    y, arm, crossed, _, weights, visit = data = trials(np.random.default_rng(2), replicates=5)
    at_0, at_3 = (imputed(*data, strategy="JR", reference=0, delta=delta) for delta in (0.0, 3.0))
    filled_in = (np.isnan(y[..., visit]) & (arm == 1)).astype(float)
    share = ancova(filled_in, arm, crossed, weights).estimate
    np.testing.assert_allclose(at_3.estimate - at_0.estimate, 3.0 * share, rtol=1e-9)


def test_a_gap_is_no_dropout():
    rng = np.random.default_rng(4)
    data = trials(rng, dropout=0.0, never=0.0)
    y, visit = data[0], 2
    y[:, :8, visit] = np.nan  # seen again at the last visit
    fits = [
        imputed(*data[:5], visit, strategy=s, reference=0, delta=5.0, inference="none").estimate for s in STRATEGIES
    ]
    np.testing.assert_allclose(fits, fits[0][0], rtol=1e-12)


def test_without_dropout_all_strategies_are_ancova():
    y, arm, crossed, _, weights, visit = data = trials(np.random.default_rng(6), dropout=0.0, never=0.0)
    expected = ancova(y[..., visit], arm, crossed, weights)
    for strategy in STRATEGIES:
        fit = imputed(*data, strategy=strategy, reference=0, delta=2.0)
        np.testing.assert_allclose(fit.estimate, expected.estimate, rtol=1e-10)
        np.testing.assert_allclose(fit.se, expected.se, rtol=0.2)
        rubin = imputed(
            *data, strategy=strategy, reference=0, inference="rubin", n_imputations=3, rng=np.random.default_rng(1)
        )
        np.testing.assert_allclose((rubin.estimate, rubin.se), (expected.estimate, expected.se), rtol=1e-10)
        # Barnard & Rubin: with nothing imputed (df + 1)/(df + 3) df.
        np.testing.assert_allclose(rubin.df, (expected.df + 1) / (expected.df + 3) * expected.df, rtol=1e-10)


def test_patients_left_out_and_visits_nobody_came_to():
    y, arm, crossed, main, weights, visit = data = trials(np.random.default_rng(9), dropout=0.1)
    fit = imputed(*data, strategy="CR", reference=0)
    more_y = np.concatenate([y, y[:, :3]], axis=1)
    more_x = np.concatenate([crossed, np.full((1, 3, 1), np.nan)], axis=1)
    more_arm, more_main = np.concatenate([arm, arm[:, :3]], axis=1), np.concatenate([main, main[:, :3]], axis=1)
    more_y = np.insert(more_y, 1, np.nan, axis=2)
    again = imputed(more_y, more_arm, more_x, more_main, weights, visit + 1, strategy="CR", reference=0)
    np.testing.assert_allclose((again.estimate, again.se), (fit.estimate, fit.se), rtol=1e-10)


@pytest.mark.parametrize("strategy", ["MAR", "JR", "CIR"])
def test_units_do_not_matter(strategy):
    y, arm, crossed, main, weights, visit = trials(np.random.default_rng(10), replicates=3)
    fit = imputed(y, arm, crossed, main, weights, visit, strategy=strategy, reference=0)
    moved = imputed(1e6 + 100 * y, arm, 1e5 + crossed, main, weights, visit, strategy=strategy, reference=0)
    np.testing.assert_allclose(moved.estimate, 100 * fit.estimate, rtol=1e-6)
    np.testing.assert_allclose(moved.se, 100 * fit.se, rtol=1e-6)


@pytest.mark.parametrize("shape", [{}, {"gaps": 0.1, "visits": 3}])
def test_rubin(shape):
    data = trials(np.random.default_rng(12), replicates=2, n=60, **shape)

    def fit(seed, n_imputations=25):
        rng = np.random.default_rng(seed)
        return imputed(
            *data, strategy="JR", reference=0, inference="rubin", n_imputations=n_imputations, rng=rng
        )  # fmt: skip

    once, again = fit(1), fit(1)
    np.testing.assert_array_equal(once.estimate, again.estimate)
    first = imputed(
        *(a[:1] for a in data[:4]), *data[4:], strategy="JR", reference=0, inference="rubin",
        rng=np.random.default_rng(1),
    )  # fmt: skip
    assert first.estimate[0] == once.estimate[0]  # more replicates leave the earlier ones alone
    expected = imputed(*data, strategy="JR", reference=0, inference="none").estimate
    # Bootstrap and residual noise centre on the conditional-mean estimate up to the bias of a ratio of order 1/n.
    many = fit(3, 400)
    several = np.array([fit(seed).estimate for seed in range(4, 14)])
    mc_error = several.std(axis=0, ddof=1) * np.sqrt(25 / 400)
    assert (np.abs(many.estimate - expected) < 4 * mc_error + 0.02 * many.se).all()
    complete_df = 60 - 3
    assert (many.df < complete_df).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_jackknife_se_is_the_spread_of_estimates(strategy):
    fit = imputed(*trials(np.random.default_rng(19), replicates=1500, n=200), strategy=strategy, reference=0)
    spread, mean_se = fit.estimate.std(ddof=1), np.sqrt((fit.se**2).mean())
    # An SD of n estimates has relative standard error 1/√(2n); the jackknife's own bias is of order 1/n patients.
    assert abs(spread / mean_se - 1.0) < 4.0 / np.sqrt(2 * 1500) + 2.0 / 200


def test_rubin_rules_overstate_the_spread_of_jump_to_reference():
    # Imputing from the reference borrows information that Rubin's variance does not know of
    # (Seaman, White & Leacy 2014, Stat Biopharm Res 6:87-92).
    data = trials(np.random.default_rng(20), replicates=300, n=100)
    fit = imputed(*data, strategy="JR", reference=0, inference="rubin", rng=np.random.default_rng(1))
    assert np.sqrt((fit.se**2).mean()) > 1.2 * fit.estimate.std(ddof=1)
    at_random = imputed(*data, strategy="MAR", reference=0, inference="rubin", rng=np.random.default_rng(1))
    np.testing.assert_allclose(np.sqrt((at_random.se**2).mean()), at_random.estimate.std(ddof=1), rtol=4 / np.sqrt(600))


def test_rubin_se_exceeds_that_of_the_imputed_taken_as_seen():
    y, arm, crossed, main, weights, visit = data = trials(np.random.default_rng(13), n=80)
    fit = imputed(*data, strategy="MAR", reference=0, inference="rubin", rng=np.random.default_rng(1))
    model = mmrm(y, arm, crossed, main, weights, np.eye(visit + 1)[visit])
    np.testing.assert_allclose(fit.se, model.se[:, 0], rtol=0.25)
    seen = np.isfinite(y[..., visit])
    # As if every score had been seen, at the residual variance of those that were.
    completers = ancova(y[..., visit], arm, crossed, weights)
    assert fit.se[0] > completers.se[0] * np.sqrt(seen.mean())


def test_tipping_point():
    data = trials(np.random.default_rng(14), replicates=30, n=60)
    for better, sign in (("lower", 1.0), ("higher", -1.0)):
        arrays = (sign * data[0], *data[1:])
        result = imputed(*arrays, strategy="MAR", reference=0, better=better, limit=15.0)
        grid = sign * np.arange(0.0, 15.0, 0.05)
        p = np.array([imputed(*arrays, strategy="MAR", reference=0, delta=d).p for d in grid[::10]])
        for r in range(30):
            if result.outcome[r] == Tipping.FOUND:
                at = imputed(*arrays, strategy="MAR", reference=0, delta=result.delta[r])
                np.testing.assert_allclose(at.p[r], 0.05, rtol=1e-6)
                assert (p[np.abs(grid[::10]) < abs(result.delta[r]), r] < 0.05).all()
                assert np.sign(result.delta[r]) == sign
            else:
                assert np.isnan(result.delta[r])
                assert (result.outcome[r] == Tipping.NOT_SIGNIFICANT_AT_ZERO) == (p[0, r] >= 0.05)
                assert result.outcome[r] == Tipping.NOT_SIGNIFICANT_AT_ZERO or (p[:, r] < 0.05).all()
        assert (result.outcome == Tipping.FOUND).any()


def test_no_tipping_point():
    y, arm, crossed, main, weights, visit = trials(np.random.default_rng(15), n=60)
    options = {"strategy": "MAR", "reference": 0, "better": "lower", "limit": 10.0}
    huge = imputed(y - 50.0 * arm[..., None], arm, crossed, main, weights, visit, **options)
    assert huge.outcome[0] == Tipping.NONE_BELOW_LIMIT
    against = imputed(y + 50.0 * arm[..., None], arm, crossed, main, weights, visit, **options)
    assert against.outcome[0] == Tipping.NOT_SIGNIFICANT_AT_ZERO
    nobody = imputed(np.full_like(y, np.nan), arm, crossed, main, weights, visit, **options)
    assert nobody.outcome[0] == Tipping.FAILED


def test_named_failures():
    y, arm, crossed, main, weights, visit = trials(np.random.default_rng(16), visits=3)
    options = {"reference": 0}

    def failure(y, crossed=crossed, strategy="JR", **more):
        return imputed(y, arm, crossed, main, weights, visit, strategy=strategy, **options, **more).failure[0]

    unseen = y.copy()
    unseen[:, :, visit] = np.nan
    assert failure(unseen) == Failure.NOT_OBSERVED
    half = y.copy()
    half[arm == 0, visit] = np.nan
    assert failure(half) == Failure.NOT_OBSERVED
    half = y.copy()
    half[arm == 1, visit] = np.nan
    assert failure(half, strategy="MAR") == Failure.NOT_OBSERVED
    assert failure(half, strategy="JR") == Failure.NONE  # the reference arm's mean is all it needs
    assert failure(y, crossed=arm[..., None].astype(float)) == Failure.CONFOUNDED_COVARIATE
    # A site all of whose patients left: nothing tells its mean.
    site = (np.arange(arm.shape[1]) < 3).astype(float)[None, :, None]
    left = y.copy()
    left[:, :3, visit] = np.nan
    assert failure(left, crossed=site) == Failure.CONFOUNDED_COVARIATE
    assert failure(np.where(np.isfinite(y), 5.0, np.nan)) != Failure.NONE
    few = np.full_like(y, np.nan)
    few[:, :4] = y[:, :4]
    assert failure(few) != Failure.NONE


def test_nasty_small_trials_fail_by_name():
    rng = np.random.default_rng(17)
    failures = set()
    for k in range(400):
        n, visits, arms = rng.integers(2, 14), rng.integers(1, 5), rng.integers(2, 4)
        arm = rng.integers(0, arms, (1, n))
        y = rng.normal(20, 5, (1, n, visits))
        if k % 5 == 0:
            y = np.round(y / 10) * 10
        if k % 7 == 0:
            y[..., -1] = y[..., 0]
        y[rng.random(y.shape) < rng.choice([0.0, 0.2, 0.6])] = np.nan
        crossed, main = rng.integers(0, 2, (1, n, k % 3)).astype(float), rng.normal(size=(1, n, k % 2))
        crossed[rng.random(crossed.shape) < 0.05] = np.nan
        weights = np.zeros(arms)
        weights[:2] = -1.0, 1.0
        data = (y, arm, crossed, main, weights, int(rng.integers(0, visits)))
        strategy = list(STRATEGIES)[k % 5]
        for inference in ("jackknife", "rubin"):
            fit = imputed(
                *data, strategy=strategy, reference=0, inference=inference, n_imputations=4, rng=rng
            )  # fmt: skip
            failed = fit.failure[0] != Failure.NONE
            for value in (fit.estimate[0], fit.se[0], fit.df[0], fit.p[0]):
                assert np.isnan(value) == failed
            assert failed or fit.se[0] > 0.0
            failures.add(Failure(int(fit.failure[0])))
        imputed(*data, strategy=strategy, reference=0, better="lower", limit=10.0)
    assert {Failure.NONE, Failure.NOT_OBSERVED, Failure.TOO_FEW_PATIENTS} <= failures


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strategy": "LOCF"}, "unknown strategy"),
        ({"structures": ("arma",)}, "unknown covariance structure"),
        ({"structures": ()}, "no covariance structure"),
        ({"reference": 2}, "reference 2: must be the index of one of 2 arms"),
        ({"visit": 4}, "visit 4 of 4"),
        ({"arm_weights": [1.0, 1.0]}, "sum to 0"),
        ({"inference": "bootstrap"}, "unknown inference"),
        ({"inference": "rubin"}, "needs rng"),
    ],
)
def test_wrong_arguments(change, message):
    y, arm, crossed, main, weights, visit = trials(np.random.default_rng(18))
    arguments = {"arm_weights": weights, "visit": visit, "strategy": "JR", "reference": 0, **change}
    with pytest.raises(ValueError, match=message):
        imputed(y, arm, crossed, main, **arguments)


def test_wrong_arguments_of_the_tipping_point():
    data = trials(np.random.default_rng(18))
    for change in ({"better": "up"}, {"limit": 0.0}, {"alpha": 1.0}):
        with pytest.raises(ValueError, match="lower or higher"):
            imputed(*data, **{"strategy": "JR", "reference": 0, "better": "lower", "limit": 5.0, **change})
