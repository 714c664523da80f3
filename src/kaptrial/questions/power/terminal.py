"""Tables and sentences for the terminal. Numbers are rounded by their Monte Carlo error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaptrial.output.tables import Column, key, number, of_rows, text, wrapped
from kaptrial.output.terminal import by_mcse, error, paragraph, say, table, width, with_controls, with_error
from kaptrial.questions.power.beside_prior import position
from kaptrial.questions.power.design import effect_in_words, estimand_in_words, size_in_words, truth_in_words
from kaptrial.questions.power.doses import all_doses, dose_word
from kaptrial.questions.power.traps import traps
from kaptrial.results import Question, Results, Row, grouped
from kaptrial.scenario.decision import DecisionRule
from kaptrial.scenario.own_scale import described as scale_lines
from kaptrial.scenario.own_sources import unused_sources
from kaptrial.scenario.percent_of_days import described as in_percent
from kaptrial.scenario.prior import Prior
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import unit_in_words, walk
from kaptrial.scenario.trial import Look

if TYPE_CHECKING:
    from kaptrial.priors.comparison import Compared
    from kaptrial.priors.recomputed import Recomputed
    from kaptrial.questions.power.truth import Truth


# The metrics a table on the terminal shows, in this order, and those that it shows if asked for all; files hold all.
SHOWN = (
    "power", "power_better", "power_non_inferiority", "power_multiplicity", "power_any", "power_all", "type_i_error",
    "false_synergy_rate", "power_difference", "power_better_difference", "power_non_inferiority_difference",
    "expectancy_only_rate", "truth", "truth_if_additive", "truth_without_expectancy",
)  # fmt: skip

HEADINGS = {
    "type_i_error": "type I error", "type_s": "type S", "type_m": "type M", "power_difference": "difference",
    "power_better_difference": "difference", "power_non_inferiority_difference": "difference",
}  # fmt: skip


def show_check(scenario: Scenario, path: Path, beside: Results[Compared], from_figures: Sequence[Recomputed]) -> None:
    """Say that the scenario is sound, how far it is from the prior, and what in it rests on an assumption.

    `from_figures`: its numbers that follow from published figures, recomputed.
    """
    numbers = walk(scenario)
    n_recomputed = sum(value.is_recomputed for _, value in numbers)
    assumed = [(where, value) for where, value in numbers if value.is_assumption]
    notes = [note for note in traps(scenario) if note.code != "default_analysis"]  # said with the analyses
    warnings = [note for note in notes if note.severity == "warning"]
    said = f"{len(warnings)} warning{'s' * (len(warnings) != 1)}" if warnings else "nothing to warn of"
    paragraph(
        f"{path} is a valid scenario, with {said}; of its {len(numbers)} numbers about the world {len(assumed)} are"
        f" assumptions and {n_recomputed} are recomputed from published figures.\n"
    )
    for each in from_figures:
        if not each.agrees:
            paragraph(f"warning: {each.path}: is {each.stated:g}, and its formula gives {each.computed:.4g}", "  ")
    paragraph(scenario.title)
    for note in notes:
        paragraph(f"{note.severity}: {note.text}", "  ")
    paragraph(f"\ndesign: {size_in_words(scenario)}", "  ")
    for name, words in estimand_in_words(scenario):
        paragraph(f"{name}: {words}", "  ")
    for line in [*decision_lines(scenario), *analysis_lines(scenario)]:
        paragraph(line, "  ")
    _show_beside_prior(beside)
    if assumed:
        lines = []
        for where, value in assumed:
            why = value.note if value.source == "assumption" else f"spread: {value.spread_note}"
            lines.append((where, f"{value.value:g}", unit_in_words(value.unit), why or ""))
        heads = [("path", key), ("value", number), ("unit", text), ("why it is assumed", text)]
        table(*of_rows(heads, lines), title="Assumptions")
    if scenario.prior is not None:
        for line in prior_lines(scenario.prior):
            paragraph(line)
    for name in unused_sources(scenario):
        paragraph(f"sources.{name}: no number names it")


def _show_beside_prior(beside: Results[Compared]) -> None:
    if beside.headline is None:
        return
    paragraph(f"\n{beside.headline.text}")
    lines = [
        (
            row.label,
            f"{row.value:.3g}",
            f"{row.median:.2g}",
            f"{row.low:.2g} to {row.high:.2g}",
            position(row),
            "" if row.inside else row.reason,
        )
        for row in beside.rows
    ]
    heads = [
        ("value", key), ("scenario", number), ("prior's median", number), ("90 % range", number), ("", text),
        ("the scenario's reason", text),
    ]  # fmt: skip
    table(*of_rows(heads, lines), title="Beside the prior")


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
    for name, own in (rule.own_priors or {}).items():
        why = f": {own.note}" if own.note else ""
        stated = ", ".join(f"{role} {text}" for role, text in own.by_role.items())
        said.append(f"prior {name}: {stated} (SDs towards benefit), {own.source}{why}")
    return said + [look_in_words(look) for look in scenario.design.looks]


def look_in_words(look: Look) -> str:
    """When a trial ends at a look, in one sentence."""
    futile = f"stop if P(go at the end) < {look.futility:g}"
    go = "" if look.efficacy is None else f"; go if P(better than the margin) ≥ {look.efficacy:g}"
    return f"look after {100 * look.share:g} % of the patients: {futile}{go}"


def analysis_lines(scenario: Scenario) -> list[str]:
    """The methods of each estimand, and why where none is declared."""
    lines = []
    for estimand in scenario.estimands:
        name, why = scenario.default_analysis(estimand)
        declared = estimand.methods or scenario.analysis.methods
        what = ", ".join(declared) if declared else f"{name}, by default ({why})"
        outcome = f" of {estimand.outcome}" if estimand.outcome else ""
        lines.append(f"analysis of {estimand.contrast}, {estimand.endpoint}{outcome} on day {estimand.day:g}: {what}")
    return lines


def rule_in_words(rule: DecisionRule) -> str:
    """The decision rule in one sentence."""
    beyond = "better than 0" if rule.margin == 0 else f"better than {rule.margin:g} points"
    text = f"go if P({beyond}) ≥ {rule.go:g}; no go if ≤ {rule.no_go:g}"
    if rule.rope is None:
        return text
    return text + f"; no difference if P(within ± {rule.rope:g} points) ≥ {rule.rope_probability:g}"


def show_description(scenario: Scenario, truths: Sequence[Truth], seed: int) -> None:
    """What is true in one sentence; design, estimand and warnings; parameters with their sources; all truths.

    Without truths, which take a simulation, the rest.
    """
    if truths:
        paragraph(f"{truth_in_words(scenario, truths[0])}\n")
    paragraph(f"{scenario.title}\n{scenario.question}\n")
    if scenario.notes:
        paragraph(scenario.notes.strip() + "\n")
    for line in timeline(scenario, width()):
        say(line)
    paragraph(f"\ndesign: {size_in_words(scenario)}", "  ")
    for name, words in estimand_in_words(scenario):
        paragraph(f"{name}: {words}", "  ")
    for line in effect_in_words(scenario, truths[0], seed) if truths else []:
        paragraph(line, "  ")
    for line in [*decision_lines(scenario), *analysis_lines(scenario)]:
        paragraph(line, "  ")
    for note in traps(scenario):
        if note.severity == "warning":
            paragraph(f"warning: {note.text}", "  ")
    _show_assumptions(scenario)
    for line in [*scale_lines(scenario.primary_outcome.scale), *in_percent(scenario)]:
        paragraph(line)
    for outcome in scenario.other_outcomes.values():
        for line in scale_lines(outcome.scale):
            paragraph(line)
    for name, publication in (scenario.sources or {}).items():
        paragraph(f"{name}: {publication}", "  ")
    if truths:
        _show_truths(scenario, truths, seed)
    for kind, name in (("mcid", "meaningful difference"), ("reliable_change", "reliable change of one patient")):
        for threshold in scenario.scale.thresholds[kind]:
            least = f"{scenario.scale.id} {name}: {threshold.get('value', threshold.get('fraction')):g}"
            paragraph(f"{least} ({threshold.get('kind', name)}; {threshold['source']})")
    for arm, icc in zip(scenario.arms, truths[0].icc, strict=True) if truths else []:
        if icc > 0:
            paragraph(f"therapist ICC in {arm.id} at day {scenario.estimand.day:g}: {icc:.3f}")


def _show_assumptions(scenario: Scenario) -> None:
    """The numbers about the world, with their sources."""
    lines = []
    for where, value in walk(scenario):
        spread = next(
            (f"{k} {getattr(value, k):g}" for k in ("sd", "log_sd", "logit_sd") if getattr(value, k) is not None), ""
        )
        lines.append((where, f"{value.value:g}", spread, unit_in_words(value.unit), value.source))
    heads = [("parameter", key), ("value", number), ("spread", number), ("unit", text), ("source", text)]
    table(*of_rows(heads, lines), title="What is assumed of the world")


def _show_truths(scenario: Scenario, truths: Sequence[Truth], seed: int) -> None:
    """The true value of each estimand, with the means behind it."""
    events = scenario.conduct.intercurrent_events
    true_lines = []
    for estimand, truth in zip(scenario.estimands, truths, strict=True):
        means = (f"{mean:.2f}" for mean in truth.arm_means)
        asked = (estimand.contrast, estimand.endpoint, f"{estimand.day:g}", estimand.strategies.described(events))
        outcome = [scenario.outcome_named(estimand) or ""] if scenario.outcomes else []
        true_lines.append((*outcome, *asked, by_mcse(truth.value, truth.mcse), error(truth.mcse), *means))
    keys = [("outcome", key)] if scenario.outcomes else []
    keys += [(name, key) for name in ("contrast", "endpoint", "day", "strategies" if events else "")]
    names = ("truth", "MCSE", *(arm.id for arm in scenario.arms))
    title = f"Truth under the model (means of the recorded endpoint by arm; seed {seed})"
    table(*of_rows([*keys, *((name, number) for name in names)], true_lines), title=title)


def timeline(scenario: Scenario, columns: int = 100) -> list[str]:
    """Arms × days: ▼ infusion (or other dose), ● session, | visit."""
    last = max(scenario.design.visits)
    label = max(6, *(len(arm.id) for arm in scenario.arms)) + 2
    span = min(100, max(20, columns - label - 1))

    def row(name: str, marks: list[tuple[float, str]]) -> str:
        line = [" "] * (span + 1)
        for day, mark in marks:
            at = round(day / last * span) if last else 0
            if 0 <= at <= span:
                line[at] = "◆" if line[at] not in (" ", mark) else mark
        return f"{name:<{label}}{''.join(line).rstrip()}"

    dose = dose_word(all_doses(scenario))
    legend = f"days 0 to {last:g}:  ▼ {dose}   ● session   ◆ both on (nearly) the same day   | visit"
    lines = wrapped(legend, columns)
    run_in = scenario.randomisation.run_in
    before = [(day, "▼") for d in run_in.doses for day in d.days] if run_in else []
    for arm in scenario.arms:
        marks = before + [(day, "▼") for d in arm.doses for day in d.days]
        marks += [(day, "●") for day in (arm.therapy.days if arm.therapy else ())]
        lines.append(row(arm.id, marks))
    lines.append(row("visits", [(day, "|") for day in scenario.design.visits]))
    return lines


def show_power(results: Results[Row], *, everything: bool = False) -> None:
    """The characteristics of every cell, one line a question; then what is to be said of them.

    `everything`: diagnostics, too, such as standard errors, coverage and errors of sign and size.
    """
    about = results.provenance
    wanted = f" for an error of {about['mcse']:g}" if "mcse" in about else ""
    differs = any(row.metric.endswith("_difference") for row in results.rows if row.metric in SHOWN)
    paired = "; difference: of power from that of the first" if differs else ""
    if results.headline is not None:
        paragraph(f"{results.headline.text}\n")
    paragraph(
        f"{about['title']}\nseed {about['seed']}, {about['replicates']} replicates{wanted}, kaptrial"
        f" {about['version']}; value ± Monte Carlo standard error{with_controls(about)}{paired}\n"
    )
    groups = grouped(results.rows)
    heads = _heads(list(groups))
    varying = _telling_apart(heads)
    same = {name: list(dict.fromkeys(_plain(head[name]) for head in heads)) for name in heads[0] if name not in varying}
    paragraph("; ".join(f"{name}: {', '.join(filter(None, v))}" for name, v in same.items() if any(v)) + "\n")
    shown = _metrics_shown(list(groups.values()), everything)
    columns: list[Column] = [key(name, [_plain(head[name]) for head in heads]) for name in varying]
    for metric in shown:
        cells = [with_error(by_metric.get(metric)) for by_metric in groups.values()]
        columns.append(number(HEADINGS.get(metric, metric.replace("_", " ")), cells))
    table(*columns)
    worst = max((row.n_failed for row in results.rows if row.n_failed != row.n_replicates), default=0)
    if worst:
        paragraph(f"up to {worst} replicates had no estimate and count as not rejecting")
    fallbacks = [row.value for row in results.rows if row.metric == "fallback_rate"]
    if fallbacks:
        share = f"up to {100 * max(fallbacks):.2g} % of replicates"
        paragraph(f"{share} could not be fitted with the first covariance structure and took the next")
    for note in sorted(results.notes, key=lambda note: note.severity == "information"):
        paragraph(("\n" if note.code == "interaction_room" else "") + note.text)


def _heads(questions: list[Question]) -> list[dict[str, Any]]:
    """What each question is about, in the order of the table's columns; a measure that is no difference is named."""
    heads = []
    for question in questions:
        about: dict[str, Any] = question.flat()
        measure, analysis = str(about.pop("measure")).replace("_", " "), about.pop("analysis")
        if measure != "difference" and measure != about["endpoint"]:
            about["endpoint"] = f"{about['endpoint']}: {measure}"
        columns = dict(question.columns)
        rest = {name: value for name, value in about.items() if name not in columns}
        heads.append({**columns, **rest, "analysis": analysis})
    names = dict.fromkeys(name for head in heads for name in head)
    return [{name: head.get(name) for name in names} for head in heads]


def _telling_apart(heads: list[dict[str, Any]]) -> list[str]:
    """The names that tell questions apart, none that adds nothing to those before it."""
    chosen: list[str] = []
    for name in heads[0]:
        if _distinct(heads, [*chosen, name]) > _distinct(heads, chosen):
            chosen.append(name)
    return chosen


def _distinct(heads: list[dict[str, Any]], names: list[str]) -> int:
    return len({tuple(str(head[name]) for name in names) for head in heads})


def _metrics_shown(groups: list[dict[str, Row]], everything: bool) -> list[str]:
    """The metrics that some question has, less those that say nothing new."""
    shown = [metric for metric in SHOWN if any(metric in by_metric for by_metric in groups)]
    if everything:
        return list(dict.fromkeys([*shown, *(metric for by_metric in groups for metric in by_metric)]))
    if "power_better" in shown:  # what is found worse than a benchmark is no success
        shown.remove("power")
    for extra in ("truth_if_additive", "truth_without_expectancy"):
        values = [tuple(f[m].value if m in f else None for m in (extra, "truth")) for f in groups]
        if extra in shown and all(one == other for one, other in values):
            shown.remove(extra)
    return shown


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
