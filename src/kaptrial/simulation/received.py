"""What patients are allocated to and receive: arms, doses and sessions, therapists, belief."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.model import allocation, conduct
from kaptrial.model.delivered import DeliveredTreatment
from kaptrial.model.response import ArmSchedule
from kaptrial.model.streams import BlockStreams, Stream, normals, uniforms
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import Sourced, for_arm
from kaptrial.scenario.treatment import quantities
from kaptrial.simulation.by_replicate import by_arm, of_patients


@dataclass(frozen=True, kw_only=True)
class Received:
    """What patients were allocated to and received.

    `arm`, `therapist_effect`, `belief`: (replicate, patient). `taken`: which doses and sessions (None: all), and
    `own_day`: when, where a clinic decided that, both (replicate, patient, treatment event).
    """

    arm: Ints
    taken: Bools | None = None
    therapist_effect: Floats | None = None
    belief: Bools | None = None
    own_day: Floats | None = None


def schedules_of(s: Scenario) -> list[ArmSchedule]:
    """What each arm is to receive, the run-in included."""
    run_in = s.randomisation.run_in
    before = [(day, q) for d in run_in.doses for day, q in zip(d.days, quantities(d), strict=True)] if run_in else []
    schedules = []
    for arm in s.arms:
        given = before + [(day, q) for d in arm.doses for day, q in zip(d.days, quantities(d), strict=True)]
        schedules.append(
            ArmSchedule(
                doses=tuple(sorted(given)),
                session_days=arm.therapy.days if arm.therapy else (),
                adjuncts=tuple(
                    (a.from_day, a.to_day, _factor(a.max_effect_factor), _factor(a.half_life_factor))
                    for a in arm.adjuncts
                ),
            )
        )
    return schedules


def _factor(value: Sourced | None) -> float:
    return 1.0 if value is None else value.value


def per_arm(s: Scenario, value: object) -> Floats:
    """A value of the scenario for each arm, (arm,) or (replicate, arm); 0 where it is absent."""
    return by_arm([0.0 if value is None else for_arm(value, arm.id) for arm in s.arms])  # type: ignore[arg-type]


def adherence(
    s: Scenario, streams: BlockStreams, arm: Ints, delivered: DeliveredTreatment | None = None
) -> tuple[np.ndarray | None, dict[str, Floats]]:
    """Which doses and sessions each patient receives (None: all), and the days of the intercurrent events among them.

    therapy_discontinuation: the day sessions were stopped, if that withheld any. missed_infusions: the day of the first
    infusion not received. Infinite where they do not happen. What a clinic gave takes the place of the scenario's
    shares of missed doses and sessions; patients may stop for good all the same.
    """
    c = s.conduct
    if delivered is None and not any((c.missed_doses, c.missed_sessions, c.stop_doses, c.stop_sessions)):
        return None, {}
    schedules = schedules_of(s)
    day, n_doses = treatment_days(schedules)
    n = arm.shape[1]
    e = -np.log1p(-uniforms(streams.of(Stream.STOP), n, 2))
    stops = [
        conduct.stop_days(e[..., i], per_arm(s, hazard)[arm], s.randomisation.day)
        for i, hazard in enumerate((c.stop_doses, c.stop_sessions))
    ]
    if delivered is None:
        miss = np.zeros_like(day)
        for a in range(len(schedules)):
            miss[a, : n_doses[a]] = per_arm(s, c.missed_doses)[a]
            miss[a, n_doses[a] :] = per_arm(s, c.missed_sessions)[a]
        miss[day < s.randomisation.day] = 0.0
        u = uniforms(streams.of(Stream.MISSED), n, day.shape[1])
        taken, first_missed = conduct.treatment_taken(u, arm, day, n_doses, miss, stops[0], stops[1])
    else:
        taken, first_missed = conduct.treatment_given(delivered.event_day, arm, day, n_doses, stops[0], stops[1])
    events = {}
    if c.stop_sessions is not None:
        # Only a stop that withholds something is an event.
        last = np.array([max(x.session_days, default=-np.inf) for x in schedules])
        events["therapy_discontinuation"] = np.where(stops[1] < last[arm], stops[1], np.inf)
    if c.missed_doses is not None or c.stop_doses is not None:
        events["missed_infusions"] = first_missed
    return taken, events


def treatment_days(schedules: list[ArmSchedule]) -> tuple[Floats, Ints]:
    """Days of each arm's doses and then sessions, (arm, treatment event), infinite past the last; number of doses."""
    longest = max(len(x.doses) + len(x.session_days) for x in schedules)
    day = np.full((len(schedules), longest), np.inf)
    for a, schedule in enumerate(schedules):
        days = [*(d for d, _ in schedule.doses), *schedule.session_days]
        day[a, : len(days)] = days
    return day, np.array([len(x.doses) for x in schedules])


