"""Patients in the order of their times, stratum by stratum: where every estimator of this package begins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kaptrial.analysis.fit import Floats

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Labels = NDArray[np.int32]
Counts = NDArray[np.uint32]

# Times are rounded to this many bits, twice, and sorted by their lower and then their upper bits (radix sort); 200
# patients then rarely share one value, and those who do are sorted by insertion.
_BITS = 6
_VALUES = 1 << _BITS
# Insertion may move patients this often, times their number; then times are too uneven for it.
_MAX_MOVES = 8
_GAPS = (701, 301, 132, 57, 23, 10, 4, 1)


class Order(NamedTuple):
    """Patients of stratum s stand at start[s] : start[s + 1], earliest first. The rest is scratch.

    `label`, `times`: (patient,). `start`: (stratum + 1,).
    """

    label: Labels
    times: Floats
    start: Ints
    unsorted_label: Labels
    unsorted: Floats
    rounded: Counts
    half_sorted: Counts
    lower: Counts
    upper: Counts


@njit(cache=True, nogil=True)
def empty_order(n: int, n_strata: int) -> Order:
    """Room for n patients in so many strata."""
    return Order(
        np.empty(n, np.int32), np.empty(n), np.empty(n_strata + 1, np.int64), np.empty(n, np.int32), np.empty(n),
        np.empty(n, np.uint32), np.empty(n, np.uint32), np.empty(_VALUES, np.uint32), np.empty(_VALUES, np.uint32),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def arrange(time: Floats, label: Labels, stratum: Ints, order: Order) -> int:
    """Write times and labels in order; how many there are.

    Parameters
    ----------
    time : (patient,)
    label : (patient,)
        What to know of a patient afterwards, an index or a code; negative for a patient left out.
    stratum : (patient,) or (0,)
        Index of the stratum; not read where there is only one.
    """
    start, n_strata = order.start, len(order.start) - 1
    start[:] = 0
    if n_strata == 1:
        for i in range(len(time)):
            start[1] += label[i] >= 0
        if start[1] == len(time):
            _sort(time, label, order, order.times, order.label)
            return len(time)
    else:
        for i in range(len(time)):
            start[stratum[i] + 1] += label[i] >= 0
    n = 0
    for s in range(n_strata):  # where each stratum is to begin, one place late: filling it moves that to its end
        n, start[s + 1] = n + start[s + 1], n
    for i in range(len(time)):
        if label[i] >= 0:
            s = stratum[i] if n_strata > 1 else 0
            order.unsorted_label[start[s + 1]], order.unsorted[start[s + 1]] = label[i], time[i]
            start[s + 1] += 1
    for s in range(n_strata):
        here = slice(start[s], start[s + 1])
        _sort(order.unsorted[here], order.unsorted_label[here], order, order.times[here], order.label[here])
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def _sort(time: Floats, label: Labels, order: Order, times: Floats, labels: Labels) -> None:
    """Write times and labels in order."""
    rounded, half_sorted, lower, upper = order.rounded, order.half_sorted, order.lower, order.upper
    scale = (_VALUES * _VALUES - 1) / _largest(time)
    if not np.isfinite(scale):
        scale = 0.0  # all at 0 or as good as
    bits, low = np.uint32(_BITS), np.uint32(_VALUES - 1)
    for k in range(len(time)):
        rounded[k] = np.uint32(np.int32(time[k] * scale))
    lower[:] = 0
    upper[:] = 0
    for k in range(len(time)):
        lower[rounded[k] & low] += np.uint32(1)
        upper[rounded[k] >> bits] += np.uint32(1)
    _where_each_begins(lower)
    _where_each_begins(upper)
    for k in range(len(time)):
        value = rounded[k] & low
        to = lower[value]
        lower[value] = to + np.uint32(1)
        half_sorted[to] = k
    for k in range(len(time)):
        patient = half_sorted[k]
        value = rounded[patient] >> bits
        to = upper[value]
        upper[value] = to + np.uint32(1)
        times[to], labels[to] = time[patient], label[patient]
    if not _insert(times, labels, 1, _MAX_MOVES * len(times)):
        for gap in _GAPS:  # Shell's sort, gaps of Ciura (2001)
            _insert(times, labels, gap, len(times) ** 2)


@njit(cache=True, nogil=True)
def _where_each_begins(counts: Counts) -> None:
    """Replace counts by the sum of those before."""
    total = np.uint32(0)
    for value in range(_VALUES):
        here = counts[value]
        counts[value] = total
        total += here


@njit(cache=True, nogil=True, fastmath={"nnan", "ninf", "nsz", "reassoc"})
def _largest(x: Floats) -> float:
    """The largest, or 0."""
    result = 0.0
    for k in range(len(x)):
        result = max(result, x[k])
    return result


@njit(cache=True, nogil=True)
def _insert(times: Floats, labels: Labels, gap: int, moves: int) -> bool:
    """Sort every gap-th by insertion; False, half-sorted, where that takes more than so many moves."""
    for k in range(gap, len(times)):
        t = times[k]
        if times[k - gap] > t:
            label, to = labels[k], k
            while to >= gap and times[to - gap] > t:
                times[to], labels[to] = times[to - gap], labels[to - gap]
                to -= gap
                moves -= 1
            times[to], labels[to] = t, label
            if moves < 0:
                return False
    return True


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
