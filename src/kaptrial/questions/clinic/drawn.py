"""What chance decides of a replicate before its clinic opens: who enters, how long each would stay, who is away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.model.streams import Stream, generator
from kaptrial.questions.clinic.protocol import Rules
from kaptrial.scenario.clinic import Clinic, TherapistPlan
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.recruitment import DAYS_PER_YEAR, Entrants, recruit

# The longest time for which absences of staff are drawn after the last randomisation.
FOLLOW_UP_SLACK = 400.0


@dataclass(frozen=True, kw_only=True)
class DrawnPost:
    """A therapist's post: the weeks of leave, when nobody holds it, and the number of each holder.

    Therapists are numbered over all sites: first those who begin, then those who follow somebody.
    """

    site: int
    therapy: str
    away: Bools
    gaps: Sequence[tuple[float, float]]
    holders: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One replicate before it runs. Calendar days; patients in the order of their randomisation.

    `leaves`, `patience`: when each patient would drop out, and when each would give up waiting. `luck`: uniforms,
    (patient, treatment event and then visit, attempt).
    """

    entrants: Entrants
    arm: Ints
    site: Ints
    randomised: Floats
    leaves: Floats
    patience: Floats
    luck: Floats
    posts: list[DrawnPost]


def draw(s: Scenario, rules: Rules, *, seed: int, replicate: int, arm: Ints, threshold: Floats) -> Drawn:
    """The replicate of this number; `threshold`: exponential thresholds of dropout, which the trial has, too."""
    n, clinic = s.n_total, rules.clinic
    entrants = recruit(s, clinic, seed, replicate, rules.hours)
    until = entrants.closed + rules.visits[-1] + FOLLOW_UP_SLACK
    shape = (n, rules.n_events + len(rules.visits), rules.attempts)
    luck = generator(seed, replicate, Stream.APPOINTMENT).random(shape)
    wait = clinic.recruitment.loss_while_waiting
    patience = generator(seed, replicate, Stream.PATIENCE).exponential(size=n)
    randomised = entrants.decided[entrants.randomised]
    dropout = np.array([protocol.dropout for protocol in rules.protocols])[arm]
    return Drawn(
        entrants=entrants,
        arm=arm,
        site=entrants.site[entrants.randomised],
        randomised=randomised,
        leaves=randomised + _times(threshold, dropout),
        patience=randomised + _times(patience, np.full(n, wait.value if wait else 0.0)),
        luck=luck,
        posts=_posts(clinic, seed, replicate, opened=entrants.opened.tolist(), until=until),
    )


def _times(thresholds: Floats, hazard: Floats) -> Floats:
    """When these cumulative hazards are reached, infinite where there is none."""
    return np.divide(thresholds, hazard, out=np.full(len(hazard), np.inf), where=hazard > 0)


def _posts(clinic: Clinic, seed: int, replicate: int, *, opened: list[float], until: float) -> list[DrawnPost]:
    """Every therapist's post, with absences up to the day `until`."""
    leave_rng = generator(seed, replicate, Stream.LEAVE)
    places = [
        (i, therapy)
        for i, site in enumerate(clinic.sites)
        for therapy in clinic.therapists
        for _ in range(site.therapists.get(therapy, 0))
    ]
    following = len(places)
    weeks = int(until // 7) + 1
    posts = []
    for number, (i, therapy) in enumerate(places):
        plan = clinic.therapists[therapy]
        away = leave_rng.random(weeks) < plan.leave.value if plan.leave else np.zeros(0, dtype=bool)
        gaps = _gaps(plan, generator(seed, replicate, Stream.TURNOVER, number), opened[i], until)
        holders = [number, *range(following, following + len(gaps))]
        following += len(gaps)
        posts.append(DrawnPost(site=i, therapy=therapy, away=away, gaps=gaps, holders=holders))
    return posts


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
