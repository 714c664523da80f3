"""Randomisation: balance of every complete block, strata, therapists; what comes later changes nothing earlier."""

from __future__ import annotations

import numpy as np
import pytest

from kaptrial.model import allocation


def allocate(stratum, arms_in_block, n_strata=1, seed=5):
    return allocation.permuted_blocks(np.random.default_rng(seed), stratum, arms_in_block, n_strata)


@pytest.mark.parametrize("block", [[0, 1], [0, 0, 1, 1], [0, 0, 1], [0, 1, 2, 2]])
def test_every_complete_block_holds_the_ratio(block):
    size, n_blocks = len(block), 15
    arm = allocate(np.zeros((20, size * n_blocks), dtype=np.int64), block)
    assert (np.sort(arm.reshape(20, n_blocks, size), axis=-1) == sorted(block)).all()


def test_blocks_are_kept_within_strata():
    stratum = np.random.default_rng(1).integers(0, 3, (20, 90))
    arm = allocate(stratum, [0, 0, 1, 1], 3)
    for r, s in np.ndindex(20, 3):
        mine = arm[r, stratum[r] == s]
        full_blocks = mine[: len(mine) // 4 * 4].reshape(-1, 4)
        assert (np.sort(full_blocks, axis=1) == [0, 0, 1, 1]).all()


def test_every_order_of_a_block_is_equally_likely():
    arm = allocate(np.zeros((1000, 24), dtype=np.int64), [0, 0, 1, 1]).reshape(-1, 4)
    _, counts = np.unique(arm, axis=0, return_counts=True)
    assert len(counts) == 6
    expected = 6000 / 6
    assert np.abs(counts - expected).max() < 4 * np.sqrt(6000 * (1 / 6) * (5 / 6))  # 4 binomial SE


@pytest.mark.parametrize("shorter", [1, 3, 59, 80])
def test_a_longer_trial_begins_like_a_shorter_one(shorter):
    stratum = np.random.default_rng(2).integers(0, 2, (7, 120))
    longer = allocate(stratum, [0, 0, 1, 1], 2)
    np.testing.assert_array_equal(allocate(stratum[:, :shorter], [0, 0, 1, 1], 2), longer[:, :shorter])


def test_levels_have_their_shares():
    u = np.random.default_rng(4).random((1, 100_000))
    level = allocation.draw_levels(u, [0.2, 0.5, 0.3])
    shares = np.bincount(level[0], minlength=3) / 100_000
    assert np.abs(shares - [0.2, 0.5, 0.3]).max() < 4 * 0.5 / np.sqrt(100_000)  # 4 SE, at most those of a half
    np.testing.assert_array_equal(
        allocation.draw_levels(np.array([0.0, 0.2, 0.7, 1 - 1e-16]), [0.2, 0.5, 0.3]), [0, 1, 2, 2]
    )


def test_order_within_a_group():
    np.testing.assert_array_equal(allocation.order_within(np.array([[0, 1, 0, 2, 1, 0]])), [[0, 0, 1, 0, 1, 2]])


def test_a_count_of_therapists_shares_the_patients_and_a_caseload_fills_them():
    pool = np.array([[0, -1, 0, 1, 0, 1, 0, 0, -1, 1]])
    therapist = allocation.assign_therapists(pool, [3, None], [None, 2])
    np.testing.assert_array_equal(therapist, [[0, -1, 1, 0, 2, 0, 0, 1, -1, 1]])


def test_caseloads_are_never_exceeded_and_counts_are_balanced():
    pool = np.random.default_rng(6).integers(-1, 2, (30, 101))
    therapist = allocation.assign_therapists(pool, [4, None], [None, 7])
    assert ((therapist == -1) == (pool == -1)).all()
    for r in range(30):
        by_count = np.bincount(therapist[r, pool[r] == 0], minlength=4)
        assert len(by_count) == 4
        assert np.ptp(by_count) <= 1
        by_load = np.bincount(therapist[r, pool[r] == 1])
        assert (by_load[:-1] == 7).all()
        assert by_load[-1] <= 7


def test_a_therapy_without_therapists_leaves_its_patients_without():
    assert (allocation.assign_therapists(np.zeros((1, 3), dtype=np.int64), [None], [None]) == -1).all()
