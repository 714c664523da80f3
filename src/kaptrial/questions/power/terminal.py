"""Tables and sentences for the terminal. Numbers are rounded by their Monte Carlo error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from kaptrial.output.terminal import by_mcse, console, error, with_error
from kaptrial.questions.power.doses import all_doses, dose_word
from kaptrial.results import Question, Results, Row, grouped
from kaptrial.scenario.decision import DecisionRule
from kaptrial.scenario.own_sources import unused_sources
from kaptrial.scenario.percent_of_days import described as in_percent
from kaptrial.scenario.prior import Prior
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import unit_in_words, walk

if TYPE_CHECKING:
    import pandas as pd

    from kaptrial.questions.power.truth import Truth


# The metrics a table on the terminal shows; the files hold all of them.
SHOWN = (
    "power", "power_better", "type_i_error", "false_synergy_rate", "expectancy_only_rate", "truth", "truth_if_additive",
    "truth_without_expectancy", "bias", "empirical_se", "coverage", "power_non_inferiority", "power_multiplicity",
    "power_any", "power_all",
)  # fmt: skip


def show_check(scenario: Scenario, path: Path) -> None:
    """Say that the scenario is sound, and what in it rests on an assumption."""
    out = console()
    numbers = walk(scenario)
    assumed = [(where, value) for where, value in numbers if value.is_assumption]
    out.print(f"{path}: valid. {scenario.title}")
    out.print(f"{len(numbers)} numbers about the world, {len(assumed)} of them assumptions:")
    if assumed:
        table = Table("path", "value", "unit", "why it is assumed", box=None)
        for where, value in assumed:
            why = value.note if value.source == "assumption" else f"spread: {value.spread_note}"
            table.add_row(where, f"{value.value:g}", unit_in_words(value.unit), why or "")
        out.print(table)
    if scenario.prior is not None:
        for line in prior_lines(scenario.prior):
            out.print(line)
    for key in unused_sources(scenario):
        out.print(f"sources.{key}: no number names it")
    for line in [*decision_lines(scenario), *analysis_lines(scenario)]:
        out.print(line)


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


def analysis_lines(scenario: Scenario) -> list[str]:
    """The methods of each estimand, and why where none is declared."""
    lines = []
    for estimand in scenario.estimands:
        name, why = scenario.default_analysis(estimand)
        declared = estimand.methods or scenario.analysis.methods
        what = ", ".join(declared) if declared else f"{name}, by default ({why})"
        lines.append(f"analysis of {estimand.contrast}, {estimand.endpoint} on day {estimand.day:g}: {what}")
    return lines


def rule_in_words(rule: DecisionRule) -> str:
    """The decision rule in one sentence."""
    beyond = "better than 0" if rule.margin == 0 else f"better than {rule.margin:g} points"
    text = f"go if P({beyond}) ≥ {rule.go:g}; no go if ≤ {rule.no_go:g}"
    if rule.rope is None:
        return text
    return text + f"; no difference if P(within ± {rule.rope:g} points) ≥ {rule.rope_probability:g}"


def show_description(scenario: Scenario, truths: list[Truth], seed: int) -> None:
    """The arms' timeline, the parameters with their sources and the truths."""
    out = console()
    out.print(f"{scenario.title}\n{scenario.question}\n")
    if scenario.notes:
        out.print(scenario.notes.strip() + "\n")
    for line in [*timeline(scenario), *decision_lines(scenario), *analysis_lines(scenario)]:
        out.print(line)
    table = Table("parameter", "value", "spread", "unit", "source", title="\nWhat is assumed of the world", box=None)
    for where, value in walk(scenario):
        spread = next(
            (f"{k} {getattr(value, k):g}" for k in ("sd", "log_sd", "logit_sd") if getattr(value, k) is not None),
            "",
        )
        table.add_row(where, f"{value.value:g}", spread, unit_in_words(value.unit), value.source)
    out.print(table)
    for line in in_percent(scenario):
        out.print(line)
    for key, publication in (scenario.sources or {}).items():
        out.print(f"{key}: {publication}")
    events = scenario.conduct.intercurrent_events
    handled = ("strategies",) if events else ()
    head = ("contrast", "endpoint", "day", *handled, "truth", "MCSE", *(arm.id for arm in scenario.arms))
    truth_table = Table(*head, box=None)
    truth_table.title = f"\nTruth under the model (means of the recorded endpoint by arm; seed {seed})"
    for estimand, truth in zip(scenario.estimands, truths, strict=True):
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
            out.print(f"{text} ({threshold.get('kind', name)}; {threshold['source']})")
    for arm, icc in zip(scenario.arms, truths[0].icc, strict=True):
        if icc > 0:
            out.print(f"therapist ICC in {arm.id} at day {scenario.estimand.day:g}: {icc:.3f}")


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


