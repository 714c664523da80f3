"""Patients at risk in two arms, at each patient's time: all that the log-rank test and Cox's model of two arms need."""

from __future__ import annotations

import numpy as np
from numba import njit

from kaptrial.analysis.fit import Floats
from kaptrial.analysis.survival.order import Bools, Ints, Labels, Order


@njit(cache=True, nogil=True)
def label_patients(time: Floats, event: Bools, arm: Ints, weights: Floats, label: Labels) -> None:
    """Label patients 1 for an event, 0 for censored, 2 more in the left arm, of positive weight; −1 if left out.

    Parameters
    ----------
    time, event, arm : (patient,)
    weights : (arm,)
    label : (patient,)
        Written.
    """
    for i in range(len(time)):
        w = 0.0 if np.isnan(time[i]) else weights[arm[i]]
        label[i] = -1 if w == 0.0 else 2 * (w > 0.0) + event[i]


@njit(cache=True, nogil=True)
def count(order: Order, n: Floats, left: Floats) -> tuple[int, bool]:
    """Patients at risk at each patient's time, in order, within the stratum.

    Parameters
    ----------
    order : the patients in order
    n, left : (patient,)
        Written: how many are at risk, and of those in the left arm.

    Returns
    -------
    n_left : patients in the left arm
    tied : whether two patients of a stratum share a time
    """
    n_left, tied = 0, False
    for s in range(len(order.start) - 1):
        start, end = order.start[s], order.start[s + 1]
        times, label, here, here_left = order.times[start:end], order.label[start:end], n[start:end], left[start:end]
        on = 0
        for j in range(1, end - start + 1):
            on += label[-j] >> 1
            here[-j], here_left[-j] = j, on
        for k in range(1, end - start):
            if times[k] == times[k - 1]:
                here[k], here_left[k] = here[k - 1], here_left[k - 1]
                tied = True
        n_left += on
    return n_left, tied


@njit(cache=True, nogil=True)
def ties(times: Floats, label: Labels, k: int) -> tuple[int, int, int]:
    """Patients at the k-th one's time: place of the next later one, events, and events in the left arm.

    Parameters
    ----------
    times, label : (patient,)
        Of one stratum, in order.
    """
    t, d, d_left = times[k], 0, 0
    while k < len(times) and times[k] == t:
        d += label[k] & 1
        d_left += label[k] == 3
        k += 1
    return k, d, d_left
