"""Sample size of an MMRM under dropout, without simulation (Lu, Luo & Chen 2008, Int J Biostat 4(1):9).

Asymptotic: the covariance is taken as known and the normal's quantiles stand for the t's, so that the size comes out a
little small; `kaptrial size` simulates the analysis itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri


def variance_factor(correlation: ArrayLike, retention: ArrayLike) -> float:
    """n times the variance of an arm's mean at the last visit by REML, in units of that visit's variance, n randomised.

    Patients leave for good at random; those seen up to visit j, a share r_j − r_{j+1} of all, tell of the means with
    the inverse of the leading block R_j of the correlation matrix: the factor is the last diagonal element of
    [Σ_j (r_j − r_{j+1}) R_j⁻¹]⁻¹ (their equation for the mixed model with visit as a factor).

    Parameters
    ----------
    correlation : (visit, visit)
        Correlation of the scores after baseline.
    retention : (visit,)
        Share still seen at each visit: at most 1, never rising, above 0 at the last.

    Raises
    ------
    ValueError
        If the shares are not of that form, or the matrix is not a correlation matrix of as many visits.
    """
    r, shares = np.asarray(correlation, dtype=float), np.asarray(retention, dtype=float)
    n = len(shares)
    if r.shape != (n, n) or not np.allclose(r, r.T) or not np.allclose(np.diag(r), 1):
        raise ValueError(f"correlation must be a symmetric {n} × {n} matrix with ones on its diagonal")
    if not (shares[0] <= 1 and (np.diff(shares) <= 0).all() and shares[-1] > 0):
        raise ValueError(f"retention = {shares.tolist()}: at most 1, never rising, above 0 at the last visit")
    information = np.zeros((n, n))
    for j, leaving in enumerate(shares - np.append(shares[1:], 0.0), start=1):
        information[:j, :j] += leaving * np.linalg.inv(r[:j, :j])
    return float(np.linalg.inv(information)[-1, -1])


def n_per_arm(
    delta: float, sd: float, correlation: ArrayLike, retention: ArrayLike, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Patients an arm for a two-sided test of a difference `delta` at the last visit, not rounded.

    n = 2 (z_{1−α/2} + z_{power})² (sd/delta)² × `variance_factor`, arms of the same size, dropout and covariance.
    """
    quantiles = ndtri(1 - alpha / 2) + ndtri(power)
    return float(2 * (quantiles * sd / delta) ** 2 * variance_factor(correlation, retention))
