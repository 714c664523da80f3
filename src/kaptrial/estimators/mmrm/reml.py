"""REML for any missingness and covariance structure, from moments by missingness pattern; one replicate, compiled.

Notation: pattern P has n patients who were seen at the same visits; W is the inverse of V over those visits, 0
elsewhere; M = Σ w w' over its patients' covariates w, and X maps coefficients to visits. With Φ = (X'V⁻¹X)⁻¹, r the
residuals, H = Σ X_i Φ X_i' and R = Σ r r' over the pattern, and V̇ the derivative with respect to one element of V,

    −2ℓ      = Σ n log|V| + log|Φ⁻¹| + Σ tr(W R)
    gradient = Σ tr(V̇ W (nV − H − R) W)
    Hessian  = −Σ tr(V̇ W V̇′ W (nV − 2H − 2R) W) − tr(Φ A Φ A′) − 2 a'Φ a′,   A = Σ X'W V̇ W X,  a = Σ X'W V̇ W r.

(Harville 1977, JASA 72:320-338; Lindstrom & Bates 1988, JASA 83:1014-1022.) Scoring replaces the Hessian by
Σ tr(V̇ W V̇′ W (nV − H) W), near its expectation; Newton steps with the exact Hessian finish. Satterthwaite degrees of
freedom and the Kenward-Roger covariance (Biometrics 1997 53:983-997, without second derivatives, the "linear" form)
take the inverse of half the observed Hessian as the covariance of the parameters.
"""

from __future__ import annotations

from math import log, pi, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators import codes, dense
from kaptrial.estimators.mmrm import structures

MAX_STEPS = 60
# Newton decrement g'H⁻¹g, in units of −2ℓ, at which scoring hands over to Newton, and below which a Newton step is the
# last. Before the last step the parameters are within 3e-4 of their standard errors, after it within about 1e-7; the
# Hessian, taken before it, is then right to some 3e-5, the estimates and standard errors to rounding.
HAND_OVER, LAST = 1e-5, 1e-7
_SINGULAR = 1e-11


class Patterns(NamedTuple):
    """A replicate by missingness pattern, as `moments` fills it; `column` (visit, m): numbers of the coefficients."""

    n: int
    masks: Ints
    counts: Floats
    t: Floats
    column: Ints


class Estimates(NamedTuple):
    """Of contrasts, (contrast,)."""

    estimate: Floats
    se: Floats
    df: Floats


class Derivatives(NamedTuple):
    """Gradient and information (or exact Hessian) of −2ℓ, by parameter; A and a of every one, where they are exact."""

    gradient: Floats
    hessian: Floats
    slopes: Floats
    vectors: Floats


class Fitted(NamedTuple):
    """The model at the maximum; `covariance` is half that of the parameters `theta`."""

    structure: int
    theta: Floats
    covariance: Floats
    w: Floats
    beta: Floats
    phi: Floats
    slopes: Floats


@njit(cache=True, nogil=True)
def moments(y: Floats, w: Floats, masks: Ints, counts: Floats, out: Floats) -> int:
    """Sums of products of (w, y) by missingness pattern: number of patterns, or −1 if `out` is too small.

    y (patient, visit), w (patient, m); `masks`: which visits were seen, a bit each; `counts`: patients; `out` (pattern,
    m + visit, m + visit), lower triangles. Patients never seen, or without a covariate, are left out.
    """
    n, n_visits = y.shape
    m = w.shape[1]
    n_patterns = 0
    u = np.empty(m + n_visits)
    for i in range(n):
        mask = 0
        for j in range(n_visits):
            value = y[i, j]
            if value == value:
                mask |= 1 << j
                u[m + j] = value
            else:
                u[m + j] = 0.0
        complete = mask != 0
        for a in range(m):
            u[a] = w[i, a]
            if u[a] != u[a]:
                complete = False
        if not complete:
            continue
        p = 0
        while p < n_patterns and masks[p] != mask:
            p += 1
        if p == n_patterns:
            if p == len(masks):
                return -1
            masks[p] = mask
            counts[p] = 0.0
            out[p] = 0.0
            n_patterns += 1
        counts[p] += 1.0
        square = out[p]
        for a in range(m + n_visits):
            value = u[a]
            if value != 0.0:  # other arms' indicators, scores not seen
                for b in range(a + 1):
                    square[a, b] += value * u[b]
    for p in range(n_patterns):
        for a in range(m + n_visits):
            for b in range(a):
                out[p, b, a] = out[p, a, b]
    return n_patterns


