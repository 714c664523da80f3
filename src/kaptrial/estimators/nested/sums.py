"""Sums of one replicate that a model with therapist effects needs: by arm, and by therapist and arm."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators.predictor import dot, total


class Sums(NamedTuple):
    """Sums of (x, y) − `origin`, a point near the data.

    `n_arm`: (arm,); `sums`: (arm, p + 1); `products`: (arm, p + 1, p + 1), lower triangles; `n_cell`: (therapist, arm);
    `cells`: (therapist, arm, p + 1); `origin`: (p + 1,).
    """

    n_arm: Floats
    sums: Floats
    products: Floats
    n_cell: Floats
    cells: Floats
    origin: Floats


@njit(cache=True, nogil=True)
def room(n_arms: int, n_therapists: int, p: int) -> Sums:
    """Room for the sums of p covariates and the outcome."""
    by_arm, by_cell = (n_arms, p + 1), (n_therapists, n_arms)
    products, cells = np.empty((*by_arm, p + 1)), np.empty((*by_cell, p + 1))
    return Sums(np.empty(n_arms), np.empty(by_arm), products, np.empty(by_cell), cells, np.zeros(p + 1))


@njit(cache=True, nogil=True)
def gather(y: Floats, arm: Ints, therapist: Ints, x: Floats, out: Sums) -> None:
    """Fill the sums; patients with NaN are left out.

    y, arm, therapist (patient,), −1 for no therapist; x (patient, p).
    """
    n_arm, sums, products, n_cell, cells, origin = out
    n, p = x.shape
    columns = np.empty((p + 3, n))
    seen, own = columns[p + 1], columns[p + 2]
    _complete(y, x, seen)
    for i in range(n):
        if seen[i] > 0.0:
            origin[:p] = x[i]
            origin[p] = y[i]
            break
    for k in range(p):
        _centre(x[:, k], seen, float(origin[k]), columns[k])
    _centre(y, seen, float(origin[p]), columns[p])

    n_cell[:, :] = 0.0
    cells[:, :, :] = 0.0
    for i in range(n):
        if therapist[i] >= 0:
            n_cell[therapist[i], arm[i]] += seen[i]
    for k in range(p + 1):
        for i in range(n):
            if therapist[i] >= 0:
                cells[therapist[i], arm[i], k] += columns[k, i]

    # The sums of an arm run over all patients, the others' numbers 0: processors do that faster than they choose.
    for a in range(len(n_arm)):
        _keep(seen, arm, a, own)
        n_arm[a] = total(own)
        for k in range(p + 1):
            _keep(columns[k], arm, a, own)
            sums[a, k] = total(own)
            for el in range(k + 1):
                products[a, k, el] = dot(own, columns[el])


@njit(cache=True, nogil=True)
def _complete(y: Floats, x: Floats, seen: Floats) -> None:
    """1 for patients whose numbers are all finite, 0 for others."""
    for i in range(len(y)):
        seen[i] = 0.0 * y[i]
    for k in range(x.shape[1]):
        for i in range(len(y)):
            seen[i] += 0.0 * x[i, k]
    for i in range(len(y)):
        seen[i] = 1.0 if seen[i] == 0.0 else 0.0


@njit(cache=True, nogil=True)
def _centre(values: Floats, seen: Floats, origin: float, out: Floats) -> None:
    for i in range(len(values)):
        out[i] = values[i] - origin if seen[i] > 0.0 else 0.0


@njit(cache=True, nogil=True)
def _keep(column: Floats, arm: Ints, a: int, out: Floats) -> None:
    for i in range(len(arm)):
        out[i] = column[i] if arm[i] == a else 0.0


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
