"""Trials of a scenario analysed at each of its looks, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.errors import FieldError
from kaptrial.estimators.fit import Fit
from kaptrial.method_table import TIME, USE_TIMES
from kaptrial.methods.simulated import estimates
from kaptrial.model.streams import BLOCK
from kaptrial.process import keep_freed_memory
from kaptrial.questions.power.execution import in_threads
from kaptrial.scenario.looks import DAYS_IN_MONTH, Calendar, GroupSequential, calendar, months_to_primary
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.at_look import at_look
from kaptrial.simulation.simulate import simulate_block

# Methods that use the visits of patients who have not reached the primary one, and endpoints of which these are
# censored; the others take the patients who have.
_OF_ALL_VISITS, _CENSORED = ("mmrm", "nested_mmrm"), (TIME, *USE_TIMES)
# A day later than any visit.
_LATE = 1e9


@dataclass(frozen=True, kw_only=True)
class Analysed:
    """The fits of one analysis at each look and at the end, and of those under way at each look once they are
    followed up; each (replicate,)."""

    looks: tuple[Fit, ...]
    followed_up: tuple[Fit, ...]


def plan_of(scenario: Scenario) -> GroupSequential:
    """The group-sequential design of a scenario. Raises FieldError where it declares none."""
    plan = scenario.design.group_sequential
    if plan is None:
        allowed = "a scenario with looks must declare it (docs/looks.md)"
        raise FieldError("design.group_sequential", "", allowed)
    return plan


def calendar_of(scenario: Scenario, analysis: str, seed: int) -> Calendar:
    """When the looks are. Where one is at a share of the information, the patients that it needs are found by trials.

    Raises FieldError for a look at an impossible time.
    """
    plan, n, wait = plan_of(scenario), scenario.n_total, months_to_primary(scenario)
    counts: list[int | None] = [look.patients for look in plan.looks]
    try:
        for i, look in enumerate(plan.looks):
            if look.information is not None:
                counts[i] = _patients_for(scenario, analysis, seed, plan, counts, i)
        return calendar(plan, tuple(counts), n, wait)
    except FieldError as error:
        raise error.below("design.group_sequential") from None


def _patients_for(
    scenario: Scenario, analysis: str, seed: int, plan: GroupSequential, counts: Sequence[int | None], i: int
) -> int:
    """The fewest patients at the primary visit with which the information of a block is the share asked for."""
    share, n = plan.looks[i].information or 0.0, scenario.n_total
    trials = simulate_block(scenario, seed=seed, block=0, full=False)
    final = information_of(_fit(trials, scenario, analysis, np.full(n, _LATE), n, seed, 0))
    low, high = 2 * len(scenario.arms), n - 1
    while low < high:
        middle = (low + high) // 2
        at = calendar(
            replace(plan, looks=(*plan.looks[:i], replace(plan.looks[i], information=None, patients=middle))),
            (*counts[:i], middle),
            n,
            months_to_primary(scenario),
        )
        reached = information_of(_at_month(trials, scenario, analysis, at, at.looks[-1], seed, 0)) >= share * final
        low, high = (low, middle) if reached else (middle + 1, high)
    return low


def information_of(fit: Fit) -> float:
    """1 over the mean squared standard error, which has no bias where the mean of 1/SE² is too large in small trials;
    0 where there is none."""
    known = fit.se[(fit.failure == 0) & (fit.se > 0)]
    return float(1.0 / np.mean(known**2)) if len(known) else 0.0


def analysed(
    scenario: Scenario,
    analysis: str,
    when: Calendar,
    *,
    seed: int,
    replicates: int,
    workers: int,
    progress: Callable[[int], None] | None = None,
    follow_up: bool = True,
) -> Analysed:
    """The fits of the primary estimand at all looks, in every replicate; they do not depend on the workers.

    `follow_up`: whether those under way at a look are analysed too, once they are followed up.
    """
    tasks = [(scenario, analysis, when, seed, block, follow_up) for block in range(-(-replicates // BLOCK))]
    blocks = []
    for block in _blocks(tasks, workers):
        blocks.append(block)
        if progress is not None:
            progress(BLOCK)
    k = len(when.looks)
    joined = [_joined([block[j] for block in blocks], replicates) for j in range(len(blocks[0]))]
    return Analysed(looks=tuple(joined[: k + 1]), followed_up=tuple(joined[k + 1 :]))


def _blocks(tasks: Sequence[tuple[object, ...]], workers: int) -> Iterator[list[Fit]]:
    return in_threads(_block, tasks, workers)


def _block(scenario: Scenario, analysis: str, when: Calendar, seed: int, block: int, follow_up: bool) -> list[Fit]:
    """The fits of a block: at each look, at the end, and, where asked for, of those randomised by each look with all
    their visits."""
    keep_freed_memory()
    trials = simulate_block(scenario, seed=seed, block=block, full=False)
    n = scenario.n_total
    fits = [_at_month(trials, scenario, analysis, when, month, seed, block) for month in when.looks]
    fits.append(_fit(trials, scenario, analysis, np.full(n, _LATE), n, seed, block))
    for month in when.looks if follow_up else ():
        randomised = when.n_randomised(month)
        fits.append(_fit(trials, scenario, analysis, np.full(randomised, _LATE), randomised, seed, block))
    return fits


def _at_month(
    trials: object, scenario: Scenario, analysis: str, when: Calendar, month: float, seed: int, block: int
) -> Fit:
    since = (month - when.randomised[: when.n_randomised(month)]) * DAYS_IN_MONTH + scenario.randomisation.day
    return _fit(trials, scenario, analysis, since + 1e-6, when.n_followed(month), seed, block)


def _fit(trials: object, scenario: Scenario, analysis: str, since: Floats, followed: int, seed: int, block: int) -> Fit:
    seen = at_look(trials, since if uses_every_visit(scenario, analysis) else since[:followed])  # type: ignore[arg-type]
    return estimates(seen, scenario, [(scenario.estimand, analysis)], seed=seed, block=block)[0]


def uses_every_visit(scenario: Scenario, analysis: str) -> bool:
    """Whether an analysis of the primary estimand uses the visits of patients who have not reached the primary one."""
    censored = scenario.estimand.endpoint in _CENSORED and scenario.analysis.missing_response != "failure"
    return analysis.partition(" ")[0] in _OF_ALL_VISITS or censored


def _joined(fits: Sequence[Fit], n: int) -> Fit:
    names = [name for name, x in vars(fits[0]).items() if x is not None]
    return type(fits[0])(**{name: np.concatenate([getattr(fit, name) for fit in fits])[:n] for name in names})
