"""Patients in the order of their times, stratum by stratum: where every estimator of this package begins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kaptrial.analysis.fit import Floats

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Times fall into this many equal intervals before they are sorted within each: 200 patients then rarely share one.
_N_INTERVALS = 512
# Sorting within intervals may move patients this often, times their number; then times are too uneven for it.
_MAX_MOVES = 8
_GAPS = (701, 301, 132, 57, 23, 10, 4, 1)


class Order(NamedTuple):
    """Patients of stratum s stand at start[s] : start[s + 1], earliest first. The rest is scratch.

    `label`, `times`: (patient,). `start`: (stratum + 1,).
    """

    label: Ints
    times: Floats
    start: Ints
    unsorted_label: Ints
    unsorted: Floats
    interval: NDArray[np.int32]
    place: Ints


@njit(cache=True, nogil=True)
def empty_order(n: int, n_strata: int) -> Order:
    """Room for n patients in so many strata."""
    return Order(
        np.empty(n, np.int64), np.empty(n), np.empty(n_strata + 1, np.int64), np.empty(n, np.int64),
        np.empty(n), np.empty(n, np.int32), np.empty(_N_INTERVALS, np.int64),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def arrange(time: Floats, label: Ints, stratum: Ints, order: Order) -> int:
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
            _sort(time, label, 0, len(time), order)
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
        _sort(order.unsorted, order.unsorted_label, start[s], start[s + 1], order)
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def _sort(time: Floats, label: Ints, first: int, end: int, order: Order) -> None:
    """Sort the patients first : end: into equal intervals of time, then by insertion."""
    interval, place = order.interval, order.place
    per_day = (_N_INTERVALS - 1) / _largest(time[first:end])
    if not np.isfinite(per_day):
        per_day = 0.0  # all at 0 or as good as
    for k in range(first, end):
        interval[k] = np.int32(time[k] * per_day)
    place[:] = 0
    for k in range(first, end):
        place[interval[k]] += 1
    total = first
    for b in range(_N_INTERVALS):
        here = place[b]
        place[b] = total
        total += here
    for k in range(first, end):
        to = place[interval[k]]
        place[interval[k]] = to + 1
        order.label[to], order.times[to] = label[k], time[k]
    times, labels = order.times[first:end], order.label[first:end]
    if not _insert(times, labels, 1, _MAX_MOVES * (end - first)):
        for gap in _GAPS:  # Shell's sort, gaps of Ciura (2001)
            _insert(times, labels, gap, len(times) ** 2)


@njit(cache=True, nogil=True, fastmath={"nnan", "ninf", "nsz", "reassoc"})
def _largest(x: Floats) -> float:
    """The largest, or 0."""
    result = 0.0
    for k in range(len(x)):
        result = max(result, x[k])
    return result


@njit(cache=True, nogil=True)
def _insert(times: Floats, labels: Ints, gap: int, moves: int) -> bool:
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
