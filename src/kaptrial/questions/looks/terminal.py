"""What `kaptrial boundaries` says on the terminal."""

from __future__ import annotations

from kaptrial.output.tables import key, number, of_rows, text
from kaptrial.output.terminal import paragraph, table
from kaptrial.questions.looks.boundaries import BoundaryResults
from kaptrial.results import Value

# Column, its heading, and decimals.
_SHOWN = (
    ("information", "information", 3),
    ("z", "z", 4),
    ("z_futility", "z futility", 4),
    ("z_decision", "z decision", 4),
    ("p_nominal", "nominal p", 6),
    ("alpha_spent", "alpha spent", 6),
    ("beta_spent", "beta spent", 4),
    ("stop_efficacy_null", "stops for efficacy, no effect", 6),
    ("stop_futility_null", "futility, no effect", 4),
    ("stop_efficacy", "stops for efficacy, effect", 4),
    ("stop_futility", "futility, effect", 4),
    ("statistic", "statistic", 3),
    ("conditional_power", "conditional power", 3),
    ("conditional_power_planned", "under the planned effect", 3),
    ("predictive_power", "predictive power", 3),
)
_AT_END = ("p_stagewise", "naive", "median_unbiased", "lower", "upper")


def show_boundaries(results: BoundaryResults) -> None:
    """The headline, the looks as a table, the estimate where the trial has ended, and notes."""
    if results.headline is not None:
        paragraph(f"{results.headline.text}\n")
    rows = results.flat()
    shown = [(name, head, places) for name, head, places in _SHOWN if any(row.get(name) is not None for row in rows)]
    heads = [("look", key), *((head, number) for _, head, _ in shown)]
    lines = [[str(row["look"]), *(_rounded(row.get(name), places) for name, _, places in shown)] for row in rows]
    if any("verdict" in row for row in rows):
        heads.append(("", text))
        lines = [[*line, str(row.get("verdict") or "")] for line, row in zip(lines, rows, strict=True)]
    table(*of_rows(heads, lines))
    for row in rows:
        if row.get("p_stagewise") is not None:
            p, naive, median, lower, upper = (_rounded(row[name], 4) for name in _AT_END)
            paragraph(
                f"\nThe trial ends at look {row['look']}: stagewise p {p}; estimate {naive}, median-unbiased {median},"
                f" stagewise interval {lower} to {upper}."
            )
    for note in results.notes:
        paragraph(f"note: {note.text}")


def _rounded(value: Value, places: int) -> str:
    if value is None:
        return "–"
    return f"{value:.{places}f}" if isinstance(value, float) else str(value)
