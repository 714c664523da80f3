"""Workload W1: simulate one trial, fit the MMRM, test; replicates a second and the ratio to drawing the same normals.

2 × 100 patients, four visits after the baseline, monotone dropout at random, unstructured covariance, visit × (arm +
baseline), contrast at day 56. Usage: uv run python -m benchmarks.mmrm [--replicates 100000]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from math import exp

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, also where NumPy multiplies matrices

import numpy as np
from numba import njit
from scipy.special import stdtr
from tests.estimators.mmrm_numpy import closed_form

from kaptrial.estimators.mmrm import MmrmPlan, mmrm, monotone
from kaptrial.estimators.mmrm.reml import Estimates

N, ARMS, VISITS = 200, 2, 4
SD = np.array([6.0, 9.0, 9.0, 9.0, 9.0])
CONTROL = np.array([30.0, 26.0, 24.0, 22.0, 20.0])
EFFECT = np.array([0.0, -1.0, -2.0, -3.0, -4.0])
RHO, DROPOUT, SLOPE = 0.6, -2.6027, 0.5
EXACT_POWER, EXACT_SE = 0.8145, 0.0006
# expit(−1): a hazard's logit is nearly always below −1, and then a uniform above this needs no exponential.
QUICK = 1.0 / (1.0 + np.exp(1.0))


@njit(cache=True, nogil=True)
def draw(rng, arm, y, x):  # type: ignore[no-untyped-def]
    """One trial: baseline into x (patient, 1), scores into y (patient, visit), NaN after dropout."""
    innovation = np.sqrt(1.0 - RHO * RHO)
    for i in range(N):
        z = rng.standard_normal()
        x[i, 0] = CONTROL[0] + SD[0] * z
        for v in range(VISITS):
            z = RHO * z + innovation * rng.standard_normal()
            y[i, v] = CONTROL[v + 1] + arm[i] * EFFECT[v + 1] + SD[v + 1] * z
        for v in range(VISITS - 1):
            u = rng.random()
            logit = DROPOUT + SLOPE * (y[i, v] - CONTROL[v + 1]) / SD[v + 1]
            if u > QUICK and logit < -1.0:
                continue
            if u * (1.0 + exp(-logit)) < 1.0:
                for later in range(v + 1, VISITS):
                    y[i, later] = np.nan
                break


@njit(cache=True, nogil=True)
def run_compiled(rng, replicates, kenward_roger, statistic, df):  # type: ignore[no-untyped-def]
    """Simulate and fit `replicates` trials."""
    arm = np.arange(N) % ARMS
    y, x = np.empty((N, VISITS)), np.empty((N, 1))
    sums = monotone.room(VISITS, ARMS, 1)
    arm_weights, visit_weights = np.array([[-1.0, 1.0]]), np.array([[0.0, 0.0, 0.0, 1.0]])
    estimate, se = np.empty(1), np.empty(1)
    for r in range(replicates):
        draw(rng, arm, y, x)
        monotone.gather(y, arm, x, sums)
        monotone.fit(sums, arm_weights, visit_weights, kenward_roger, Estimates(estimate, se, df[r : r + 1]))
        statistic[r] = estimate[0] / se[0]


@njit(cache=True, nogil=True)
def normals_only(rng, replicates):  # type: ignore[no-untyped-def]
    """The bare cost of the workload's normals."""
    total = 0.0
    for _ in range(replicates * N * (1 + VISITS)):
        total += rng.standard_normal()
    return total


@njit(cache=True, nogil=True)
def trials(rng, replicates, gaps, y, x):  # type: ignore[no-untyped-def]
    """Trials into arrays; `gaps`: chance of a single missed visit, besides dropout."""
    arm = np.arange(N) % ARMS
    for r in range(replicates):
        draw(rng, arm, y[r], x[r])
        if gaps > 0.0:
            for i in range(N):
                for v in range(VISITS):
                    if rng.random() < gaps:
                        y[r, i, v] = np.nan


