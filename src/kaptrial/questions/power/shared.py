"""Trials and truths that cells share: those that differ only in what is asked of them are simulated once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kaptrial.model.delivered import DeliveredTreatment
from kaptrial.questions.power.execution import Fits, Job, in_threads, run
from kaptrial.questions.power.truth import Truth, truths, truths_if_additive, truths_without_expectancy
from kaptrial.scenario.decision import DecisionRule
from kaptrial.scenario.files import as_raw
from kaptrial.scenario.nulls import with_null
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.trial import Estimand

# What tells a value with its source from other parts of a scenario, and what it says in words.
SOURCED = {"value", "unit", "source"}
ORIGIN = {"source", "note", "derived", "spread_source", "spread_note"}


@dataclass(frozen=True, kw_only=True)
class Truths:
    """An estimand's truth as the scenario stands, with γ = κ = ξ = 0, and without expectancy."""

    actual: Truth
    if_additive: Truth
    without_expectancy: Truth


@dataclass(frozen=True, kw_only=True)
class Run:
    """A scenario to be run, in its clinic, for the estimands of these numbers."""

    scenario: Scenario
    clinic: Sequence[DeliveredTreatment] | None
    estimands: Sequence[int]
    at_best: bool = True


def trials_key(s: Scenario) -> str:
    """Scenarios with the same key have the same trials: they differ in what is asked of them, or in what a null that
    they declare takes away.
    """
    if s.null is not None:
        s = replace(with_null(s, s.null, expectancy=False), null=None)
    endpoint = replace(s.estimand, day=s.design.visits[-1])
    design = replace(s.design, looks=(), group_sequential=None, enrolment=None)
    read = {"estimand": endpoint, "secondary": (), "variants": None, "sensitivity": None}
    s = replace(s, **read, design=design, decision=DecisionRule())  # type: ignore[arg-type]
    return hashlib.sha256(json.dumps(_simulated(as_raw(s)), sort_keys=True).encode()).hexdigest()


def _simulated(raw: Any) -> Any:
    """What trials are simulated from: values without their origin, and a value of 0 without its spread in logs."""
    if isinstance(raw, Mapping):
        dropped = ORIGIN if raw.keys() >= SOURCED else set()
        if dropped and raw["value"] == 0:
            dropped = dropped | {"log_sd"}
        return {key: _simulated(value) for key, value in raw.items() if key not in dropped}
    if isinstance(raw, list):
        return [_simulated(item) for item in raw]
    return raw


def truth_key(s: Scenario) -> str:
    """As `trials_key`, and truth does not depend on the size of the trial."""
    allocation = replace(s.design.allocation, ratio=None)
    design = replace(s.design, n_per_arm=2, n_total=None, allocation=allocation, group_sequential=None)
    return trials_key(replace(s, design=design, clinic=None))


def _asking_all(group: Sequence[Scenario]) -> tuple[Scenario, list[Estimand]]:
    """One scenario that asks all that the group asks, and its estimands in order."""
    estimands = list(dict.fromkeys(e for s in group for e in s.estimands))
    return replace(group[0], estimand=estimands[0], secondary=tuple(estimands[1:])), estimands


def _grouped(scenarios: Sequence[Scenario], key: Callable[[Scenario], str]) -> dict[str, list[Scenario]]:
    groups: dict[str, list[Scenario]] = {}
    for s in scenarios:
        groups.setdefault(key(s), []).append(s)
    return groups


def fits_of(
    runs: Sequence[Run],
    seed: int,
    replicates: int,
    workers: int,
    progress: Callable[[int], None] | None,
    *,
    controls: bool = False,
) -> list[Fits]:
    """The fits of each run; scenarios that differ in their estimands only are simulated once."""
    groups: dict[str, list[Run]] = {}
    for each in runs:
        groups.setdefault(trials_key(each.scenario), []).append(each)
    asked = {key: _asking_all([each.scenario for each in group]) for key, group in groups.items()}
    jobs = []
    for key, group in groups.items():
        scenario, estimands = asked[key]
        needed = {estimands.index(each.scenario.estimands[i]) for each in group for i in each.estimands}
        # The plan of the clinic is part of the key: scenarios with the same one are run in the same clinic.
        job = Job(
            scenario=scenario,
            seed=seed,
            replicates=replicates,
            delivered=group[-1].clinic,
            estimands=tuple(sorted(needed)),
            at_best=any(each.at_best for each in group),
            controls=controls,
        )
        jobs.append(job)
    results = dict(zip(groups, run(jobs, workers=workers, progress=progress), strict=True))
    out = []
    for each in runs:
        s, key = each.scenario, trials_key(each.scenario)
        number = {asked[key][1].index(s.estimands[i]): i for i in each.estimands}
        out.append({(number[i], analysis): fit for (i, analysis), fit in results[key].items() if i in number})
    return out


def shared_truths(scenarios: Sequence[Scenario], seed: int, workers: int = 1) -> list[list[Truths]]:
    """The truths of each scenario's estimands, simulated once for scenarios that share them."""
    asked = {key: _asking_all(group) for key, group in _grouped(scenarios, truth_key).items()}
    each = in_threads(_three_truths, [(s, seed) for s, _ in asked.values()], workers)
    truths_of = {
        (key, estimand): truth
        for (key, (_, estimands)), of_scenario in zip(asked.items(), each, strict=True)
        for estimand, truth in zip(estimands, of_scenario, strict=True)
    }
    return [[truths_of[truth_key(s), estimand] for estimand in s.estimands] for s in scenarios]


def _three_truths(s: Scenario, seed: int) -> list[Truths]:
    actual = truths(s, seed=seed)
    has_interplay = any(t.gamma or t.kappa or t.xi for t in s.therapies.values())
    additive = truths_if_additive(s, seed=seed) if has_interplay else actual
    has_hope = s.expectancy.drug is not None or s.expectancy.therapy is not None
    unhoped = truths_without_expectancy(s, seed=seed) if has_hope else actual
    return [
        Truths(actual=as_is, if_additive=if_additive, without_expectancy=without)
        for as_is, if_additive, without in zip(actual, additive, unhoped, strict=True)
    ]
