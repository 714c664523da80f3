"""The sections of a pack: each a function of the facts; what does not apply says so in a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from kaptrial.catalogue import source, trial, trial_keys
from kaptrial.catalogue.citation import Citation
from kaptrial.output.figures import capital, name_in_words, path_in_words
from kaptrial.output.terminal import by_mcse
from kaptrial.questions.clinic.output import clinic_figures, currency
from kaptrial.questions.power.doses import all_doses, dose_word
from kaptrial.questions.power.headline import in_unit, unit_of
from kaptrial.questions.power.measures import TARGET_POWER
from kaptrial.report import figures, words
from kaptrial.report.checklist import YOURS, items, statements
from kaptrial.report.document import Block, Bullets, Cell, Heading, Paragraph, Picture, Section, Table, not_applicable
from kaptrial.report.enrolment import planned_enrolment
from kaptrial.report.facts import FALSE_RATES, Facts
from kaptrial.report.flow import EVENT_NAMES, Count
from kaptrial.report.numbers import Number
from kaptrial.report.schedule import schedule
from kaptrial.report.tornado import HIGH, LOW
from kaptrial.report.worlds import LEAST_POWER, LIBERAL, STRINGENT, Tried, Worlds
from kaptrial.results import Row
from kaptrial.scenario.sourced import Sourced, unit_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kaptrial.questions.power.answer import PowerResults

# Assumptions that the tornado draws; its table has all.
DRAWN = 15


def _design(facts: Facts) -> Section:
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
    title = f"{s.title}: {s.n_total} patients{f' in {len(s.arms)} arms' if many else ''}, primary outcome {facts.when}"
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


def _schedule(facts: Facts) -> Section:
    text = (
        "Time points are the scenario's; screening, consent, questions on expectation and belief are added as SPIRIT"
        " 2025 and good practice ask. Check them against your procedures."
    )
    return Section(
        id="schedule",
        title="Schedule of enrolment, interventions and assessments",
        blocks=[schedule(facts.scenario), Paragraph(text=text, style="note")],
    )


def _assumptions(facts: Facts) -> Section:
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


def _estimand(facts: Facts) -> Section:
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


def _courses(facts: Facts) -> Section:
    drawn = facts.study.power.figures_drawn
    lead = f"Under the assumptions the trial is to find {facts.target} {facts.when} ({facts.compared})."
    blocks: list[Block] = [Paragraph(text=lead, style="lead")]
    about = {
        "trajectories": "Line chart of the mean score of each arm over time, latent and observed",
        "decay": "Line chart of the drug's effect after one dose and after a series, without therapy",
        "interaction_room": "Means of the four cells beside the sum of both effects and the end of the scale",
    }
    for name, alt in about.items():
        if name in drawn:
            blocks.append(_picture(name, drawn[name], alt))
    return Section(id="courses", title="Expected courses", blocks=blocks)


def _picture(name: str, figure: Figure, alt: str) -> Picture:
    """A figure of another room: what stands above it becomes its caption."""
    caption = " ".join(figure.get_suptitle().split())
    return Picture(name=name, caption=caption, alt=f"{alt}. {caption}.", figure=figure)


def _power(facts: Facts) -> Section:
    study = facts.study
    blocks: list[Block] = [Paragraph(text=facts.one_sentence, style="lead")]
    blocks.append(_questions(facts))
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
            picture = _picture(name, figure, f"Line chart of power {title[0].lower()}{title[1:]}")
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
            metric = next(
                (name for name in ("power_non_inferiority", "power_better", "power") if name in metrics), None
            )
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


def _sensitivity(facts: Facts) -> Section:
    result = facts.study.tornado
    if not result.bars:
        return not_applicable("sensitivity", TITLES["sensitivity"], "The scenario has no number with a range.")
    rows: list[list[Cell]] = []
    for bar in result.bars:
        path, unit = bar.range.path, unit_in_words(bar.range.unit)
        cells: list[Cell] = [path, f"{bar.range.own:g} {unit}".strip()]
        for name, end in (("low", bar.low), ("high", bar.high)):
            key = f"tornado.{path}.{name}"
            cells.append(facts.numbers.add(f"{key}.value", end.value, unit=bar.range.unit, shown=f"{end.value:.3g}"))
            if end.problem:
                cells.append("not allowed there")
                continue
            power = facts.end(path, name, end.power)
            cells.append(power)
        cells.append(facts.numbers.percent(f"tornado.{path}.reach", bar.reach, max(bar.low.mcse, bar.high.mcse)))
        cells.append(bar.range.origin)
        rows.append(cells)
    headings = [
        "Number",
        "As declared",
        "Low end",
        "Power there",
        "High end",
        "Power there ",
        "Largest change",
        "Range",
    ]
    percent = f"{100 * LOW:g} and {100 * HIGH:g} %"
    caption = (
        f"Power with one number at the {percent} of its range, from {result.replicates:,} trials each, the same ones in"
        " every row."
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


def _worlds(facts: Facts) -> Section:
    result = facts.study.worlds
    every = (result.own, *result.tried)
    rows = [_world_row(facts, each) for each in every]
    table = Table(
        name="worlds",
        caption=f"The plan in adverse worlds, from {result.replicates:,} trials each, the same ones in every world.",
        headings=["World", "What is different", "Power", "False claims", "Verdict"],
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
        return [name, tried.world.what, "–", "–", tried.problem]
    cells: list[Cell] = [name, tried.world.what]
    for kind, rate in (("power", tried.power), ("false_claims", tried.false_claims)):
        cells.append("–" if rate is None else facts.numbers.percent(f"world.{name}.{kind}", rate.value, rate.mcse))
    return [*cells, facts.numbers.add(f"world.{name}.verdict", tried.verdict)]


def _assurance(facts: Facts) -> Section:
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
    picture = _picture("assurance", figure, "Histogram of power over draws of the prior")
    return Section(
        id="assurance",
        title=TITLES["assurance"],
        blocks=[Paragraph(text=result.headline.text, style="lead"), picture, table],
    )


def _decision(facts: Facts) -> Section:
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
    picture = _picture("decision", result.plot("decisions"), "Bars of the shares of each verdict")
    return Section(
        id="decision",
        title=TITLES["decision"],
        blocks=[Paragraph(text=result.headline.text, style="lead"), picture, table],
    )


def _clinic(facts: Facts) -> Section:
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
    blocks: list[Block] = [Paragraph(text=result.headline.text, style="lead")]
    blocks += [Paragraph(text=note.text) for note in result.notes]
    blocks += [_picture(f"clinic_{name}", fig, alts.get(name, name)) for name, fig in clinic_figures(result).items()]
    return Section(id="clinic", title=TITLES["clinic"], blocks=[*blocks, table])


def _flow(facts: Facts) -> Section:
    arms = facts.study.flow
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
                f"no score {facts.when}: {arm.lost.mean:.0f} ({arm.lost.lower:g} to {arm.lost.upper:g})",
                f"score {facts.when}: {arm.followed.mean:.0f}",
            )
        )
    verb = "randomised" if len(arms) > 1 else "entered"
    top = f"{facts.scenario.n_total} patients {verb}"
    title = f"Of {facts.scenario.n_total} patients about {facts.n_analysed.shown} enter the primary analysis"
    figure = figures.flow(boxes, top=top, title=title)
    alt = "Flow diagram. " + " ".join(
        f"{arm.label}: {arm.randomised.mean:.0f} randomised, {arm.lost.mean:.0f} without a score {facts.when}."
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


def _enrolment(facts: Facts) -> Section:
    plan = facts.scenario.design.enrolment
    note = (
        "Sex, ethnicity and race are taken to be independent; replace the cells by what your site expects."
        if plan is not None
        else "The scenario does not say who is to be enrolled (`design.enrolment`): the cells are yours to fill."
    )
    table = planned_enrolment(facts.scenario)
    blocks: list[Block] = [Paragraph(text=note, style="note"), table]
    return Section(id="enrolment", title=TITLES["enrolment"], blocks=blocks)


def _sample_size(facts: Facts) -> Section:
    blocks: list[Block] = [
        Heading(text="In one sentence"),
        Paragraph(text=facts.one_sentence),
        Heading(text="In a paragraph"),
    ]
    blocks += [Paragraph(text=text) for text in words.sample_size(facts)]
    blocks += [Heading(text="On a page")]
    blocks += [Paragraph(text=text) for text in words.sample_size_page(facts)]
    return Section(id="sample_size", title=TITLES["sample_size"], blocks=blocks)


def _text(id_: str, make: Callable[[Facts], Sequence[str]]) -> Callable[[Facts], Section]:
    def section(facts: Facts) -> Section:
        return Section(id=id_, title=TITLES[id_], blocks=[Paragraph(text=text) for text in make(facts)])

    return section


def _limits(facts: Facts) -> Section:
    return Section(id="limits", title=TITLES["limits"], blocks=[Bullets(items=words.limits(facts))])


def _checklist(facts: Facts) -> Section:
    blocks: list[Block] = []
    absent = {
        "assurance": facts.scenario.prior is None,
        "decision": facts.study.declares_no_decision,
        "clinic": facts.scenario.clinic is None,
        "enrolment": facts.scenario.design.enrolment is None,
    }
    for statement in statements():
        rows = []
        for item in items():
            if item.statement != statement.name:
                continue
            is_yours = item.where == YOURS or absent.get(item.where, False)
            where = "yours to write" if is_yours else TITLES[item.where]
            note = item.note if not is_yours or item.where == YOURS else ""
            unchecked = "" if item.checked else " (number not checked at its source)"
            rows.append([f"{item.number}{unchecked}", item.topic, where, note])
        caption = f"{statement.name}: {statement.use}. {statement.citation} doi:{statement.doi}"
        blocks.append(
            Table(
                name=f"checklist_{statement.name.lower().replace(' ', '_')}",
                caption=caption,
                headings=["Item", "About", "Where in this pack", "Left to write"],
                rows=rows,
            )
        )
    lead = "Which items of the reporting statements this pack answers, and which are yours to write."
    return Section(id="checklist", title=TITLES["checklist"], blocks=[Paragraph(text=lead, style="lead"), *blocks])


def _references(facts: Facts) -> Section:
    lines = [f"[{key}] {publication}" for key, publication in references(facts).items()]
    lines.append(facts.cited)
    return Section(id="references", title=TITLES["references"], blocks=[Bullets(items=lines)])


def references(facts: Facts) -> dict[str, str]:
    """The text of every publication that the pack cites, by its key."""
    own = facts.scenario.sources or {}
    return {key: own[key] if key in own else citation(key).text for key in facts.sources}


def citation(key: str) -> Citation:
    """The citation of a publication of the catalogue."""
    if key in trial_keys():
        return trial(key).citation
    return Citation(**source(key)["citation"])


TITLES = {
    "summary": "Lay summary",
    "sample_size": "Sample-size justification",
    "design": "Design",
    "schedule": "Schedule of enrolment, interventions and assessments",
    "estimand": "Estimand",
    "assumptions": "Assumptions",
    "courses": "Expected courses",
    "power": "Power and type I error",
    "assurance": "Assurance",
    "sensitivity": "Sensitivity to each assumption",
    "worlds": "Adverse worlds: the verdict",
    "decision": "Bayesian decision",
    "clinic": "Clinic: timeline, cost and bottleneck",
    "flow": "Expected flow of patients",
    "enrolment": "Planned enrolment",
    "methods": "Statistical methods",
    "conduct": "Randomisation, blinding and belief",
    "limits": "Limits",
    "checklist": "Reporting checklists",
    "references": "References",
}

SECTIONS: Mapping[str, Callable[[Facts], Section]] = {
    "summary": _text("summary", words.lay_summary),
    "sample_size": _sample_size,
    "design": _design,
    "schedule": _schedule,
    "estimand": _estimand,
    "assumptions": _assumptions,
    "courses": _courses,
    "power": _power,
    "assurance": _assurance,
    "sensitivity": _sensitivity,
    "worlds": _worlds,
    "decision": _decision,
    "clinic": _clinic,
    "flow": _flow,
    "enrolment": _enrolment,
    "methods": _text("methods", words.statistical_methods),
    "conduct": _text("conduct", words.conduct),
    "limits": _limits,
    "checklist": _checklist,
    "references": _references,
}
