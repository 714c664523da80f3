"""The linear predictor's coordinates: orthogonal, spanning what they should, and safe on degenerate trials."""

from __future__ import annotations

import numpy as np
import pytest

from kaptrial.estimators.ancova import ancova
from kaptrial.estimators.predictor import as_arrays, orthogonalise
from tests.estimators.nasty import designs, is_estimate_or_failure


def orthogonal(x, sizes, weights, every_arm=False):
    """Rows of x sorted by arm: those kept, their means and squares, and whether one is confounded."""
    z = np.array(x, dtype=float)
    mean, square = np.zeros((len(z), len(sizes))), np.zeros(len(z))
    start = np.concatenate([[0], np.cumsum(sizes)])
    kept, confounded = orthogonalise(z, len(z), start, np.array(weights, dtype=float), every_arm, mean, square)
    return z[:kept], mean[:kept], square[:kept], confounded


def test_columns_are_orthogonal_to_each_other_and_to_the_arms():
    rng = np.random.default_rng(1)
    sizes = [7, 0, 12, 5]
    x = rng.normal(1e3, 10, (3, 24)) + np.repeat([0, 0, 50, -20], sizes)
    z, mean, square, _ = orthogonal(x, sizes, [1, 0, -1, 0])
    arms = np.repeat(np.eye(4)[[0, 2, 3]], [7, 12, 5], axis=0)
    np.testing.assert_allclose(z @ arms, 0, atol=1e-10)
    np.testing.assert_allclose(z @ z.T, np.diag(square), rtol=1e-12, atol=1e-9)
    # With the means added the columns span what they did.
    full = z + mean[:, np.repeat([0, 2, 3], [7, 12, 5])]
    np.testing.assert_allclose(full[0], x[0], rtol=1e-12)
    fitted = np.linalg.lstsq(full.T, x.T, rcond=None)[0]
    np.testing.assert_allclose(full.T @ fitted, x.T, rtol=1e-9)


def test_redundant_columns_are_dropped_and_confounded_ones_noticed():
    rng = np.random.default_rng(2)
    x = rng.normal(size=12)
    by_arm = np.repeat([1.0, 1.0, 4.0], 4)
    sizes = [4, 4, 4]
    for columns, weights, every_arm, kept, confounded in (
        ([x, 2 * x + 1, np.ones(12)], [-1, 1, 0], False, 1, False),
        ([by_arm, x], [-1, 1, 0], False, 1, False),
        ([by_arm, x], [-1, 1, 0], True, 1, True),
        ([by_arm, x], [-1, 0, 1], False, 1, True),
        ([x, x + by_arm], [-1, 0, 1], False, 1, True),
    ):
        z, _, _, is_confounded = orthogonal(columns, sizes, weights, every_arm)
        assert (len(z), is_confounded) == (kept, confounded)


def test_ancova_keeps_its_digits_far_from_the_origin():
    """A covariate of mean 1,000 and SD 1, and another that is it but for .001, against the same about 0."""
    rng = np.random.default_rng(3)
    arm = np.tile([0, 1], (1, 30))
    x = rng.normal(size=(1, 60, 2)) * [1.0, 1e-3]
    x[..., 1] += x[..., 0]
    y = x[..., 0] + rng.normal(size=(1, 60))
    near, far = ancova(y, arm, x, [-1, 1]), ancova(y + 1e4, arm, x + 1e3, [-1, 1])
    np.testing.assert_allclose((far.estimate, far.se), (near.estimate, near.se), rtol=1e-5)
    assert far.df == near.df == 56


def test_nasty_data_give_ancova_an_estimate_or_a_named_failure():
    rng = np.random.default_rng(4)
    for arm, x, weights in designs(rng, 700):
        y = rng.normal(size=arm.shape) * rng.choice([0.0, 1.0, 1e-9, 1e9]) + rng.choice([0.0, 20.0])
        y[rng.random(arm.shape) < rng.choice([0.0, 0.3, 1.0], p=[0.5, 0.45, 0.05])] = np.nan
        assert is_estimate_or_failure(ancova(y, arm, x, weights)), (y, arm, x)


def test_an_arm_without_a_weight_is_refused():
    with pytest.raises(ValueError, match="0 to 1, found 0 to 2"):
        as_arrays([[1.0, 2.0]], [[0, 2]], np.empty((1, 2, 0)), [-1, 1])


def test_compiled_code_gets_writable_c_arrays():
    y = np.broadcast_to(np.arange(3.0), (2, 3))
    for array in as_arrays(y, np.zeros((2, 3), dtype=int)[:, ::-1], np.ones((2, 3, 4))[..., ::2], [1]):
        assert array.flags.c_contiguous
        assert array.flags.writeable
