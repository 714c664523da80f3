"""The folder an assurance run writes: tables as CSV and JSON, the figure as PDF and 300-dpi PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kaptrial.output.files import write_text
from kaptrial.output.folder import footer, save, write_results
from kaptrial.questions.power import figures
from kaptrial.questions.power.characteristics import question
from kaptrial.results import Results, Row, grouped

if TYPE_CHECKING:
    from kaptrial.questions.assurance.assurance import Assurance
    from kaptrial.scenario.scenario import Scenario


def write_assurance(folder: Path, scenario: Scenario, average: Assurance, results: Results[Row]) -> None:
    """scenario.yaml, results.json, results.csv, by_draw.csv (power, truth), draws.csv (what was drawn), the figure."""
    import pandas as pd

    write_results(folder, results, scenario)
    by_draw = [
        {"draw": k + 1, **row.question.flat(), "metric": row.metric, "value": row.value}
        for k, rows in enumerate(average.by_draw)
        for row in rows
    ]
    write_text(folder / "by_draw.csv", pd.DataFrame(by_draw).to_csv(index=False))
    drawn = [{"draw": draw.number, **draw.parameters, **draw.also} for draw in average.draws]
    write_text(folder / "draws.csv", pd.DataFrame(drawn).to_csv(index=False))
    asked = question(scenario, scenario.estimand, scenario.analyses(scenario.estimand)[0])
    primary = grouped(average.rows)[asked]
    powers = [row.value for rows in average.by_draw for row in rows if row.question == asked and row.metric == "power"]
    mean, title = primary["assurance"], f"{asked.contrast}, {asked.endpoint}, day {asked.day:g}"
    figure = figures.assurance(powers, assurance=mean.value, mcse=mean.mcse, at_own=primary["power"].value, title=title)
    save(folder, "assurance", figure, footer(results.provenance))
