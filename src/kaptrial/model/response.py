"""The course of the response: amounts, occupancy, learning and their interplay between events (docs/model.md).

Time runs in days. At equal times the order is visit, change of an adjunct, dose, session. Visits only read the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, expm1

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.compile_cache import INNER

VISIT, ADJUNCT, DOSE, SESSION = range(4)
# Of each event: what the window, or learning at a visit, was and what came of it, and so of learning at a session.
KNOWN = 4


@dataclass(frozen=True, kw_only=True)
class ArmSchedule:
    """What one arm is to receive. `doses`: (day, q in reference doses); `adjuncts`: (from, to, Emax ×, half-life ×)."""

    doses: Sequence[tuple[float, float]] = ()
    session_days: Sequence[float] = ()
    adjuncts: Sequence[tuple[float, float, float, float]] = ()


@dataclass(frozen=True, kw_only=True)
class Timetable:
    """The arms' events in the order in which they act, padded to the longest arm.

    `day`, `kind`, `size`, `factor`, `index`: shape (arm, event). `size` is q of a dose and the Emax factor
    from an adjunct's change
    on; `factor` the half-life factor from there on; `index` the number of the visit or of the treatment event (doses
    first, then sessions, each in their own order). `count`: events of each arm.
    """

    day: Floats
    kind: Ints
    size: Floats
    factor: Floats
    index: Ints
    count: Ints
    n_visits: int


def timetable(visit_days: ArrayLike, arms: Sequence[ArmSchedule]) -> Timetable:
    """Merge each arm's visits, adjunct changes, doses and sessions."""
    visits = [float(day) for day in np.asarray(visit_days, dtype=float)]
    rows = []
    for arm in arms:
        events = [(day, VISIT, 0.0, 1.0, v) for v, day in enumerate(visits)]
        events += [(day, DOSE, q, 1.0, j) for j, (day, q) in enumerate(arm.doses)]
        events += [(day, SESSION, 1.0, 1.0, len(arm.doses) + j) for j, day in enumerate(arm.session_days)]
        for day in sorted({edge for start, stop, *_ in arm.adjuncts for edge in (start, stop)}):
            active = [(emax, life) for start, stop, emax, life in arm.adjuncts if start <= day < stop]
            factors = np.prod(active, axis=0) if active else (1.0, 1.0)
            events.append((day, ADJUNCT, float(factors[0]), float(factors[1]), 0))
        rows.append(sorted(events, key=lambda event: (event[0], event[1])))
    longest = max(len(row) for row in rows)
    table = np.zeros((len(rows), longest, 5))
    for a, row in enumerate(rows):
        table[a, : len(row)] = row
    return Timetable(
        day=table[..., 0].copy(),
        kind=table[..., 1].astype(np.int64),
        size=table[..., 2].copy(),
        factor=table[..., 3].copy(),
        index=table[..., 4].astype(np.int64),
        count=np.array([len(row) for row in rows]),
        n_visits=len(visits),
    )


@dataclass(frozen=True, kw_only=True)
class DrugParameters:
    """Parameters of the drug's effect: scalars, or one a replicate, shape (replicate,).

    `linear`: K = s·(A + C), and the patients' `max_effect` is the slope s. Rates are a day.
    """

    linear: bool
    ec50: ArrayLike = 1.0
    hill: ArrayLike = 1.0
    consolidated_share: ArrayLike = 0.0
    consolidated_rate_per_day: ArrayLike = 0.0
    window_rate_per_day: ArrayLike = 1.0


@dataclass(frozen=True, kw_only=True)
class TherapyParameters:
    """Parameters of the arms' therapies, each of shape (arm,) or (replicate, arm)."""

    learning_per_session: ArrayLike
    forgetting_rate_per_day: ArrayLike
    gamma: ArrayLike
    kappa: ArrayLike
    xi: ArrayLike


@dataclass(frozen=True, kw_only=True)
class PatientParameters:
    """k, Emax (or the slope), Tmax, and whether the drug acts at all, each of shape (replicate, patient)."""

    decay_rate_per_day: Floats
    max_effect: Floats
    max_therapy_effect: Floats
    responder: Bools