def in_numpy(replicates: int, block: int = 128) -> float:
    """Simulate, fit and test with NumPy alone; the share of rejections."""
    rng = generator(1)
    means = CONTROL + np.where((np.arange(N) % ARMS == 1)[:, None], EFFECT, 0.0)
    root = np.linalg.cholesky(RHO ** abs(np.subtract.outer(np.arange(5), np.arange(5)))) * SD[:, None]
    arm = np.tile(np.arange(N) % ARMS, (block, 1))
    rejections = 0
    for _ in range(replicates // block):
        scores = (rng.standard_normal((block * N, 1 + VISITS)) @ root.T).reshape(block, N, -1) + means
        x, y = scores[..., :1], scores[..., 1:]
        logit = DROPOUT + SLOPE * (y[..., :-1] - CONTROL[1:-1]) / SD[1:-1]
        leaves = rng.random(logit.shape) * (1 + np.exp(-logit)) < 1
        y[..., 1:][np.logical_or.accumulate(leaves, axis=-1)] = np.nan
        estimate, se, df = closed_form(y, arm, x, [-1, 1], [0, 0, 0, 1])
        rejections += int((2 * stdtr(df, -np.abs(estimate / se)) < 0.05).sum())
    return rejections / (replicates // block * block)


def generator(seed: int) -> np.random.Generator:
    """The generator whose normals are cheapest inside compiled code."""
    return np.random.Generator(np.random.SFC64(seed))


def seconds(run: Callable[[], object], passes: int = 3) -> float:
    """Median processor time of some passes."""
    times = []
    for _ in range(passes):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return float(np.median(times))


def main() -> None:
    """Print the timings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=100_000)
    n = parser.parse_args().replicates
    statistic, df, p = np.empty((3, n))
    for name, kenward_roger in (("Satterthwaite", False), ("Kenward-Roger", True)):

        def run(kr: bool = kenward_roger) -> None:
            run_compiled(generator(1), n, kr, statistic, df)
            np.multiply(2.0, stdtr(df, -np.abs(statistic)), out=p)

        run_compiled(generator(1), 2, kenward_roger, statistic, df)
        normals_only(generator(1), 2)
        bare = seconds(lambda: normals_only(generator(1), n))
        took = seconds(run)
        power = float(np.mean(p < 0.05))
        mcse = float(np.sqrt(power * (1 - power) / n))
        print(
            f"W1 monotone, {name}: {n / took:,.0f} replicates/s, {took / bare:.2f} x its normals; "
            f"power {power:.4f} (MCSE {mcse:.4f}) against {EXACT_POWER} ({EXACT_SE})"
        )
    m = min(n, 12_800)
    took = seconds(lambda: in_numpy(m))
    print(f"W1 monotone, Satterthwaite, NumPy alone: {m / took:,.0f} replicates/s; power {in_numpy(m):.3f}")
    m = min(n, 2000)
    arm = np.tile(np.arange(N) % ARMS, (m, 1))
    y, x, no_main = np.empty((m, N, VISITS)), np.empty((m, N, 1)), np.empty((m, N, 0))
    for label, gaps, structure in (
        ("gaps", 0.05, "us"),
        ("monotone", 0.0, "ar1h"),
        ("gaps", 0.05, "toep"),
        ("gaps", 0.05, "cs"),
    ):
        trials(generator(2), m, gaps, y, x)

        def fit(structure: str = structure) -> object:
            return mmrm(y, arm, x, no_main, [[-1, 1]], [[0, 0, 0, 1]], MmrmPlan(structures=[structure]))

        fit()
        took = seconds(fit)
        failed = int((fit().failure != 0).sum())  # type: ignore[attr-defined]
        print(f"W1 {label}, {structure}, fit only: {m / took:,.0f} fits/s ({failed} of {m} failed)")


if __name__ == "__main__":
    main()
