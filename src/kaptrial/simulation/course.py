"""The noise-free course of improvement under what was received."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.model import expectancy
from kaptrial.model.response import DrugParameters, PatientParameters, TherapyParameters, course, timetable
from kaptrial.scenario.outcomes import Part
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import Sourced
from kaptrial.scenario.treatment import zero_if_absent
from kaptrial.simulation.assessments import AssessmentSchedule, Reading
from kaptrial.simulation.by_replicate import Parameter, by_arm, by_visit, flat, of_patients, spread_over
from kaptrial.simulation.patients import Patients
from kaptrial.simulation.received import Received, first_session, schedules_of

LN2 = float(np.log(2.0))


def improvement_of(s: Scenario, schedule: AssessmentSchedule, patients: Patients, received: Received) -> Floats:
    """Noise-free improvement of the primary outcome at the assessment days, (replicate, patient, day)."""
    parts = _parts(s, schedule.days, patients, received)
    improvement = next(parts)[1] + next(parts)[1]
    for _, part in parts:
        improvement += part
    return improvement


def improvements_of(s: Scenario, readings: Sequence[Reading], patients: Patients, received: Received) -> list[Floats]:
    """The same of several outcomes, each on its days and with its loadings; what is read on the same days at once."""
    if len(readings) == 1 and readings[0].loadings is None:
        return [improvement_of(s, readings[0].schedule, patients, received)]
    totals = [np.zeros((*received.arm.shape, len(each.schedule.days)), order="F") for each in readings]
    for days in {tuple(each.schedule.days) for each in readings}:
        alike = [i for i, each in enumerate(readings) if tuple(each.schedule.days) == days]
        for name, part in _parts(s, np.array(days), patients, received):
            for i in alike:
                loadings = readings[i].loadings
                totals[i] += part if loadings is None else by_visit(loadings[name]) * part
    return totals


def _parts(s: Scenario, days: Floats, patients: Patients, received: Received) -> Iterator[tuple[Part, Floats]]:
    """What improvement in the primary outcome is the sum of: first the drug's part, then the therapy's."""
    schedules, arm = schedules_of(s), received.arm
    drug, therapy = course(
        _timetable(tuple(map(float, days)), tuple(schedules)),
        arm=arm,
        taken=received.taken,
        drug=drug_parameters(s),
        therapy=therapy_parameters(s),
        patients=PatientParameters(
            decay_rate_per_day=patients.decay_rate_per_day,
            max_effect=patients.max_effect,
            max_therapy_effect=_max_therapy_effect(s, arm, patients.therapy_z),
            responder=patients.responder,
        ),
        own_day=received.own_day,
    )
    yield "drug", drug
    yield "therapy", therapy
    if s.natural_course is not None:
        n = s.natural_course
        yield "natural_course", spread_over(patients.natural_change, -np.expm1(-days / by_visit(n.time_constant.value)))
        if n.immediate is not None:
            onset = by_visit(n.immediate.onset.value)
            yield "natural_course", by_visit(n.immediate.change.value) * -np.expm1(-days / onset)
    if received.therapist_effect is not None:
        started = np.greater(days, first_session(schedules, received)[..., None], order="F")
        yield "therapy", spread_over(received.therapist_effect, started)
    x = s.expectancy
    if x.drug is not None and received.belief is not None:
        onset, half_life = x.drug.onset.value, x.drug.half_life.value
        given = [
            np.array([d for d, _ in sch.doses if d >= s.randomisation.day] or [s.randomisation.day])
            for sch in schedules
        ]
        shapes = [
            expectancy.renewed(days, doses, onset, half_life)
            if x.drug.renewed
            else expectancy.rise_and_fade(days, doses.min(), onset, half_life)
            for doses in given
        ]
        shape = np.stack(shapes, axis=-2)
        lost = zero_if_absent(x.drug.disappointment)
        own_shape = of_patients(shape, arm, visits=True)
        yield "expectancy", expectancy.expectancy(received.belief, own_shape, x.drug.effect.value, lost)
    if x.therapy is not None:
        hoped = np.array([bool(a.therapy and s.therapies[a.therapy.name].is_hoped_for) for a in s.arms])
        onset, half_life = by_visit(x.therapy.onset.value), by_visit(x.therapy.half_life.value)
        shape = expectancy.rise_and_fade(days, s.randomisation.day, onset, half_life)
        lost = zero_if_absent(x.therapy.disappointment)
        yield "expectancy", expectancy.expectancy(hoped[arm], shape, x.therapy.effect.value, lost)


# Of the days on which outcomes are read; most often that of one scenario is wanted many times.
_timetable = lru_cache(maxsize=32)(timetable)


def drug_parameters(s: Scenario) -> DrugParameters:
    """The scenario's drug as the model takes it."""
    d = s.drug
    return DrugParameters(
        linear=d.effect == "linear",
        ec50=flat(d.ec50.value) if d.ec50 else 1.0,
        hill=flat(d.hill.value) if d.hill else 1.0,
        consolidated_share=flat(d.consolidation.share.value) if d.consolidation else 0.0,
        consolidated_rate_per_day=LN2 / flat(d.consolidation.half_life.value) if d.consolidation else 0.0,
        window_rate_per_day=LN2 / flat(d.window_half_life.value) if d.window_half_life else 1.0,
    )


def therapy_parameters(s: Scenario) -> TherapyParameters:
    """The arms' therapies as the model takes them; an arm without therapy learns nothing."""
    rows: list[tuple[Parameter, ...]] = []
    for arm in s.arms:
        if arm.therapy is None:
            rows.append((0.0, 1.0, 0.0, 0.0, 0.0))
            continue
        t = s.therapies[arm.therapy.name]
        effects = (zero_if_absent(x) for x in (t.gamma, t.kappa, t.xi))
        rows.append((t.learning_per_session.value, LN2 / t.half_life.value, *effects))
    learning, forgetting, gamma, kappa, xi = (by_arm(column) for column in zip(*rows, strict=True))
    return TherapyParameters(
        learning_per_session=learning, forgetting_rate_per_day=forgetting, gamma=gamma, kappa=kappa, xi=xi
    )


def _max_therapy_effect(s: Scenario, arm: Ints, z: Floats) -> Floats:
    sizes: list[Sourced | None] = [s.therapies[a.therapy.name].max_effect if a.therapy else None for a in s.arms]
    median = of_patients(by_arm([zero_if_absent(x) for x in sizes]), arm)
    log_sd = by_arm([0.0 if x is None else x.spread for x in sizes])
    return median * np.exp(of_patients(log_sd, arm) * z) if log_sd.any() else median
