"""What patients queue for: stations of equal servers with opening hours, and groups that share one session.

Chairs, nurses, therapists and raters are all `Station`s, served by `serve`; the tests of queueing theory run it too.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Protocol

import simpy

Process = Generator[simpy.Event, Any, Any]
NEVER, FOREVER = float("nan"), float("inf")


class Opening(Protocol):
    """When a service can begin. Time in days."""

    def start(self, t: float, duration: float) -> float:
        """The earliest time from `t` on at which `duration` can be served."""

    def idle_start(self, t: float, duration: float) -> float:
        """The same if nobody were busy or away: what is later than this was waited for."""

    def book(self, start: float) -> None:
        """Take note of a service that will begin."""


class Station:
    """Equal servers with one queue: by priority (the smallest first), then by arrival.

    `services`: (start, end, delay, patient, note) of each; `delay` is the wait beyond the first time at which an idle
    station would have been open. `turned_away`: the delay after which each of those left who were not served.
    """

    def __init__(self, env: simpy.Environment, capacity: int, opening: Opening) -> None:
        self.env, self.capacity, self.opening = env, capacity, opening
        self.queue = simpy.PriorityResource(env, capacity)
        self.services: list[tuple[float, float, float, int, int]] = []
        self.turned_away: list[float] = []
        self.forming: Group | None = None


def serve(
    stations: Sequence[Station],
    duration: float,
    *,
    priority: float = 0.0,
    latest: float = FOREVER,
    patient: int = -1,
    note: int = 0,
) -> Process:
    """Queue for a server of each station in turn and hold them together for `duration`; the start, NaN if given up.

    The first station's opening hours count. Who cannot begin by `latest` leaves then, or as soon as the first opening
    after the server is free turns out to lie later. A server that waits for its opening is held: who has been called is
    not overtaken.
    """
    first = stations[0]
    env = first.env
    asked = env.now
    start = NEVER
    held = []
    for station in stations:
        request = station.queue.request(priority)  # type: ignore[arg-type]  # any number orders a queue
        if not request.triggered:
            if latest < FOREVER:
                yield request | env.timeout(max(latest - env.now, 0.0))
            else:
                yield request
        if not request.triggered:
            request.cancel()
            break
        held.append((station, request))
    else:
        start = first.opening.start(env.now, duration)
    if start <= latest:
        first.opening.book(start)
        delay = start - first.opening.idle_start(asked, duration)
        for station in stations:
            station.services.append((start, start + duration, delay, patient, note))
        yield env.timeout(start + duration - env.now)
    else:
        start = NEVER
        first.turned_away.append(max(latest - first.opening.idle_start(asked, duration), 0.0))
    for station, request in held:
        station.queue.release(request)
    return start


class Group:
    """A session that several patients share, while it is being filled."""

    def __init__(self, env: simpy.Environment) -> None:
        self.members: list[int] = []
        self.full, self.started = env.event(), env.event()


def join(
    station: Station,
    duration: float,
    *,
    size: int,
    wait: float,
    priority: float = 0.0,
    latest: float = FOREVER,
    patient: int = -1,
    note: int = 0,
) -> Process:
    """Join the group that the station is filling, or begin one; the start of its session, NaN if given up.

    A group queues for its session once it has `size` members or its first has waited `wait` days. Until the session
    begins others may join and members may leave.
    """
    env = station.env
    asked = env.now
    group = station.forming
    if group is None or len(group.members) >= size:
        group = station.forming = Group(env)
        env.process(_hold(group, station, duration, wait, priority, note))
    group.members.append(patient)
    if len(group.members) == size and not group.full.triggered:
        group.full.succeed()
    if latest < FOREVER:
        yield group.started | env.timeout(max(latest - env.now, 0.0))
    else:
        yield group.started
    if not group.started.triggered:
        group.members.remove(patient)
        station.turned_away.append(max(latest - station.opening.idle_start(asked, duration), 0.0))
        return NEVER
    start = env.now
    yield env.timeout(duration)
    return start


def _hold(group: Group, station: Station, duration: float, wait: float, priority: float, note: int) -> Process:
    env = station.env
    asked = env.now
    yield group.full | env.timeout(wait)
    request = station.queue.request(priority)  # type: ignore[arg-type]
    if not request.triggered:
        yield request
    start = station.opening.start(env.now, duration)
    if start > env.now:
        yield env.timeout(start - env.now)
    if station.forming is group:
        station.forming = None
    if group.members:
        station.opening.book(start)
        delay = start - station.opening.idle_start(asked, duration)
        station.services.append((start, start + duration, delay, group.members[0], note))
        group.started.succeed()
        yield env.timeout(duration)
    station.queue.release(request)
