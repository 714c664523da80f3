"""The folder an assurance run writes: tables as CSV and JSON, the figure as PDF and 300-dpi PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaptrial.design.characteristics import question, row_key
from kaptrial.report import figures
from kaptrial.report.assurance_words import grouped
from kaptrial.report.files import write_json, write_text
from kaptrial.report.pack import save
from kaptrial.spec.files import dump

if TYPE_CHECKING:
    from kaptrial.design.assurance import Assurance
    from kaptrial.spec.scenario import Scenario


def write_assurance(folder: Path, scenario: Scenario, found: Assurance, provenance: dict[str, Any]) -> None:
    """scenario.yaml, results.json, results.csv, by_draw.csv (power, truth), draws.csv (what was drawn), the figure."""
    import pandas as pd

    write_text(folder / "scenario.yaml", dump(scenario))
    write_json(folder / "results.json", provenance, found.rows)
    write_text(folder / "results.csv", pd.DataFrame(found.rows).to_csv(index=False))
    write_text(folder / "by_draw.csv", pd.DataFrame(found.by_draw).to_csv(index=False))
    drawn = [{"draw": draw.number, **draw.parameters, **draw.also} for draw in found.draws]
    write_text(folder / "draws.csv", pd.DataFrame(drawn).to_csv(index=False))
    asked = scenario.estimand
    key = row_key(question(scenario, asked, scenario.analyses(asked)[0]))
    cells = next(group for group in grouped(found.rows) if row_key(group["assurance"]) == key)
    powers = [row["value"] for row in found.by_draw if row_key(row) == key and row["metric"] == "power"]
    figure = figures.assurance(
        powers, assurance=cells["assurance"]["value"], mcse=cells["assurance"]["mcse"], at_own=cells["power"]["value"],
        title=f"{asked.contrast}, {asked.endpoint}, day {asked.day:g}", provenance=provenance,
    )  # fmt: skip
    save(folder, "assurance", figure)
