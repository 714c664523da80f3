"""Workload W5: simulate one trial of times to relapse, test; replicates a second and the ratio to drawing its numbers.

2 × 100 patients, exponential times, control median 12 months, hazard ratio .65, uniform accrual over 12 months and
analysis at month 24. Beside it rpact's simulation of the same trial, stopped at its expected number of events, if R has
rpact.
Usage: uv run python benchmarks/relapse.py [--replicates 200000]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import time
from collections.abc import Callable
from math import erfc, log, sqrt

import numpy as np
from numba import njit

from kaptrial.estimators.fit import Failure
from kaptrial.estimators.survival.at_risk import count
from kaptrial.estimators.survival.cox import two_arms
from kaptrial.estimators.survival.logrank import compare
from kaptrial.estimators.survival.order import arrange

N, MONTHS, ACCRUAL, MEDIAN, RATIO = 200, 24.0, 12.0, 12.0, 0.65
CONTROL_MEAN = MEDIAN / log(2.0)
EXPECTED_EVENTS = 113
POWER = 0.625
PASSES, BLOCK = 3, 32

RPACT = """
if (!requireNamespace("rpact", quietly = TRUE)) quit(status = 3)
run <- function(n, seed) rpact::getSimulationSurvival(
  rpact::getDesignGroupSequential(kMax = 1, alpha = 0.025, sided = 1), median2 = {median}, hazardRatio = {ratio},
  directionUpper = FALSE, accrualTime = c(0, {accrual}), maxNumberOfSubjects = {n}, plannedEvents = {events},
  maxNumberOfIterations = n, seed = seed)
invisible(run(100, 1))
seconds <- system.time(result <- run({replicates}, 1))[["elapsed"]]
cat({replicates} / seconds, result$overallReject)
"""


@njit(cache=True, nogil=True)
def draw(rng, months, label):  # type: ignore[no-untyped-def]
    """Trials: months to relapse or the analysis, and whether it is a relapse (1) and in the treated arm (2)."""
    for r in range(len(months)):
        for i in range(N):
            treated = i % 2
            relapse = rng.standard_exponential() * (CONTROL_MEAN / RATIO if treated else CONTROL_MEAN)
            end = MONTHS - ACCRUAL * rng.random()
            relapsed = relapse <= end
            months[r, i] = relapse if relapsed else end
            label[r, i] = 2 * treated + relapsed


@njit(cache=True, nogil=True)
def numbers_only(rng, replicates):  # type: ignore[no-untyped-def]
    """The bare cost of the workload's random numbers."""
    relapse, accrual = np.empty(N), np.empty(N)
    for _ in range(replicates):
        for i in range(N):
            relapse[i] = rng.standard_exponential()
        for i in range(N):
            accrual[i] = rng.random()
    return relapse[0] + accrual[0]


@njit(cache=True, nogil=True)
def p_values(estimate, se, failure, out):  # type: ignore[no-untyped-def]
    """Two-sided, of standard normal statistics; 1 for a failure."""
    for r in range(len(out)):
        out[r] = erfc(abs(estimate[r] / se[r]) / sqrt(2.0)) if failure[r] == Failure.NONE else 1.0


@njit(cache=True, nogil=True)
def trials(rng, with_cox, p_logrank, p_cox):  # type: ignore[no-untyped-def]
    """Simulate and test trials, a block at a time."""
    months, label, one_stratum = np.empty((BLOCK, N)), np.empty((BLOCK, N), np.int32), np.empty((BLOCK, 0), np.int64)
    for start in range(0, len(p_logrank), BLOCK):
        draw(rng, months, label)
        order = arrange(months, label, one_stratum, 1)
        at_risk = count(order)
        excess, variance, failure = compare(order, at_risk)
        p_values(excess, np.sqrt(variance), failure, p_logrank[start : start + BLOCK])
        if with_cox:
            estimate, se, failure = two_arms(order, at_risk)
            p_values(estimate, se, failure, p_cox[start : start + BLOCK])


def generator(seed: int) -> np.random.Generator:
    """The generator whose numbers are cheapest inside compiled code."""
    return np.random.Generator(np.random.SFC64(seed))


def seconds(run: Callable[[], object]) -> float:
    """Time of one pass."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def rpact(replicates: int) -> tuple[float, float] | None:
    """rpact's replicates a second and power; None without R or rpact."""
    if shutil.which("Rscript") is None:
        return None
    script = RPACT.format(
        median=MEDIAN, ratio=RATIO, accrual=ACCRUAL, n=N, events=EXPECTED_EVENTS, replicates=replicates
    )
    done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True)
    if done.returncode != 0:
        return None
    rate, power = done.stdout.split()[-2:]
    return float(rate), float(power)


def main() -> None:
    """Print the rates, each the median of interleaved passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=200_000)
    n = parser.parse_args().replicates
    p_logrank, p_cox = np.empty(n), np.empty(n)
    runs: dict[str, Callable[[], object]] = {
        "random numbers": lambda: numbers_only(generator(1), n),
        "log-rank": lambda: trials(generator(1), False, p_logrank, p_cox),
        "log-rank and Cox": lambda: trials(generator(1), True, p_logrank, p_cox),
    }
    numbers_only(generator(1), 2)
    trials(generator(1), True, p_logrank[:2], p_cox[:2])
    taken: dict[str, list[float]] = {name: [] for name in runs}
    theirs = []
    for _ in range(PASSES):
        for name, run in runs.items():
            taken[name].append(seconds(run))
        theirs.append(rpact(max(n // 10, 1000)))
    median = {name: float(np.median(times)) for name, times in taken.items()}
    for name, p in (("log-rank", p_logrank), ("log-rank and Cox", p_cox)):
        power = float(np.mean(p < 0.05))
        mcse = sqrt(power * (1 - power) / n)
        print(
            f"W5 {name}: {n / median[name]:,.0f} replicates/s, {median[name] / median['random numbers']:.2f} x its "
            f"random numbers; power {power:.4f} (MCSE {mcse:.4f}) against {POWER}"
        )
    known = [result for result in theirs if result is not None]
    if not known:
        print("W5 rpact: left out, R with the package rpact was not found")
        return
    rate = float(np.median([result[0] for result in known]))
    print(
        f"W5 rpact, at {EXPECTED_EVENTS} events: {rate:,.0f} replicates/s; power {known[0][1]:.4f}; "
        f"log-rank here is {n / median['log-rank'] / rate:.1f} x as fast, with Cox "
        f"{n / median['log-rank and Cox'] / rate:.1f} x"
    )


if __name__ == "__main__":
    main()
