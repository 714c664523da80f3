"""Named, addressable random streams: one a mechanism and block.

Draws are patient-major inside a block, so that the first n patients of a block are the same whatever follows them, and
a block is always drawn whole, so that more replicates keep the earlier ones bit-identical.

A block's arrays have the axes (replicate, patient, ...) and lie in memory as they are drawn, the replicates of a
patient side by side (Fortran order). What follows keeps that order; the analysis takes trials one by one.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numba import njit

from kaptrial.arrays import Floats

# Replicates in a block: small enough that a block's arrays stay in cache. Frozen: changing it changes every result.
BLOCK = 128


class Stream(IntEnum):
    """The mechanisms that draw. The integers are frozen: a new mechanism takes the next one, 16 is never used again."""

    PATIENT = 0
    ENTRY = 1
    NON_RESPONDER = 2
    STRATUM = 3
    ALLOCATION = 4
    DEVIATION = 5
    RATER = 6
    THERAPIST = 7
    BELIEF = 8
    MISSED = 9
    STOP = 10
    DROPOUT = 11
    RESCUE = 12
    DAY_OUTCOME = 13
    BASELINE_DAY_OUTCOME = 14
    OPEN_LABEL = 15
    # The clinic's, addressed by replicate in place of block.
    SITE = 17
    REFERRAL = 18
    SCREENING = 19
    APPOINTMENT = 20
    PATIENCE = 21
    LEAVE = 22
    TURNOVER = 23
    DESIGN_PRIOR = 24
    # That of an analysis, trial after trial.
    IMPUTATION = 25
    # Those of an outcome that is not primary, addressed by its number too.
    OTHER_TRAIT = 26
    OTHER_DEVIATION = 27
    OTHER_RATER = 28
    OTHER_DAY_OUTCOME = 29
    OTHER_BASELINE_DAY_OUTCOME = 30
    OTHER_MISSED = 31
    # Those of substance use.
    AMOUNT_OF_PATIENT = 32
    AMOUNT = 33
    AMOUNT_BEFORE = 34
    SEX = 35
    # Those of counts of events.
    COUNT_BEFORE = 36
    COUNT = 37
    BRIDGE = 40


def generator(seed: int, block: int, stream: Stream, attempt: int = 0, number: int = 0) -> np.random.Generator:
    """The generator of one stream. `attempt` > 0 redraws a block's patients who were not eligible.

    `number`: of an outcome that is not primary, from 1.
    """
    more = (attempt, number) if number else (attempt,) if attempt else ()
    key = (block, int(stream), *more)
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))


class BlockStreams:
    """The streams of one block. Each goes on from where it was drawn last: patients can be drawn a part at a time."""

    def __init__(self, seed: int, block: int) -> None:
        self.seed, self.block = seed, block
        self._generators: dict[tuple[Stream, int, int], np.random.Generator] = {}

    def of(self, stream: Stream, attempt: int = 0, number: int = 0) -> np.random.Generator:
        """One stream's generator; `attempt` and `number` as in `generator`."""
        key = stream, attempt, number
        if key not in self._generators:
            self._generators[key] = generator(self.seed, self.block, *key)
        return self._generators[key]


def normals(rng: np.random.Generator, n_patients: int, count: int) -> Floats:
    """Standard normals, shape (BLOCK, n_patients, count), drawn patient-major."""
    out = np.empty((BLOCK, n_patients, count), order="F")
    _fill_normals(rng, out)
    return out


def uniforms(rng: np.random.Generator, n_patients: int, count: int) -> Floats:
    """Uniforms on [0, 1), shape (BLOCK, n_patients, count), drawn patient-major and as they lie in memory."""
    return rng.random((n_patients, BLOCK, count)).transpose(1, 0, 2)


# Compiled, a generator gives the same normals as from NumPy, in a third of the time.
@njit(cache=True, nogil=True)
def _fill_normals(rng, out):  # type: ignore[no-untyped-def]
    for i in range(out.shape[1]):
        for r in range(out.shape[0]):
            for k in range(out.shape[2]):
                out[r, i, k] = rng.standard_normal()
