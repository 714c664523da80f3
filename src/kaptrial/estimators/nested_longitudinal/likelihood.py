"""The restricted likelihood of an MMRM with therapists, and its derivatives; one replicate, compiled.

As in `mmrm.reml`, with W the inverse of the covariance over a missingness pattern's visits, and g the therapists'
variance and z 1 at the visits that a therapist can affect, else 0. For each therapist, sums over patients,

    B = Σ z'W (X, y),   C = Σ z'W z,   h = g/(1 + gC),
    M = Σ (X, y)'W(X, y) − Σ_t h BB' = [A b; b' c],
    −2ℓ = Σ n log|V| + Σ_t log(1 + gC) + log|A| + c − b'A⁻¹b.

Let Φ = A⁻¹, and <B, B′> = B'ΦB′ over the coefficients plus the product of the residuals B_y − B β̂. With V̇ the
derivative by an element of V, Ḃ = −Σ z'W V̇ W (X, y) and Ċ alike, therapists add to the gradient

    Σ_t (h + h²<B, B>) Ċ − 2h <B, Ḃ>,   and in g   Σ_t C/(1 + gC) − <B, B>/(1 + gC)²;

`_add_therapist` has their part of the Hessian while β̂ and Φ stay, `reml.add_mean` what these add to it.

The same derivatives give the rest. Let Σ be the covariance of all scores, P = Σ⁻¹ − Σ⁻¹XΦX'Σ⁻¹, and Σ̇ a derivative of
Σ. Where all residuals are 0, the Hessian is minus the expected information tr(P Σ̇ P Σ̇′); where they are Xu or −Xu,

    −tr(P Σ̇ P Σ̇′) + 2u'X'Σ⁻¹ Σ̇ P Σ̇′ Σ⁻¹Xu,

whose second term, with u = Φc, is what Kenward and Roger (Biometrics 1997 53:983-997) need for the contrast c.
"""

from __future__ import annotations

from math import log
from typing import NamedTuple

import numpy as np
from numba import njit

from kaptrial.arrays import Floats
from kaptrial.compile_cache import INLINED
from kaptrial.estimators.mmrm import reml

# Share of the information on g, were β known, below which it is rounding.
COLLINEAR = 1e-10


class Clusters(NamedTuple):
    """A replicate's patterns, what `cells` has of therapists, and z (therapist, visit)."""

    patterns: reml.Patterns
    n_cell: Floats
    cells: Floats
    z: Floats


class Mean(NamedTuple):
    """β̂, Φ, and of each therapist B, (therapist, coefficient), its y and C."""

    beta: Floats
    phi: Floats
    b: Floats
    b_y: Floats
    c: Floats


@njit(**INLINED)
def mean_of(n_coefficients: int, n_therapists: int) -> Mean:
    """Room for a mean."""
    n, t = n_coefficients, n_therapists
    return Mean(np.zeros(n), np.empty((n, n)), np.empty((t, n)), np.zeros(t), np.empty(t))


@njit(**INLINED)
def derivatives_of(n_parameters: int, n_coefficients: int) -> reml.Derivatives:
    """Room for derivatives."""
    k, n = n_parameters, n_coefficients
    return reml.Derivatives(np.empty(k), np.empty((k, k)), np.empty((k, n, n)), np.empty((k, n)))


@njit(cache=True, nogil=True)
def value(v: Floats, g: float, data: Clusters, w: Floats, mean: Mean) -> float:
    """−2ℓ without its constant, NaN where V or A is not positive definite; fills W and `mean`."""
    n_patterns, masks, counts, t, column = data.patterns
    beta, phi, b, b_y, c = mean
    n = len(beta)
    total = reml.pattern_weights(v, masks, counts, n_patterns, w)
    if not total > -np.inf:
        return np.nan
    a, right = np.zeros((n, n)), np.zeros(n)
    square = reml.normal_equations(n_patterns, t, w, column, a, right)
    _therapist_sums(w, data, b, b_y, c)
    for h in range(len(c)):
        total += log(1.0 + g * c[h])
        shrunk = g / (1.0 + g * c[h])
        for i in range(n):
            right[i] -= shrunk * b[h, i] * b_y[h]
            for j in range(n):
                a[i, j] -= shrunk * b[h, i] * b[h, j]
        square -= shrunk * b_y[h] * b_y[h]
    return total + reml.solve_mean(a, right, square, beta, phi)


