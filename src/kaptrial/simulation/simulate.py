"""Scenario and seed to Trials: fits the scenario's nouns to the model's array functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.method_table import ATTENDANCE, USE
from kaptrial.model.delivered import DeliveredTreatment
from kaptrial.model.streams import BLOCK, BlockStreams
from kaptrial.scenario.drawn import of_replicates
from kaptrial.scenario.nulls import with_null
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.arm_sums import ArmSums, Drawn
from kaptrial.simulation.assessments import Reading, other_readings, primary_reading
from kaptrial.simulation.by_replicate import of_patients
from kaptrial.simulation.course import improvements_of
from kaptrial.simulation.eligibility import eligible_patients
from kaptrial.simulation.follow_up import (
    after_dropout,
    expected_scores,
    follow_up,
    linear_predictor,
)
from kaptrial.simulation.other_outcomes import follow_others
from kaptrial.simulation.patients import Patients, acting_normals, draw_patients
from kaptrial.simulation.randomisation import allocate, draw_strata
from kaptrial.simulation.received import Received, adherence, assign, beliefs, per_arm, sessions_attended
from kaptrial.simulation.substance_use import daily_use
from kaptrial.simulation.trials import Covariate, Measured, Trials

# Patients of a block that are followed at once at most, and their assessments: arrays of a few MB stay in cache.
PATIENTS_AT_ONCE, ASSESSMENTS_AT_ONCE = 200, 3200


def simulate(
    scenario: Scenario,
    *,
    seed: int,
    replicates: int,
    full: bool = True,
    delivered: Sequence[DeliveredTreatment] | None = None,
) -> Trials:
    """`replicates` trials of the scenario. More replicates under the same seed keep the earlier ones bit-identical.

    Its parameters are numbers, or one a replicate (scenario/drawn.py).
    `full`: with the latent course and the outcome after dropout, which an analysis does not see. `delivered`: for each
    block, what its clinics made of the protocol under the same seed (questions/clinic/operations.py).
    """
    simulated = blocks(scenario, seed=seed, replicates=replicates, full=full, delivered=delivered)
    return _concatenate(list(simulated)).first(replicates)


def blocks(
    scenario: Scenario,
    *,
    seed: int,
    replicates: int,
    full: bool = True,
    delivered: Sequence[DeliveredTreatment] | None = None,
) -> Iterator[Trials]:
    """The trials of `simulate` block by block, each of `BLOCK` trials: the last holds more than are asked for."""
    for b in range(-(-replicates // BLOCK)):
        yield simulate_block(scenario, seed=seed, block=b, full=full, delivered=delivered[b] if delivered else None)


def simulate_block(
    scenario: Scenario,
    *,
    seed: int,
    block: int,
    full: bool = False,
    force_arm: int | None = None,
    delivered: DeliveredTreatment | None = None,
    with_sums: bool = False,
) -> Trials:
    """One block of trials. `force_arm`: every patient in this arm, the counterfactual that truth is computed from.
    `with_sums`: with the sums of what patients were drawn from, whose means are known.

    With `delivered`, of shape (BLOCK, patient, ...), patients are treated when, and by whom, their clinic could, and
    are seen no more once it has lost them.
    """
    s = scenario if scenario.null is None else with_null(scenario, scenario.null, expectancy=False)
    s = of_replicates(s, block * BLOCK + np.arange(BLOCK))
    reading, streams = primary_reading(s), BlockStreams(seed, block)
    # A run-in redraws those who do not pass it until all do. Without one patients are followed some at a time.
    run_in, n = s.randomisation.run_in, s.n_total
    screened = eligible_patients(s, streams, reading) if run_in is not None and run_in.eligible is not None else None
    strata = draw_strata(s, streams) if screened is None else screened.strata
    arm = allocate(s, streams, strata, force_arm)
    therapist, therapist_effect = assign(s, streams, arm, delivered)
    others = other_readings(s)
    at_once = n if screened is not None else patients_at_once([reading, *others.values()])
    scores: dict[str, Any] = {}
    sums = ArmSums(arm, len(s.arms)) if with_sums else None
    events: dict[str, Floats] = {}
    measured: dict[str, dict[str, Floats]] = {name: {} for name in others}
    for first in range(0, n, at_once):
        part = slice(first, min(first + at_once, n))
        drawn: list[Floats] | None = None if sums is None else []
        patients = screened or draw_patients(s, streams, strata[:, part], reading.schedule, drawn=drawn)
        effect = None if therapist_effect is None else therapist_effect[:, part]
        given = None if delivered is None else delivered.of_patients(part)
        received, events_of = _received(s, streams, arm[:, part], effect, given)
        if sums is not None:
            assert drawn is not None
            centred = _centred(s, patients, received, was_screened=screened is not None)
            acting = acting_normals(s) if screened is None else ()
            sums.add(arm[:, part], Drawn(normals=drawn, acting=acting, centred=centred))
        own, days, of_others = _follow(s, streams, reading, others, patients, received, events_of, given, full=full)
        for whole, of_part in ((scores, own), (events, days), *((measured[name], of_others[name]) for name in others)):
            _insert(whole, of_part, part, n)
    return Trials(
        arms=tuple(a.id for a in s.arms),
        days=reading.schedule.visits,
        arm=np.ascontiguousarray(arm),
        factors=s.factors,
        levels=tuple(tuple((a.factors or {}).values()) for a in s.arms) if s.factors else (),
        covariates=_covariates(s, strata, scores.pop("randomisation_score", None)),
        therapist=None if therapist is None else np.ascontiguousarray(therapist),
        events=events,
        sums=sums,
        others={name: Measured(days=others[name].schedule.visits, **arrays) for name, arrays in measured.items()},
        **scores,
    )


def patients_at_once(readings: Sequence[Reading]) -> int:
    """How many of a block's patients are followed at once where outcomes are read so often.

    An odd number: the assessments of one patient then lie in different lines of the cache.
    """
    days = max(len(each.schedule.days) for each in readings)
    return min(PATIENTS_AT_ONCE, ASSESSMENTS_AT_ONCE // days) | 1


def _received(
    s: Scenario,
    streams: BlockStreams,
    arm: Ints,
    therapist_effect: Floats | None,
    delivered: DeliveredTreatment | None,
) -> tuple[Received, dict[str, Floats]]:
    """What the next patients receive, and the days of the events among it."""
    taken, events = adherence(s, streams, arm, delivered)
    received = Received(
        arm=arm,
        taken=taken,
        therapist_effect=therapist_effect,
        belief=beliefs(s, streams, arm),
        own_day=None if delivered is None else delivered.event_day,
    )
    return received, events


def _centred(s: Scenario, patients: Patients, received: Received, *, was_screened: bool) -> list[Floats]:
    """What else has a known mean, less that mean, (replicate, patient, 1)."""
    centred = []
    if s.population.non_responders is not None and not was_screened:
        centred.append(patients.responder - (1.0 - s.population.non_responders.value))
    if received.belief is not None:
        assert s.expectancy.drug is not None
        centred.append(received.belief - of_patients(per_arm(s, s.expectancy.drug.belief), received.arm))
    if received.therapist_effect is not None:
        centred.append(received.therapist_effect)
    return [x[..., None] for x in centred]


def _follow(
    s: Scenario,
    streams: BlockStreams,
    reading: Reading,
    others: Mapping[str, Reading],
    patients: Patients,
    received: Received,
    events: dict[str, Floats],
    delivered: DeliveredTreatment | None,
    *,
    full: bool,
) -> tuple[dict[str, Floats], dict[str, Floats], dict[str, dict[str, Floats]]]:
    """What becomes of the next patients: the scores of Trials, the days of their events, the scores of the others."""
    schedule = reading.schedule
    improvement, *of_others = improvements_of(s, [reading, *others.values()], patients, received)
    visits = follow_up(s, streams, reading, patients, received.arm, improvement)
    if delivered is not None:
        visits = visits.lost_by(delivered.loss_day)
    scores, predictor = {}, visits.predictor
    if full:
        scores["latent"] = expected_scores(reading, linear_predictor(s.scale, patients.trait, improvement))
        predictor, scores["outcome"] = after_dropout(s, reading, patients, received, visits)
    observed = np.less(schedule.visits, visits.dropout_day[..., None], order="F")
    if delivered is not None:
        observed &= ~delivered.visit_missed
    scores["baseline"] = visits.full[..., 0]
    scores["score"] = np.where(observed, visits.full, np.nan)
    if any(estimand.endpoint in USE for estimand in s.estimands):
        scores |= daily_use(s, streams, patients, predictor, visits.noise)
    if any(estimand.endpoint in ATTENDANCE for estimand in s.estimands):
        scores["attended"] = sessions_attended(s, received, visits.dropout_day)
        scores["dropout_day"] = visits.dropout_day
    if s.randomisation.day > 0:
        scores["randomisation_score"] = visits.full[..., s.design.visits.index(s.randomisation.day)]
    # What would happen after dropout is neither seen nor part of the treatment under study.
    days = {name: np.where(day < visits.dropout_day, day, np.inf) for name, day in (events | visits.rescues).items()}
    measured = {}
    if others:
        measured = follow_others(s, streams, others, patients, received, visits, of_others, delivered, full=full)
    return scores, days, measured


def _insert(whole: dict[str, Floats], of_part: dict[str, Floats], part: slice, n: int) -> None:
    """Put what some of the `n` patients have into the arrays of all, which lie trial by trial."""
    for name, x in of_part.items():
        if name not in whole:
            whole[name] = np.empty((BLOCK, n, *x.shape[2:]), dtype=x.dtype)
        whole[name][:, part] = x


def _covariates(s: Scenario, strata: Ints, randomisation_score: Floats | None) -> dict[str, Covariate]:
    covariates = {
        factor.name: Covariate(values=np.ascontiguousarray(strata[..., f], dtype=float), levels=tuple(factor.levels))
        for f, factor in enumerate(s.design.allocation.strata)
    }
    if randomisation_score is not None:
        covariates["randomisation_score"] = Covariate(values=randomisation_score)
    return covariates


def _concatenate(blocks: list[Trials]) -> Trials:
    if len(blocks) == 1:
        return blocks[0]
    first = blocks[0]
    arrays = {
        name: np.concatenate([getattr(block, name) for block in blocks])
        for name, value in vars(first).items()
        if isinstance(value, np.ndarray) and name != "days"
    }
    covariates = {
        name: Covariate(values=np.concatenate([b.covariates[name].values for b in blocks]), levels=c.levels)
        for name, c in first.covariates.items()
    }
    events = {name: np.concatenate([b.events[name] for b in blocks]) for name in first.events}
    others = {name: Measured.joined([b.others[name] for b in blocks]) for name in first.others}
    return Trials(
        **{**vars(first), **arrays, "covariates": covariates, "events": events, "others": others, "sums": None}
    )
