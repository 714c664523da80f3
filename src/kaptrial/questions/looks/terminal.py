"""What `kaptrial boundaries` and `kaptrial looks` say on the terminal."""

from __future__ import annotations

from kaptrial.output.tables import key, number, of_rows, text
from kaptrial.output.terminal import paragraph, table, with_error
from kaptrial.questions.looks.answer import LookResults
from kaptrial.questions.looks.boundaries import BoundaryResults
from kaptrial.results import Row, Value

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
_AT_END = ("p_stagewise", "naive", "bias_adjusted", "median_unbiased", "lower", "upper")


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
            p, naive, adjusted, median, lower, upper = (_rounded(row[name], 4) for name in _AT_END)
            paragraph(
                f"\nThe trial ends at look {row['look']}: stagewise p {p}; estimate {naive}, bias-adjusted {adjusted},"
                f" median-unbiased {median}, stagewise interval {lower} to {upper}."
            )
    for note in results.notes:
        paragraph(f"note: {note.text}")


def _rounded(value: Value, places: int) -> str:
    if value is None:
        return "–"
    return f"{value:.{places}f}" if isinstance(value, float) else str(value)


# Of the whole trial, and of each look: metrics and their names.
_WHOLE = (
    ("power", "power"),
    ("fixed_power", "power without looks"),
    ("type_i_error", "type I error"),
    ("fixed_type_i_error", "type I error without looks"),
    ("false_synergy_rate", "false synergy"),
    ("expectancy_only_rate", "rejections by expectancy only"),
    ("expected_n", "patients randomised, mean"),
    ("expected_n_type_i_error", "the same without an effect"),
    ("n_q10", "at most so many in a tenth of the trials"),
    ("n_q50", "in half of the trials"),
    ("n_q90", "in nine tenths of the trials"),
    ("max_n", "patients at most"),
    ("n_saved", "patients saved by the looks, mean"),
    ("n_saved_type_i_error", "the same without an effect"),
    ("expected_months", "months to the decision, mean"),
    ("months_q10", "at most so many in a tenth of the trials"),
    ("months_q50", "in half of the trials"),
    ("months_q90", "in nine tenths of the trials"),
    ("max_months", "months at most"),
    ("months_saved", "months saved by the looks, mean"),
    ("months_saved_type_i_error", "the same without an effect"),
    ("expected_cost", "cost, mean"),
    ("cost_saved", "cost saved by the looks, mean"),
    ("cost_saved_type_i_error", "the same without an effect"),
    ("truth", "truth"),
    ("mean_estimate", "mean estimate at the end"),
    ("mean_bias_adjusted", "mean bias-adjusted estimate"),
    ("mean_median_unbiased", "mean median-unbiased estimate"),
    ("median_unbiased_above_truth", "median-unbiased above the truth"),
    ("coverage", "coverage of the stagewise interval"),
)
_LOOK = (
    ("months", "month"),
    ("n_randomised", "randomised"),
    ("n_followed", "followed up"),
    ("months_decided", "month of the decision"),
    ("information", "information"),
    ("information_sd", "its SD"),
    ("planned_z", "z"),
    ("planned_z_futility", "z futility"),
    ("planned_z_decision", "z of the decision"),
    ("stop_efficacy", "stops for efficacy"),
    ("stop_futility", "for futility"),
    ("rejected", "of both, rejects"),
    ("cumulative_power", "power so far"),
    ("cumulative_type_i_error", "type I error so far"),
    ("reversed", "reversed"),
    ("reversed_futility", "futility reversed"),
)


def show_looks(results: LookResults) -> None:
    """The headline, the whole trial, the looks, and notes; a part for each scenario."""
    if results.headline is not None:
        paragraph(f"{results.headline.text}\n")
    made = results.provenance
    paragraph(f"{made['title']}\nseed {made['seed']}, {made['replicates']} replicates, kaptrial {made['version']}")
    parts: dict[tuple[tuple[str, Value], ...], dict[int, dict[str, Row]]] = {}
    for row in results.rows:
        columns = tuple(item for item in row.question.columns if item[0] != "look")
        look = int(row.question.column("look") or 0)
        parts.setdefault(columns, {}).setdefault(look, {})[row.metric] = row
    for columns, looks in parts.items():
        title = ", ".join(f"{name} {value}" for name, value in columns)
        whole = looks.pop(0)
        lines = [[label, with_error(whole[metric])] for metric, label in _WHOLE if metric in whole]
        table(*of_rows([("whole trial", key), ("", number)], lines), title=title)
        shown = [(metric, label) for metric, label in _LOOK if any(metric in rows for rows in looks.values())]
        cells = [[str(k), *(_figure(rows.get(metric)) for metric, _ in shown)] for k, rows in looks.items()]
        table(*of_rows([("look", key), *((label, number) for _, label in shown)], cells), title="")
    for note in results.notes:
        paragraph(f"{'note' if note.severity == 'information' else note.severity}: {note.text}")


def _figure(row: Row | None) -> str:
    """A figure with its error, one without error to three digits."""
    if row is None:
        return ""
    return with_error(row) if row.mcse else f"{row.value:.4g}"
