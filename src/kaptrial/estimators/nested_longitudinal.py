"""MMRM with therapists: unstructured covariance within patients, a therapist intercept in the therapy arms.

As in `mmrm.reml`, with W the inverse of the covariance over a missingness pattern's visits, and g the therapists'
variance and z 1 at the visits that a therapist can affect, else 0. For each therapist, sums over patients,

    B = Σ z'W (X, y),   C = Σ z'W z,   h = g/(1 + gC),
    M = Σ (X, y)'W(X, y) − Σ_t h BB' = [A b; b' c],
    −2ℓ = Σ n log|V| + Σ_t log(1 + gC) + log|A| + c − b'A⁻¹b.

Let Φ = A⁻¹, and <B, B′> = B'ΦB′ over the coefficients plus the product of the residuals B_y − B β̂. With V̇ the
derivative by an element of V, Ḃ = −Σ z'W V̇ W (X, y) and Ċ alike, therapists add to the gradient

    Σ_t (h + h²<B, B>) Ċ − 2h <B, Ḃ>,   and in g   Σ_t C/(1 + gC) − <B, B>/(1 + gC)²;

`_add_therapist` has their part of the Hessian while β̂ and Φ stay, `reml.add_mean` what these add to it. Newton's
method, a variance g at 0 held there. Satterthwaite degrees of freedom from the observed information of the parameters
that are not at 0. Scores are standardised first, for the arithmetic's sake.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators import codes, dense
from kaptrial.estimators.fit import Failure, Fit
from kaptrial.estimators.mmrm import design_columns, design_matrix, reml, structures

MAX_STEPS = 50
PATTERNS = 256
# Share of the information on g, were β known, below which it is rounding.
COLLINEAR = 1e-10

# What the functions below hand on: `second`, the derivatives by the elements of V, then by g; and these.


class Scores(NamedTuple):
    """As `nested_longitudinal` has them."""

    y: Floats
    arm: Ints
    therapist: Ints
    crossed: Floats
    main: Floats


class Model(NamedTuple):
    """The contrasts' weights, the first visit that each arm's therapists can affect, and what they are numbered by."""

    by_arm: Floats
    by_visit: Floats
    begins: Ints
    column: Ints
    n_therapists: int


class Clusters(NamedTuple):
    """A replicate's patterns, what `_cells` has of therapists, and z (therapist, visit)."""

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


class Result(NamedTuple):
    """Estimate, SE and df of the contrasts, (replicate, contrast, 3), their failures, and what the model estimates."""

    contrasts: Floats
    failure: Ints
    parameters: Floats
    covariance: Floats


@dataclass(frozen=True, kw_only=True)
class NestedLongitudinalFit:
    """Contrasts and variance parameters; NaN where they failed.

    `estimate`, `se`, `df`, `failure`: (replicate, contrast). `therapist_sd`: (replicate,); `covariance`: (replicate,
    visit, visit) within patients; `reml_loglik`: (replicate,).
    """

    estimate: Floats
    se: Floats
    df: Floats
    failure: Ints
    therapist_sd: Floats
    covariance: Floats
    reml_loglik: Floats

    def contrast(self, k: int) -> Fit:
        """The k-th contrast."""
        return Fit(estimate=self.estimate[:, k], se=self.se[:, k], df=self.df[:, k], failure=self.failure[:, k])


