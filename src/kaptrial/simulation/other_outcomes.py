"""Outcomes that are not primary: drawn beside the primary one, from the same illness and the same treatment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.model import measurement
from kaptrial.model.delivered import DeliveredTreatment
from kaptrial.model.streams import BlockStreams, Stream, normals, uniforms
from kaptrial.scenario.outcomes import OneOfSeveral
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.assessments import Reading, primary_reading
from kaptrial.simulation.by_replicate import by_visit
from kaptrial.simulation.course import improvements_of
from kaptrial.simulation.follow_up import (
    FollowUp,
    Noise,
    expected_scores,
    linear_predictor,
    received_after_dropout,
    recorded,
    rescue_improvement,
    rescues_of,
)
from kaptrial.simulation.patients import Patients, standardised_trait
from kaptrial.simulation.received import Received


def follow_others(
    s: Scenario,
    streams: BlockStreams,
    readings: Mapping[str, Reading],
    patients: Patients,
    received: Received,
    visits: FollowUp,
    improvements: Sequence[Floats],
    delivered: DeliveredTreatment | None,
    *,
    full: bool,
) -> dict[str, dict[str, Floats]]:
    """The arrays of `Measured` of each outcome, of patients whose dropout and rescues the primary one has decided."""
    after = received_after_dropout(s, received, visits.dropout_day) if full else None
    improvements_after = None if after is None else improvements_of(s, list(readings.values()), patients, after)
    gone = visits.dropout_day[..., None]
    measured = {}
    for number, (name, reading) in enumerate(readings.items(), 1):
        outcome, days = s.other_outcomes[name], reading.schedule.visits
        trait = _trait(s, outcome, streams, number, patients)
        noise = _noise(s, outcome, reading, streams, number, patients)
        improvement = improvements[number - 1]
        unrescued = linear_predictor(reading.scale, trait, improvement)
        rescued = _rescued(s, reading, visits)
        scores = recorded(reading, unrescued + rescued, noise)
        arrays = {"baseline": scores[..., 0]}
        if full:
            arrays["latent"], arrays["outcome"] = expected_scores(reading, unrescued), scores
            if improvements_after is not None:
                predictor = linear_predictor(reading.scale, trait, improvements_after[number - 1]) + rescued
                arrays["outcome"] = np.where(days >= gone, recorded(reading, predictor, noise), scores)
        observed = np.less(days, gone, order="F")
        if delivered is not None:
            observed &= ~delivered.visit_missed[..., np.searchsorted(s.design.visits, days)]
        if outcome.missed is not None:
            u = uniforms(streams.of(Stream.OTHER_MISSED, number=number), trait.shape[1], len(days))
            observed &= (u >= outcome.missed.value) | (days <= s.randomisation.day)
        arrays["score"] = np.where(observed, scores, np.nan)
        if s.randomisation.day > 0:
            arrays["randomisation_score"] = scores[..., list(days).index(s.randomisation.day)]
        measured[name] = arrays
    return measured


def _trait(s: Scenario, outcome: OneOfSeveral, streams: BlockStreams, number: int, patients: Patients) -> Floats:
    """The trait baseline, correlated with the primary one's within strata."""
    assert outcome.baseline is not None
    assert outcome.correlation is not None
    own = normals(streams.of(Stream.OTHER_TRAIT, number=number), patients.trait.shape[1], 1)[..., 0]
    z = _correlated(outcome.correlation.baseline.value, standardised_trait(s, patients), own)
    return outcome.baseline.value + outcome.baseline.spread * z


def _correlated(correlation: float, of_primary: Floats, own: Floats) -> Floats:
    """Standard normals that correlate with the primary outcome's so."""
    return correlation * of_primary + np.sqrt(1 - correlation**2) * own


def _noise(
    s: Scenario, outcome: OneOfSeveral, reading: Reading, streams: BlockStreams, number: int, patients: Patients
) -> Noise:
    """Deviations, each a share of the primary outcome's and one of its own; rater errors or the draws of days."""
    assert outcome.correlation is not None
    m, days, n = reading.measurement, reading.schedule.days, patients.trait.shape[1]
    z = normals(streams.of(Stream.OTHER_DEVIATION, number=number), n, len(days))
    time_constant = m.deviation_time_constant.value
    own = measurement.ornstein_uhlenbeck(z[..., 0], z[..., 1:], days, 1.0, time_constant)
    correlation = outcome.correlation.deviation.value
    shared = _primary_deviation(s, days, streams, number, patients) if correlation != 0 else np.zeros(1)
    deviation = by_visit(m.deviation_sd.value) * _correlated(correlation, shared, own)
    if reading.scale.link == "log":
        before = uniforms(streams.of(Stream.OTHER_BASELINE_DAY_OUTCOME, number=number), n, 1)
        later = uniforms(streams.of(Stream.OTHER_DAY_OUTCOME, number=number), n, len(reading.schedule.visits) - 1)
        return Noise(deviation=deviation, rater_error=np.zeros(1), days_before=before, days_later=later)
    if reading.scale.link != "identity":
        before = uniforms(streams.of(Stream.OTHER_BASELINE_DAY_OUTCOME, number=number), n, m.baseline_period_days)
        later = uniforms(streams.of(Stream.OTHER_DAY_OUTCOME, number=number), n, len(days) - 1)
        return Noise(deviation=deviation, rater_error=np.zeros(1), days_before=before, days_later=later)
    error = normals(streams.of(Stream.OTHER_RATER, number=number), n, len(days))
    rater = outcome.correlation.rater
    if rater is not None and rater.value != 0:
        at = np.searchsorted(s.design.visits, days)
        error = _correlated(rater.value, patients.rater_error[..., at] / by_visit(s.measurement.rater_sd.value), error)
    return Noise(deviation=deviation, rater_error=by_visit(m.rater_sd.value) * error)


def _primary_deviation(s: Scenario, days: Floats, streams: BlockStreams, number: int, patients: Patients) -> Floats:
    """The primary outcome's deviations in its SDs on the days of another outcome, which may be read on other days."""
    m, known_days = s.measurement, primary_reading(s).schedule.days
    known = patients.deviation / by_visit(m.deviation_sd.value)
    at = np.searchsorted(known_days, days)
    if (known_days[np.minimum(at, len(known_days) - 1)] == days).all():
        return known[..., at]
    z = normals(streams.of(Stream.BRIDGE, number=number), patients.trait.shape[1], len(days))
    return measurement.between(known_days, known, days, z, 1.0, m.deviation_time_constant.value)


def _rescued(s: Scenario, reading: Reading, visits: FollowUp) -> Floats | float:
    """What rescues add to the linear predictor: they load as the drug does."""
    assert reading.loadings is not None
    gained: Floats | float = 0.0
    for event, rescue in rescues_of(s).items():
        gained = gained + rescue_improvement(rescue, reading.schedule.days, visits.rescues[event])
    return reading.scale.sign * by_visit(reading.loadings["drug"]) * gained