@njit(cache=True, nogil=True)
def by_pattern(y: Floats, w: Floats) -> tuple[int, Ints, Floats, Floats]:
    """`moments` with as much room as it takes: the number of patterns, `masks`, `counts` and the sums."""
    size, room = w.shape[1] + y.shape[1], 16
    while True:
        masks, counts, t = np.empty(room, dtype=np.int64), np.empty(room), np.empty((room, size, size))
        n_patterns = moments(y, w, masks, counts, t)
        if n_patterns >= 0:
            return n_patterns, masks, counts, t
        room *= 4


@njit(cache=True, nogil=True)
def keep_columns(n_patterns: int, masks: Ints, t: Floats, column: Ints, contrasts: Floats) -> tuple[int, bool]:
    """Drop coefficients that add nothing to those before them: how many are left, and can the contrasts be estimated.

    `column` (visit, m), the number of each coefficient or −1, is renumbered in place; `contrasts` (k, coefficient) lose
    the dropped ones. A contrast can be estimated if the dropped columns' weights follow from the kept ones'.
    """
    n_visits, m = column.shape
    p = contrasts.shape[1]
    s = np.zeros((p, p))
    for q in range(n_patterns):
        for j in range(n_visits):
            if masks[q] >> j & 1:
                for a in range(m):
                    ca = column[j, a]
                    if ca >= 0:
                        for b in range(m):
                            cb = column[j, b]
                            if cb >= 0:
                                s[ca, cb] += t[q, a, b]
    raw = np.empty(p)
    for c in range(p):
        raw[c] = s[c, c]
    kept = np.zeros(p, dtype=np.bool_)
    for c in range(p):
        pivot = s[c, c]
        if not pivot > 1e-10 * raw[c]:
            continue
        kept[c] = True
        for b in range(p):
            s[c, b] /= pivot
        s[c, c] = 1.0
        for a in range(p):
            if a != c and s[a, c] != 0.0:
                factor = s[a, c]
                for b in range(p):
                    s[a, b] -= factor * s[c, b]
    estimable = True
    for k in range(contrasts.shape[0]):
        for c in range(p):
            if not kept[c]:
                explained = 0.0
                for b in range(p):
                    if kept[b]:
                        explained += contrasts[k, b] * s[b, c]
                if abs(contrasts[k, c] - explained) > 1e-6:
                    estimable = False
    number = np.full(p, -1)
    left = 0
    for c in range(p):
        if kept[c]:
            number[c] = left
            for k in range(contrasts.shape[0]):
                contrasts[k, left] = contrasts[k, c]
            left += 1
    for j in range(n_visits):
        for a in range(m):
            if column[j, a] >= 0:
                column[j, a] = number[column[j, a]]
    return left, estimable


@njit(cache=True, nogil=True)
def pattern_weights(v: Floats, masks: Ints, counts: Floats, n_patterns: int, w: Floats) -> float:
    """W of each pattern into `w`, and Σ n log|V|; NaN if V is not positive definite over a pattern's visits."""
    n_visits = v.shape[0]
    total = 0.0
    factor, inverse = np.empty((n_visits, n_visits)), np.empty((n_visits, n_visits))
    seen = np.empty(n_visits, dtype=np.int64)
    for p in range(n_patterns):
        n = _visits_of(masks[p], seen)
        for a in range(n):
            for b in range(a + 1):
                factor[a, b] = v[seen[a], seen[b]]
        if not dense.cholesky(factor, n, _SINGULAR):
            return np.nan
        dense.invert(factor, n, inverse)
        total += counts[p] * dense.log_determinant(factor, n)
        w[p] = 0.0
        for a in range(n):
            for b in range(n):
                w[p, seen[a], seen[b]] = inverse[a, b]
    return total


