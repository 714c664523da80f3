"""Replicates per second of the whole scenario pipeline, analysed by MMRM, and the ratio to drawing the same normals.

200 patients, 5 visits, 6 infusions, 12 sessions, random half-lives, Ornstein-Uhlenbeck deviations, therapists, dropout
at random. Usage: uv run python benchmarks/pipeline.py [--replicates 10000]
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from kaptrial.model.streams import BLOCK
from kaptrial.questions.power.execution import Job, run
from kaptrial.scenario.files import load
from kaptrial.scenario.scenario import Scenario

SCENARIO = Path(__file__).parents[1] / "scenarios" / "cbt_after_ketamine.yaml"
PATIENTS, VISITS = 200, [0, 1, 7, 14, 28]


def guess(value: float, unit: str) -> dict[str, Any]:
    """A number of no consequence here."""
    return {"value": value, "unit": unit, "source": "assumption", "note": "for timing"}


COMMON: dict[str, Any] = {
    "design.n_per_arm": PATIENTS // 2,
    "design.visits": VISITS,
    "arms[0].therapy.days": [12, 28],
    "arms[1].therapy.days": [12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 24],
    "estimand.day": 28,
    "secondary": [],
    "variants": {},
    "analysis": {"methods": ["mmrm"], "covariance": ["us"]},
}
DROPOUT = {"hazard": guess(0.0025, "per_day"), "last_score": guess(0.02, "per_point")}
PLAIN: dict[str, Any] = {
    "conduct": {"dropout": DROPOUT},
    "expectancy": {},
    "population.entry": None,
    "population.non_responders": None,
    "natural_course": None,
}
EVERYTHING: dict[str, Any] = {
    "therapies.cbt.gamma": guess(1, "none"),
    "therapies.cbt.kappa": guess(1, "none"),
    "estimand.strategies": {"missed_infusions": "treatment_policy", "therapy_discontinuation": "treatment_policy"},
    "conduct.stop_sessions": guess(0.002, "per_day"),
}


def scenario(changes: dict[str, Any]) -> Scenario:
    """The timed scenario."""
    return load(SCENARIO, COMMON | changes)


def main() -> None:
    """Print the timings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=10_000)
    replicates = parser.parse_args().replicates
    # Per patient: 7 for the patient, one a later visit for the deviation and one for the rating.
    rng = np.random.Generator(np.random.SFC64(1))
    start = time.process_time()
    for _ in range(-(-replicates // BLOCK)):
        rng.standard_normal((PATIENTS, BLOCK, 7 + 2 * (len(VISITS) - 1)))
    bare = time.process_time() - start
    everything = "entry criterion, non-responders, natural course, expectancy, γ, κ, missed and stopped treatment"
    for label, changes in (("γ = κ = 0, full adherence", PLAIN), (everything, EVERYTHING)):
        timed = scenario(changes)
        list(run([Job(scenario=timed, seed=1, replicates=BLOCK)]))  # compiles, or loads what was compiled
        start = time.process_time()
        list(run([Job(scenario=timed, seed=1, replicates=replicates)]))
        seconds = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{replicates} replicates of {PATIENTS} patients x {len(VISITS)} visits, analysed by MMRM; {label}:")
        rate = replicates / seconds
        print(f"  {seconds:.2f} s on one core, {rate:,.0f} replicates a second, peak memory {peak:,.0f} MB")
        print(f"  drawing the same normals alone: {bare:.2f} s; ratio {seconds / bare:.1f}")


if __name__ == "__main__":
    main()
