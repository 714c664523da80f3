"""Nodes for averages over patients."""

from __future__ import annotations

import numpy as np

from kaptrial.arrays import Floats


def normal_nodes(n: int) -> tuple[Floats, Floats]:
    """Gauss-Hermite nodes and weights of the standard normal distribution."""
    z, weights = np.polynomial.hermite_e.hermegauss(n)
    return z, weights / weights.sum()
