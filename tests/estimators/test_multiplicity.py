"""Multiplicity: adjusted p-values reject what the step-wise procedures reject, graphs contain them, errors are kept."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from kaptrial.estimators.multiplicity import adjusted, graphical, parallel_gates, rejected, serial

ALPHAS = (0.001, 0.025, 0.05, 0.2)


def stepwise_holm(p, alpha):
    """Textbook: the smallest at α/m, the next at α/(m − 1) ... until the first that is not rejected."""
    hits = np.zeros(len(p), dtype=bool)
    for step, i in enumerate(np.argsort(p)):
        if not p[i] <= alpha / (len(p) - step):
            break
        hits[i] = True
    return hits


def stepwise_hochberg(p, alpha):
    """Textbook: the first from the largest down with p at most α/k rejects itself and all smaller ones."""
    order = np.argsort(-p)
    for step, i in enumerate(order):
        if p[i] <= alpha / (step + 1):
            hits = np.zeros(len(p), dtype=bool)
            hits[order[step:]] = True
            return hits
    return np.zeros(len(p), dtype=bool)


def stepwise_sequence(p, alpha):
    return np.logical_and.accumulate(p <= alpha)


def stepwise_graph(p, weights, transitions, alpha):
    """Algorithm 1 of Bretz et al. (2009) as printed: reject any with p ≤ w α, update, repeat."""
    w, g = np.array(weights, dtype=float), np.array(transitions, dtype=float)
    waiting = set(range(len(p)))
    while hit := [j for j in waiting if w[j] > 0 and p[j] <= w[j] * alpha]:
        j = hit[0]
        waiting.remove(j)
        new_w, new_g = np.zeros_like(w), np.zeros_like(g)
        for k in waiting:
            new_w[k] = w[k] + w[j] * g[j, k]
            for m in waiting:
                if k != m and g[k, j] * g[j, k] < 1:
                    new_g[k, m] = (g[k, m] + g[k, j] * g[j, m]) / (1 - g[k, j] * g[j, k])
        w, g = new_w, new_g
    return np.array([k not in waiting for k in range(len(p))])


def random_p(rng, r, m):
    p = rng.random((r, m)) ** rng.choice([1, 3, 6], (r, m))
    p[rng.random((r, m)) < 0.05] = 0.0
    return p


def random_graph(rng, m):
    weights = rng.dirichlet(np.ones(m)) * rng.choice([0.8, 1.0])
    weights[rng.random(m) < 0.3] = 0.0
    transitions = rng.random((m, m)) * (rng.random((m, m)) < 0.6)
    np.fill_diagonal(transitions, 0.0)
    totals = transitions.sum(axis=1, keepdims=True)
    return weights, transitions / np.where(totals > 0, totals / rng.choice([0.7, 1.0]), 1.0)


@pytest.mark.parametrize(
    ("procedure", "stepwise"),
    [
        ("holm", stepwise_holm),
        ("hochberg", stepwise_hochberg),
        ("fixed_sequence", stepwise_sequence),
        ("bonferroni", lambda p, alpha: p <= alpha / len(p)),
    ],
)
def test_adjusted_p_values_reject_what_the_procedure_does(procedure, stepwise):
    rng = np.random.default_rng(1)
    for m in (1, 2, 3, 5):
        p = random_p(rng, 300, m)
        for alpha in ALPHAS:
            expected = [stepwise(one, alpha) for one in p]
            np.testing.assert_array_equal(rejected(p, procedure, alpha), expected)


def test_graphs_reject_what_the_algorithm_does():
    rng = np.random.default_rng(2)
    for _ in range(60):
        m = int(rng.integers(1, 6))
        weights, transitions = random_graph(rng, m)
        p = random_p(rng, 20, m)
        actual = graphical(p, weights, transitions)
        for alpha in ALPHAS:
            expected = [stepwise_graph(one, weights, transitions, alpha) for one in p]
            np.testing.assert_array_equal(actual <= alpha, expected)


def test_known_procedures_are_graphs():
    rng = np.random.default_rng(3)
    p = random_p(rng, 500, 4)
    holm = np.full(4, 0.25), (1 - np.eye(4)) / 3
    np.testing.assert_allclose(graphical(p, *holm), adjusted(p, "holm"), rtol=1e-12)
    sequence = np.eye(4)[0], np.eye(4, k=1)
    np.testing.assert_allclose(graphical(p, *sequence), adjusted(p, "fixed_sequence"), rtol=1e-12)
    np.testing.assert_allclose(graphical(p, np.full(4, 0.25), np.zeros((4, 4))), adjusted(p, "bonferroni"), rtol=1e-12)
    np.testing.assert_allclose(graphical(p, *parallel_gates([4])), adjusted(p, "holm"), rtol=1e-12)
    gates = adjusted(p, "serial_gatekeeping", families=[1, 1, 1, 1])
    np.testing.assert_allclose(gates, adjusted(p, "fixed_sequence"), rtol=1e-12)
    np.testing.assert_allclose(adjusted(p, "parallel_gatekeeping", families=[1, 1, 1, 1]), gates, rtol=1e-12)


def test_fallback_is_a_graph():
    """Wiens (2003): hypothesis i at its own share, and all of that before it if that was rejected."""
    rng = np.random.default_rng(4)
    shares = np.array([0.5, 0.3, 0.2])
    p = random_p(rng, 500, 3)
    for alpha in ALPHAS:
        expected = np.zeros(p.shape, dtype=bool)
        for r, one in enumerate(p):
            carried = 0.0
            for i in range(3):
                carried += shares[i] * alpha
                expected[r, i] = one[i] <= carried
                carried *= expected[r, i]
        np.testing.assert_array_equal(graphical(p, shares, np.eye(3, k=1)) <= alpha, expected)


def test_serial_gates_open_when_all_before_are_rejected():
    rng = np.random.default_rng(5)
    p = random_p(rng, 400, 5)
    for alpha in ALPHAS:
        actual = serial(p, [2, 1, 2]) <= alpha
        for one, hits in zip(p, actual, strict=True):
            open_ = True
            for family in (slice(0, 2), slice(2, 3), slice(3, 5)):
                expected = stepwise_holm(one[family], alpha) & open_
                np.testing.assert_array_equal(hits[family], expected)
                open_ = expected.all()


def test_parallel_gates_by_hand():
    """Two primaries at .025 each; one rejected passes its .025 to two secondaries: .0125 each, then Holm."""
    p = np.array([[0.01, 0.20, 0.012, 0.03], [0.03, 0.20, 0.001, 0.001], [0.01, 0.02, 0.024, 0.045]])
    actual = rejected(p, "parallel_gatekeeping", 0.05, families=[2, 2])
    expected = [[True, False, True, False], [False, False, False, False], [True, True, True, True]]
    np.testing.assert_array_equal(actual, expected)


def test_a_failed_fit_is_not_rejected_and_holds_up_the_rest():
    p = np.array([[0.001, np.nan, 0.001]])
    for procedure in ("fixed_sequence", "holm", "hochberg", "bonferroni"):
        actual = adjusted(p, procedure)
        assert np.isnan(actual[0, 1])
        assert not rejected(p, procedure, 0.05)[0, 1]
    assert rejected(p, "fixed_sequence", 0.05).tolist() == [[True, False, False]]
    assert rejected(p, "holm", 0.05).tolist() == [[True, False, True]]
    assert rejected(p, "serial_gatekeeping", 0.05, families=[2, 1]).tolist() == [[True, False, False]]


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_familywise_error_of_correlated_tests(correlation):
    """Some true, some false nulls, normal statistics with a common correlation: at most α + 4 Monte Carlo SE."""
    rng = np.random.default_rng(6)
    r, m, alpha = 40_000, 4, 0.05
    z = np.sqrt(correlation) * rng.normal(size=(r, 1)) + np.sqrt(1 - correlation) * rng.normal(size=(r, m))
    bound = alpha + 4 * np.sqrt(alpha * (1 - alpha) / r)
    weights, transitions = random_graph(rng, m)
    for false in ([], [0], [3], [0, 1], [1, 3]):
        shifted = z.copy()
        shifted[:, false] += 3.0
        p = 2 * ndtr(-np.abs(shifted))
        true = [i for i in range(m) if i not in false]
        for procedure, families in (
            ("holm", None),
            ("hochberg", None),
            ("bonferroni", None),
            ("fixed_sequence", None),
            ("serial_gatekeeping", [2, 2]),
            ("parallel_gatekeeping", [2, 2]),
        ):
            assert rejected(p, procedure, alpha, families=families)[:, true].any(axis=1).mean() <= bound
        assert (graphical(p, weights, transitions) <= alpha)[:, true].any(axis=1).mean() <= bound


def test_what_is_no_graph_or_no_family_is_refused():
    p = np.full((1, 2), 0.01)
    for weights, transitions, message in (
        ([0.7, 0.7], np.zeros((2, 2)), "weights must be shares"),
        ([0.5, 0.5], [[0.0, 1.5], [0.0, 0.0]], "transitions must be shares"),
        ([0.5, 0.5], [[0.5, 0.5], [0.0, 0.0]], "to itself"),
    ):
        with pytest.raises(ValueError, match=message):
            graphical(p, weights, transitions)
    with pytest.raises(ValueError, match="add up to 2"):
        adjusted(p, "serial_gatekeeping", families=[1, 2])
    with pytest.raises(ValueError, match="unknown procedure"):
        adjusted(p, "sidak")
