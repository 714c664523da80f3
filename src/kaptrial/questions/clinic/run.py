"""One replicate of the clinic: from referrals to the last patient out, and what it makes of the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import simpy

from kaptrial.arrays import Floats, Ints
from kaptrial.model.delivered import DeliveredTreatment
from kaptrial.model.streams import BLOCK, Stream, generator, uniforms
from kaptrial.questions.clinic.calendars import Calendar
from kaptrial.questions.clinic.pathway import Patient, Rules, admit
from kaptrial.questions.clinic.protocol import MINUTES, ArmProtocol, arm_protocols, event_days, keeping
from kaptrial.questions.clinic.recruitment import Entrants, recruit
from kaptrial.questions.clinic.resources import NEVER
from kaptrial.questions.clinic.staff import SiteStaff, staff_of
from kaptrial.scenario.clinic import Clinic
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.randomisation import allocate, draw_strata

# The longest time for which absences of staff are drawn after the last randomisation.
FOLLOW_UP_SLACK = 400.0


class End(IntEnum):
    """How a randomised patient's part in the trial ended."""

    COMPLETE = 0
    LOST_WAITING = 1
    DROPPED_OUT = 2


@dataclass(frozen=True, kw_only=True)
class Use:
    """What one kind of resource did at one site: services (start, end, delay, patient, note) of each of its servers.

    `capacity`: servers together. `therapy`: of therapists. `turned_away`: days waited by each who was not served.
    `per_week`, `away`, `gaps`: of a therapist's post, sessions a week, the weeks of leave, and when nobody held it.
    """

    kind: str
    site: int
    capacity: int
    services: list[tuple[float, float, float, int, int]]
    turned_away: list[float]
    therapy: str | None = None
    number: int = 0
    per_week: float = 0.0
    away: Sequence[bool] = ()
    gaps: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, kw_only=True)
class Course:
    """The course of one replicate. Calendar days; patients in the order of their randomisation.

    `given`, `due`, `settled`: (patient, treatment event), doses first; NaN: not given, or never due because the patient
    had left; `settled` tells one from the other. `seen`, `visit_settled`: (patient, visit). `begun`: first infusion.
    `zero`: the patients' own day 0. `place_wait`: days until there was a place with a therapist, or NaN.
    """

    entrants: Entrants
    arm: Ints
    site: Ints
    randomised: Floats
    begun: Floats
    zero: Floats
    place_wait: Floats
    ended: Floats
    end: Ints
    therapist: Ints
    given: Floats
    due: Floats
    settled: np.ndarray
    seen: Floats
    visit_settled: np.ndarray
    use: list[Use]


def run(s: Scenario, *, seed: int, replicates: Sequence[int]) -> list[Course]:
    """The courses of these replicates. Each depends on the scenario, the seed and its own number only."""
    clinic = _clinic(s)
    protocols = arm_protocols(s, clinic)
    courses = []
    drawn: dict[int, tuple[Ints, Floats]] = {}
    for replicate in replicates:
        block = replicate // BLOCK
        if block not in drawn:
            drawn = {block: _shared_with_trials(s, seed, block)}
        arm, threshold = (x[replicate % BLOCK] for x in drawn[block])
        courses.append(_course(s, clinic, protocols, seed, replicate, arm, threshold))
    return courses


def _clinic(s: Scenario) -> Clinic:
    if s.clinic is None:
        raise ValueError("the scenario has no clinic")
    return s.clinic


def _shared_with_trials(s: Scenario, seed: int, block: int) -> tuple[Ints, Floats]:
    """Arms, and the exponential thresholds of dropout: the draws that the block's trials have, too.

    Where dropout depends on scores, the clinic knows the hazard at the mean score only; the threshold being the same,
    nearly the same patients leave at nearly the same time in both.
    """
    arm = allocate(s, seed, block, draw_strata(s, seed, block))
    threshold = -np.log1p(-uniforms(generator(seed, block, Stream.DROPOUT), s.n_total, 1)[..., 0])
    return arm, threshold


