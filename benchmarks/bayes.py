"""Posterior of an interaction in a 2×2 of 50 a cell and five visits: the fast posterior beside nutpie, in one run.

    uv run python benchmarks/bayes.py

Model: y_it = mu_t + s_t (bk K + bt T + bi K T) + u_i + e_it, priors mu ~ N(25, 20²), b ~ N(0, 10²), SDs
half-normal(10). nutpie samples it as PyMC users write it, with the patients' intercepts as parameters, at its defaults,
compiled once and warm, on all cores. The fast posterior runs on one.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from kaptrial.priors.gaussian_quadrature import CoefficientPrior, Flag, Scales, Terms, TrialData, posterior

SHAPE = np.array([0, 0.25, 0.5, 0.75, 1.0])
N_CELL, N_FAST, N_NUTS, ROUNDS = 50, 2000, 3, 5


def data(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores (trial, patient, visit) and patient columns 1, K, T, KT (patient, 4)."""
    rng = np.random.default_rng(seed)
    k, t = np.repeat([0, 0, 1, 1], N_CELL), np.repeat([0, 1, 0, 1], N_CELL)
    z = np.stack([np.ones(4 * N_CELL), k, t, k * t], axis=-1)
    mean = np.array([30, 26, 24, 22, 20]) + SHAPE * (z[:, 1:] @ np.array([-3, -2, -4]))[:, None]
    u = 6 * rng.standard_normal((n, 4 * N_CELL, 1))
    return mean + u + 6.7 * rng.standard_normal((n, 4 * N_CELL, 5)), z


def fast(y: np.ndarray, z: np.ndarray) -> Any:
    """Posterior of the interaction, and P(interaction < 0), in every trial."""
    terms = Terms(profile=np.concatenate([np.eye(5), np.tile(SHAPE, (3, 1))]), column=np.array([0] * 5 + [1, 2, 3]))
    prior = CoefficientPrior(
        weights=np.ones(1), means=np.array([[25.0] * 5 + [0.0] * 3]),
        covariances=np.diag([400.0] * 5 + [100.0] * 3)[None],
    )  # fmt: skip
    return posterior(
        TrialData(y=y, z=np.broadcast_to(z, (len(y), *z.shape))), terms, prior,
        Scales(residual=10, intercept=10, therapist=10), np.eye(8)[[7]], np.zeros((1, 1)), intercepts=True,
    )  # fmt: skip


def compiled(y: np.ndarray, z: np.ndarray) -> Any:
    """The PyMC model with `scores` as replaceable data, compiled by nutpie."""
    import nutpie
    import pymc as pm
    import pytensor.tensor as pt

    with pm.Model() as model:
        scores = pm.Data("scores", y)
        mu = pm.Normal("mu", 25, 20, shape=5)
        b = pm.Normal("b", 0, 10, shape=3)
        tau, sigma = pm.HalfNormal("tau", 10), pm.HalfNormal("sigma", 10)
        raw = pm.Normal("raw", 0, 1, shape=len(z))
        mean = mu[None, :] + SHAPE[None, :] * pt.dot(z[:, 1:], b)[:, None]
        pm.Normal("y", mean + tau * raw[:, None], sigma, observed=scores)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nutpie.compile_pymc_model(model)


def main() -> None:
    """Print the two speeds, measured in turn, and their ratio."""
    import nutpie

    y, z = data(N_FAST, 1)
    fast(y[:2], z)
    begin = time.perf_counter()
    model = compiled(y[0], z)
    print(f"nutpie: compiled in {time.perf_counter() - begin:.1f} s")
    sizes = nutpie.sample(model, seed=0, progress_bar=False).posterior.sizes
    print(f"nutpie: {sizes['chain']} chains of {sizes['draw']} draws")
    fast_s, nuts_s = [], []
    for r in range(ROUNDS):
        begin = time.perf_counter()
        found = fast(y, z)
        fast_s.append((time.perf_counter() - begin) / N_FAST)
        begin = time.perf_counter()
        for i in range(N_NUTS):
            nutpie.sample(model.with_data(scores=y[r * N_NUTS + i]), seed=i, progress_bar=False)
        nuts_s.append((time.perf_counter() - begin) / N_NUTS)
        print(f"round {r + 1}: fast {1e6 * fast_s[-1]:.1f} µs, nutpie {nuts_s[-1]:.3f} s a data set")
    assert (found.flag == Flag.OK).all()
    a, b = np.median(fast_s), np.median(nuts_s)
    print(f"medians: fast {1 / a:,.0f} posteriors a second on one core; nutpie {b:.3f} s; ratio {b / a:,.0f}")


if __name__ == "__main__":
    main()
