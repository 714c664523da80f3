"""The fast posterior of Gaussian models, for thousands of trials: arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.priors.gaussian_quadrature import kernel

# Nodes in each log SD. 7 leave an error near 1e-8 in tail probabilities of trials of 200 patients (docs/decisions.md).
ORDER = 7
MOST_VISITS = 12


class Flag(IntEnum):
    """Whether a posterior can be used: TOO_WIDE where an SD is so little known that few nodes may err."""

    OK = kernel.OK
    NOT_CONVERGED = kernel.NOT_CONVERGED
    TOO_WIDE = kernel.TOO_WIDE


@dataclass(frozen=True, kw_only=True)
class TrialData:
    """Scores y (replicate, patient, visit), NaN where not observed; covariates z (replicate, patient, column).

    `residual`: classes of residual variance; `therapist`: -1 where a patient has none; (replicate, patient), from 0.
    """

    y: Floats
    z: Floats
    residual: Ints | None = None
    therapist: Ints | None = None


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The coefficients: coefficient c multiplies profile[c, visit] · z[patient, column[c]]."""

    profile: Floats
    column: Ints


@dataclass(frozen=True, kw_only=True)
class CoefficientPrior:
    """A mixture of normals: weights (component,), means (component, p), covariances (component, p, p)."""

    weights: Floats
    means: Floats
    covariances: Floats


@dataclass(frozen=True, kw_only=True)
class Scales:
    """Scales of the half-normal priors of the SDs, in the outcome's unit."""

    residual: float
    intercept: float
    therapist: float


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """Of each functional in each replicate: mean and sd (replicate, functional); the probability of lying below each of
    the values asked for and the density there (replicate, functional, value). `log_evidence`: log p(y), (replicate,).
    `weights`: of the prior's components, (replicate, component). `sds`: posterior means of residual SDs by class, the
    SD of patients' intercepts, that of therapists (those in the model). `flag`: see Flag, (replicate,). All NaN where
    it did not converge."""

    mean: Floats
    sd: Floats
    below: Floats
    density: Floats
    log_evidence: Floats
    weights: Floats
    sds: Floats
    flag: Ints


def posterior(
    data: TrialData,
    terms: Terms,
    prior: CoefficientPrior,
    scales: Scales,
    functionals: Floats,
    at: Floats,
    *,
    intercepts: bool,
    order: int = ORDER,
) -> Posterior:
    """Posterior of linear functionals of the coefficients in every replicate, by quadrature (see `kernel`).

    Model: y[i, t] = Σ_c β_c profile[c, t] z[i, column[c]] + a_i + u_therapist(i) + e[i, t], with a_i ~ N(0, τ²) where
    `intercepts`, u ~ N(0, τ_u²) where `therapist` is given, e ~ N(0, σ²) or a variance for each class of `residual`;
    half-normal SDs; missing scores left out, so ignorable ones do no harm.

    Parameters
    ----------
    functionals : (functional, p)
    at : (functional, value) or (replicate, functional, value), the values asked about
    order : Gauss-Hermite nodes in each log SD

    Raises ValueError for shapes that do not fit, more than 12 visits or a prior that is not proper.
    """
    y, z, residual, therapist = data.y, data.z, data.residual, data.therapist
    n_replicates, n_patients, n_visits = y.shape
    p = len(terms.column)
    if n_visits > MOST_VISITS:
        raise ValueError(f"{n_visits} visits: the fast posterior takes at most {MOST_VISITS}")
    if z.shape[:2] != (n_replicates, n_patients) or terms.profile.shape != (p, n_visits) or functionals.shape[1] != p:
        raise ValueError("shapes of y, z, terms and functionals do not fit")
    if intercepts and n_visits == 1:
        raise ValueError("patients' intercepts need two visits or more")
    nobody = np.full((n_replicates, n_patients), -1, dtype=np.int64)
    classes = np.zeros((n_replicates, n_patients), dtype=np.int64) if residual is None else residual.astype(np.int64)
    n_classes = 1 if residual is None else int(classes.max()) + 1
    values = np.broadcast_to(at, (n_replicates, *at.shape[-2:])).astype(np.float64)
    systems, log_determinants = _systems(prior)
    nodes, log_weights = _hermite(order)
    start = np.log(np.append(np.full(n_classes, scales.residual), [scales.intercept] if intercepts else [])) - 0.5
    n_sds = len(start) + (therapist is not None)
    shape = (n_replicates, len(functionals))
    out = Posterior(
        mean=np.empty(shape),
        sd=np.empty(shape),
        below=np.empty((*shape, values.shape[2])),
        density=np.empty((*shape, values.shape[2])),
        log_evidence=np.empty(n_replicates),
        weights=np.empty((n_replicates, len(prior.weights))),
        sds=np.empty((n_replicates, n_sds)),
        flag=np.empty(n_replicates, dtype=np.int64),
    )
    kernel.posteriors(
        np.ascontiguousarray(y, dtype=np.float64), np.ascontiguousarray(z, dtype=np.float64), terms.profile,
        terms.column, classes, n_classes, nobody if therapist is None else therapist.astype(np.int64), intercepts,
        prior.weights, systems, log_determinants, np.array([scales.residual, scales.intercept, scales.therapist]),
        start, nodes, log_weights, functionals, values, out.mean, out.sd, out.below, out.density, out.log_evidence,
        out.weights, out.sds, out.flag,
    )  # fmt: skip
    return out


def _systems(prior: CoefficientPrior) -> tuple[Floats, Floats]:
    """For each component [P, ·; m'P, m'Pm] and log|P|, P the precision and m the mean."""
    components, p = prior.means.shape
    systems, log_determinants = np.zeros((components, p + 1, p + 1)), np.empty(components)
    for c in range(components):
        try:
            root = np.linalg.cholesky(prior.covariances[c])
        except np.linalg.LinAlgError:
            raise ValueError(f"the prior's covariance {c} is not positive definite") from None
        inverse = np.linalg.inv(root)
        precision = inverse.T @ inverse
        systems[c, :p, :p] = precision
        systems[c, p, :p] = precision @ prior.means[c]
        systems[c, p, p] = prior.means[c] @ precision @ prior.means[c]
        log_determinants[c] = -2.0 * np.log(np.diag(root)).sum()
    return systems, log_determinants


def _hermite(order: int) -> tuple[Floats, Floats]:
    """Nodes z and log weights with Σ exp(log weight) f(z) = ∫ f dz, exact for exp(−z²/2) times a polynomial."""
    z, weights = np.polynomial.hermite_e.hermegauss(order)
    return z, np.log(weights) + z**2 / 2
