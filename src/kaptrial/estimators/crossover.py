"""Crossover trials: treatments compared within patients, given periods.

y = period + treatment + patient + e, patients random: complete patients give the within-patient difference, those with
some periods missing what they can (recovery of inter-block information). REML as for therapists, whose place the
patients take. (Jones & Kenward 2014, Design and Analysis of Cross-Over Trials, 3rd ed., ch. 2 and 5.)
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators.ancova import ancova
from kaptrial.estimators.fit import Fit
from kaptrial.estimators.nested import nested


def crossover(
    y: Floats,
    treatment: Ints,
    weights: ArrayLike,
    *,
    df: Literal["satterthwaite", "kenward-roger"] = "kenward-roger",
    first_period_only: bool = False,
) -> Fit:
    """A contrast of treatments, adjusted for periods.

    Parameters
    ----------
    y : (replicate, patient, period)
        Outcome, NaN where not seen.
    treatment : (replicate, patient, period)
        Index of the treatment given; ignored where y is NaN.
    weights : (treatment,)
        The contrast; weights sum to 0.
    df : degrees of freedom; with "kenward-roger" the standard error is adjusted, too
    first_period_only : compare the first periods of different patients, where carry-over cannot be
    """
    n_replicates, n_patients, n_periods = y.shape
    given = np.where(np.isnan(y), 0, treatment)
    if first_period_only:
        return ancova(y[..., 0], given[..., 0], np.empty((n_replicates, n_patients, 0)), weights)
    long = (n_replicates, n_patients * n_periods)
    patient = np.broadcast_to(np.repeat(np.arange(n_patients), n_periods), long)
    period = np.broadcast_to(np.tile(np.arange(n_periods), n_patients), long)
    columns = (period[..., None] == np.arange(1, n_periods)).astype(float)
    return nested(y.reshape(long), given.reshape(long), patient, columns, weights, df=df).fit


def carryover(y: Floats, sequence: Ints) -> Fit:
    """Difference of the patients' totals over two periods between sequence 1 and sequence 0, 1 − 0: Grizzle's test.

    `y`: (replicate, patient, period); `sequence`: (replicate, patient), 0 or 1. It has little power, and choosing the
    analysis by it inflates the type I error (Freeman 1989, Stat Med 8:1421-1432): a check, not a gate.
    """
    totals = y.sum(axis=-1)
    return ancova(totals, sequence, np.empty((*totals.shape, 0)), [-1.0, 1.0])
