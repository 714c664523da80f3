"""Waits of the resources that the trial uses against queueing theory, and their rules about hours and giving up."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest
import simpy

from kaptrial.questions.clinic.calendars import Post
from kaptrial.questions.clinic.resources import Station, join, serve
from kaptrial.simulation.opening_hours import DAYS, Calendar

ALWAYS = Calendar(DAYS, 0, 24)
OFFICE = Calendar(DAYS[:5], 8, 18)
HOUR = 1 / 24


def erlang_c_wait(arrivals: float, services: float, servers: int) -> float:
    """Mean wait in M/M/c, from the probability of waiting (Erlang C)."""
    a = arrivals / services
    last = a**servers / factorial(servers) * servers / (servers - a)
    return last / (sum(a**k / factorial(k) for k in range(servers)) + last) / (servers * services - arrivals)


def mean_waits(arrivals, draw_service, stations_of, *, runs=30, customers=2000, warm_up=400):
    """Mean wait of the customers after the warm-up in each run."""
    waits = []
    for run in range(runs):
        rng = np.random.default_rng([20261121, run])
        env = simpy.Environment()
        stations = stations_of(env)
        gaps, durations = rng.exponential(1 / arrivals, customers), draw_service(rng, customers)

        def customer(at, duration, env=env, stations=stations):
            yield env.timeout(at)
            yield from serve(stations, duration)

        for at, duration in zip(np.cumsum(gaps), durations, strict=True):
            env.process(customer(at, duration))
        env.run()
        waits.append(np.mean([delay for _, _, delay, _, _ in stations[0].services][warm_up:]))
    return np.array(waits)


def agrees(waits, expected):
    mcse = waits.std(ddof=1) / np.sqrt(len(waits))
    z = (waits.mean() - expected) / mcse
    print(f"mean {waits.mean():.4f}, theory {expected:.4f}, MCSE {mcse:.4f}, z {z:.2f}")
    assert mcse < 0.1 * expected
    assert abs(z) < 4


@pytest.mark.parametrize(("servers", "load"), [(1, 0.6), (3, 0.75)])
def test_mmc_waits_are_erlang_c(servers, load):
    arrivals = load * servers
    waits = mean_waits(arrivals, lambda rng, n: rng.exponential(1, n), lambda env: [Station(env, servers, ALWAYS)])
    agrees(waits, erlang_c_wait(arrivals, 1.0, servers))


def test_md1_waits_are_pollaczek_khinchine():
    load = 0.7
    waits = mean_waits(load, lambda rng, n: np.ones(n), lambda env: [Station(env, 1, ALWAYS)])
    agrees(waits, load / (2 * (1 - load)))


def test_two_stations_held_together_wait_for_the_scarcer():
    load = 0.7
    waits = mean_waits(
        load, lambda rng, n: np.ones(n), lambda env: [Station(env, 50, ALWAYS), Station(env, 1, ALWAYS)], runs=20
    )
    agrees(waits, load / (2 * (1 - load)))


def test_enough_servers_mean_no_wait_and_nobody_means_no_service():
    waits = mean_waits(5, lambda rng, n: rng.exponential(1, n), lambda env: [Station(env, 10_000, ALWAYS)], runs=2)
    assert (waits == 0).all()
    env = simpy.Environment()
    station = Station(env, 1, ALWAYS)
    env.run()
    assert station.services == []


def run_at(station, times, **options):
    """Starts of patients who ask at these times."""
    by_patient = {}

    def patient(i, at):
        yield station.env.timeout(at)
        by_patient[i] = yield from serve([station], HOUR, patient=i, **options)

    for i, at in enumerate(times):
        station.env.process(patient(i, at))
    station.env.run()
    return [by_patient[i] for i in range(len(times))]


def test_nothing_begins_that_would_not_end_before_closing():
    env = simpy.Environment()
    starts = run_at(Station(env, 1, OFFICE), [4 + 17.5 / 24])  # Friday, half past five
    assert starts == pytest.approx([7 + 8 / 24])
    env = simpy.Environment()
    starts = run_at(Station(env, 1, OFFICE), [4 + 16.0 / 24, 4 + 16.5 / 24, 4 + 16.6 / 24])
    assert starts == pytest.approx([4 + 16 / 24, 4 + 17 / 24, 7 + 8 / 24])


def test_who_cannot_begin_in_time_gives_up_and_frees_the_place():
    env = simpy.Environment()
    station = Station(env, 1, ALWAYS)
    starts = run_at(station, [0.0, 0.01, 0.5], latest=0.02)
    assert starts[0] == 0
    assert np.isnan(starts[1])
    assert np.isnan(starts[2])
    assert len(station.services) == 1
    assert len(station.turned_away) == 2


def test_a_therapist_keeps_to_sessions_a_week_leave_and_gaps():
    post = Post(OFFICE, 2, [False, True], [(21.0, 40.0)], [7, 8])
    env = simpy.Environment()
    station = Station(env, 1, post)
    starts = run_at(station, [0.4, 0.4, 0.4, 0.4, 0.4])
    # Two in week 0, leave in week 1, two in week 2, nobody until day 40, a Saturday; Monday is day 42.
    assert [int(t // 7) for t in starts] == [0, 0, 2, 2, 6]
    assert (post.holder(20), post.holder(30), post.holder(40)) == (7, 7, 8)
    assert [post.is_held(t) for t in (1, 8, 15, 22, 41)] == [True, False, True, False, True]


def test_a_group_begins_when_full_or_when_its_first_member_has_waited():
    env = simpy.Environment()
    station = Station(env, 1, ALWAYS)
    times = {}

    def patient(i, at, latest=float("inf")):
        yield env.timeout(at)
        times[i] = yield from join(station, HOUR, size=3, wait=1.0, latest=latest, patient=i)

    for i, (at, latest) in enumerate([(0.0, 9.0), (0.1, 9.0), (0.2, 9.0), (0.3, 9.0), (0.4, 0.5)]):
        env.process(patient(i, at, latest))
    env.run()
    assert [times[i] for i in range(4)] == pytest.approx([0.2, 0.2, 0.2, 1.3])
    assert np.isnan(times[4])
    assert len(station.services) == 2


def test_opening_hours_between_two_times():
    assert OFFICE.hours_between(0, 7) == pytest.approx(50)
    assert OFFICE.hours_between(0.5, 1) == pytest.approx(6)
    assert ALWAYS.hours_between(0.25, 2) == pytest.approx(42)
