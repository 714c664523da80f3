"""What each arm asks of the clinic, worked out once: doses, sessions and the dose that each follows, visits."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.scenario.clinic import Booking, Clinic
from kaptrial.scenario.clinic_checks import is_promised
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import for_arm
from kaptrial.simulation.opening_hours import Calendar

MINUTES = 24 * 60


@dataclass(frozen=True, kw_only=True)
class ArmProtocol:
    """One arm's appointments, in protocol days.

    `after`: for each session the number of the dose before it, −1 for none. `promised`: whether its protocol day lies
    in the window promised after that dose. `session`: duration in days; `group`: patients who share one. `dropout`:
    hazard a day, at the scenario's mean score.
    """

    doses: tuple[float, ...]
    sessions: tuple[float, ...]
    after: tuple[int, ...]
    promised: tuple[bool, ...]
    therapy: str | None
    session: float
    group: int
    dropout: float


def arm_protocols(s: Scenario, clinic: Clinic) -> list[ArmProtocol]:
    """What each arm asks for. Events stand in the order of the response model: doses by day, then sessions."""
    protocols = []
    for arm in s.arms:
        doses = tuple(sorted(day for given in arm.doses for day in given.days))
        sessions = arm.therapy.days if arm.therapy else ()
        after = tuple(sum(dose <= day for dose in doses) - 1 for day in sessions)
        lags = [day - doses[a] if a >= 0 else inf for a, day in zip(after, sessions, strict=True)]
        promised = tuple(is_promised(clinic, lag) for lag in lags)
        therapy = s.therapies[arm.therapy.name] if arm.therapy and sessions else None
        dropout = s.conduct.dropout
        protocols.append(
            ArmProtocol(
                doses=doses,
                sessions=sessions,
                after=after,
                promised=promised,
                therapy=arm.therapy.name if arm.therapy and sessions else None,
                session=(therapy.session_minutes or 0.0) / MINUTES if therapy else 0.0,
                group=therapy.group_size if therapy else 1,
                dropout=for_arm(dropout.hazard, arm.id) if dropout else 0.0,
            )
        )
    return protocols


def event_days(protocols: list[ArmProtocol]) -> Floats:
    """Protocol days of each arm's doses and then sessions, (arm, treatment event); NaN past the last."""
    days = np.full((len(protocols), max(len(p.doses) + len(p.sessions) for p in protocols)), np.nan)
    for a, p in enumerate(protocols):
        days[a, : len(p.doses) + len(p.sessions)] = [*p.doses, *p.sessions]
    return days


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """How appointments are kept: probability of no show, of that or a cancellation; when to ask again, how often."""

    no_show: float
    either: float
    rebook: float
    attempts: int


def keeping(booking: Booking) -> Keeping:
    """A booking's rules as plain numbers."""
    no_show = booking.no_show.value if booking.no_show else 0.0
    cancelled = booking.cancelled.value if booking.cancelled else 0.0
    return Keeping(no_show=no_show, either=no_show + cancelled, rebook=booking.rebook_days, attempts=booking.attempts)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is the same for all patients. Durations in days; `n_events`: doses and sessions of the arm with most.

    `attempts`: the most that any kind of appointment has.
    """

    clinic: Clinic
    protocols: list[ArmProtocol]
    hours: Calendar
    dose_hours: Calendar
    visits: tuple[float, ...]
    chair_days: float
    rating_days: float
    doses: Keeping
    sessions: Keeping
    ratings: Keeping
    n_events: int
    attempts: int


def rules_of(s: Scenario, clinic: Clinic) -> Rules:
    """The plan and the protocol of a scenario as what the pathway asks for."""
    protocols = arm_protocols(s, clinic)
    opening = clinic.hours
    doses, sessions, ratings = (keeping(x.booking) for x in (clinic.infusions, clinic.sessions, clinic.ratings))
    return Rules(
        clinic=clinic,
        protocols=protocols,
        hours=Calendar(opening.weekdays, opening.opens, opening.closes),
        dose_hours=Calendar(clinic.infusions.weekdays or opening.weekdays, opening.opens, opening.closes),
        visits=s.design.visits,
        chair_days=clinic.infusions.chair_minutes / MINUTES,
        rating_days=clinic.ratings.minutes / MINUTES,
        doses=doses,
        sessions=sessions,
        ratings=ratings,
        n_events=max(len(p.doses) + len(p.sessions) for p in protocols),
        attempts=max(doses.attempts, sessions.attempts, ratings.attempts),
    )
