"""Time to an event: equal to risk sets worked out by hand and to R; named failures instead of numbers."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from scipy.optimize import linprog

from kaptrial.estimators.fit import Failure
from kaptrial.estimators.survival import cox, kaplan_meier, logrank, observed_at_visits, rmst
from kaptrial.estimators.survival.cox import Ordered, Work, _evaluate
from kaptrial.estimators.survival.order import arrange
from tests import DATA

R = json.loads((DATA / "reference.json").read_text())["relapse"]

# Weeks of remission in acute leukaemia, 6-mercaptopurine and placebo (Freireich et al. 1963, Blood 21:699-716).
MERCAPTOPURINE = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
RELAPSED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


# --- plain references: one data set, risk set by risk set ---


def logrank_by_risk_sets(time, event, left, stratum):
    """O − E of the left arm and its variance."""
    excess = variance = 0.0
    for s in np.unique(stratum):
        for t in np.unique(time[(stratum == s) & event]):
            at_risk = (stratum == s) & (time >= t)
            dies = at_risk & event & (time == t)
            n, a, d = at_risk.sum(), (at_risk & left).sum(), dies.sum()
            excess += (dies & left).sum() - d * a / n
            if n > 1:
                variance += d * (a / n) * (1 - a / n) * (n - d) / (n - 1)
    return excess, variance


def cox_by_risk_sets(time, event, design, stratum):
    """Coefficients and covariance by Newton's method with Efron's ties."""
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        gradient, information = np.zeros(len(beta)), np.zeros((len(beta), len(beta)))
        hazard = np.exp(design @ beta)
        for s in np.unique(stratum):
            for t in np.unique(time[(stratum == s) & event]):
                at_risk = (stratum == s) & (time >= t)
                dies = at_risk & event & (time == t)
                gradient += design[dies].sum(axis=0)
                for j in range(dies.sum()):
                    p = hazard * (at_risk - j / dies.sum() * dies)
                    p /= p.sum()
                    mean = p @ design
                    gradient -= mean
                    information += (design - mean).T @ (p[:, None] * (design - mean))
        step = np.linalg.solve(information, gradient)
        if gradient @ step < 1e-18:
            return beta, np.linalg.inv(information)
        beta = beta + step * min(1.0, 2.0 / np.abs(design @ step).max())
    raise AssertionError("the reference did not converge")


def curve_by_risk_sets(time, event):
    """Event times, survival after each and the terms of Greenwood's sum."""
    times = np.unique(time[event])
    n = np.array([(time >= t).sum() for t in times], dtype=float)
    d = np.array([(event & (time == t)).sum() for t in times], dtype=float)
    terms = np.divide(d, n * (n - d), out=np.zeros_like(d), where=n > d)
    return times, np.cumprod(1 - d / n), terms


def rmst_by_areas(time, event, horizon):
    """Restricted mean and its variance."""
    times, survival, terms = curve_by_risk_sets(time, event)
    inside = times <= horizon
    times, survival, terms = times[inside], survival[inside], terms[inside]
    areas = np.diff(np.concatenate([[0.0], times, [horizon]])) * np.concatenate([[1.0], survival])
    return areas.sum(), sum(g * areas[j + 1 :].sum() ** 2 for j, g in enumerate(terms))


def is_unbounded(time, event, design, stratum, contrast):
    """Whether the contrast can go to infinity without the partial likelihood falling.

    It cannot fall along a direction in which those who fail never lie below another patient at risk: a cone. A linear
    program finds the largest contrast in it.
    """
    below = [
        design[(stratum == stratum[i]) & (time >= time[i])] - design[i] for i in np.flatnonzero(event)
    ]  # fmt: skip
    a = np.concatenate(below)
    limits = {"A_ub": a, "b_ub": np.zeros(len(a)), "bounds": (-1, 1)}
    return max(-linprog(sign * contrast, **limits).fun for sign in (1, -1)) > 1e-7


def random_trial(rng, n, n_arms=2, n_strata=1, p=0):
    """Times with any kind of ties, censoring, strata and covariates."""
    arm, stratum = rng.integers(0, n_arms, n), rng.integers(0, n_strata, n)
    x = rng.normal(50, 10, (n, p))
    time, end = rng.exponential(30 * np.exp(0.3 * arm + 0.2 * stratum)), rng.uniform(5, 100, n)
    event, time = time <= end, np.minimum(time, end)
    if (width := rng.choice([0, 1, 7, 30])) > 0:
        time = np.ceil(time / width) * width
    return time, event, arm, x, stratum


