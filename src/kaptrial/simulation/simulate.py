"""Scenario and seed to Trials: fits the scenario's nouns to the model's array functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.model.delivered import DeliveredTreatment
from kaptrial.model.streams import BLOCK
from kaptrial.scenario.drawn import at_rows
from kaptrial.scenario.nulls import with_null
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.assessments import assessment_schedule
from kaptrial.simulation.course import improvement_of
from kaptrial.simulation.eligibility import eligible_patients
from kaptrial.simulation.follow_up import after_dropout, expected_scores, follow_up, linear_predictor
from kaptrial.simulation.randomisation import allocate
from kaptrial.simulation.received import Received, adherence, assign, beliefs
from kaptrial.simulation.trials import Covariate, Trials


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
) -> Trials:
    """One block of trials. `force_arm`: every patient in this arm, the counterfactual that truth is computed from.

    With `delivered`, of shape (BLOCK, patient, ...), patients are treated when, and by whom, their clinic could, and
    are seen no more once it has lost them.
    """
    s = scenario if scenario.null is None else with_null(scenario, scenario.null, expectancy=False)
    s = at_rows(s, block * BLOCK + np.arange(BLOCK))
    schedule = assessment_schedule(s)
    patients = eligible_patients(s, seed, block, schedule)
    arm = allocate(s, seed, block, patients.strata, force_arm)
    taken, events = adherence(s, seed, block, arm, delivered)
    therapist, therapist_effect = assign(s, seed, block, arm, delivered)
    received = Received(
        arm=arm,
        taken=taken,
        therapist_effect=therapist_effect,
        belief=beliefs(s, seed, block, arm),
        own_day=None if delivered is None else delivered.event_day,
    )
    improvement = improvement_of(s, schedule, patients, received)
    visits = follow_up(s, seed, block, schedule, patients, arm, improvement)
    if delivered is not None:
        visits = visits.lost_by(delivered.loss_day)
    latent = outcome = None
    if full:
        latent = expected_scores(s, schedule, linear_predictor(s, patients.trait, improvement))
        after = after_dropout(s, schedule, patients, received, visits)
        outcome = np.where(schedule.visits >= visits.dropout_day[..., None], after, visits.full)
    observed = np.less(schedule.visits, visits.dropout_day[..., None], order="F")
    if delivered is not None:
        observed &= ~delivered.visit_missed
    return Trials(
        arms=tuple(a.id for a in s.arms),
        days=schedule.visits,
        arm=np.ascontiguousarray(arm),
        baseline=np.ascontiguousarray(visits.full[..., 0]),
        score=np.ascontiguousarray(np.where(observed, visits.full, np.nan)),
        factors=s.factors,
        levels=tuple(tuple((a.factors or {}).values()) for a in s.arms) if s.factors else (),
        covariates=_covariates(s, patients.strata, visits.full),
        therapist=None if therapist is None else np.ascontiguousarray(therapist),
        # What would happen after dropout is neither seen nor part of the treatment under study.
        events={
            name: np.ascontiguousarray(np.where(day < visits.dropout_day, day, np.inf))
            for name, day in (events | visits.rescues).items()
        },
        latent=None if latent is None else np.ascontiguousarray(latent),
        outcome=None if outcome is None else np.ascontiguousarray(outcome),
    )


def _covariates(s: Scenario, strata: Ints, full: Floats) -> dict[str, Covariate]:
    covariates = {
        factor.name: Covariate(values=np.ascontiguousarray(strata[..., f], dtype=float), levels=tuple(factor.levels))
        for f, factor in enumerate(s.design.allocation.strata)
    }
    if s.randomisation.day > 0:
        v = s.design.visits.index(s.randomisation.day)
        covariates["randomisation_score"] = Covariate(values=np.ascontiguousarray(full[..., v]))
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
    return Trials(**{**vars(first), **arrays, "covariates": covariates, "events": events})
