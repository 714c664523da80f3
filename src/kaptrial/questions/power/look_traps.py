"""What `check` says of looks before anything is simulated: when they are, and whom stopping then could save."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kaptrial.errors import FieldError
from kaptrial.results import Note
from kaptrial.scenario.looks import Calendar, GroupSequential, calendar, months_to_primary
from kaptrial.scenario.scenario import Scenario


def look_traps(s: Scenario) -> list[Note]:
    """Warnings, then what is to be known."""
    notes = []
    if s.design.group_sequential is not None:
        notes += list(_of_plan(s, s.design.group_sequential))
    if s.design.looks:
        text = "design.looks: of patients followed up; who is under way then, and the month, only an accrual would tell"
        notes.append(Note(code="looks", severity="information", text=text))
    return sorted(notes, key=lambda note: note.severity != "warning")


def _of_plan(s: Scenario, plan: GroupSequential) -> Iterator[Note]:
    """Of the looks whose month is known: those before the first at a share of the information."""
    known = next((i for i, look in enumerate(plan.looks) if look.information is not None), len(plan.looks))
    if known < len(plan.looks):
        text = f"{_path(known)}.information: in which month that is, and who is under way then, kaptrial looks finds"
        yield Note(code="looks", severity="information", text=text)
    if known == 0:
        return
    first = replace(plan, looks=plan.looks[:known])
    try:
        when = calendar(first, tuple(look.patients for look in first.looks), s.n_total, months_to_primary(s))
    except FieldError as error:
        text = f"{error.below('design.group_sequential')}; kaptrial looks refuses it"
        yield Note(code="impossible_look", severity="warning", text=text)
        return
    for i, month in enumerate(when.looks):
        yield _of_look(s, plan, when, i, month)


def _of_look(s: Scenario, plan: GroupSequential, when: Calendar, i: int, month: float) -> Note:
    randomised, at = when.n_randomised(month), f"{_path(i)}: in month {month:.3g}"
    if randomised == s.n_total:
        waits = ", nor months: those under way are followed up first" if plan.decide == "at_follow_up" else ""
        text = f"{at} all {s.n_total} patients are randomised: to stop then saves no patients{waits}"
        return Note(code="late_look", severity="warning", text=text)
    text = f"{at} {randomised} of {s.n_total} patients are randomised, {when.n_followed(month)} of them followed up"
    return Note(code="looks", severity="information", text=text)


def _path(i: int) -> str:
    return f"design.group_sequential.looks[{i}]"
