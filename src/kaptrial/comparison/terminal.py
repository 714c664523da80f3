"""What `kaptrial compare` says on the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping

from kaptrial.comparison.measures import MEASURES
from kaptrial.output.tables import key, number, of_rows, text
from kaptrial.output.terminal import by_mcse, error, paragraph, table, with_controls
from kaptrial.results import Line, Results, Value

HEADINGS = {
    "power": "power",
    "type_i_error": "type I error",
    "assurance": "assurance",
    "n": "patients",
    "expected_n": "expected patients",
    "expected_n_null": "without an effect",
    "expected_months": "expected months",
    "exposed": "exposed to ketamine",
    "therapist_hours": "therapist hours",
    "months": "months",
    "cost": "cost",
}


def show_comparison(results: Results[Line]) -> None:
    """The answer; a table of every measure, one of differences from the first design, and the notes."""
    made, lines = results.provenance, results.flat()
    if results.headline is not None:
        paragraph(f"{results.headline.text}\n")
    over_prior = f", {made['draws']} draws of a prior" if any(row["assurance"] is not None for row in lines) else ""
    paragraph(
        f"seed {made['seed']}, {made['replicates']} replicates of each design{over_prior}, kaptrial {made['version']};"
        f" value ± Monte Carlo standard error{with_controls(made)}\n"
    )
    known = [m.name for m in MEASURES if any(row.get(m.name) is not None for row in lines)]
    columns = [("design", key), *((_heading(name, lines), number) for name in known)]
    shown = [(row["design"], *_values(row, known), row["dominated_by"] or "") for row in lines]
    dominated = [("dominated by", text)] if any(row["dominated_by"] for row in lines) else []
    table(*of_rows([*columns, *dominated], shown))
    rows = [(row["design"], *_values(row, [f"{name}_difference" for name in known])) for row in lines[1:]]
    table(*of_rows(columns, rows), title=f"Difference from {lines[0]['design']}, paired by replicate:")
    paragraph("")
    for note in results.notes:
        paragraph(f"{'' if note.severity == 'information' else note.severity + ': '}{note.text}", "  ")


def _heading(name: str, lines: list[dict[str, Value]]) -> str:
    currencies = {str(row["currency"]) for row in lines if row["currency"] is not None}
    return f"cost {'/'.join(sorted(currencies))}".strip() if name == "cost" else HEADINGS[name]


def _values(row: Mapping[str, Value], names: list[str]) -> list[str]:
    return [_value(row[name], row[f"{name}_mcse"]) for name in names]


def _value(value: Value, mcse: Value) -> str:
    """A number with its error; a counted one whole, with a comma for thousands."""
    if not isinstance(value, int | float) or math.isnan(value):
        return "–"
    spread = mcse if isinstance(mcse, float) else 0.0
    if spread == 0:
        return f"{value:,.0f}"
    if abs(value) >= 10_000:
        return f"{value:,.0f} ± {spread:,.0f}"
    said = by_mcse(value, spread)
    return f"{said.removeprefix('-') if float(said) == 0 else said} ± {error(spread)}"
