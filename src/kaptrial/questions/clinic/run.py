"""One replicate of the clinic: from referrals to the last patient out, and what it makes of the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.model.delivered import DeliveredTreatment
from kaptrial.model.streams import BLOCK, BlockStreams, Stream, uniforms
from kaptrial.questions.clinic import compiled, pathway
from kaptrial.questions.clinic.drawn import draw
from kaptrial.questions.clinic.outcome import Outcome
from kaptrial.questions.clinic.protocol import Rules, arm_protocols, event_days, rules_of
from kaptrial.scenario.clinic import Clinic
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.randomisation import allocate, draw_strata
from kaptrial.simulation.recruitment import Entrants


class End(IntEnum):
    """How a randomised patient's part in the trial ended."""

    COMPLETE = 0
    LOST_WAITING = 1
    DROPPED_OUT = 2


@dataclass(frozen=True, kw_only=True)
class Course(Outcome):
    """The course of one replicate: the patients' ways, and who entered the trial, when, where and how each ended."""

    entrants: Entrants
    arm: Ints
    site: Ints
    randomised: Floats
    end: Ints


def run(s: Scenario, *, seed: int, replicates: Sequence[int]) -> list[Course]:
    """The courses of these replicates. Each depends on the scenario, the seed and its own number only."""
    rules = rules_of(s, _clinic(s))
    courses = []
    drawn: dict[int, tuple[Ints, Floats]] = {}
    for replicate in replicates:
        block = replicate // BLOCK
        if block not in drawn:
            drawn = {block: shared_with_trials(s, seed, block)}
        arm, threshold = (x[replicate % BLOCK] for x in drawn[block])
        courses.append(_course(s, rules, seed, replicate, arm, threshold))
    return courses


def _clinic(s: Scenario) -> Clinic:
    if s.clinic is None:
        raise ValueError("the scenario has no clinic")
    return s.clinic


def shared_with_trials(s: Scenario, seed: int, block: int) -> tuple[Ints, Floats]:
    """Arms, and the exponential thresholds of dropout: the draws that the block's trials have, too.

    Where dropout depends on scores, the clinic knows the hazard at the mean score only; the threshold being the same,
    nearly the same patients leave at nearly the same time in both.
    """
    streams = BlockStreams(seed, block)
    arm = allocate(s, streams, draw_strata(s, streams))
    threshold = -np.log1p(-uniforms(streams.of(Stream.DROPOUT), s.n_total, 1)[..., 0])
    return arm, threshold


def _course(s: Scenario, rules: Rules, seed: int, replicate: int, arm: Ints, threshold: Floats) -> Course:
    drawn = draw(s, rules, seed=seed, replicate=replicate, arm=arm, threshold=threshold)
    outcome = compiled.follow(rules, drawn) if compiled.knows(rules) else pathway.follow(rules, drawn)
    end = np.where(outcome.leaves <= outcome.ended, End.DROPPED_OUT, End.COMPLETE)
    return Course(
        **vars(outcome),
        entrants=drawn.entrants,
        arm=drawn.arm,
        site=drawn.site,
        randomised=drawn.randomised,
        end=np.where(outcome.gave_up, End.LOST_WAITING, end),
    )


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
