"""REML of one data set the long way: every score in one vector, its whole covariance matrix, and a general optimiser.

Plain algebra and nothing shared with the package. Derivatives are numerical: by a complex step (f(x + ih) = f(x) +
ih f′(x) to rounding, so long as f is made of analytic operations), the Hessian by central differences of such
gradients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

TINY = 1e-30  # a complex step has no cancellation and can be this short
STEP = 1e-5  # of central differences of gradients: error ~ 1e-10 times the third derivative
STRUCTURES = ("us", "toeph", "toep", "ar1h", "ar1", "csh", "cs")


def covariance(structure, theta, n_visits):
    """V, (visit, visit). θ: the lower triangle by rows (us); else the SDs, then the correlations by lag."""
    if structure == "us":
        v = np.zeros((n_visits, n_visits), dtype=theta.dtype)
        v[np.tril_indices(n_visits)] = theta
        return v + v.T - np.diag(np.diag(v))
    n_sds = n_visits if structure.endswith("h") else 1
    sds, rho = np.ones(n_visits) * theta[:n_sds], theta[n_sds:]
    lag = abs(np.subtract.outer(np.arange(n_visits), np.arange(n_visits)))
    if structure.startswith("toep"):
        correlation = np.concatenate([[1.0], rho])[lag]
    elif structure.startswith("ar1"):
        correlation = np.prod(np.where(np.arange(n_visits) < lag[..., None], np.append(rho, 1.0)[0], 1.0), axis=-1)
    else:
        correlation = np.where(lag == 0, 1.0, np.append(rho, 1.0)[0])
    return np.outer(sds, sds) * correlation


def start(structure, n_visits, sd):
    """θ of AR(1)-like scores with this SD; equal correlations for cs and csh."""
    lag = abs(np.subtract.outer(np.arange(n_visits), np.arange(n_visits)))
    if structure == "us":
        return (sd**2 * 0.5**lag)[np.tril_indices(n_visits)]
    n_sds = n_visits if structure.endswith("h") else 1
    n_rho = min(n_visits - 1, n_visits if structure.startswith("toep") else 1)
    return np.concatenate([np.full(n_sds, sd), 0.5 ** np.arange(1, n_rho + 1)])


@dataclass(frozen=True)
class Data:
    """Stacked scores of one trial and their design."""

    y: np.ndarray
    x: np.ndarray
    visit: np.ndarray
    patient: np.ndarray
    contrasts: np.ndarray
    n_visits: int


def stack(y, arm, crossed, main, arm_weights, visit_weights, constrained_baseline=False):
    """The scores that count, their design (visit × arm, crossed covariates × visit, main covariates), the contrasts."""
    n_visits, n_arms = y.shape[1], len(arm_weights[0])
    use = np.isfinite(y) & np.isfinite(crossed).all(axis=1)[:, None] & np.isfinite(main).all(axis=1)[:, None]
    patient, visit = np.nonzero(use)
    columns, contrasts = [], []
    for j in range(n_visits):
        at = visit == j
        if constrained_baseline and j == 0:
            columns.append(at)
            contrasts.append(np.zeros(len(arm_weights)))
        else:
            columns += [at & (arm[patient] == a) for a in range(n_arms)]
            contrasts += [np.array(visit_weights)[:, j] * np.array(arm_weights)[:, a] for a in range(n_arms)]
        columns += list((crossed[patient] * at[:, None]).T)
        contrasts += [np.zeros(len(arm_weights))] * crossed.shape[1]
    columns += list(main[patient].T)
    contrasts += [np.zeros(len(arm_weights))] * main.shape[1]
    x = np.array(columns, dtype=float).T
    seen = (x != 0).any(axis=0)  # a column nobody contributes to has no coefficient
    return Data(y[use], x[:, seen], visit, patient, np.array(contrasts).T[:, seen], n_visits)


@dataclass(frozen=True)
class Reference:
    """Contrasts, covariance and likelihood; `df` is the same for Kenward-Roger."""

    estimate: np.ndarray
    se: np.ndarray
    se_kenward_roger: np.ndarray
    df: np.ndarray
    covariance: np.ndarray
    loglik: float


class Problem:
    """−2ℓ and the contrasts' variances as functions of θ."""

    def __init__(self, data, structure):
        self.data, self.structure = data, structure
        self.same_patient = data.patient[:, None] == data.patient

    def v(self, theta):
        """The covariance matrix of all scores."""
        within = covariance(self.structure, theta, self.data.n_visits)
        return self.same_patient * within[np.ix_(self.data.visit, self.data.visit)]

    def deviance(self, theta):
        """−2ℓ of REML, infinite outside the parameter space."""
        if not np.linalg.eigvalsh(covariance(self.structure, theta.real, self.data.n_visits)).min() > 0:
            return np.inf
        y, x, v = self.data.y, self.data.x, self.v(theta)
        solved = np.linalg.solve(v, np.column_stack([x, y]))
        information, xy = x.T @ solved[:, :-1], x.T @ solved[:, -1]
        square = y @ solved[:, -1] - xy @ np.linalg.solve(information, xy)
        constant = (len(y) - x.shape[1]) * np.log(2 * np.pi)
        return log_determinant(v) + log_determinant(information) + square + constant

    def phi(self, theta):
        """(X'V⁻¹X)⁻¹."""
        return np.linalg.inv(self.data.x.T @ np.linalg.solve(self.v(theta), self.data.x))

    def gradient(self, theta):
        """Of −2ℓ."""
        return by_complex_step(self.deviance, theta)

    def hessian(self, theta):
        """Of −2ℓ."""
        size = STEP * np.maximum(np.abs(theta), 0.1)
        steps = np.diag(size)
        rows = [self.gradient(theta + s) - self.gradient(theta - s) for s in steps]
        h = np.array(rows) / (2 * size[:, None])
        return (h + h.T) / 2


