"""The clinic's tables and sentences for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

from kaptrial.output.terminal import by_mcse, console, error
from kaptrial.results import Results

if TYPE_CHECKING:
    from kaptrial.questions.clinic.answer import PlanResults
    from kaptrial.questions.clinic.tables import Quantity

TITLES = {
    "milestones": "How long it takes",
    "flow": "Patients",
    "waiting": "Waiting",
    "kept": "Of what came due",
    "utilisation": "How busy, until the last patient is in; days waited for each",
    "therapists": "Therapists and their patients",
    "cost": "Cost",
    "bottleneck": "What was waited for most",
}
# What a table of plans calls its columns.
COLUMNS = {
    "power": "power", "in_window": "promised sessions in window", "months": "months", "cost": "cost",
    "therapists_busy": "therapists busy", "chairs_busy": "chairs busy", "bottleneck": "bottleneck", "chosen": "",
}  # fmt: skip


def show_clinic(results: Results[Quantity]) -> None:
    """Every number of the summary with its Monte Carlo error and its range between trials."""
    out, made = console(), results.provenance
    out.print(f"{made['title']}: {made['replicates']} trials through their clinic, seed {made['seed']}")
    for name, title in TITLES.items():
        quantities = [quantity for quantity in results.rows if quantity.table == name]
        if not quantities:
            continue
        shown = Table("", "", "mean", "MCSE", "5 % to 95 % of trials", "unit", title=f"\n{title}", box=None)
        for q in quantities:
            mean, low, high = (by_mcse(x, q.mcse) for x in (q.value, q.lower, q.upper))
            spread = "" if name == "bottleneck" else f"{low} to {high}"
            shown.add_row(q.of, q.metric, mean, error(q.mcse), spread, q.unit)
        out.print(shown)
    for note in results.notes:
        out.print(f"\n{note.text}")


def show_plans(results: PlanResults) -> None:
    """A line for each plan; the cheapest that reaches the targets is marked."""
    out, rows, paths, provenance = console(), results.flat(), results.paths, results.provenance
    out.print(
        f"{provenance['title']}: {len(rows)} plans, {provenance['replicates']} trials each, seed {provenance['seed']}",
    )
    known = [name for name in COLUMNS if any(row.get(name) not in (None, False) for row in rows)]
    table = Table(*paths, *(COLUMNS[name] for name in known), box=None)
    for row in rows:
        table.add_row(*(str(row[path]) for path in paths), *(_cell(row, name) for name in known))
    out.print(table)
    chosen = next((row for row in rows if row.get("chosen")), None)
    if chosen is not None:
        what = ", ".join(f"{path} = {chosen[path]}" for path in paths)
        out.print(f"cheapest plan that is enough: {what}")
    elif any("chosen" in row for row in rows):
        out.print("no plan on the grid is enough")


def _cell(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if name == "chosen":
        return "enough, and cheapest" if value else ""
    if value is None:
        return "not run" if name == "power" else "–"
    if name == "power":
        return f"{by_mcse(value, row['power_mcse'])} ± {error(row['power_mcse'])}"
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if name == "cost" else f"{value:.1f}" if name == "months" else f"{value:.2f}"
