"""Type I error of the analyses chosen where a scenario names none: a table of docs/verification.md.

Usage: uv run python -m tests.validation.defaults
"""

from __future__ import annotations

from typing import Any

from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.characteristics import characteristics
from kaptrial.results import Row, grouped
from kaptrial.scenario.files import load
from tests import SCENARIOS
from tests.builders import number
from tests.validation.therapists import table

REPLICATES, SEED = 10_000, 1
NO_METHOD: dict[str, Any] = {"variants": None, "analysis.methods": None, "estimand.methods": None}
STRATA = [{"name": "severity", "levels": {"low": {"share": 0.5}, "high": {"share": 0.5}}}]
DROPOUT = {"hazard": number(0.006, "per_day"), "last_score": number(0.03, "per_point")}
# A name, the scenario and what is changed in it besides its methods.
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("6 therapists, 15 % gone, 6 visits", "cbt_after_ketamine", {}),
    ("the same, nobody gone", "cbt_after_ketamine", {"conduct.dropout": None}),
    ("the same, response", "cbt_after_ketamine", {"estimand.endpoint": "response"}),
    ("7 therapists in two arms of four, 6 visits", "ketamine_by_cbt", {"estimand.contrast": "main(therapy)"}),
    ("the same, interaction", "ketamine_by_cbt", {}),
    ("a fifth gone, 20 an arm", "starter", {"conduct.dropout": DROPOUT, "design.n_per_arm": 20}),
    ("nobody gone, 20 an arm, two strata", "starter", {"design.n_per_arm": 20, "design.allocation.strata": STRATA}),
    ("response, 20 an arm", "starter", {"estimand.endpoint": "response", "design.n_per_arm": 20}),
    ("response, 60 an arm", "starter", {"estimand.endpoint": "response"}),
    ("days abstinent, 12 an arm", "alcohol_single_infusion_met", {"design.n_per_arm": 12}),
    ("days abstinent, 40 an arm", "alcohol_single_infusion_met", {"design.n_per_arm": 40}),
    ("days abstinent, interaction, 24 a cell", "kare_factorial", {"design.n_per_arm": 24}),
    ("time to relapse", "depression_riluzole_adjunct", {}),
]  # fmt: skip


def row(name: str, scenario: str, settings: dict[str, Any]) -> list[str]:
    """The case, its contrast, the method chosen and its rejection rate where the null holds."""
    s = load(SCENARIOS / f"{scenario}.yaml", NO_METHOD | {"secondary": [], "analysis.multiplicity": None} | settings)
    (result,) = characteristics([Cell(scenario=s, columns={})], seed=SEED, replicates=REPLICATES)
    rates: dict[str, Row] = next(iter(grouped(result.rows).values()))
    rate = rates.get("type_i_error") or rates["false_synergy_rate"]
    return [name, f"`{scenario}`", s.analyses(s.estimand)[0], f"{rate.value:.4f} ({rate.mcse:.4f})"]


def main() -> None:
    """Print the table."""
    print(table(["case", "scenario", "analysis", "type I error"], [row(*case) for case in CASES]))


if __name__ == "__main__":
    main()
