"""The clinic's tables and sentences for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from kaptrial.report.words import by_mcse, console, error

if TYPE_CHECKING:
    import pandas as pd

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


def show_clinic(table: pd.DataFrame, bottleneck: str, provenance: Mapping[str, Any]) -> None:
    """Every number of the summary with its Monte Carlo error and its range between trials."""
    out = console()
    out.print(
        f"{provenance['title']}: {provenance['replicates']} trials through their clinic, seed {provenance['seed']}",
    )
    for name, title in TITLES.items():
        mine = table[table["table"] == name]
        if not len(mine):
            continue
        shown = Table("", "", "mean", "MCSE", "5 % to 95 % of trials", "unit", title=f"\n{title}", box=None)
        for row in mine.to_dict("records"):
            spread = f"{by_mcse(row['lower'], row['mcse'])} to {by_mcse(row['upper'], row['mcse'])}"
            shown.add_row(
                row["of"], row["metric"], by_mcse(row["value"], row["mcse"]), error(row["mcse"]),
                "" if name == "bottleneck" else spread, row["unit"],
            )  # fmt: skip
        out.print(shown)
    out.print(f"\n{sentence(bottleneck)}")


def sentence(bottleneck: str) -> str:
    """What holds the trial up."""
    if bottleneck == "recruitment":
        return "Bottleneck: recruitment. In most trials no resource is waited for half a day on average."
    return f"Bottleneck: {bottleneck}. In most trials they are waited for longest, half a day or more on average."


def show_plans(rows: Sequence[Mapping[str, Any]], paths: Sequence[str], provenance: Mapping[str, Any]) -> None:
    """A line for each plan; the cheapest that reaches the targets is marked."""
    out = console()
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
