"""From the course to scores, visit by visit: recording, rescue, dropout and what comes after it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.model import conduct, measurement
from kaptrial.model.streams import BlockStreams, Stream, uniforms
from kaptrial.scenario.conduct import Rescue
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.assessments import AssessmentSchedule
from kaptrial.simulation.course import improvement_of
from kaptrial.simulation.patients import Patients
from kaptrial.simulation.received import Received, per_arm, received_before


def linear_predictor(s: Scenario, trait: Floats, improvement: Floats) -> Floats:
    """The latent score (or logit of a day's success): improvement moves it in the better direction."""
    return trait[..., None] + s.scale.sign * improvement


def record(
    s: Scenario, schedule: AssessmentSchedule, visit: int, predictor: Floats, patients: Patients, u: Floats | None
) -> Floats:
    """The recorded score of one visit, (replicate, patient), from the predictor at all assessment days."""
    days = schedule.slice(visit)
    noisy = predictor[..., days] + patients.deviation[..., days]
    m = s.measurement
    if s.scale.link == "identity":
        score = noisy[..., 0] + patients.rater_error[..., visit]
        return measurement.record(
            score, low=s.scale.low, high=s.scale.high, step=s.scale.step, round_=m.round, clip=m.clip
        )
    assert u is not None  # a day-by-day outcome always draws its days
    if visit == 0:
        n = m.baseline_period_days
        return measurement.percent_of_days(noisy, u[..., :n], np.array([0]), np.array([n]))[..., 0]
    n = int(schedule.length[visit])
    drawn = u[..., int(schedule.first[visit]) - 1 :][..., :n]
    return measurement.percent_of_days(noisy, drawn, np.array([0]), np.array([n]))[..., 0]


def expected_scores(s: Scenario, schedule: AssessmentSchedule, predictor: Floats) -> Floats:
    """The noise-free score at every visit."""
    if s.scale.link == "identity":
        return predictor
    return measurement.mean_percent(predictor, schedule.first, schedule.length)


def _expected_one(s: Scenario, schedule: AssessmentSchedule, visit: int, predictor: Floats) -> Floats:
    days = predictor[..., schedule.slice(visit)]
    if s.scale.link == "identity":
        return days[..., 0]
    return measurement.mean_percent(days, np.array([0]), np.array([days.shape[-1]]))[..., 0]


def _centre(s: Scenario) -> float:
    """The mean baseline on the recorded scale, around which score-dependent dropout is centred."""
    mean = s.population.baseline.value
    return mean if s.scale.link == "identity" else 100 / (1 + np.exp(-mean))


RESCUE_STREAMS = {"rescue": Stream.RESCUE, "open_label_ketamine": Stream.OPEN_LABEL}


@dataclass(frozen=True, kw_only=True)
class FollowUp:
    """Scores as they would be recorded without dropout, and the days of rescues and dropout (infinite: never).

    `rescues`: by intercurrent event, `rescue` and `open_label_ketamine` where they are declared.
    """

    full: Floats
    rescues: dict[str, Floats]
    dropout_day: Floats
    day_uniforms: tuple[Floats | None, Floats | None]

    def lost_by(self, day: Floats) -> FollowUp:
        """The same where patients are gone by `day` at the latest, (replicate, patient); what is later did not come."""
        rescues = {event: np.where(taken < day, taken, np.inf) for event, taken in self.rescues.items()}
        return replace(self, dropout_day=np.minimum(self.dropout_day, day), rescues=rescues)


def rescues_of(s: Scenario) -> dict[str, Rescue]:
    """What is taken besides the treatment under study, by intercurrent event, in the order in which it is decided."""
    declared = {"rescue": s.conduct.rescue, "open_label_ketamine": s.conduct.open_label_ketamine}
    return {event: rescue for event, rescue in declared.items() if rescue is not None}


def _gained(s: Scenario, rescue: Rescue, days: Floats, taken: Floats) -> Floats:
    """What a rescue adds to the linear predictor on `days`, taken by each patient on the day `taken`."""
    since = days - taken[..., None]
    improvement = conduct.rescue_improvement(since, rescue.effect.value, rescue.onset.value, rescue.half_life.value)
    return s.scale.sign * improvement


def follow_up(
    s: Scenario,
    streams: BlockStreams,
    schedule: AssessmentSchedule,
    patients: Patients,
    arm: Ints,
    improvement: Floats,
) -> FollowUp:
    """Visit by visit: the score is recorded, rescue is taken or not, the patient stays or leaves."""
    n, visits = arm.shape[1], schedule.visits
    before = later = None
    if s.scale.link != "identity":
        before = uniforms(streams.of(Stream.BASELINE_DAY_OUTCOME), n, s.measurement.baseline_period_days)
        later = uniforms(streams.of(Stream.DAY_OUTCOME), n, len(schedule.days) - 1)
        before, later = np.asfortranarray(before), np.asfortranarray(later)
    full = np.empty((*arm.shape, len(visits)), order="F")
    dropout_day, dropout = np.full(arm.shape, np.inf, order="F"), s.conduct.dropout
    declared = rescues_of(s)
    rescues = {event: np.full(arm.shape, np.inf, order="F") for event in declared}
    takes = {
        event: uniforms(streams.of(RESCUE_STREAMS[event]), n, 1)[..., 0] < rescue.share_taking.value
        for event, rescue in declared.items()
    }
    threshold = -np.log1p(-uniforms(streams.of(Stream.DROPOUT), n, 1)[..., 0]) if dropout else None
    hazard = per_arm(s, dropout.hazard)[arm] if dropout else None
    cumulative = np.zeros(arm.shape, order="F")
    predictor = linear_predictor(s, patients.trait, improvement)
    for v, day in enumerate(visits):
        for event, rescue in declared.items():
            if np.isfinite(rescues[event]).any():
                days = schedule.slice(v)
                predictor[..., days] += _gained(s, rescue, schedule.days[days], rescues[event])
        if dropout is not None and day > s.randomisation.day:
            assert hazard is not None
            assert threshold is not None
            start = max(visits[v - 1], s.randomisation.day)
            increment = hazard * (day - start)
            if dropout.last_score is not None:
                increment = increment * conduct.hazard_ratio(dropout.last_score.value, full[..., v - 1], _centre(s))
            if dropout.current_latent is not None:
                current = _expected_one(s, schedule, v, predictor)
                increment = increment * conduct.hazard_ratio(dropout.current_latent.value, current, _centre(s))
            left = np.isinf(dropout_day) & (cumulative + increment > threshold)
            with np.errstate(divide="ignore", invalid="ignore"):
                leaves = start + (threshold - cumulative) / increment * (day - start)
            # A patient who leaves on the way to a visit has been at the one before it.
            dropout_day = np.where(left, np.nextafter(np.maximum(leaves, start), np.inf), dropout_day)
            cumulative += increment
        full[..., v] = record(s, schedule, v, predictor, patients, before if v == 0 else later)
        for event, rescue in declared.items():
            if day >= rescue.from_day:
                bad = (
                    full[..., v] >= rescue.score_at_least
                    if rescue.score_at_least is not None
                    else full[..., v] <= rescue.score_at_most
                )
                starts = takes[event] & bad & np.isinf(rescues[event]) & (day < dropout_day)
                rescues[event] = np.where(starts, day, rescues[event])
    return FollowUp(full=full, rescues=rescues, dropout_day=dropout_day, day_uniforms=(before, later))


def after_dropout(
    s: Scenario,
    schedule: AssessmentSchedule,
    patients: Patients,
    received: Received,
    visits: FollowUp,
) -> Floats:
    """Scores at every visit as they are after dropout: off treatment, as treated, or as in the reference arm.

    Where the scenario knows no dropout, those whom a clinic lost are off treatment.
    """
    dropout = s.conduct.dropout
    if dropout is None and received.own_day is None:
        return visits.full
    afterwards = "off_treatment" if dropout is None else dropout.afterwards
    if afterwards == "as_treated":
        return visits.full
    if afterwards == "as_reference":
        reference = np.array(s.references(s.estimand))[received.arm]
        received = Received(arm=reference, belief=received.belief)
    else:
        received = received_before(s, received, visits.dropout_day)
    predictor = linear_predictor(s, patients.trait, improvement_of(s, schedule, patients, received))
    for event, rescue in rescues_of(s).items():
        predictor += _gained(s, rescue, schedule.days, visits.rescues[event])
    before, later = visits.day_uniforms
    return np.stack(
        [record(s, schedule, v, predictor, patients, before if v == 0 else later) for v in range(len(schedule.visits))],
        axis=-1,
    )
