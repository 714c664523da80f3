"""What `check` says of looks before anything is simulated: when they are, and whom stopping then could save."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.errors import FieldError
from kaptrial.results import Note
from kaptrial.scenario.looks import Calendar, GroupSequential, calendar, even_months, months_to_primary
from kaptrial.scenario.scenario import Scenario


def look_traps(s: Scenario, seed: int = 1) -> list[Note]:
    """Warnings, then what is to be known; `seed`: of the clinic that recruits where no accrual is declared."""
    notes = []
    if s.design.group_sequential is not None:
        notes += list(_of_rule(s, s.design.group_sequential))
        notes += list(_of_plan(s, s.design.group_sequential, seed))
        notes += accrual_notes(s, seed)
    if s.design.looks:
        text = "design.looks: of patients followed up; who is under way then, and the month, only an accrual would tell"
        notes.append(Note(code="looks", severity="information", text=text))
    return sorted(notes, key=lambda note: note.severity != "warning")


def accrual_notes(s: Scenario, seed: int) -> list[Note]:
    """How long recruitment takes, where looks leave it to the clinic."""
    plan = s.design.group_sequential
    if plan is None or plan.accrual_per_month is not None or s.clinic is None:
        return []
    from kaptrial.simulation.recruitment import months_in_clinic

    last = months_in_clinic(s, s.clinic, seed)[:, -1]
    low, high = np.quantile(last, (0.05, 0.95))
    text = (
        "looks are timed by the mean month in which the clinic randomises each patient; the last one comes"
        f" {last.mean():.3g} months after the first, in nine of ten of {len(last)} runs {low:.3g} to {high:.3g}"
    )
    return [Note(code="clinic_accrual", severity="information", text=text)]


def _of_rule(s: Scenario, plan: GroupSequential) -> Iterator[Note]:
    from kaptrial.questions.power.look_rule import rule_of

    try:
        rule_of(s, plan)
    except FieldError as error:
        yield _refused(error)


def _refused(error: FieldError) -> Note:
    return Note(code="impossible_look", severity="warning", text=f"{error}; kaptrial looks refuses it")


def _of_plan(s: Scenario, plan: GroupSequential, seed: int) -> Iterator[Note]:
    """Of the looks whose month is known: those before the first at a share of the information."""
    known = next((i for i, look in enumerate(plan.looks) if look.information is not None), len(plan.looks))
    if known < len(plan.looks):
        text = f"{_path(known)}.information: in which month that is, and who is under way then, kaptrial looks finds"
        yield Note(code="looks", severity="information", text=text)
    if known == 0:
        return
    first = replace(plan, looks=plan.looks[:known])
    try:
        patients = tuple(look.patients for look in first.looks)
        when = calendar(first, patients, _months_randomised(s, plan, seed), months_to_primary(s))
    except FieldError as error:
        yield _refused(error.below("design.group_sequential"))
        return
    for i, month in enumerate(when.looks):
        yield _of_look(s, plan, when, i, month)


def _months_randomised(s: Scenario, plan: GroupSequential, seed: int) -> Floats:
    """As `simulation.recruitment` has them, which loads compiled code: a declared accrual does not wait for it."""
    if plan.accrual_per_month is not None:
        return even_months(s.n_total, plan.accrual_per_month)
    from kaptrial.simulation.recruitment import months_randomised

    return months_randomised(s, None, seed)


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