def nested_longitudinal(
    y: Floats,
    arm: Ints,
    therapist: Ints,
    crossed: Floats,
    main: Floats,
    arm_weights: ArrayLike,
    visit_weights: ArrayLike,
    begins: Ints | None = None,
) -> NestedLongitudinalFit:
    """REML estimates of contrasts of arms, averaged over visits, patients clustered in therapists.

    Parameters
    ----------
    y : (replicate, patient, visit)
        Scores after baseline, NaN where not seen.
    arm, therapist : (replicate, patient)
        Index of the arm; number of the therapist, −1 for none.
    crossed, main : (replicate, patient, p)
        Covariates with a slope at each visit, and with one slope.
    arm_weights, visit_weights : (contrast, arm), (contrast, visit)
        Each contrast is Σ_j ω_j Σ_a w_a (mean of arm a at visit j); the arms' weights sum to 0.
    begins : (arm,)
        Index of the first visit that an arm's therapists can affect; the first of all unless given. A therapist of
        several arms counts from the latest of them.
    """
    w_arm = np.atleast_2d(np.asarray(arm_weights, dtype=float))
    w_visit = np.atleast_2d(np.asarray(visit_weights, dtype=float))
    (n_replicates, _, n_visits), n_arms = y.shape, w_arm.shape[1]
    if len(w_arm) != len(w_visit) or w_visit.shape[1] != n_visits:
        raise ValueError(f"weights {w_arm.shape} and {w_visit.shape} do not fit {n_visits} visits")
    first = np.zeros(n_arms, dtype=np.int64) if begins is None else np.asarray(begins, dtype=np.int64)
    column = design_columns(n_visits, n_arms, crossed.shape[-1], main.shape[-1], constrained_baseline=False)
    data = Scores(
        np.ascontiguousarray(y, dtype=float),
        np.ascontiguousarray(arm, dtype=np.int64),
        np.ascontiguousarray(therapist, dtype=np.int64),
        np.ascontiguousarray(crossed, dtype=float),
        np.ascontiguousarray(main, dtype=float),
    )
    out = Result(
        contrasts=np.full((n_replicates, len(w_arm), 3), np.nan),
        failure=np.zeros((n_replicates, len(w_arm)), dtype=np.int64),
        parameters=np.full((n_replicates, 2), np.nan),
        covariance=np.full((n_replicates, n_visits, n_visits), np.nan),
    )
    _fit_all(data, Model(w_arm, w_visit, first, column, int(therapist.max(initial=-1)) + 1), out)
    out.contrasts[out.failure != Failure.NONE] = np.nan
    return NestedLongitudinalFit(
        estimate=out.contrasts[..., 0],
        se=out.contrasts[..., 1],
        df=out.contrasts[..., 2],
        failure=out.failure,
        therapist_sd=np.sqrt(out.parameters[:, 0]),
        covariance=out.covariance,
        reml_loglik=out.parameters[:, 1],
    )


@njit(cache=True, nogil=True)
def _fit_all(data: Scores, model: Model, out: Result) -> None:
    for r in range(len(data.y)):
        code = _fit_one(data, r, model, out)
        if code != codes.NONE:
            out.failure[r] = code


@njit(cache=True, nogil=True)
def _cells(y, w, therapist, n_therapists, masks, n_patterns):  # type: ignore[no-untyped-def]
    """Numbers of patients by therapist and pattern, and their sums of (w, y)."""
    m, n_visits = w.shape[1], y.shape[1]
    n_cell, cells = np.zeros((n_therapists, n_patterns)), np.zeros((n_therapists, n_patterns, m + n_visits))
    for i in range(len(y)):
        h = therapist[i]
        mask = 0
        for j in range(n_visits):
            if y[i, j] == y[i, j]:
                mask |= 1 << j
        if h < 0 or mask == 0 or np.isnan(w[i]).any():
            continue
        for p in range(n_patterns):
            if masks[p] == mask:
                n_cell[h, p] += 1.0
                for a in range(m):
                    cells[h, p, a] += w[i, a]
                for j in range(n_visits):
                    if mask >> j & 1:
                        cells[h, p, m + j] += y[i, j]
    return n_cell, cells


@njit(cache=True, nogil=True)
def _affected(arm, therapist, begins, n_therapists, n_visits):  # type: ignore[no-untyped-def]
    """z: 1 at the visits that a therapist can affect, from the latest beginning of the arms treated."""
    z = np.ones((n_therapists, n_visits))
    for i in range(len(arm)):
        if therapist[i] >= 0 and arm[i] >= 0:
            z[therapist[i], : begins[arm[i]]] = 0.0
    return z


