"""Replicates per second of the whole pipeline, and the ratio to the bare cost of drawing the same normals.

200 patients, 5 visits, random half-lives, simulated and analysed by ANCOVA. Usage: uv run python benchmarks/pipeline.py
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from kaptrial.design.execution import Job, run
from kaptrial.model.streams import BLOCK
from kaptrial.spec.files import load

STARTER = Path(__file__).parents[1] / "scenarios" / "starter.yaml"
PATIENTS, VISITS = 200, 5


def main() -> None:
    """Print the timings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=10_000)
    replicates = parser.parse_args().replicates
    scenario = load(STARTER, {"design.n_per_arm": PATIENTS // 2})
    assert len(scenario.design.visits) == VISITS
    list(run([Job(scenario=scenario, seed=1, replicates=BLOCK)]))  # compiles, or loads what was compiled

    start = time.perf_counter()
    list(run([Job(scenario=scenario, seed=1, replicates=replicates)]))
    seconds = time.perf_counter() - start

    # Per patient: 7 for the patient, one a later visit for the deviation and one for the rating.
    count = 7 + 2 * (VISITS - 1)
    rng = np.random.Generator(np.random.SFC64(1))
    blocks = -(-replicates // BLOCK)
    start = time.perf_counter()
    for _ in range(blocks):
        rng.standard_normal((PATIENTS, BLOCK, count))
    bare = time.perf_counter() - start

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{replicates} replicates of {PATIENTS} patients x {VISITS} visits, simulated and analysed by ANCOVA:")
    print(f"  {seconds:.2f} s on one core, {replicates / seconds:,.0f} replicates a second, peak memory {peak:,.0f} MB")
    print(f"  drawing the same normals alone: {bare:.2f} s; ratio {seconds / bare:.1f}")


if __name__ == "__main__":
    main()