def show_power(results: Results[Row]) -> None:
    """The characteristics of every cell, one line a question; then what is to be said of them."""
    out = console()
    about = results.provenance
    out.print(
        f"{about['title']}\nseed {about['seed']}, {about['replicates']} replicates, kaptrial {about['version']};"
        " value ± Monte Carlo standard error\n",
    )
    groups = grouped(results.rows)
    heads = [_head(question) for question in groups]
    varying = [key for key in heads[0] if len({str(head.get(key)) for head in heads}) > 1]
    for key in ("day", "benchmark"):
        if f"estimand.{key}" in varying:
            varying.remove(key)
    same = [f"{key}: {_plain(value)}" for key, value in heads[0].items() if len({str(h.get(key)) for h in heads}) == 1]
    out.print("; ".join(same) + "\n")
    shown = _metrics_shown(list(groups.values()))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for key in varying:
        table.add_column(key, no_wrap=True)
    for metric in shown:
        table.add_column(metric.replace("_", " "), justify="right", no_wrap=True)
    for head, by_metric in zip(heads, groups.values(), strict=True):
        table.add_row(*(_plain(head.get(key)) for key in varying), *(with_error(by_metric.get(m)) for m in shown))
    out.print(table)
    worst = max(row.n_failed for row in results.rows)
    if worst:
        out.print(f"up to {worst} replicates had no estimate and count as not rejecting")
    fallbacks = [row.value for row in results.rows if row.metric == "fallback_rate"]
    if fallbacks:
        share = f"up to {100 * max(fallbacks):.2g} % of replicates"
        out.print(f"{share} could not be fitted with the first covariance structure and took the next")
    for note in sorted(results.notes, key=lambda note: note.severity == "information"):
        out.print(("\n" if note.code == "interaction_room" else "") + note.text)


def _head(question: Question) -> dict[str, Any]:
    """What tells the question from others, in the order of the table's columns; the measure is in the files."""
    about = question.flat()
    del about["measure"]
    columns = dict(question.columns)
    return columns | {key: value for key, value in about.items() if key not in columns}


def _metrics_shown(groups: list[dict[str, Row]]) -> list[str]:
    """The metrics that some question has, less those that say nothing new."""
    shown = [metric for metric in SHOWN if any(metric in by_metric for by_metric in groups)]
    if "power_better" in shown:  # what is found worse than a benchmark is no success
        shown.remove("power")
    for extra in ("truth_if_additive", "truth_without_expectancy"):
        values = [tuple(f[m].value if m in f else None for m in (extra, "truth")) for f in groups]
        if extra in shown and all(one == other for one, other in values):
            shown.remove(extra)
    return shown


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def show_table(table: pd.DataFrame, title: str) -> None:
    """A result table as it is."""
    out = console()
    out.print(title)
    shown = Table(*map(str, table.columns), box=None)
    for row in table.itertuples(index=False):
        shown.add_row(*map(_cell, row))
    out.print(shown)


def _cell(x: object) -> str:
    """Five digits of a number; nothing where there is none."""
    if x is None or x != x:
        return ""
    return f"{x:.5g}" if isinstance(x, float) else str(x)
