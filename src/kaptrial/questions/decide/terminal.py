"""What `kaptrial decide` says on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kaptrial.catalogue.effect_priors import DESCRIPTIONS
from kaptrial.output.tables import key, number, of_rows
from kaptrial.output.terminal import paragraph, table, with_error
from kaptrial.questions.power.terminal import rule_in_words
from kaptrial.results import Question, Value, grouped

if TYPE_CHECKING:
    from kaptrial.questions.decide.answer import DecideResults
    from kaptrial.questions.power.characteristics import Cell

PRIORS = ("design_prior", "analysis_prior")
TRUE_WORLD = {"scenario": "as in the scenario", "null": "no effect", "prior": "the file's prior"}
HEADINGS = {
    "go": "go",
    "consider": "consider",
    "no_go": "no go",
    "equivalent": "no difference",
    "wrong_verdict": "wrong",
    "benefit_is_true": "benefit is true",
    "true_effect": "true effect",
    "posterior_sd": "posterior SD",
    "beyond_scale": "beyond the scale",
    "stopped": "stopped early",
    "patients": "patients",
}


def true_world(design_prior: str) -> str:
    """What is true under a design prior, in words."""
    return TRUE_WORLD.get(design_prior, f"drawn: {design_prior}")


def varied(question: Question) -> dict[str, Value]:
    """What tells the question's scenario from the others."""
    return {name: value for name, value in question.columns if name not in PRIORS}


def rules_in_words(cells: Sequence[Cell]) -> str:
    """The decision rule, or each of those that the cells vary."""
    return " | ".join(dict.fromkeys(rule_in_words(cell.scenario.decision) for cell in cells))


def show_decisions(results: DecideResults) -> None:
    """A table of verdicts by what is true and what is believed; the rule and the priors in words."""
    cells = results.cells
    if results.headline is not None:
        paragraph(f"{results.headline.text}\n")
    made, groups = results.provenance, grouped(results.rows)
    about = next(iter(groups))
    paragraph(
        f"{made['title']}\n{about.contrast}, {about.endpoint}, day {about.day:g}; {rules_in_words(cells)}\nseed"
        f" {made['seed']}, {made['replicates']} replicates, kaptrial {made['version']}; value ± Monte Carlo standard"
        " error\n"
    )
    shown = [metric for metric in HEADINGS if any(metric in rows for rows in groups.values())]
    lines = []
    for asked, rows in groups.items():
        world, belief = (str(asked.column(name)) for name in PRIORS)
        texts = (with_error(rows.get(metric)) for metric in shown)
        lines.append((*varied(asked).values(), true_world(world), belief, *texts))
    keys = [(name, key) for name in (*varied(about), "what is true", "analysis prior")]
    table(*of_rows([*keys, *((HEADINGS[metric], number) for metric in shown)], lines))
    rule = cells[0].scenario.decision  # the priors are the same in all
    for name in dict.fromkeys((*rule.design_priors, *rule.priors)):
        if name in DESCRIPTIONS:
            paragraph(f"{name}: {DESCRIPTIONS[name]}")
    for note in results.notes:
        paragraph(note.text)