@njit(**INLINED)
def _therapist_sums(w: Floats, data: Clusters, b: Floats, b_y: Floats, c: Floats) -> None:
    """B and C."""
    (n_patterns, _, _, _, column), n_cell, cells, z = data
    n_visits, m = column.shape
    for h in range(len(c)):
        c[h] = b_y[h] = 0.0
        for e in range(b.shape[1]):
            b[h, e] = 0.0
        for p in range(n_patterns):
            if n_cell[h, p] == 0.0:
                continue
            for k in range(n_visits):
                row = 0.0
                for j in range(n_visits):
                    row += z[h, j] * w[p, j, k]
                c[h] += n_cell[h, p] * row * z[h, k]
                b_y[h] += row * cells[h, p, m + k]
                for a in range(m):
                    if column[k, a] >= 0:
                        b[h, column[k, a]] += row * cells[h, p, a]


@njit(**INLINED)
def is_identified(g: float, mean: Mean) -> bool:
    """Whether any of the expected information on g is left once β is estimated: an arm is not a therapist."""
    _, phi, b, _, c = mean
    n = b.shape[1]
    turned = np.empty(n)
    left = known = 0.0
    for h in range(len(c)):
        own = 1.0 / (1.0 + g * c[h])
        known += (own * c[h]) ** 2
        for i in range(n):
            turned[i] = 0.0
            for j in range(n):
                turned[i] += phi[i, j] * b[h, j]
        for t in range(len(c)):
            both = own * c[h] if h == t else 0.0
            for i in range(n):
                both -= own * turned[i] * b[t, i] / (1.0 + g * c[t])
            left += both * both
    return left > COLLINEAR * known


@njit(cache=True, nogil=True)
def derivatives(v: Floats, g: float, data: Clusters, w: Floats, mean: Mean, out: reml.Derivatives) -> None:
    """Gradient and Hessian of −2ℓ by the elements of V and then g, and −∂A of each into `out.slopes`.

    W, Φ, B and C as `value` leaves them; β and B_y may be those of other scores.
    """
    n_patterns, gradient, hessian = data.patterns.n, out.gradient, out.hessian
    n_visits, n_v = len(v), len(gradient) - 1
    reml.add_patterns(v, data.patterns, w, mean.beta, mean.phi, True, out)
    gradient[n_v] = 0.0
    inner = np.zeros((n_patterns, n_visits, n_visits))
    for h in range(len(mean.c)):
        _add_therapist(h, g, data, w, mean, inner, out)
    for p in range(n_patterns):
        k = 0
        for i in range(n_visits):
            for j in range(i + 1):
                gradient[k] -= inner[p, i, j] if i != j else 0.5 * inner[p, i, i]
                k += 1
        reml.add_products(w[p], inner[p], hessian)
    reml.add_mean(mean.phi, out)
    reml.mirror(hessian)


