"""The stations of each site, and which therapist takes which patient."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import simpy

from kaptrial.model.streams import Stream, generator
from kaptrial.questions.clinic.calendars import Calendar, Post
from kaptrial.questions.clinic.recruitment import DAYS_PER_YEAR
from kaptrial.questions.clinic.resources import Station
from kaptrial.scenario.clinic import Clinic, TherapistPlan


@dataclass(kw_only=True)
class Caseload:
    """One therapist's post with the number of patients now in treatment there."""

    station: Station
    post: Post
    number: int
    patients: int = 0


@dataclass(kw_only=True)
class Team:
    """The therapists of one therapy at one site, and the patients who wait for a place, in their order."""

    caseloads: list[Caseload]
    limit: int
    waiting: deque[simpy.Event] = field(default_factory=deque)


@dataclass(kw_only=True)
class SiteStaff:
    """One site's stations: chairs and nurses for infusions, raters, a team for each therapy."""

    chairs: Station
    nurses: Station
    raters: Station
    teams: dict[str, Team]


def staff_of(
    env: simpy.Environment,
    clinic: Clinic,
    seed: int,
    replicate: int,
    *,
    hours: Calendar,
    dose_hours: Calendar,
    opened: list[float],
    until: float,
) -> list[SiteStaff]:
    """Every site's stations. Absences are drawn post by post up to the day `until`.

    Therapists are numbered over all sites: first those who begin, then those who follow somebody.
    """
    leave_rng = generator(seed, replicate, Stream.LEAVE)
    posts = [
        (i, therapy)
        for i, site in enumerate(clinic.sites)
        for therapy in clinic.therapists
        for _ in range(site.therapists.get(therapy, 0))
    ]
    made: dict[tuple[int, str], list[Caseload]] = {}
    following = len(posts)
    weeks = int(until // 7) + 1
    for number, (i, therapy) in enumerate(posts):
        plan = clinic.therapists[therapy]
        away = leave_rng.random(weeks) < plan.leave.value if plan.leave else np.zeros(0, dtype=bool)
        gaps = _gaps(plan, generator(seed, replicate, Stream.TURNOVER, number), opened[i], until)
        holders = [number, *range(following, following + len(gaps))]
        following += len(gaps)
        post = Post(hours, plan.sessions_per_week, away.tolist(), gaps, holders)
        caseloads = made.setdefault((i, therapy), [])
        caseloads.append(Caseload(station=Station(env, 1, post), post=post, number=len(caseloads)))
    watched = clinic.infusions.patients_per_nurse
    return [
        SiteStaff(
            chairs=Station(env, site.chairs, dose_hours),
            nurses=Station(env, site.nurses * watched, dose_hours),
            raters=Station(env, site.raters, hours),
            teams={
                therapy: Team(caseloads=made[i, therapy], limit=clinic.therapists[therapy].caseload)
                for therapy in clinic.therapists
                if (i, therapy) in made
            },
        )
        for i, site in enumerate(clinic.sites)
    ]


def _gaps(plan: TherapistPlan, rng: np.random.Generator, start: float, until: float) -> list[tuple[float, float]]:
    """When the post is empty: each holder stays an exponential time, the next is found and trained."""
    a_year = plan.turnover.value if plan.turnover else 0.0
    gaps: list[tuple[float, float]] = []
    if a_year == 0.0 or plan.hiring is None:
        return gaps
    t = start
    while True:
        left = t + rng.exponential(DAYS_PER_YEAR / a_year)
        if left > until:
            return gaps
        t = left + plan.hiring.value + plan.training_days
        gaps.append((left, t))


def free_place(team: Team, t: float) -> Caseload | None:
    """The least loaded therapist with a free place, one who is there before one who is not."""
    free = [c for c in team.caseloads if c.patients < team.limit]
    return min(free, key=lambda c: (not c.post.is_held(t), c.patients, c.number)) if free else None


def leave_place(team: Team, caseload: Caseload) -> None:
    """Give a place back; whoever has waited longest takes it."""
    caseload.patients -= 1
    while team.waiting:
        first = team.waiting.popleft()
        if not first.triggered:
            caseload.patients += 1
            first.succeed(caseload)
            return


def who_gives(team: Team, own: Caseload, t: float, *, shared: bool) -> Caseload:
    """The patient's own therapist, or while that post is empty or on leave the colleague with most room this week.

    `shared`: also where the own therapist's week is full and a colleague's is not.
    """
    if own.post.is_held(t) and (not shared or _room(own, t) > 0):
        return own
    there = [c for c in team.caseloads if c.post.is_held(t)]
    best = min(there, key=lambda c: (-_room(c, t), c.patients, c.number), default=own)
    return own if own.post.is_held(t) and _room(best, t) <= 0 else best


def _room(c: Caseload, t: float) -> float:
    """Sessions that a therapist could still take on this week, beyond those given and queued for."""
    queue = c.station.queue
    return c.post.sessions_per_week - c.post.given.get(int(t // 7), 0) - len(queue.queue)
