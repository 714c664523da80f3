"""Small dense linear algebra for one replicate, compiled: what NumPy's calls would cost more to start than to do."""

from __future__ import annotations

from math import log, sqrt

from numba import njit

from kaptrial.arrays import Floats


@njit(cache=True, nogil=True)
def cholesky(a: Floats, n: int, tolerance: float) -> bool:
    """Lower Cholesky factor of the leading n × n block, in place of its lower triangle (the upper is left alone).

    False, with `a` half-done, where a pivot is at most `tolerance` times its diagonal: not positive definite.
    """
    for j in range(n):
        pivot = a[j, j]
        for k in range(j):
            pivot -= a[j, k] * a[j, k]
        if not pivot > tolerance * a[j, j]:
            return False
        root = sqrt(pivot)
        a[j, j] = root
        for i in range(j + 1, n):
            value = a[i, j]
            for k in range(j):
                value -= a[i, k] * a[j, k]
            a[i, j] = value / root
    return True


@njit(cache=True, nogil=True)
def log_determinant(factor: Floats, n: int) -> float:
    """Log determinant of the matrix whose Cholesky factor this is."""
    total = 0.0
    for j in range(n):
        total += log(factor[j, j])
    return 2.0 * total


@njit(cache=True, nogil=True)
def solve(factor: Floats, n: int, b: Floats) -> None:
    """Solve L L' x = b in place of b, (n,)."""
    for i in range(n):
        value = b[i]
        for k in range(i):
            value -= factor[i, k] * b[k]
        b[i] = value / factor[i, i]
    for i in range(n - 1, -1, -1):
        value = b[i]
        for k in range(i + 1, n):
            value -= factor[k, i] * b[k]
        b[i] = value / factor[i, i]


@njit(cache=True, nogil=True)
def invert(factor: Floats, n: int, out: Floats) -> None:
    """The inverse of L L' into the leading n × n block of `out`, both triangles."""
    for j in range(n):
        for i in range(n):
            out[i, j] = 0.0
        out[j, j] = 1.0 / factor[j, j]
        for i in range(j + 1, n):
            value = 0.0
            for k in range(j, i):
                value -= factor[i, k] * out[k, j]
            out[i, j] = value / factor[i, i]
    # out holds L⁻¹ below; L⁻ᵀL⁻¹ takes its place row by row, using rows not yet overwritten.
    for i in range(n):
        for j in range(i + 1):
            value = 0.0
            for k in range(i, n):
                value += out[k, i] * out[k, j]
            out[i, j] = value
    for i in range(n):
        for j in range(i):
            out[j, i] = out[i, j]


@njit(cache=True, nogil=True)
def quadratic(a: Floats, x: Floats, n: int) -> float:
    """x'Ax over the leading n × n block."""
    total = 0.0
    for i in range(n):
        for j in range(n):
            total += x[i] * a[i, j] * x[j]
    return total
