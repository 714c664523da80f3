"""The clinic over many replicates: its tables, and what it makes of the protocol for the trials simulated under it."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kaptrial.errors import ScenarioError
from kaptrial.model.delivered import DeliveredTreatment
from kaptrial.model.streams import BLOCK
from kaptrial.process import Cost, timed
from kaptrial.questions.clinic.replicate_summary import ReplicateSummary, summarise_replicate
from kaptrial.questions.clinic.run import Course, delivered_treatment, run
from kaptrial.questions.power.execution import in_order, shared
from kaptrial.scenario.clinic import money
from kaptrial.scenario.files import as_raw
from kaptrial.scenario.scenario import Scenario

# Replicates in one task: few enough that two workers finish together.
CHUNK = 16


@dataclass(frozen=True, kw_only=True)
class Operations:
    """What the clinic did: a summary of each replicate, the whole course of the first, and for each block of replicates
    what it made of the protocol (None unless whole blocks were asked for)."""

    summaries: list[ReplicateSummary]
    first: Course
    delivered: tuple[DeliveredTreatment, ...] | None


def operations(
    s: Scenario,
    *,
    seed: int,
    replicates: int,
    workers: int = 1,
    for_trials: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Operations:
    """Run the scenario's clinic. The result does not depend on `workers`.

    `for_trials`: run whole blocks, for `simulate` under the same seed; the summaries stay those of `replicates`. Raises
    ScenarioError where the scenario has no clinic.
    """
    check_has_clinic(s)
    n = -(-replicates // BLOCK) * BLOCK if for_trials else replicates
    tasks = [(s, seed, start, min(start + CHUNK, n), for_trials) for start in range(0, n, CHUNK)]
    summaries: list[ReplicateSummary] = []
    parts: list[DeliveredTreatment] = []
    first: Course | None = None
    for of_chunk, part, course in in_order(_chunk, tasks, workers):
        summaries += of_chunk
        first = first or course
        if part is not None:
            parts.append(part)
        if progress is not None:
            progress(len(of_chunk))
    assert first is not None
    per_block = BLOCK // CHUNK
    blocks = tuple(_join(parts[i : i + per_block]) for i in range(0, len(parts), per_block))
    return Operations(summaries=summaries[:replicates], first=first, delivered=blocks if for_trials else None)


def check_has_clinic(s: Scenario) -> None:
    """Raise ScenarioError where there is no plan of a clinic."""
    if s.clinic is None:
        raise ScenarioError("clinic is missing: must be given: sites, recruitment, therapists ... (docs/clinic.md)")


def check_has_costs(s: Scenario) -> None:
    """Raise ScenarioError where no unit has a cost, and no plan is cheaper than another."""
    costs = s.clinic.costs if s.clinic is not None else None
    if costs is None or not any(money(unit) for name, unit in vars(costs).items() if name != "currency"):
        raise ScenarioError(
            "clinic.costs is missing: must be given, with the cost of some unit: the cheapest plan that reaches the"
            " power or the months is asked for (docs/clinic.md)"
        )


def operations_of(
    scenarios: Sequence[Scenario],
    *,
    seed: int,
    replicates: int,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> list[Operations]:
    """The clinic of each scenario, for its trials; those whose clinics have the same to do are run once."""
    runs: dict[str, Operations] = {}
    for s in scenarios:
        key = clinic_key(s)
        if key not in runs:
            runs[key] = operations(
                s, seed=seed, replicates=replicates, workers=workers, for_trials=True, progress=progress
            )
    return [runs[clinic_key(s)] for s in scenarios]


def delivered_to(
    scenarios: Sequence[Scenario],
    *,
    seed: int,
    replicates: int,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> list[tuple[DeliveredTreatment, ...]]:
    """For each scenario and block of trials, what the clinic made of the protocol."""
    runs = operations_of(scenarios, seed=seed, replicates=replicates, workers=workers, progress=progress)
    return [each.delivered or () for each in runs]


def count_clinics(scenarios: Sequence[Scenario], replicates: int) -> int:
    """How many replicates `operations_of` will run in all, for a progress bar."""
    return len({clinic_key(s) for s in scenarios}) * -(-replicates // BLOCK) * BLOCK


def clinic_cost(s: Scenario, replicates: int, workers: int) -> Cost:
    """The cost of so many replicates of the scenario's clinic, from a few of them."""
    (summaries, *_), seconds = timed(lambda: _chunk(s, 0, 1, 1 + CHUNK, False))
    return shared(Cost(seconds=seconds, bytes=len(pickle.dumps(summaries))), replicates / CHUNK, workers)


def clinic_key(s: Scenario) -> str:
    """Scenarios with the same key have the same course through the clinic under a seed."""
    check_has_clinic(s)
    asked = {
        "clinic": s.clinic,
        "design": replace(s.design, looks=(), group_sequential=None),
        "arms": [[[d.days for d in arm.doses], arm.therapy] for arm in s.arms],
        "therapies": {name: [t.session_minutes, t.group_size] for name, t in s.therapies.items()},
        "dropout": s.conduct.dropout,
        # The entry criterion and who meets it.
        "population": s.population,
        "measurement": s.measurement,
        "scale": s.primary_outcome,
    }
    return hashlib.sha256(json.dumps(as_raw(asked), sort_keys=True).encode()).hexdigest()


def _chunk(
    s: Scenario, seed: int, start: int, stop: int, for_trials: bool
) -> tuple[list[ReplicateSummary], DeliveredTreatment | None, Course | None]:
    courses = run(s, seed=seed, replicates=range(start, stop))
    part = delivered_treatment(s, courses) if for_trials else None
    return [summarise_replicate(s, c) for c in courses], part, courses[0] if start == 0 else None


def _join(parts: Sequence[DeliveredTreatment]) -> DeliveredTreatment:
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])}
    return DeliveredTreatment(**joined)
