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
from numpy.typing import ArrayLike

from kaptrial.arrays import Floats, Ints

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


# Sums of many terms run in four lanes, whose order is fixed: one lane waits for each addition, and a compiler that may
# choose the order chooses another wherever it inlines the sum, so that the last bit is not the same everywhere.


@njit(cache=True, nogil=True)
def dot(a: Floats, b: Floats) -> float:
    """a'b."""
    s0 = s1 = s2 = s3 = 0.0
    rest = len(a) - len(a) % 4
    for i in range(0, rest, 4):
        s0 += a[i] * b[i]
        s1 += a[i + 1] * b[i + 1]
        s2 += a[i + 2] * b[i + 2]
        s3 += a[i + 3] * b[i + 3]
    for i in range(rest, len(a)):
        s0 += a[i] * b[i]
    return (s0 + s1) + (s2 + s3)


@njit(cache=True, nogil=True)
def dot_of_three(a: Floats, b: Floats, c: Floats) -> float:
    """Σ a_i b_i c_i."""
    s0 = s1 = s2 = s3 = 0.0
    rest = len(a) - len(a) % 4
    for i in range(0, rest, 4):
        s0 += a[i] * b[i] * c[i]
        s1 += a[i + 1] * b[i + 1] * c[i + 1]
        s2 += a[i + 2] * b[i + 2] * c[i + 2]
        s3 += a[i + 3] * b[i + 3] * c[i + 3]
    for i in range(rest, len(a)):
        s0 += a[i] * b[i] * c[i]
    return (s0 + s1) + (s2 + s3)


@njit(cache=True, nogil=True)
def total(a: Floats) -> float:
    """Sum of a."""
    s0 = s1 = s2 = s3 = 0.0
    rest = len(a) - len(a) % 4
    for i in range(0, rest, 4):
        s0 += a[i]
        s1 += a[i + 1]
        s2 += a[i + 2]
        s3 += a[i + 3]
    for i in range(rest, len(a)):
        s0 += a[i]
    return (s0 + s1) + (s2 + s3)


@njit(cache=True, nogil=True)
def product(z: Floats, j: int, k: int) -> float:
    """z_j'z_k of two rows. Rows are numbered, not cut out: a view costs as much as the sum over fifty patients."""
    s0 = s1 = s2 = s3 = 0.0
    rest = z.shape[1] - z.shape[1] % 4
    for i in range(0, rest, 4):
        s0 += z[j, i] * z[k, i]
        s1 += z[j, i + 1] * z[k, i + 1]
        s2 += z[j, i + 2] * z[k, i + 2]
        s3 += z[j, i + 3] * z[k, i + 3]
    for i in range(rest, z.shape[1]):
        s0 += z[j, i] * z[k, i]
    return (s0 + s1) + (s2 + s3)


@njit(cache=True, nogil=True)
def weighted(weights: Floats, mean: Floats, j: int) -> float:
    """Σ w_a m_a over the arms' means in row j."""
    result = 0.0
    for a in range(len(weights)):
        result += weights[a] * mean[j, a]
    return result


@njit(cache=True, nogil=True)
def centre(z: Floats, j: int, start: Ints, mean: Floats) -> float:
    """Take the arms' means from row j, sorted by arm, in place; the sum of squares of what was taken.

    They are written to row j of `mean`, (row, arm): 0 for an empty arm.
    """
    taken = 0.0
    for a in range(len(start) - 1):
        block = z[j, start[a] : start[a + 1]]
        level = total(block) / max(len(block), 1)
        for i in range(len(block)):
            block[i] -= level
        mean[j, a] = level
        taken += len(block) * level * level
    return taken


@njit(cache=True, nogil=True)
def project(z: Floats, j: int, k: int, square: float, mean: Floats) -> float:
    """Take from row j and its arms' means their projection on row k, whose sum of squares is `square`, in place.

    The sum of squares of what was taken from the row.
    """
    b = product(z, j, k) / square
    for i in range(z.shape[1]):
        z[j, i] -= b * z[k, i]
    for a in range(mean.shape[1]):
        mean[j, a] -= b * mean[k, a]
    return b * b * square


@njit(cache=True, nogil=True)
def orthogonalise(
    z: Floats, p: int, start: Ints, weights: Floats, every_arm: bool, mean: Floats, square: Floats
) -> tuple[int, bool]:
    """Make the first p rows orthogonal, in place; how many were kept, and whether a dropped one is confounded.

    Parameters
    ----------
    z : (row, patient)
        Covariates sorted by arm. Those kept are moved to the front.
    p : int
    start : (arm + 1,)
        Where each arm begins.
    weights : (arm,)
        The contrast that a dropped column must not differ by.
    every_arm : bool
        No arms at all may differ by a dropped column.
    mean : (row, arm), square : (row,)
        Written for the rows kept: the arms' means in the new coordinates and the sums of squares.
    """
    n = z.shape[1]
    kept, confounded = 0 * n, False  # for a literal 0 callees would be compiled once more
    for j in range(p):
        if kept < j:
            for i in range(n):
                z[kept, i] = z[j, i]
        taken = centre(z, kept, start, mean)
        for k in range(kept):
            taken += project(z, kept, k, square[k], mean)
        left = product(z, kept, kept)
        raw = taken + left
        if left > COLLINEAR * raw:
            square[kept] = left
            kept += 1
            continue
        size = CONFOUNDED * sqrt(raw / max(n, 1))
        if abs(weighted(weights, mean, kept)) > size or (every_arm and spread(mean, kept, start) > size):
            confounded = True
    return kept, confounded


@njit(cache=True, nogil=True)
def spread(mean: Floats, j: int, start: Ints) -> float:
    """Largest less smallest of the means in row j, of the arms that are not empty."""
    low, high = np.inf, -np.inf
    for a in range(len(start) - 1):
        if start[a + 1] > start[a]:
            low, high = min(low, mean[j, a]), max(high, mean[j, a])
    return high - low
