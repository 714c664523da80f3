"""A replicate in numbers: what the tables average, small enough to be kept for every replicate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.questions.clinic.cost import costs
from kaptrial.questions.clinic.outcome import Use
from kaptrial.questions.clinic.protocol import ArmProtocol, arm_protocols
from kaptrial.questions.clinic.run import Course, End
from kaptrial.scenario.clinic import Clinic
from kaptrial.scenario.clinic_checks import DAYS_PER_MONTH
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.opening_hours import SLACK, Calendar
from kaptrial.simulation.recruitment import Fate

Key = tuple[str, str, str]
# Waits shorter than this at every resource leave the pace to recruitment: nobody is put off to another day.
SHORT_WAIT_DAYS = 0.5
FATES = {
    Fate.DECLINED: "did not consent",
    Fate.INELIGIBLE: "outside the entry criterion",
    Fate.FAILED: "failed screening otherwise",
    Fate.CLOSED: "still screened when full",
    Fate.RANDOMISED: "randomised",
}
ENDS = {End.LOST_WAITING: "lost waiting", End.DROPPED_OUT: "dropped out", End.COMPLETE: "complete"}


@dataclass(frozen=True, kw_only=True)
class ReplicateSummary:
    """`values`: number by (table, of what, metric). `lags`: hours from a dose to each session that was given, with its
    protocol's lag in days, (session, 2), and whether the session was promised a window, (session,). Days from the
    calendar's day 0: `randomised`, `ended`, sorted. `bottleneck`: the resource that most is waited for."""

    values: dict[Key, float]
    lags: Floats
    promised: np.ndarray
    randomised: Floats
    ended: Floats
    bottleneck: str


def summarise_replicate(s: Scenario, c: Course) -> ReplicateSummary:
    """One course in numbers."""
    assert s.clinic is not None
    clinic, protocols = s.clinic, arm_protocols(s, s.clinic)
    values: dict[Key, float] = {}
    first = float(c.entrants.opened.min())
    values |= {
        ("milestones", "trial", "first site opens"): first / DAYS_PER_MONTH,
        ("milestones", "trial", "last patient in"): c.entrants.closed / DAYS_PER_MONTH,
        ("milestones", "trial", "last patient out"): float(c.ended.max()) / DAYS_PER_MONTH,
    }
    values |= _flow(s, c)
    values |= _waits(s, c)
    lags, promised = _lags(protocols, c)
    values |= _kept(s, clinic, protocols, c)
    delays, used = _use(clinic, c)
    values |= used
    values |= _therapists(s, c)
    values |= {("cost", "trial", item): value for item, value in costs(s, clinic, c).items()}
    slowest = max(delays, key=lambda kind: delays[kind])
    return ReplicateSummary(
        values=values,
        lags=lags,
        promised=promised,
        randomised=c.randomised,
        ended=np.sort(c.ended),
        bottleneck=slowest if delays[slowest] >= SHORT_WAIT_DAYS else "recruitment",
    )


def _flow(s: Scenario, c: Course) -> dict[Key, float]:
    fates = c.entrants.fate
    values: dict[Key, float] = {("flow", "all", "referred"): float(len(fates))}
    for fate, name in FATES.items():
        values["flow", "all", name] = float((fates == fate).sum())
    for a, arm in enumerate(s.arms):
        ends = c.end[c.arm == a]
        values["flow", arm.id, "randomised"] = float(len(ends))
        for end, name in ENDS.items():
            values["flow", arm.id, name] = float((ends == end).sum())
    return values


def _waits(s: Scenario, c: Course) -> dict[Key, float]:
    values: dict[Key, float] = {}
    for a, arm in enumerate(s.arms):
        wait = (c.begun - c.randomised)[(c.arm == a) & ~np.isnan(c.begun)]
        if len(wait):
            values["waiting", arm.id, "days to the first infusion, mean"] = float(wait.mean())
            values["waiting", arm.id, "days to the first infusion, 90th percentile"] = float(np.quantile(wait, 0.9))
        place = c.place_wait[(c.arm == a) & ~np.isnan(c.place_wait)]
        if len(place):
            values["waiting", arm.id, "days to a place with a therapist, mean"] = float(place.mean())
    return values


def _lags(protocols: list[ArmProtocol], c: Course) -> tuple[Floats, np.ndarray]:
    lags, promised = [], []
    for a, p in enumerate(protocols):
        given = c.given[c.arm == a]
        for k, after in enumerate(p.after):
            if after < 0:
                continue
            lag = given[:, len(p.doses) + k] - given[:, after]
            lag = lag[~np.isnan(lag)]
            lags.append(np.column_stack([24 * lag, np.full(len(lag), p.sessions[k] - p.doses[after])]))
            promised.append(np.full(len(lag), p.promised[k]))
    if not lags:
        return np.empty((0, 2)), np.empty(0, dtype=bool)
    return np.concatenate(lags), np.concatenate(promised)