@njit(cache=True, nogil=True)
def _visits_of(mask: int, seen: Ints) -> int:
    """The visits of a pattern into the front of `seen`: how many."""
    n = 0
    for j in range(len(seen)):
        if mask >> j & 1:
            seen[n] = j
            n += 1
    return n


@njit(cache=True, nogil=True)
def normal_equations(n_patterns: int, t: Floats, w: Floats, column: Ints, a: Floats, b: Floats) -> float:
    """Add X'V⁻¹X to `a` and X'V⁻¹y to `b`: y'V⁻¹y."""
    n_visits, m = column.shape
    y_w_y = 0.0
    for p in range(n_patterns):
        for j in range(n_visits):
            for k in range(n_visits):
                wjk = w[p, j, k]
                if wjk == 0.0:
                    continue
                y_w_y += wjk * t[p, m + j, m + k]
                for x in range(m):
                    cx = column[j, x]
                    if cx < 0:
                        continue
                    b[cx] += wjk * t[p, x, m + k]
                    for z in range(m):
                        cz = column[k, z]
                        if cz >= 0:
                            a[cx, cz] += wjk * t[p, x, z]
    return y_w_y


@njit(cache=True, nogil=True)
def solve_mean(a: Floats, b: Floats, y_w_y: float, beta: Floats, phi: Floats) -> float:
    """β̂ and Φ from the normal equations, and log|Φ⁻¹| + Σ tr(W R); NaN if Φ⁻¹ is singular."""
    n = len(b)
    for c in range(n):
        beta[c] = b[c]
    if not dense.cholesky(a, n, _SINGULAR):
        return np.nan
    dense.solve(a, n, beta)
    dense.invert(a, n, phi)
    fitted = 0.0
    for c in range(n):
        fitted += b[c] * beta[c]
    return dense.log_determinant(a, n) + y_w_y - fitted


@njit(cache=True, nogil=True)
def _mean(n_patterns: int, t: Floats, w: Floats, column: Ints, n_coefficients: int, beta: Floats, phi: Floats) -> float:
    """β̂ and Φ at given W, and log|Φ⁻¹| + Σ tr(W R); NaN if Φ⁻¹ is singular."""
    a, b = np.zeros((n_coefficients, n_coefficients)), np.zeros(n_coefficients)
    y_w_y = normal_equations(n_patterns, t, w, column, a, b)
    return solve_mean(a, b, y_w_y, beta, phi)


@njit(cache=True, nogil=True)
def _spread(t: Floats, column: Ints, beta: Floats, phi: Floats, h: Floats, r: Floats) -> None:
    """H and R of one pattern from its moments."""
    n_visits, m = column.shape
    fitted = np.zeros((m, n_visits))
    for k in range(n_visits):
        for x in range(m):
            total = 0.0
            for z in range(m):
                if column[k, z] >= 0:
                    total += t[x, z] * beta[column[k, z]]
            fitted[x, k] = total
    for j in range(n_visits):
        for k in range(j + 1):
            value, spread = t[m + j, m + k], 0.0
            for x in range(m):
                cj, ck = column[j, x], column[k, x]
                if cj >= 0:
                    value += beta[cj] * (fitted[x, k] - t[x, m + k])
                if ck >= 0:
                    value -= beta[ck] * t[x, m + j]
                if cj >= 0:
                    for z in range(m):
                        cz = column[k, z]
                        if cz >= 0:
                            spread += phi[cj, cz] * t[x, z]
            r[j, k] = r[k, j] = value
            h[j, k] = h[k, j] = spread


@njit(cache=True, nogil=True)
def _add_sandwich(w: Floats, inner: Floats, scale: float, out: Floats) -> None:
    """out += scale · W inner W."""
    n = len(w)
    for a in range(n):
        for b in range(n):
            half = 0.0
            for c in range(n):
                half += inner[b, c] * w[c, a]
            for c in range(n):
                out[a, c] += scale * half * w[b, c]