def one(*arrays):
    """Each array as a batch of one replicate."""
    return [np.asarray(a)[None] for a in arrays]


def batch(*rows):
    """Rows of one data set as arrays of one replicate, without covariates."""
    time, event, arm = rows
    return np.array([time], dtype=float), np.array([event], dtype=bool), np.array([arm])


def no_covariates(time):
    return np.empty((*time.shape, 0))


def relapse():
    with (DATA / "relapse.csv").open() as file:
        rows = list(csv.DictReader(file))
    arms = ["ketamine", "ketamine_therapy"]
    return batch(
        [float(row["time_days"]) for row in rows],
        [row["relapse"] == "1" for row in rows],
        [arms.index(row["arm"]) for row in rows],
    )


# --- other software's and published answers ---


def test_golden_of_r():
    time, event, arm = relapse()
    test = logrank(time, event, arm, [-1, 1])
    assert test.statistic[0] ** 2 == pytest.approx(R["logrank_chisq"], rel=1e-9)
    assert test.p[0] == pytest.approx(R["logrank_p"], rel=1e-9)
    fit = cox(time, event, arm, no_covariates(time), [-1, 1])
    result = fit.estimate[0], fit.se[0], fit.statistic[0], fit.p[0]
    assert result == pytest.approx([R["cox_efron"][k] for k in ("log_hr", "se", "z", "p")], rel=1e-8)
    arms = ["ketamine", "ketamine_therapy"]
    assert kaplan_meier(time, event, arm, 2).median[0] == pytest.approx([R["median_days"][a] for a in arms])
    mean = rmst(time, event, arm, 2, 120.0)
    assert mean.mean[0] == pytest.approx([R["rmst_120"][a]["estimate"] for a in arms], rel=1e-9)
    assert mean.se[0] == pytest.approx([R["rmst_120"][a]["se"] for a in arms], rel=1e-9)


def test_remission_in_acute_leukaemia():
    time, event, arm = batch(MERCAPTOPURINE + PLACEBO, RELAPSED + [1] * 21, [1] * 21 + [0] * 21)
    # Log-rank chi-square 16.79; Kalbfleisch & Prentice 2002, section 1.2, medians 23 and 8 weeks; Efron's estimate
    # 1.572 (0.412), as printed by most packages.
    assert logrank(time, event, arm, [1, -1]).statistic[0] ** 2 == pytest.approx(16.793, abs=5e-4)
    fit = cox(time, event, arm, no_covariates(time), [1, -1])
    assert (fit.estimate[0], fit.se[0]) == pytest.approx((1.572, 0.412), abs=5e-4)
    curve = kaplan_meier(time, event, arm, 2, [6, 10, 23])
    assert curve.median[0].tolist() == [8.0, 23.0]
    # Collett 2015, Modelling Survival Data in Medical Research: 0.857, 0.753, 0.448 and Greenwood's errors.
    assert curve.survival[0, 1] == pytest.approx([0.857, 0.753, 0.448], abs=5e-4)
    assert curve.se[0, 1] == pytest.approx([0.0764, 0.0963, 0.1346], abs=5e-5)
    assert curve.at_risk[0, 1].tolist() == [21, 15, 6]


# --- equal to risk sets by hand ---


def test_logrank_equals_risk_sets():
    rng = np.random.default_rng(1)
    compared = 0
    for _ in range(600):
        n_arms = rng.integers(2, 5)
        time, event, arm, _, stratum = random_trial(rng, rng.integers(3, 60), n_arms, rng.integers(1, 5))
        weights = rng.permutation([1, -1] + [0] * (n_arms - 2))
        fit = logrank(*one(time, event, arm), weights, stratum=stratum[None])
        used = weights[arm] != 0
        excess, variance = logrank_by_risk_sets(time[used], event[used], weights[arm[used]] == 1, stratum[used])
        assert (fit.failure[0] == Failure.NONE) == (variance > 0)
        if variance > 0:
            compared += 1
            assert fit.estimate[0] == pytest.approx(excess / variance, rel=1e-10, abs=1e-12)
            assert fit.se[0] == pytest.approx(1 / np.sqrt(variance), rel=1e-12)
    assert compared > 400


