"""Replicates per second of a 2×2 trial with a baseline covariate: drawn, fitted by ANCOVA and tested.

50 a cell, baseline N(30, 6²), score on day 28 with SD 9 and correlation .3 to it, effects −4 and −3 and −5 more
together; t test of the interaction in lm(y ~ baseline + ketamine * therapy), with its p-value. Beside it the bare cost
of the same normals, the same trial in NumPy alone, and in MCPower if it is there (which compares t with its critical
value). Passes are interleaved; the medians of processor time are printed, all on one thread.
Usage: uv run --with mcpower python benchmarks/factorial.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from numba import njit
from scipy.special import stdtr
from scipy.stats import t as student_t

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators.ancova import contrast

PER_CELL, CELLS = 50, 4
PATIENTS = PER_CELL * CELLS
DF = PATIENTS - CELLS - 1
SD_BASELINE, SD_SCORE, CORRELATION = 6.0, 9.0, 0.3
SLOPE = CORRELATION * SD_SCORE / SD_BASELINE
SD_RESIDUAL = SD_SCORE * np.sqrt(1 - CORRELATION**2)
KETAMINE, THERAPY, INTERACTION = -4.0, -3.0, -5.0
MEANS = np.array([0.0, THERAPY, KETAMINE, KETAMINE + THERAPY + INTERACTION])
WEIGHTS = np.array([1.0, -1.0, -1.0, 1.0])
START = np.arange(CELLS + 1) * PER_CELL
ALPHA = 0.05
# By averaging the non-central t over the baseline's distribution.
EXACT_POWER = 0.53338
BLOCK = 200
# The exact p-value and its slope on a grid of t; cubic between, right to 1e-12.
STEPS = 256
GRID = np.arange(40 * STEPS + 1) / STEPS
EXACT_P = 2 * stdtr(DF, -GRID)
SLOPE_OF_P = -2 * student_t.pdf(GRID, DF) / STEPS


@njit(nogil=True)
def p_value(t: float, exact: Floats, slope: Floats) -> float:
    """Two-sided p-value by Hermite's cubic between two points of the grid; that of its end beyond."""
    x = min(abs(t) * STEPS, len(exact) - 1.5)
    i = int(x)
    u = x - i
    rise = exact[i + 1] - exact[i]
    bend = slope[i] - rise, rise - slope[i + 1]
    return exact[i] + u * (rise + (1.0 - u) * (bend[0] * (1.0 - u) + bend[1] * u))


@njit(nogil=True)
def trials(
    rng: np.random.Generator, means: Floats, weights: Floats, start: Ints, slope: float, sd: float,
    exact: Floats, slope_of_p: Floats, p: Floats,
) -> None:  # fmt: skip
    """Draw, fit and test len(p) trials. The baseline is in SDs from its mean, which changes no p-value."""
    n, n_arms = start[-1], len(weights)
    columns, mean, square = np.empty((2, n)), np.empty((2, n_arms)), np.empty(2)
    for r in range(len(p)):
        for j in range(2):
            for i in range(n):
                columns[j, i] = rng.standard_normal()
        for a in range(n_arms):
            score, baseline = columns[1, start[a] : start[a + 1]], columns[0, start[a] : start[a + 1]]
            for i in range(len(score)):
                score[i] = means[a] + slope * baseline[i] + sd * score[i]
        estimate, se, _, _ = contrast(columns, start, weights, mean, square)
        p[r] = p_value(estimate / se, exact, slope_of_p)


@njit(nogil=True)
def normals(rng: np.random.Generator, n: int, replicates: int) -> float:
    """Draw as many normals, and nothing else."""
    room, total = np.empty(n), 0.0
    for _ in range(replicates):
        for i in range(n):
            room[i] = rng.standard_normal()
        total += room[0]
    return total


def compiled(replicates: int, seed: int) -> float:
    """Power by compiled trials."""
    p = np.empty(replicates)
    rng = np.random.Generator(np.random.SFC64(seed))
    trials(rng, MEANS, WEIGHTS, START, SLOPE * SD_BASELINE, SD_RESIDUAL, EXACT_P, SLOPE_OF_P, p)
    return float((p <= ALPHA).mean())


