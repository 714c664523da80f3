"""The stations of each site, and which therapist takes which patient."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import simpy

from kaptrial.questions.clinic.calendars import Post
from kaptrial.questions.clinic.drawn import DrawnPost
from kaptrial.questions.clinic.outcome import capacities
from kaptrial.questions.clinic.protocol import Rules
from kaptrial.questions.clinic.resources import Station


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


def staff_of(env: simpy.Environment, rules: Rules, posts: Sequence[DrawnPost]) -> list[SiteStaff]:
    """Every site's stations."""
    clinic, servers = rules.clinic, iter(capacities(rules, posts))
    made: dict[tuple[int, str], list[Caseload]] = {}
    for each in posts:
        post = Post(
            rules.hours, clinic.therapists[each.therapy].sessions_per_week, each.away.tolist(), each.gaps, each.holders
        )
        caseloads = made.setdefault((each.site, each.therapy), [])
        caseloads.append(Caseload(station=Station(env, 1, post), post=post, number=len(caseloads)))
    return [
        SiteStaff(
            chairs=Station(env, next(servers), rules.dose_hours),
            nurses=Station(env, next(servers), rules.dose_hours),
            raters=Station(env, next(servers), rules.hours),
            teams={
                therapy: Team(caseloads=made[i, therapy], limit=clinic.therapists[therapy].caseload)
                for therapy in clinic.therapists
                if (i, therapy) in made
            },
        )
        for i in range(len(clinic.sites))
    ]


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
