"""The folder a decision run writes: tables as CSV and JSON, the figure as PDF and 300-dpi PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kaptrial.output.figures import PATH_NAMES
from kaptrial.output.folder import footer, save, write_results
from kaptrial.questions.decide.figures import verdicts
from kaptrial.questions.decide.terminal import PRIORS, rules_in_words, true_world, varied
from kaptrial.results import Question, Results, Row, grouped

if TYPE_CHECKING:
    from kaptrial.questions.power.characteristics import Cell


def write_decisions(folder: Path, cells: Sequence[Cell], results: Results[Row]) -> None:
    """scenario.yaml, results.json, results.csv and the figure."""
    scenario = cells[0].scenario
    write_results(folder, results, scenario)
    groups = grouped(results.rows)
    panels = []
    for analysis in scenario.decision.priors:
        bars = [
            (true_world(design), _size(asked), {metric: row.value for metric, row in rows.items()})
            for design in scenario.decision.design_priors
            for asked, rows in groups.items()
            if tuple(asked.column(name) for name in PRIORS) == (design, analysis)
        ]
        panels.append((analysis, bars))
    asked = scenario.estimand
    title = f"{asked.contrast}, {asked.endpoint.replace('_', ' ')}, day {asked.day:g}"
    figure = verdicts(panels, title=title, rule=rules_in_words(cells))
    save(folder, "decisions", figure, footer(results.provenance))


def _size(question: Question) -> str:
    """What tells this cell from the others."""
    short = {"design.n_per_arm": "{} an arm", "design.n_total": "{} in all", "estimand.day": "day {}"}
    return ", ".join(
        short[name].format(value) if name in short else f"{PATH_NAMES.get(name, name)} {value}"
        for name, value in varied(question).items()
    )
