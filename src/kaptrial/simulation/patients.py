"""Who the patients are: the scenario's population drawn through the model's distributions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from kaptrial.arrays import Floats, Ints
from kaptrial.model import measurement, population
from kaptrial.model.streams import BlockStreams, Stream, normals, uniforms
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.treatment import zero_if_absent
from kaptrial.simulation.assessments import AssessmentSchedule
from kaptrial.simulation.by_replicate import by_visit, some

LN2 = float(np.log(2.0))


@dataclass(frozen=True, kw_only=True)
class Patients:
    """What a patient brings, (replicate, patient, ...): parameters, deviations, strata."""

    trait: Floats
    decay_rate_per_day: Floats
    max_effect: Floats
    therapy_z: Floats
    natural_change: Floats
    responder: np.ndarray
    deviation: Floats
    rater_error: Floats
    strata: Ints


def draw_patients(
    s: Scenario,
    streams: BlockStreams,
    strata: Ints,
    schedule: AssessmentSchedule,
    attempt: int = 0,
    drawn: list[Floats] | None = None,
    who: Ints | None = None,
) -> Patients:
    """The next patients of a block, of these strata, before allocation. `attempt` > 0: others in their place.

    `drawn`: a list to which the standard normals are added that the patients are made of, (replicate, patient, number).
    `who`: those that are wanted, by number (replicate, patient); all are drawn.
    """
    n, m = strata.shape[1], s.measurement

    def wanted(x: Any) -> Any:
        return x if who is None else some(x, who)

    strata = wanted(strata)
    shift = _shift(s, strata)
    z = wanted(normals(streams.of(Stream.PATIENT, attempt), n, 7))
    entry = s.population.entry
    u = wanted(uniforms(streams.of(Stream.ENTRY, attempt), n, 1)[..., 0]) if entry else None
    slack = s.scale.step / 2 if m.round else 0.0
    zero = population.draw_day_zero(
        z[..., :3],
        u,
        mean=s.population.baseline.value + shift,
        trait_sd=s.population.baseline.spread,
        deviation_sd=m.deviation_sd.value,
        rater_sd=m.rater_sd.value if s.scale.link == "identity" else 0.0,
        low=entry.at_least - slack if entry and entry.at_least is not None else -np.inf,
        high=entry.at_most + slack if entry and entry.at_most is not None else np.inf,
    )
    standardised = _standardised(s, zero.trait, shift)
    varying = population.correlate(standardised, z[..., 3:], s.population.correlation_matrix())
    onwards = wanted(normals(streams.of(Stream.DEVIATION, attempt), n, len(schedule.days) - 1))
    deviation = measurement.ornstein_uhlenbeck(
        zero.deviation, onwards, schedule.days, m.deviation_sd.value, m.deviation_time_constant.value
    )
    rater_error = np.zeros(1)
    if drawn is not None:
        drawn += [z, onwards]
        drawn += [] if u is None else [np.asarray(special.ndtri(np.maximum(u, 1e-300)), dtype=float)[..., None]]
    if s.scale.link == "identity":
        later = wanted(normals(streams.of(Stream.RATER, attempt), n, len(schedule.visits) - 1))
        if drawn is not None:
            drawn.append(later)
        rater_error = np.concatenate([zero.rater_error[..., None], by_visit(m.rater_sd.value) * later], axis=-1)
    half_life, natural = s.drug.half_life, s.natural_course
    responder = np.ones(zero.trait.shape, dtype=np.bool_, order="F")
    if s.population.non_responders is not None:
        u = wanted(uniforms(streams.of(Stream.NON_RESPONDER, attempt), n, 1)[..., 0])
        responder = u >= s.population.non_responders.value
    return Patients(
        trait=zero.trait,
        decay_rate_per_day=LN2 / population.log_normal(half_life.value, half_life.spread, varying[..., 1]),
        max_effect=_max_effect(s, zero.trait, varying[..., 0]),
        therapy_z=varying[..., 2],
        natural_change=(natural.change.value + natural.change.spread * varying[..., 3]) if natural else np.zeros(1),
        responder=responder,
        deviation=deviation,
        rater_error=rater_error,
        strata=strata,
    )


def acting_normals(s: Scenario) -> tuple[int, ...]:
    """Which of the first normals of a patient are of the trait and of parameters that vary between patients."""
    sizes = [therapy.max_effect for therapy in s.therapies.values()]
    spreads = (
        (s.drug.share, s.drug.max_effect, s.drug.slope),
        (s.drug.half_life,),
        sizes,
        (s.natural_course.change if s.natural_course else None,),
    )
    varying = [any(x is not None and np.any(x.spread) for x in group) for group in spreads]
    return (0, *(3 + k for k, varies in enumerate(varying) if varies))


def standardised_trait(s: Scenario, patients: Patients) -> Floats:
    """How far each trait lies from the mean of its strata, in SDs between patients, (replicate, patient)."""
    return _standardised(s, patients.trait, _shift(s, patients.strata))


def _standardised(s: Scenario, trait: Floats, shift: Floats) -> Floats:
    baseline = s.population.baseline
    off_centre = trait - baseline.value - shift
    return np.divide(off_centre, baseline.spread, out=np.zeros_like(trait), where=np.greater(baseline.spread, 0))


def _shift(s: Scenario, strata: Ints) -> Floats:
    """The shift of the trait that the levels of the stratification factors bring, (replicate, patient)."""
    shift = np.zeros(strata.shape[:2], order="F")
    for f, factor in enumerate(s.design.allocation.strata):
        shift += np.array([zero_if_absent(level.shift) for level in factor.levels.values()])[strata[..., f]]
    return shift


def _max_effect(s: Scenario, trait: Floats, z: Floats) -> Floats:
    """Emax of each patient (or the slope): a share of the way from the trait to the best score, or in units."""
    d = s.drug
    if d.share is not None:
        room = np.maximum((trait - s.scale.best) * -s.scale.sign, 0.0)
        return room * population.logit_normal(d.share.value, d.share.spread, z)
    size = d.slope if d.effect == "linear" else d.max_effect
    assert size is not None  # Drug guarantees one of the three
    return size.value + size.spread * z
