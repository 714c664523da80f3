"""How fast everything is, in one run: waiting for commands, and replicates a second beside drawing their normals.

    uv run python -m benchmarks [-o docs/performance.md] [--passes 5]

About ten minutes on two cores. Peers, where they are installed, are timed by the benchmarks one by one
(`uv run python -m benchmarks.factorial` and so on).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.special import stdtr

from benchmarks import factorial, mmrm, nested, pipeline, precision, relapse
from benchmarks.timing import Speed, Workload, machine, speed_of
from kaptrial.arrays import Floats
from kaptrial.estimators import mmrm as estimator
from kaptrial.model.streams import BLOCK
from kaptrial.questions.power.execution import Job, run

ROOT = Path(__file__).parents[1]
PLAIN, EVERYTHING = "whole scenario, MMRM", "whole scenario, every mechanism, MMRM"
FEW = 2000  # trials with gaps, which are fitted one by one
FIRST = "power scenarios/cbt_after_ketamine.yaml -o results"
COMMANDS = (
    "scenarios list",
    "precision --half-width 2 --sd 8",
    "check scenarios/ketamine_by_cbt.yaml",
    "describe scenarios/ketamine_by_cbt.yaml --no-truth",
    "evidence list",
    "evidence card",
    "analyse tests/data/two_arm_monotone.csv --method mmrm",
    "power scenarios/starter.yaml --replicates 1000",
    "size scenarios/starter.yaml",
    "decide scenarios/kare_factorial.yaml",
    "assurance scenarios/depression_single_infusion.yaml --prior depression_iv_2026b",
    "evidence replicate all",
    "clinic scenarios/clinic_one_therapist_short.yaml --replicates 64 -o results",
    "power scenarios/clinic_one_therapist_short.yaml --clinic --replicates 128",
    FIRST,
)
HEAD = (
    "Written by `uv run python -m benchmarks -o docs/performance.md` on {before}, at the end {after}. Times move by 15 "
    "to 40 % with the machine's load, ratios less. Other software on the same workloads: "
    "[verification.md](verification.md#speed)."
)
PAGE = """# Performance

{head}

## Waiting for a command

Seconds, and of all processors in brackets. First: with nothing compiled, neither Python's bytecode
nor the kernels. Later: the better of two.

| command | first | later |
|---|---|---|
{commands}

A command loads what it needs: one that looks something up neither simulates nor fits, and loads no
package that does. Kernels are compiled when they are first called, and kept. What is seldom needed is
compiled apart: the general MMRM only where scores are missed and come back. A single data set is
fitted by the same functions as plain Python, to the same bits, where that is sooner than compiling
them. No compiled code is shipped: it would hold for one kind of processor only.

## Replicates a second

One processor, its time, medians of {passes} passes in turns with drawing the same normals: compiled, none
of them kept, and by NumPy.

| workload | replicates a second | × compiled normals | × NumPy normals |
|---|---|---|---|
{speeds}

## What a Monte Carlo error costs

Processor seconds for the error named, plain and with [control variates](precision.md), whose own cost is
counted in; 16 figures of 2,000 trials, seed 99.

{head_of_costs}
{costs}
"""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Seconds, and those of all processors."""

    wall: float
    processor: float

    def __str__(self) -> str:
        return f"{self.wall:.1f} ({self.processor:.1f})"


def waits(command: str) -> tuple[Wait, Wait]:
    """The first run of a command with nothing compiled, and a later one."""
    with tempfile.TemporaryDirectory() as folder:
        kept = {"NUMBA_CACHE_DIR": f"{folder}/kernels", "PYTHONPYCACHEPREFIX": f"{folder}/bytecode"}
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | kept
        arguments = command.replace("-o results", f"-o {folder}/results").split()
        first, *later = (_wait(arguments, environment) for _ in range(3))
    return first, min(later, key=lambda wait: wait.processor)


