"""The folder a power run writes: tables as CSV and JSON, figures as PDF, SVG and 300-dpi PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kaptrial.method_table import BINARY
from kaptrial.output.files import write_text
from kaptrial.output.folder import footer, save_all, write_results
from kaptrial.questions.power import figures, titles
from kaptrial.questions.power.courses import course_drawn, decay, mean_mg_per_kg, series_days, trajectories
from kaptrial.questions.power.differences import differences
from kaptrial.questions.power.doses import all_doses, dose_word
from kaptrial.questions.power.headline import own_unit
from kaptrial.questions.power.rows import question
from kaptrial.questions.power.titles import ENOUGH
from kaptrial.results import Question, Row, grouped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kaptrial.questions.power.answer import PowerResults
    from kaptrial.questions.power.characteristics import CellResult
    from kaptrial.scenario.scenario import Scenario
    from kaptrial.scenario.treatment import Doses

# Published shares of patients responding, shown beside the model's infusions where the scale is one of depression:
# (catalogue key, its figure's time, day, infusions, label).
PUBLISHED = (
    ("han2016", 1.0, 1, 52.2, "Han 2016, one, 24 h"),
    ("han2016", 3.0, 1, 47.9, "72 h"),
    ("han2016", 7.0, 1, 39.8, "7 d"),
    ("phillips2019", 12.0, 6, 59.0, "Phillips 2019, six"),
    ("murrough2013b", 13.0, 6, 70.8, "Murrough 2013, up to six"),
)
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
DEPRESSION_SCALES = ("MADRS", "HDRS-17", "HDRS-21", "HDRS-24", "HDRS-25")


def write_power(folder: Path, results: PowerResults) -> None:
    """The first cell's scenario, results.json, results.csv, estimates.csv (one row a replicate) and the figures."""
    write_results(folder, results, results.cells[0].cell.scenario)
    write_text(folder / "estimates.csv", _estimates(results.cells).to_csv(index=False))
    save_all(folder, figures_of(results), footer(results.provenance))


def _estimates(results: Sequence[CellResult]) -> pd.DataFrame:
    import pandas as pd

    frames = []
    for result in results:
        for (i, analysis), fit in result.fits.items():
            about = question(result.cell.scenario, result.cell.scenario.estimands[i], analysis).flat()
            about.pop("measure")
            numbers = {name: getattr(fit, name) for name in ("estimate", "se", "df", "p", "failure")}
            replicate = range(1, len(fit.se) + 1)
            frames.append(pd.DataFrame({**result.cell.columns, **about, "replicate": replicate, **numbers}))
    return pd.concat(frames, ignore_index=True)


def figures_of(results: PowerResults) -> dict[str, Figure]:
    """The figures by name: courses, what is compared, and power over what is varied."""
    first = results.cells[0]
    scenario = first.cell.scenario
    variant = titles.of_variant(first)
    drawn = _courses(results) if scenario.scale.link != "log" else {}  # events have no course between visits
    compared = _compared(first)
    if len(compared) > 1:
        unit = f"{titles.contrast_in_words(scenario)} ({_effect_unit(first)})"
        title = variant + titles.compared(first, compared)
        drawn["estimands"] = figures.estimands(compared, unit=unit, title=title)
    rows = _with_paired_errors(results.cells)
    lines = figures.by_line(rows)
    own = next(iter(lines.values()))
    paths = [key for key in first.cell.columns if key != "variant"]
    if paths == ["estimand.day"]:
        title = titles.by_day(scenario, lines)
        drawn["power_by_day"] = figures.by_day(rows, unit=_effect_unit(first), title=title)
    elif len(paths) == 1 and _is_numeric(rows, paths[0]):
        title = variant + titles.over(scenario, own, paths[0])
        drawn["power_curve"] = figures.power_curve(rows, paths[0], title=title)
    elif len(paths) == 2:
        title = variant + titles.over_two(scenario, own)
        drawn["power_map"] = figures.heat_map(rows, (paths[0], paths[1]), title=title)
    if "room_for_synergy" in first.primary:
        drawn["interaction_room"] = _room(first)
    return drawn


def _with_paired_errors(cells: Sequence[CellResult]) -> list[Row]:
    """The primary rows of all cells; those of a second curve and later ones with the errors of what they are more than
    the first curve at the same point, by which curves are told apart."""
    first: dict[str, CellResult] = {}
    rows = []
    for cell in cells:
        point = str({name: value for name, value in cell.cell.columns.items() if name != "variant"})
        reference = first.setdefault(point, cell)
        asked = next(iter(cell.primary.values())).question
        more = [] if reference is cell else differences(cell, reference)
        errors = {row.metric: row.mcse for row in more if row.question == asked}
        rows += [replace(row, mcse=errors.get(f"{row.metric}_difference", row.mcse)) for row in cell.primary.values()]
    return rows


