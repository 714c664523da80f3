"""The mean course of the response model by arm, as a function of the parameters that a trial can tell something about.

With g, k_L and k_W fixed, what the patients have learnt, and how much of it in the window, is known at every visit; so
is ℓ* between sessions. Drug and consolidated response both decay at a rate scaled by exp(−κ ℓ*), so that in the
operational time ∫ exp(−κ ℓ*) dt they are sums of exponentials for any κ (docs/model.md). Half-lives differ between
patients: the mean over them is by Gauss-Hermite quadrature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.errors import ScenarioError
from kaptrial.model.response import ArmSchedule
from kaptrial.priors.quadrature import normal_nodes
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.course import drug_parameters
from kaptrial.simulation.received import schedules_of

LN2 = float(np.log(2.0))
HALF_LIFE_NODES = 11
# What the course depends on; of the last three a model has those whose mechanism it holds.
PARAMETERS = ("natural", "max_effect", "half_life", "therapy", "gamma", "kappa", "xi")


@dataclass(frozen=True, kw_only=True)
class Course:
    """What is fixed: the design's doses and sessions, and the constants of the scenario.

    Rows run over arms × visits, visits fastest. A pair is a row and a dose before it: `pair_row`, `pair_size` (q),
    `pair_overlap` (pair, stretch), days of each stretch between sessions that lie between dose and visit, and
    `pair_learnt`, ℓ* in them. `learnt`: ℓ at each row of the therapy in question, `in_window` ℓ·L_w/L. `fixed`:
    improvement through the other therapies and from the first day, points. `natural`: 1 − exp(−t/τ_N).
    """

    arms: tuple[str, ...]
    days: tuple[float, ...]
    therapy: str
    pair_row: Ints
    pair_size: Floats
    pair_overlap: Floats
    pair_learnt: Floats
    learnt: Floats
    in_window: Floats
    fixed: Floats
    natural: Floats
    half_life_log_sd: float
    ec50: float
    hill: float
    linear: bool
    consolidated_share: float
    consolidated_rate: float

    @property
    def has_drug(self) -> bool:
        """Whether anybody was given the drug before a visit."""
        return len(self.pair_row) > 0


def course_of(s: Scenario, days: tuple[float, ...]) -> Course:
    """The course under a scenario's arms at these days. Raises ScenarioError where it has no therapy in question, a
    run-in, adjuncts, or an outcome counted day by day, whose latent scale is not the recorded one."""
    if s.scale.link != "identity":
        scale = s.scale.id
        raise ScenarioError(f"outcome.scale = {scale!r}: mechanisms are fitted to scores, not to days counted")
    if s.randomisation.run_in is not None or any(arm.adjuncts for arm in s.arms):
        raise ScenarioError("arms: mechanisms are fitted to trials without a run-in and without adjuncts only")
    therapy = therapy_in_question(s)
    window_rate = LN2 / s.drug.window_half_life.value if s.drug.window_half_life else 1.0
    drug = drug_parameters(s)
    t = np.array(days)
    shape = (len(s.arms), len(days))
    learnt, in_window, fixed = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    pairs: list[tuple[int, float, Floats, Floats]] = []
    for a, (arm, schedule) in enumerate(zip(s.arms, schedules_of(s), strict=True)):
        session_days, learnt_at = np.empty(0), np.empty(0)
        if arm.therapy is not None:
            noun = s.therapies[arm.therapy.name]
            g, rate = noun.learning_per_session.value, LN2 / noun.half_life.value
            sessions = np.array(schedule.session_days)
            total = _learning(t, sessions, np.full(len(sessions), g), rate)
            if arm.therapy.name == therapy:
                fresh = np.array([-np.expm1(-_window(schedule, day, window_rate)) for day in sessions])
                part = _learning(t, sessions, g * fresh, rate)
                learnt[a] = -np.expm1(-total)
                in_window[a] = learnt[a] * np.divide(part, total, out=np.zeros_like(part), where=total > 0)
                session_days = sessions
                learnt_at = -np.expm1(
                    -_learning(np.nextafter(sessions, np.inf), sessions, np.full(len(sessions), g), rate)
                )
            else:
                size = noun.max_effect.value * np.exp(noun.max_effect.spread**2 / 2)
                fixed[a] = size * -np.expm1(-total)
        edges = np.concatenate([session_days, [np.inf]])
        for v, day in enumerate(t):
            for dose_day, q in schedule.doses:
                if dose_day < day and q > 0:
                    starts = np.concatenate([[-np.inf], session_days])
                    overlap = np.maximum(np.minimum(edges, day) - np.maximum(starts, dose_day), 0.0)
                    pairs.append((a * len(t) + v, q, overlap, np.concatenate([[0.0], learnt_at])))
    longest = max((len(overlap) for *_, overlap, _ in pairs), default=1)
    pad = [(row, q, _padded(overlap, longest), _padded(level, longest)) for row, q, overlap, level in pairs]
    natural = np.zeros(len(t)) if s.natural_course is None else -np.expm1(-t / s.natural_course.time_constant.value)
    if s.natural_course is not None and s.natural_course.immediate is not None:
        immediate = s.natural_course.immediate
        fixed += immediate.change.value * -np.expm1(-t / immediate.onset.value)
    return Course(
        arms=tuple(arm.id for arm in s.arms), days=days, therapy=therapy,
        pair_row=np.array([row for row, *_ in pad], dtype=np.int64), pair_size=np.array([q for _, q, *_ in pad]),
        pair_overlap=np.array([o for *_, o, _ in pad]).reshape(len(pad), longest),
        pair_learnt=np.array([x for *_, x in pad]).reshape(len(pad), longest),
        learnt=learnt.ravel(), in_window=in_window.ravel(), fixed=fixed.ravel(), natural=np.tile(natural, len(s.arms)),
        half_life_log_sd=s.drug.half_life.spread, ec50=float(np.asarray(drug.ec50)), hill=float(np.asarray(drug.hill)),
        linear=drug.linear, consolidated_share=float(np.asarray(drug.consolidated_share)),
        consolidated_rate=float(np.asarray(drug.consolidated_rate_per_day)),
    )  # fmt: skip


def therapy_in_question(s: Scenario) -> str:
    """The therapy that the primary contrast's left side has and its right side has not (of an interaction: that the
    combined arm has and the control arm has not)."""
    contrast = s.contrast(s.estimand)
    if s.factors:
        both, neither = (
            next(arm for arm in s.arms if set((arm.factors or {}).values()) == {level}) for level in (1, 0)
        )
        left, right = {_name(both)}, {_name(neither)}
    else:
        left = {_name(s.arms[a]) for a in contrast.left}
        right = {_name(s.arms[a]) for a in contrast.right}
    therapies = {name for name in left - right if name} or {name for name in left if name}
    if len(therapies) != 1:
        raise ScenarioError(f"estimand.contrast = {s.estimand.contrast!r}: its left side must have one therapy to fit")
    return therapies.pop()


def improvement(course: Course, p: Mapping[str, Any], xp: Any) -> Any:
    """Mean improvement of each row, points, (arm × visit,). `p`: PARAMETERS by name, scalars; `xp`: numpy, or
    pytensor.tensor for a graph.

    natural·(1 − e^(−t/τ_N)) + Emax·Ō + Tmax·(ℓ + γ·ℓL_w/L) − ξ·Tmax·(ℓ + γ·ℓL_w/L)·Ō, Ō the mean occupancy.
    """
    learnt = p["therapy"] * (course.learnt + p["gamma"] * course.in_window)
    rest = p["natural"] * course.natural + course.fixed
    if not course.has_drug:
        return rest + learnt
    occupied = _mean_occupancy(course, p, xp)
    return rest + p["max_effect"] * occupied + learnt * (1.0 - p["xi"] * occupied)


def _mean_occupancy(course: Course, p: Mapping[str, Any], xp: Any) -> Any:
    z, weight = normal_nodes(HALF_LIFE_NODES)
    age = (course.pair_overlap * xp.exp(-p["kappa"] * course.pair_learnt)).sum(axis=1)[:, None]
    rate = LN2 / (p["half_life"] * np.exp(course.half_life_log_sd * z))[None, :]
    amount = xp.exp(-rate * age)
    if course.consolidated_share > 0:
        slow = course.consolidated_rate
        # (e^(−k_C u) − e^(−k u)) / (k − k_C), in a form that is safe where the rates are nearly the same.
        x = (rate - slow) * age
        near = abs(x) < 1e-6
        ratio = xp.where(near, 1.0 - x / 2, -xp.expm1(-x) / xp.where(near, 1.0, x))
        amount = amount + course.consolidated_share * rate * age * xp.exp(-slow * age) * ratio
    n_rows = len(course.learnt)
    chooser = np.zeros((n_rows, len(course.pair_row)))
    chooser[course.pair_row, np.arange(len(course.pair_row))] = course.pair_size
    total = xp.dot(chooser, amount)
    if not course.linear:
        powered = (total + 1e-300) ** course.hill if course.hill != 1 else total
        total = powered / (course.ec50**course.hill + powered)
    return xp.dot(total, weight)


def _learning(t: Floats, sessions: Floats, sizes: Floats, rate: float) -> Floats:
    """L at each time: Σ over sessions before it, a visit preceding a session of the same time."""
    age = t[:, None] - sessions[None, :]
    return np.where(age > 0, sizes * np.exp(-rate * np.maximum(age, 0.0)), 0.0).sum(axis=1)


def _window(schedule: ArmSchedule, day: float, rate: float) -> float:
    """W at a session: a dose of the same time comes first."""
    return float(sum(q * np.exp(-rate * (day - dose)) for dose, q in schedule.doses if dose <= day))


def _padded(values: Floats, n: int) -> Floats:
    return np.concatenate([values, np.zeros(n - len(values))])


def _name(arm: Any) -> str | None:
    return None if arm.therapy is None else str(arm.therapy.name)