def test_cox_equals_risk_sets():
    rng = np.random.default_rng(2)
    compared = 0
    for _ in range(250):
        n_arms, p = rng.integers(2, 5), rng.integers(0, 3)
        time, event, arm, x, stratum = random_trial(rng, rng.integers(15, 60), n_arms, rng.integers(1, 4), p)
        weights = rng.normal(size=n_arms)
        weights -= weights.mean()
        fit = cox(*one(time, event, arm, x), weights, stratum=stratum[None])
        if fit.failure[0]:
            continue
        compared += 1
        counts = np.bincount(arm, weights=event, minlength=n_arms)
        if (counts == 0).any():
            continue  # the reference would not converge
        design = np.column_stack([*((arm == a) * 1.0 for a in range(1, n_arms)), (x - 50) / 10])
        beta, covariance = cox_by_risk_sets(time, event, design, stratum)
        contrast = np.concatenate([weights[1:], np.zeros(p)])
        assert fit.estimate[0] == pytest.approx(contrast @ beta, rel=1e-7, abs=1e-8)
        assert fit.se[0] == pytest.approx(np.sqrt(contrast @ covariance @ contrast), rel=1e-7)
    assert compared > 150


def test_two_arms_alone_equal_the_general_case():
    rng = np.random.default_rng(3)
    for _ in range(200):
        time, event, arm, _, stratum = random_trial(rng, rng.integers(6, 50), 2, rng.integers(1, 4))
        arrays = one(time, event, arm)
        weights = rng.choice([[1.0, -1.0], [-0.5, 0.5]])
        alone = cox(*arrays, no_covariates(arrays[0]), weights, stratum=stratum[None])
        general = cox(*arrays, np.ones((1, len(time), 1)), weights, stratum=stratum[None])
        assert alone.failure[0] == general.failure[0]
        np.testing.assert_allclose(
            (alone.estimate, alone.se), (general.estimate, general.se), rtol=1e-8, atol=1e-9, equal_nan=True
        )


