"""The folder a decision run writes: tables as CSV and JSON, the figure as PDF and 300-dpi PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaptrial.report.decision_figures import verdicts
from kaptrial.report.decision_words import ABOUT, FIXED_COLUMNS, grouped, rules_in_words, true_world
from kaptrial.report.figures import PATH_NAMES
from kaptrial.report.files import write_json, write_text
from kaptrial.report.pack import save
from kaptrial.spec.files import dump

if TYPE_CHECKING:
    from kaptrial.design.characteristics import Cell


def write_decisions(
    folder: Path, cells: Sequence[Cell], rows: list[dict[str, Any]], provenance: dict[str, Any]
) -> None:
    """scenario.yaml, results.json, results.csv and the figure."""
    import pandas as pd

    scenario = cells[0].scenario
    write_text(folder / "scenario.yaml", dump(scenario))
    write_json(folder / "results.json", provenance, rows)
    write_text(folder / "results.csv", pd.DataFrame(rows).to_csv(index=False))
    groups = grouped(rows)
    panels = []
    for analysis in scenario.decision.priors:
        bars = []
        for design in scenario.decision.design_priors:
            for group in groups:
                row = next(iter(group.values()))
                if (row["design_prior"], row["analysis_prior"]) == (design, analysis):
                    shares = {metric: found["value"] for metric, found in group.items()}
                    bars.append((true_world(design), _size(row), shares))
        panels.append((analysis, bars))
    asked = scenario.estimand
    title = f"{asked.contrast}, {asked.endpoint.replace('_', ' ')}, day {asked.day:g}"
    figure = verdicts(panels, title=title, rule=rules_in_words(cells), provenance=provenance)
    save(folder, "decisions", figure)


def _size(row: dict[str, Any]) -> str:
    """What tells this cell from the others."""
    varied = [name for name in row if name not in (*ABOUT, *FIXED_COLUMNS)]
    short = {"design.n_per_arm": "{} an arm", "design.n_total": "{} in all", "estimand.day": "day {}"}
    return ", ".join(
        short[name].format(row[name]) if name in short else f"{PATH_NAMES.get(name, name)} {row[name]}"
        for name in varied
    )
