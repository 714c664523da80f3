"""The small dense algebra equals NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from kaptrial.estimators import dense


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_equals_numpy(n):
    rng = np.random.default_rng(n)
    for _ in range(50):
        root = rng.normal(size=(n, n + 3))
        a, b = root @ root.T, rng.normal(size=n)
        factor, inverse, x = a.copy(), np.empty((n, n)), b.copy()
        assert dense.cholesky(factor, n, 1e-14)
        dense.invert(factor, n, inverse)
        dense.solve(factor, n, x)
        np.testing.assert_allclose(inverse @ a, np.eye(n), atol=1e-9)  # condition numbers reach 1e4
        np.testing.assert_allclose(a @ x, b, atol=1e-9)
        np.testing.assert_allclose(dense.log_determinant(factor, n), np.linalg.slogdet(a)[1], rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(dense.quadratic(a, b, n), b @ a @ b, rtol=1e-10)


def test_what_is_not_positive_definite_is_said_so():
    assert not dense.cholesky(np.array([[1.0, 2.0], [2.0, 1.0]]), 2, 1e-12)
    assert not dense.cholesky(np.ones((3, 3)), 3, 1e-12)
    assert not dense.cholesky(np.full((1, 1), np.nan), 1, 1e-12)
