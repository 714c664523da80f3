"""The process of a command: its standard streams, what it costs, and how it ends when it is told to."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import inf
from time import perf_counter, sleep
from typing import Any

STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
# Seconds between two looks of a worker at its parent.
LOOK = 0.5
# glibc's numbers of two settings (malloc.h); arrays of up to so many bytes are reused, and so many are kept free.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
REUSED_UP_TO, KEPT_FREE = 8 << 20, 64 << 20


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run costs: seconds, and bytes of memory for what is kept."""

    seconds: float
    bytes: float


def timed[T](task: Callable[[], T]) -> tuple[T, float]:
    """What a task gives, and its seconds once everything it needs is compiled."""
    task()
    start = perf_counter()
    return task(), perf_counter() - start


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> float:
    """Bytes of memory of this machine; infinite where it does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return inf


@cache
def keep_freed_memory() -> None:
    """Freed memory is used again instead of being given back to the system, and fetched anew page by page.

    A fifth of the time of a block of trials goes into that. Where the C library is not glibc, nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, REUSED_UP_TO)
        mallopt(M_TRIM_THRESHOLD, KEPT_FREE)


def open_streams() -> None:
    """Streams that were closed lead nowhere, and what a console cannot encode is replaced."""
    for name, mode in STREAMS:
        if getattr(sys, name) is None:  # in this order each takes its own number, which no file must get
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def drop_output() -> None:
    """What is left to be printed goes nowhere: standard output could not be written to."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the block as an exception does: temporary files are removed and workers stopped on the way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(number: int, _: Any) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: the way out is not to be interrupted
    raise SystemExit(128 + number)


@cache
def end_with(parent: int) -> None:
    """From now on this worker ends once `parent`, which started it, has ended: one that was killed can tell nobody."""
    if os.name == "posix" and os.getpid() != parent:  # elsewhere the number of a parent that has ended is kept
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        sleep(LOOK)
    os._exit(1)
