"""A patient's way through the clinic: three processes, for doses, sessions and visits, and what ends them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy

from kaptrial.questions.clinic.drawn import Drawn
from kaptrial.questions.clinic.outcome import SERVICE, Outcome, uses_of
from kaptrial.questions.clinic.protocol import ArmProtocol, Keeping, Rules
from kaptrial.questions.clinic.resources import FOREVER, NEVER, Process, join, serve
from kaptrial.questions.clinic.staff import Caseload, SiteStaff, Team, free_place, leave_place, staff_of, who_gives
from kaptrial.simulation.opening_hours import SLACK


@dataclass(kw_only=True)
class Patient:
    """One patient: what was drawn for them, and what has become of it so far. Calendar days.

    `leaves`: when the patient drops out, brought forward to now by giving up waiting, at `patience` at the latest;
    what was already booked then is not given. `luck`: uniforms, a list for each treatment event and then each
    visit. `given`, `due`: when each treatment event began and on which day the protocol has it, NaN if there was
    none; `settled`: whether it was given or missed, and not left open by leaving. `seen`: as `given` for visits.
    `zero`: the patient's own day 0. `place_wait`: days until there was a place with a therapist.
    """

    number: int
    arm: ArmProtocol
    site: SiteStaff
    randomised: float
    leaves: float
    patience: float
    luck: list[list[float]]
    zero: float
    given: list[float]
    due: list[float]
    settled: list[bool]
    seen: list[float]
    visit_settled: list[bool]
    dose_over: list[simpy.Event]
    gave_up: bool = False
    begun: float = NEVER
    ended: float = NEVER
    place_wait: float = NEVER
    therapists: Counter[int] = field(default_factory=Counter)
    first_therapist: int = -1


def admit(env: simpy.Environment, p: Patient, rules: Rules) -> Process:
    """The patient from randomisation on."""
    yield env.timeout(p.randomised)
    team = p.site.teams[p.arm.therapy] if p.arm.therapy is not None else None
    place = _place(env, p, team) if team is not None else None
    parts = []
    if p.arm.doses:
        parts.append(env.process(_doses(env, p, rules, place)))
    if team is not None and place is not None:
        parts.append(env.process(_sessions(env, p, rules, team, place)))
    parts.append(env.process(_visits(env, p, rules)))
    yield env.all_of(parts)
    p.ended = min(env.now, p.leaves)


def _place(env: simpy.Environment, p: Patient, team: Team) -> simpy.Event:
    """An event that comes with the patient's place with a therapist."""
    event = env.event()
    caseload = free_place(team, env.now)
    if caseload is None:
        team.waiting.append(event)
    else:
        caseload.patients += 1
        event.succeed(caseload)
    return event


def _wait(env: simpy.Environment, p: Patient, event: Any) -> Process:
    """Wait for a place, until the patient leaves or gives up waiting; whether it came. Who left takes none: None."""
    until = min(p.leaves, p.patience)
    if not event.triggered:
        if until < FOREVER:
            yield event | env.timeout(max(until - env.now, 0.0))
        else:
            yield event
    if not event.triggered:
        _give_up(env, p)
        event.succeed(None)
    return event.value is not None


def _give_up(env: simpy.Environment, p: Patient) -> None:
    if env.now < p.leaves:
        p.gave_up = True
        p.leaves = env.now