def bare(replicates: int, seed: int) -> float:
    """The normals alone."""
    return normals(np.random.Generator(np.random.SFC64(seed)), 2 * PATIENTS, replicates)


def numpy_alone(replicates: int, seed: int) -> float:
    """Power by NumPy, in blocks: sums of squares and products within cells."""
    rng = np.random.Generator(np.random.SFC64(seed))
    t = np.empty(replicates)
    for first in range(0, replicates, BLOCK):
        size = min(BLOCK, replicates - first)
        baseline = rng.standard_normal((size, CELLS, PER_CELL))
        score = rng.standard_normal((size, CELLS, PER_CELL))
        score *= SD_RESIDUAL
        score += SLOPE * SD_BASELINE * baseline + MEANS[:, None]
        level, height = baseline.mean(axis=2), score.mean(axis=2)
        baseline -= level[..., None]
        score -= height[..., None]
        sxx, sxy, syy = (
            np.einsum("rai,rai->r", a, b) for a, b in ((baseline, baseline), (baseline, score), (score, score))
        )
        slope, distance = sxy / sxx, level @ WEIGHTS
        variance = (syy - slope * sxy) / DF * (CELLS / PER_CELL + distance**2 / sxx)
        t[first : first + size] = (height @ WEIGHTS - slope * distance) / np.sqrt(variance)
    return float((2 * stdtr(DF, -np.abs(t)) <= ALPHA).mean())


def mcpower() -> Callable[[int, int], float] | None:
    """Power by MCPower, or None if it is not installed. Its effects are in residual SDs.

    It draws each patient's factors: cells are not equal, and its power is a little lower.
    """
    try:
        from mcpower import MCPower
    except ImportError:
        return None
    model = MCPower("y = baseline + ketamine * therapy")
    model.set_variable_type("ketamine=binary, therapy=binary")
    model.set_effects(
        {
            "baseline": SLOPE * SD_BASELINE / SD_RESIDUAL, "ketamine": KETAMINE / SD_RESIDUAL,
            "therapy": THERAPY / SD_RESIDUAL, "ketamine:therapy": INTERACTION / SD_RESIDUAL,
        }
    )  # fmt: skip
    model.set_alpha(ALPHA)

    def power(replicates: int, seed: int) -> float:
        answer = model.find_power(
            PATIENTS, target_test="ketamine:therapy", n_sims=replicates, seed=seed,
            progress_callback=False, verbose=False,
        )  # fmt: skip
        return float(answer["power_uncorrected"][0][0])

    return power


def main() -> None:
    """Print the timings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=100_000)
    parser.add_argument("--passes", type=int, default=9)
    options = parser.parse_args()
    runs: dict[str, Callable[[int, int], float]] = {
        "compiled": compiled, "normals alone": bare, "NumPy alone": numpy_alone
    }  # fmt: skip
    peer = mcpower()
    if peer is not None:
        runs["MCPower"] = peer
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    answers: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(1_000, 0)  # compiles, or warms up
    for seed in range(options.passes):
        for name, run in runs.items():
            begin = time.process_time()
            answers[name].append(run(options.replicates, seed))
            seconds[name].append(time.process_time() - begin)

    rate = {name: options.replicates / median(taken) for name, taken in seconds.items()}
    error = np.sqrt(EXACT_POWER * (1 - EXACT_POWER) / (options.replicates * options.passes))
    print(f"{options.passes} interleaved passes of {options.replicates} trials of {PATIENTS} patients, processor time:")
    for name in runs:
        power = "" if name == "normals alone" else f", power {np.mean(answers[name]):.5f}"
        print(f"  {name:14s}{rate[name]:12,.0f} replicates a second{power}")
    print(f"  exact power {EXACT_POWER}, Monte Carlo SE {error:.5f}")
    print(f"  compiled / normals alone: {rate['normals alone'] / rate['compiled']:.2f} times their cost")
    if peer is not None:
        print(f"  compiled / MCPower: {rate['compiled'] / rate['MCPower']:.1f} times its rate")


if __name__ == "__main__":
    main()