@njit(cache=True, nogil=True)
def _therapist_sums(w, data, b, b_y, c):  # type: ignore[no-untyped-def]
    """B and C."""
    (n_patterns, _, _, _, column), n_cell, cells, z = data
    n_visits, m = column.shape
    b[:, :] = 0.0
    b_y[:] = 0.0
    c[:] = 0.0
    for p in range(n_patterns):
        rows = z @ w[p]
        for k in range(n_visits):
            for h in range(len(c)):
                row = rows[h, k]
                c[h] += n_cell[h, p] * row * z[h, k]
                b_y[h] += row * cells[h, p, m + k]
                for x in range(m):
                    if column[k, x] >= 0:
                        b[h, column[k, x]] += row * cells[h, p, x]


@njit(cache=True, nogil=True)
def _value(v, g, data, w, mean):  # type: ignore[no-untyped-def]
    """−2ℓ without its constant, NaN where V or A is not positive definite; fills W and `mean`."""
    n_patterns, masks, counts, t, column = data.patterns
    beta, phi, b, b_y, c = mean
    n = len(beta)
    value = reml.pattern_weights(v, masks, counts, n_patterns, w)
    if not value > -np.inf:
        return np.nan
    a, right = np.zeros((n, n)), np.zeros(n)
    square = reml.normal_equations(n_patterns, t, w, column, a, right)
    _therapist_sums(w, data, b, b_y, c)
    for h in range(len(c)):
        value += log(1.0 + g * c[h])
        shrunk = g / (1.0 + g * c[h])
        for i in range(n):
            right[i] -= shrunk * b[h, i] * b_y[h]
            for j in range(n):
                a[i, j] -= shrunk * b[h, i] * b[h, j]
        square -= shrunk * b_y[h] ** 2
    return value + reml.solve_mean(a, right, square, beta, phi)


@njit(cache=True, nogil=True)
def _identified(g, mean):  # type: ignore[no-untyped-def]
    """Whether any of the expected information on g is left once β is estimated: an arm is not a therapist."""
    _, phi, b, _, c = mean
    s = 1.0 / (1.0 + g * c)
    rows = b * s.reshape((-1, 1))
    left = np.diag(c * s) - rows @ phi @ rows.T
    return (left**2).sum() > COLLINEAR * ((c * s) ** 2).sum()


@njit(cache=True, nogil=True)
def _derivatives(v, g, data, w, mean, second):  # type: ignore[no-untyped-def]
    """Gradient and Hessian of −2ℓ, and −∂A of every parameter into `slopes`."""
    n_patterns, gradient, hessian = data.patterns.n, second.gradient, second.hessian
    n_visits = len(v)
    reml.add_patterns(v, data.patterns, w, mean.beta, mean.phi, True, second)
    gradient[-1] = 0.0
    inner = np.zeros((n_patterns, n_visits, n_visits))
    for h in range(len(mean.c)):
        _add_therapist(h, g, data, w, mean, inner, second)
    element = np.empty(len(gradient) - 1)
    for p in range(n_patterns):
        reml.elements(inner[p], element)
        gradient[:-1] -= 0.5 * element
        reml.add_products(w[p], inner[p], hessian)
    reml.add_mean(mean.phi, second)
    reml.mirror(hessian)


