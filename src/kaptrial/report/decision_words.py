"""What `kaptrial decide` says on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from kaptrial.catalogue.effect_priors import DESCRIPTIONS
from kaptrial.report.words import by_mcse, console, error, rule_in_words

if TYPE_CHECKING:
    from kaptrial.design.characteristics import Cell

Row = dict[str, Any]
ABOUT = ("metric", "value", "mcse", "n_replicates", "n_failed")
FIXED_COLUMNS = ("analysis", "contrast", "measure", "endpoint", "day", "design_prior", "analysis_prior")
TRUE_WORLD = {"scenario": "as in the scenario", "null": "no effect", "prior": "the file's prior"}
HEADINGS = {
    "go": "go", "consider": "consider", "no_go": "no go", "equivalent": "no difference", "wrong_verdict": "wrong",
    "benefit_is_true": "benefit is true", "true_effect": "true effect", "posterior_sd": "posterior SD",
    "beyond_scale": "beyond the scale", "stopped": "stopped early", "patients": "patients",
}  # fmt: skip


def true_world(design_prior: str) -> str:
    """What is true under a design prior, in words."""
    return TRUE_WORLD.get(design_prior, f"drawn: {design_prior}")


def grouped(rows: list[Row]) -> list[dict[str, Row]]:
    """The rows of each cell, design prior and analysis prior by metric, in the order in which they come."""
    groups: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in rows:
        key = tuple(value for name, value in row.items() if name not in ABOUT)
        groups.setdefault(key, {})[row["metric"]] = row
    return list(groups.values())


def rules_in_words(cells: Sequence[Cell]) -> str:
    """The decision rule, or each of those that the cells vary."""
    return " | ".join(dict.fromkeys(rule_in_words(cell.scenario.decision) for cell in cells))


def show_decisions(rows: list[Row], cells: Sequence[Cell], provenance: Row) -> None:
    """A table of verdicts by what is true and what is believed; the rule and the priors in words."""
    out = console()
    about = rows[0]
    out.print(
        f"{provenance['title']}\n{about['contrast']}, {about['endpoint']}, day {about['day']:g}; "
        f"{rules_in_words(cells)}\nseed {provenance['seed']}, {provenance['replicates']} replicates, "
        f"kaptrial {provenance['version']}; value ± Monte Carlo standard error\n",
        markup=False,
    )
    varied = [name for name in about if name not in (*ABOUT, *FIXED_COLUMNS)]
    groups = grouped(rows)
    shown = [metric for metric in HEADINGS if any(metric in group for group in groups)]
    table = Table(*varied, "what is true", "analysis prior", box=None, padding=(0, 2, 0, 0))
    for metric in shown:
        table.add_column(HEADINGS[metric], justify="right", no_wrap=True)
    for group in groups:
        row = next(iter(group.values()))
        texts = [f"{by_mcse(g['value'], g['mcse'])} ± {error(g['mcse'])}" if (g := group.get(m)) else "" for m in shown]
        world = true_world(row["design_prior"])
        table.add_row(*(f"{row[name]}" for name in varied), world, row["analysis_prior"], *texts)
    out.print(table)
    rule = cells[0].scenario.decision  # the priors are the same in all
    for name in dict.fromkeys((*rule.design_priors, *rule.priors)):
        if name in DESCRIPTIONS:
            out.print(f"{name}: {DESCRIPTIONS[name]}", markup=False)
    if "beyond_scale" in shown:
        out.print(
            "beyond the scale: share of the effects drawn that are larger than the scale leaves room for; their trials"
            " are counted as if it went on"
        )
    failed = sum(next(iter(group.values()))["n_failed"] for group in groups)
    if failed:
        out.print(f"{failed} posteriors in all could not be had to the accuracy promised and decide nothing")
