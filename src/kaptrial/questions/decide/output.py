"""The folder a decision run writes: tables as CSV and JSON, the figure as PDF, SVG and 300-dpi PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kaptrial.output.figures import capital, path_in_words
from kaptrial.output.folder import footer, save_all, write_results
from kaptrial.questions.decide.characteristics import as_planned
from kaptrial.questions.decide.figures import verdicts
from kaptrial.questions.decide.terminal import PRIORS, rules_in_words, true_world, varied
from kaptrial.questions.power.titles import contrast_in_words
from kaptrial.results import Question, grouped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kaptrial.questions.decide.answer import CalibrationResults, DecideResults
    from kaptrial.scenario.scenario import Scenario


def write_decisions(folder: Path, results: DecideResults) -> None:
    """scenario.yaml, results.json, results.csv and the figure."""
    write_results(folder, results, results.cells[0].scenario)
    save_all(folder, figures_of(results), footer(results.provenance))


def write_calibration(folder: Path, results: CalibrationResults) -> None:
    """scenario.yaml, results.json and results.csv."""
    write_results(folder, results, results.cell.scenario)


def figures_of(results: DecideResults) -> dict[str, Figure]:
    """The verdicts under each analysis prior, by what is true."""
    scenario = results.cells[0].scenario
    groups = grouped(as_planned(results.rows))
    panels = []
    for analysis in scenario.decision.priors:
        bars = [
            (true_world(design), _size(asked), {metric: row.value for metric, row in rows.items()})
            for design in scenario.decision.design_priors
            for asked, rows in groups.items()
            if tuple(asked.column(name) for name in PRIORS) == (design, analysis)
        ]
        panels.append((analysis, bars))
    return {"decisions": verdicts(panels, title=_title(scenario, panels[0]), rule=rules_in_words(results.cells))}


def _title(scenario: Scenario, panel: tuple[str, list[tuple[str, str, dict[str, float]]]]) -> str:
    """How often the first size says go, by what is true, under the first analysis prior."""
    prior, bars = panel
    size = bars[0][1]
    shares = [f"{100 * share['go']:.0f} % ({true})" for true, of, share in bars if of == size and "go" in share]
    about = f"{capital(contrast_in_words(scenario))} on day {scenario.estimand.day:g}"
    return f"{about}{', ' + size if size else ''}: go in {', '.join(shares)} of trials under prior {prior}"


def _size(question: Question) -> str:
    """What tells this cell from the others."""
    short = {"design.n_per_arm": "{} an arm", "design.n_total": "{} in all", "estimand.day": "day {}"}
    return ", ".join(
        short[name].format(value) if name in short else f"{path_in_words(name)} {value}"
        for name, value in varied(question).items()
    )
