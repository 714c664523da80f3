"""The folder an assurance run writes: tables as CSV and JSON, the figure as PDF, SVG and 300-dpi PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kaptrial.output.figures import capital
from kaptrial.output.files import write_text
from kaptrial.output.folder import footer, save_all, write_results
from kaptrial.questions.power import figures
from kaptrial.questions.power.headline import when
from kaptrial.questions.power.rows import question
from kaptrial.questions.power.titles import contrast_in_words
from kaptrial.results import grouped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kaptrial.questions.assurance.answer import AssuranceResults


def write_assurance(folder: Path, results: AssuranceResults) -> None:
    """scenario.yaml, results.json, results.csv, by_draw.csv (power, truth), draws.csv (what was drawn), the figure."""
    write_results(folder, results, results.scenario)
    write_text(folder / "by_draw.csv", results.by_draw.to_csv(index=False))
    write_text(folder / "draws.csv", results.draws.to_csv(index=False))
    save_all(folder, figures_of(results), footer(results.provenance))


def figures_of(results: AssuranceResults) -> dict[str, Figure]:
    """How the power of the primary estimand spreads over the draws, around its mean."""
    scenario = results.scenario
    asked = question(scenario, scenario.estimand, scenario.analyses(scenario.estimand)[0])
    primary, by_draw = grouped(results.rows)[asked], results.averaged.by_draw
    powers = [row.value for rows in by_draw for row in rows if row.question == asked and row.metric == "power"]
    mean, own = primary["assurance"], primary["power"].value
    about = f"{capital(contrast_in_words(scenario))} {when(scenario)}"
    title = f"{about}: power is {100 * mean.value:.0f} % on average over the prior, {100 * own:.0f} % at its own values"
    figure = figures.assurance(powers, assurance=mean.value, mcse=mean.mcse, at_own=own, title=title)
    return {"assurance": figure}