def _doses(env: simpy.Environment, p: Patient, rules: Rules, place: Any) -> Process:
    plan, days, hours = rules.clinic.infusions, p.arm.doses, rules.dose_hours
    stations = (p.site.chairs, p.site.nurses)
    if plan.wait_for_therapist and place is not None:
        yield from _wait(env, p, place)
    last = NEVER
    for j, day in enumerate(days):
        if p.leaves <= env.now:
            break
        if j == 0:
            # The first one is waited for, and due when it can first be given.
            due = hours.start(env.now if day == 0 else hours.due(p.randomised, day), rules.chair_days)
            latest = p.patience
        else:
            due = hours.due(p.begun, day - days[0])
            latest = due + plan.late_days + SLACK
        p.due[j] = due
        ask = hours.start(due, rules.chair_days)
        if last == last:
            ask = max(ask, hours.opening(int(last // 1) + 1))
        for attempt in range(rules.doses.attempts):
            if ask > env.now:
                yield env.timeout(ask - env.now)
            if p.leaves <= env.now or max(ask, env.now) > latest:
                break
            u = p.luck[j][attempt]
            start = NEVER
            if u >= rules.doses.either or u < rules.doses.no_show:
                given, until = _note(j, u, rules.doses), min(latest, p.leaves)
                start = yield from serve(stations, rules.chair_days, latest=until, patient=p.number, note=given)
                if not start <= p.leaves:
                    break
            if u >= rules.doses.either:
                p.given[j] = last = start
                break
            ask = env.now + rules.doses.rebook
        if j == 0:
            if p.given[0] != p.given[0]:
                # Whoever never comes to a first infusion is not in treatment.
                _give_up(env, p)
                break
            p.begun = p.given[0]
            if rules.clinic.clock == "first_infusion":
                p.zero = p.begun - days[0]
        p.settled[j] = p.given[j] == p.given[j] or p.leaves > env.now
        p.dose_over[j].succeed()
    for event in p.dose_over:
        if not event.triggered:
            event.succeed()


def _note(event: int, u: float, rules: Keeping) -> int:
    """What a service was for: the event's number, or −1 minus it for an appointment that was not kept."""
    return event if u >= rules.either else -1 - event


def _sessions(env: simpy.Environment, p: Patient, rules: Rules, team: Team, place: simpy.Event) -> Process:
    came = yield from _wait(env, p, place)
    p.place_wait = env.now - p.randomised
    if not came:
        return
    caseload: Caseload = place.value  # type: ignore[assignment]  # simpy's events hold anything
    p.first_therapist = caseload.post.holder(env.now)
    plan, arm, n_doses = rules.clinic.sessions, p.arm, len(p.arm.doses)
    keep, last_day, last = rules.sessions, NEVER, NEVER
    shared = rules.clinic.therapists[arm.therapy].shared if arm.therapy else False
    for k, day in enumerate(arm.sessions):
        e, a = n_doses + k, arm.after[k]
        anchor = NEVER
        if a >= 0 and not p.dose_over[a].triggered:
            yield p.dose_over[a]
        if p.leaves <= env.now:
            break  # before the dose was even due, perhaps
        if a >= 0:
            anchor = p.given[a] if p.given[a] == p.given[a] else p.due[a]
            due = rules.hours.due(anchor, day - arm.doses[a])
        else:
            due = rules.hours.due(p.randomised, day)
        p.due[e] = earliest = due
        deadline = due + plan.window_days
        latest = due + plan.late_days + SLACK
        if arm.promised[k] and p.given[a] == p.given[a]:
            assert plan.to_hours is not None
            earliest = max(due, anchor + plan.from_hours / 24)
            deadline = anchor + plan.to_hours / 24
            latest = deadline + SLACK if plan.after_window == "skip" else latest
        ask = rules.hours.start(earliest, arm.session)
        if last == last:
            # No two sessions on one day unless the protocol has them so.
            same_day = day - last_day < 1
            ask = max(ask, last + arm.session if same_day else rules.hours.opening(int(last // 1) + 1))
        for attempt in range(keep.attempts):
            if ask > env.now:
                yield env.timeout(max(min(ask, p.leaves) - env.now, 0.0))
            if p.leaves <= env.now or max(ask, env.now) > latest:
                break
            u = p.luck[e][attempt]
            if u >= keep.either or u < keep.no_show:
                by = who_gives(team, caseload, env.now, shared=shared)
                how: dict[str, Any] = {"latest": min(latest, p.leaves), "patient": p.number, "note": _note(e, u, keep)}
                how["priority"] = deadline
                if arm.group > 1:
                    start = yield from join(by.station, arm.session, size=arm.group, wait=plan.group_wait_days, **how)
                else:
                    start = yield from serve((by.station,), arm.session, **how)
                if not start <= p.leaves:
                    break
                if u >= keep.either:
                    p.given[e] = last = start
                    last_day = day
                    p.therapists[by.post.holder(start)] += 1
                    break
            ask = env.now + keep.rebook
        if p.leaves <= env.now and p.given[e] != p.given[e]:
            break
        p.settled[e] = True
    leave_place(team, caseload)


def _visits(env: simpy.Environment, p: Patient, rules: Rules) -> Process:
    plan, keep, n_events = rules.clinic.ratings, rules.ratings, len(p.given)
    for v, day in enumerate(rules.visits):
        if v == 1 and p.arm.doses and rules.clinic.clock == "first_infusion" and not p.dose_over[0].triggered:
            yield p.dose_over[0]
        if p.leaves <= env.now:
            break
        due = env.now if day == 0 else rules.hours.due(p.zero, day)
        latest = due + plan.late_days + SLACK
        ask = due if day == 0 else rules.hours.start(due, rules.rating_days)
        for attempt in range(keep.attempts):
            if ask > env.now:
                yield env.timeout(max(min(ask, p.leaves) - env.now, 0.0))
            if p.leaves <= env.now or max(ask, env.now) > latest:
                break
            u = p.luck[n_events + v][attempt]
            if u >= keep.either or u < keep.no_show:
                how: dict[str, Any] = {"latest": min(latest, p.leaves), "patient": p.number, "note": _note(v, u, keep)}
                start = yield from serve((p.site.raters,), rules.rating_days, priority=due + plan.window_days, **how)
                if not start <= p.leaves:
                    break
                if u >= keep.either:
                    p.seen[v] = start
                    break
            ask = env.now + keep.rebook
        if p.leaves <= env.now and p.seen[v] != p.seen[v]:
            break
        p.visit_settled[v] = True


def follow(rules: Rules, drawn: Drawn) -> Outcome:
    """All patients' ways through the clinic."""
    env = simpy.Environment()
    staff = staff_of(env, rules, drawn.posts)
    patients = [_patient(env, i, rules, drawn, staff) for i in range(len(drawn.arm))]
    for patient in patients:
        env.process(admit(env, patient, rules))
    env.run()
    stations = [x for site in staff for x in (site.chairs, site.nurses, site.raters)]
    stations += [c.station for site in staff for team in site.teams.values() for c in team.caseloads]
    kept = ("begun", "zero", "place_wait", "ended", "gave_up", "leaves", "given", "due", "settled", "seen")
    return Outcome(
        therapist=np.array([_main_therapist(p) for p in patients]),
        visit_settled=np.array([p.visit_settled for p in patients]),
        **{name: np.array([getattr(p, name) for p in patients]) for name in kept},
        use=uses_of(
            rules,
            drawn.posts,
            [np.array(x.services, dtype=SERVICE) for x in stations],
            [np.array(x.turned_away) for x in stations],
        ),
    )


def _patient(env: simpy.Environment, i: int, rules: Rules, drawn: Drawn, staff: list[SiteStaff]) -> Patient:
    protocol, n_visits = rules.protocols[drawn.arm[i]], len(rules.visits)
    at = float(drawn.randomised[i])
    return Patient(
        number=i,
        arm=protocol,
        site=staff[drawn.site[i]],
        randomised=at,
        zero=at,
        leaves=float(drawn.leaves[i]),
        patience=float(drawn.patience[i]),
        luck=drawn.luck[i].tolist(),
        given=[NEVER] * rules.n_events,
        due=[NEVER] * rules.n_events,
        settled=[False] * rules.n_events,
        seen=[NEVER] * n_visits,
        visit_settled=[False] * n_visits,
        dose_over=[env.event() for _ in protocol.doses],
    )


def _main_therapist(p: Patient) -> int:
    if not p.therapists:
        return p.first_therapist
    return min(p.therapists, key=lambda number: (-p.therapists[number], number))