def _kept(s: Scenario, clinic: Clinic, protocols: list[ArmProtocol], c: Course) -> dict[Key, float]:
    """Of what came due in each arm: the shares in the window, out of it, and missed."""
    values: dict[Key, float] = {}

    def add(arm: str, what: str, late: Floats, within: float | Floats, settled: np.ndarray) -> None:
        n = settled.sum()
        if n == 0:
            return
        missed = settled & np.isnan(late)
        # Who comes on the window's last morning is in it.
        inside = settled & (late <= within + 2 * SLACK)
        values["kept", arm, f"{what} in window"] = float(inside.sum() / n)
        values["kept", arm, f"{what} out of window"] = float((settled & ~missed & ~inside).sum() / n)
        values["kept", arm, f"{what} missed"] = float(missed.sum() / n)

    for a, (arm, p) in enumerate(zip(s.arms, protocols, strict=True)):
        in_arm = c.arm == a
        given, due, settled = c.given[in_arm], c.due[in_arm], c.settled[in_arm]
        n, m = len(p.doses), len(p.sessions)
        late = given - due
        # The first infusion has a wait and no window.
        add(arm.id, "later doses", late[:, 1:n], clinic.infusions.late_days, settled[:, 1:n])
        promised = np.array(p.promised, dtype=bool)
        if m:
            doses = given[:, [max(k, 0) for k in p.after]]
            lag = given[:, n : n + m] - doses
            # After a missed dose there is no window to keep.
            on = settled[:, n : n + m] & ~np.isnan(doses)
            to = (clinic.sessions.to_hours or 0.0) / 24
            add(arm.id, "promised sessions", lag[:, promised], to, on[:, promised])
            other = late[:, n : n + m][:, ~promised]
            add(arm.id, "other sessions", other, clinic.sessions.window_days, settled[:, n : n + m][:, ~promised])
        seen, zero = c.seen[in_arm], c.zero[in_arm][:, None]
        days = np.array(s.design.visits)
        off = np.abs(np.floor(seen) - np.floor(zero + days))
        add(arm.id, "visits", off[:, 1:], clinic.ratings.window_days, c.visit_settled[in_arm][:, 1:])
    return values


def _use(clinic: Clinic, c: Course) -> tuple[dict[str, float], dict[Key, float]]:
    """Mean days waited for each kind of resource; utilisation by site, from opening until the last patient is in."""
    hours = Calendar(clinic.hours.weekdays, clinic.hours.opens, clinic.hours.closes)
    dose_hours = Calendar(clinic.infusions.weekdays or clinic.hours.weekdays, clinic.hours.opens, clinic.hours.closes)
    busy: dict[tuple[str, int], float] = {}
    free: dict[tuple[str, int], float] = {}
    waits: dict[str, list[float]] = {}
    for use in c.use:
        start, stop = float(c.entrants.opened[use.site]), c.entrants.closed
        key = (use.kind, use.site)
        served = use.services[use.services["start"] <= stop]
        if use.kind == "therapists":
            work, room = float(len(served)), _sessions_possible(use, start, stop)
        else:
            calendar = dose_hours if use.kind in ("chairs", "nurses") else hours
            work = 24 * sum((served["end"] - served["start"]).tolist())
            room = use.capacity * calendar.hours_between(start, stop) if stop > start else 0.0
        busy[key] = busy.get(key, 0.0) + work
        free[key] = free.get(key, 0.0) + room
        waits.setdefault(use.kind, []).extend([*use.services["delay"].tolist(), *use.turned_away.tolist()])
    # A place with a therapist is waited for like a session.
    waits.get("therapists", []).extend(c.place_wait[~np.isnan(c.place_wait)])
    values: dict[Key, float] = {}
    for (kind, i), work in busy.items():
        room = free[kind, i]
        values["utilisation", f"{kind} at {clinic.sites[i].id}", "share"] = work / room if room > 0 else float("nan")
    for kind in waits:
        room = sum(free[key] for key in free if key[0] == kind)
        work = sum(busy[key] for key in busy if key[0] == kind)
        values["utilisation", kind, "share"] = work / room if room > 0 else float("nan")
    delays = {kind: float(np.mean(w)) if w else 0.0 for kind, w in waits.items()}
    # A dose waits for chair and nurse together: the wait belongs to whichever there are fewer of.
    watched = clinic.infusions.patients_per_nurse
    fewer = sum(site.nurses * watched for site in clinic.sites) < sum(site.chairs for site in clinic.sites)
    del delays["chairs" if fewer else "nurses"]
    for kind, wait in delays.items():
        values["utilisation", kind, "days waited"] = wait
    return delays, values


def _sessions_possible(use: Use, start: float, stop: float) -> float:
    """Sessions that a post could give between two days, but for leave and the time in which it was empty."""
    if stop <= start:
        return 0.0
    weeks = (stop - start) / 7 - sum(1 for w, away in enumerate(use.away) if away and start <= 7 * w < stop)
    empty = sum(max(min(b, stop) - max(a, start), 0.0) for a, b in use.gaps) / 7
    return use.per_week * max(weeks - empty, 0.0)


def _therapists(s: Scenario, c: Course) -> dict[Key, float]:
    values: dict[Key, float] = {}
    for a, arm in enumerate(s.arms):
        if arm.therapy is None:
            continue
        therapists = c.therapist[(c.arm == a) & (c.therapist >= 0)]
        loads = np.unique(therapists, return_counts=True)[1]
        if len(loads):
            values["therapists", arm.id, "who treated patients"] = float(len(loads))
            values["therapists", arm.id, "patients of one, mean"] = float(loads.mean())
            values["therapists", arm.id, "patients of one, most"] = float(loads.max())
    return values
