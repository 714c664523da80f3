"""Patients in the order of their times, stratum by stratum: where every estimator of this package begins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kaptrial.arrays import Bools, Floats, Ints

Labels = NDArray[np.int32]

# Times are rounded to this many bits, twice, and sorted by their lower and then their upper bits (radix sort); 200
# patients then rarely share one value, and those who do are sorted by insertion.
_BITS = 6
_VALUES = 1 << _BITS
# Insertion may move patients this often, times their number; then times are too uneven for it.
_MAX_MOVES = 8
_GAPS = (701, 301, 132, 57, 23, 10, 4, 1)


class Order(NamedTuple):
    """Patients of stratum s of replicate r stand at start[r, s] : start[r, s + 1], earliest first.

    `label`, `times`: (replicate, patient), undefined after the last patient seen. `start`: (replicate, stratum + 1).
    """

    label: Labels
    times: Floats
    start: Ints


@njit(cache=True, nogil=True, error_model="numpy")
def arrange(time: Floats, label: Labels, stratum: Ints, n_strata: int) -> Order:
    """Times and labels of every replicate in order.

    Parameters
    ----------
    time : (replicate, patient)
    label : (replicate, patient)
        What to know of a patient afterwards, an index or a code; negative for a patient left out.
    stratum : (replicate, patient)
        Index of the stratum; not read where there is only one.
    """
    n_replicates, n_patients = time.shape
    order = Order(
        np.empty(time.shape, np.int32), np.empty(time.shape), np.zeros((n_replicates, n_strata + 1), np.int64)
    )
    labels, times, start = order.label, order.times, order.start
    rounded, half_sorted = np.empty(n_patients, np.uint32), np.empty(n_patients, np.uint32)
    lower, upper = np.empty(_VALUES, np.uint32), np.empty(_VALUES, np.uint32)
    one, bits, low = np.uint32(1), np.uint32(_BITS), np.uint32(_VALUES - 1)
    for r in range(n_replicates):
        scale = (_VALUES * _VALUES - 1) / _largest(time, label, r)
        if not np.isfinite(scale):
            scale = 0.0  # all at 0 or as good as
        for i in range(n_patients):
            rounded[i] = np.uint32(np.int32(time[r, i] * scale))
        for value in range(_VALUES):
            lower[value] = upper[value] = 0
        n = 0
        for i in range(n_patients):
            if label[r, i] >= 0:
                n += 1
                lower[rounded[i] & low] += one
                upper[rounded[i] >> bits] += one
        before_lower = before_upper = np.uint32(0)
        for value in range(_VALUES):  # from how many there are to where they begin
            here_lower, here_upper = lower[value], upper[value]
            lower[value], upper[value] = before_lower, before_upper
            before_lower += here_lower
            before_upper += here_upper
        for i in range(n_patients):
            if label[r, i] >= 0:
                value = rounded[i] & low
                half_sorted[lower[value]] = i
                lower[value] += one
        for k in range(n):
            i = half_sorted[k]
            value = rounded[i] >> bits
            to = upper[value]
            times[r, to], labels[r, to] = time[r, i], label[r, i] if n_strata == 1 else i
            upper[value] += one
        if not _insert(times, labels, r, n, 1, _MAX_MOVES * n):
            for gap in _GAPS:  # Shell's sort, gaps of Ciura (2001)
                _insert(times, labels, r, n, gap, n * n)
        start[r, n_strata] = n
        if n_strata > 1:
            _by_stratum(label, stratum, order, r, n)
    return order


# A maximum is the same to the last bit in whatever order it is taken.
@njit(cache=True, nogil=True, fastmath={"nnan", "ninf", "nsz", "reassoc"})
def _largest(time: Floats, label: Labels, r: int) -> float:
    """The largest time of a replicate's patients, or 0."""
    result = 0.0
    for i in range(time.shape[1]):
        result = max(result, time[r, i] if label[r, i] >= 0 else 0.0)
    return result


@njit(cache=True, nogil=True)
def _insert(times: Floats, labels: Labels, r: int, n: int, gap: int, moves: int) -> bool:
    """Sort every gap-th of n by insertion; False, half-sorted, where that takes more than so many moves."""
    for k in range(gap, n):
        t = times[r, k]
        if times[r, k - gap] > t:
            label, to = labels[r, k], k
            while to >= gap and times[r, to - gap] > t:
                times[r, to], labels[r, to] = times[r, to - gap], labels[r, to - gap]
                to -= gap
                moves -= 1
            times[r, to], labels[r, to] = t, label
            if moves < 0:
                return False
    return True


@njit(cache=True, nogil=True)
def _by_stratum(label: Labels, stratum: Ints, order: Order, r: int, n: int) -> None:
    """Bring a replicate's patients in order, labelled with their index, together by stratum."""
    who, times, start = order.label[r, :n].copy(), order.times[r, :n].copy(), order.start[r]
    start[:] = 0
    for k in range(n):
        start[stratum[r, who[k]] + 1] += 1
    before = 0
    for s in range(len(start) - 1):  # where each begins, one place late: filling it moves that to where it ends
        before, start[s + 1] = before + start[s + 1], before
    for k in range(n):
        s = stratum[r, who[k]] + 1
        order.times[r, start[s]], order.label[r, start[s]] = times[k], label[r, who[k]]
        start[s] += 1


def checked(
    time: Floats, event: Bools, arm: Ints, n_arms: int, stratum: Ints | None
) -> tuple[Floats, Bools, Ints, Ints, int]:
    """The arrays as compiled code wants them, and the number of strata.

    Raises
    ------
    ValueError
        For shapes that differ, negative or infinite times, and arms or strata that are no index.
    """
    shapes = {np.shape(a) for a in (time, event, arm, time if stratum is None else stratum)}
    if len(shapes) != 1 or np.ndim(time) != 2:
        raise ValueError(f"time, event, arm and stratum must share one shape (replicate, patient), not {shapes}")
    if (time < 0).any() or np.isinf(time).any():
        raise ValueError("times must be finite and not negative, or NaN for a patient left out")
    if arm.size and not (arm.min() >= 0 and arm.max() < n_arms):
        raise ValueError(f"arms must be indices below {n_arms}, the number of weights")
    if stratum is not None and stratum.size and stratum.min() < 0:
        raise ValueError("strata must be indices from 0")
    n_strata = 1 if stratum is None or not stratum.size else int(stratum.max()) + 1
    return (
        np.ascontiguousarray(time, dtype=np.float64),
        np.ascontiguousarray(event, dtype=np.bool_),
        np.ascontiguousarray(arm, dtype=np.int64),
        np.empty((len(time), 0), np.int64) if stratum is None else np.ascontiguousarray(stratum, dtype=np.int64),
        n_strata,
    )
