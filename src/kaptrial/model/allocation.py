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
    rank = np.empty_like(group)
    _rank_within(group, int(group.max(initial=0)) + 1, rank)
    return rank


@njit(cache=True, nogil=True)
def _rank_within(group, n_groups, rank):  # type: ignore[no-untyped-def]
    for r in range(group.shape[0]):
        came = np.zeros(n_groups, dtype=np.int64)
        for i in range(group.shape[1]):
            rank[r, i] = came[group[r, i]]
            came[group[r, i]] += 1


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
    sequence = np.asarray(arms_in_block, dtype=np.int64)[np.argsort(keys, axis=-1)]
    place = order_within(stratum)
    return sequence[place // size, np.arange(n_replicates)[:, None], stratum, place % size]


def assign_therapists(pool: Ints, counts: Sequence[int | None], caseloads: Sequence[int | None]) -> Ints:
    """Therapist of each patient, numbered within the therapy's pool; −1 where the therapy has none.

    `pool`: (replicate, patient), index of the therapy, −1 for none. With a count, patients go round the
    therapists in turn;
    with a caseload, each therapist is filled before the next begins.
    """
    therapist = np.full(pool.shape, -1, dtype=np.int64)
    rank = order_within(pool + 1)
    for p, (count, caseload) in enumerate(zip(counts, caseloads, strict=True)):
        in_pool = pool == p
        if count is not None:
            therapist[in_pool] = rank[in_pool] % count
        elif caseload is not None:
            therapist[in_pool] = rank[in_pool] // caseload
    return therapist
