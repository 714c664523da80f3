"""From the course to scores, visit by visit: recording, rescue, dropout and what comes after it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.catalogue import Scale
from kaptrial.model import conduct, counts, measurement
from kaptrial.model.streams import BlockStreams, Stream, uniforms
from kaptrial.scenario.conduct import Rescue
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.assessments import Reading
from kaptrial.simulation.by_replicate import first_of, of_some, some, with_some
from kaptrial.simulation.course import improvement_of
from kaptrial.simulation.patients import Patients
from kaptrial.simulation.received import Received, last_treatment, per_arm, received_before


def linear_predictor(scale: Scale, trait: Floats, improvement: Floats) -> Floats:
    """The latent score (or logit of a day's success): improvement moves it in the better direction."""
    return trait[..., None] + scale.sign * improvement


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What lies between the course and the record, (replicate, patient, …): deviations at the assessment days, rater
    errors at the visits, and for an outcome counted by days the uniforms of the days before entry and after it, for a
    count of events those of day 0 and of the later visits."""

    deviation: Floats
    rater_error: Floats
    days_before: Floats | None = None
    days_later: Floats | None = None


def noise_of(streams: BlockStreams, reading: Reading, patients: Patients) -> Noise:
    """The noise of the primary outcome of the next patients."""
    n, before, later = patients.trait.shape[1], None, None
    if reading.scale.link == "log":
        before = uniforms(streams.of(Stream.COUNT_BEFORE), n, 1)
        later = uniforms(streams.of(Stream.COUNT), n, len(reading.schedule.visits) - 1)
    elif reading.scale.link != "identity":
        before = uniforms(streams.of(Stream.BASELINE_DAY_OUTCOME), n, reading.measurement.baseline_period_days)
        later = uniforms(streams.of(Stream.DAY_OUTCOME), n, len(reading.schedule.days) - 1)
        before, later = np.asfortranarray(before), np.asfortranarray(later)
    return Noise(deviation=patients.deviation, rater_error=patients.rater_error, days_before=before, days_later=later)


def record(reading: Reading, visit: int, predictor: Floats, noise: Noise) -> Floats:
    """The recorded score of one visit, (replicate, patient), from the predictor at all assessment days."""
    schedule, m, scale = reading.schedule, reading.measurement, reading.scale
    days = schedule.slice(visit)
    noisy = predictor[..., days] + noise.deviation[..., days]
    if scale.link == "identity":
        score = noisy[..., 0] + noise.rater_error[..., visit]
        return measurement.record(score, low=scale.low, high=scale.high, step=scale.step, round_=m.round, clip=m.clip)
    assert noise.days_before is not None  # what is counted always draws its days, or its counts
    assert noise.days_later is not None
    if scale.link == "log":
        u = noise.days_before[..., 0] if visit == 0 else noise.days_later[..., visit - 1]
        return counts.poisson(u, _expected_count(reading, visit, noisy))
    if visit == 0:
        n = m.baseline_period_days
        return measurement.percent_of_days(noisy, noise.days_before[..., :n])
    n = int(schedule.length[visit])
    drawn = noise.days_later[..., int(schedule.first[visit]) - 1 :][..., :n]
    return measurement.percent_of_days(noisy, drawn)


def recorded(reading: Reading, predictor: Floats, noise: Noise) -> Floats:
    """The recorded scores of all visits, (replicate, patient, visit)."""
    return np.stack([record(reading, v, predictor, noise) for v in range(len(reading.schedule.visits))], axis=-1)


def _expected_count(reading: Reading, visit: int, log_rate: Floats) -> Floats:
    """The mean number of events of one visit, from the log rate on its days; of day 0, of the period before entry."""
    assert reading.scale.period_days is not None  # a count has a rate
    a_day = np.minimum(np.exp(log_rate) / reading.scale.period_days, MOST_EVENTS_A_DAY)
    return a_day[..., 0] * reading.measurement.baseline_period_days if visit == 0 else a_day.sum(axis=-1)


def expected_scores(reading: Reading, predictor: Floats) -> Floats:
    """The noise-free score at every visit."""
    if reading.scale.link == "identity":
        return predictor
    if reading.scale.link == "log":
        visits = range(len(reading.schedule.visits))
        return np.stack(
            [_expected_count(reading, v, predictor[..., reading.schedule.slice(v)]) for v in visits], axis=-1
        )
    return measurement.mean_percent(predictor, reading.schedule.first, reading.schedule.length)


def _expected_one(reading: Reading, visit: int, predictor: Floats) -> Floats:
    days = predictor[..., reading.schedule.slice(visit)]
    if reading.scale.link == "identity":
        return days[..., 0]
    return measurement.mean_percent(days, np.array([0]), np.array([days.shape[-1]]))[..., 0]


def _centre(reading: Reading) -> float:
    """The mean baseline on the recorded scale, around which score-dependent dropout is centred."""
    mean = reading.baseline.value
    return mean if reading.scale.link == "identity" else 100 / (1 + np.exp(-mean))


# No count of events comes near; beyond it numbers overflow.
MOST_EVENTS_A_DAY = 1000.0
RESCUE_STREAMS = {"rescue": Stream.RESCUE, "open_label_ketamine": Stream.OPEN_LABEL}


@dataclass(frozen=True, kw_only=True)
class FollowUp:
    """Scores as they would be recorded without dropout, and the days of rescues and dropout (infinite: never).

    `rescues`: by intercurrent event, `rescue` and `open_label_ketamine` where they are declared. `predictor`: the
    latent course at the assessment days, rescues included.
    """

    full: Floats
    rescues: dict[str, Floats]
    dropout_day: Floats
    noise: Noise
    predictor: Floats

    def lost_by(self, day: Floats) -> FollowUp:
        """The same where patients are gone by `day` at the latest, (replicate, patient); what is later did not come."""
        rescues = {event: np.where(taken < day, taken, np.inf) for event, taken in self.rescues.items()}
        return replace(self, dropout_day=np.minimum(self.dropout_day, day), rescues=rescues)


def rescues_of(s: Scenario) -> dict[str, Rescue]:
    """What is taken besides the treatment under study, by intercurrent event, in the order in which it is decided."""
    declared = {"rescue": s.conduct.rescue, "open_label_ketamine": s.conduct.open_label_ketamine}
    return {event: rescue for event, rescue in declared.items() if rescue is not None}


def rescue_improvement(rescue: Rescue, days: Floats, taken: Floats) -> Floats:
    """What a rescue that each patient takes on the day `taken` improves the primary outcome by on `days`."""
    since = days - taken[..., None]
    return conduct.rescue_improvement(since, rescue.effect.value, rescue.onset.value, rescue.half_life.value)


def follow_up(
    s: Scenario,
    streams: BlockStreams,
    reading: Reading,
    patients: Patients,
    arm: Ints,
    improvement: Floats,
) -> FollowUp:
    """Visit by visit: the score is recorded, rescue is taken or not, the patient stays or leaves."""
    n, schedule, visits = arm.shape[1], reading.schedule, reading.schedule.visits
    noise = noise_of(streams, reading, patients)
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
    predictor = linear_predictor(s.scale, patients.trait, improvement)
    for v, day in enumerate(visits):
        for event, rescue in declared.items():
            if np.isfinite(rescues[event]).any():
                days = schedule.slice(v)
                gained = rescue_improvement(rescue, schedule.days[days], rescues[event])
                predictor[..., days] += s.scale.sign * gained
        if dropout is not None and day > s.randomisation.day:
            assert hazard is not None
            assert threshold is not None
            start = max(visits[v - 1], s.randomisation.day)
            increment = hazard * (day - start)
            if dropout.last_score is not None:
                increment = increment * conduct.hazard_ratio(
                    dropout.last_score.value, full[..., v - 1], _centre(reading)
                )
            if dropout.current_latent is not None:
                current = _expected_one(reading, v, predictor)
                increment = increment * conduct.hazard_ratio(dropout.current_latent.value, current, _centre(reading))
            left = np.isinf(dropout_day) & (cumulative + increment > threshold)
            with np.errstate(divide="ignore", invalid="ignore"):
                leaves = start + (threshold - cumulative) / increment * (day - start)
            # A patient who leaves on the way to a visit has been at the one before it.
            dropout_day = np.where(left, np.nextafter(np.maximum(leaves, start), np.inf), dropout_day)
            cumulative += increment
        full[..., v] = record(reading, v, predictor, noise)
        for event, rescue in declared.items():
            if day >= rescue.from_day:
                bad = (
                    full[..., v] >= rescue.score_at_least
                    if rescue.score_at_least is not None
                    else full[..., v] <= rescue.score_at_most
                )
                starts = takes[event] & bad & np.isinf(rescues[event]) & (day < dropout_day)
                rescues[event] = np.where(starts, day, rescues[event])
    return FollowUp(full=full, rescues=rescues, dropout_day=dropout_day, noise=noise, predictor=predictor)


def _afterwards(s: Scenario, received: Received) -> str:
    """What comes after leaving; where the scenario knows no dropout, those whom a clinic lost are off treatment."""
    if s.conduct.dropout is None:
        return "as_treated" if received.own_day is None else "off_treatment"
    return s.conduct.dropout.afterwards


def received_after_dropout(s: Scenario, received: Received, dropout_day: Floats) -> Received | None:
    """What patients who leave receive: nothing more, or as in the reference arm; None where it is as it was."""
    afterwards = _afterwards(s, received)
    if afterwards == "as_treated":
        return None
    if afterwards == "as_reference":
        reference = np.array(s.references(s.estimand))[received.arm]
        return Received(arm=reference, belief=received.belief)
    return received_before(s, received, dropout_day)


def after_dropout(
    s: Scenario, reading: Reading, patients: Patients, received: Received, visits: FollowUp
) -> tuple[Floats, Floats]:
    """The latent course of the primary outcome at the assessment days, and the scores, as they are after dropout too.

    Those are followed once more who leave and miss something by it; in each replicate as many as in the one with most.
    """
    changes = np.isfinite(visits.dropout_day)
    if _afterwards(s, received) == "off_treatment":
        changes &= last_treatment(s, received) >= visits.dropout_day
    who = first_of(changes)
    gone = some(visits.dropout_day, who)
    after = received_after_dropout(s, of_some(received, who), gone)
    if after is None or not changes.any():
        return visits.predictor, visits.full
    leavers = of_some(patients, who)
    changed = linear_predictor(s.scale, leavers.trait, improvement_of(s, reading.schedule, leavers, after))
    for event, rescue in rescues_of(s).items():
        gained = rescue_improvement(rescue, reading.schedule.days, some(visits.rescues[event], who))
        changed += s.scale.sign * gained
    scores = recorded(reading, changed, of_some(visits.noise, who))
    days, at_visits = (x >= gone[..., None] for x in (reading.schedule.days, reading.schedule.visits))
    return (
        with_some(visits.predictor, who, np.where(days, changed, some(visits.predictor, who))),
        with_some(visits.full, who, np.where(at_visits, scores, some(visits.full, who))),
    )
