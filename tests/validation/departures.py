"""What leaving the clean case does to power, type I error, bias and coverage: the table of docs/verification.md.

Usage: uv run python -m tests.validation.departures
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.characteristics import characteristics
from kaptrial.results import Row
from kaptrial.scenario.files import build
from tests.builders import ancova_power, clean_raw, number

N, DELTA, REPLICATES, SEED = 60, 4.0, 20_000, 20
Raw = dict[str, Any]


def therapists(count: int) -> Callable[[Raw], None]:
    """Therapists with ICC 0.05 in the therapy arm only."""

    def edit(raw: Raw) -> None:
        raw["therapies"]["shift"]["therapists"] = {"count": count, "sd": number(1.88, "points")}

    return edit


def dropout(**slopes: float) -> Callable[[Raw], None]:
    """About a fifth gone by day 28, with the slopes given."""

    def edit(raw: Raw) -> None:
        raw["design"]["visits"] = [0, 7, 14, 21, 28]
        raw["conduct"] = {"dropout": {"hazard": number(0.0085, "per_day"), "afterwards": "as_treated"}}
        for name, slope in slopes.items():
            raw["conduct"]["dropout"][name] = number(slope, "per_point")

    return edit


def floor(raw: Raw) -> None:
    """Trait baseline 12 and rounding and clipping at 0: one in twenty scores is at the floor before any effect."""
    raw["population"]["baseline"]["value"] = 12
    raw["measurement"] |= {"round": True, "clip": True}


def entry(raw: Raw) -> None:
    """Day-0 score of at least 36."""
    raw["population"]["entry"] = {"at_least": 36}


def hope(raw: Raw) -> None:
    """Two points of hope in the therapy arm, one of disappointment in the control arm."""
    raw["therapies"]["shift"]["is_hoped_for"] = True
    raw["expectancy"] = {
        "therapy": {
            "effect": number(2, "points"),
            "disappointment": number(1, "points"),
            "onset": number(3, "day"),
            "half_life": number(1e6, "day"),
        }
    }


CASES: dict[str, Callable[[Raw], None]] = {
    "clean": lambda raw: None,
    "rounded and clipped near the floor": floor,
    "entry criterion on day 0": entry,
    "dropout MCAR": dropout(),
    "dropout MAR (last score)": dropout(last_score=0.1),
    "dropout MNAR (current latent)": dropout(current_latent=0.1),
    "12 therapists, ICC .05": therapists(12),
    "6 therapists, ICC .05": therapists(6),
    "hope 2, disappointment 1 point": hope,
}


def main() -> None:
    """Print the table in Markdown."""
    cells = []
    for name, edit in CASES.items():
        raw = clean_raw(n_per_arm=N, delta=DELTA)
        raw["analysis"] = {"methods": ["ancova"]}
        edit(raw)
        cells.append(Cell(scenario=build(raw), columns={"case": name}))
    metrics = ("power", "type_i_error", "expectancy_only_rate", "truth", "bias", "empirical_se", "model_se", "coverage")
    print(f"{N} an arm, difference {DELTA:g}, {REPLICATES} replicates, seed {SEED}")
    print(f"exact power of the clean case {ancova_power(DELTA, N):.4f}\n")
    print("| case | " + " | ".join(m.replace("_", " ") for m in metrics) + " |")
    print("|---" * (len(metrics) + 1) + "|")
    for result in characteristics(cells, seed=SEED, replicates=REPLICATES):
        by_metric = {row["metric"]: row for row in map(Row.flat, result.rows)}
        shown = [f"{by_metric[m]['value']:.4f} ({by_metric[m]['mcse']:.4f})" if m in by_metric else "" for m in metrics]
        print(f"| {result.cell.columns['case']} | " + " | ".join(shown) + " |")


if __name__ == "__main__":
    main()