def test_curves_equal_risk_sets():
    rng = np.random.default_rng(4)
    for _ in range(300):
        time, event, arm, _, _ = random_trial(rng, rng.integers(4, 40))
        days = np.sort(rng.choice(np.append(time, 50.0), 4))
        curves = kaplan_meier(*one(time, event, arm), 2, days)
        horizon = float(rng.uniform(1, 80))
        mean = rmst(*one(time, event, arm), 2, horizon)
        for a in range(2):
            t, e = time[arm == a], event[arm == a]
            if not t.size:
                assert np.isnan(curves.survival[0, a]).all()
                assert mean.failure[0, a] == Failure.TOO_FEW_PATIENTS
                continue
            times, survival, terms = curve_by_risk_sets(t, e)
            last = survival[-1] if times.size else 1.0
            for j, day in enumerate(days):
                k = np.searchsorted(times, day, side="right")
                assert curves.at_risk[0, a, j] == (t >= day).sum()
                if day > t.max() and last > 0:
                    assert np.isnan(curves.survival[0, a, j])
                    continue
                s = survival[k - 1] if k else 1.0
                assert curves.survival[0, a, j] == pytest.approx(s, abs=1e-12)
                if s > 0:
                    assert curves.se[0, a, j] == pytest.approx(s * np.sqrt(terms[:k].sum()), abs=1e-12)
            if t.max() < horizon and last > 0:
                assert mean.failure[0, a] == Failure.NOT_OBSERVED
            else:
                area, variance = rmst_by_areas(t, e, horizon)
                assert mean.mean[0, a] == pytest.approx(area, rel=1e-12)
                expected = variance if variance > 1e-20 else np.nan  # of no events, or all at once, nothing is known
                assert mean.se[0, a] ** 2 == pytest.approx(expected, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("n", [0, 1, 5, 200, 3000])
@pytest.mark.parametrize("shape", ["even", "tied", "skewed", "tiny", "far", "same"])
def test_patients_are_put_in_order(n, shape):
    rng = np.random.default_rng(5)
    time = {
        "even": rng.random(n), "tied": rng.integers(0, 5, n) * 7.0, "skewed": np.exp(rng.normal(0, 20, n)),
        "tiny": rng.random(n) * 1e-310, "far": 1e15 + rng.integers(0, 9, n), "same": np.full(n, 3.0),
    }[shape]  # fmt: skip
    seen, stratum = rng.random(n) < 0.8, rng.integers(0, 3, n)
    order = arrange(time[None], np.where(seen, np.arange(n), -1).astype(np.int32)[None], stratum[None], 3)
    label, times, start = (a[0] for a in order)
    assert start[0] == 0
    assert start[-1] == seen.sum()
    for s in range(3):
        members = label[start[s] : start[s + 1]]
        assert sorted(members) == np.flatnonzero(seen & (stratum == s)).tolist()
        assert (np.diff(time[members]) >= 0).all()
        assert (times[start[s] : start[s + 1]] == time[members]).all()
    alone = arrange(time[None], np.where(seen, np.arange(n), -1).astype(np.int32)[None], stratum[None], 1)
    assert (alone.times[0, : seen.sum()] == np.sort(time[seen])).all()


# --- identities ---


def test_without_censoring_curve_and_mean_are_the_samples():
    rng = np.random.default_rng(6)
    time = rng.exponential(10, (1, 40))
    event, arm = np.ones((1, 40), dtype=bool), np.zeros((1, 40), dtype=int)
    curve, mean = kaplan_meier(time, event, arm, 1, [5.0]), rmst(time, event, arm, 1, 12.0)
    share = (time > 5.0).mean()
    assert curve.survival[0, 0, 0] == pytest.approx(share)
    assert curve.se[0, 0, 0] == pytest.approx(np.sqrt(share * (1 - share) / 40))
    assert curve.median[0, 0] == pytest.approx(np.median(time))
    restricted = np.minimum(time, 12.0)
    assert mean.mean[0, 0] == pytest.approx(restricted.mean())
    assert mean.se[0, 0] == pytest.approx(restricted.std() / np.sqrt(40))


def test_without_ties_logrank_is_the_score_test_of_cox():
    rng = np.random.default_rng(7)
    time, event, arm = rng.exponential(10, (1, 60)), rng.random((1, 60)) < 0.7, rng.integers(0, 2, (1, 60))
    small = 1e-5
    fit = logrank(time, event, arm, [-1, 1])

    def likelihood(beta):
        hazard, total = np.exp(beta * arm[0]), 0.0
        for i in np.flatnonzero(event[0]):
            total += np.log(hazard[i] / hazard[time[0] >= time[0, i]].sum())
        return total

    score = (likelihood(small) - likelihood(-small)) / (2 * small)
    assert fit.estimate[0] / fit.se[0] ** 2 == pytest.approx(score, rel=1e-6)


def test_what_must_not_matter_does_not():
    rng = np.random.default_rng(8)
    trials = [random_trial(rng, 50, 4, 2, 2) for _ in range(5)]
    time, event, arm, x, stratum = (np.stack(a) for a in zip(*trials, strict=True))
    w = np.array([1.0, -1.0, -1.0, 1.0])
    base, test = cox(time, event, arm, x, w, stratum=stratum), logrank(time, event, arm, [1, -1, 0, 0])
    redundant = np.concatenate([x, x[..., :1] + x[..., 1:], np.ones_like(x)], axis=-1)
    later, flipped = np.log1p(time), cox(time, event, arm, x, -w, stratum=stratum)
    same = [
        cox(later, event, arm, x, w, stratum=stratum),
        cox(time, event, arm, x * 1e6 - 3.0, w, stratum=stratum),
        cox(time, event, arm, redundant, w, stratum=stratum),
        cox(time, event, arm, x, w, stratum=1 - stratum),
    ]  # fmt: skip
    for fit in same:
        np.testing.assert_allclose((fit.estimate, fit.se), (base.estimate, base.se), rtol=1e-7)
    np.testing.assert_allclose((-flipped.estimate, flipped.se), (base.estimate, base.se), rtol=1e-12)
    np.testing.assert_allclose(logrank(later, event, arm, [1, -1, 0, 0]).estimate, test.estimate, rtol=1e-12)
    missing = np.where(rng.random(time.shape) < 0.2, np.nan, time)
    for r in range(5):
        kept = ~np.isnan(missing[r])
        together = cox(missing, event, arm, x, w, stratum=stratum)
        alone = cox(*one(time[r][kept], event[r][kept], arm[r][kept], x[r][kept]), w, stratum=stratum[r][kept][None])
        np.testing.assert_allclose((together.estimate[r], together.se[r]), (alone.estimate[0], alone.se[0]), rtol=1e-9)


def test_what_stands_in_memory_beyond_the_patients_in_the_model_is_not_read():
    rng = np.random.default_rng(9)
    m, room = 12, 20
    design = np.full((2, room), np.nan)
    design[:, :m] = rng.normal(size=(2, m))
    events = np.arange(0, m, 2, dtype=np.uint32)
    data = Ordered(
        design[:, :m], np.array([0, m]), np.array([0, len(events)]), events, events + 1, np.zeros(len(events)),
        design[:, events].sum(axis=1),
    )  # fmt: skip
    scratch = Work(*(np.full(size, np.nan) for size in (room, room, room, room + 1, room + 1, (2, room))))
    gradient, information, beta = np.empty(2), np.zeros((2, 2)), np.array([0.3, -0.2])
    _evaluate(data, beta, gradient, information, scratch)
    hazard, expected = np.exp(beta @ design[:, :m]), np.zeros((2, 2))
    for e in events:
        p = hazard[e:] / hazard[e:].sum()
        z = design[:, e:m]
        expected += (p * z) @ z.T - np.outer(z @ p, z @ p)
    np.testing.assert_allclose(information[[0, 1, 1], [0, 0, 1]], expected[[0, 1, 1], [0, 0, 1]], rtol=1e-12)


def test_median_is_the_middle_of_a_flat_half():
    # Survival is 1/2 from 2 to 5, never below 1/2, exactly 1/2 to the end, and below at once.
    rows = [
        ([1, 2, 5, 6], [1, 1, 1, 1]),
        ([1, 2, 5, 6], [1, 0, 0, 0]),
        ([1, 2, 5, 6], [1, 1, 0, 0]),
        ([3] * 4, [1] * 4),
    ]
    time, event = (np.array(a) for a in zip(*rows, strict=True))
    medians = kaplan_meier(time.astype(float), event.astype(bool), np.zeros((4, 4), dtype=int), 1).median[:, 0]
    np.testing.assert_array_equal(medians, [3.5, np.nan, 4.0, 3.0])


def test_means_of_arms_are_compared():
    time, event, arm = relapse()
    mean = rmst(time, event, arm, 2, 120.0)
    (a, b), (va, vb) = mean.mean[0], mean.se[0] ** 2
    difference, ratio = mean.difference([-1, 1]), mean.ratio([-1, 1])
    assert (difference.estimate[0], difference.se[0]) == pytest.approx((b - a, np.sqrt(va + vb)))
    assert (ratio.estimate[0], ratio.se[0]) == pytest.approx((np.log(b / a), np.sqrt(va / a**2 + vb / b**2)))
    assert difference.df[0] == ratio.df[0] == np.inf


# --- failures ---


@pytest.mark.parametrize(
    ("time", "event", "arm", "test", "model"),
    [
        ([1, 2, 3, 4], [1, 1, 1, 1], [0, 0, 0, 0], Failure.TOO_FEW_PATIENTS, Failure.TOO_FEW_PATIENTS),
        ([1, 2, np.nan, np.nan], [1, 1, 1, 1], [0, 0, 1, 1], Failure.TOO_FEW_PATIENTS, Failure.TOO_FEW_PATIENTS),
        ([1, 2, 3, 4], [0, 0, 0, 0], [0, 1, 0, 1], Failure.NO_EVENTS, Failure.NO_EVENTS),
        ([1, 1, 3, 4], [0, 0, 1, 1], [0, 0, 1, 1], Failure.NOT_OBSERVED, Failure.NOT_OBSERVED),
        ([2, 2, 2, 2], [1, 1, 1, 1], [0, 1, 0, 1], Failure.ALL_THE_SAME, Failure.NONE),
        ([1, 2, 3, 4], [1, 1, 0, 0], [0, 0, 1, 1], Failure.NONE, Failure.SEPARATION),
        ([1, 2, 3, 4], [1, 1, 1, 1], [0, 0, 1, 1], Failure.NONE, Failure.SEPARATION),
    ],
)
@pytest.mark.parametrize("covariates", [0, 1])
def test_failures_are_named(time, event, arm, test, model, covariates):
    arrays = batch(time, event, arm)
    assert logrank(*arrays, [1, -1]).failure[0] == test
    fit = cox(*arrays, np.ones((1, len(time), covariates)), [1, -1])
    assert fit.failure[0] == model
    assert np.isnan([fit.estimate[0], fit.se[0], fit.df[0]]).all() == (model != Failure.NONE)


def test_confounding_and_arms_never_at_risk_together():
    time, event, arm = batch([1, 2, 3, 4, 5, 6], [1] * 6, [0, 1, 0, 1, 0, 1])
    assert cox(time, event, arm, arm[..., None] * 2.0, [1, -1]).failure[0] == Failure.CONFOUNDED_COVARIATE
    assert cox(time, event, arm, no_covariates(time), [1, -1], stratum=arm).failure[0] == Failure.NOT_OBSERVED
    assert logrank(time, event, arm, [1, -1], stratum=arm).failure[0] == Failure.NOT_OBSERVED


def test_an_infinite_covariate_leaves_the_contrast_its_limit():
    rng = np.random.default_rng(9)
    time, event, arm = rng.exponential(10, (1, 40)), np.ones((1, 40), dtype=bool), np.tile([0, 1], 20)[None]
    never = np.arange(40)[None] >= 30
    event[never] = False
    with_column = cox(time, event, arm, never[..., None] * 1.0, [1, -1])
    without = cox(np.where(never, np.nan, time), event, arm, no_covariates(time), [1, -1])
    assert (with_column.estimate[0], with_column.se[0]) == pytest.approx((without.estimate[0], without.se[0]), rel=1e-6)


def test_separation_is_what_a_linear_program_finds():
    rng = np.random.default_rng(10)
    verdicts = []
    for _ in range(300):
        n, n_arms, p = rng.integers(5, 20), rng.integers(2, 5), rng.integers(0, 3)
        time, event, arm, x, stratum = random_trial(rng, n, n_arms, rng.integers(1, 3), p)
        weights = rng.permutation([1.0, -1.0] + [0.0] * (n_arms - 2))
        fit = cox(*one(time, event, arm, x), weights, stratum=stratum[None])
        if fit.failure[0] not in (Failure.NONE, Failure.SEPARATION):
            assert fit.failure[0] != Failure.NOT_CONVERGED
            continue
        design = np.column_stack([*((arm == a) * 1.0 for a in range(1, n_arms)), (x - 50) / 10])
        unbounded = is_unbounded(time, event, design, stratum, np.concatenate([weights[1:], np.zeros(p)]))
        assert (fit.failure[0] == Failure.SEPARATION) == unbounded
        verdicts.append(unbounded)
    assert min(sum(verdicts), len(verdicts) - sum(verdicts)) > 50


def test_mean_survival_needs_the_curve_up_to_the_horizon():
    arm = [0, 0, 1, 1]
    cases = [
        ([3, 9, 4, 9], [1, 0, 1, 0], Failure.NOT_OBSERVED),  # last seen before the horizon, alive
        ([3, 9, 4, 10], [1, 1, 1, 0], Failure.NONE),  # all of arm 0 failed: the curve is 0 from day 9
        ([3, 9, 4, 9], [1, 1, 1, 0], Failure.NOT_OBSERVED),
        ([11, 12, 13, 14], [1, 1, 1, 1], Failure.NO_EVENTS),  # up to the horizon
        ([5, 5, 6, 6], [1, 1, 1, 1], Failure.NO_RESIDUAL_VARIANCE),
        ([9, 9, 4, 5], [0, 0, 1, 1], Failure.NOT_OBSERVED),
        ([11, 11, 4, 5], [0, 0, 1, 1], Failure.NO_EVENTS),  # in one arm: its error is unknown
        ([np.nan, np.nan, 12, 13], [1, 1, 1, 1], Failure.TOO_FEW_PATIENTS),
        ([3, np.nan, 4, 10], [1, 1, 1, 0], Failure.TOO_FEW_PATIENTS),
    ]
    for time, event, failure in cases:
        mean = rmst(*batch(time * 2, event * 2, arm * 2), 2, 10.0)
        for fit in (mean.difference([1, -1]), mean.ratio([1, -1])):
            assert fit.failure[0] == failure
            assert np.isnan(fit.estimate[0]) == np.isnan(fit.se[0]) == (failure != Failure.NONE)
    # An arm that is not compared does not matter.
    mean = rmst(*batch([3, 9, 4, 9, 1] * 4, [1, 1, 1, 1, 0] * 4, [0, 0, 1, 1, 2] * 4), 3, 10.0)
    assert mean.difference([1, -1, 0]).failure[0] == Failure.NONE
    assert mean.ratio([1, 0, -1]).failure[0] == Failure.NOT_OBSERVED


def test_nasty_data_never_give_an_unnamed_answer():
    rng = np.random.default_rng(11)
    for _ in range(600):
        n, n_arms, p, replicates = rng.integers(0, 12), rng.integers(2, 5), rng.integers(0, 4), 3
        shape = (replicates, n)
        time = rng.choice([0.0, 1.0, 1.0, 2.0, 5.0, 1e-300, 1e300, np.nan], shape)
        event, arm = rng.random(shape) < rng.random(), rng.integers(0, n_arms, shape)
        x = rng.choice([0.0, 1.0, -1.0, 1e200, 1e-200, 1 / 3, np.nan, np.inf], (*shape, p))
        if rng.random() < 0.5:
            x = rng.integers(0, 2, (*shape, p)) * rng.choice([1.0, 1e8])
        stratum = rng.integers(0, rng.integers(1, 4), shape)
        weights = rng.permutation([1.0, -1.0] + [0.0] * (n_arms - 2))
        mean = rmst(time, event, arm, n_arms, 1.5)
        kaplan_meier(time, event, arm, n_arms, [0.0, 1.0, 3.0])
        for fit in (
            logrank(time, event, arm, weights, stratum=stratum), cox(time, event, arm, x, weights, stratum=stratum),
            cox(time, event, arm, no_covariates(time), weights), mean.difference(weights), mean.ratio(weights),
        ):  # fmt: skip
            fine = fit.failure == Failure.NONE
            assert np.isfinite(fit.estimate[fine]).all()
            assert (fit.se[fine] > 0).all()
            assert np.isfinite(fit.se[fine]).all()
            assert (fit.p[fine] <= 1).all()
            assert np.isnan([fit.estimate[~fine], fit.se[~fine], fit.df[~fine]]).all()


def test_what_cannot_be_meant_is_refused():
    time, event, arm = batch([1, 2, 3], [1, 1, 1], [0, 1, 2])
    with pytest.raises(ValueError, match="one 1, one -1"):
        logrank(time, event, arm, [1, -0.5, -0.5])
    with pytest.raises(ValueError, match="sum to 0"):
        cox(time, event, arm, no_covariates(time), [1, 0, 0])
    with pytest.raises(ValueError, match="not negative"):
        logrank(-time, event, arm, [1, -1, 0])
    with pytest.raises(ValueError, match="indices below 2"):
        kaplan_meier(time, event, arm, 2)
    with pytest.raises(ValueError, match="horizon"):
        rmst(time, event, arm, 3, 0.0)
    with pytest.raises(ValueError, match="share one shape"):
        logrank(time, event[:, :2], arm, [1, -1, 0])
    with pytest.raises(ValueError, match="covariates of shape"):
        cox(time, event, arm, np.empty((1, 2, 0)), [1, -1, 0])


# --- failure seen at visits ---


@pytest.mark.parametrize(
    ("failed", "time", "event"),
    [
        ([0, 0, 0, 0], 56.0, False),
        ([0, 0, 1, 0], 28.0, True),  # once failed stays failed
        ([0, np.nan, 1, 1], 28.0, True),  # at the visit at which it is seen
        ([0, np.nan, 0, np.nan], 28.0, False),  # censored at the last visit attended
        ([1, np.nan, np.nan, np.nan], 7.0, True),
        ([np.nan] * 4, 0.0, False),
    ],
)
def test_failure_is_seen_at_visits(failed, time, event):
    actual = observed_at_visits(np.array([[failed]], dtype=float), [7.0, 14.0, 28.0, 56.0])
    assert (actual[0][0, 0], actual[1][0, 0]) == (time, event)


def test_time_counts_from_the_origin():
    failed = np.array([[[1, 0, 0, 1], [0, 0, np.nan, np.nan], [0, 0, 0, np.nan]]], dtype=float)
    days = [7.0, 14.0, 28.0, 56.0]
    time, event = observed_at_visits(failed, days, origin_day=14.0)
    assert time.tolist() == [[42.0, 0.0, 14.0]]
    assert event.tolist() == [[True, False, False]]
    time, event = observed_at_visits(failed, days, origin_day=56.0)
    assert not time.any()
    assert not event.any()
