"""What `kaptrial assurance` says on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from kaptrial.design.characteristics import row_key
from kaptrial.report.words import by_mcse, console, error

if TYPE_CHECKING:
    from kaptrial.design.assurance import Assurance

Row = dict[str, Any]
# Columns of the table: heading, and the metric with its kind of power in place of {}.
SHOWN = (
    ("assurance", "assurance{}"),
    ("P(power ≥ .8)", "probability_of_80_power{}"),
    ("power at own values", "power{}"),
)
# Kinds of power beside the plain one, and how a row of the table calls them.
KINDS = {
    "": "",
    "_expected_side": "on the expected side",
    "_better": "better than the benchmark",
    "_non_inferiority": "non-inferiority",
    "_multiplicity": "under multiplicity",
    "_any": "any",
    "_all": "all",
}


def show_assurance(found: Assurance, provenance: Row) -> None:
    """A table of assurance, the probability of high power and the power at the scenario's own values; then truths."""
    out = console()
    out.print(
        f"{provenance['title']}\nseed {provenance['seed']}, {provenance['draws']} draws of the prior,"
        f" {provenance['replicates']} replicates each, kaptrial {provenance['version']};"
        " value ± Monte Carlo standard error\n",
        markup=False,
    )
    table = Table("contrast", "endpoint", "day", "analysis", "", box=None, padding=(0, 2, 0, 0))
    for heading, _ in SHOWN:
        table.add_column(heading, justify="right", no_wrap=True)
    groups = grouped(found.rows)
    for cells in groups:
        about = next(iter(cells.values()))
        for kind, called in KINDS.items():
            if f"assurance{kind}" in cells and not _says_the_same(cells, kind):
                day = "" if about["day"] is None else f"{about['day']:g}"
                values = (_shown(cells[metric.format(kind)]) for _, metric in SHOWN)
                table.add_row(about["contrast"], about["endpoint"], day, about["analysis"], called, *values)
    out.print(table)
    failed = sum(cells["assurance"]["n_failed"] for cells in groups if "assurance" in cells)
    if failed:
        out.print(f"{failed} replicates in all had no estimate and count as not rejecting", markup=False)
    if found.n_never_filled:
        out.print(f"under {found.n_never_filled} draws hardly anybody passes the run-in: power 0", markup=False)
    for line in truth_lines(groups):
        out.print(line, markup=False)


def truth_lines(groups: list[dict[str, Row]]) -> list[str]:
    """What the prior says of the truth of each question, once for analyses that estimate the same."""
    lines = []
    for cells in groups:
        if "truth_mean" not in cells:
            continue
        own, mean, low, high = (cells[m] for m in ("truth", "truth_mean", "truth_lower", "truth_upper"))
        lines.append(
            f"The truth of {own['contrast']} ({own['endpoint']}, {own['measure']}, day {own['day']:g}):"
            f" {by_mcse(own['value'], own['mcse'])} at the scenario's own values; under the prior"
            f" {by_mcse(mean['value'], mean['mcse'])} on average,"
            f" 90 % between {by_mcse(low['value'], low['mcse'])} and {by_mcse(high['value'], high['mcse'])}."
        )
    return list(dict.fromkeys(lines))


def grouped(rows: list[Row]) -> list[dict[str, Row]]:
    """The rows of each question by metric, in the order in which they come."""
    groups: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in rows:
        groups.setdefault(row_key(row), {})[row["metric"]] = row
    return list(groups.values())


def _says_the_same(cells: dict[str, Row], kind: str) -> bool:
    """Rejections on the expected side are worth a row only where there are others."""
    if kind != "_expected_side":
        return False
    return all(_shown(cells[metric.format(kind)]) == _shown(cells[metric.format("")]) for _, metric in SHOWN)


def _shown(row: Row) -> str:
    return f"{by_mcse(row['value'], row['mcse'])} ± {error(row['mcse'])}"
