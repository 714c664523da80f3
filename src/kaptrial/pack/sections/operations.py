"""How the trial goes: its clinic, and the flow of patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaptrial.output.figures import capital
from kaptrial.output.terminal import by_mcse
from kaptrial.pack import figures
from kaptrial.pack.document import Block, Cell, Paragraph, Picture, Section, Table, not_applicable
from kaptrial.pack.facts import Facts
from kaptrial.pack.flow import EVENT_NAMES, Count
from kaptrial.pack.numbers import Number, plain
from kaptrial.questions.clinic.output import clinic_figures, currency

if TYPE_CHECKING:
    pass

from kaptrial.pack.sections.titles import TITLES, picture_of


def clinic(facts: Facts) -> Section:
    result = facts.study.clinic
    if result is None:
        why = "The scenario has no plan of sites and staff (`clinic:`), so months, cost and bottleneck are not known."
        return not_applicable("clinic", TITLES["clinic"], why)
    assert result.headline is not None
    money = currency(facts.scenario)
    rows: list[list[Cell]] = []
    for k, q in enumerate(result.rows):
        value: Cell = facts.numbers.add(f"clinic.{k}", q.value, mcse=q.mcse, unit=q.unit)
        span = f"{by_mcse(q.lower, q.mcse)} to {by_mcse(q.upper, q.mcse)}"
        rows.append([q.table, q.of, q.metric, value, q.unit or money, span])
    table = Table(
        name="clinic",
        caption="What the clinic does: means over simulated trials, and the range that holds 90 % of them.",
        headings=["Table", "Of", "Figure", "Mean", "Unit", "90 % of trials"],
        rows=rows,
    )
    alts = {
        "accrual": "Patients in and out by month",
        "utilisation": "How busy each resource is",
        "flow": "Flow of patients from referral to completion",
        "week": "One week of the clinic",
        "lags": "Hours from infusion to session",
    }
    lead = f"The trial takes {facts.months} months to its last patient out"
    lead += f" and costs {facts.cost} {money}." if facts.cost is not None else "; no cost is declared."
    blocks: list[Block] = [Paragraph(text=lead, style="lead"), Paragraph(text=result.headline.text)]
    blocks += [Paragraph(text=note.text) for note in result.notes]
    blocks += [
        picture_of(f"clinic_{name}", fig, alts.get(name, name), fits_one_column=name not in ("flow", "week"))
        for name, fig in clinic_figures(result).items()
    ]
    return Section(id="clinic", title=TITLES["clinic"], blocks=[*blocks, table])


def flow(facts: Facts) -> Section:
    arms, when = facts.study.flow, plain(facts.when)
    rows: list[list[Cell]] = []
    boxes = []
    for arm in arms:
        steps = [("randomised", "Randomised", arm.randomised)]
        steps += [(event, capital(EVENT_NAMES[event]), count) for event, count in arm.events.items()]
        steps += [
            ("lost", f"Without a score {facts.when}", arm.lost),
            ("followed", f"With a score {facts.when}", arm.followed),
            ("any_score", "With any score after randomisation", arm.any_score),
        ]
        for key, name, count in steps:
            number = _expected(facts, f"flow.{arm.arm}.{key}", count)
            rows.append([arm.label, name, number, f"{count.lower:g} to {count.upper:g}"])
        during = "\n".join(f"{EVENT_NAMES[e]}: {c.mean:.0f}" for e, c in arm.events.items()) or "no event is declared"
        boxes.append(
            figures.ArmBox(
                f"{arm.label}\nn = {arm.randomised.mean:.0f}",
                during,
                f"no score {when}: {arm.lost.mean:.0f} ({arm.lost.lower:g} to {arm.lost.upper:g})",
                f"score {when}: {arm.followed.mean:.0f}",
            )
        )
    verb = "randomised" if len(arms) > 1 else "entered"
    top = f"{facts.scenario.n_total} patients {verb}"
    title = f"Of {facts.scenario.n_total} patients about {facts.n_analysed.shown} enter the primary analysis"
    figure = figures.flow(boxes, top=top, title=title)
    alt = "Flow diagram. " + " ".join(
        f"{arm.label}: {arm.randomised.mean:.0f} randomised, {arm.lost.mean:.0f} without a score {when}."
        for arm in arms
    )
    table = Table(
        name="flow",
        caption="Expected flow of patients: means over 256 simulated trials, and the range that holds 90 % of them.",
        headings=["Arm", "Step", "Patients", "90 % of trials"],
        rows=rows,
    )
    lead = f"{facts.n_total} patients are {verb}, and about {facts.n_analysed} enter the primary analysis."
    note = (
        "Screening and consent are in the clinic's flow."
        if facts.scenario.clinic is not None
        else "How many must be screened is not modelled without a plan of the clinic (`clinic:`)."
    )
    blocks: list[Block] = [
        Paragraph(text=lead, style="lead"),
        Picture(name="flow", caption=title, alt=alt, figure=figure, fits_one_column=False),
        table,
        Paragraph(text=note, style="note"),
    ]
    return Section(id="flow", title=TITLES["flow"], blocks=blocks)


def _expected(facts: Facts, key: str, count: Count) -> Number:
    return facts.numbers.add(key, count.mean, mcse=count.mcse, unit="patients", shown=f"{count.mean:.1f}")
