"""Tables and sentences for the terminal. Numbers are rounded by their Monte Carlo error."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from kaptrial.report.dose_words import all_doses, dose_word
from kaptrial.spec.decision import DecisionRule
from kaptrial.spec.prior import Prior
from kaptrial.spec.scenario import Scenario
from kaptrial.spec.sourced import walk

if TYPE_CHECKING:
    import pandas as pd

    from kaptrial.design.characteristics import CellResult
    from kaptrial.truth import Truth


def console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 230, highlight=False, soft_wrap=False)


# The metrics a table on the terminal shows; the files hold all of them.
SHOWN = (
    "power", "power_better", "type_i_error", "false_synergy_rate", "expectancy_only_rate", "truth", "truth_if_additive",
    "truth_without_expectancy", "bias", "empirical_se", "coverage", "power_non_inferiority", "power_multiplicity",
    "power_any", "power_all",
)  # fmt: skip


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar over replicates on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("simulating"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("trials"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, advance=done)


def by_mcse(value: float | None, mcse: float | None) -> str:
    """The value to the decimal place of its Monte Carlo error's first digit."""
    if value is None or not math.isfinite(value):
        return "–"
    if not mcse or not math.isfinite(mcse):
        return f"{value:.4g}"
    places = max(0, min(6, -math.floor(math.log10(mcse))))
    return f"{value:.{places}f}"


def error(mcse: float | None) -> str:
    """A Monte Carlo error to its first two digits."""
    return "" if mcse is None or not math.isfinite(mcse) else f"{mcse:.1g}"


def show_check(scenario: Scenario, path: Path) -> None:
    """Say that the scenario is sound, and what in it rests on an assumption."""
    out = console()
    numbers = walk(scenario)
    assumed = [(where, value) for where, value in numbers if value.is_assumption]
    out.print(f"{path}: valid. {scenario.title}", markup=False)
    out.print(f"{len(numbers)} numbers about the world, {len(assumed)} of them assumptions:", markup=False)
    if assumed:
        table = Table("path", "value", "unit", "why it is assumed", box=None)
        for where, value in assumed:
            why = value.note if value.source == "assumption" else f"spread: {value.spread_note}"
            table.add_row(where, f"{value.value:g}", value.unit, why or "")
        out.print(table)
    if scenario.prior is not None:
        for line in prior_lines(scenario.prior):
            out.print(line, markup=False)
    for line in decision_lines(scenario):
        out.print(line, markup=False)


def prior_lines(prior: Prior) -> list[str]:
    """A design prior in lines: the named one, then each distribution with its source."""
    lines = []
    if prior.name is not None:
        lines.append(f"design prior: {prior.name} (population: {prior.population_or_reference})")
    for path, belief in (prior.also or {}).items():
        why = f": {belief.note}" if belief.note else ""
        lines.append(f"design prior of {path}: {belief.described()}, {belief.source}{why}")
    return lines


def decision_lines(scenario: Scenario) -> list[str]:
    """The rule and the looks that a scenario declares, in a line each."""
    rule = scenario.decision
    priors = f"analysis priors {', '.join(rule.priors)}; design priors {', '.join(rule.design_priors)}"
    said = [f"decision: {rule_in_words(rule)}; {priors}"] if rule != DecisionRule() else []
    return said + [
        f"look after {100 * look.share:g} % of the patients: stop if P(go at the end) < {look.futility:g}"
        for look in scenario.design.looks
    ]


def rule_in_words(rule: DecisionRule) -> str:
    """The decision rule in one sentence."""
    beyond = "better than 0" if rule.margin == 0 else f"better than {rule.margin:g} points"
    text = f"go if P({beyond}) ≥ {rule.go:g}; no go if ≤ {rule.no_go:g}"
    if rule.rope is None:
        return text
    return text + f"; no difference if P(within ± {rule.rope:g} points) ≥ {rule.rope_probability:g}"