@njit(cache=True, nogil=True)
def add_products(w: Floats, s: Floats, out: Floats) -> None:
    """out[k, l] += tr(V̇_k W V̇_l S), symmetrised, for elements k = (a, b) and l = (c, d) of V."""
    n = len(w)
    k = 0
    for a in range(n):
        for b in range(a + 1):
            el = 0
            for c in range(a + 1):
                for d in range(c + 1):
                    if el > k:
                        break
                    value = w[a, c] * s[b, d] + s[a, c] * w[b, d] + w[a, d] * s[b, c] + s[a, d] * w[b, c]
                    if a == b:
                        value *= 0.5
                    if c == d:
                        value *= 0.5
                    out[k, el] += value
                    el += 1
            k += 1


@njit(cache=True, nogil=True)
def mirror(a: Floats) -> None:
    for i in range(len(a)):
        for j in range(i):
            a[j, i] = a[i, j]


@njit(cache=True, nogil=True)
def elements(s: Floats, out: Floats) -> None:
    """tr(V̇_k S) for each element k of V: S off the diagonal counts twice."""
    k = 0
    for a in range(len(s)):
        for b in range(a + 1):
            out[k] = s[a, b] if a == b else 2.0 * s[a, b]
            k += 1


@njit(cache=True, nogil=True)
def _derivatives(
    v: Floats, data: Patterns, w: Floats, beta: Floats, phi: Floats, exact: bool, out: Derivatives
) -> None:
    """Gradient and information (or exact Hessian) of −2ℓ in the elements of V."""
    add_patterns(v, data, w, beta, phi, exact, out)
    if exact:
        add_mean(phi, out)
    mirror(out.hessian)


@njit(cache=True, nogil=True)
def add_patterns(
    v: Floats, data: Patterns, w: Floats, beta: Floats, phi: Floats, exact: bool, out: Derivatives
) -> None:
    """Gradient and information (or exact Hessian) as if β and Φ stayed; exact fills A and a, too.

    Of arrays for more parameters than the elements of V the rest is set to 0. Lower triangles only.
    """
    n_patterns, _, counts, t, column = data
    g, hessian, slopes, vectors = out
    n_visits, m = column.shape
    h, r = np.empty((n_visits, n_visits)), np.empty((n_visits, n_visits))
    inner, s = np.empty((n_visits, n_visits)), np.empty((n_visits, n_visits))
    total = np.zeros((n_visits, n_visits))
    hessian[:, :] = 0.0
    if exact:
        slopes[:, :, :] = 0.0
        vectors[:, :] = 0.0
    residual = np.empty((m, n_visits))
    for p in range(n_patterns):
        _spread(t[p], column, beta, phi, h, r)
        for j in range(n_visits):
            for k in range(n_visits):
                inner[j, k] = counts[p] * v[j, k] - h[j, k]
        s[:, :] = 0.0
        _add_sandwich(w[p], inner, 1.0, s)
        for j in range(n_visits):
            for k in range(n_visits):
                total[j, k] += s[j, k]
        if not exact:
            add_products(w[p], s, hessian)
        s[:, :] = 0.0
        _add_sandwich(w[p], r, 1.0, s)
        for j in range(n_visits):
            for k in range(n_visits):
                total[j, k] -= s[j, k]
        if exact:
            for j in range(n_visits):
                for k in range(n_visits):
                    inner[j, k] = 2.0 * (h[j, k] + r[j, k]) - counts[p] * v[j, k]
            s[:, :] = 0.0
            _add_sandwich(w[p], inner, 1.0, s)
            add_products(w[p], s, hessian)
            for k in range(n_visits):  # Σ w r' of the pattern
                for x in range(m):
                    value = t[p, x, m + k]
                    for z in range(m):
                        if column[k, z] >= 0:
                            value -= t[p, x, z] * beta[column[k, z]]
                    residual[x, k] = value
            _add_slopes(w[p], t[p], column, residual, slopes, vectors)
    elements(total, g)