def _wait(arguments: list[str], environment: dict[str, str]) -> Wait:
    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    start, before = time.perf_counter(), used()
    call = [sys.executable, "-c", "from kaptrial.cli import main; main()", *arguments, "--quiet"]
    subprocess.run(call, env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return Wait(wall=time.perf_counter() - start, processor=used() - before)


def workloads() -> Iterator[Workload]:
    """Trials drawn, fitted and tested, from the barest to the whole scenario."""
    n = 20_000
    normals = mmrm.N * (1 + mmrm.VISITS)
    for test, kenward_roger in (("Satterthwaite", False), ("Kenward–Roger", True)):
        w1 = partial(_tested, lambda kr, *out: mmrm.run_compiled(mmrm.generator(1), n, kr, *out), n, kenward_roger)
        yield Workload(name=f"W1 MMRM, dropout, {test}", replicates=n, normals=normals, run=w1)
    yield Workload(name="W1 MMRM with gaps, fit only", replicates=FEW, normals=0, run=_fitted_with_gaps)
    w2 = partial(factorial.compiled, 5 * n, 1)
    yield Workload(name="W2 2×2 with a covariate", replicates=5 * n, normals=2 * factorial.PATIENTS, run=w2)
    for caseloads, sizes, covariate in (("equal", nested.EQUAL, False), ("unequal", nested.UNEQUAL, True)):
        who = np.concatenate([np.repeat(np.arange(nested.THERAPISTS), sizes), np.full(nested.PER_ARM, -1)])
        w3 = partial(_tested, partial(nested.run, nested.generator(1), n, who, covariate), n, False)
        normals = nested.THERAPISTS + 2 * nested.PER_ARM * (1 + covariate)
        yield Workload(name=f"W3 therapists, {caseloads} caseloads", replicates=n, normals=normals, run=w3)
    p, unused = np.empty(n), np.empty(n)
    w5 = partial(relapse.trials, relapse.generator(1), False, p, unused)
    yield Workload(name="W5 relapse, log-rank", replicates=n, normals=0, run=w5)
    trials = 16 * BLOCK
    normals = pipeline.PATIENTS * (7 + 2 * (len(pipeline.VISITS) - 1))
    for name, changes in ((PLAIN, pipeline.PLAIN), (EVERYTHING, pipeline.EVERYTHING)):
        job = Job(scenario=pipeline.scenario(changes), seed=1, replicates=trials)
        yield Workload(name=name, replicates=trials, normals=normals, run=partial(_whole, job))


@cache
def _trials_with_gaps() -> tuple[Floats, Floats]:
    y, x = np.empty((FEW, mmrm.N, mmrm.VISITS)), np.empty((FEW, mmrm.N, 1))
    mmrm.trials(mmrm.generator(2), FEW, 0.05, y, x)
    return y, x


def _fitted_with_gaps() -> None:
    y, x = _trials_with_gaps()
    arm = np.tile(np.arange(mmrm.N) % mmrm.ARMS, (FEW, 1))
    estimator.mmrm(y, arm, x, x[..., :0], [[-1, 1]], [[0, 0, 0, 1]])


def _tested(fit: Any, n: int, kenward_roger: bool) -> None:
    """Fit, and the p-values of t tests."""
    statistic, df, p = np.empty((3, n))
    fit(kenward_roger, statistic, df)
    np.multiply(2.0, stdtr(df, -np.abs(statistic)), out=p)


def _whole(job: Job) -> None:
    list(run([job]))


def row(speed: Speed) -> str:
    """A line of the page's second table."""
    ratios = " | ".join("" if np.isnan(ratio) else f"{ratio:.1f}" for ratio in (speed.compiled, speed.numpy))
    digits = 10 ** (len(f"{speed.rate:.0f}") - 2)  # two count, a third would move
    return f"| {speed.name} | {round(speed.rate / digits) * digits:,.0f} | {ratios} |"


def main() -> None:
    """Measure, and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--passes", type=int, default=5)
    options = parser.parse_args()
    before = machine()
    speeds = [row(speed_of(work, options.passes)) for work in workloads()]
    commands = ["| `{}` | {} | {} |".format(command, *waits(command)) for command in COMMANDS]
    head = HEAD.format(before=before, after=machine().rsplit(", ", 1)[1])
    page = PAGE.format(
        head=textwrap.fill(head, 100, break_on_hyphens=False, break_long_words=False),
        commands="\n".join(commands),
        speeds="\n".join(speeds),
        head_of_costs=precision.HEAD,
        costs="\n".join(map(str, precision.costs())),
        passes=options.passes,
    )
    if options.output is None:
        print(page, end="")
    else:
        options.output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