def received_before(s: Scenario, received: Received, day: Floats) -> Received:
    """What was received before a day, (replicate, patient)."""
    days = treatment_days(schedules_of(s))[0][received.arm] if received.own_day is None else received.own_day
    before = days < day[..., None]
    return replace(received, taken=before if received.taken is None else before & received.taken)


def last_treatment(s: Scenario, received: Received) -> Floats:
    """The day of the last dose or session that a patient was to receive, (replicate, patient)."""
    days = treatment_days(schedules_of(s))[0] if received.own_day is None else received.own_day
    last = np.where(np.isfinite(days), days, -np.inf).max(axis=-1, initial=-np.inf)
    return np.asarray(last[received.arm] if received.own_day is None else last)


def sessions_attended(s: Scenario, received: Received, dropout_day: Floats) -> Floats:
    """How many sessions each patient has attended by each visit, (replicate, patient, visit): none after leaving."""
    day, n_doses = treatment_days(schedules_of(s))
    is_session = (np.arange(day.shape[1]) >= n_doses[:, None]) & np.isfinite(day)
    own_day = day[received.arm] if received.own_day is None else received.own_day
    attended = is_session[received.arm] & (own_day < dropout_day[..., None])
    if received.taken is not None:
        attended &= received.taken
    return np.stack([(attended & (own_day <= visit)).sum(axis=-1) for visit in s.design.visits], axis=-1).astype(float)


def first_session(schedules: list[ArmSchedule], received: Received) -> Floats:
    """Day of each patient's first attended session; infinity if there is none."""
    arm, taken, own_day = received.arm, received.taken, received.own_day
    if taken is None:
        return np.array([min(x.session_days, default=np.inf) for x in schedules])[arm]
    day, n_doses = treatment_days(schedules)
    if own_day is not None:
        is_session = np.arange(day.shape[1]) >= n_doses[arm][..., None]
        return np.where(taken & is_session, own_day, np.inf).min(axis=-1)
    return conduct.first_session(taken, arm, day, n_doses)


def assign(
    s: Scenario, streams: BlockStreams, arm: Ints, delivered: DeliveredTreatment | None = None
) -> tuple[Ints | None, Floats | None]:
    """Each patient's therapist (−1: none) and that therapist's effect on improvement; a clinic names them itself."""
    names = list(s.therapies)
    staff = [s.therapies[name].therapists for name in names]
    if not any(staff):
        return None, None
    pool = np.array(
        [names.index(a.therapy.name) if a.therapy and s.therapies[a.therapy.name].therapists else -1 for a in s.arms]
    )
    own_pool = pool[arm]
    if delivered is None:
        therapist = allocation.assign_therapists(
            own_pool, [x.count if x else None for x in staff], [x.caseload if x else None for x in staff]
        )
    else:
        therapist = np.where(own_pool < 0, -1, delivered.therapist)
    # Drawn therapist by therapist, so that more of them change nothing for those before.
    z = normals(streams.of(Stream.THERAPIST), int(therapist.max(initial=0)) + 1, len(names))
    sds = np.array([x.sd.value if x else 0.0 for x in staff])
    effect = allocation.therapist_effects(z, sds, therapist, own_pool)
    if delivered is None:
        therapist = np.where(therapist < 0, -1, therapist + _first_number(staff, s.n_total)[own_pool])
    return therapist, effect


def _first_number(staff: list, n: int) -> Ints:
    """Therapists are numbered on from one therapy to the next."""
    sizes = [0 if x is None else x.count or -(-n // x.caseload) for x in staff]
    return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)


def beliefs(s: Scenario, streams: BlockStreams, arm: Ints) -> np.ndarray | None:
    """Who believes that they received the drug, (replicate, patient); None without drug expectancy."""
    if s.expectancy.drug is None:
        return None
    u = uniforms(streams.of(Stream.BELIEF), arm.shape[1], 1)[..., 0]
    return u < of_patients(per_arm(s, s.expectancy.drug.belief), arm)
