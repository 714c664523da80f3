"""What the answer depends on: each assumption in turn, and adverse worlds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaptrial.output.figures import capital, name_in_words
from kaptrial.pack import figures
from kaptrial.pack.document import Block, Bullets, Cell, Heading, Paragraph, Picture, Section, Table, not_applicable
from kaptrial.pack.facts import Facts, beside_number
from kaptrial.pack.tornado import HIGH, LOW
from kaptrial.pack.worlds import LEAST_POWER, LIBERAL, STRINGENT, Tried, Worlds
from kaptrial.questions.power.measures import TARGET_POWER

if TYPE_CHECKING:
    pass

from kaptrial.pack.sections.titles import TITLES

# Assumptions that the tornado draws; its table has all.
DRAWN = 15


def sensitivity(facts: Facts) -> Section:
    result = facts.study.tornado
    if not result.bars:
        return not_applicable("sensitivity", TITLES["sensitivity"], "The scenario has no number with a range.")
    rows: list[list[Cell]] = []
    for bar in result.bars:
        path = bar.range.path
        cells: list[Cell] = [path, f"{bar.range.own:g}{beside_number(bar.range.unit)}"]
        for name, end in (("low", bar.low), ("high", bar.high)):
            key = f"tornado.{path}.{name}"
            cells.append(facts.numbers.add(f"{key}.value", end.value, unit=bar.range.unit, shown=f"{end.value:.3g}"))
            if end.problem:
                cells.append("not allowed there")
                continue
            power = facts.end(path, name, end)
            cells.append(power)
        cells.append(facts.numbers.points(f"tornado.{path}.reach", bar.reach, max(bar.low.mcse, bar.high.mcse)))
        cells.append(bar.range.origin)
        rows.append(cells)
    headings = [
        "Number",
        "As declared",
        "Low end",
        "Power there",
        "High end",
        "Power there ",
        "Largest change, points",
        "Range",
    ]
    percent = f"{100 * LOW:g} and {100 * HIGH:g} %"
    as_declared = facts.numbers.percent("tornado.as_declared", result.power, result.mcse)
    caption = (
        f"Power with one number at the {percent} of its range, from {result.replicates:,} trials each, the same ones in"
        f" every row; as declared it is {as_declared} in these trials."
    )
    table = Table(name="sensitivity", caption=caption, headings=headings, rows=rows)
    title = f"{capital(name_in_words(result.bars[0].range.path))} moves power most, of {len(result.bars)} numbers moved"
    bars = [
        figures.TornadoBar(
            name_in_words(bar.range.path),
            (f"{bar.low.value:.3g}", bar.low.power),
            (f"{bar.high.value:.3g}", bar.high.power),
        )
        for bar in result.bars[:DRAWN]
    ]
    alt = "Tornado chart of power. " + " ".join(
        f"{bar.name}: {bar.low[1]:.2f} at {bar.low[0]}, {bar.high[1]:.2f} at {bar.high[0]}." for bar in bars[:8]
    )
    figure = figures.tornado(bars, power=result.power, title=title)
    note = (
        "A range is the scenario's own where it declares one, then the 10 and 90 % of its design prior, then those of"
        " the spread between patients (as if the typical patient were one of these), else a fifth less and a quarter"
        " more. Bars of different kinds of range are not to be compared as if one were as likely as another."
    )
    return Section(
        id="sensitivity",
        title=TITLES["sensitivity"],
        blocks=[
            Paragraph(text=f"{facts.strongest}.", style="lead"),
            Picture(name="sensitivity", caption=title, alt=alt, figure=figure),
            table,
            Paragraph(text=note, style="note"),
        ],
    )


def worlds(facts: Facts) -> Section:
    result = facts.study.worlds
    every = (result.own, *result.tried)
    rows = [_world_row(facts, each) for each in every]
    table = Table(
        name="worlds",
        caption=f"The plan in adverse worlds, from {result.replicates:,} trials each, the same ones in every world.",
        headings=["World", "What is different", "Power", "Change, points", "False claims", "Verdict"],
        rows=rows,
    )
    points = [
        figures.WorldPoint(
            each.world.name,
            each.verdict or "",
            None if each.power is None else (each.power.value, each.power.mcse),
            None if each.false_claims is None else (each.false_claims.value, each.false_claims.mcse),
        )
        for each in every
        if not each.problem
    ]
    alpha = facts.scenario.analysis.alpha
    title = _verdict_title(result)
    figure = figures.worlds(points, target=TARGET_POWER, least=LEAST_POWER, alpha=alpha, title=title)
    alt = "Dot chart of power and false claims. " + " ".join(
        f"{p.name}: {p.verdict}" + (f", power {p.power[0]:.2f}" if p.power else "") + "." for p in points
    )
    rule = (
        f"PASS: power of {100 * TARGET_POWER:g} % or more, and false claims of at most {STRINGENT * alpha:.3g} (Bradley"
        f" 1978) but for Monte Carlo error. FAIL: power below {100 * LEAST_POWER:g} %, or false claims above"
        f" {LIBERAL * alpha:.3g}. AT RISK: between. The worlds and limits are conventions of this pack, not findings."
    )
    blocks: list[Block] = [
        Paragraph(text=f"Verdict: {facts.verdict}. {facts.breaking}", style="lead"),
        Picture(name="worlds", caption=title, alt=alt, figure=figure),
        table,
        Paragraph(text=rule, style="note"),
    ]
    if result.absent:
        blocks += [
            Heading(text="Worlds that do not apply"),
            Bullets(items=[f"{n}: {why}." for n, why in result.absent]),
        ]
    return Section(id="worlds", title=TITLES["worlds"], blocks=blocks)


def _verdict_title(result: Worlds) -> str:
    """The verdict, and what it rests on, short enough for a figure."""
    broken = result.breaking
    if broken is None:
        return f"{result.verdict}: the plan holds in all {len(result.tried)} worlds that were tried"
    parts = [f"power {100 * broken.power.value:.0f} %"] if broken.power is not None else []
    parts += [f"false claims {100 * broken.false_claims.value:.1f} %"] if broken.false_claims is not None else []
    return f"{result.verdict}: {broken.world.name}: {', '.join(parts)}"


def _world_row(facts: Facts, tried: Tried) -> list[Cell]:
    name = tried.world.name
    if tried.problem:
        return [name, tried.world.what, "–", "–", "–", tried.problem]
    cells: list[Cell] = [name, tried.world.what]
    for kind, rate in (("power", tried.power), ("false_claims", tried.false_claims)):
        cells.append("–" if rate is None else facts.numbers.percent(f"world.{name}.{kind}", rate.value, rate.mcse))
    change: Cell = "–"
    if tried.power is not None and tried is not facts.study.worlds.own:
        change = facts.numbers.points(f"world.{name}.change", tried.power.difference, tried.power.difference_mcse)
    cells.insert(3, change)
    return [*cells, facts.numbers.add(f"world.{name}.verdict", tried.verdict)]
