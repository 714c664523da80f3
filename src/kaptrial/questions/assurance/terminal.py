"""What `kaptrial assurance` says on the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from kaptrial.output.tables import key, number, of_rows
from kaptrial.output.terminal import by_mcse, paragraph, table, with_error
from kaptrial.questions.assurance.with_looks import AVERAGED, WITHOUT_LOOKS
from kaptrial.results import Question, Results, Row, grouped

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


def show_assurance(results: Results[Row]) -> None:
    """A table of assurance, the probability of high power and the power at the scenario's own values; then truths."""
    about = results.provenance
    if results.headline is not None:
        paragraph(f"{results.headline.text}\n")
    paragraph(
        f"{about['title']}\nseed {about['seed']}, {about['draws']} draws of the prior, {about['replicates']} replicates"
        f" each, kaptrial {about['version']}; value ± Monte Carlo standard error\n"
    )
    lines = []
    groups = grouped(results.rows)
    for asked, rows in groups.items():
        for kind, called in KINDS.items():
            if f"assurance{kind}" in rows and not _says_the_same(rows, kind):
                day = "" if asked.day is None else f"{asked.day:g}"
                about_it = (asked.contrast, asked.endpoint, day, asked.analysis)
                lines.append((*about_it, called, *_values(rows, kind)))
                if f"{WITHOUT_LOOKS}assurance{kind}" in rows:
                    without = f"{called}, without looks".removeprefix(", ")
                    lines.append((*about_it, without, *_values(rows, kind, WITHOUT_LOOKS)))
    keys = [(name, key) for name in ("contrast", "endpoint", "day", "analysis", "")]
    table(*of_rows([*keys, *((heading, number) for heading, _ in SHOWN)], lines))
    for note in results.notes:
        paragraph(note.text)
    for line in [*looks_lines(groups.values()), *truth_lines(groups.items())]:
        paragraph(line)


def looks_lines(groups: Iterable[dict[str, Row]]) -> list[str]:
    """What looks do, averaged over the prior and at the scenario's own values."""
    lines = []
    for rows in groups:
        if "max_n" in rows:
            n, months, benefit, futility = (
                f"{with_error(rows[metric])} ({with_error(rows[f'{metric}_own'])})" for metric in AVERAGED
            )
            lines.append(
                f"Looks, averaged over the prior (at own values): patients randomised {n} of {rows['max_n'].value:.0f};"
                f" months {months}; stops for efficacy {benefit}, for futility {futility}. Boundaries and dates are"
                " those planned at the scenario's own values."
            )
    return lines


def truth_lines(groups: Iterable[tuple[Question, dict[str, Row]]]) -> list[str]:
    """What the prior says of the truth of each question, once for analyses that estimate the same."""
    lines = []
    for asked, rows in groups:
        if "truth_mean" not in rows:
            continue
        own, mean, low, high = (
            by_mcse(rows[m].value, rows[m].mcse) for m in ("truth", "truth_mean", "truth_lower", "truth_upper")
        )
        worth = ""
        if "prior_patients" in rows:
            patients = by_mcse(rows["prior_patients"].value, rows["prior_patients"].mcse)
            worth = f" By {asked.analysis} that belief is worth {patients} patients of this trial."
        lines.append(
            f"The truth of {asked.contrast} ({asked.endpoint}, {asked.measure}, day {asked.day:g}): {own} at the"
            f" scenario's own values; under the prior {mean} on average, 90 % between {low} and {high}.{worth}"
        )
    return list(dict.fromkeys(lines))


def _says_the_same(rows: dict[str, Row], kind: str) -> bool:
    """Rejections on the expected side are worth a row only where there are others."""
    return kind == "_expected_side" and _values(rows, kind) == _values(rows, "")


def _values(rows: dict[str, Row], kind: str, before: str = "") -> list[str]:
    return [with_error(rows[before + metric.format(kind)]) for _, metric in SHOWN]
