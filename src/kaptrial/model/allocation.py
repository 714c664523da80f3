"""Randomisation: strata, permuted blocks, therapists' caseloads. Prefix-stable: later patients change nothing
earlier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints


def draw_levels(u: Floats, shares: Sequence[float]) -> Ints:
    """Level of a stratification factor for each uniform: the shares are its levels' probabilities."""
    edges = np.cumsum(shares)[:-1]
    return np.searchsorted(edges, u, side="right").astype(np.int64)


def order_within(group: Ints) -> Ints:
    """How many patients of the same group came before each patient; `group`, result: (replicate, patient)."""
    group = np.asfortranarray(group)
    rank = np.empty_like(group)
    _rank_within(group, int(group.max(initial=0)) + 1, rank)
    return rank


@njit(cache=True, nogil=True)
def _rank_within(group, n_groups, rank):  # type: ignore[no-untyped-def]
    came = np.zeros((n_groups, group.shape[0]), dtype=np.int64)
    for i in range(group.shape[1]):
        for r in range(group.shape[0]):
            rank[r, i] = came[group[r, i], r]
            came[group[r, i], r] += 1


def permuted_blocks(rng: np.random.Generator, stratum: Ints, arms_in_block: Sequence[int], n_strata: int) -> Ints:
    """Arm of each patient: permuted blocks within strata, filled in the order of entry.

    `stratum`: (replicate, patient), values below `n_strata`; `arms_in_block`: the arm of each place of a
    block. Draws are
    block-major, so a longer trial begins with the same blocks.
    """
    n_replicates, n_patients = stratum.shape
    size = len(arms_in_block)
    n_blocks = -(-n_patients // size)
    keys = rng.random((n_blocks, n_replicates, n_strata, size))
    arm = np.empty((n_replicates, n_patients), dtype=np.int64, order="F")
    _fill_blocks(keys, np.asfortranarray(stratum), np.asarray(arms_in_block, dtype=np.int64), arm)
    return arm


@njit(cache=True, nogil=True)
def _fill_blocks(keys, stratum, arms_in_block, arm):  # type: ignore[no-untyped-def]
    """Each stratum's blocks in turn, the places of a block in the order of its keys."""
    _, n_replicates, n_strata, size = keys.shape
    came = np.zeros((n_replicates, n_strata), dtype=np.int64)
    order = np.empty((n_replicates, n_strata, size), dtype=np.int64)
    for i in range(arm.shape[1]):
        for r in range(n_replicates):
            g = stratum[r, i]
            block, place = came[r, g] // size, came[r, g] % size
            if place == 0:
                for k in range(size):
                    to = k
                    while to > 0 and keys[block, r, g, order[r, g, to - 1]] > keys[block, r, g, k]:
                        order[r, g, to] = order[r, g, to - 1]
                        to -= 1
                    order[r, g, to] = k
            arm[r, i] = arms_in_block[order[r, g, place]]
            came[r, g] += 1


def assign_therapists(pool: Ints, counts: Sequence[int | None], caseloads: Sequence[int | None]) -> Ints:
    """Therapist of each patient, numbered within the therapy's pool; −1 where the therapy has none.

    `pool`: (replicate, patient), index of the therapy, −1 for none. With a count, patients go round the
    therapists in turn;
    with a caseload, each therapist is filled before the next begins.
    """
    therapist = np.full(pool.shape, -1, dtype=np.int64, order="F")
    rank = order_within(pool + 1)
    for p, (count, caseload) in enumerate(zip(counts, caseloads, strict=True)):
        if count is not None:
            therapist = np.where(pool == p, rank % count, therapist)
        elif caseload is not None:
            therapist = np.where(pool == p, rank // caseload, therapist)
    return therapist


def therapist_effects(z: Floats, sd: Floats, therapist: Ints, pool: Ints) -> Floats:
    """What each patient's therapist adds, z·sd, 0 without one.

    `z`: (replicate, therapist, pool); `sd`: (pool,); `therapist`, its number in the pool, `pool`: (replicate, patient).
    """
    effect = np.zeros(therapist.shape, order="F")
    _look_up_effects(z, sd, np.asfortranarray(therapist), np.asfortranarray(pool), effect)
    return effect


@njit(cache=True, nogil=True)
def _look_up_effects(z, sd, therapist, pool, effect):  # type: ignore[no-untyped-def]
    for i in range(therapist.shape[1]):
        for r in range(therapist.shape[0]):
            if therapist[r, i] >= 0:
                effect[r, i] = z[r, therapist[r, i], pool[r, i]] * sd[pool[r, i]]
