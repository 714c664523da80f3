"""Ranks, their distribution and its bands, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from kaptrial.priors import sbc

FITS, DRAWS = 200, 63


def test_rank_counts_the_draws_below():
    assert sbc.rank(0.5, np.array([0.1, 0.2, 0.9])) == 2


def test_evenly_spread_ranks_lie_on_the_line():
    at, difference = sbc.ecdf_difference(np.tile(np.arange(DRAWS + 1), 5), DRAWS)
    assert len(at) == DRAWS
    np.testing.assert_allclose(difference, 0, atol=1e-12)


def test_bands_hold_uniform_ranks_as_often_as_they_say():
    """1,000 sets of uniform ranks: the share inside a 90 % band is binomial with SE .0095; 4 of them and the band's own
    simulation error (20,000 sets, SE .002) make .04."""
    low, high = sbc.band(FITS, DRAWS, 0.9)
    rng = np.random.default_rng(3)
    kept = 0
    for _ in range(1000):
        _, difference = sbc.ecdf_difference(rng.integers(0, DRAWS + 1, FITS), DRAWS)
        kept += bool(np.all((difference >= low - 1e-12) & (difference <= high + 1e-12)))
    assert kept / 1000 == pytest.approx(0.9, abs=0.04)


@pytest.mark.parametrize(("a", "b"), [(2.0, 1.0), (0.5, 0.5), (2.0, 2.0)])
def test_biased_over_and_underconfident_ranks_are_seen(a, b):
    u = np.random.default_rng(4).beta(a, b, FITS)
    assert not sbc.inside(np.floor(u * (DRAWS + 1)).astype(np.int64), DRAWS, 0.9975)


def test_uniform_ranks_pass():
    assert sbc.inside(np.random.default_rng(5).integers(0, DRAWS + 1, FITS), DRAWS, 0.9975)