def show_description(scenario: Scenario, found: list[Truth], seed: int) -> None:
    """The arms' timeline, the parameters with their sources and the truths."""
    out = console()
    out.print(f"{scenario.title}\n{scenario.question}\n", markup=False)
    if scenario.notes:
        out.print(scenario.notes.strip() + "\n", markup=False)
    for line in [*timeline(scenario), *decision_lines(scenario)]:
        out.print(line, markup=False)
    table = Table("parameter", "value", "spread", "unit", "source", title="\nWhat is assumed of the world", box=None)
    for where, value in walk(scenario):
        spread = next(
            (f"{k} {getattr(value, k):g}" for k in ("sd", "log_sd", "logit_sd") if getattr(value, k) is not None),
            "",
        )
        table.add_row(where, f"{value.value:g}", spread, value.unit, value.source)
    out.print(table)
    events = scenario.conduct.intercurrent_events
    handled = ("strategies",) if events else ()
    head = ("contrast", "endpoint", "day", *handled, "truth", "MCSE", *(arm.id for arm in scenario.arms))
    truth_table = Table(*head, box=None)
    truth_table.title = f"\nTruth under the model (means of the recorded endpoint by arm; seed {seed})"
    for estimand, truth in zip(scenario.estimands, found, strict=True):
        means = (f"{mean:.2f}" for mean in truth.arm_means)
        truth_table.add_row(
            estimand.contrast,
            estimand.endpoint,
            f"{estimand.day:g}",
            *((estimand.strategies.described(events),) if events else ()),
            by_mcse(truth.value, truth.mcse),
            error(truth.mcse),
            *means,
        )
    out.print(truth_table)
    for kind, name in (("mcid", "meaningful difference"), ("reliable_change", "reliable change of one patient")):
        for threshold in scenario.scale.thresholds[kind]:
            text = f"{scenario.scale.id} {name}: {threshold.get('value', threshold.get('fraction'))}"
            out.print(f"{text} ({threshold.get('kind', name)}; {threshold['source']})", markup=False)
    for arm, icc in zip(scenario.arms, found[0].icc, strict=True):
        if icc > 0:
            out.print(f"therapist ICC in {arm.id} at day {scenario.estimand.day:g}: {icc:.3f}", markup=False)


def timeline(scenario: Scenario, width: int = 100) -> list[str]:
    """Arms × days: ▼ infusion (or other dose), ● session, | visit."""
    last = max(scenario.design.visits)
    label = max(len(arm.id) for arm in scenario.arms) + 2

    def row(name: str, marks: list[tuple[float, str]]) -> str:
        line = [" "] * (width + 1)
        for day, mark in marks:
            at = round(day / last * width) if last else 0
            if 0 <= at <= width:
                line[at] = "◆" if line[at] not in (" ", mark) else mark
        return f"{name:<{label}}{''.join(line).rstrip()}"

    dose = dose_word(all_doses(scenario))
    lines = [f"days 0 to {last:g}:  ▼ {dose}   ● session   ◆ both on (nearly) the same day   | visit"]
    run_in = scenario.randomisation.run_in
    before = [(day, "▼") for d in run_in.doses for day in d.days] if run_in else []
    for arm in scenario.arms:
        marks = before + [(day, "▼") for d in arm.doses for day in d.days]
        marks += [(day, "●") for day in (arm.therapy.days if arm.therapy else ())]
        lines.append(row(arm.id, marks))
    lines.append(row("visits", [(day, "|") for day in scenario.design.visits]))
    return lines


