"""The folder a decision run writes: tables as CSV and JSON, the figure as PDF and 300-dpi PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kaptrial.output.figures import PATH_NAMES
from kaptrial.output.folder import footer, save_all, write_results
from kaptrial.questions.decide.figures import verdicts
from kaptrial.questions.decide.terminal import PRIORS, rules_in_words, true_world, varied
from kaptrial.results import Question, grouped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kaptrial.questions.decide.answer import DecideResults


def write_decisions(folder: Path, results: DecideResults) -> None:
    """scenario.yaml, results.json, results.csv and the figure."""
    write_results(folder, results, results.cells[0].scenario)
    save_all(folder, figures_of(results), footer(results.provenance))


def figures_of(results: DecideResults) -> dict[str, Figure]:
    """The verdicts under each analysis prior, by what is true."""
    scenario = results.cells[0].scenario
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
    return {"decisions": verdicts(panels, title=title, rule=rules_in_words(results.cells))}


def _size(question: Question) -> str:
    """What tells this cell from the others."""
    short = {"design.n_per_arm": "{} an arm", "design.n_total": "{} in all", "estimand.day": "day {}"}
    return ", ".join(
        short[name].format(value) if name in short else f"{PATH_NAMES.get(name, name)} {value}"
        for name, value in varied(question).items()
    )