@njit(cache=True, nogil=True)
def _add_therapist(h, g, data, w, mean, inner, second):  # type: ignore[no-untyped-def]
    """What therapist h adds, all but the second derivatives of W: these are tr(V̇ W V̇′ S), S added to `inner`."""
    (n_patterns, _, _, _, column), n_cell, cells, z = data
    beta, phi, b, c = mean.beta, mean.phi, mean.b[h], mean.c[h]
    gradient, hessian, slopes, vectors = second
    n_visits, n, last = len(column), len(beta), len(gradient) - 1
    turned, residual = phi @ b, mean.b_y[h] - b @ beta
    square = b @ turned + residual**2  # <B, B>
    s = 1.0 / (1.0 + g * c)
    shrunk = g * s
    by_c = shrunk + shrunk**2 * square
    b_dot, r_dot, c_dot = np.zeros((last, n)), np.zeros(last), np.zeros(last)
    for p in range(n_patterns):
        if n_cell[h, p] == 0.0:
            continue
        x, r = _by_visit(cells[h, p], column, beta)
        row, w_x, w_r = z[h] @ w[p], w[p] @ x, w[p] @ r
        along = w_x @ turned + w_r * residual  # <·, B>
        k = 0
        for i in range(n_visits):
            for j in range(n_visits):
                inner[p, i, j] += 2.0 * by_c * n_cell[h, p] * row[i] * row[j]
                inner[p, i, j] -= 2.0 * shrunk * (along[i] * row[j] + row[i] * along[j])
            for j in range(i + 1):
                once = 0.5 if i == j else 1.0
                c_dot[k] -= 2.0 * once * n_cell[h, p] * row[i] * row[j]
                r_dot[k] -= once * (row[i] * w_r[j] + row[j] * w_r[i])
                for e in range(n):
                    b_dot[k, e] -= once * (row[i] * w_x[j, e] + row[j] * w_x[i, e])
                k += 1
    with_b = b_dot @ turned + r_dot * residual  # <B, Ḃ>
    both = b_dot @ phi @ b_dot.T  # <Ḃ, Ḃ′>, but for r
    for k in range(last):
        for el in range(k + 1):
            hessian[k, el] += 2.0 * shrunk**2 * (c_dot[k] * with_b[el] + c_dot[el] * with_b[k])
            hessian[k, el] -= 2.0 * shrunk * (both[k, el] + r_dot[k] * r_dot[el])
            hessian[k, el] -= shrunk**2 * (1.0 + 2.0 * shrunk * square) * c_dot[k] * c_dot[el]
        hessian[last, k] += s**2 * (c_dot[k] + 2.0 * shrunk * square * c_dot[k] - 2.0 * with_b[k])
        for i in range(n):
            vectors[k, i] += shrunk * (b_dot[k, i] * residual + b[i] * r_dot[k])
            vectors[k, i] -= shrunk**2 * c_dot[k] * b[i] * residual
            for j in range(i + 1):
                slopes[k, i, j] += shrunk * (b_dot[k, i] * b[j] + b[i] * b_dot[k, j])
                slopes[k, i, j] -= shrunk**2 * c_dot[k] * b[i] * b[j]
    gradient[last] += s * c - s**2 * square
    hessian[last, last] += s**2 * c * (2.0 * s * square - c)
    for i in range(n):
        vectors[last, i] += s**2 * b[i] * residual
        for j in range(i + 1):
            slopes[last, i, j] += s**2 * b[i] * b[j]


@njit(cache=True, nogil=True)
def _by_visit(cell, column, beta):  # type: ignore[no-untyped-def]
    """A cell's sums of X, (visit, coefficient), and of residuals, (visit,)."""
    n_visits, m = column.shape
    x, r = np.zeros((n_visits, len(beta))), cell[m:].copy()
    for j in range(n_visits):
        for a in range(m):
            if column[j, a] >= 0:
                x[j, column[j, a]] += cell[a]
                r[j] -= cell[a] * beta[column[j, a]]
    return x, r


@njit(cache=True, nogil=True)
def _step(gradient, hessian, free, step, factor):  # type: ignore[no-untyped-def]
    """Newton's step of the free parameters: its decrement, and whether the Hessian was definite as it was.

    Where it is not, a ridge is added; NaN where none will do. `factor`: the Cholesky factor, of the free ones.
    """
    which = np.flatnonzero(free)
    b, ridge = gradient[which], 0.0
    while True:
        for i in range(len(which)):
            for j in range(i + 1):
                factor[i, j] = hessian[which[i], which[j]]
            factor[i, i] += ridge * (abs(factor[i, i]) + 1e-12)
        if dense.cholesky(factor, len(which), 1e-12):
            break
        ridge = 1e-3 if ridge == 0.0 else 10.0 * ridge
        if not ridge < 1e6:
            return np.nan, False
    dense.solve(factor, len(which), b)
    step[:] = 0.0
    step[which] = b
    return b @ gradient[which], ridge == 0.0