def _courses(results: PowerResults) -> dict[str, Figure]:
    """Mean courses of the arms, and of the drug alone."""
    first, seed = results.cells[0], results.provenance["seed"]
    scenario, variant = first.cell.scenario, titles.of_variant(first)
    course, dose = trajectories(scenario, seed=seed), dose_word(all_doses(scenario))
    latest = max((c for c in results.cells if _same_but_for_day(c, first)), key=lambda c: c.cell.scenario.estimand.day)
    title = variant + titles.effect(latest)
    drawn = {
        "trajectories": figures.trajectories(course, _arms(scenario), dose=dose, unit=_unit(scenario), title=title)
    }
    if any(doses.is_ketamine and doses.days for arm in scenario.arms for doses in arm.doses):
        drawn["decay"] = _decay(scenario, seed, variant)
    return drawn


def _decay(scenario: Scenario, seed: int, variant: str) -> Figure:
    """The drug's effect after one dose and after a series, with published shares responding where they compare."""
    given = course_drawn(scenario)
    counts = {n: WORDS[n] if n < len(WORDS) else str(n) for n in (1, len(series_days(scenario)))}
    comparable = scenario.scale.id in DEPRESSION_SCALES and given.route == "IV"
    published = [(day, share, n, text) for _, day, n, share, text in PUBLISHED if comparable and n in counts]
    course, dose = decay(scenario, seed=seed), dose_word([given])
    title = variant + titles.decay(course, dose=dose, counts=counts, size=_dose_size(given))
    return figures.decay(course, published, dose=dose, counts=counts, unit=scenario.scale.unit, title=title)


def _same_but_for_day(one: CellResult, other: CellResult) -> bool:
    return {**one.cell.columns, "estimand.day": None} == {**other.cell.columns, "estimand.day": None}


def _compared(result: CellResult) -> dict[Question, dict[str, Row]]:
    """The analyses of the primary contrast, day and measure, under every strategy asked."""
    asked = next(iter(result.primary.values())).question
    return {
        about: rows
        for about, rows in grouped(result.rows).items()
        if "mean_estimate" in rows and replace(about, analysis=asked.analysis, strategies=asked.strategies) == asked
    }


def _effect_unit(result: CellResult) -> str:
    measure = next(iter(result.primary.values())).question.measure
    unit = own_unit(result.cell.scenario.estimand.endpoint) or result.cell.scenario.scale.unit
    named = {"risk_difference": "probability", "rmst_difference": "days", "difference": unit, "change": unit}
    named |= dict.fromkeys(BINARY, "probability")
    return named.get(measure, measure.replace("_", " "))


def _is_numeric(rows: list[Row], path: str) -> bool:
    return all(isinstance(row.question.column(path), int | float) for row in rows)


def _unit(scenario: Scenario) -> str:
    scale = scenario.scale
    return f"{scale.id} ({scale.unit})" if scale.unit == "points" else f"{scale.id.replace('_', ' ').capitalize()}"


def _dose_size(doses: Doses) -> str:
    own = "" if len(set(doses.mg_per_kg_by_day())) == 1 else ", the mean of its course"
    return f"{mean_mg_per_kg(doses):.3g} mg/kg {doses.agent}{own}"


def _arms(scenario: Scenario) -> list[figures.ArmDays]:
    run_in = scenario.randomisation.run_in
    before = [day for doses in run_in.doses for day in doses.days] if run_in else []
    arms = []
    for arm in scenario.arms:
        doses = before + [day for doses in arm.doses for day in doses.days]
        arms.append(figures.ArmDays(arm.id, arm.label, doses, arm.therapy.days if arm.therapy else ()))
    return arms


def _room(result: CellResult) -> Figure:
    """The figure of an interaction's room, where the primary estimand is one and its scale ends."""
    values = {metric: row.value for metric, row in result.primary.items()}
    scenario, truth = result.cell.scenario, result.truths[0]
    weights = scenario.contrast(scenario.estimand).weights
    both = next(a for a, arm in enumerate(scenario.arms) if all((arm.factors or {}).values()))
    order = [a for a in range(len(weights)) if a != both] + [both]
    additive = -sum(w * m for a, (w, m) in enumerate(zip(weights, truth.arm_means, strict=True)) if a != both)
    best = 1.0 if result.primary["truth"].question.measure == "risk_difference" else scenario.scale.best
    detectable, power = values["detectable_difference"], values["power_at_best"]
    unit = "percentage points" if scenario.scale.unit == "percent" else scenario.scale.unit
    finds = "cannot" if power < ENOUGH else "could"
    room = f"{detectable:.0f} {unit} beyond the sum of both effects, and the scale leaves {abs(best - additive):.0f}"
    verdict = (
        f"{scenario.n_total / len(scenario.arms):g} a cell {finds} find a synergy here: it takes {room}"
        f" (power {power:.2f} if everybody in the combined cell did best)"
    )
    return figures.interaction_room(
        [(scenario.arms[a].label, truth.arm_means[a]) for a in order],
        additive=additive,
        best=best,
        detectable=detectable,
        unit=_unit(scenario),
        title=titles.of_variant(result) + verdict,
    )