def log_determinant(a):
    """Also of a complex symmetric matrix near a positive definite one."""
    sign, size = np.linalg.slogdet(a)
    return size + np.log(sign) if np.iscomplexobj(a) else size


def by_complex_step(f, theta):
    """The derivative of f (a number or an array) by each parameter."""
    return np.array([np.imag(f(theta + 1j * step)) / TINY for step in TINY * np.eye(len(theta))])


def reml(data, structure, sd):
    """The REML fit of one data set, its search started from a round covariance with this SD; None if it fails."""
    problem = Problem(data, structure)
    theta0 = start(structure, data.n_visits, sd)
    optimum = minimize(problem.deviance, theta0, jac=problem.gradient, method="BFGS", options={"gtol": 1e-4})
    theta = optimum.x
    for _ in range(8):
        gradient, hessian = problem.gradient(theta), problem.hessian(theta)
        if np.linalg.eigvalsh(hessian).min() <= 0:
            return None
        step = np.linalg.solve(hessian, gradient)
        theta = theta - step
        if gradient @ step < 1e-18:  # in units of −2ℓ: 1e-9 of the parameters' standard errors
            break
    else:
        return None
    return _infer(problem, theta, hessian)


def _infer(problem, theta, hessian):
    data = problem.data
    v, phi = problem.v(theta), problem.phi(theta)
    beta = phi @ data.x.T @ np.linalg.solve(v, data.y)
    of_theta = 2 * np.linalg.inv(hessian)
    variance = np.einsum("ki,ij,kj->k", data.contrasts, phi, data.contrasts)
    slopes = by_complex_step(lambda t: np.einsum("ki,ij,kj->k", data.contrasts, problem.phi(t), data.contrasts), theta)
    df = 2 * variance**2 / np.einsum("tk,ts,sk->k", slopes, of_theta, slopes)

    # Kenward & Roger (1997), P and Q by brute force, without the term of second derivatives.
    inverse_x = np.linalg.solve(v, data.x)
    derivatives = by_complex_step(problem.v, theta)
    p = [-inverse_x.T @ dv @ inverse_x for dv in derivatives]
    middle = np.zeros_like(phi)
    for i, dvi in enumerate(derivatives):
        for j, dvj in enumerate(derivatives):
            q = inverse_x.T @ dvi @ np.linalg.solve(v, dvj @ inverse_x)
            middle += of_theta[i, j] * (q - p[i] @ phi @ p[j])
    adjusted = phi + 2 * phi @ middle @ phi
    return Reference(
        estimate=data.contrasts @ beta,
        se=np.sqrt(variance),
        se_kenward_roger=np.sqrt(np.einsum("ki,ij,kj->k", data.contrasts, adjusted, data.contrasts)),
        df=df,
        covariance=covariance(problem.structure, theta, data.n_visits),
        loglik=-problem.deviance(theta) / 2,
    )
