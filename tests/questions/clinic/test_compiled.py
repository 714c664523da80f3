"""The compiled event queue against the pathway in simpy: the same events, to the bit."""

from __future__ import annotations

import copy
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from kaptrial.errors import ScenarioError
from kaptrial.questions.clinic import compiled, pathway, run
from kaptrial.questions.clinic.drawn import Drawn, draw
from kaptrial.questions.clinic.event_queue import COUNTS, WEEKS_LACKING
from kaptrial.questions.clinic.outcome import Outcome, Use
from kaptrial.questions.clinic.protocol import Rules, rules_of
from kaptrial.scenario.files import build
from tests.builders import clinic_raw, random_clinic_raw, site


def random_raw(rng: np.random.Generator) -> Any:
    """Any plan without groups; in some each therapist treats few, stands in for others, or both arms have therapies."""
    raw = random_clinic_raw(rng)
    raw["therapies"]["shift"]["group_size"] = 1
    plan = raw["clinic"]["therapists"]["shift"]
    plan |= {"shared": bool(rng.random() < 0.5), "caseload": int(rng.integers(1, 8))}
    if rng.random() < 0.3:
        raw["therapies"]["talk"] = copy.deepcopy(raw["therapies"]["shift"])
        raw["arms"][0]["therapy"] = {"name": "talk", "days": raw["arms"][1]["therapy"]["days"][::2]}
        raw["clinic"]["therapists"]["talk"] = {"caseload": 3, "sessions_per_week": 5}
        for each in raw["clinic"]["sites"]:
            each["therapists"]["talk"] = int(rng.integers(1, 4))
    return raw


def drawn(raw: Any, seed: int) -> tuple[Rules, Drawn]:
    """The first replicate of a plan, before it is run."""
    s = build(raw)
    assert s.clinic is not None
    rules = rules_of(s, s.clinic)
    arm, threshold = run.shared_with_trials(s, seed, 0)
    return rules, draw(s, rules, seed=seed, replicate=0, arm=arm[0], threshold=threshold[0])


def random_plan(seed: int) -> tuple[Rules, Drawn]:
    """The first replicate of a random plan."""
    rng = np.random.default_rng([7, seed])
    while True:
        try:
            return drawn(random_raw(rng), seed)
        except ScenarioError:
            continue


def assert_same(a: Outcome | Use, b: Outcome | Use) -> None:
    """The same bytes in every field."""
    for field in fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if field.name == "use":
            for one, other in zip(x, y, strict=True):
                assert_same(one, other)
        elif isinstance(x, np.ndarray):
            assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes()), field.name
        else:
            assert x == y, field.name


@pytest.mark.parametrize(
    "seed", [*range(12), *(pytest.param(seed, marks=pytest.mark.validation) for seed in range(12, 500))]
)
def test_every_event_is_that_of_the_pathway(seed):
    rules, replicate = random_plan(seed)
    assert compiled.knows(rules)
    assert_same(compiled.follow(rules, replicate), pathway.follow(rules, replicate))


def test_sessions_are_booked_however_far_ahead():
    """With one session a week for sixty patients the last one is years after the end of recruitment."""
    raw = clinic_raw(site(referrals=200, therapists={"shift": 1}), n_per_arm=60)
    raw["clinic"]["therapists"]["shift"] = {"caseload": 60, "sessions_per_week": 1}
    raw["clinic"]["sessions"] = {"late_days": 3000}
    rules, replicate = drawn(raw, 1)
    before = compiled.arrays(rules, replicate, weeks=20)
    compiled.queue.run(before)
    assert before.counts.shape == (COUNTS,)
    assert before.counts[WEEKS_LACKING] > 0
    outcome = compiled.follow(rules, replicate)
    assert np.nanmax(outcome.given) > replicate.entrants.closed + 7 * 150
    assert_same(outcome, pathway.follow(rules, replicate))


def test_groups_are_left_to_simpy():
    raw = clinic_raw()
    raw["therapies"]["shift"]["group_size"] = 2
    rules, _ = drawn(raw, 1)
    assert not compiled.knows(rules)
