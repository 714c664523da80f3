"""Standard errors of an MMRM that do not rest on its covariance structure, and their degrees of freedom.

With V the fitted covariance of patient i's visits, W its inverse, X the design, Φ = (Σ X'WX)⁻¹ and r the residuals, the
variance of a contrast c'β is Σ (a'r)² over patients, a = A W X Φ c. The matrices A make it unbiased where V is right
(CR2; Bell & McCaffrey 2002, Survey Methodology 28:169-181; Pustejovsky & Tipton 2018, J Bus Econ Stat 36:672-683), and
Satterthwaite's degrees of freedom are those of Σ (a'r)² under V.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cholesky

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators.mmrm import design_columns, design_matrix

# Directions in which residuals do not vary: a mean of one patient's own.
_NO_VARIANCE = 1e-10


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """Patients seen at the same visits: designs, (patient, visit, coefficient), scores, and the covariance fitted."""

    x: Floats
    y: Floats
    v: Floats


def sandwich(
    y: Floats,
    arm: Ints,
    crossed: Floats,
    main: Floats,
    arm_weights: ArrayLike,
    visit_weights: ArrayLike,
    covariance: Floats,
    *,
    constrained_baseline: bool = False,
) -> tuple[Floats, Floats]:
    """Standard errors and degrees of freedom of an MMRM's contrasts, (contrast,), for one data set.

    `covariance`: as fitted, (visit, visit). The other arguments are those of `mmrm`, without their first dimension.
    """
    w_arm, w_visit = np.atleast_2d(np.asarray(arm_weights, float)), np.atleast_2d(np.asarray(visit_weights, float))
    columns, _ = design_matrix(arm, crossed, main, w_arm.shape[1])
    number = design_columns(y.shape[1], w_arm.shape[1], crossed.shape[1], main.shape[1], constrained_baseline)
    size = int(number.max()) + 1
    patterns = _patterns(y, columns, number, size, covariance)
    halves = [np.linalg.solve(p.v, p.x) for p in patterns]  # W X
    # Coefficients that add nothing share their weight with others; no contrast that can be estimated feels it.
    information = sum(np.einsum("ija,ijb->ab", p.x, wx) for p, wx in zip(patterns, halves, strict=True))
    phi = np.linalg.pinv(information, hermitian=True)
    beta = phi @ sum(np.einsum("ija,ij->a", wx, p.y) for p, wx in zip(patterns, halves, strict=True))
    adjusted = [_adjustments(p, phi) @ wx @ phi for p, wx in zip(patterns, halves, strict=True)]
    se, df = np.empty(len(w_arm)), np.empty(len(w_arm))
    for k in range(len(w_arm)):
        c = np.zeros(size)
        for j, weight in enumerate(w_visit[k]):
            np.add.at(c, number[j, : w_arm.shape[1]], weight * w_arm[k])
        a = [each @ c for each in adjusted]
        parts = [np.einsum("ij,ij->i", ai, p.y - p.x @ beta) for ai, p in zip(a, patterns, strict=True)]
        se[k] = np.sqrt(sum(float(part @ part) for part in parts))
        df[k] = _degrees_of_freedom(patterns, a, phi)
    return se, df


def _patterns(y: Floats, columns: Floats, number: Ints, size: int, covariance: Floats) -> list[Pattern]:
    """The patients by the visits at which they were seen; who was never, or lacks a covariate, is left out."""
    seen = np.isfinite(y)
    used = seen.any(axis=1) & np.isfinite(columns).all(axis=1)
    patterns = []
    for mask in np.unique(seen[used], axis=0):
        own = used & (seen == mask).all(axis=1)
        visits = np.flatnonzero(mask)
        x = np.zeros((own.sum(), len(visits), size))
        for row, j in enumerate(visits):
            x[:, row, number[j]] = columns[own]
        patterns.append(Pattern(x=x, y=y[own][:, visits], v=covariance[np.ix_(visits, visits)]))
    return patterns


def _adjustments(p: Pattern, phi: Floats) -> Floats:
    """A of every patient, (patient, visit, visit), symmetric: D'(D (V − XΦX') D')^(−1/2) D with D'D = V."""
    d = cholesky(p.v)
    values, vectors = np.linalg.eigh(d @ (p.v - p.x @ phi @ p.x.swapaxes(1, 2)) @ d.T)
    kept = values > _NO_VARIANCE * np.trace(p.v) ** 2
    halved = vectors * np.where(kept, 1.0 / np.sqrt(np.where(kept, values, 1.0)), 0.0)[:, None, :]
    return np.asarray(d.T @ (halved @ vectors.swapaxes(1, 2)) @ d)


def _degrees_of_freedom(patterns: list[Pattern], a: list[Floats], phi: Floats) -> float:
    """(tr P)² / tr P² with P = cov(a_i'r_i, a_j'r_j) = δ a_i'V a_i − u_i'Φu_j and u = X'a."""
    own = np.concatenate([np.einsum("ij,jk,ik->i", ai, p.v, ai) for ai, p in zip(a, patterns, strict=True)])
    u = np.concatenate([np.einsum("ija,ij->ia", p.x, ai) for ai, p in zip(a, patterns, strict=True)])
    shared = np.einsum("ij,jk,ik->i", u, phi, u)
    spread = phi @ u.T @ u
    return float((own - shared).sum() ** 2 / (own @ own - 2.0 * own @ shared + np.trace(spread @ spread)))
