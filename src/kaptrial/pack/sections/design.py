"""What the trial is: arms, schedule, estimand, assumptions, planned enrolment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kaptrial.pack import figures
from kaptrial.pack.document import Block, Bullets, Cell, Heading, Paragraph, Picture, Section, Table
from kaptrial.pack.enrolment import planned_enrolment
from kaptrial.pack.facts import Facts
from kaptrial.pack.numbers import plain
from kaptrial.pack.schedule import schedule
from kaptrial.questions.power.doses import all_doses, dose_word
from kaptrial.scenario.sourced import Sourced, unit_in_words

if TYPE_CHECKING:
    pass

from kaptrial.pack.sections.titles import TITLES


def design(facts: Facts) -> Section:
    s = facts.scenario
    run_in = s.randomisation.run_in
    before = [day for doses in run_in.doses for day in doses.days] if run_in else []
    lanes = [
        figures.Lane(
            arm.label,
            f", n = {s.n_total * share / sum(s.ratio):g}",
            before + [day for doses in arm.doses for day in doses.days],
            arm.therapy.days if arm.therapy else (),
            [(a.from_day, a.to_day, a.name) for a in arm.adjuncts],
        )
        for arm, share in zip(s.arms, s.ratio, strict=True)
    ]
    many = len(s.arms) > 1
    arms = f" in {len(s.arms)} arms" if many else ""
    title = f"{s.title}: {s.n_total} patients{arms}, primary outcome {plain(facts.when)}"
    figure = figures.schematic(
        lanes,
        visits=s.design.visits,
        primary=s.estimand.day,
        randomised=s.randomisation.day if many else None,
        dose=dose_word(all_doses(s)),
        title=title,
    )
    alt = "Diagram of the arms over time. " + " ".join(
        f"{lane.label}: {len(lane.doses)} doses{_on(lane.doses)}, {len(lane.sessions)} sessions{_on(lane.sessions)}."
        for lane in lanes
    )
    blocks: list[Block] = [
        Paragraph(text=s.question.strip(), style="lead"),
        Paragraph(
            text=f"{facts.n_total} patients are randomised ({facts.n_by_arm})."
            if many
            else f"{facts.n_total} patients enter one arm."
        ),
        _planned(facts),
        Picture(name="design", caption=title, alt=alt, figure=figure),
    ]
    return Section(id="design", title="Design", blocks=blocks)


def _planned(facts: Facts) -> Paragraph:
    hours = facts.therapist_hours
    text = f"{facts.exposed} patients are given ketamine or esketamine"
    if hours is None:
        return Paragraph(text=f"{text}; therapist hours are not known, because a session's minutes are not declared.")
    return Paragraph(text=f"{text}; therapy takes {hours} therapist hours as planned.")


def _on(days: Sequence[float]) -> str:
    if not days:
        return ""
    return f" on day {days[0]:g}" if len(days) == 1 else f" from day {min(days):g} to {max(days):g}"


def schedule_section(facts: Facts) -> Section:
    text = (
        "Time points are the scenario's; screening, consent, questions on expectation and belief are added as SPIRIT"
        " 2025 and good practice ask. Check them against your procedures."
    )
    return Section(
        id="schedule",
        title="Schedule of enrolment, interventions and assessments",
        blocks=[schedule(facts.scenario), Paragraph(text=text, style="note")],
    )


def estimand(facts: Facts) -> Section:
    names = {
        "population": "Population",
        "treatment": "Treatment conditions",
        "variable": "Variable",
        "intercurrent events": "Intercurrent events and strategies",
        "summary": "Population-level summary",
    }
    rows = [[names[name], text] for name, text in facts.estimand.items()]
    table = Table(
        name="estimand",
        caption="The primary estimand in the five attributes of ICH E9(R1).",
        headings=["Attribute", "Primary estimand"],
        rows=rows,
    )
    others = facts.scenario.secondary
    blocks: list[Block] = [table]
    if others:
        lines = [f"{e.contrast}, {e.endpoint.replace('_', ' ')}, day {e.day:g}" for e in others]
        blocks += [Heading(text="Secondary questions"), Bullets(items=lines)]
    return Section(id="estimand", title="Estimand", blocks=blocks)


def assumptions(facts: Facts) -> Section:
    rows: list[list[Cell]] = []
    for path, number in facts.assumed:
        value = facts.numbers.add(f"assumption.{path}", number.value, unit=number.unit, shown=f"{number.value:g}")
        rows.append([path, value, _spread(number), unit_in_words(number.unit), number.source, _why(number)])
    table = Table(
        name="assumptions",
        caption="Every number about the world, with its source. Spread: SD between patients, on the scale named.",
        headings=["Parameter", "Value", "Spread", "Unit", "Source", "How it was taken"],
        rows=rows,
    )
    lead = (
        f"Of {facts.n_numbers} numbers about the world, {facts.n_assumptions} rest in whole or in part on assumptions,"
        " which say why."
    )
    blocks: list[Block] = [Paragraph(text=lead, style="lead"), table]
    if facts.thresholds:
        blocks += [Heading(text="Differences that matter on this scale"), Bullets(items=facts.thresholds)]
    return Section(id="assumptions", title="Assumptions", blocks=blocks)


def _spread(number: Sourced) -> str:
    for name, words_ in (("sd", "SD"), ("log_sd", "SD of the log"), ("logit_sd", "SD of the logit")):
        value = getattr(number, name)
        if value is not None:
            return f"{words_} {value:g}"
    return ""


def _why(number: Sourced) -> str:
    return "; ".join(filter(None, [number.derived, number.note, number.spread_note]))


def enrolment(facts: Facts) -> Section:
    plan = facts.scenario.design.enrolment
    note = (
        "Sex, ethnicity and race are taken to be independent; replace the cells by what your site expects."
        if plan is not None
        else "The scenario does not say who is to be enrolled (`design.enrolment`): the cells are yours to fill."
    )
    table = planned_enrolment(facts.scenario)
    blocks: list[Block] = [Paragraph(text=note, style="note"), table]
    return Section(id="enrolment", title=TITLES["enrolment"], blocks=blocks)