@njit(cache=True, nogil=True)
def add_mean(phi: Floats, out: Derivatives) -> None:
    """Add to the Hessian what β and Φ do: − tr(Φ A Φ A′) − 2 a'Φ a′. Makes `slopes` symmetric."""
    _, hessian, slopes, vectors = out
    n_parameters, n = vectors.shape
    phi_a, columns = np.empty((n_parameters, n * n)), np.empty((n * n, n_parameters))  # (ΦA)', a parameter a column
    by_coefficient, phi_vectors = np.empty((n, n_parameters)), np.empty((n, n_parameters))
    row, traces = np.empty(n), np.empty(n_parameters)
    for k in range(n_parameters):
        mirror(slopes[k])
        for e in range(n):
            by_coefficient[e, k] = vectors[k, e]
    for c in range(n):
        product_row(phi, c, by_coefficient, n_parameters, phi_vectors[c])
        for k in range(n_parameters):
            product_row(phi, c, slopes[k], n, row)
            for d in range(n):
                phi_a[k, c * n + d] = row[d]
                columns[d * n + c, k] = row[d]
    for k in range(n_parameters):
        product_row(phi_a, k, columns, k + 1, traces)
        for el in range(k + 1):
            hessian[k, el] -= traces[el]
        product_row(vectors, k, phi_vectors, k + 1, traces)
        for el in range(k + 1):
            hessian[k, el] -= 2.0 * traces[el]


@njit(cache=True, nogil=True)
def product_row(a: Floats, k: int, b: Floats, n: int, out: Floats) -> None:
    """The first n elements of row k of AB. The processor takes many columns at once, each summed in order."""
    by_four = len(b) - len(b) % 4
    out[:n] = 0.0
    for c in range(0, by_four, 4):
        f0, f1, f2, f3 = a[k, c], a[k, c + 1], a[k, c + 2], a[k, c + 3]
        for el in range(n):
            out[el] = out[el] + f0 * b[c, el] + f1 * b[c + 1, el] + f2 * b[c + 2, el] + f3 * b[c + 3, el]
    for c in range(by_four, len(b)):
        f0 = a[k, c]
        for el in range(n):
            out[el] += f0 * b[c, el]


@njit(cache=True, nogil=True)
def _add_slopes(w: Floats, t: Floats, column: Ints, residual: Floats, slopes: Floats, vectors: Floats) -> None:
    """A and a of every element of V: += X'W V̇ W X, its lower triangle, and X'W V̇ W r of one pattern."""
    n_visits, m = column.shape
    weighted = np.zeros((n_visits, m))  # W r'
    for b in range(n_visits):
        for i in range(n_visits):
            for x in range(m):
                weighted[b, x] += w[b, i] * residual[x, i]
    k = -1
    for a in range(n_visits):
        for b in range(a + 1):
            k += 1
            if w[a, a] == 0.0 or w[b, b] == 0.0:
                continue
            once = 0.5 if a == b else 1.0
            for j in range(n_visits):
                ja, jb = once * w[j, a], once * w[j, b]
                if ja == 0.0 and jb == 0.0:
                    continue
                for x in range(m):
                    cx = column[j, x]
                    if cx < 0:
                        continue
                    vectors[k, cx] += ja * weighted[b, x] + jb * weighted[a, x]
                    for i in range(n_visits):
                        f = ja * w[b, i] + jb * w[a, i]
                        for z in range(m):
                            cz = column[i, z]
                            if 0 <= cz <= cx:
                                slopes[k, cx, cz] += f * t[x, z]


