"""Sums of one replicate that a model with therapist effects needs: by arm, and by therapist and arm."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kaptrial.analysis.fit import Floats

Ints = NDArray[np.int64]


@njit(cache=True, nogil=True)
def gather(
    y: Floats, arm: Ints, therapist: Ints, x: Floats, n_arm: Floats, sums: Floats, products: Floats, n_cell: Floats,
    cells: Floats, origin: Floats,
) -> None:  # fmt: skip
    """Fill the sums of (x, y) − `origin`, a point near the data; patients with NaN are left out.

    y, arm, therapist (patient,), −1 for no therapist; x (patient, p). Fills n_arm (arm,), sums (arm, p + 1), products
    (arm, p + 1, p + 1), lower triangles; n_cell (therapist, arm) and cells (therapist, arm, p + 1).
    """
    p = x.shape[1]
    n_arm[:] = 0.0
    sums[:, :] = 0.0
    products[:, :, :] = 0.0
    n_cell[:, :] = 0.0
    cells[:, :, :] = 0.0
    u = np.empty(p + 1)
    first = True
    for i in range(len(y)):
        complete = y[i] == y[i]
        for k in range(p):
            u[k] = x[i, k]
            if u[k] != u[k]:
                complete = False
        if not complete:
            continue
        u[p] = y[i]
        if first:
            for k in range(p + 1):
                origin[k] = u[k]
            first = False
        a = arm[i]
        n_arm[a] += 1.0
        row, square = sums[a], products[a]
        for k in range(p + 1):
            u[k] -= origin[k]
            value = u[k]
            row[k] += value
            for el in range(k + 1):
                square[k, el] += value * u[el]
        t = therapist[i]
        if t >= 0:
            n_cell[t, a] += 1.0
            cell = cells[t, a]
            for k in range(p + 1):
                cell[k] += u[k]


@njit(cache=True, nogil=True)
def arrange(n_arm: Floats, sums: Floats, products: Floats, weight: Floats, out: Floats) -> None:
    """Σ_a weight_a Σ_i w w' of w = (arm indicators, x, y), both triangles, (arms + p + 1, arms + p + 1)."""
    n_arms, size = sums.shape
    out[:, :] = 0.0
    for a in range(n_arms):
        out[a, a] = weight[a] * n_arm[a]
        for k in range(size):
            out[n_arms + k, a] = out[a, n_arms + k] = weight[a] * sums[a, k]
            for el in range(k + 1):
                out[n_arms + k, n_arms + el] += weight[a] * products[a, k, el]
    for k in range(size):
        for el in range(k):
            out[n_arms + el, n_arms + k] = out[n_arms + k, n_arms + el]
