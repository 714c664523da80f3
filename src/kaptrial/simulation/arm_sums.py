"""Sums over the patients of what they were drawn from. Their means are known, so that they are control variates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints

# Normals of more days than this are taken together, those of neighbouring days.
MOST_DAYS = 12


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What some patients were drawn from, arrays (replicate, patient, component).

    `normals`: independent standard normals. `acting`: those of the first of these arrays that act together. The
    `centred` have mean 0, of any distribution.
    """

    normals: list[Floats]
    acting: tuple[int, ...] = ()
    centred: list[Floats] = field(default_factory=list)


class KnownDraws(NamedTuple):
    """What is known of the draws behind a contrast, each (replicate, component).

    `normals`: independent standard normals. `within`: sums of squares and products of deviations within the arms, of
    mean 0 and independent of the normals, as sample covariances are of means. `centred`: of mean 0.
    """

    normals: Floats
    within: Floats
    centred: Floats


class ArmSums:
    """Sums over the patients of each arm of each replicate, (replicate, arm, component)."""

    def __init__(self, arm: Ints, n_arms: int) -> None:
        self._count = np.stack([(arm == a).sum(axis=1) for a in range(n_arms)], axis=-1).astype(float)
        self._pairs: list[tuple[int, int]] = []
        self._normals: list[Floats] = []
        self._squares: list[Floats] = []
        self._products: list[Floats] = []
        self._centred: list[Floats] = []

    def add(self, arm: Ints, drawn: Drawn) -> None:
        """Add the next patients: arrays of the same kinds each time."""
        arm = np.asfortranarray(arm)
        normals, centred = ([np.asfortranarray(x) for x in arrays] for arrays in (drawn.normals, drawn.centred))
        self._pairs = [(j, k) for n, j in enumerate(drawn.acting) for k in drawn.acting[n:]]
        products = [_products(normals[0], self._pairs)] if self._pairs else []
        if not self._normals and not self._centred:
            self._normals, self._products, self._centred = (
                [np.zeros((*self._count.shape, x.shape[2]), order="F") for x in arrays]
                for arrays in (normals, products, centred)
            )
            self._squares = [np.zeros((len(arm), x.shape[2]), order="F") for x in normals]
        for x, total, squares in zip(normals, self._normals, self._squares, strict=True):
            _add_with_squares(x, arm, total, squares)
        for x, total in zip([*products, *centred], [*self._products, *self._centred], strict=True):
            _add_by_arm(x, arm, total)

    def contrast(self, weights: Sequence[float]) -> KnownDraws:
        """Σ_a w_a · mean of arm a, over its standard deviation where each component has variance 1."""
        n, occupied = np.maximum(self._count, 1.0), self._count > 0
        w = np.array(weights)
        scaled = (np.where(occupied, w / n, 0.0) / np.sqrt((w**2 / n).sum(axis=1))[:, None])[..., None]
        normals = [(_grouped(x) * scaled).sum(axis=1) for x in self._normals]
        df = (self._count.sum(axis=1) - occupied.sum(axis=1))[:, None]
        within = []
        for squares, sums in zip(self._squares, self._normals, strict=True):
            left = squares - (sums**2 / n[..., None]).sum(axis=1)
            within.append(_grouped((left - df) / np.sqrt(2 * np.maximum(df, 1))))
        within += [(self._within_arms(x) * scaled).sum(axis=1) for x in self._products]
        centred = [(x * scaled).sum(axis=1) for x in self._centred]
        none = np.empty((len(n), 0))
        return KnownDraws(*(np.concatenate([none, *parts], axis=1) for parts in (normals, within, centred)))

    def _within_arms(self, products: Floats) -> Floats:
        """Sums of products of deviations from the arms' means, less what is expected of them."""
        z, n = self._normals[0], np.maximum(self._count, 1.0)
        of_means = np.stack([z[..., j] * z[..., k] / n for j, k in self._pairs], axis=-1)
        expected = np.stack([(n - 1.0) * (j == k) for j, k in self._pairs], axis=-1)
        return products - of_means - expected


def _grouped(x: Floats) -> Floats:
    """At most `MOST_DAYS` components: sums of neighbouring ones over the root of their number."""
    k = x.shape[-1]
    if k <= MOST_DAYS:
        return x
    starts = np.linspace(0, k, MOST_DAYS + 1).astype(int)
    return np.add.reduceat(x, starts[:-1], axis=-1) / np.sqrt(np.diff(starts))


def _products(z: Floats, pairs: list[tuple[int, int]]) -> Floats:
    """Products of these normals of each patient."""
    out = np.empty((*z.shape[:2], len(pairs)), order="F")
    _multiply(z, np.array(pairs), out)
    return out


@njit(cache=True, nogil=True)
def _multiply(z, pairs, out):  # type: ignore[no-untyped-def]
    for p in range(len(pairs)):
        j, k = pairs[p]
        for i in range(z.shape[1]):
            for r in range(z.shape[0]):
                out[r, i, p] = z[r, i, j] * z[r, i, k]


@njit(cache=True, nogil=True)
def _add_by_arm(x, arm, total):  # type: ignore[no-untyped-def]
    for k in range(x.shape[2]):
        for i in range(x.shape[1]):
            for r in range(x.shape[0]):
                total[r, arm[r, i], k] += x[r, i, k]


@njit(cache=True, nogil=True)
def _add_with_squares(x, arm, total, squares):  # type: ignore[no-untyped-def]
    for k in range(x.shape[2]):
        for i in range(x.shape[1]):
            for r in range(x.shape[0]):
                z = x[r, i, k]
                total[r, arm[r, i], k] += z
                squares[r, k] += z * z
