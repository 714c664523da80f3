"""Workload W3: simulate one partially nested trial, fit by REML, test; replicates a second beside lmerTest's.

96 patients an arm, therapy arm in 12 therapists, ICC .05; as specified (8 patients each), and with unequal caseloads
and a covariate. Usage: uv run python benchmarks/nested.py [--replicates 200000]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import time
from collections.abc import Callable

import numpy as np
from numba import njit
from scipy.special import stdtr

from kaptrial.estimators.nested import common
from kaptrial.estimators.nested.sums import gather, room

PER_ARM, THERAPISTS = 96, 12
EFFECT, TOTAL_SD, ICC = -4.0, 9.0, 0.05
TAU, SIGMA = np.sqrt(ICC) * TOTAL_SD, np.sqrt(1 - ICC) * TOTAL_SD
NEAR_EXACT_POWER = 0.789
EQUAL = np.full(THERAPISTS, 8)
UNEQUAL = np.array([4, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 12])
SLOPE = 0.3

LMER = """
suppressMessages(library(lmerTest)); set.seed(1)
sizes <- c({sizes}); g <- c(rep(1:12, sizes), 12 + 1:96); z <- rep(c(1, 0), each = 96); n <- {n}
x <- if ({covariate}) rnorm(192, 0, 6) else NULL
start <- proc.time()[1]
for (i in 1:n) {{
  y <- 22 - 4 * z + z * rnorm(108, 0, {tau})[g] + rnorm(192, 0, {sigma})
  d <- data.frame(y, z, g); if (!is.null(x)) {{ d$x <- rnorm(192, 0, 6); d$y <- d$y + {slope} * d$x }}
  m <- suppressMessages(lmer(if (is.null(x)) y ~ z + (0 + z | g) else y ~ x + z + (0 + z | g), d))
  p <- summary(m{ddf})$coefficients["z", 5]
}}
cat(n / (proc.time()[1] - start))
"""


@njit(cache=True, nogil=True)
def run(rng, replicates, therapist, covariate, kenward_roger, statistic, df):  # type: ignore[no-untyped-def]
    """Simulate and fit `replicates` trials."""
    n = len(therapist)
    arm = np.empty(n, dtype=np.int64)
    for i in range(n):
        arm[i] = 1 if therapist[i] >= 0 else 0
    p = 1 if covariate else 0
    y, x, u = np.empty(n), np.empty((n, p)), np.empty(THERAPISTS)
    sums, space = room(2, THERAPISTS, p), common.scratch(2, p, THERAPISTS)
    variances, weights = np.empty(2), np.array([-1.0, 1.0])
    for r in range(replicates):
        for t in range(THERAPISTS):
            u[t] = TAU * rng.standard_normal()
        for i in range(n):
            y[i] = 22.0 + SIGMA * rng.standard_normal()
            if therapist[i] >= 0:
                y[i] += EFFECT + u[therapist[i]]
            if p:
                x[i, 0] = 6.0 * rng.standard_normal()
                y[i] += SLOPE * x[i, 0]
        gather(y, arm, therapist, x, sums)
        estimate, se, df[r], _, _ = common.fit(sums, weights, kenward_roger, space, variances)
        statistic[r] = estimate / se


@njit(cache=True, nogil=True)
def normals_only(rng, count):  # type: ignore[no-untyped-def]
    """The bare cost of the workload's normals."""
    total = 0.0
    for _ in range(count):
        total += rng.standard_normal()
    return total


def generator(seed: int) -> np.random.Generator:
    """The generator whose normals are cheapest inside compiled code."""
    return np.random.Generator(np.random.SFC64(seed))


def seconds(call: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def lmer(sizes: np.ndarray, covariate: bool, kenward_roger: bool, n: int = 60) -> float | None:
    """lmerTest's replicates a second; None without it."""
    if shutil.which("Rscript") is None:
        return None
    script = LMER.format(
        sizes=", ".join(map(str, sizes)), covariate="TRUE" if covariate else "FALSE", n=n, tau=TAU, sigma=SIGMA,
        slope=SLOPE, ddf=', ddf = "Kenward-Roger"' if kenward_roger else "",
    )  # fmt: skip
    done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else None


def main() -> None:
    """Print the timings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=200_000)
    n = parser.parse_args().replicates
    statistic, df, p = np.empty((3, n))
    for label, sizes, covariate in (("equal caseloads", EQUAL, False), ("unequal caseloads, covariate", UNEQUAL, True)):
        therapist = np.concatenate([np.repeat(np.arange(THERAPISTS), sizes), np.full(PER_ARM, -1)])
        count = n * (THERAPISTS + 2 * PER_ARM * (1 + covariate))
        for name, kenward_roger in (("Satterthwaite", False), ("Kenward-Roger", True)):

            def whole(kr: bool = kenward_roger, who: np.ndarray = therapist, x: bool = covariate) -> None:
                run(generator(1), n, who, x, kr, statistic, df)
                np.multiply(2.0, stdtr(df, -np.abs(statistic)), out=p)

            run(generator(1), 2, therapist, covariate, kenward_roger, statistic, df)
            normals_only(generator(1), 2)
            passes = [(seconds(whole), seconds(lambda m=count: normals_only(generator(1), m))) for _ in range(3)]  # type: ignore[misc]
            took, bare = np.median(passes, axis=0)
            power = float(np.mean(p < 0.05))
            line = (
                f"W3 {label}, {name}: {n / took:,.0f} replicates/s, {took / bare:.2f} x its normals; power {power:.4f}"
            )
            line += f" (MCSE {np.sqrt(power * (1 - power) / n):.4f})"
            line += f" against {NEAR_EXACT_POWER}" if not covariate else ""
            peer = lmer(sizes, covariate, kenward_roger)
            line += "; lmerTest not here" if peer is None else f"; lmerTest {peer:.1f}, ratio {n / took / peer:,.0f}"
            print(line)


if __name__ == "__main__":
    main()
