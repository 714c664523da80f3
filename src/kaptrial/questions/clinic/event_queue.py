"""The pathway of `pathway.py` as one compiled event queue: the same events in the same order, to the bit.

A patient has three processes, for doses, sessions and visits. Each is a record that says what it waits for (`at`) and
what its present appointment asks; `_resume` takes it on to its next wait. Events at one time come in the order in which
they were announced, as in simpy. Those of its events that change nothing are left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.compile_cache import INNER
from kaptrial.simulation.opening_hours import SLACK

NEVER = np.nan
DOSES, SESSIONS, VISITS = 0, 1, 2
CHAIRS, NURSES, RATERS = 0, 1, 2
# Events: a patient is randomised, a process goes on, what it waits for has come, its patience is at an end, a server
# is free.
ARRIVE, RESUME, COME, TIMEOUT, RELEASE = 0, 1, 2, 3, 4
# What a process waits for: a place with a therapist, a dose, its appointment's time, a server, the end of a service.
NOTHING, PLACE, DOSE, ASK, SERVER, SERVICE_END = 0, 1, 2, 3, 4, 5
# What it does next.
WAIT, BEGIN, TRY, KEEP, REQUEST, CALLED, CLOSE, FINISH = 0, 1, 2, 3, 4, 5, 6, 7
# The place with a therapist, where it is not the number of a post.
PENDING, REFUSED = -1, -2

PROCESS = np.dtype(
    [
        ("at", "i8"), ("item", "i8"), ("attempt", "i8"), ("post", "i8"), ("by", "i8"), ("awaited", "i8"),
        # Waiting: which wait it is, whether anything ends it but what is waited for, whether it has come to an end.
        ("token", "i8"), ("timed", "?"), ("called", "?"),
        # The appointment: due, asked for, the latest time; of its service: how far the stations have been got.
        ("due", "f8"), ("ask", "f8"), ("latest", "f8"), ("until", "f8"), ("deadline", "f8"), ("asked", "f8"),
        ("start", "f8"), ("duration", "f8"), ("kept", "?"), ("granted", "?"), ("stage", "i8"), ("n_stations", "i8"),
        # The last one that was kept: when, and its protocol day.
        ("last", "f8"), ("last_day", "f8"),
        # In a station's queue.
        ("priority", "f8"), ("since", "f8"), ("before", "i8"), ("behind", "i8"),
    ]
)  # fmt: skip
PATIENT = np.dtype(
    [
        ("arm", "i8"), ("site", "i8"), ("team", "i8"), ("place", "i8"), ("first_therapist", "i8"), ("running", "i8"),
        ("randomised", "f8"), ("leaves", "f8"), ("patience", "f8"), ("gave_up", "?"),
        ("begun", "f8"), ("zero", "f8"), ("place_wait", "f8"), ("ended", "f8"),
    ]
)  # fmt: skip
# A station's queue is a list of processes, linked by `before` and `behind`.
STATION = np.dtype([("capacity", "i8"), ("users", "i8"), ("first", "i8"), ("final", "i8"), ("waiting", "i8")])
# Posts `first` to `stop` are the team's; of its patients without a place, in their order, `head` to `tail` wait.
TEAM = np.dtype([("first", "i8"), ("stop", "i8"), ("limit", "i8"), ("shared", "?"), ("head", "i8"), ("tail", "i8")])
POST = np.dtype(
    [
        ("team", "i8"), ("station", "i8"), ("patients", "i8"), ("per_week", "i8"),
        ("first_gap", "i8"), ("stop_gap", "i8"), ("follower", "i8"),
    ]
)  # fmt: skip
CALENDAR = np.dtype(
    [("opens", "f8"), ("closes", "f8"), ("always", "?"), ("is_open", "u1", (7,)), ("to_next", "i8", (7,))]
)
# How appointments of one kind are kept.
KEEPING = np.dtype(
    [("no_show", "f8"), ("either", "f8"), ("rebook", "f8"), ("attempts", "i8"), ("late", "f8"), ("window", "f8")]
)


class Clinic(NamedTuple):
    """Everything of one replicate.

    The plan: `calendar` of doses and of all else; `keeping` by kind of appointment; `durations` of doses and visits;
    `doses`, `sessions`, `after`, `promised`: (arm, number), with `n_doses`, `n_sessions`; `session_days`: by arm.
    `from_days`, `to_days`: the window promised after a dose; `skips`: whether a session is given later.
    The replicate: `luck`; `away`: (post, week); `gap_from`, `gap_to` of all posts; `waiting`: (team, patient).
    What it comes to: `given` … `therapist_of` (patient, therapist: sessions); services and those turned away in their
    order, with their stations; `booked`: (post, week). `counts`: of `COUNTS`. The queue of events is a heap of
    `event_time` and `event_order`; what happens to whom is packed in `event`.
    """

    calendar: np.ndarray
    keeping: np.ndarray
    durations: Floats
    visits: Floats
    doses: Floats
    sessions: Floats
    n_doses: Ints
    n_sessions: Ints
    after: Ints
    promised: Bools
    session_days: Floats
    from_days: float
    to_days: float
    skips: bool
    from_first_infusion: bool
    waits_for_therapist: bool
    luck: Floats
    process: np.ndarray
    patient: np.ndarray
    station: np.ndarray
    team: np.ndarray
    post: np.ndarray
    away: Bools
    gap_from: Floats
    gap_to: Floats
    waiting: Ints
    given: Floats
    due: Floats
    settled: Bools
    over: Bools
    seen: Floats
    visit_settled: Bools
    sessions_by: Ints
    booked: Ints
    service: np.ndarray
    service_station: Ints
    turned_away: Floats
    turned_away_station: Ints
    counts: Ints
    event_time: Floats
    event_order: Ints
    event: Ints


# Of `Clinic.counts`: events in the heap, events and waits so far, services, those turned away; the weeks that `booked`
# lacks.
IN_HEAP, ANNOUNCED, WAITS, SERVICES, TURNED_AWAY, WEEKS_LACKING = 0, 1, 2, 3, 4, 5
COUNTS = 6


@njit(cache=True, nogil=True)
def run(w: Clinic) -> None:
    """Run until nothing is left to happen, or a session is booked in a week that `booked` does not have."""
    _run(w)


@njit(**INNER)
def _run(w: Clinic) -> None:
    for i in range(len(w.patient)):
        _announce(w, w.patient[i].randomised, ARRIVE, i, 0)
    while w.counts[IN_HEAP] > 0 and w.counts[WEEKS_LACKING] == 0:
        now, event = w.event_time[0], w.event[0]
        _remove_first(w)
        what, who, token = event & 7, (event >> 3) & 0xFFFFFFF, event >> 31
        if what == ARRIVE:
            _arrive(w, now, who)
        elif what == RELEASE:
            _serve_first(w, now, who)
        elif what == RESUME:
            _resume(w, now, who)
        else:
            p = w.process[who]
            if p.token == token and not p.called:
                p.called = True
                if p.timed:
                    _announce(w, now, RESUME, who, 0)
                else:
                    _resume(w, now, who)


# --- the heap


@njit(**INNER)
def _announce(w: Clinic, time: float, what: int, who: int, token: int) -> None:
    """Let an event happen."""
    order = w.counts[ANNOUNCED]
    k = w.counts[IN_HEAP]
    w.counts[ANNOUNCED] = order + 1
    w.counts[IN_HEAP] = k + 1
    while k > 0:
        above = (k - 1) >> 1
        if w.event_time[above] <= time:
            break  # of equal times the earlier announced stays above
        w.event_time[k], w.event_order[k], w.event[k] = w.event_time[above], w.event_order[above], w.event[above]
        k = above
    w.event_time[k], w.event_order[k], w.event[k] = time, order, what | (who << 3) | (token << 31)


@njit(**INNER)
def _remove_first(w: Clinic) -> None:
    size = w.counts[IN_HEAP] - 1
    w.counts[IN_HEAP] = size
    time, order, event = w.event_time[size], w.event_order[size], w.event[size]
    k = 0
    while True:
        below = 2 * k + 1
        if below >= size:
            break
        if below + 1 < size and _is_earlier(w, below + 1, w.event_time[below], w.event_order[below]):
            below += 1
        if not _is_earlier(w, below, time, order):
            break
        w.event_time[k], w.event_order[k], w.event[k] = w.event_time[below], w.event_order[below], w.event[below]
        k = below
    w.event_time[k], w.event_order[k], w.event[k] = time, order, event


@njit(**INNER)
def _is_earlier(w: Clinic, k: int, time: float, order: int) -> bool:
    return w.event_time[k] < time or (w.event_time[k] == time and w.event_order[k] < order)


# --- calendars and posts, as in calendars.py


@njit(**INNER)
def _fits(c: Any, t: float, duration: float) -> float:
    """The earliest time from `t` on at which `duration` fits into the opening hours."""
    if c.always:
        return t
    day = int(t // 1)
    if c.is_open[day % 7]:
        start = max(t, day + c.opens)
        if start + duration <= day + c.closes + SLACK:
            return start
    return day + c.to_next[day % 7] + c.opens


@njit(**INNER)
def _due(c: Any, since: float, days: float) -> float:
    planned = since + days
    night = 1 - (c.closes - c.opens)
    return max(planned // 1 + c.opens, planned - night)


@njit(**INNER)
def _morning_after(c: Any, t: float) -> float:
    """The first opening after the day of `t`."""
    day = int(t // 1) + 1
    if c.always:
        return float(day)
    return day + (0 if c.is_open[day % 7] else c.to_next[day % 7]) + c.opens


@njit(**INNER)
def _post_start(w: Clinic, m: int, t: float, duration: float) -> float:
    """The earliest time from `t` on at which a post's holder can give a session."""
    post = w.post[m]
    while True:
        t = _fits(w.calendar[SESSIONS], t, duration)
        week = int(t // 7)
        if _booked(w, m, week) >= post.per_week or _is_away(w, m, week):
            t = 7.0 * (week + 1)
            continue
        gap = _gap(w, m, t)
        if gap < 0:
            return t
        t = w.gap_to[gap]


@njit(**INNER)
def _booked(w: Clinic, m: int, week: int) -> int:
    return w.booked[m, week] if week < w.booked.shape[1] else 0


@njit(**INNER)
def _is_away(w: Clinic, m: int, week: int) -> bool:
    return week < w.away.shape[1] and w.away[m, week]


@njit(**INNER)
def _gap(w: Clinic, m: int, t: float) -> int:
    """The gap in which nobody holds the post at this time, or −1."""
    for gap in range(w.post[m].first_gap, w.post[m].stop_gap):
        if w.gap_from[gap] <= t < w.gap_to[gap]:
            return gap
    return -1


@njit(**INNER)
def _is_held(w: Clinic, m: int, t: float) -> bool:
    return not _is_away(w, m, int(t // 7)) and _gap(w, m, t) < 0


@njit(**INNER)
def _holder(w: Clinic, m: int, t: float) -> int:
    post = w.post[m]
    passed = 0
    for gap in range(post.first_gap, post.stop_gap):
        passed += t >= w.gap_to[gap]
    return m if passed == 0 else post.follower + passed - 1


# --- teams, as in staff.py


@njit(**INNER)
def _free_place(w: Clinic, team: int, t: float) -> int:
    """The post of the least loaded therapist with a free place, one who is there before one who is not; or PENDING."""
    best, best_held = PENDING, False
    for m in range(w.team[team].first, w.team[team].stop):
        if w.post[m].patients >= w.team[team].limit:
            continue
        held = _is_held(w, m, t)
        if best < 0 or (held and not best_held) or (held == best_held and w.post[m].patients < w.post[best].patients):
            best, best_held = m, held
    return best


@njit(**INNER)
def _who_gives(w: Clinic, own: int, t: float) -> int:
    """The patient's own therapist, or the colleague with most room who stands in."""
    team = w.team[w.post[own].team]
    held = _is_held(w, own, t)
    if held and (not team.shared or _room(w, own, t) > 0):
        return own
    best = -1
    for m in range(team.first, team.stop):
        if not _is_held(w, m, t):
            continue
        if best < 0:
            best = m
            continue
        room, most = _room(w, m, t), _room(w, best, t)
        if room > most or (room == most and w.post[m].patients < w.post[best].patients):
            best = m
    if best < 0 or (held and _room(w, best, t) <= 0):
        return own
    return best


@njit(**INNER)
def _room(w: Clinic, m: int, t: float) -> int:
    return w.post[m].per_week - _booked(w, m, int(t // 7)) - w.station[w.post[m].station].waiting


@njit(**INNER)
def _leave_place(w: Clinic, now: float, m: int) -> None:
    """Give a place back; whoever has waited longest takes it."""
    w.post[m].patients -= 1
    team = w.team[w.post[m].team]
    while team.head < team.tail:
        i = w.waiting[w.post[m].team, team.head]
        team.head += 1
        if w.patient[i].place == PENDING:
            w.post[m].patients += 1
            _tell_of_place(w, now, i, m)
            return


@njit(**INNER)
def _tell_of_place(w: Clinic, now: float, i: int, place: int) -> None:
    """A patient's place, or its refusal, comes to those of the processes that wait for it."""
    w.patient[i].place = place
    a, b = 3 * i + DOSES, 3 * i + SESSIONS
    if w.process[b].token < w.process[a].token:
        a, b = b, a
    for q in (a, b):
        if w.process[q].at == PLACE:
            _announce(w, now, COME, q, w.process[q].token)


# --- stations, as in resources.py


@njit(**INNER)
def _station_of(w: Clinic, q: int, stage: int) -> int:
    """The station from which the process's appointment has its server, or on the second stage its second one."""
    kind = q % 3
    if kind == SESSIONS:
        return w.post[w.process[q].by].station
    return 3 * w.patient[q // 3].site + (RATERS if kind == VISITS else CHAIRS if stage == 0 else NURSES)


@njit(**INNER)
def _join_queue(w: Clinic, q: int, station: int) -> None:
    """Into the queue behind all of no lower priority who came no later."""
    p, s = w.process[q], w.station[station]
    before = s.final
    while before >= 0:
        other = w.process[before]
        if other.priority < p.priority or (other.priority == p.priority and other.since <= p.since):
            break
        before = other.before
    behind = s.first if before < 0 else w.process[before].behind
    p.before, p.behind = before, behind
    if before < 0:
        s.first = q
    else:
        w.process[before].behind = q
    if behind < 0:
        s.final = q
    else:
        w.process[behind].before = q
    s.waiting += 1


@njit(**INNER)
def _leave_queue(w: Clinic, q: int, station: int) -> None:
    p, s = w.process[q], w.station[station]
    if p.before < 0:
        s.first = p.behind
    else:
        w.process[p.before].behind = p.behind
    if p.behind < 0:
        s.final = p.before
    else:
        w.process[p.behind].before = p.before
    s.waiting -= 1


@njit(**INNER)
def _serve_first(w: Clinic, now: float, station: int) -> None:
    """Call the first of the queue if there is a free server."""
    s = w.station[station]
    if s.waiting == 0 or s.users >= s.capacity:
        return
    q = s.first
    _leave_queue(w, q, station)
    s.users += 1
    p = w.process[q]
    p.granted = True
    if p.at == SERVER:
        _announce(w, now, COME, q, p.token)


@njit(**INNER)
def _release(w: Clinic, now: float, q: int, n: int) -> None:
    """Let go of the first `n` of the servers of the process."""
    for stage in range(n):
        station = _station_of(w, q, stage)
        w.station[station].users -= 1
        _announce(w, now, RELEASE, station, 0)


@njit(**INNER)
def _opening(w: Clinic, q: int, t: float) -> float:
    """The earliest time from `t` on at which the service of a process that has its servers can begin."""
    p = w.process[q]
    if q % 3 == SESSIONS:
        return _post_start(w, p.by, t, p.duration)
    return _fits(w.calendar[q % 3], t, p.duration)


# --- waiting


@njit(**INNER)
def _wait(w: Clinic, now: float, q: int, at: int, until: float) -> None:
    """Wait for something until `until` at the latest."""
    p = w.process[q]
    w.counts[WAITS] += 1
    p.at, p.token, p.called, p.timed = at, w.counts[WAITS], False, until < np.inf
    if p.timed:
        _announce(w, now + max(until - now, 0.0), TIMEOUT, q, p.token)


@njit(**INNER)
def _give_up(w: Clinic, now: float, i: int) -> None:
    if now < w.patient[i].leaves:
        w.patient[i].gave_up = True
        w.patient[i].leaves = now


# --- a patient's processes, as in pathway.py


@njit(**INNER)
def _arrive(w: Clinic, now: float, i: int) -> None:
    patient = w.patient[i]
    team = patient.team
    if team >= 0:
        patient.place = _free_place(w, team, now)
        if patient.place == PENDING:
            w.waiting[team, w.team[team].tail] = i
            w.team[team].tail += 1
        else:
            w.post[patient.place].patients += 1
    has_doses = w.n_doses[patient.arm] > 0
    patient.running = 1 + has_doses + (team >= 0)
    if has_doses:
        w.process[3 * i + DOSES].at = PLACE if w.waits_for_therapist and team >= 0 else NOTHING
        _start(w, now, 3 * i + DOSES)
    if team >= 0:
        w.process[3 * i + SESSIONS].at = PLACE
        _start(w, now, 3 * i + SESSIONS)
    _start(w, now, 3 * i + VISITS)


@njit(**INNER)
def _start(w: Clinic, now: float, q: int) -> None:
    patient = w.patient[q // 3]
    if w.process[q].at == PLACE and patient.place == PENDING:
        _wait(w, now, q, PLACE, min(patient.leaves, patient.patience))
    else:
        _resume(w, now, q)


@njit(**INNER)
def _resume(w: Clinic, now: float, q: int) -> None:
    """Go on from what the process has waited for to its next wait, or to its end."""
    p = w.process[q]
    at = p.at
    p.at = NOTHING
    step = BEGIN
    if at == PLACE:
        step = _with_place(w, now, q)
    elif at == ASK:
        step = KEEP
    elif at == SERVER:
        step = CALLED
    elif at == SERVICE_END:
        step = _served(w, now, q)
    while step != WAIT:
        if step == BEGIN:
            step = _begin(w, now, q)
        elif step == TRY:
            step = _try(w, now, q)
        elif step == KEEP:
            step = _keep(w, now, q)
        elif step == REQUEST:
            step = _request(w, now, q)
        elif step == CALLED:
            step = _called(w, now, q)
        elif step == CLOSE:
            step = _close(w, now, q)
        else:
            step = _finish(w, now, q)


@njit(**INNER)
def _with_place(w: Clinic, now: float, q: int) -> int:
    """Once there is a place with a therapist, or nobody waits for it any longer."""
    i, p = q // 3, w.process[q]
    patient = w.patient[i]
    if patient.place == PENDING:
        _give_up(w, now, i)
        _tell_of_place(w, now, i, REFUSED)
    if q % 3 == DOSES:
        return BEGIN
    patient.place_wait = now - patient.randomised
    if patient.place == REFUSED:
        return FINISH
    p.post = patient.place
    patient.first_therapist = _holder(w, p.post, now)
    return BEGIN


@njit(**INNER)
def _begin(w: Clinic, now: float, q: int) -> int:
    """When the next appointment is due, until when it can be kept, and when it is first asked for."""
    w.process[q].attempt = 0
    if q % 3 == DOSES:
        return _begin_dose(w, now, q)
    if q % 3 == SESSIONS:
        return _begin_session(w, now, q)
    return _begin_visit(w, now, q)


@njit(**INNER)
def _begin_dose(w: Clinic, now: float, q: int) -> int:
    i, p, calendar = q // 3, w.process[q], w.calendar[DOSES]
    patient, j = w.patient[i], p.item
    if j == w.n_doses[patient.arm] or patient.leaves <= now:
        return FINISH
    day = w.doses[patient.arm, j]
    p.duration = w.durations[DOSES]
    if j == 0:
        asked = now if day == 0 else _due(calendar, patient.randomised, day)
        p.due, p.latest = _fits(calendar, asked, p.duration), patient.patience
    else:
        p.due = _due(calendar, patient.begun, day - w.doses[patient.arm, 0])
        p.latest = p.due + w.keeping[DOSES].late + SLACK
    w.due[i, j] = p.due
    p.ask = _fits(calendar, p.due, p.duration)
    if not np.isnan(p.last):
        p.ask = max(p.ask, _morning_after(calendar, p.last))
    return TRY


@njit(**INNER)
def _begin_session(w: Clinic, now: float, q: int) -> int:
    i, p, calendar = q // 3, w.process[q], w.calendar[SESSIONS]
    patient, k = w.patient[i], p.item
    arm = patient.arm
    if k == w.n_sessions[arm]:
        return FINISH
    day, a = w.sessions[arm, k], w.after[arm, k]
    if a >= 0 and not w.over[i, a]:
        p.awaited = a
        _wait(w, now, q, DOSE, np.inf)
        return WAIT
    if patient.leaves <= now:
        return FINISH
    keeping = w.keeping[SESSIONS]
    was_given = a >= 0 and not np.isnan(w.given[i, a])
    since = patient.randomised
    if a >= 0:
        since = w.given[i, a] if was_given else w.due[i, a]
        day -= w.doses[arm, a]
    p.due = earliest = _due(calendar, since, day)
    w.due[i, w.n_doses[arm] + k] = p.due
    p.deadline = p.due + keeping.window
    p.latest = p.due + keeping.late + SLACK
    if w.promised[arm, k] and was_given:
        earliest = max(p.due, since + w.from_days)
        p.deadline = since + w.to_days
        if w.skips:
            p.latest = p.deadline + SLACK
    p.duration = w.session_days[arm]
    p.ask = _fits(calendar, earliest, p.duration)
    if not np.isnan(p.last):
        same_day = w.sessions[arm, k] - p.last_day < 1
        p.ask = max(p.ask, p.last + p.duration if same_day else _morning_after(calendar, p.last))
    return TRY


@njit(**INNER)
def _begin_visit(w: Clinic, now: float, q: int) -> int:
    i, p, calendar = q // 3, w.process[q], w.calendar[VISITS]
    patient, v = w.patient[i], p.item
    if v == len(w.visits):
        return FINISH
    if v == 1 and w.n_doses[patient.arm] > 0 and w.from_first_infusion and not w.over[i, 0]:
        p.awaited = 0
        _wait(w, now, q, DOSE, np.inf)
        return WAIT
    if patient.leaves <= now:
        return FINISH
    day = w.visits[v]
    p.duration = w.durations[VISITS]
    p.due = now if day == 0 else _due(calendar, patient.zero, day)
    p.deadline = p.due + w.keeping[VISITS].window
    p.latest = p.due + w.keeping[VISITS].late + SLACK
    p.ask = p.due if day == 0 else _fits(calendar, p.due, p.duration)
    return TRY


@njit(**INNER)
def _try(w: Clinic, now: float, q: int) -> int:
    """Ask for the appointment, if it has not been asked for too often."""
    p = w.process[q]
    if p.attempt == w.keeping[q % 3].attempts:
        return CLOSE
    if not p.ask > now:
        return KEEP
    delay = p.ask - now
    if q % 3 != DOSES:
        delay = max(min(p.ask, w.patient[q // 3].leaves) - now, 0.0)
    p.at = ASK
    _announce(w, now + delay, RESUME, q, 0)
    return WAIT


@njit(**INNER)
def _keep(w: Clinic, now: float, q: int) -> int:
    """The appointment's time has come: too late, called off, or a server is asked for."""
    i, p = q // 3, w.process[q]
    patient, keeping = w.patient[i], w.keeping[q % 3]
    if patient.leaves <= now or max(p.ask, now) > p.latest:
        return CLOSE
    u = w.luck[i, _event(w, q) + (w.given.shape[1] if q % 3 == VISITS else 0), p.attempt]
    if keeping.no_show <= u < keeping.either:
        return _rebook(w, now, q)
    p.kept = u >= keeping.either
    p.until = min(p.latest, patient.leaves)
    p.asked = now
    p.stage = 0
    p.n_stations = 2 if q % 3 == DOSES else 1
    p.priority = 0.0 if q % 3 == DOSES else p.deadline
    if q % 3 == SESSIONS:
        p.by = _who_gives(w, p.post, now)
    return REQUEST


@njit(**INNER)
def _event(w: Clinic, q: int) -> int:
    """The number of the treatment event, or of the visit."""
    return w.process[q].item + (w.n_doses[w.patient[q // 3].arm] if q % 3 == SESSIONS else 0)


@njit(**INNER)
def _rebook(w: Clinic, now: float, q: int) -> int:
    p = w.process[q]
    p.ask = now + w.keeping[q % 3].rebook
    p.attempt += 1
    return TRY


@njit(**INNER)
def _request(w: Clinic, now: float, q: int) -> int:
    """Queue for the next of the servers."""
    p = w.process[q]
    station = _station_of(w, q, p.stage)
    p.granted, p.since = False, now
    _join_queue(w, q, station)
    _serve_first(w, now, station)
    if p.granted:
        return CALLED
    _wait(w, now, q, SERVER, p.until)
    return WAIT


@njit(**INNER)
def _called(w: Clinic, now: float, q: int) -> int:
    """Called, or at the end of the patience: be served once all servers are there."""
    p = w.process[q]
    start = NEVER
    if p.granted:
        p.stage += 1
        if p.stage < p.n_stations:
            return REQUEST
        start = _opening(w, q, now)
    else:
        _leave_queue(w, q, _station_of(w, q, p.stage))
    idle_start = _fits(w.calendar[q % 3], p.asked, p.duration)
    if not start <= p.until:
        k = w.counts[TURNED_AWAY]
        w.turned_away[k], w.turned_away_station[k] = max(p.until - idle_start, 0.0), _station_of(w, q, 0)
        w.counts[TURNED_AWAY] = k + 1
        _release(w, now, q, p.stage)
        return CLOSE
    if q % 3 == SESSIONS:
        _book(w, p.by, start)
    for stage in range(p.n_stations):
        k = w.counts[SERVICES]
        w.service_station[k] = _station_of(w, q, stage)
        service = w.service[k]
        service.start, service.end, service.delay = start, start + p.duration, start - idle_start
        service.patient, service.note = q // 3, _event(w, q) if p.kept else -1 - _event(w, q)
        w.counts[SERVICES] = k + 1
    p.start = start
    p.at = SERVICE_END
    _announce(w, now + (start + p.duration - now), RESUME, q, 0)
    return WAIT


@njit(**INNER)
def _book(w: Clinic, m: int, start: float) -> None:
    week = int(start // 7)
    if week < w.booked.shape[1]:
        w.booked[m, week] += 1
    else:
        w.counts[WEEKS_LACKING] = week + 1 - w.booked.shape[1]


@njit(**INNER)
def _served(w: Clinic, now: float, q: int) -> int:
    """After the service, which is not given to who has left meanwhile or has not come."""
    i, p = q // 3, w.process[q]
    _release(w, now, q, p.n_stations)
    if not p.start <= w.patient[i].leaves:
        return CLOSE
    if not p.kept:
        return _rebook(w, now, q)
    if q % 3 == VISITS:
        w.seen[i, p.item] = p.start
        return CLOSE
    w.given[i, _event(w, q)] = p.last = p.start
    if q % 3 == SESSIONS:
        p.last_day = w.sessions[w.patient[i].arm, p.item]
        w.sessions_by[i, _holder(w, p.by, p.start)] += 1
    return CLOSE


@njit(**INNER)
def _close(w: Clinic, now: float, q: int) -> int:
    """The appointment was kept or missed, or the patient has left meanwhile."""
    i, p = q // 3, w.process[q]
    patient, e = w.patient[i], _event(w, q)
    has_left = patient.leaves <= now
    if q % 3 == VISITS:
        if has_left and np.isnan(w.seen[i, e]):
            return FINISH
        w.visit_settled[i, e] = True
    elif q % 3 == SESSIONS:
        if has_left and np.isnan(w.given[i, e]):
            return FINISH
        w.settled[i, e] = True
    else:
        if e == 0:
            if np.isnan(w.given[i, 0]):
                # Whoever never comes to a first infusion is not in treatment.
                _give_up(w, now, i)
                return FINISH
            patient.begun = w.given[i, 0]
            if w.from_first_infusion:
                patient.zero = patient.begun - w.doses[patient.arm, 0]
        w.settled[i, e] = not np.isnan(w.given[i, e]) or not has_left
        _dose_over(w, now, i, e)
    p.item += 1
    return BEGIN


@njit(**INNER)
def _dose_over(w: Clinic, now: float, i: int, j: int) -> None:
    """A dose was given or missed: sessions and visits that wait for it go on."""
    w.over[i, j] = True
    a, b = 3 * i + SESSIONS, 3 * i + VISITS
    if w.process[b].token < w.process[a].token:
        a, b = b, a
    for q in (a, b):
        if w.process[q].at == DOSE and w.process[q].awaited == j:
            _announce(w, now, COME, q, w.process[q].token)


@njit(**INNER)
def _finish(w: Clinic, now: float, q: int) -> int:
    """The end of a process; with the last of them the patient's part ends."""
    i, p = q // 3, w.process[q]
    patient = w.patient[i]
    if q % 3 == DOSES:
        for j in range(w.n_doses[patient.arm]):
            if not w.over[i, j]:
                _dose_over(w, now, i, j)
    elif q % 3 == SESSIONS and p.post >= 0:
        _leave_place(w, now, p.post)
    patient.running -= 1
    if patient.running == 0:
        patient.ended = min(now, patient.leaves)
    return WAIT
