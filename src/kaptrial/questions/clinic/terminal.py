"""The clinic's tables and sentences for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kaptrial.output.tables import key, number, of_rows, text
from kaptrial.output.terminal import by_mcse, error, paragraph, table
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
    "power": "power",
    "in_window": "promised sessions in window",
    "months": "months",
    "cost": "cost",
    "therapists_busy": "therapists busy",
    "chairs_busy": "chairs busy",
    "bottleneck": "bottleneck",
    "chosen": "",
}


def show_clinic(results: Results[Quantity]) -> None:
    """Every number of the summary with its Monte Carlo error and its range between trials."""
    made = results.provenance
    if results.headline is not None:
        paragraph(f"{results.headline.text}\n")
    paragraph(f"{made['title']}: {made['replicates']} trials through their clinic, seed {made['seed']}")
    for name, title in TITLES.items():
        quantities = [quantity for quantity in results.rows if quantity.table == name]
        if not quantities:
            continue
        lines = []
        for q in quantities:
            mean, low, high = (by_mcse(x, q.mcse) for x in (q.value, q.lower, q.upper))
            spread = "" if name == "bottleneck" else f"{low} to {high}"
            lines.append((q.of, q.metric, mean, error(q.mcse), spread, q.unit))
        heads = [("", key), ("", key), ("mean", number), ("MCSE", number), ("5 % to 95 % of trials", number)]
        table(*of_rows([*heads, ("unit", text)], lines), title=title)
    for note in results.notes:
        paragraph(f"\n{note.text}")


def show_plans(results: PlanResults) -> None:
    """A line for each plan; the cheapest that reaches the targets is marked."""
    rows, paths, provenance = results.flat(), results.paths, results.provenance
    paragraph(
        f"{provenance['title']}: {len(rows)} plans, {provenance['replicates']} trials each, seed {provenance['seed']}",
    )
    known = [name for name in COLUMNS if any(row.get(name) not in (None, False) for row in rows)]
    heads = [(path, key) for path in paths]
    heads += [(COLUMNS[name], text if name in ("bottleneck", "chosen") else number) for name in known]
    cells = [(*(row[path] for path in paths), *(_cell(row, name) for name in known)) for row in rows]
    table(*of_rows(heads, cells))
    chosen = next((row for row in rows if row.get("chosen")), None)
    if chosen is not None:
        what = ", ".join(f"{path} = {chosen[path]}" for path in paths)
        paragraph(f"cheapest plan that is enough: {what}")
    elif any("chosen" in row for row in rows):
        paragraph("no plan on the grid is enough")


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