def course(
    table: Timetable,
    *,
    arm: Ints,
    taken: Bools | None,
    drug: DrugParameters,
    therapy: TherapyParameters,
    patients: PatientParameters,
    own_day: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Noise-free improvement through the drug, K, and through therapy, T − ξ·T·O.

    Parameters
    ----------
    arm : (replicate, patient)
        Index of each patient's arm.
    taken : (replicate, patient, treatment event) or None
        Which doses and sessions the patient received (numbered as in `Timetable`); None if all.
    own_day : (replicate, patient, treatment event) or None
        When each patient received them, where that is not the day of the timetable; goes with `taken`.

    Returns
    -------
    drug, therapy : (replicate, patient, visit)
        In the units of `max_effect` and `max_therapy_effect`.
    """
    n_replicates, n_patients = arm.shape
    n_arms = len(table.count)
    shape = (n_replicates, n_patients, table.n_visits)
    drug_effect, therapy_effect = np.empty(shape, order="F"), np.empty(shape, order="F")
    received = np.empty((n_replicates, n_patients, 0), dtype=np.bool_) if taken is None else taken
    d, t = drug, therapy
    of_drug = (d.ec50, d.hill, d.consolidated_share, d.consolidated_rate_per_day, d.window_rate_per_day)
    of_therapy = (t.learning_per_session, t.forgetting_rate_per_day, t.gamma, t.kappa, t.xi)
    by_replicate = np.stack([np.broadcast_to(np.asarray(x, float), n_replicates) for x in of_drug])
    by_arm = np.stack([np.broadcast_to(np.asarray(x, float), (n_replicates, n_arms)) for x in of_therapy])
    planned = (table.day, table.kind, table.size, table.factor, table.index, table.count)
    # What a patient received lies side by side.
    what = (*planned, np.asfortranarray(arm), np.ascontiguousarray(received.transpose(1, 0, 2)))
    p = patients
    of_patients = (p.decay_rate_per_day, p.max_effect, p.max_therapy_effect, p.responder)
    own = (np.asfortranarray(x) for x in of_patients)
    whose = (drug.linear, by_replicate, by_arm, *own, drug_effect, therapy_effect)
    if own_day is None:
        everything = np.ones(table.index.max() + 1, dtype=np.bool_)
        _follow_all(*what, everything, _runs(by_replicate, by_arm), *whose)
    else:
        _follow_own(*what, np.ascontiguousarray(own_day.transpose(1, 0, 2)), *whose)
    return drug_effect, therapy_effect


def _runs(by_replicate: Floats, by_arm: Floats) -> Ints:
    """Where runs of replicates with the same parameters begin, and how many replicates there are."""
    changed = (by_replicate[:, 1:] != by_replicate[:, :-1]).any(axis=0)
    changed |= (by_arm[:, 1:] != by_arm[:, :-1]).any(axis=(0, 2))
    return np.concatenate([[0], np.flatnonzero(changed) + 1, [len(changed) + 1]])


@njit(cache=True, nogil=True, error_model="numpy")
def consolidation_gain(fast: float, slow: float, dt: float) -> float:
    """(exp(−slow·dt) − exp(−fast·dt)) / (fast − slow), also where the rates are equal or change places."""
    low, gap = min(fast, slow), abs(fast - slow)
    if gap * dt < 1e-300:
        return dt * exp(-low * dt)
    return exp(-low * dt) * -expm1(-gap * dt) / gap


@njit(cache=True, nogil=True, error_model="numpy")
def _follow_all(  # type: ignore[no-untyped-def]
    day, kind, size, factor, index, count,
    arm, received, everything, runs, linear, by_replicate, by_arm,
    decay_rate, max_effect, max_therapy_effect, responder, drug_effect, therapy_effect,
):  # fmt: skip
    n_arms, longest = day.shape
    # What is left of learning, and of the window, from one event to a later one: the same for all patients of an arm.
    learning_kept = np.empty((n_arms, longest, longest))
    window_kept = np.empty((n_arms, longest, longest))
    # Learning's share of the therapy effect at visits, and the slowing of the drug's loss from each event on.
    shape, slowing = np.zeros((n_arms, longest)), np.ones((n_arms, longest))
    # What comes of learning where everything was received, which is most often wanted again.
    known = np.empty((n_arms, longest, KNOWN))
    # Replicates of the same parameters are followed together, patient by patient, as they lie in memory.
    for run in range(len(runs) - 1):
        start, stop = runs[run], runs[run + 1]
        k_w = by_replicate[4, start]
        for a in range(n_arms):
            g, k_l, gamma, kappa = by_arm[0, start, a], by_arm[1, start, a], by_arm[2, start, a], by_arm[3, start, a]
            for e in range(count[a]):
                for later in range(e, count[a]):
                    learning_kept[a, e, later] = exp(-k_l * (day[a, later] - day[a, e]))
                    window_kept[a, e, later] = exp(-k_w * (day[a, later] - day[a, e]))
            known[a] = np.nan
            _follow_learning(
                kind[a], size[a], index[a], count[a], everything, g, gamma, kappa,
                learning_kept[a], window_kept[a], known[a], shape[a], slowing[a],
            )  # fmt: skip
        _follow_together(
            day, kind, size, factor, index, count, arm, received, everything, linear, by_replicate, by_arm,
            decay_rate, max_effect, max_therapy_effect, responder, learning_kept, window_kept, known, shape, slowing,
            start, stop, drug_effect, therapy_effect,
        )  # fmt: skip


@njit(error_model="numpy", **INNER)
def _follow_together(  # type: ignore[no-untyped-def]
    day, kind, size, factor, index, count, arm, received, everything, linear, by_replicate, by_arm,
    decay_rate, max_effect, max_therapy_effect, responder, learning_kept, window_kept, known, shape, slowing,
    start, stop, drug_effect, therapy_effect,
):  # fmt: skip
    """The replicates from `start` to `stop`, patient by patient."""
    full = received.shape[2] == 0
    for i in range(arm.shape[1]):
        for r in range(start, stop):
            a = arm[r, i]
            taken = everything if full else received[i, r]
            if not full:
                _follow_learning(
                    kind[a], size[a], index[a], count[a], taken, by_arm[0, r, a], by_arm[2, r, a], by_arm[3, r, a],
                    learning_kept[a], window_kept[a], known[a], shape[a], slowing[a],
                )  # fmt: skip
            _follow_patient(
                day[a], kind[a], size[a], factor[a], index[a], count[a], taken, linear, by_replicate[:, r],
                by_arm[3, r, a], by_arm[4, r, a], decay_rate[r, i], max_effect[r, i], max_therapy_effect[r, i],
                responder[r, i], shape[a], slowing[a], drug_effect[r, i], therapy_effect[r, i],
            )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _follow_own(  # type: ignore[no-untyped-def]
    day, kind, size, factor, index, count, arm, received, own_day,
    linear, by_replicate, by_arm, decay_rate, max_effect, max_therapy_effect, responder, drug_effect, therapy_effect,
):  # fmt: skip
    """As `_follow_all` where patients have days of their own: every course is put in order and followed by itself."""
    longest = day.shape[1]
    at, what = np.empty(longest), np.empty(longest, np.int64)
    amount, scale, number = np.empty(longest), np.empty(longest), np.empty(longest, np.int64)
    learning_kept, window_kept = np.empty((longest, longest)), np.empty((longest, longest))
    shape, slowing = np.zeros(longest), np.ones(longest)
    known = np.empty((longest, KNOWN))
    for i in range(arm.shape[1]):
        for r in range(arm.shape[0]):
            a = arm[r, i]
            n, taken = count[a], received[i, r]
            g, k_l, gamma, kappa = by_arm[0, r, a], by_arm[1, r, a], by_arm[2, r, a], by_arm[3, r, a]
            for e in range(n):
                when, which = day[a, e], kind[a, e]
                if which >= DOSE and taken[index[a, e]]:
                    when = own_day[i, r, index[a, e]]
                to = e
                while to > 0 and (at[to - 1] > when or (at[to - 1] == when and what[to - 1] > which)):
                    at[to], what[to], amount[to] = at[to - 1], what[to - 1], amount[to - 1]
                    scale[to], number[to] = scale[to - 1], number[to - 1]
                    to -= 1
                at[to], what[to], amount[to] = when, which, size[a, e]
                scale[to], number[to] = factor[a, e], index[a, e]
            for e in range(n):
                for later in range(e, n):
                    learning_kept[e, later] = exp(-k_l * (at[later] - at[e]))
                    window_kept[e, later] = exp(-by_replicate[4, r] * (at[later] - at[e]))
            known[:] = np.nan
            _follow_learning(
                what, amount, number, n, taken, g, gamma, kappa, learning_kept, window_kept, known, shape, slowing
            )
            _follow_patient(
                at, what, amount, scale, number, n, taken, linear, by_replicate[:, r], kappa, by_arm[4, r, a],
                decay_rate[r, i], max_effect[r, i], max_therapy_effect[r, i], responder[r, i], shape, slowing,
                drug_effect[r, i], therapy_effect[r, i],
            )  # fmt: skip


@njit(error_model="numpy", **INNER)
def _follow_patient(  # type: ignore[no-untyped-def]
    day, kind, size, factor, index, count, taken, linear, drug, kappa, xi, k, emax, tmax, responds, shape, slowing,
    drug_effect, therapy_effect,
):  # fmt: skip
    """One patient through the events in their order; the effects at visits. `drug`: EC50, Hill, ρ, k_C, k_W."""
    ec50, hill, rho, k_c = drug[0], drug[1], drug[2], drug[3]
    amount = consolidated = since = 0.0
    slow = emax_factor = life_factor = 1.0
    # Of days as far apart as the last ones, under the same rate, the same is left.
    last_dt = last_rate = last_kept = 0.0
    for e in range(count):
        what = kind[e]
        if (what >= DOSE and not taken[index[e]]) or (what == SESSION and kappa == 0.0):
            continue
        # The state now, from that just after the last event that changed it: visits must leave no trace in it.
        dt = day[e] - since
        k_a, k_slow = k * slow / life_factor, k_c * slow
        level_a = 0.0
        if amount > 0.0:
            if dt != last_dt or k_a != last_rate:
                last_dt, last_rate, last_kept = dt, k_a, exp(-k_a * dt)
            level_a = amount * last_kept
        level_c = 0.0
        if rho > 0.0:
            level_c = consolidated * exp(-k_slow * dt)
            level_c += rho * amount * k_a * consolidation_gain(k_a, k_slow, dt)
        if what == VISIT:
            level = level_a + level_c
            occupancy = 0.0
            if responds and level > 0.0:
                occupancy = level / (ec50 + level) if hill == 1.0 else 1.0 / (1.0 + (ec50 / level) ** hill)
            if linear:
                drug_effect[index[e]] = emax * emax_factor * level if responds else 0.0
            else:
                drug_effect[index[e]] = emax * emax_factor * occupancy
            therapy_effect[index[e]] = tmax * shape[e] * (1.0 - xi * occupancy)
            continue
        since = day[e]
        amount, consolidated = level_a, level_c
        if what == ADJUNCT:
            emax_factor, life_factor = size[e], factor[e]
        elif what == DOSE:
            amount += size[e]
        else:
            slow = slowing[e]


@njit(error_model="numpy", **INNER)
def _follow_learning(  # type: ignore[no-untyped-def]
    kind, size, index, count, taken, g, gamma, kappa, learning_kept, window_kept, known, shape, slowing
):
    """Learning through one arm's events: `shape` at visits, (1 − exp(−L))·(1 + γ·L_w/L), and `slowing` from each on.

    `known`: (event, KNOWN), of the first course that came to each event where a function was asked for, and its value.
    """
    learnt = learnt_in_window = window = 0.0
    slow = 1.0
    last_session = last_dose = 0
    for e in range(count):
        what = kind[e]
        if what == VISIT:
            shape[e] = 0.0
            if learnt > 0.0:
                kept = learning_kept[last_session, e]
                x = learnt * kept
                risen = known[e, 1] if x == known[e, 0] else expm1(-x)
                _know(known[e], 0, x, risen)
                shape[e] = -risen * (1.0 + gamma * learnt_in_window / learnt)
        elif what == DOSE and gamma > 0.0 and taken[index[e]]:
            window = window * window_kept[last_dose, e] + size[e]
            last_dose = e
        elif what == SESSION and taken[index[e]]:
            kept = learning_kept[last_session, e]
            learnt = learnt * kept + g
            if gamma > 0.0:
                x = window * window_kept[last_dose, e]
                opened = known[e, 1] if x == known[e, 0] else expm1(-x)
                _know(known[e], 0, x, opened)
                learnt_in_window = learnt_in_window * kept - g * opened
            last_session = e
            if kappa > 0.0:
                slow = known[e, 3] if learnt == known[e, 2] else exp(kappa * expm1(-learnt))
                _know(known[e], 2, learnt, slow)
        slowing[e] = slow


@njit(error_model="numpy", **INNER)
def _know(known, column, x, value):  # type: ignore[no-untyped-def]
    """Keep a function's value beside where it was asked for, unless another is kept."""
    if np.isnan(known[column]):
        known[column], known[column + 1] = x, value
