"""What the trial may find: courses, power, assurance, decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaptrial.output.figures import capital, path_in_words
from kaptrial.pack.document import Block, Cell, Heading, Paragraph, Section, Table, not_applicable
from kaptrial.pack.facts import Facts
from kaptrial.questions.power.headline import FALSE_RATES, POWERS, in_unit, unit_of
from kaptrial.results import Row

if TYPE_CHECKING:
    from kaptrial.questions.power.answer import PowerResults

from kaptrial.pack.sections.titles import TITLES, picture_of


def courses(facts: Facts) -> Section:
    drawn = facts.study.power.figures_drawn
    lead = f"Under these assumptions the trial is sized {facts.goal} ({facts.compared})."
    blocks: list[Block] = [Paragraph(text=lead, style="lead")]
    about = {
        "trajectories": "Line chart of the mean score of each arm over time, latent and observed",
        "decay": "Line chart of the drug's effect after one dose and after a series, without therapy",
        "interaction_room": "Means of the four cells beside the sum of both effects and the end of the scale",
    }
    for name, alt in about.items():
        if name in drawn:
            blocks.append(picture_of(name, drawn[name], alt))
    return Section(id="courses", title="Expected courses", blocks=blocks)


def power(facts: Facts) -> Section:
    study = facts.study
    blocks: list[Block] = [Paragraph(text=facts.one_sentence, style="lead")]
    if facts.belief_rate is not None:
        text = "Where patients believe in what is compared and it does nothing, the test is significant in"
        text = f"{text} {facts.belief_rate} of trials."
        blocks.append(Paragraph(text=text))
    if facts.with_looks:
        blocks.append(Paragraph(text=facts.with_looks))
    blocks.append(_questions(facts))
    needed = dict.fromkeys(note.text for note in study.power.notes if note.code == "number_needed_to_treat")
    blocks += [Paragraph(text=capital(text) + ".", style="note") for text in needed]
    for title, name, results, path in (
        ("By the number of patients", "power_by_size", study.by_size, study.size_path),
        ("By the size of the effect", "power_by_effect", study.by_effect, study.effect_path),
        ("By the day of the primary outcome", "power_by_day", study.by_day, "estimand.day"),
    ):
        blocks.append(Heading(text=title))
        if results is None or path is None:
            why = {
                "power_by_effect": "No single number of the scenario makes the primary effect, so it is not varied.",
                "power_by_day": "The primary question can be asked on one visit only.",
            }[name]
            blocks.append(Paragraph(text=why, style="note"))
            continue
        drawn = results.figures_drawn
        figure = drawn.get("power_by_day") or drawn.get("power_curve")
        table = _over(facts, name, results, path)
        blocks.append(table)
        if figure is not None:
            picture = picture_of(name, figure, f"Line chart of power {title[0].lower()}{title[1:]}")
            blocks.append(picture)
    warnings = dict.fromkeys(note.text for note in study.power.notes if note.severity == "warning")
    blocks += [Paragraph(text=note, style="note") for note in warnings]
    return Section(id="power", title="Power and type I error", blocks=blocks)


def _questions(facts: Facts) -> Table:
    """Every question of the scenario and its variants, by every analysis."""
    rows: list[list[Cell]] = []
    for c, cell in enumerate(facts.study.power.cells):
        by_question: dict[object, dict[str, Row]] = {}
        for row in cell.rows:
            by_question.setdefault(row.question, {})[row.metric] = row
        for q, metrics in enumerate(by_question.values()):
            metric = next((name for name in POWERS if name in metrics), None)
            if metric is None or "truth" not in metrics:
                continue
            label = str(cell.cell.columns.get("variant", "as declared"))
            key = f"questions.{c}.{q}"
            first = c == 0 and metrics[metric] is cell.primary.get(metric)
            power = (
                facts.power
                if first
                else facts.numbers.percent(f"{key}.power", metrics[metric].value, metrics[metric].mcse)
            )
            false: Cell = "–"
            for name in FALSE_RATES:
                if name in metrics:
                    false = facts.numbers.percent(f"{key}.{name}", metrics[name].value, metrics[name].mcse)
            row_ = metrics["truth"]
            truth = facts.numbers.add(f"{key}.truth", row_.value, mcse=row_.mcse, unit=row_.question.measure)
            asked = row_.question
            about = f"{asked.contrast}, {asked.endpoint.replace('_', ' ')}, day {asked.day:g}"
            rows.append([label, about, asked.analysis, truth, asked.measure.replace("_", " "), power, false])
    headings = ["World", "Question", "Analysis", "Truth", "Measure", "Power", "Type I error"]
    if all(row[0] == "as declared" for row in rows):
        headings, rows = headings[1:], [row[1:] for row in rows]
    caption = "Power of every question, beside how often the same test is significant without the effect."
    return Table(name="questions", caption=caption, headings=headings, rows=rows)


def _over(facts: Facts, name: str, results: PowerResults, path: str) -> Table:
    """Power, false rate and truth of the primary question over one path."""
    rows: list[list[Cell]] = []
    for cell in results.cells:
        value = cell.cell.columns[path]
        metrics = cell.primary
        key = f"{name}.{value:g}"
        rate = metrics[facts.metric]
        row: list[Cell] = [
            facts.numbers.add(f"{key}.value", float(value), shown=f"{value:g}"),
            facts.numbers.percent(f"{key}.power", rate.value, rate.mcse),
        ]
        false = next((metrics[metric] for metric in FALSE_RATES if metric in metrics), None)
        row.append("–" if false is None else facts.numbers.percent(f"{key}.false", false.value, false.mcse))
        truth = metrics["truth"]
        shown = in_unit(truth.value, truth.mcse, truth.question.measure, facts.scenario)
        unit = truth.question.measure
        row.append(facts.numbers.add(f"{key}.effect", truth.value, mcse=truth.mcse, unit=unit, shown=shown))
        rows.append(row)
    effect = f"True effect ({unit_of(facts.scenario, facts.effect_row.question.measure)})"
    headings = [capital(path_in_words(path)), "Power", capital(facts.false_name), effect]
    caption = f"Power of the primary question over {path_in_words(path)}, all else as declared."
    return Table(name=name, caption=caption, headings=headings, rows=rows)


def assurance(facts: Facts) -> Section:
    result = facts.study.assurance
    if result is None:
        why = "The scenario has no design prior; with one (`prior:`), power is averaged over what is believed."
        return not_applicable("assurance", TITLES["assurance"], why)
    assert result.headline is not None
    primary = {row.metric: row for row in result.rows if row.question == result.rows[0].question}
    names = {
        "assurance": "Assurance: power averaged over the prior",
        "probability_of_80_power": "Probability that power is 80 % or more",
        "power": "Power at the scenario's own values",
        "fixed_assurance": "Assurance without interim analyses",
    }
    rows: list[list[Cell]] = [
        [text, facts.numbers.percent(f"assurance.{name}", primary[name].value, primary[name].mcse)]
        for name, text in names.items()
        if name in primary
    ]
    table = Table(
        name="assurance", caption="Assurance of the primary question.", headings=["Figure", "Value"], rows=rows
    )
    figure = result.plot("assurance")
    picture = picture_of("assurance", figure, "Histogram of power over draws of the prior")
    return Section(
        id="assurance",
        title=TITLES["assurance"],
        blocks=[Paragraph(text=result.headline.text, style="lead"), picture, table],
    )


def decision(facts: Facts) -> Section:
    result = facts.study.decision
    if result is None:
        why = "The scenario declares no Bayesian decision rule (`decision:`) and no look at the data."
        return not_applicable("decision", TITLES["decision"], why)
    assert result.headline is not None
    rows: list[list[Cell]] = []
    for k, row in enumerate(result.rows):
        columns = dict(row.question.columns)
        true, prior = str(columns.get("design_prior", "")), str(columns.get("analysis_prior", ""))
        value: Cell = facts.numbers.add(f"decision.{k}", row.value, mcse=row.mcse)
        rows.append([true, prior, row.metric.replace("_", " "), value])
    table = Table(
        name="decision",
        caption="How often the trial ends with each verdict, by what is true and by the prior of the analysis.",
        headings=["What is true", "Prior of the analysis", "Figure", "Value"],
        rows=rows,
    )
    picture = picture_of("decision", result.plot("decisions"), "Bars of the shares of each verdict")
    return Section(
        id="decision",
        title=TITLES["decision"],
        blocks=[Paragraph(text=result.headline.text, style="lead"), picture, table],
    )
