"""Group-sequential boundaries and inference: published designs, closed forms, other integrals, simulation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtr, ndtri
from scipy.stats import multivariate_normal, norm

from kaptrial.errors import FieldError
from kaptrial.estimators.sequential.bias import bias_adjusted, mean_estimate
from kaptrial.estimators.sequential.boundaries import Boundaries, Rule, design, futility_of, spend
from kaptrial.estimators.sequential.conditional import conditional_power, predictive_power
from kaptrial.estimators.sequential.delayed import decisions
from kaptrial.estimators.sequential.observed import at_observed, known_at_end, known_at_looks
from kaptrial.estimators.sequential.recursion import COARSE, FINE, stops
from kaptrial.estimators.sequential.spending import spending_of
from kaptrial.estimators.sequential.stagewise import drift_at, p_value

THIRDS, QUARTERS = (1 / 3, 2 / 3, 1.0), (0.25, 0.5, 0.75, 1.0)


def planned(
    information, spending="obf", *, alpha=0.025, sided=1, power=None, futility=None, binding=False
) -> Boundaries:
    ways = {"spending": spending_of(spending), "futility": None if futility is None else futility_of(futility)}
    return design(Rule(alpha=alpha, sided=sided, power=power, binding=binding, **ways), information)


def equal(k):
    return [(i + 1) / k for i in range(k)]


@pytest.mark.parametrize(
    ("spending", "information", "alpha", "sided", "z"),
    [
        ("obf", THIRDS, 0.025, 1, (3.710303, 2.511427, 1.993047)),
        ("hsd:-4", equal(5), 0.025, 1, (3.252668, 2.986046, 2.691657, 2.373667, 2.025321)),
        ("wt:0", QUARTERS, 0.05, 2, (4.048591, 2.862786, 2.337455, 2.024296)),
        # G12 of the reference figures, by rpact 3.3.4.
        ("obf", (0.3, 0.55, 0.8, 1.0), 0.025, 1, (3.92857254, 2.80787686, 2.27609808, 2.02924464)),
        ("kd:2", THIRDS, 0.025, 1, (2.77292129, 2.34727221, 2.06191377)),
        ("pocock", THIRDS, 0.025, 1, (2.27942824, 2.29491114, 2.29593959)),
        ("wt:.25", QUARTERS, 0.025, 1, (2.98871443, 2.51319925, 2.27093188, 2.11334024)),
    ],
)
def test_published_boundaries(spending, information, alpha, sided, z):
    places = max(len(str(x).partition(".")[2]) for x in z)
    tolerance = 1e-7 if places == 8 else 1e-6
    assert_allclose(planned(information, spending, alpha=alpha, sided=sided).upper, z, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("delta", "k", "constant", "inflation"),
    # Jennison & Turnbull 2000, tables 2.1 to 2.4: two-sided .05; inflation at a power of .9.
    [(0.5, 2, 2.178, 1.100), (0.5, 5, 2.413, 1.207), (0, 2, 1.977, 1.007), (0, 5, 2.040, 1.026)],
)
def test_classical_constants_and_inflation(delta, k, constant, inflation):
    found = planned(equal(k), f"wt:{delta}", alpha=0.05, sided=2, power=0.9)
    assert found.upper[-1] == pytest.approx(constant, abs=6e-4)
    assert found.inflation == pytest.approx(inflation, abs=6e-4)


def test_published_inflation():
    assert planned(equal(5), "hsd:-4", power=0.9).inflation == pytest.approx(1.023440, abs=1e-6)
    one_look = planned((0.6, 1.0), "obf", alpha=0.05, sided=2, power=0.8)
    assert one_look.inflation == pytest.approx(1.008538, abs=1.5e-6)
    fixed = one_look.fixed_drift**2 * (7.58**2 + 8.17**2) / 3**2
    assert fixed == pytest.approx(108.319, abs=1e-3)
    assert fixed * one_look.inflation == pytest.approx(109.244, abs=1e-3)


def test_conditional_power_of_east():
    # G1 and G3 of the reference figures.
    found = planned((0.5, 1.0))
    z = found.upper[0]
    assert conditional_power(z, 0.5, found.information[1:], found.upper[1:], z / 0.5**0.5)[0] == pytest.approx(
        0.999158604, abs=1e-8
    )
    found = planned(THIRDS, "hsd:-4", alpha=0.05, sided=2, power=0.9)
    n = np.array([270.719, 541.438, 812.158])
    assert_allclose(found.information * found.inflation * 800, n, atol=2e-3)
    total = conditional_power(0.943317, n[0], n[1:], found.upper[1:], 0.05733214).sum()
    assert total == pytest.approx(0.3306859, abs=1e-6)


def test_decisions_after_a_delay():
    # G11 of the reference figures, by rpact 3.3.4 and by three-dimensional normal integrals.
    found = planned((0.3, 0.7, 1.0), power=0.8, futility="obf", binding=True)
    assert_allclose(found.upper, (3.92857254, 2.43819620, 1.93093895), rtol=0, atol=2e-8)
    assert_allclose(found.lower[:2], (-0.486304162, 1.241014093), rtol=0, atol=1e-8)
    decided = decisions(found, (0.16, 0.2))
    assert_allclose(decided.critical, (2.07247979, 1.97006056, 1.93093895), rtol=0, atol=2e-8)
    assert_allclose(decided.reversal[:2], (7.4953454e-7, 1.4105434e-3), rtol=0, atol=1e-8)
    assert decided.inflation == pytest.approx(1.03915519, abs=1e-8)
    assert decided.rejecting(0.0).sum() == pytest.approx(0.025, abs=1e-12)
    assert decided.rejecting(decided.drift).sum() == pytest.approx(0.8, abs=1e-10)


def test_inference_after_a_delay():
    """At a drift of 2: the p-value orders what is decided, half of the median-unbiased estimates are above, 95 % of the
    intervals hold it, and the naive estimate has the mean that it should."""
    found = planned((0.3, 0.7, 1.0), futility="cp:.25", binding=True)
    decided, drift, n = decisions(found, (0.16, 0.2)), 2.0, 4000
    assert decided.drift is None
    for look, spent in enumerate(np.cumsum(decided.rejecting(0.0))):
        assert decided.p_value(look, decided.critical[look]) == pytest.approx(spent, abs=1e-11)
        for z in decided.critical[look] + np.array([-1.0, 0.5]):
            assert np.all(np.diff(decided.p_value(look, np.full(20, z), np.linspace(-4, 7, 20))) > 0)
    at = np.array([0.3, 0.46, 0.7, 0.9, 1.0])
    steps = np.diff(at, prepend=0.0)
    score = np.cumsum(drift * steps + np.random.default_rng(5).normal(size=(n, 5)) * np.sqrt(steps), axis=1)
    seen = score[:, [0, 2]] / np.sqrt(at[[0, 2]])
    stops_at = (seen >= found.upper[:2]) | (seen <= found.lower[:2])
    look = np.where(stops_at.any(axis=1), np.argmax(stops_at, axis=1), 2)
    z = (score[:, [1, 3, 4]] / np.sqrt(at[[1, 3, 4]]))[np.arange(n), look]
    median, held = np.empty(n), np.empty(n, dtype=bool)
    for k in range(3):
        here = look == k
        rejects = z[here] >= decided.critical[k]
        assert rejects.mean() * here.mean() == pytest.approx(decided.rejecting(drift)[k], abs=4 * 0.5 / n**0.5)
        assert_array_equal(decided.p_value(k, z[here]) <= 0.025, rejects)
        median[here], low, high = (decided.drift_at(share, k, z[here]) for share in (0.5, 0.025, 0.975))
        held[here] = (low <= drift) & (drift <= high)
    assert np.mean(median > drift) == pytest.approx(0.5, abs=4 * 0.5 / n**0.5)
    assert held.mean() == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / n) ** 0.5)
    naive = z / np.sqrt(decided.information[look])
    mean = mean_estimate(found.information, found.low, found.upper, drift, decided=decided.information)
    assert naive.mean() == pytest.approx(mean, abs=4 * naive.std() / n**0.5)


def test_stopping_against_the_multivariate_normal():
    information, drift = np.array([0.2, 0.5, 1.0]), 1.7
    lower, upper = np.array([-0.5, 0.4, 1.9]), np.array([2.9, 2.3, 1.9])
    down, up = stops(information, lower, upper, drift)
    root = np.sqrt(information)
    covariance = np.minimum.outer(information, information) / np.outer(root, root)

    def reach(low, high):
        """The probability that all statistics lie between these limits."""
        k = len(low)
        normal = multivariate_normal(mean=(drift * root)[:k], cov=covariance[:k, :k], maxpts=10**6, abseps=1e-8)
        return normal.cdf(high, lower_limit=low)

    for k in range(3):
        assert up[k] == pytest.approx(reach(np.append(lower[:k], upper[k]), np.append(upper[:k], 12.0)), abs=2e-6)
        assert down[k] == pytest.approx(reach(np.append(lower[:k], -12.0), np.append(upper[:k], lower[k])), abs=2e-6)
    assert down.sum() + up.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("spending", ["obf", "pocock", "hsd:-4", "hsd:0", "hsd:3", "kd:2", "wt:.3", "hp", "hp:3.3"])
@pytest.mark.parametrize("sided", [1, 2])
def test_all_of_alpha_is_spent_and_power_is_as_asked(spending, sided):
    found = planned((0.25, 0.6, 1.0), spending, alpha=0.04, sided=sided, power=0.85)
    assert found.stopping(0.0)[0].sum() == pytest.approx(0.04, abs=1e-11)
    assert found.stopping(found.drift)[0].sum() == pytest.approx(0.85, abs=1e-10)
    assert_allclose(np.cumsum(found.stopping(0.0)[0]), found.alpha_spent, atol=1e-11)


@pytest.mark.parametrize("futility", ["obf", "hsd:-2", "kd:3", [0.02, 0.06, 0.15], "cp:.1", "pp:.15"])
@pytest.mark.parametrize("binding", [False, True])
def test_futility(futility, binding):
    found = planned((0.3, 0.6, 1.0), "hsd:-4", power=0.85, futility=futility, binding=binding)
    efficacy, accepted = found.stopping(found.drift)
    assert efficacy.sum() == pytest.approx(0.85, abs=1e-9)
    assert accepted.sum() == pytest.approx(0.15, abs=1e-9)
    if found.beta_spent is not None:
        assert_allclose(np.cumsum(accepted), found.beta_spent, atol=1e-9)
    obeyed = found.stopping(0.0)[0].sum()
    ignored = stops(found.information, np.full(3, -np.inf), found.upper, 0.0)[1].sum()
    assert (obeyed if binding else ignored) == pytest.approx(0.025, abs=1e-10)
    assert obeyed < ignored
    if isinstance(futility, str) and futility.startswith("cp"):
        power = conditional_power(
            found.lower[0], 0.3, found.information[1:], found.upper[1:], found.lower[0] / 0.3**0.5
        )
        assert power.sum() == pytest.approx(0.1, abs=1e-9)


def test_a_look_at_which_no_beta_is_spent_stops_none_for_futility():
    found = planned((0.3, 0.5, 0.7, 1.0), "pocock", power=0.95, futility=[0.01, 0.02, 0.02, 0.05])
    assert np.isneginf(found.lower[2])
    assert_allclose(found.stopping(found.drift)[1], (0.01, 0.01, 0.0, 0.03), atol=1e-9)


def test_a_trial_without_looks_is_the_fixed_one():
    found = planned((1.0,), "pocock", power=0.9)
    assert found.upper[0] == pytest.approx(-ndtri(0.025), abs=1e-11)
    assert found.inflation == pytest.approx(1, abs=1e-10)
    assert found.drift == pytest.approx(ndtri(0.975) + ndtri(0.9), abs=1e-10)


def test_spending_functions_that_are_one():
    assert_allclose(planned(THIRDS, "kd:1").upper, planned(THIRDS, "hsd:0").upper, atol=1e-12)
    spent = planned(THIRDS, "hsd:-4").alpha_spent
    assert_allclose(planned(THIRDS, [*spent[:-1], 0.025]).upper, planned(THIRDS, "hsd:-4").upper, atol=1e-11)
    assert_allclose(planned(THIRDS, "hp:3.3").upper[:2], 3.3, atol=1e-9)


def test_the_end_as_foreseen_in_closed_form():
    z, later, upper = 1.3, np.array([1.0]), np.array([2.0])
    trend = (z * 0.4**0.5 + z / 0.4**0.5 * 0.6 - 2.0) / 0.6**0.5
    assert conditional_power(z, 0.4, later, upper, z / 0.4**0.5)[0] == pytest.approx(ndtr(trend), abs=1e-12)
    predicted = (z / 0.4**0.5 - 2.0) / (1 / 0.4 - 1) ** 0.5
    assert predictive_power(z, 0.4, later, upper)[0] == pytest.approx(ndtr(predicted), abs=1e-12)


def test_predictive_power_is_conditional_power_averaged():
    found = planned((0.3, 0.6, 0.8, 1.0), alpha=0.05, sided=2)
    later, upper, z = found.information[1:], found.upper[1:], 1.4
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    drifts = z / 0.3**0.5 + node / 0.3**0.5
    under = conditional_power(np.full(60, z), 0.3, later, upper, drifts, sided=2)
    assert_allclose(predictive_power(z, 0.3, later, upper, sided=2), weight @ under / weight.sum(), atol=1e-9)


def test_many_trials_at_once_are_each_as_alone():
    rng = np.random.default_rng(1)
    information = np.sort(rng.uniform(0.1, 1.0, (6, 3)) + np.arange(3), axis=1) / 3
    drift, z = rng.uniform(0, 3, 6), rng.uniform(0.5, 3, 6)
    spent = np.broadcast_to([0.004, 0.012, 0.025], (6, 3))
    beta = np.broadcast_to([0.01, 0.05, 0.1], (6, 3))
    upper, lower = spend(information, spent, beta_spent=beta, drift=drift, binding=True)
    p = p_value(z, information, lower, upper, drift)
    for i in range(6):
        one = spend(information[i], spent[i], beta_spent=beta[i], drift=drift[i], binding=True)
        assert_allclose((upper[i], lower[i]), one, atol=1e-9)
        assert p[i] == pytest.approx(p_value(z[i], information[i], lower[i], upper[i], drift[i]), abs=1e-9)
    coarse = spend(information, spent, beta_spent=beta, drift=drift, binding=True, grid=COARSE)
    assert_allclose(coarse, (upper, lower), atol=2e-5)


def test_stagewise_p_at_a_boundary_is_what_was_spent():
    found = planned((0.3, 0.6, 1.0), "pocock")
    for k in range(3):
        upto = (found.information[: k + 1], found.low[: k + 1], found.upper[: k + 1])
        assert p_value(found.upper[k], *upto) == pytest.approx(found.alpha_spent[k], abs=1e-11)
        assert drift_at(found.alpha_spent[k], found.upper[k], *upto, FINE) == pytest.approx(0, abs=1e-9)
    first = (found.information[:1], found.low[:1], found.upper[:1])
    assert_allclose(drift_at(0.5, np.array([2.5]), *first), 2.5 / 0.3**0.5, atol=1e-6)


def test_estimates_after_stopping_hold_what_they_promise():
    """At a drift of 2: half of the median-unbiased estimates are above it, 95 % of the intervals hold it."""
    found, drift, n = planned((0.4, 0.7, 1.0), "pocock", power=0.9), 2.0, 4000
    rng = np.random.default_rng(3)
    steps = np.diff(found.information, prepend=0.0)
    score = np.cumsum(drift * steps + rng.normal(size=(n, 3)) * np.sqrt(steps), axis=1)
    z = score / np.sqrt(found.information)
    look = np.where((z >= found.upper).any(axis=1), np.argmax(z >= found.upper, axis=1), 2)
    median, held, naive = np.empty(n), np.empty(n, dtype=bool), np.empty(n)
    for k in range(3):
        at = look == k
        upto = [np.broadcast_to(x[: k + 1], (at.sum(), k + 1)) for x in (found.information, found.low, found.upper)]
        median[at], low, high = (drift_at(p, z[at, k], *upto) for p in (0.5, 0.025, 0.975))
        held[at] = (low <= drift) & (drift <= high)
        naive[at] = z[at, k] / found.information[k] ** 0.5
    assert np.mean(median > drift) == pytest.approx(0.5, abs=4 * 0.5 / n**0.5)
    assert held.mean() == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / n) ** 0.5)
    assert naive.mean() > drift + 4 * naive.std() / n**0.5
    stopped = np.bincount(look, minlength=3) / n
    expected = np.sum(found.stopping(drift), axis=0)
    assert_allclose(stopped, expected, atol=4 * 0.5 / n**0.5)


@pytest.mark.parametrize("sided", [1, 2])
def test_the_bias_of_two_looks_in_closed_form(sided):
    """E[S1; Z1 ≥ b] = θ I1 P + √I1 φ(b − θ √I1), and the other side of it."""
    found = planned((0.4, 1.0), "pocock", sided=sided)
    first, drifts = 0.4, np.linspace(-1, 5, 7)
    density = norm.pdf(found.upper[0] - drifts * first**0.5)
    if sided == 2:
        density -= norm.pdf(found.upper[0] + drifts * first**0.5)
    expected = drifts + density * (first**-0.5 - first**0.5)
    means = mean_estimate(found.information, found.low, found.upper, drifts)
    assert_allclose(means, expected, rtol=0, atol=1e-9)
    assert_allclose(bias_adjusted(expected, found.information, found.low, found.upper, grid=FINE), drifts, atol=1e-9)
    assert_allclose(bias_adjusted(expected, found.information, found.low, found.upper), drifts, atol=1e-5)


def test_the_bias_is_the_slope_of_the_mean_of_one_over_the_information():
    """As the score S − θI is the slope of the log-likelihood, E[S/I] − θ is that of E[1/I]."""
    found = planned((0.3, 0.6, 1.0), "hsd:-2", power=0.9, futility="hsd:-1", binding=True)
    for decided in (found.information, np.array([0.4, 0.9, 1.0])):

        def inverse(drift, decided=decided):
            return sum(np.sum(part / decided) for part in found.stopping(drift))

        for drift in (0.0, 1.3, found.drift):
            mean = mean_estimate(found.information, found.low, found.upper, drift, decided=decided)
            slope = (inverse(drift + 1e-4) - inverse(drift - 1e-4)) / 2e-4
            assert mean - drift == pytest.approx(slope, abs=1e-6)


def test_the_adjusted_estimates_of_many_trials_are_each_as_alone():
    found = planned((0.15, 0.6, 1.0), "pocock", futility="cp:.2")
    looks, naive = (found.information, found.low, found.upper), np.linspace(-9, 14, 700)
    some = naive[::50]
    assert_allclose(bias_adjusted(naive, *looks)[::50], bias_adjusted(some, *looks, grid=FINE), rtol=0, atol=1e-5)


def test_futility_counts_in_the_adjusted_estimate_unless_it_was_ignored():
    loose = planned((0.4, 0.7, 1.0), "obf", power=0.9, futility="cp:.1")
    free = planned((0.4, 0.7, 1.0), "obf", power=0.9)
    obeyed, ignored = (known_at_end(loose, (first, 2.6)).bias_adjusted for first in (1.0, -2.0))
    assert ignored == pytest.approx(known_at_end(free, (-2.0, 2.6)).bias_adjusted, abs=1e-12)
    assert obeyed != pytest.approx(ignored, abs=1e-3)
    assert ignored < 2.6


def test_looks_at_other_information_than_planned():
    plan = planned((0.3, 0.55, 0.8, 1.0), "hsd:-2", power=0.9)
    assert_allclose(at_observed(plan, (0.3, 0.55)).upper, plan.upper, atol=1e-12)
    moved = at_observed(plan, (0.35, 0.6))
    assert_allclose(moved.upper, planned((0.35, 0.6, 0.8, 1.0), "hsd:-2").upper, atol=1e-12)
    overtaken = at_observed(plan, (0.3, 0.85))
    assert overtaken.information.tolist() == [0.3, 0.85, 1.0]
    overrun = at_observed(plan, (0.3, 0.55, 0.8, 1.1))
    assert overrun.stopping(0.0)[0].sum() == pytest.approx(0.025, abs=1e-11)
    assert overrun.stopping(overrun.drift)[0].sum() > 0.9
    shaped = planned(QUARTERS, "wt:.1")
    assert_allclose(at_observed(shaped, (0.25, 0.5)).upper, shaped.upper, atol=1e-9)
    with pytest.raises(FieldError, match=r"observed\[1\] = 0\.2"):
        at_observed(plan, (0.3, 0.2))


def test_what_is_known_at_looks():
    plan = planned((0.4, 0.7, 1.0), "obf", power=0.9, futility="cp:.1", binding=True)
    known = known_at_looks(plan, (1.0, 2.6))
    assert [each.verdict for each in known] == ["continue", "efficacy"]
    assert known[0].conditional_planned > known[0].conditional > known[0].predictive - 0.1
    ended = known_at_end(plan, (1.0, 2.6))
    assert ended.look == 2
    assert ended.lower < ended.median_unbiased < ended.upper
    with pytest.raises(FieldError, match=r"statistics\[0\] = -2: ends the trial for futility"):
        known_at_looks(plan, (-2.0, 1.0))
    with pytest.raises(FieldError, match=r"statistics\[0\] = 6: ends the trial for efficacy"):
        known_at_looks(plan, (6.0, 1.0))
    loose = planned((0.4, 0.7, 1.0), "obf", power=0.9, futility="cp:.1")
    assert [each.verdict for each in known_at_looks(loose, (-2.0, -2.0))] == ["continue", "futility"]


def test_two_sides_are_alike():
    found = planned(THIRDS, "pocock", alpha=0.05, sided=2)
    up, down = (known_at_end(found, (1.0, sign * 2.6)) for sign in (1, -1))
    assert up.p == pytest.approx(
        2 * p_value(np.asarray(2.6), *[x[:2] for x in (found.information, found.low, found.upper)])
    )
    assert known_at_looks(found, (1.0, -2.6))[-1].verdict == "efficacy"
    assert down.naive == -2.6
    assert down.upper < 0


def test_boundaries_fall_with_information_for_spending_that_waits():
    for earlier, later in pairwise(planned(equal(6), "obf").upper):
        assert later < earlier


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"information": ()}, "information"),
        ({"information": (0.5, 0.4, 1.0)}, r"information\[1\] = 0\.4: must be at least 0\.001 beyond the look before"),
        ({"information": (0.5, float("nan"))}, r"information\[1\] = nan"),
        ({"information": (1.0, 1.2)}, r"information\[0\] = 1: must be below 1 at any look but the last"),
        ({"alpha": 0.0}, "alpha = 0: must be between 0 and 0.5"),
        ({"sided": 3}, "sided = 3"),
        ({"power": 0.01}, "power = 0.01: must be above alpha"),
        ({"futility": "obf"}, "power is missing"),
        ({"futility": "obf", "power": 0.9, "sided": 2}, "sided = 2: must be 1 where `futility` is given"),
        ({"futility": "wt:0", "power": 0.9}, "futility = 'wt:0'"),
        ({"futility": "cp:1.5", "power": 0.9}, "futility = 'cp:1.5'"),
        (
            {"futility": "cp:.9", "power": 0.9, "binding": True, "information": (0.1, 0.6, 0.7, 1.0)},
            "so early that alpha cannot be spent",
        ),
        ({"binding": True}, "binding = True: goes with `futility`"),
        ({"spending": "obrien"}, "spending = 'obrien': must be one of obf"),
        ({"spending": "hsd"}, "needs a number behind the colon"),
        ({"spending": "kd:-1"}, "spending = 'kd:-1'"),
        ({"spending": "hp:2", "information": THIRDS}, "spending = 'hp:2': its looks before the last would spend"),
        ({"spending": (0.01, 0.03)}, r"spending\[1\] = 0\.03: must end with alpha, 0\.025"),
        ({"spending": (0.02, 0.01)}, "must not fall"),
        ({"spending": (0.025,)}, "a number for each look: 2"),
    ],
)  # fmt: skip
def test_what_makes_no_design(asked, said):
    with pytest.raises(FieldError, match=said):
        planned(**({"information": (0.5, 1.0)} | asked))


@pytest.mark.parametrize(
    ("pending", "said"),
    [
        ((0.2,), "a number for each look but the last: 2"),
        ((0.2, 0.4), r"pending\[1\] = 0\.4"),
        ((0.0, 0.1), r"pending\[0\]"),
    ],
)
def test_what_cannot_be_pending(pending, said):
    found = planned((0.3, 0.7, 1.0), power=0.8, futility="obf", binding=True)
    with pytest.raises(FieldError, match=said):
        decisions(found, pending)
    with pytest.raises(FieldError, match="goes with a `binding` `futility`"):
        decisions(planned((0.3, 0.7, 1.0)), pending)
