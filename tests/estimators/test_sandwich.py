"""Sandwich errors of the MMRM: Welch's at one visit, by whole matrices, and right where the structure is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import block_diag, sqrtm
from scipy.special import stdtr

from kaptrial.estimators.mmrm import MmrmPlan, mmrm
from kaptrial.estimators.mmrm.sandwich import sandwich


def trial(rng, n, n_visits=3, missing=0.2):
    arm = rng.permutation(np.arange(n) % 2)
    x = rng.normal(size=(n, 1))
    y = np.cumsum(rng.normal(size=(n, n_visits)), axis=1) * (1 + 0.5 * arm[:, None]) + x
    lost = rng.random((n, n_visits)) < missing
    lost[:, 0] = False
    y[lost] = np.nan
    return y, arm, x


def fitted(y, arm, crossed, main, by_arm, by_visit, structure="cs"):
    plan = MmrmPlan(structures=(structure,), components=True)
    return mmrm(y[None], arm[None], crossed[None], main[None], by_arm, by_visit, plan)


def test_at_one_visit_it_is_welchs_with_the_degrees_of_freedom_of_equal_variances():
    rng = np.random.default_rng(1)
    arm = np.repeat([0, 1], [9, 14])
    y = rng.normal(size=(23, 1)) * np.where(arm == 1, 3, 1)[:, None]
    none = np.empty((23, 0))
    fit = fitted(y, arm, none, none, [[-1, 1]], [[1]], "us")
    se, df = sandwich(y, arm, none, none, [[-1, 1]], [[1]], fit.covariance[0])
    variances = [y[arm == a].var(ddof=1) / (arm == a).sum() for a in (0, 1)]
    assert se[0] == pytest.approx(np.sqrt(sum(variances)), rel=1e-10)
    n, m = 9, 14
    assert df[0] == pytest.approx((1 / n + 1 / m) ** 2 / (1 / (n**2 * (n - 1)) + 1 / (m**2 * (m - 1))), rel=1e-10)


def test_agrees_with_whole_matrices():
    y, arm, x = trial(np.random.default_rng(2), 24)
    none = np.empty((24, 0))
    contrast = ([[-1, 1], [-1, 1]], [[0, 0, 1], [0.5, 0.25, 0.25]])
    fit = fitted(y, arm, x, none, *contrast)
    se, df = sandwich(y, arm, x, none, *contrast, fit.covariance[0])
    # Every patient's rows beneath each other; columns: arm at each visit, baseline at each visit.
    seen = [np.flatnonzero(np.isfinite(row)) for row in y]
    rows = [(i, j) for i in range(24) for j in seen[i]]
    design = np.zeros((len(rows), 9))
    for row, (i, j) in enumerate(rows):
        design[row, 3 * j + arm[i]], design[row, 3 * j + 2] = 1, x[i, 0] - x.mean()
    v = block_diag(*(fit.covariance[0][np.ix_(s, s)] for s in seen))
    w, scores = np.linalg.inv(v), np.array([y[i, j] for i, j in rows])
    phi = np.linalg.inv(design.T @ w @ design)
    beta = phi @ design.T @ w @ scores
    left = np.eye(len(rows)) - design @ phi @ design.T @ w
    for k, by_visit in enumerate(contrast[1]):
        c = np.array([[-weight, weight, 0] for weight in by_visit]).ravel()
        # The same contrast, and the model's own variance of it.
        assert c @ beta == pytest.approx(fit.estimate[0, k], rel=1e-7)
        g = []
        for i in range(24):
            own = [row for row, (who, _) in enumerate(rows) if who == i]
            d = np.linalg.cholesky(v[np.ix_(own, own)]).T
            b = d @ (left @ v @ left.T)[np.ix_(own, own)] @ d.T
            a = d.T @ np.linalg.inv(np.real(sqrtm(b))) @ d
            g.append(left[own].T @ a @ (w @ design @ phi @ c)[own])
        g = np.array(g)
        assert se[k] == pytest.approx(np.sqrt(((g @ scores) ** 2).sum()), rel=1e-7)
        p = g @ v @ g.T
        assert df[k] == pytest.approx(np.trace(p) ** 2 / np.trace(p @ p), rel=1e-7)
        # Unbiased where the structure is right.
        assert np.trace(p) == pytest.approx(c @ phi @ c, rel=1e-8)


def test_a_patient_with_a_mean_of_their_own_adds_nothing():
    y, arm, x = trial(np.random.default_rng(3), 20)
    alone = np.zeros((20, 1))
    alone[0] = 1  # a covariate that only one patient has
    fit = fitted(y, arm, alone, x, [[-1, 1]], [[0, 0, 1]])
    se, df = sandwich(y, arm, alone, x, [[-1, 1]], [[0, 0, 1]], fit.covariance[0])
    without = sandwich(y[1:], arm[1:], alone[1:, :0], x[1:], [[-1, 1]], [[0, 0, 1]], fit.covariance[0])
    assert np.isfinite([*se, *df]).all()
    assert se[0] == pytest.approx(without[0][0], rel=0.2)


@pytest.mark.parametrize("n", [40, pytest.param(25, marks=pytest.mark.validation)])
def test_the_level_holds_where_the_structure_is_wrong(n):
    """Compound symmetry of scores that spread out: the model's own errors are too small at the last visit."""
    rng = np.random.default_rng(4)
    p = []
    for _ in range(300):
        y, arm, x = trial(rng, n, n_visits=4)
        none = np.empty((n, 0))
        y /= 1 + 0.5 * arm[:, None]
        fit = fitted(y, arm, x, none, [[-1, 1]], [[0, 0, 0, 1]])
        se, df = sandwich(y, arm, x, none, [[-1, 1]], [[0, 0, 0, 1]], fit.covariance[0])
        p.append(
            [2 * stdtr(d, -abs(fit.estimate[0, 0] / s)) for d, s in ((df[0], se[0]), (fit.df[0, 0], fit.se[0, 0]))]
        )
    robust, naive = (np.array(p) < 0.05).mean(axis=0)
    print(robust, naive)
    mcse = np.sqrt(0.05 * 0.95 / 300)
    assert abs(robust - 0.05) < 4 * mcse
    assert naive > 0.05 + 4 * mcse
