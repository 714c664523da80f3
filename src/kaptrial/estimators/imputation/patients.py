"""What the compiled steps of an imputation pass to each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints

MAR, JR, CR, CIR, LMCF = range(5)


class Patients(NamedTuple):
    """y (patient, visit), NaN where not seen; w (patient, m), arm indicators and covariates, complete; arm (patient,).

    n_seen (patient,): scores up to the visit analysed; meaningful where nobody was seen again after a missed visit.
    """

    y: Floats
    w: Floats
    arm: Ints
    n_seen: Ints


class Plan(NamedTuple):
    """What is asked: the contrast's weights (arm,), the strategy, each arm's reference (arm,), the visit analysed.

    column (visit, m): the number of each covariate's coefficient at each visit. structures: codes, in the order tried.
    closed_form: whether to try it.
    """

    arm_weights: Floats
    strategy: int
    references: Ints
    visit: int
    column: Ints
    structures: Ints
    closed_form: bool


def gather(y: Floats, arm: Ints, crossed: Floats, main: Floats, n_arms: int) -> tuple[Patients, Ints]:
    """The patients with all covariates, n_seen left empty, and the visits to which any of them came.

    Scores are centred by one number, covariates each by its own and scaled: no contrast feels it.
    """
    covariates = np.concatenate([crossed, main], axis=1)
    kept = np.isfinite(covariates).all(axis=1)
    y, arm, covariates = y[kept], arm[kept], covariates[kept]
    seen = np.isfinite(y)
    visits = np.flatnonzero(seen.any(axis=0))
    if len(visits) > 0:
        y = np.ascontiguousarray(y[:, visits]) - y[seen].mean()
        mean, sd = covariates.mean(axis=0), covariates.std(axis=0)
        # A constant leaves rounding only, and is dropped as the 0 it is.
        varies = sd > 1e-12 * np.abs(mean)
        covariates = np.where(varies, (covariates - mean) / np.where(varies, sd, 1.0), 0.0)
    w = np.concatenate([arm[:, None] == np.arange(n_arms), covariates], axis=1)
    return Patients(y, w, arm, np.empty(len(arm), dtype=np.int64)), visits


@njit(cache=True, nogil=True)
def last_seen(y: Floats) -> int:
    """The last visit seen of one patient, −1 if none."""
    last = -1
    for j in range(len(y)):
        if y[j] == y[j]:
            last = j
    return last


def without(patients: Patients, i: int) -> Patients:
    """All patients but the i-th."""
    y, w, arm, n_seen = patients
    others = np.arange(len(arm)) != i
    return Patients(y[others], w[others], arm[others], n_seen[others])
