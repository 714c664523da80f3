"""From rules and draws to the arrays of the compiled event queue, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.questions.clinic import event_queue as queue
from kaptrial.questions.clinic.drawn import Drawn, DrawnPost
from kaptrial.questions.clinic.outcome import KINDS, SERVICE, Outcome, capacities, uses_of
from kaptrial.questions.clinic.protocol import Keeping, Rules
from kaptrial.simulation.opening_hours import Calendar


def knows(rules: Rules) -> bool:
    """Whether the compiled queue has all the rules of this plan: all but groups that share a session."""
    return all(protocol.group == 1 for protocol in rules.protocols)


def follow(rules: Rules, drawn: Drawn) -> Outcome:
    """All patients' ways through the clinic, as `pathway.follow` gives them."""
    weeks = int(drawn.entrants.closed // 7) + 150
    while True:
        clinic = arrays(rules, drawn, weeks)
        queue.run(clinic)
        lacking = int(clinic.counts[queue.WEEKS_LACKING])
        if lacking == 0:
            return _outcome(rules, drawn, clinic)
        weeks += weeks + lacking


def arrays(rules: Rules, drawn: Drawn, weeks: int) -> queue.Clinic:
    """The clinic before its first event; sessions can be booked in so many weeks."""
    plan, protocols, posts = rules.clinic, rules.protocols, drawn.posts
    n, n_events, n_visits = len(drawn.arm), rules.n_events, len(rules.visits)
    # What can be asked for, of two stations at most.
    most = n * (2 * n_events + n_visits) * rules.attempts
    # Of each request there may be an end of patience; of each process whatever else is announced.
    most_events = most + 16 * n
    gaps = [gap for post in posts for gap in post.gaps]
    team = _teams(rules, posts)
    return queue.Clinic(
        calendar=_calendars(rules.dose_hours, rules.hours, rules.hours),
        keeping=_keepings(rules),
        durations=np.array([rules.chair_days, np.nan, rules.rating_days]),
        visits=np.array(rules.visits, dtype=float),
        doses=_table((p.doses for p in protocols), float),
        sessions=_table((p.sessions for p in protocols), float),
        n_doses=np.array([len(p.doses) for p in protocols]),
        n_sessions=np.array([len(p.sessions) for p in protocols]),
        after=_table((p.after for p in protocols), int),
        promised=_table((p.promised for p in protocols), bool),
        session_days=np.array([p.session for p in protocols]),
        from_days=plan.sessions.from_hours / 24,
        to_days=(plan.sessions.to_hours or 0.0) / 24,
        skips=plan.sessions.after_window == "skip",
        from_first_infusion=plan.clock == "first_infusion",
        waits_for_therapist=plan.infusions.wait_for_therapist,
        luck=drawn.luck,
        process=_processes(n),
        patient=_patients(rules, drawn),
        station=_stations(capacities(rules, posts)),
        team=team,
        post=_posts(rules, posts),
        away=_table((post.away for post in posts), bool),
        gap_from=np.array([a for a, _ in gaps], dtype=float),
        gap_to=np.array([b for _, b in gaps], dtype=float),
        waiting=np.empty((len(team), n), dtype=np.int64),
        given=np.full((n, n_events), np.nan),
        due=np.full((n, n_events), np.nan),
        settled=np.zeros((n, n_events), dtype=bool),
        over=np.zeros((n, max(len(p.doses) for p in protocols)), dtype=bool),
        seen=np.full((n, n_visits), np.nan),
        visit_settled=np.zeros((n, n_visits), dtype=bool),
        sessions_by=np.zeros((n, 1 + max((max(post.holders) for post in posts), default=0)), dtype=np.int64),
        booked=np.zeros((len(posts), weeks), dtype=np.int64),
        service=np.empty(most, dtype=SERVICE),
        service_station=np.empty(most, dtype=np.int64),
        turned_away=np.empty(most),
        turned_away_station=np.empty(most, dtype=np.int64),
        counts=np.zeros(queue.COUNTS, dtype=np.int64),
        event_time=np.empty(most_events),
        event_order=np.empty(most_events, dtype=np.int64),
        event=np.empty(most_events, dtype=np.int64),
    )


def _table(rows: Iterable[Sequence[object] | np.ndarray], dtype: type) -> np.ndarray:
    """Rows of several lengths as one array, zero past their ends."""
    listed = list(rows)
    table: np.ndarray = np.zeros((len(listed), max(map(len, listed), default=0)), dtype=dtype)
    for k, row in enumerate(listed):
        table[k, : len(row)] = row
    return table


def _calendars(*calendars: Calendar) -> np.ndarray:
    records = np.empty(len(calendars), dtype=queue.CALENDAR)
    for k, c in enumerate(calendars):
        records[k] = (c.opens, c.closes, c.always, c.is_open, c.to_next)
    return records


def _keepings(rules: Rules) -> np.ndarray:
    plan = rules.clinic

    def record(k: Keeping, late: float, window: float) -> tuple[float, float, float, int, float, float]:
        return (k.no_show, k.either, k.rebook, k.attempts, late, window)

    return np.array(
        [
            record(rules.doses, plan.infusions.late_days, np.nan),
            record(rules.sessions, plan.sessions.late_days, plan.sessions.window_days),
            record(rules.ratings, plan.ratings.late_days, plan.ratings.window_days),
        ],
        dtype=queue.KEEPING,
    )


def _processes(n: int) -> np.ndarray:
    process = np.zeros(3 * n, dtype=queue.PROCESS)
    process["post"] = -1
    process["last"] = np.nan
    return process


def _patients(rules: Rules, drawn: Drawn) -> np.ndarray:
    therapies = list(rules.clinic.therapists)
    therapy = np.array([therapies.index(p.therapy) if p.therapy is not None else -1 for p in rules.protocols])
    patient = np.zeros(len(drawn.arm), dtype=queue.PATIENT)
    for name in ("arm", "site", "randomised", "leaves", "patience"):
        patient[name] = getattr(drawn, name)
    given = therapy[drawn.arm]
    patient["team"] = np.where(given >= 0, drawn.site * len(therapies) + given, -1)
    patient["first_therapist"] = -1
    patient["zero"] = drawn.randomised
    for name in ("begun", "place_wait", "ended"):
        patient[name] = np.nan
    return patient


def _stations(servers: Sequence[int]) -> np.ndarray:
    station = np.zeros(len(servers), dtype=queue.STATION)
    station["capacity"] = servers
    station["first"] = station["final"] = -1
    return station


def _team_numbers(rules: Rules, posts: Sequence[DrawnPost]) -> list[int]:
    therapies = list(rules.clinic.therapists)
    return [post.site * len(therapies) + therapies.index(post.therapy) for post in posts]


def _teams(rules: Rules, posts: Sequence[DrawnPost]) -> np.ndarray:
    """A team for each site and therapy, some perhaps without posts."""
    plans = list(rules.clinic.therapists.values())
    numbers = _team_numbers(rules, posts)
    team = np.zeros(len(rules.clinic.sites) * len(plans), dtype=queue.TEAM)
    for k in range(len(team)):
        plan = plans[k % len(plans)]
        first = numbers.index(k) if k in numbers else 0
        team[k] = (first, first + numbers.count(k), plan.caseload, plan.shared, 0, 0)
    return team


def _posts(rules: Rules, posts: Sequence[DrawnPost]) -> np.ndarray:
    record = np.zeros(len(posts), dtype=queue.POST)
    shared = len(KINDS) * len(rules.clinic.sites)
    n_gaps = np.cumsum([0, *(len(post.gaps) for post in posts)])
    for k, (post, team) in enumerate(zip(posts, _team_numbers(rules, posts), strict=True)):
        per_week = rules.clinic.therapists[post.therapy].sessions_per_week
        follower = post.holders[1] if len(post.holders) > 1 else -1
        record[k] = (team, shared + k, 0, per_week, n_gaps[k], n_gaps[k + 1], follower)
    return record


def _outcome(rules: Rules, drawn: Drawn, clinic: queue.Clinic) -> Outcome:
    patient, n_stations = clinic.patient, len(clinic.station)
    most = clinic.sessions_by.argmax(axis=1)
    treated = clinic.sessions_by.any(axis=1)
    of_patient = ("begun", "zero", "place_wait", "ended", "gave_up", "leaves")
    n_services, n_turned_away = clinic.counts[queue.SERVICES], clinic.counts[queue.TURNED_AWAY]
    return Outcome(
        **{name: patient[name].copy() for name in of_patient},
        therapist=np.where(treated, most, patient["first_therapist"]),
        given=clinic.given,
        due=clinic.due,
        settled=clinic.settled,
        seen=clinic.seen,
        visit_settled=clinic.visit_settled,
        use=uses_of(
            rules,
            drawn.posts,
            _by_station(clinic.service[:n_services], clinic.service_station[:n_services], n_stations),
            _by_station(clinic.turned_away[:n_turned_away], clinic.turned_away_station[:n_turned_away], n_stations),
        ),
    )


def _by_station(x: np.ndarray, station: np.ndarray, n_stations: int) -> list[Floats]:
    """What each station has of `x`, in its order."""
    return [x[station == k] for k in range(n_stations)]