@njit(cache=True, nogil=True)
def start(n_patterns: int, masks: Ints, counts: Floats, t: Floats, column: Ints, n_coefficients: int) -> Floats:
    """A positive definite V near the data: least-squares residuals' pairwise moments, correlations shrunk as needed."""
    n_visits = column.shape[0]
    identity = np.zeros((n_patterns, n_visits, n_visits))
    for p in range(n_patterns):
        for j in range(n_visits):
            identity[p, j, j] = 1.0 if masks[p] >> j & 1 else 0.0
    beta, phi = np.empty(n_coefficients), np.empty((n_coefficients, n_coefficients))
    v = np.full((n_visits, n_visits), np.nan)
    if not _mean(n_patterns, t, identity, column, n_coefficients, beta, phi) > -np.inf:
        return v
    h, r = np.empty((n_visits, n_visits)), np.empty((n_visits, n_visits))
    total, n = np.zeros((n_visits, n_visits)), np.zeros((n_visits, n_visits))
    for p in range(n_patterns):
        _spread(t[p], column, beta, phi, h, r)
        for j in range(n_visits):
            for k in range(n_visits):
                both = identity[p, j, j] * identity[p, k, k]
                total[j, k] += both * r[j, k]
                n[j, k] += both * counts[p]
    floor = 0.0
    for j in range(n_visits):
        floor = max(floor, 1e-6 * total[j, j] / max(n[j, j], 1.0))
    for j in range(n_visits):
        v[j, j] = max(total[j, j] / max(n[j, j], 1.0), floor)
    for j in range(n_visits):
        for k in range(j):
            rho = total[j, k] / max(n[j, k], 1.0) / sqrt(v[j, j] * v[k, k]) if floor > 0 else 0.0
            v[j, k] = v[k, j] = min(max(rho, -0.95), 0.95) * sqrt(v[j, j] * v[k, k])
    for _ in range(20):
        trial = v.copy()
        if dense.cholesky(trial, n_visits, 1e-3):
            return v
        for j in range(n_visits):
            for k in range(j):
                v[j, k] *= 0.8
                v[k, j] *= 0.8
    return v


@njit(cache=True, nogil=True)
def fit(
    data: Patterns, contrasts: Floats, structure: int, kenward_roger: bool, out: Estimates, v: Floats, beta: Floats
) -> tuple[int, float]:
    """REML estimates of the contrasts of one replicate: failure code and restricted log likelihood.

    Fills `out`, `v` (visit, visit) and `beta`, the coefficients, of which only the last mean something on failure.
    """
    n_patterns, masks, counts, t, column = data
    n_visits, m = column.shape
    n, n_v = len(beta), n_visits * (n_visits + 1) // 2
    n_scores, scale = 0.0, 0.0
    for p in range(n_patterns):
        for j in range(n_visits):
            if masks[p] >> j & 1:
                n_scores += counts[p]
                scale += t[p, m + j, m + j]
    n_theta = structures.n_parameters(structure, n_visits)
    if n_scores - n < n_theta:
        return codes.TOO_FEW_PATIENTS, np.nan
    v0 = start(n_patterns, masks, counts, t, column, n)
    if not v0[0, 0] > 1e-14 * scale:
        return codes.NO_RESIDUAL_VARIANCE, np.nan
    theta = structures.start(structure, v0, n_visits)
    current, trial = np.empty((n_visits, n_visits)), theta.copy()
    w = np.empty((n_patterns, n_visits, n_visits))
    phi, slopes = np.empty((n, n)), np.empty((n_v, n, n))
    by_element = Derivatives(np.empty(n_v), np.empty((n_v, n_v)), slopes, np.empty((n_v, n)))
    g, h, factor = np.empty(n_theta), np.empty((n_theta, n_theta)), np.empty((n_theta, n_theta))

    structures.fill(structure, theta, n_visits, current)
    value = pattern_weights(current, masks, counts, n_patterns, w) + _mean(n_patterns, t, w, column, n, beta, phi)
    if not value > -np.inf:
        return codes.SINGULAR_COVARIANCE, np.nan
    decrement, done = np.inf, False
    exact = decrement < HAND_OVER  # scoring first
    for _ in range(MAX_STEPS):
        _derivatives(current, data, w, beta, phi, exact, by_element)
        h[:, :] = 0.0
        if exact:
            structures.add_curvature(structure, theta, n_visits, by_element.gradient, h)
        structures.chain(structure, theta, n_visits, by_element.gradient, by_element.hessian, g, h)
        factor = h.copy()
        if not dense.cholesky(factor, n_theta, _SINGULAR):
            if exact:  # not yet near enough to the optimum for Newton
                exact = False
                continue
            return codes.SINGULAR_COVARIANCE, np.nan
        step = g.copy()
        dense.solve(factor, n_theta, step)
        decrement = 0.0
        for k in range(n_theta):
            decrement += g[k] * step[k]
        length, better = 1.0, False
        for _ in range(40):
            for k in range(n_theta):
                trial[k] = theta[k] - length * step[k]
            structures.fill(structure, trial, n_visits, v0)
            new = pattern_weights(v0, masks, counts, n_patterns, w)
            if new > -np.inf:
                new += _mean(n_patterns, t, w, column, n, beta, phi)
            # Near the optimum −2ℓ changes by less than its rounding, and a step that does no harm is taken.
            if new <= value + 1e-9 * (1.0 + abs(value)) * (1.0 if decrement < 1e-6 else 0.0):
                better = True
                break
            length *= 0.5
        if not better:
            return codes.NOT_CONVERGED, np.nan
        value = new
        theta, current = trial.copy(), v0.copy()
        if exact and decrement < LAST:
            done = True
            break
        exact = exact or decrement < HAND_OVER
    if not done:
        return codes.NOT_CONVERGED, np.nan
    covariance = np.empty((n_theta, n_theta))
    dense.invert(factor, n_theta, covariance)  # of the parameters: 2 × this
    fitted = Fitted(structure, theta, covariance, w, beta, phi, slopes)
    for k in range(contrasts.shape[0]):
        out.estimate[k], out.se[k], out.df[k] = _infer(contrasts[k], data, fitted, kenward_roger)
        if not (out.se[k] > 0.0 and out.df[k] > 0.0):
            out.estimate[:], out.se[:], out.df[:] = np.nan, np.nan, np.nan
            return codes.SINGULAR_COVARIANCE, np.nan
    for j in range(n_visits):
        for k in range(n_visits):
            v[j, k] = current[j, k]
    return codes.NONE, -0.5 * (value + (n_scores - n) * log(2.0 * pi))