@njit(cache=True, nogil=True)
def _maximise(psi, v, data, w, mean, second, factor):  # type: ignore[no-untyped-def]
    """Newton's method from ψ, the elements of V and g: failure code and −2ℓ; `second` and `factor` are those there."""
    gradient, hessian, _, _ = second
    n_visits, last = len(v), len(psi) - 1
    step, trial, free = np.empty_like(psi), np.empty_like(psi), np.ones(len(psi), dtype=np.bool_)
    structures.fill(structures.US, psi[:last], n_visits, v)
    value = _value(v, psi[last], data, w, mean)
    if value != value:
        return codes.SINGULAR_COVARIANCE, value
    if not _identified(psi[last], mean):
        return codes.TOO_FEW_THERAPISTS, value
    done = False
    for _ in range(MAX_STEPS):
        _derivatives(v, psi[last], data, w, mean, second)
        free[last] = psi[last] > 0.0 or gradient[last] < 0.0
        decrement, definite = _step(gradient, hessian, free, step, factor)
        if decrement != decrement or (done and not definite):
            return codes.SINGULAR_COVARIANCE, value
        if done:
            return codes.NONE, value
        length, new = 1.0, np.nan
        for _try in range(40):
            trial[:] = psi - length * step
            trial[last] = max(trial[last], 0.0)
            structures.fill(structures.US, trial[:last], n_visits, v)
            new = _value(v, trial[last], data, w, mean)
            if new <= value + 1e-9 * (1.0 + abs(value)):
                break
            length *= 0.5
        else:
            return codes.NOT_CONVERGED, value
        stays = not free[last] or (psi[last] > 0.0) == (trial[last] > 0.0)
        done = stays and length == 1.0 and abs(decrement) < reml.LAST
        psi[:] = trial
        value = new
    return codes.NOT_CONVERGED, value


@njit(cache=True, nogil=True)
def _infer(contrast, free, mean, slopes, factor):  # type: ignore[no-untyped-def]
    """Estimate, variance and degrees of freedom of a contrast."""
    beta, phi, _, _, _ = mean
    turned = phi @ contrast
    variance = contrast @ turned
    slope = np.empty(len(slopes))
    for k in range(len(slopes)):
        slope[k] = dense.quadratic(slopes[k], turned, len(beta))
    slope = slope[free]
    solved = slope.copy()
    dense.solve(factor, len(solved), solved)
    return contrast @ beta, variance, variance**2 / (slope @ solved)


@njit(cache=True, nogil=True)
def _standardise(scores):  # type: ignore[no-untyped-def]
    """Scores about their mean in units of their SD, and that SD; as they are, and 1, where all are the same."""
    mean, sd = np.nanmean(scores), np.nanstd(scores)
    if not sd > 1e-12 * abs(mean):
        return scores, 1.0
    return (scores - mean) / sd, sd


@njit(cache=True, nogil=True)
def _seen(n_patterns, masks, t, n_visits, n_arms):  # type: ignore[no-untyped-def]
    """How many patients were seen at each visit, (visit, arm)."""
    seen = np.zeros((n_visits, n_arms))
    for p in range(n_patterns):
        for j in range(n_visits):
            if masks[p] >> j & 1:
                for a in range(n_arms):
                    seen[j, a] += t[p, a, a]
    return seen


@njit(cache=True, nogil=True)
def _observed(seen, arm_weights, visit_weights):  # type: ignore[no-untyped-def]
    """Whether somebody was seen of each arm of a contrast at each of its visits."""
    for j in range(len(visit_weights)):
        if visit_weights[j] != 0.0 and not ((seen[j] > 0.0) | (arm_weights == 0.0)).all():
            return False
    return True


@njit(cache=True, nogil=True)
def _scaling(column, scales, n):  # type: ignore[no-untyped-def]
    """Σ log of the scale of each coefficient's covariate."""
    total, counted = 0.0, np.zeros(n, dtype=np.bool_)
    for j in range(len(column)):
        for a in range(column.shape[1]):
            if column[j, a] >= 0 and not counted[column[j, a]]:
                counted[column[j, a]] = True
                total += log(scales[a])
    return total


