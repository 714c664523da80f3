"""What `kaptrial analyse` says: the answer, a table rounded for reading, then what stands behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from kaptrial.output.tables import Column, key, number, text
from kaptrial.output.terminal import by_mcse, paragraph, table
from kaptrial.results import Headline, Line, Results, Value

Rows = Sequence[Mapping[str, Value]]
# What names a row, and what a reader asks of it; all else stands in a second block.
KEYS = ("analysis", "contrast", "imputation", "day", "measure", "endpoint", "quantity", "arm")
EFFECT = ("estimate", "se", "lower", "upper", "p")
COUNTS = {"n_observed": "patients", "n_events": "events"}
RATIOS = {"log_odds_ratio": "odds ratio", "log_hazard_ratio": "hazard ratio", "log_rate_ratio": "rate ratio"}


def headline_of(rows: Sequence[Line], label: str) -> Headline | None:
    """The first contrast on its last day: estimate, interval and P; None where nothing was tested."""
    tested = [row for row in (line.flat() for line in rows) if _is_tested(row)]
    if not tested:
        return None
    alike = ("contrast", "measure", "analysis", "imputation")
    last = [row for row in tested if all(row.get(name) == tested[0].get(name) for name in alike)][-1]
    when = f" on day {last['day']:g}" if _is_number(last.get("day")) else ""
    measure = str(last["measure"])
    if measure in RATIOS:
        value, low, high = (f"{math.exp(_float(last.get(name))):.2f}" for name in ("estimate", "lower", "upper"))
    else:
        value, low, high = (_to_error(last.get(name), last.get("se")) for name in ("estimate", "lower", "upper"))
    what = RATIOS.get(measure, measure.replace("_", " "))
    patients = f", {last['n_observed']:g} patients" if _is_number(last.get("n_observed")) else ""
    interval = f"95 % CI {low} to {high}; " if _is_number(last.get("lower")) else ""
    said = f"{last['contrast']}{when}: {what} {value} ({interval}P {p_value(last['p'])}), by {label}{patients}."
    names = ("contrast", "day", "measure", *EFFECT)
    return Headline(text=said, numbers={name: last.get(name) for name in names})


def show_analysis(results: Results[Line]) -> None:
    """The sentence, what was set aside, the estimates, and in further tables what stands behind them."""
    if results.headline is not None:
        paragraph(f"{results.headline.text}\n")
    for note in results.notes:
        paragraph(f"{note.severity}: {note.text}", "  ")
    every = results.flat()
    names = list(dict.fromkeys(name for row in every for name in row))
    effects = [row for row in every if _is_effect(row)]
    others = [row for row in every if not _is_effect(row)]
    same = [n for n in names if isinstance(every[0].get(n), str) and every[0][n] and _distinct(every, [n]) == 1]
    if same:
        paragraph("; ".join(f"{name.replace('_', ' ')}: {every[0][name]}" for name in same) + "\n")
    keys = _keys(effects)
    table(*_named(effects, keys), *_estimates(effects))
    known = {*KEYS, *EFFECT, *COUNTS, "failure", *same}
    rest = [name for name in names if name not in known and any(_cell(row.get(name)) for row in effects)]
    if rest:
        table(*_named(effects, keys), *_numbers(effects, rest), title="Details")
    if others:
        rest = [name for name in names if name not in (*KEYS, *same) and any(_cell(row.get(name)) for row in others)]
        table(
            *_named(others, list(dict.fromkeys(["measure", *_keys(others)]))),
            *_numbers(others, rest),
            title="Further estimates",
        )


def _estimates(rows: Rows) -> list[Column]:
    columns = [
        number("estimate", [_to_error(row.get("estimate"), row.get("se")) for row in rows]),
        number("SE", [_to_error(row.get("se"), row.get("se")) for row in rows]),
        number("95 % CI", [_interval(row) for row in rows]),
        number("P", [p_value(row.get("p")).removeprefix("= ") for row in rows]),
    ]
    columns += [
        number(heading, [_cell(row.get(name)) for row in rows])
        for name, heading in COUNTS.items()
        if any(_is_number(row.get(name)) for row in rows)
    ]
    return [*columns, text("", [str(row.get("failure") or "") for row in rows])]


def _is_effect(row: Mapping[str, Value]) -> bool:
    """A row with a test or an interval, or that should have one."""
    return _is_tested(row) or _is_number(row.get("lower")) or bool(row.get("failure"))


def _is_tested(row: Mapping[str, Value]) -> bool:
    return _is_number(row.get("estimate")) and _is_number(row.get("p"))


def _keys(rows: Rows) -> list[str]:
    """The columns that tell the rows apart, none that adds nothing to those before it."""
    keys: list[str] = []
    for name in KEYS:
        if _distinct(rows, [*keys, name]) > _distinct(rows, keys):
            keys.append(name)
    return keys


def _distinct(rows: Rows, names: Sequence[str]) -> int:
    return len({tuple(_cell(row.get(name)) for name in names) for row in rows})


def _named(rows: Rows, names: Sequence[str]) -> list[Column]:
    return [key(name, [_cell(row.get(name)) for row in rows]) for name in names]


def _numbers(rows: Rows, names: Sequence[str]) -> list[Column]:
    return [number(name.replace("_", " "), [_cell(row.get(name)) for row in rows]) for name in names]


def _interval(row: Mapping[str, Value]) -> str:
    if not _is_number(row.get("lower")):
        return ""
    return " to ".join(_to_error(row.get(end), row.get("se")) for end in ("lower", "upper"))


def _to_error(value: Value, se: Value) -> str:
    """To the second digit of its standard error."""
    if not _is_number(value):
        return ""
    return by_mcse(_float(value), _float(se) / 10 if _is_number(se) else None)


def p_value(p: Value) -> str:
    """`= .012` or `< .001`."""
    if not _is_number(p):
        return ""
    return "< .001" if _float(p) < 0.001 else f"= {_float(p):.3f}".replace("= 0.", "= .")


def _cell(value: Value) -> str:
    """Five digits of a number; nothing where there is none."""
    if value is None or value != value:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _float(value: Value) -> float:
    return float(value) if _is_number(value) else math.nan  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
