"""The linear predictor of every regression here: one mean for each arm and common slopes, in orthogonal coordinates.

A model η_i = μ_a(i) + x_i'β is fitted as η_i = α_a(i) + z_i'γ. The columns z are those of x, centred within arms and
made orthogonal to the columns before them (modified Gram–Schmidt; Björck 1967, BIT 7:1-21), so that neither their units
nor their correlation cost accuracy. The arms' means of x go through the same steps and become m_a; then
μ_a = α_a − m_a'γ, and a contrast Σ w_a μ_a has the coefficients (w, −Σ w_a m_a) on (α, γ).
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from kaptrial.analysis.fit import Floats

Ints = NDArray[np.int64]

# A column whose norm falls to this share of what it was is a combination of the arms and of the columns before it:
# the tolerance of `lm` in R, squared.
COLLINEAR = 1e-14
# A dropped column whose arms' means differ by more than this share of its size is confounded with the arms.
CONFOUNDED = 1e-6


def as_arrays(
    y: ArrayLike, arm: ArrayLike, covariates: ArrayLike, weights: ArrayLike
) -> tuple[Floats, Ints, Floats, Floats]:
    """The arguments of an estimator as writable C arrays, for which its compiled part is compiled once.

    Raises ValueError for an arm without a weight: compiled code would not notice.
    """
    outcomes, x, w = (np.require(a, float, ["C", "W"]) for a in (y, covariates, weights))
    arms = np.require(arm, np.int64, ["C", "W"])
    if arms.size and (arms.min() < 0 or arms.max() >= len(w)):
        raise ValueError(f"arms are numbered 0 to {len(w) - 1}, found {arms.min()} to {arms.max()}")
    return outcomes, arms, x, w


@njit(cache=True, nogil=True)
def sort_by_arm(y: Floats, arm: Ints, covariates: Floats, start: Ints, order: Ints) -> int:
    """Sort the patients with an outcome and all covariates by arm; how many they are.

    Parameters
    ----------
    y, arm : (patient,); covariates : (patient, p)
    start : (arm + 1,), order : (patient,)
        Written: the patients of arm a are order[start[a] : start[a + 1]].
    """
    n_arms = len(start) - 1
    for a in range(n_arms + 1):
        start[a] = 0
    for i in range(len(y)):
        start[arm[i] + 1] += complete(y[i], covariates[i])
    n = 0
    for a in range(n_arms):
        size = start[a + 1]
        start[a + 1] = n
        n += size
    for i in range(len(y)):
        if complete(y[i], covariates[i]):
            order[start[arm[i] + 1]] = i
            start[arm[i] + 1] += 1
    return n


@njit(cache=True, nogil=True)
def complete(y: float, covariates: Floats) -> bool:
    """Whether the outcome and all covariates are finite."""
    checked = 0.0 * y
    for j in range(len(covariates)):
        checked += 0.0 * covariates[j]
    return checked == 0.0


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def dot(a: Floats, b: Floats) -> float:
    """a'b, summed in the order the processor likes best."""
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def total(a: Floats) -> float:
    """Sum of a."""
    result = 0.0
    for i in range(len(a)):
        result += a[i]
    return result


@njit(cache=True, nogil=True)
def centre(column: Floats, start: Ints, mean: Floats) -> None:
    """Take the arms' means from a column sorted by arm, in place; `mean`, (arm,), is written: 0 for an empty arm."""
    for a in range(len(start) - 1):
        first, end = start[a], start[a + 1]
        mean[a] = total(column[first:end]) / max(end - first, 1)
        for i in range(first, end):
            column[i] -= mean[a]


@njit(cache=True, nogil=True)
def project(base: Floats, square: float, base_mean: Floats, column: Floats, mean: Floats) -> None:
    """Take from a column and its arms' means their projection on `base`, whose sum of squares is `square`, in place."""
    b = dot(base, column) / square
    for i in range(len(column)):
        column[i] -= b * base[i]
    for a in range(len(mean)):
        mean[a] -= b * base_mean[a]


@njit(cache=True, nogil=True)
def orthogonalise(
    z: Floats, start: Ints, weights: Floats, every_arm: bool, mean: Floats, square: Floats
) -> tuple[int, bool]:
    """Make the columns orthogonal, in place; how many were kept, and whether a dropped one is confounded.

    Parameters
    ----------
    z : (column, patient)
        Columns sorted by arm. Those kept are moved to the front.
    start : (arm + 1,)
        Where each arm begins.
    weights : (arm,)
        The contrast that a dropped column must not differ by.
    every_arm : bool
        No arms at all may differ by a dropped column.
    mean : (column, arm), square : (column,)
        Written for the kept columns: the arms' means in the new coordinates and the sums of squares.
    """
    kept, confounded = 0, False
    n = z.shape[1]
    for j in range(len(z)):
        column, m = z[j], mean[kept]
        raw = dot(column, column)
        centre(column, start, m)
        for k in range(kept):
            project(z[k], square[k], mean[k], column, m)
        square[kept] = dot(column, column)
        if square[kept] > COLLINEAR * raw:
            if kept < j:
                for i in range(n):
                    z[kept, i] = column[i]
            kept += 1
            continue
        size = CONFOUNDED * sqrt(raw / max(n, 1))
        if abs(dot(weights, m)) > size:
            confounded = True
        if every_arm and spread(m, start) > size:
            confounded = True
    return kept, confounded


@njit(cache=True, nogil=True)
def spread(mean: Floats, start: Ints) -> float:
    """Largest less smallest mean of the arms that are not empty."""
    low, high = np.inf, -np.inf
    for a in range(len(mean)):
        if start[a + 1] > start[a]:
            low, high = min(low, mean[a]), max(high, mean[a])
    return high - low
