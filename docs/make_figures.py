"""Makes the figures of README and docs: `uv run python docs/make_figures.py [PART …]`, some minutes on one core, and
half an hour for `clinic`.

Seed and replicates stand in each footer. Self-checks and ranks of simulation-based calibration take longer: their
commands stand beside them (docs/verification.md, docs/synthesis.md).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import kaptrial as kt
from kaptrial.cli import main
from kaptrial.evidence.output import replication_footer
from kaptrial.output.folder import footer, save

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "docs" / "figures"
DATA = ROOT / "tests" / "data"
PLAN = "clinic_one_therapist_short"
THERAPISTS, CHAIRS = "clinic.sites[0].therapists.cbt", "clinic.sites[0].chairs"
UNTIL = "clinic.sessions.to_hours"


def timing(folder: Path) -> None:
    """Power by the day of the primary outcome in three worlds; the courses, and the drug's decay."""
    days = [1, 7, 14, 28, 56, 84]
    results = kt.power("cbt_after_ketamine", vary={"estimand.day": days}, replicates=2000, seed=1)
    for name in ("power_by_day", "trajectories", "decay"):
        save(folder, name, results.plot(name), footer(results.provenance))


def room(folder: Path) -> None:
    """A 2×2 of 24 a cell."""
    scenario = kt.load_scenario("kare_factorial", {"design.n_per_arm": 24})
    results = kt.power(scenario, replicates=5000, seed=1)
    save(folder, "interaction_room", results.plot("interaction_room"), footer(results.provenance))


def estimands(folder: Path) -> None:
    """Estimates, truths, power and type I error by strategy and analysis."""
    results = kt.power("rescue_and_dropout", replicates=2048, seed=1)
    save(folder, "estimands", results.plot("estimands"), footer(results.provenance))


def decisions(folder: Path) -> None:
    """What a trial concludes, by what is true and what the analysis believes."""
    results = kt.decide("kare_factorial", vary={"design.n_per_arm": [24, 96]}, replicates=2000, seed=1)
    save(folder, "decisions", results.plot("decisions"), footer(results.provenance))


def clinic(folder: Path) -> None:
    """Plans of a clinic by therapists, by chairs and by the end of the window; a week of it and its lags."""
    plan = kt.clinic(PLAN, replicates=128, seed=1)
    for name in ("lags", "week"):
        save(folder, f"clinic_{name}", plan.plot(name), footer(plan.provenance))
    skipping = kt.load_scenario(PLAN, {"clinic.sessions.after_window": "skip", THERAPISTS: 3})
    plans = {
        "therapists": kt.clinic(PLAN, vary={THERAPISTS: [2, 3, 4, 5, 6]}, replicates=1024, seed=1),
        "chairs": kt.clinic(PLAN, vary={CHAIRS: [1, 2, 3, 4]}, replicates=512, seed=1),
        "promise": kt.clinic(skipping, vary={UNTIL: [32, 56, 104, 176]}, replicates=256, seed=1),
    }
    for name, compared in plans.items():
        save(folder, f"clinic_{name}", compared.plot("plans"), footer(compared.provenance))


def priors(folder: Path) -> None:
    """One posterior of an interaction under every named prior, and the priors at which its verdict changes."""
    data = DATA / "factorial_intermittent.csv"
    results = kt.fit(data, prior="all", factors=("ketamine", "therapy"), target_day=28.0, seed=1)
    with tempfile.TemporaryDirectory() as made:
        results.write(made)
        for name in ("priors", "tipping"):
            (folder / f"fit_{name}.png").write_bytes((Path(made) / f"{name}.png").read_bytes())


def evidence(folder: Path) -> None:
    """Every published figure on what was predicted of it; the card, and what the trials told of each parameter."""
    results = kt.evidence.replicate("all", replicates=2000, seed=1)
    save(folder, "replication", results.plot("replication"), replication_footer(results.provenance))
    with tempfile.TemporaryDirectory() as made:
        try:
            main(["evidence", "card", "-o", made])
        except SystemExit as stop:
            if stop.code:
                raise
        for name in ("cards", "prior_posterior", "trade_off"):
            (folder / f"{name}.png").write_bytes((Path(made) / f"{name}.png").read_bytes())


PARTS: dict[str, Callable[[Path], None]] = {
    part.__name__: part for part in (timing, room, estimands, decisions, clinic, priors, evidence)
}


if __name__ == "__main__":
    asked = sys.argv[1:] or list(PARTS)
    if strange := [name for name in asked if name not in PARTS]:
        raise SystemExit(f"{strange[0]}: must be one of {', '.join(PARTS)}")
    for name in asked:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as drawn:
            PARTS[name](Path(drawn))
            made = sorted(Path(drawn).glob("*.png"))
            for path in made:
                (FIGURES / path.name).write_bytes(path.read_bytes())
        print(f"{name}, {time.perf_counter() - start:.0f} s: {', '.join(path.stem for path in made)}", flush=True)