def _course(
    s: Scenario, clinic: Clinic, protocols: list[ArmProtocol], seed: int, replicate: int, arm: Ints, threshold: Floats
) -> Course:
    n, n_visits = s.n_total, len(s.design.visits)
    hours = Calendar(clinic.hours.weekdays, clinic.hours.opens, clinic.hours.closes)
    dose_days = clinic.infusions.weekdays or clinic.hours.weekdays
    dose_hours = Calendar(dose_days, clinic.hours.opens, clinic.hours.closes)
    entrants = recruit(s, clinic, seed, replicate, hours)
    env = simpy.Environment()
    opened, until = entrants.opened.tolist(), entrants.closed + s.design.visits[-1] + FOLLOW_UP_SLACK
    staff = staff_of(env, clinic, seed, replicate, hours=hours, dose_hours=dose_hours, opened=opened, until=until)
    rules = Rules(
        clinic=clinic,
        hours=hours,
        dose_hours=dose_hours,
        visits=s.design.visits,
        chair_days=clinic.infusions.chair_minutes / MINUTES,
        rating_days=clinic.ratings.minutes / MINUTES,
        doses=keeping(clinic.infusions.booking),
        sessions=keeping(clinic.sessions.booking),
        ratings=keeping(clinic.ratings.booking),
    )
    n_events = max(len(p.doses) + len(p.sessions) for p in protocols)
    attempts = max(rules.doses.attempts, rules.sessions.attempts, rules.ratings.attempts)
    luck = generator(seed, replicate, Stream.APPOINTMENT).random((n, n_events + n_visits, attempts)).tolist()
    wait = clinic.recruitment.loss_while_waiting
    hazard = wait.value if wait else 0.0
    patience = generator(seed, replicate, Stream.PATIENCE).exponential(size=n)
    randomised = entrants.decided[entrants.randomised]
    site = entrants.site[entrants.randomised]
    patients = []
    for i, t in enumerate(randomised.tolist()):
        protocol = protocols[arm[i]]
        patient = Patient(
            number=i, arm=protocol, site=staff[site[i]], randomised=t, zero=t,
            leaves=t + float(threshold[i]) / protocol.dropout if protocol.dropout > 0 else float("inf"),
            patience=t + float(patience[i]) / hazard if hazard > 0 else float("inf"),
            luck=luck[i], given=[NEVER] * n_events, due=[NEVER] * n_events, settled=[False] * n_events,
            seen=[NEVER] * n_visits, visit_settled=[False] * n_visits, dose_over=[env.event() for _ in protocol.doses],
        )  # fmt: skip
        patients.append(patient)
        env.process(admit(env, patient, rules))
    env.run()
    kept = ("begun", "zero", "place_wait", "ended", "given", "due", "settled", "seen", "visit_settled")
    return Course(
        entrants=entrants,
        arm=arm,
        site=site,
        randomised=randomised,
        end=np.array([_end(p) for p in patients]),
        therapist=np.array([_main_therapist(p) for p in patients]),
        **{name: np.array([getattr(p, name) for p in patients]) for name in kept},
        use=[use for i, site_staff in enumerate(staff) for use in _uses(i, site_staff)],
    )


def _end(p: Patient) -> int:
    if p.gave_up:
        return End.LOST_WAITING
    return End.DROPPED_OUT if p.leaves <= p.ended else End.COMPLETE


def _main_therapist(p: Patient) -> int:
    """Who gave most of the patient's sessions, of equals the lowest number; before any session who took the patient."""
    if not p.therapists:
        return p.first_therapist
    return min(p.therapists, key=lambda number: (-p.therapists[number], number))


def _uses(i: int, site: SiteStaff) -> list[Use]:
    uses = [
        Use(kind=kind, site=i, capacity=x.capacity, services=x.services, turned_away=x.turned_away)
        for kind, x in (("chairs", site.chairs), ("nurses", site.nurses), ("raters", site.raters))
    ]
    uses += [
        Use(
            kind="therapists", site=i, capacity=1, services=c.station.services, turned_away=c.station.turned_away,
            therapy=therapy, number=c.number, per_week=c.post.sessions_per_week, away=c.post.away, gaps=c.post.gaps,
        )
        for therapy, team in site.teams.items()
        for c in team.caseloads
    ]  # fmt: skip
    return uses


def delivered_treatment(s: Scenario, courses: Sequence[Course]) -> DeliveredTreatment:
    """What the courses made of the protocol, replicate by replicate.

    Events that were not due before a patient left stand at their protocol day: `simulate`, which knows the scores,
    decides by itself when patients drop out.
    """
    protocol = event_days(arm_protocols(s, _clinic(s)))
    rows = []
    for c in courses:
        day = np.maximum(c.given - c.zero[:, None], 0.0)
        lost = c.end == End.LOST_WAITING
        planned = protocol[c.arm]
        day = np.where(~c.settled & ~lost[:, None], planned, day)
        # The day of loss is after day 0, which everybody has been seen on.
        loss = np.where(lost, np.maximum(c.ended - c.zero, 1e-6), np.inf)
        missed = c.visit_settled & np.isnan(c.seen)
        missed[:, 0] = False
        rows.append((day, c.therapist, loss, missed))
    day, therapist, loss, missed = (np.stack([row[k] for row in rows]) for k in range(4))
    return DeliveredTreatment(event_day=day, therapist=therapist, loss_day=loss, visit_missed=missed)
