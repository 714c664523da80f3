"""What `boundaries` and `looks` write: the rows as JSON and CSV, and the figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from kaptrial.arrays import Floats
from kaptrial.output.folder import footer, save_all, write_results
from kaptrial.questions.looks import figures
from kaptrial.questions.looks.rows import World
from kaptrial.questions.power.headline import in_unit, unit_of
from kaptrial.results import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kaptrial.questions.looks.answer import LookResult, LookResults
    from kaptrial.questions.looks.boundaries import BoundaryResults

# Paths of trials that a figure shows.
_PATHS = 60
# The largest effect drawn, as a multiple of the assumed one.
MOST_MULTIPLE = 1.5


def write_boundaries(folder: Path, results: BoundaryResults) -> None:
    """results.json, results.csv and the figure."""
    write_results(folder, results)
    save_all(folder, figures_of(results), f"kaptrial {results.provenance['version']}")


def figures_of(results: BoundaryResults) -> dict[str, Figure]:
    """The boundaries, and the statistics observed so far."""
    found = results.boundaries
    lower = found.lower if found.has_futility else None
    drawn = figures.boundaries(
        found.information, found.upper, lower, two_sided=found.rule.sided == 2, statistics=results.statistics
    )
    return {"boundaries": drawn}


def write_looks(folder: Path, results: LookResults) -> None:
    """scenario.yaml, results.json, results.csv and the figures."""
    write_results(folder, results, results.parts[0].cell.scenario)
    save_all(folder, looks_figures(results), footer(results.provenance))


def looks_figures(results: LookResults) -> dict[str, Figure]:
    """Of the first scenario the boundaries with simulated trials between them, where and when trials end, and power and
    patients over the true effect."""
    part = results.parts[0]
    plan, course = part.designed.plan, part.own.course
    paths = [
        (course.spent_at[i, : course.stop[i] + 1], course.z[i, : course.stop[i] + 1])
        for i in range(_PATHS)[: len(course.stop)]
    ]
    drawn = figures.boundaries(
        plan.information,
        plan.upper,
        plan.lower if plan.has_futility else None,
        two_sided=plan.rule.sided == 2,
        paths=paths,
        title=f"Boundaries at each look; in grey {len(paths)} simulated trials, each until it ends",
    )
    designed = part.designed
    worlds = [_ends(part.own, "as assumed"), *_nulls(part)]
    return {
        "boundaries": drawn,
        "stopping": figures.stopping(designed.months, worlds, futility=plan.has_futility, title=_early(worlds)),
        "stopping_by_month": figures.stopping_by_month(
            designed.months_decided,
            worlds,
            fixed=designed.fixed_months,
            title=_decided(designed.months_decided, worlds),
        ),
        "expected_n": _expected_n(results, part),
    }


def _nulls(part: LookResult) -> list[figures.Ends]:
    return [_ends(world, "without an effect") for world in part.nulls[:1]]


def _ends(world: World, name: str) -> figures.Ends:
    course = world.course
    at = course.stop[:, None] == np.arange(course.n_looks)
    return figures.Ends(
        name=name,
        efficacy=100 * np.mean(at & course.efficacy[:, None], axis=0),
        futility=100 * np.mean(at & course.futility[:, None], axis=0),
    )


def _early(worlds: Sequence[figures.Ends]) -> str:
    own = worlds[0]
    text = f"Before the end {own.efficacy[:-1].sum():.0f} % of trials stop for efficacy"
    if own.futility.any() or any(world.futility.any() for world in worlds):
        text += f" and {own.futility[:-1].sum():.0f} % for futility"
        text += f", without an effect {worlds[1].futility[:-1].sum():.0f} %" if len(worlds) > 1 else ""
    return text


def _decided(months: Floats, worlds: Sequence[figures.Ends]) -> str:
    """What share of the trials is decided by the last look."""
    text = f"{100 - worlds[0].going_on[-2]:.0f} % of trials have ended by month {months[-2]:.1f}"
    return f"{text}, without an effect {100 - worlds[1].going_on[-2]:.0f} %" if len(worlds) > 1 else text


def _expected_n(results: LookResults, part: LookResult) -> Figure:
    """Curves by integration with the planned boundaries: information as planned, and the mean of z on the line through
    its means without an effect, where there is a null, and at the assumed one."""
    plan, n = part.designed.plan, part.designed.n_randomised
    whole = {
        row.metric: row
        for row in results.rows
        if row.question.column("look") == 0 and row.question == results.rows[0].question
    }
    multiple = np.linspace(0.0, MOST_MULTIPLE, 61)
    means = [_mean_z(part, world) for world in (*part.nulls[:1], part.own)]
    at_null = means[0] if part.nulls else 0.0
    drift = at_null + (means[-1] - at_null) * multiple
    up, down = plan.stopping(drift)
    ended = up + down
    ended[:, -1] = 1.0 - ended[:, :-1].sum(axis=1)
    critical = ndtri(1 - plan.rule.alpha / plan.rule.sided)
    fixed = ndtr(drift - critical) + (ndtr(-drift - critical) if plan.rule.sided == 2 else 0.0)
    decided = part.designed.decided
    power = up.sum(axis=1) if decided is None else np.array([decided.rejecting(float(d)).sum() for d in drift])
    curves = figures.OverEffect(multiple=multiple, power=power, fixed_power=fixed, patients=ended @ n)
    points = [figures.Simulated(multiple=1.0, power=_figure(whole["power"]), patients=_figure(whole["expected_n"]))]
    for world in part.nulls[:1]:
        patients = whole[f"expected_n_{world.metric.removesuffix('_rate')}"]
        at = figures.Simulated(multiple=0.0, power=_figure(whole[world.metric]), patients=_figure(patients))
        points.append(at)
    truth, s = whole["truth"], part.cell.scenario
    size = in_unit(truth.value, truth.mcse, truth.question.measure, s)
    title = f"Looks save {n[-1] - whole['expected_n'].value:.0f} of {n[-1]} patients as assumed"
    if part.nulls:
        title += f", {n[-1] - points[1].patients[0]:.0f} without an effect"
    return figures.expected_n(
        curves,
        points,
        most=float(n[-1]),
        axis=f"True effect, as a multiple of the assumed one\n({size} {unit_of(s, truth.question.measure)})",
        title=f"{title} (lines: by integration; points: simulated)",
    )


def _mean_z(part: LookResult, world: World) -> float:
    """The mean estimate of the whole trials, towards benefit and less the null value, over the planned standard error.

    It is the drift of the integral."""
    fit = world.fits.looks[-1]
    return part.planned.sign * float(fit.departure[fit.failure == 0].mean()) * math.sqrt(part.designed.information)


def _figure(row: Row) -> tuple[float, float]:
    return row.value, row.mcse
