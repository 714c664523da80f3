"""Running many trials: blocks of replicates in bounded memory, on any number of workers, with the same result."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from kaptrial.errors import TooFewEligible, UserError
from kaptrial.estimators.fit import Fit
from kaptrial.method_table import NOT_OF_SCORES, RESPONSES
from kaptrial.methods.simulated import estimates
from kaptrial.model.delivered import DeliveredTreatment
from kaptrial.model.streams import BLOCK
from kaptrial.process import Cost, end_with, keep_freed_memory, timed
from kaptrial.scenario.outcomes import as_scale
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.trial import Estimand
from kaptrial.simulation.simulate import simulate_block
from kaptrial.simulation.trials import Trials

# What a block returns: the fit of each (estimand, method), and of interactions at the end of the scale.
Fits = dict[tuple[int, str], Fit]
AT_BEST = " at best"
# Seconds in which worker processes start, and how many times as long their work must take.
START, WORTH = 3.5, 10.0


@dataclass(frozen=True, kw_only=True)
class Job:
    """A scenario to be simulated and analysed `replicates` times under `seed`.

    `delivered`: for each block, what a clinic made of the protocol (`questions.clinic.operations`); None: as it stands.
    `estimands`: numbers of those to be analysed; None: all. `at_best`: whether interactions are also fitted with the
    combined arm at the end of the scale. `controls`: whether fits come with the draws of known mean behind them.
    """

    scenario: Scenario
    seed: int
    replicates: int
    delivered: Sequence[DeliveredTreatment] | None = None
    estimands: tuple[int, ...] | None = None
    at_best: bool = True
    controls: bool = False

    @property
    def n_blocks(self) -> int:
        """Blocks needed for the replicates."""
        return -(-self.replicates // BLOCK)


def run(jobs: Sequence[Job], *, workers: int = 1, progress: Callable[[int], None] | None = None) -> Iterator[Fits]:
    """The fits of each job in turn, every one of shape (replicates,).

    `progress` is told the number of replicates done. The result does not depend on `workers`: blocks are
    joined in their order. Raises TooFewEligible where a job's trials cannot be filled.
    """
    for fits in attempt(jobs, workers=workers, progress=progress):
        if isinstance(fits, TooFewEligible):
            raise fits
        yield fits


def attempt(
    jobs: Sequence[Job], *, workers: int = 1, progress: Callable[[int], None] | None = None
) -> Iterator[Fits | TooFewEligible]:
    """As `run`, with the error in place of the fits of a job whose trials cannot be filled."""
    tasks = [
        (
            job.scenario,
            job.seed,
            block,
            job.delivered[block] if job.delivered else None,
            job.estimands,
            job.at_best,
            job.controls,
        )
        for job in jobs
        for block in range(job.n_blocks)
    ]
    results = in_threads(_attempt_block, tasks, workers)
    for job in jobs:
        blocks: list[Fits] = []
        error = None
        for _ in range(job.n_blocks):
            block_fits = next(results)
            if isinstance(block_fits, TooFewEligible):
                error = block_fits
            else:
                blocks.append(block_fits)
            if progress is not None:
                progress(BLOCK)
        yield error or {key: _join([b[key] for b in blocks], job.replicates) for key in blocks[0]}


def in_threads[T](function: Callable[..., T], tasks: Iterable[tuple[Any, ...]], workers: int) -> Iterator[T]:
    """What the function gives for each task, in the order of the tasks whatever the number of workers.

    For functions that spend their time in compiled code, which lets other threads run.
    """
    if workers == 1:
        yield from (function(*task) for task in tasks)
        return
    pool, ahead = ThreadPoolExecutor(workers), deque[Future[T]]()
    try:
        for task in tasks:
            ahead.append(pool.submit(function, *task))
            if len(ahead) == 2 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def in_order[T](function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], workers: int) -> Iterator[T]:
    """As `in_threads`, of functions in plain Python, for which threads would wait for each other.

    Processes are started only where the work that is left takes more than `WORTH` times what starting them does.
    """
    done, seconds = 0, 0.0
    while done < len(tasks) and (workers == 1 or seconds * (len(tasks) - done) <= WORTH * START):
        begun = perf_counter()
        result = function(*tasks[done])
        seconds = perf_counter() - begun if done else 0.0  # the first may have been compiled
        done += 1
        yield result
    if done < len(tasks):
        yield from _in_processes(function, tasks[done:], workers)


def _in_processes[T](function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], workers: int) -> Iterator[T]:
    from joblib import Parallel, delayed

    try:
        calls = (delayed(_in_worker)(os.getpid(), function, task) for task in tasks)
        yield from Parallel(n_jobs=workers, return_as="generator")(calls)
    except BrokenProcessPool:
        allowed = "one of the processes was killed, as a system does that runs out of memory; fewer need less"
        raise UserError(f"workers = {workers}: {allowed}") from None


def _in_worker[T](parent: int, function: Callable[..., T], task: tuple[Any, ...]) -> T:
    end_with(parent)
    return function(*task)


def cost_of(scenario: Scenario, trials: int, workers: int) -> Cost:
    """The cost of so many trials, from one block of them."""
    fits, seconds = timed(lambda: _attempt_block(scenario, 0, 0))
    kept = 0
    if not isinstance(fits, TooFewEligible):
        kept = sum(x.nbytes for fit in fits.values() for x in vars(fit).values() if x is not None)
    return shared(Cost(seconds=seconds, bytes=kept), trials / BLOCK, workers)


def shared(each: Cost, n: float, workers: int) -> Cost:
    """The cost of `n` tasks of one cost each, whose time the workers share as far as there are processors."""
    return Cost(seconds=n * each.seconds / min(workers, os.cpu_count() or 1), bytes=n * each.bytes)


def _attempt_block(*task: Any) -> Fits | TooFewEligible:
    try:
        return run_block(*task)
    except TooFewEligible as error:
        return error


def run_block(
    scenario: Scenario,
    seed: int,
    block: int,
    delivered: DeliveredTreatment | None = None,
    estimands: Sequence[int] | None = None,
    at_best: bool = True,
    controls: bool = False,
) -> Fits:
    """Simulate one block and analyse it for the estimands by each of their methods."""
    keep_freed_memory()
    trials = simulate_block(scenario, seed=seed, block=block, delivered=delivered, with_sums=controls)
    every = scenario.estimands
    numbers = range(len(every)) if estimands is None else estimands
    asked = [(i, analysis) for i in numbers for analysis in scenario.analyses(every[i])]
    draws = {"seed": seed, "block": block}
    fits = dict(zip(asked, estimates(trials, scenario, [(every[i], name) for i, name in asked], **draws), strict=True))
    if trials.sums is not None:
        known = {i: trials.sums.contrast(scenario.contrast(every[i]).weights) for i in numbers}
        fits = {(i, name): replace(fit, **known[i]._asdict()) for (i, name), fit in fits.items()}
    interactions = [
        (i, name)
        for i, name in asked
        if scenario.contrast(every[i]).kind == "interaction" and every[i].endpoint not in (*NOT_OF_SCORES, "count")
    ]
    if at_best and interactions:
        best = _at_best(trials, scenario)
        at_best_fits = estimates(best, scenario, [(every[i], name) for i, name in interactions], **draws)
        fits |= {(i, name + AT_BEST): fit for (i, name), fit in zip(interactions, at_best_fits, strict=True)}
    return fits


def _at_best(trials: Trials, scenario: Scenario) -> Trials:
    """The trials if every patient of the combined arm had the best possible scores after randomisation: no synergy can
    do more."""
    combined = (trials.arm == scenario_arm_with_both(scenario))[..., None]
    later = trials.days > scenario.randomisation.day
    score = np.where(combined & later & ~np.isnan(trials.score), scenario.scale.best, trials.score)
    others = {}
    for name, own in trials.others.items():
        changed = combined & (own.days > scenario.randomisation.day) & ~np.isnan(own.score)
        best = as_scale(scenario.other_outcomes[name].scale).best
        others[name] = replace(own, score=np.where(changed, best, own.score))
    return replace(trials, score=score, others=others)


def scenario_arm_with_both(scenario: Scenario) -> int:
    """Index of the arm of a 2×2 that has both factors."""
    return next(a for a, arm in enumerate(scenario.arms) if arm.factors and all(arm.factors.values()))


def best_endpoint(scenario: Scenario, estimand: Estimand) -> float:
    """The best value an endpoint can take: the end of the scale, or certainty."""
    return 1.0 if estimand.endpoint in RESPONSES else scenario.scale_of(estimand).best


def _join(fits: Sequence[Fit], n: int) -> Fit:
    return type(fits[0])(
        **{
            name: np.concatenate([getattr(f, name) for f in fits])[:n]
            for name, x in vars(fits[0]).items()
            if x is not None
        }
    )
