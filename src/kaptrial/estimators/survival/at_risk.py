"""Patients at risk in two arms, at each patient's time: all that the log-rank test and Cox's model of two arms need."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.estimators.survival.order import Labels, Order


class AtRisk(NamedTuple):
    """Of patients in order, within the stratum.

    `n`, `left`: (replicate, patient), how many are at risk at each patient's time, and of those in the left arm.
    `n_left`: (replicate,), patients in the left arm. `tied`: (replicate,), whether two patients share a time.
    """

    n: NDArray[np.int32]
    left: NDArray[np.int32]
    n_left: Ints
    tied: Bools


@njit(cache=True, nogil=True)
def label_patients(time: Floats, event: Bools, arm: Ints, weights: Floats) -> Labels:
    """Label patients 1 for an event, 0 for censored, 2 more in the left arm, of positive weight; −1 if left out.

    Parameters
    ----------
    time, event, arm : (replicate, patient)
    weights : (arm,)
    """
    label = np.empty(time.shape, np.int32)
    for r in range(time.shape[0]):
        for i in range(time.shape[1]):
            w = 0.0 if np.isnan(time[r, i]) else weights[arm[r, i]]
            label[r, i] = -1 if w == 0.0 else 2 * (w > 0.0) + event[r, i]
    return label


@njit(cache=True, nogil=True)
def count(order: Order) -> AtRisk:
    """Count those at risk; patients labelled as by `label_patients`."""
    label, times, start = order.label, order.times, order.start
    n, left, n_replicates = np.empty(times.shape, np.int32), np.empty(times.shape, np.int32), len(times)
    n_left, tied = np.zeros(n_replicates, np.int64), np.zeros(n_replicates, np.bool_)
    for r in range(n_replicates):
        for s in range(start.shape[1] - 1):
            first, end = start[r, s], start[r, s + 1]
            t, code, here, here_left = times[r, first:end], label[r, first:end], n[r, first:end], left[r, first:end]
            on = same = 0
            for k in range(len(t)):
                on += code[k] >> 1
            n_left[r] += on
            for k in range(len(t)):
                here[k], here_left[k] = len(t) - k, on
                on -= code[k] >> 1
            for k in range(1, len(t)):
                same += t[k] == t[k - 1]
            if same > 0:
                tied[r] = True
                for k in range(1, len(t)):
                    if t[k] == t[k - 1]:
                        here[k], here_left[k] = here[k - 1], here_left[k - 1]
    return AtRisk(n, left, n_left, tied)


@njit(cache=True, nogil=True)
def ties(order: Order, r: int, k: int, end: int) -> tuple[int, int, int]:
    """Patients of a stratum, which ends at `end`, at the k-th one's time.

    Returns
    -------
    after : place of the next later one
    d, d_left : events, and events in the left arm
    """
    t, d, d_left = order.times[r, k], 0, 0
    while k < end and order.times[r, k] == t:
        d += order.label[r, k] & 1
        d_left += order.label[r, k] == 3
        k += 1
    return k, d, d_left
