"""Seconds for the clinic of a trial of 200 patients at four sites over about two years.

Six doses and twelve sessions a patient in one arm, five visits, cancellations, no-shows, leave, turnover; sites that
open one after another. Usage: uv run python benchmarks/clinic.py [--replicates 200] [--workers 2]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from kaptrial.questions.clinic.operations import operations
from kaptrial.scenario.files import load
from kaptrial.scenario.scenario import Scenario

SCENARIO = Path(__file__).parents[1] / "scenarios" / "clinic_one_therapist_short.yaml"


def site(i: int) -> dict[str, Any]:
    """The i-th site; a quarter of what the scenario's one site is sent, and two therapists."""
    return {
        "id": f"site{i}", "opens_day": 60 * i, "chairs": 2, "nurses": 1, "raters": 1, "therapists": {"cbt": 2},
        "referrals": {"value": 8, "log_sd": 0.3, "unit": "per_month", "source": "assumption", "note": "for timing"},
    }  # fmt: skip


def scenario() -> Scenario:
    """The timed scenario."""
    return load(SCENARIO, {"design.n_per_arm": 100, "clinic.sites": [site(i) for i in range(4)]})


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    s = scenario()
    operations(s, seed=1, replicates=2)  # compiles what is compiled
    start = time.perf_counter()
    found = operations(s, seed=1, replicates=options.replicates, workers=options.workers)
    seconds = time.perf_counter() - start
    months = np.mean([d.values["milestones", "trial", "last patient out"] for d in found.summaries])
    print(
        f"{options.replicates} replicates of {s.n_total} patients at {len(s.clinic.sites if s.clinic else ())} sites"
        f" over {months:.0f} months: {seconds:.1f} s with {options.workers} workers"
    )


if __name__ == "__main__":
    main()
