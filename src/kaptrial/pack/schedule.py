"""The schedule of enrolment, interventions and assessments (SPIRIT 2025), from the scenario's own days."""

from __future__ import annotations

from collections.abc import Sequence

from kaptrial.pack.document import Table
from kaptrial.questions.power.doses import all_doses, dose_word
from kaptrial.scenario.scenario import Scenario

MARK = "●"


def schedule(s: Scenario) -> Table:
    """Rows of enrolment, interventions by arm, and assessments; columns of time points.

    A dose or session that falls between two visits stands under the later one, with its day.
    """
    visits = list(s.design.visits)
    allocation = s.randomisation.day
    points = sorted({*visits, allocation})
    headings = ["", "Enrolment", *(f"Day {day:g}" for day in points)]
    n = len(points)

    def row(name: str, enrolment: str, cells: Sequence[str]) -> list[str]:
        return [name, enrolment, *cells]

    def at(days: Sequence[float]) -> list[str]:
        return [MARK if day in days else "" for day in points]

    rows = [
        row("Enrolment", "", [""] * n),
        row("Eligibility screen, informed consent", MARK, [""] * n),
        row("Allocation" if len(s.arms) > 1 else "Start of treatment", "", at([allocation])),
        row("Interventions", "", [""] * n),
    ]
    run_in = s.randomisation.run_in
    if run_in is not None and run_in.doses:
        days = sorted(day for doses in run_in.doses for day in doses.days)
        rows.append(row(f"Run-in, all patients: {dose_word(run_in.doses)}s", "", _between(days, points)))
    word = dose_word(all_doses(s))
    for arm in s.arms:
        courses = [doses for doses in arm.doses if doses.days]
        rows += [row(f"{arm.label}: {doses.agent} {word}s", "", _between(doses.days, points)) for doses in courses]
        if arm.therapy is not None and arm.therapy.days:
            therapy = s.therapies[arm.therapy.name]
            rows.append(row(f"{arm.label}: {therapy.label}", "", _between(arm.therapy.days, points)))
        for adjunct in arm.adjuncts:
            span = f"days {adjunct.from_day:g} to {adjunct.to_day:g}"
            cells = [MARK if adjunct.from_day <= day <= adjunct.to_day else "" for day in points]
            rows.append(row(f"{arm.label}: {adjunct.name} ({span})", "", cells))
    rows += [
        row("Assessments", "", [""] * n),
        row(f"{s.scale.label} (primary outcome on day {s.estimand.day:g})", "", at(visits)),
        row("Expectation of each treatment", "", at(points[:1])),
        row("Belief about the drug received, and certainty", "", at(_asked(s, points))),
        row("Adverse events, concomitant treatment: yours to add", "", [""] * n),
    ]
    caption = (
        "Schedule of enrolment, interventions and assessments. A number stands for the doses or sessions due since the"
        " visit before, with their days."
    )
    return Table(name="schedule", caption=caption, headings=headings, rows=rows)


def _between(days: Sequence[float], points: Sequence[float]) -> list[str]:
    """What is due at each time point or after the one before it; what comes after the last stands under it."""
    cells = []
    for i, point in enumerate(points):
        first = -float("inf") if i == 0 else points[i - 1]
        last = float("inf") if i == len(points) - 1 else point
        due = [day for day in days if first < day <= last]
        if not due:
            cells.append("")
        elif due == [point]:
            cells.append(MARK)
        else:
            cells.append(f"{len(due)} (day{'s' * (len(due) > 1)} {_days(due)})")
    return cells


def _days(days: Sequence[float]) -> str:
    """Days, the first and the last where there are many."""
    if len(days) <= 4:
        return ", ".join(f"{day:g}" for day in days)
    return f"{days[0]:g} to {days[-1]:g}"


def _asked(s: Scenario, points: Sequence[float]) -> list[float]:
    """When belief is asked: at the first visit after the first dose, and on the primary day."""
    doses = [day for each in all_doses(s) for day in each.days]
    after = [point for point in points if doses and point > min(doses)]
    return [*after[:1], s.estimand.day]
