"""Timing on a machine that has other work: processor time, medians of interleaved passes, ratios within one run."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numba import njit


@dataclass(frozen=True, kw_only=True)
class Workload:
    """`run` has `replicates` trials, for each of which `normals` are drawn; 0 where it draws none, or others."""

    name: str
    replicates: int
    normals: int
    run: Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Replicates a second, and how many times as long as drawing their normals: compiled, and by NumPy."""

    name: str
    rate: float
    compiled: float
    numpy: float


def speed_of(work: Workload, passes: int) -> Speed:
    """The workload beside its normals, in turns."""
    count = work.replicates * work.normals
    runs: tuple[Callable[[], object], ...] = (work.run, lambda: compiled_normals(_rng(), count), lambda: _numpy(count))
    for run in runs[: 1 + bool(count)]:
        run()  # compiles, or loads what was compiled
    taken = [[processor_seconds(run) for run in runs] for _ in range(passes)]
    own, compiled, numpy = (median(times) for times in zip(*taken, strict=True))
    ratios = (own / compiled, own / numpy) if count else (np.nan, np.nan)
    return Speed(name=work.name, rate=work.replicates / own, compiled=ratios[0], numpy=ratios[1])


def processor_seconds(run: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


@njit(cache=True, nogil=True)
def compiled_normals(rng, count):  # type: ignore[no-untyped-def]
    """The sum of so many normals, none of which is kept."""
    total = 0.0
    for _ in range(count):
        total += rng.standard_normal()
    return total


def _numpy(count: int, block: int = 1 << 16) -> None:
    rng, room = _rng(), np.empty(block)
    for _ in range(-(-count // block)):
        rng.standard_normal(out=room)


def _rng() -> np.random.Generator:
    """The generator whose normals are cheapest inside compiled code."""
    return np.random.Generator(np.random.SFC64(1))


def machine() -> str:
    """Processor, how many of them, and what else they have to do."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8").splitlines() if known.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    return f"{model or platform.processor() or platform.machine()}, {os.cpu_count()} processors, {load}"
