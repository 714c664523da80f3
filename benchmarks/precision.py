"""What a Monte Carlo error costs, with control variates and without: 16 figures of 2,000 trials, seed 99.

`power` runs so many unless told otherwise.

uv run python -m benchmarks.precision
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from kaptrial.estimators.fit import Fit
from kaptrial.questions.power.controlled import Controlled, controlled_mean, controlled_share
from kaptrial.questions.power.execution import Job, run
from kaptrial.questions.power.nulls import null_runs
from kaptrial.questions.power.rows import rejects
from kaptrial.scenario.files import load
from kaptrial.scenario.scenario import Scenario

SCENARIOS = ("starter", "cbt_after_ketamine")
FIGURES, TRIALS, SEED = 16, 2000, 99
# The errors whose cost is stated: of power, and of bias in points.
POWER, BIAS = 0.005, 0.05
HEAD = "| scenario, figure | plain | with control variates | times cheaper | variance ratio |\n|---|---|---|---|---|"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A figure's mean squared errors, and processor seconds for a trial, plain and controlled."""

    name: str
    plain: float
    controlled: float
    seconds_plain: float
    seconds_controlled: float
    goal: float

    def __str__(self) -> str:
        before, after = (
            squared * TRIALS / self.goal**2 * each
            for squared, each in ((self.plain, self.seconds_plain), (self.controlled, self.seconds_controlled))
        )
        ratios = f"{before / after:.1f} | {self.plain / self.controlled:.1f}"
        return f"| {self.name} | {before:.2g} s | {after:.2g} s | {ratios} |"


def costs() -> list[Cost]:
    """The cost of power, type I error and bias in each scenario."""
    found = []
    for name in SCENARIOS:
        s = replace(load(Path(__file__).parents[1] / "scenarios" / f"{name}.yaml", {"secondary": []}), variants=None)
        found += _costs_of(name, s)
    return found


def _costs_of(name: str, s: Scenario) -> list[Cost]:
    null = null_runs(s)[0].scenario
    plain, fit = _timed(s, controls=False)[0], None
    seconds, fit = _timed(s, controls=True)
    start = time.process_time()
    share, mean = _figures(fit)
    seconds += (time.process_time() - start) / (FIGURES * TRIALS)
    error, _ = _figures(_timed(null, controls=True)[1])
    both = {"seconds_plain": plain, "seconds_controlled": seconds}
    return [
        Cost(name=f"{name}, {what} to an MCSE of {goal:g}", goal=goal, **_squared(figures), **both)
        for what, figures, goal in (
            ("power", share, POWER), ("type I error", error, POWER), ("bias", mean, BIAS),
        )
    ]  # fmt: skip


def _squared(figures: list[Controlled]) -> dict[str, float]:
    return {
        "plain": float(np.mean([each.mcse_plain**2 for each in figures])),
        "controlled": float(np.mean([each.mcse**2 for each in figures])),
    }


def _timed(s: Scenario, *, controls: bool) -> tuple[float, Fit]:
    """Processor seconds of a trial, once everything is compiled, and the fit of the primary estimand."""
    list(run([Job(scenario=s, seed=SEED, replicates=128, controls=controls, at_best=False)]))
    start = time.process_time()
    (fits,) = run([Job(scenario=s, seed=SEED, replicates=FIGURES * TRIALS, controls=controls, at_best=False)])
    return (time.process_time() - start) / (FIGURES * TRIALS), next(iter(fits.values()))


def _figures(fit: Fit) -> tuple[list[Controlled], list[Controlled]]:
    """The shares and the means of the figures."""
    shares, means = [], []
    for k in range(FIGURES):
        part = slice(k * TRIALS, (k + 1) * TRIALS)
        arrays = {each.name: getattr(fit, each.name) for each in fields(fit)}
        own = replace(fit, **{name: x[part] for name, x in arrays.items() if x is not None})
        ok = own.failure == 0
        shares.append(controlled_share(rejects(own, 0.05), own))
        means.append(controlled_mean(own.estimate[ok], own, ok))
    return shares, means


if __name__ == "__main__":
    print(HEAD)
    for cost in costs():
        print(cost)
