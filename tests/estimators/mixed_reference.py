"""REML of one data set the long way, for any covariance V = Σ_k ψ_k G_k: dense matrices and a general optimiser.

Plain algebra and nothing shared with the package (Searle, Casella & McCulloch 1992, Variance Components, ch. 6). With
P = V⁻¹ − V⁻¹X(X'V⁻¹X)⁻¹X'V⁻¹, the derivatives of −2ℓ are

    tr(P G_k) − y'P G_k P y,     observed Hessian  2 y'P G_k P G_l P y − tr(P G_k P G_l),     expected  tr(P G_k P G_l).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize


@dataclass(frozen=True)
class Reference:
    """A contrast by REML; `psi` holds the variances, `free` those that are not held at 0."""

    estimate: float
    se: float
    df: float
    se_kenward_roger: float
    df_kenward_roger: float
    psi: np.ndarray
    free: np.ndarray
    loglik: float


def deviance(psi, y, x, g):
    """−2ℓ of REML with its constant; infinite where V is not positive definite."""
    v = np.tensordot(psi, g, axes=1)
    try:
        np.linalg.cholesky(v)
        solved = np.linalg.solve(v, np.column_stack([x, y]))
    except np.linalg.LinAlgError:
        return np.inf
    a, b = x.T @ solved[:, :-1], x.T @ solved[:, -1]
    square = y @ solved[:, -1] - b @ np.linalg.solve(a, b)
    constant = (len(y) - x.shape[1]) * np.log(2.0 * np.pi)
    return np.linalg.slogdet(v)[1] + np.linalg.slogdet(a)[1] + square + constant


def derivatives(psi, y, x, g):
    """Gradient, observed and expected Hessian of −2ℓ."""
    v = np.tensordot(psi, g, axes=1)
    inverse = np.linalg.inv(v)
    p = inverse - inverse @ x @ np.linalg.solve(x.T @ inverse @ x, x.T @ inverse)
    pg = p @ g
    moved = pg @ (p @ y)  # P G_k P y
    gradient = np.trace(pg, axis1=1, axis2=2) - moved @ y
    expected = pg.reshape(len(g), -1) @ pg.transpose(0, 2, 1).reshape(len(g), -1).T
    observed = 2.0 * moved @ v @ moved.T - expected
    return gradient, observed, expected


def peaks(y, x, contrast, g, not_negative, start, shares=(0.05, 0.3, 1.0)):
    """The fits at the maxima of the likelihood found from some starts, highest first; mostly it is one.

    y (n,); x (n, q) of full rank; contrast (q,); g (k, n, n); not_negative (k,): which ψ are variances that may be 0;
    start (k,) ψ, the variances that may be 0 once for each of their `shares`.
    """
    unit = np.var(y)
    y = y / np.sqrt(unit)
    bounds = [(0.0, None) if held else (None, None) for held in not_negative]

    def value_and_slope(psi):
        value = deviance(psi, y, x, g)
        return (value, derivatives(psi, y, x, g)[0]) if value < np.inf else (1e8, np.zeros(len(psi)))

    maxima = []
    for share in shares:
        at = np.where(not_negative, share * start / unit, start / unit)
        search = minimize(value_and_slope, at, jac=True, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-5})
        psi = _polish(search.x, y, x, g, not_negative)
        if psi is not None and not any(np.allclose(psi, other, atol=1e-5) for other in maxima):
            maxima.append(psi)
    maxima.sort(key=lambda psi: deviance(psi, y, x, g))
    return [_infer(psi, y, x, contrast, g, not_negative, unit) for psi in maxima]


def _polish(psi, y, x, g, not_negative):
    """Newton's method from near an optimum, with variances at 0 held there; None where it ends at no maximum."""
    for _ in range(100):
        if not deviance(psi, y, x, g) < np.inf:  # a covariance that has run into singularity: no optimum
            return None
        gradient, observed, expected = derivatives(psi, y, x, g)
        free = ~not_negative | (psi > 0.0) | (gradient < 0.0)
        convex = np.linalg.eigvalsh(observed[np.ix_(free, free)]).min() > 0.0
        step = np.zeros(len(psi))
        step[free] = np.linalg.solve((observed if convex else expected)[np.ix_(free, free)], gradient[free])
        # The decrement is in units of −2ℓ: ψ is within 1e-10 of its standard errors of the optimum.
        if convex and gradient @ step < 1e-20 and not (psi < step)[not_negative].any():
            return psi - step
        new = np.where(not_negative, np.maximum(psi - step, 0.0), psi - step)
        for _halving in range(60):
            if deviance(new, y, x, g) < np.inf:
                break
            new = (new + psi) / 2.0
        psi = new
    return None


def _infer(psi, y, x, contrast, g, not_negative, unit):
    _, observed, expected = derivatives(psi, y, x, g)
    free = ~not_negative | (psi > 0.0)
    inverse = np.linalg.inv(np.tensordot(psi, g, axes=1))
    phi = np.linalg.inv(x.T @ inverse @ x)
    beta = phi @ x.T @ inverse @ y
    variance = contrast @ phi @ contrast
    p = -x.T @ inverse @ g @ inverse @ x
    slopes = -np.einsum("i,ij,kjl,lm,m->k", contrast, phi, p, phi, contrast)

    of_free = 2.0 * np.linalg.inv(observed[np.ix_(free, free)])
    df = 2.0 * variance**2 / (slopes[free] @ of_free @ slopes[free])

    w = 2.0 * np.linalg.inv(expected)
    middle = np.zeros_like(phi)
    for k in range(len(g)):
        for el in range(len(g)):
            q = x.T @ inverse @ g[k] @ inverse @ g[el] @ inverse @ x
            middle += w[k, el] * (q - p[k] @ phi @ p[el])
    adjusted = phi + 2.0 * phi @ middle @ phi
    return Reference(
        estimate=np.sqrt(unit) * contrast @ beta,
        se=np.sqrt(unit * variance),
        df=df,
        se_kenward_roger=np.sqrt(unit * contrast @ adjusted @ contrast),
        df_kenward_roger=2.0 * variance**2 / (slopes @ w @ slopes),
        psi=unit * psi,
        free=free,
        loglik=-0.5 * (deviance(psi, y, x, g) + (len(y) - x.shape[1]) * np.log(unit)),
    )
