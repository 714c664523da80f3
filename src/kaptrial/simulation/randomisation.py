"""Strata and arms of the patients in the order of their randomisation: the same in a trial's clinic and in its data."""

from __future__ import annotations

from functools import reduce

import numpy as np

from kaptrial.arrays import Ints
from kaptrial.model import allocation
from kaptrial.model.streams import BLOCK, BlockStreams, Stream, uniforms
from kaptrial.scenario.scenario import Scenario


def draw_strata(s: Scenario, streams: BlockStreams, attempt: int = 0) -> Ints:
    """Levels of the stratification factors, (replicate, patient, factor). `attempt` > 0: of others in their place."""
    factors = s.design.allocation.strata
    levels = np.zeros((BLOCK, s.n_total, len(factors)), dtype=np.int64, order="F")
    if factors:
        u = uniforms(streams.of(Stream.STRATUM, attempt), s.n_total, len(factors))
        for f, factor in enumerate(factors):
            levels[..., f] = allocation.draw_levels(u[..., f], [level.share for level in factor.levels.values()])
    return levels


def allocate(s: Scenario, streams: BlockStreams, strata: Ints, force_arm: int | None = None) -> Ints:
    """The arm of each patient, (replicate, patient): permuted blocks within strata, or `force_arm` for all."""
    if force_arm is not None:
        return np.full(strata.shape[:2], force_arm, dtype=np.int64, order="F")
    sizes = [len(factor.levels) for factor in s.design.allocation.strata]
    stratum = reduce(
        lambda code, f: code * sizes[f] + strata[..., f],
        range(len(sizes)),
        np.zeros(strata.shape[:2], np.int64, order="F"),
    )
    smallest = [a for a, share in enumerate(s.ratio) for _ in range(share)]
    repeats = (s.design.allocation.block or len(smallest)) // len(smallest)
    rng = streams.of(Stream.ALLOCATION)
    return allocation.permuted_blocks(rng, stratum, smallest * repeats, int(np.prod(sizes, initial=1)))
