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
N_INTERVALS = 512
# Sorting within intervals may move each patient this often; skewed times need more and are sorted by comparison.
MAX_MOVES = 8


class Order(NamedTuple):
    """Patients of stratum s stand at start[s] : start[s + 1], earliest first. The rest is scratch.

    `who`, `times`: (patient,), index and time. `start`: (stratum + 1,).
    """

    who: Ints
    times: Floats
    start: Ints
    members: Ints
    interval: NDArray[np.int32]
    place: NDArray[np.int32]


@njit(cache=True, nogil=True)
def empty_order(n: int, n_strata: int) -> Order:
    """Room for n patients in so many strata."""
    return Order(
        np.empty(n, np.int64), np.empty(n), np.empty(n_strata + 1, np.int64),
        np.empty(n, np.int64), np.empty(n, np.int32), np.empty(N_INTERVALS, np.int32),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def arrange(time: Floats, seen: Bools, stratum: Ints, order: Order) -> int:
    """Write the order of the patients seen; how many there are.

    Parameters
    ----------
    time, seen : (patient,)
    stratum : (patient,) or (0,)
        Index of the stratum; not read where there is only one.
    """
    n, start, n_strata = 0, order.start, len(order.start) - 1
    if n_strata == 1:
        for i in range(len(time)):
            order.members[n] = i
            n += seen[i]
        start[0], start[1] = 0, n
    else:
        start[:] = 0
        for i in range(len(time)):
            start[stratum[i] + 1] += seen[i]
        for s in range(n_strata):
            n += start[s + 1]
            start[s + 1] = n - start[s + 1]
        for i in range(len(time)):
            if seen[i]:
                order.members[start[stratum[i] + 1]] = i
                start[stratum[i] + 1] += 1
    for s in range(n_strata):
        _sort(time, start[s], start[s + 1], order)
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def _sort(time: Floats, first: int, end: int, order: Order) -> None:
    """Sort the members first : end into `who` and `times`: into equal intervals of time, then by insertion."""
    members, interval, place, who, times = order.members, order.interval, order.place, order.who, order.times
    if end <= first:
        return
    low = high = time[members[first]]
    for k in range(first + 1, end):
        low = min(low, time[members[k]])
        high = max(high, time[members[k]])
    per_day = (N_INTERVALS - 1) / (high - low)
    if not np.isfinite(per_day):
        per_day = 0.0  # all at one time, or so close that only comparing tells them apart
    place[:] = 0
    for k in range(first, end):
        interval[k] = np.int32((time[members[k]] - low) * per_day)
        place[interval[k]] += 1
    total = np.int32(first)
    for b in range(N_INTERVALS):
        here = place[b]
        place[b] = total
        total += here
    for k in range(first, end):
        to = place[interval[k]]
        place[interval[k]] += 1
        who[to] = members[k]
        times[to] = time[members[k]]
    if not _insert(times, who, first, end):
        by_comparison = np.argsort(times[first:end])
        who[first:end] = who[first:end][by_comparison]
        times[first:end] = times[first:end][by_comparison]


@njit(cache=True, nogil=True)
def _insert(times: Floats, who: Ints, first: int, end: int) -> bool:
    """Sort by insertion; False, half-sorted, where that takes too many moves."""
    moves = MAX_MOVES * (end - first)
    for k in range(first + 1, end):
        t = times[k]
        if times[k - 1] > t:
            patient, to = who[k], k
            while to > first and times[to - 1] > t:
                times[to], who[to] = times[to - 1], who[to - 1]
                to -= 1
            times[to], who[to] = t, patient
            moves -= k - to
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