@njit(cache=True, nogil=True)
def _infer(c: Floats, data: Patterns, fitted: Fitted, kenward_roger: bool) -> tuple[float, float, float]:
    """Estimate, SE and degrees of freedom of one contrast."""
    n_patterns, _, _, t, column = data
    structure, theta, covariance, w, beta, phi, slopes = fitted
    n_visits, m = column.shape
    n, n_theta = len(beta), len(theta)
    n_v = n_visits * (n_visits + 1) // 2
    b = np.zeros(n)
    estimate = variance = 0.0
    for i in range(n):
        estimate += c[i] * beta[i]
        for j in range(n):
            b[i] += phi[i, j] * c[j]
        variance += c[i] * b[i]
    by_visit = np.zeros((n_visits, m))
    for j in range(n_visits):
        for a in range(m):
            if column[j, a] >= 0:
                by_visit[j, a] = b[column[j, a]]
    z, s = np.empty((n_visits, n_visits)), np.empty((n_visits, n_visits))
    total = np.zeros((n_visits, n_visits))
    products = np.zeros((n_v, n_v))
    for p in range(n_patterns):
        for j in range(n_visits):
            for k in range(n_visits):
                value = 0.0
                for x in range(m):
                    for y in range(m):
                        value += by_visit[j, x] * t[p, x, y] * by_visit[k, y]
                z[j, k] = value
        s[:, :] = 0.0
        _add_sandwich(w[p], z, 1.0, s)
        for j in range(n_visits):
            for k in range(n_visits):
                total[j, k] += s[j, k]
        if kenward_roger:
            add_products(w[p], s, products)
    g_v = np.empty(n_v)
    elements(total, g_v)
    if kenward_roger:
        mirror(products)
        moved = np.zeros((n_v, n))
        for k in range(n_v):
            for i in range(n):
                for j in range(n):
                    moved[k, i] += slopes[k, i, j] * b[j]
        shifted = moved @ phi
        for k in range(n_v):
            for el in range(n_v):
                for i in range(n):
                    products[k, el] -= shifted[k, i] * moved[el, i]
    slope, in_theta = np.empty(n_theta), np.zeros((n_theta, n_theta))
    structures.chain(structure, theta, n_visits, g_v, products, slope, in_theta)
    df = variance * variance / dense.quadratic(covariance, slope, n_theta)
    if kenward_roger:
        for k in range(n_theta):
            for el in range(n_theta):
                variance += 4.0 * covariance[k, el] * in_theta[k, el]
    return estimate, sqrt(variance), df