def show_power(results: list[CellResult], provenance: dict[str, Any]) -> None:
    """The characteristics of every cell, one row an estimand; then warnings and what the numbers say."""
    from kaptrial.design.characteristics import KEY

    out = console()
    out.print(
        f"{provenance['title']}\nseed {provenance['seed']}, {provenance['replicates']} replicates,"
        f" kaptrial {provenance['version']};"
        " value ± Monte Carlo standard error\n",
        markup=False,
    )
    groups = [group for result in results for group in _grouped(result.rows)]
    keys = (*results[0].cell.columns, *KEY, *(["benchmark"] if "benchmark" in groups[0][0] else []))
    heads = [{key: group[0].get(key) for key in keys} for group in groups]
    varying = [key for key in heads[0] if len({str(head[key]) for head in heads}) > 1]
    for key in ("day", "benchmark"):
        if f"estimand.{key}" in varying:
            varying.remove(key)
    same = [f"{key}: {_plain(heads[0][key])}" for key in heads[0] if len({str(head[key]) for head in heads}) == 1]
    out.print("; ".join(same) + "\n", markup=False)
    present = [m for m in SHOWN if any(row["metric"] == m for group in groups for row in group)]
    if "power_better" in present:  # what is found worse than a benchmark is no success
        present.remove("power")
    for extra in ("truth_if_additive", "truth_without_expectancy"):
        values = [{row["metric"]: row["value"] for row in group} for group in groups]
        if all(v.get(extra) == v.get("truth") for v in values):
            present = [m for m in present if m != extra]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for key in varying:
        table.add_column(key, no_wrap=True)
    for metric in present:
        table.add_column(metric.replace("_", " "), justify="right", no_wrap=True)
    for head, group in zip(heads, groups, strict=True):
        cells = {row["metric"]: row for row in group}
        shown = [
            f"{by_mcse(cells[m]['value'], cells[m]['mcse'])} ± {error(cells[m]['mcse'])}" if m in cells else ""
            for m in present
        ]
        table.add_row(*(_plain(head[key]) for key in varying), *shown)
    out.print(table)
    if any(row["n_failed"] for group in groups for row in group):
        worst = max(row["n_failed"] for group in groups for row in group)
        out.print(f"up to {worst} replicates had no estimate and count as not rejecting", markup=False)
    fallbacks = [row["value"] for group in groups for row in group if row["metric"] == "fallback_rate"]
    if fallbacks:
        share = f"up to {100 * max(fallbacks):.2g} % of replicates"
        out.print(f"{share} could not be fitted with the first covariance structure and took the next", markup=False)
    for line in dict.fromkeys(line for result in results for line in result.warnings):
        out.print(line, markup=False)
    for result in results:
        for line in verdicts(result):
            out.print(line, markup=False)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _grouped(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    from kaptrial.design.characteristics import row_key

    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row_key(row), []).append(row)
    return list(groups.values())


def verdicts(result: CellResult) -> list[str]:
    """What an interaction could be found, and whether the scale has room for it."""
    lines = []
    scenario = result.cell.scenario
    for group in _grouped(result.rows):
        cells = {row["metric"]: row for row in group}
        if "room_for_synergy" not in cells:
            continue
        detectable, room, best = (cells[m] for m in ("detectable_difference", "room_for_synergy", "power_at_best"))
        unit = "percentage points" if scenario.scale.unit == "percent" else scenario.scale.unit
        each = f"{scenario.n_total / len(scenario.arms):g} a cell"
        line = (
            f"\nThe interaction {group[0]['contrast']} with {each}: detectable with 80 % power from"
            f" {detectable['value']:.1f} ± {detectable['mcse']:.1g} {unit};"
            " beyond the additive sum the scale leaves room for"
            f" {room['value']:.1f} ± {room['mcse']:.1g} {unit}."
        )
        if best["value"] + 2 * best["mcse"] < 0.8:
            line += (
                " Even if every patient of the combined arm had the best possible outcome, power would be"
                f" {best['value']:.2f} ± {best['mcse']:.1g}: no achievable synergy reaches 80 % power at this size."
            )
        else:
            line += f" With every patient of the combined arm at the best outcome power would be {best['value']:.2f}."
        lines.append(line)
    return lines


def show_table(table: pd.DataFrame, title: str) -> None:
    """A result table as it is."""
    out = console()
    out.print(title, markup=False)
    shown = Table(*map(str, table.columns), box=None)
    for row in table.itertuples(index=False):
        shown.add_row(*map(_cell, row))
    out.print(shown)


def _cell(x: object) -> str:
    """Five digits of a number; nothing where there is none."""
    if x is None or x != x:
        return ""
    return f"{x:.5g}" if isinstance(x, float) else str(x)
