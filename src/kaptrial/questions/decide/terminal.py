"""What `kaptrial decide` says on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kaptrial.catalogue.effect_priors import DESCRIPTIONS
from kaptrial.output.tables import key, number, of_rows, text
from kaptrial.output.terminal import paragraph, table, with_error
from kaptrial.questions.decide.characteristics import NUISANCE, as_planned
from kaptrial.questions.power.terminal import rule_in_words
from kaptrial.results import Question, Row, Value, grouped

if TYPE_CHECKING:
    from kaptrial.questions.decide.answer import CalibrationResults, DecideResults
    from kaptrial.questions.power.cells import Cell

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
    "prior_patients": "prior is worth (patients)",
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
    made, groups = results.provenance, grouped(as_planned(results.rows))
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
    _show_errors([row for row in results.rows if row.metric == "type_1_error"])
    rule = cells[0].scenario.decision  # the priors are the same in all
    for name in dict.fromkeys((*rule.design_priors, *rule.priors)):
        if name in DESCRIPTIONS:
            paragraph(f"{name}: {DESCRIPTIONS[name]}")
    for note in results.notes:
        paragraph(note.text)


def _show_errors(rows: Sequence[Row]) -> None:
    """Type I error by nuisance value and analysis prior; nothing where there is none."""
    if not rows:
        return
    priors = list(dict.fromkeys(str(row.question.column("analysis_prior")) for row in rows))
    lines: dict[tuple[Value, ...], list[str]] = {}
    for row in rows:
        cell = {**varied(row.question)}
        lines.setdefault(tuple(cell.values()), []).append(with_error(row))
    heads = [(name, key) for name in varied(rows[0].question)]
    shown = [(*of, *errors) for of, errors in lines.items()]
    table(*of_rows([*heads, *((f"go, {prior}", number) for prior in priors)], shown), title="Type I error")


def show_calibration(results: CalibrationResults) -> None:
    """Thresholds with their type I error and power, then the type I error by nuisance value."""
    made = results.provenance
    if results.headline is not None:
        paragraph(f"{results.headline.text}\n")
    paragraph(
        f"{made['title']}\nseed {made['seed']}, {made['replicates']} replicates a world, kaptrial {made['version']};"
        " value ± Monte Carlo standard error\n"
    )
    by_prior: dict[str, dict[str, Row]] = {}
    for row in results.rows:
        by_prior.setdefault(str(row.question.column("analysis_prior")), {}).setdefault(row.metric, row)
    lines = []
    for prior, rows in by_prior.items():
        at, worst = rows["go_threshold"], rows["largest_type_1_error"]
        cells = (f"{at.value:.4f} ± {at.mcse:.4f}", with_error(worst), with_error(rows["power"]))
        lines.append((prior, *cells, str(worst.question.column(NUISANCE))))
    heads = [(name, number) for name in ("go at", "largest type I error", "power")]
    table(*of_rows([("analysis prior", key), *heads, ("largest where", text)], lines))
    _show_errors([row for row in results.rows if row.metric == "type_1_error"])