@njit(**INLINED)
def hessian_of(u: Floats, v: Floats, g: float, data: Clusters, w: Floats, mean: Mean) -> Floats:
    """The Hessian of −2ℓ where all residuals are −Xu."""
    second = derivatives_of(len(v) * (len(v) + 1) // 2 + 1, len(u))
    about = Mean(u, mean.phi, mean.b, np.zeros(len(mean.c)), mean.c)
    derivatives(v, g, _without_scores(data), w, about, second)
    return second.hessian


@njit(**INLINED)
def information(v: Floats, g: float, data: Clusters, w: Floats, mean: Mean) -> Floats:
    """The expected Hessian of −2ℓ."""
    out = hessian_of(np.zeros(len(mean.beta)), v, g, data, w, mean)
    for k in range(len(out)):
        for el in range(len(out)):
            out[k, el] = -out[k, el]
    return out


@njit(**INLINED)
def _without_scores(data: Clusters) -> Clusters:
    """The same patients, with scores of 0."""
    (n_patterns, masks, counts, t, column), n_cell, cells, z = data
    m = column.shape[1]
    no_t, no_cells = np.zeros_like(t), np.zeros_like(cells)
    for p in range(n_patterns):
        for a in range(m):
            for b in range(m):
                no_t[p, a, b] = t[p, a, b]
            for h in range(len(cells)):
                no_cells[h, p, a] = cells[h, p, a]
    return Clusters(reml.Patterns(n_patterns, masks, counts, no_t, column), n_cell, no_cells, z)


@njit(**INLINED)
def _add_therapist(
    h: int, g: float, data: Clusters, w: Floats, mean: Mean, inner: Floats, out: reml.Derivatives
) -> None:
    """What therapist h adds, all but the second derivatives of W: these are tr(V̇ W V̇′ S), S added to `inner`.

    Of B, of Ḃ and of W (X, y) the last element is that of the residuals.
    """
    phi, gradient, hessian = mean.phi, out.gradient, out.hessian
    n, last, c = len(phi), len(gradient) - 1, mean.c[h]
    b, turned = np.empty(n + 1), np.zeros(n + 1)
    b[n] = mean.b_y[h]
    for i in range(n):
        b[i] = mean.b[h, i]
        b[n] -= b[i] * mean.beta[i]
        for j in range(n):
            turned[i] += phi[i, j] * mean.b[h, j]
    turned[n] = b[n]
    square = _product(turned, b)  # <B, B>
    s = 1.0 / (1.0 + g * c)
    shrunk = g * s
    b_dot, c_dot = np.zeros((last, n + 1)), np.zeros(last)
    _add_slopes(h, data, w, mean.beta, turned, (shrunk + shrunk * shrunk * square, shrunk), inner, b_dot, c_dot)
    columns, with_b = np.empty((n + 1, last)), np.empty(last)  # (ΦḂ)', and <B, Ḃ>
    row = np.empty(n + 1)
    for k in range(last):
        with_b[k] = _product(turned, b_dot[k])
        reml.product_row(b_dot, k, phi, n, row)
        row[n] = b_dot[k, n]
        for i in range(n + 1):
            columns[i, k] = row[i]
    for k in range(last):
        for e in range(n + 1):
            f = 2.0 * shrunk * b_dot[k, e]
            for el in range(k + 1 if f != 0.0 else 0):  # 0 for the other arms' coefficients
                hessian[k, el] -= f * columns[e, el]
        f = shrunk * shrunk * (1.0 + 2.0 * shrunk * square) * c_dot[k]
        for el in range(k + 1):
            hessian[k, el] += 2.0 * shrunk * shrunk * (c_dot[k] * with_b[el] + c_dot[el] * with_b[k]) - f * c_dot[el]
        hessian[last, k] += s * s * (c_dot[k] + 2.0 * shrunk * square * c_dot[k] - 2.0 * with_b[k])
        for i in range(n):
            f, mine = shrunk * b[i], shrunk * b_dot[k, i] - shrunk * shrunk * c_dot[k] * b[i]
            out.vectors[k, i] += mine * b[n] + f * b_dot[k, n]
            for j in range(i + 1 if b_dot[k, i] != 0.0 or b[i] != 0.0 else 0):
                out.slopes[k, i, j] += mine * b[j] + f * b_dot[k, j]
    gradient[last] += s * c - s * s * square
    hessian[last, last] += s * s * c * (2.0 * s * square - c)
    for i in range(n):
        out.vectors[last, i] += s * s * b[i] * b[n]
        for j in range(i + 1):
            out.slopes[last, i, j] += s * s * b[i] * b[j]


@njit(**INLINED)
def _add_slopes(
    h: int,
    data: Clusters,
    w: Floats,
    beta: Floats,
    turned: Floats,
    scales: tuple[float, float],
    inner: Floats,
    b_dot: Floats,
    c_dot: Floats,
) -> None:
    """Ḃ and Ċ of therapist h, and its part of `inner`; `scales`: h + h²<B, B> and h."""
    (n_patterns, _, _, _, column), n_cell, cells, z = data
    by_c, shrunk = scales
    n_visits, n, m = len(column), len(beta), column.shape[1]
    row, along, weighted = np.empty(n_visits), np.empty(n_visits), np.empty((n_visits, n + 1))  # z'W, <·, B>, W (X, y)
    for p in range(n_patterns):
        patients = n_cell[h, p]
        if patients == 0.0:
            continue
        row[:] = 0.0
        weighted[:, :] = 0.0
        for j in range(n_visits):
            residual = cells[h, p, m + j]
            for a in range(m):
                if column[j, a] >= 0:
                    residual -= cells[h, p, a] * beta[column[j, a]]
            for i in range(n_visits):
                f = w[p, j, i]
                row[i] += z[h, j] * f
                weighted[i, n] += f * residual
                for a in range(m):
                    if column[j, a] >= 0:
                        weighted[i, column[j, a]] += f * cells[h, p, a]
        for i in range(n_visits):
            along[i] = _product(weighted[i], turned)
        k = 0
        for i in range(n_visits):
            for j in range(i + 1):
                once = 0.5 if i == j else 1.0
                more = 2.0 * by_c * patients * row[i] * row[j] - 2.0 * shrunk * (along[i] * row[j] + row[i] * along[j])
                inner[p, i, j] += once * more
                inner[p, j, i] += once * more
                c_dot[k] -= 2.0 * once * patients * row[i] * row[j]
                left, right = once * row[i], once * row[j]
                for e in range(n + 1):
                    b_dot[k, e] -= left * weighted[j, e] + right * weighted[i, e]
                k += 1


@njit(cache=True, nogil=True)
def _product(a: Floats, b: Floats) -> float:
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total