@njit(cache=True, nogil=True)
def _fit_one(data: Scores, r: int, model: Model, out: Result) -> int:
    """Fit replicate r into `out`, the failures of single contrasts with it; the failure of the whole model."""
    by_arm, by_visit, begins, template, n_therapists = model
    arm, therapist, failure = data.arm[r], data.therapist[r], out.failure[r]
    n_arms, n_visits = by_arm.shape[1], data.y.shape[2]
    y, unit = _standardise(data.y[r])
    w, scales = design_matrix(arm, data.crossed[r], data.main[r], n_arms)
    size = w.shape[1] + n_visits
    masks, counts, t = np.empty(PATTERNS, dtype=np.int64), np.empty(PATTERNS), np.empty((PATTERNS, size, size))
    n_patterns = reml.moments(y, w, masks, counts, t)
    if n_patterns < 0:
        return codes.SINGULAR_COVARIANCE
    seen = _seen(n_patterns, masks, t, n_visits, n_arms)
    if not seen.sum(axis=1).all():
        return codes.NOT_OBSERVED
    column, contrasts, n = template.copy(), np.zeros((len(by_arm), template.max() + 1)), 0
    for k in range(len(by_arm)):
        column[:, :] = template
        for j in range(n_visits):
            contrasts[k, column[j, :n_arms]] = by_arm[k] * by_visit[k, j]
        n, estimable = reml.keep_columns(n_patterns, masks, t, column, contrasts[k : k + 1])
        if not _observed(seen, by_arm[k], by_visit[k]):
            failure[k] = codes.NOT_OBSERVED
        elif not estimable:
            failure[k] = codes.CONFOUNDED_COVARIATE
    if (failure != codes.NONE).all():
        return codes.NONE
    n_cell, cells = _cells(y, w, therapist, n_therapists, masks, n_patterns)
    treated = n_cell.sum(axis=1)
    if (treated > 0.0).sum() < 2:
        return codes.TOO_FEW_THERAPISTS
    if treated.max() == 1.0 and treated.sum() == counts[:n_patterns].sum():  # a patient a therapist: g is part of V
        return codes.TOO_FEW_PATIENTS
    n_scores = 0.0
    for p in range(n_patterns):
        for j in range(n_visits):
            n_scores += counts[p] if masks[p] >> j & 1 else 0.0
    n_psi = n_visits * (n_visits + 1) // 2 + 1
    if n_scores - n < n_psi:
        return codes.TOO_FEW_PATIENTS
    # Start without therapists, at the MMRM's covariance, a little of its diagonal given to them.
    within, beta = np.empty((n_visits, n_visits)), np.empty(n)
    patterns = reml.Patterns(n_patterns, masks, counts, t, column)
    nothing = reml.Estimates(np.empty(0), np.empty(0), np.empty(0))
    code, _ = reml.fit(patterns, contrasts[:0, :n], structures.US, False, nothing, within, beta)
    if code != codes.NONE:
        return code
    psi = np.append(structures.start(structures.US, within, n_visits), 0.02 * within[0, 0])
    z = _affected(arm, therapist, begins, n_therapists, n_visits)
    clusters = Clusters(patterns, n_cell, cells, z)
    mean = Mean(beta, np.empty((n, n)), np.empty((n_therapists, n)), np.empty(n_therapists), np.empty(n_therapists))
    slopes, vectors = np.empty((n_psi, n, n)), np.empty((n_psi, n))
    second = reml.Derivatives(np.empty(n_psi), np.empty((n_psi, n_psi)), slopes, vectors)
    factor = np.empty((n_psi, n_psi))
    code, value = _maximise(psi, within, clusters, np.empty((n_patterns, n_visits, n_visits)), mean, second, factor)
    if code != codes.NONE:
        return code
    free = np.ones(n_psi, dtype=np.bool_)
    free[-1] = psi[-1] > 0.0 or second.gradient[-1] < 0.0
    for k in range(len(by_arm)):
        if failure[k] == codes.NONE:
            estimate, variance, df = _infer(contrasts[k, :n].copy(), free, mean, slopes, factor)
            if variance > 0.0 and 0.0 < df < np.inf:
                out.contrasts[r, k] = estimate * unit, sqrt(variance) * unit, df
            else:
                failure[k] = codes.NOT_CONVERGED
    loglik = -0.5 * (value + (n_scores - n) * log(2.0 * pi * unit * unit)) - _scaling(column, scales, n)
    out.parameters[r] = psi[-1] * unit * unit, loglik
    out.covariance[r] = within * (unit * unit)
    return codes.NONE
