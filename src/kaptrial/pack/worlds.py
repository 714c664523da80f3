"""Adverse worlds: what the trial finds where an assumption fails, and a verdict on each.

The analysis stays the one that the plan has; a world changes only what is true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Literal

import numpy as np

from kaptrial.errors import ScenarioError, TooFewEligible
from kaptrial.method_table import SCORES
from kaptrial.pack.tornado import as_analysed, success
from kaptrial.questions.power.controlled import Controlled, difference
from kaptrial.questions.power.execution import Job, attempt
from kaptrial.questions.power.headline import share_lost
from kaptrial.questions.power.measures import TARGET_POWER
from kaptrial.questions.power.nulls import null_of
from kaptrial.questions.power.truth import truths
from kaptrial.scenario.conduct import Dropout
from kaptrial.scenario.nulls import additive, with_null
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import ASSUMPTION, ByArm, Sourced
from kaptrial.scenario.treatment import Therapists

Verdict = Literal["PASS", "AT RISK", "FAIL"]
ORDER: tuple[Verdict, ...] = ("PASS", "AT RISK", "FAIL")
AS_DECLARED = "as declared"
# Power from which a world is at risk and no longer passes, and below which the trial is no better than a coin.
LEAST_POWER = 0.5
# False claims up to a tenth more than the level pass, and up to half as many again are at risk: Bradley's (1978, Br J
# Math Stat Psychol) stringent and liberal criterion of robustness.
STRINGENT, LIBERAL = 1.1, 1.5
# What the worlds are made of; each an assumption, to be said beside the verdict.
HALF_LIFE_FACTOR = 0.5
ICC = 0.10
CASELOAD = 10
LEAVE_PER_POINT = 0.05
LOST = 0.2
RECRUITED = 0.5
# The share lost in the world of dropout is found to so much in so many blocks of trials, in at most so many steps.
LOSS_TOLERANCE, LOSS_BLOCKS, LOSS_STEPS = 0.002, 4, 8
FOUND = "found by simulation for this world"


@dataclass(frozen=True, kw_only=True)
class World:
    """A world: what is different in it, and the scenarios in which power and false claims are asked.

    `without_effect`: None where false claims are no question there; `with_effect`: None where the effect is gone.
    """

    name: str
    what: str
    with_effect: Scenario | None = None
    without_effect: Scenario | None = None


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How often the primary test rejects, its error, and the difference from the plan in the same trials."""

    value: float
    mcse: float
    difference: float
    difference_mcse: float


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What a world gave. `problem`: why it could not be tried, in place of rates and verdict."""

    world: World
    power: Rate | None = None
    false_claims: Rate | None = None
    verdict: Verdict | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Worlds:
    """The plan as declared, every world that could be tried, and why others do not apply."""

    own: Tried
    tried: tuple[Tried, ...]
    absent: tuple[tuple[str, str], ...]
    replicates: int

    @property
    def verdict(self) -> Verdict:
        """The worst of all, the plan as declared among them."""
        return max((each.verdict for each in (self.own, *self.tried) if each.verdict), key=ORDER.index, default="PASS")

    @property
    def breaking(self) -> Tried | None:
        """What breaks the plan: itself as declared, or of the worlds with the worst verdict the one furthest from what
        is allowed; None where all pass."""
        if self.verdict == "PASS":
            return None
        if self.own.verdict == self.verdict:
            return self.own
        return max((each for each in self.tried if each.verdict == self.verdict), key=_shortfall)


def _shortfall(tried: Tried) -> float:
    lacks = TARGET_POWER - tried.power.value if tried.power else -1.0
    return max(lacks, tried.false_claims.value if tried.false_claims else -1.0)


def worlds_of(s: Scenario, *, seed: int) -> tuple[list[World], list[tuple[str, str]]]:
    """The worlds of a scenario, and those that do not apply to it, each with the reason."""
    plan = as_analysed(s)
    found: list[World] = []
    absent: list[tuple[str, str]] = []
    for name, made in _BUILT.items():
        try:
            world = made(plan, seed)
        except ScenarioError as error:
            absent.append((name, str(error).splitlines()[0]))
            continue
        if isinstance(world, str):
            absent.append((name, world))
        else:
            found.append(replace(world, name=name))
    found += _declared(s)
    return found, absent


def try_worlds(
    s: Scenario,
    *,
    seed: int,
    replicates: int,
    workers: int = 1,
    controls: bool = True,
) -> Worlds:
    """Power and false claims of the primary analysis in every world, paired with the plan's own by replicate."""
    plan = as_analysed(s)
    analysis = plan.analyses(plan.estimand)[0]
    worlds, absent = worlds_of(s, seed=seed)
    null = null_of(plan, plan.estimand)
    asked = [plan, replace(plan, null=null)] if null is not None else [plan]
    places: list[tuple[int | None, int | None]] = []
    for world in worlds:
        place: list[int | None] = []
        for scenario in (world.with_effect, world.without_effect):
            place.append(None if scenario is None else len(asked))
            asked += [] if scenario is None else [scenario]
        places.append((place[0], place[1]))
    run: dict[str, Any] = {"seed": seed, "replicates": replicates, "controls": controls}
    jobs = [Job(scenario=x, **run, estimands=(0,), at_best=False) for x in asked]
    outcomes = list(attempt(jobs, workers=workers))
    if isinstance(outcomes[0], TooFewEligible):
        raise outcomes[0]
    shares = [None if isinstance(x, TooFewEligible) else success(x, analysis, plan) for x in outcomes]
    own, own_null = shares[0], shares[1] if null is not None and plan.estimand.margin is None else None
    assert own is not None
    tried = []
    for world, (effect, nothing) in zip(worlds, places, strict=True):
        rates = []
        for place_, beside in ((effect, own), (nothing, own_null)):
            found = None if place_ is None else shares[place_]
            rates.append(None if found is None else _rate(found, beside))
        if all(rate is None for rate in rates):
            tried.append(Tried(world=world, problem="hardly anybody would pass the run-in there"))
            continue
        verdict = _verdict(rates[0], rates[1], plan.analysis.alpha)
        tried.append(Tried(world=world, power=rates[0], false_claims=rates[1], verdict=verdict))
    power, false = _rate(own, None), None if own_null is None else _rate(own_null, None)
    declared = Tried(
        world=World(name=AS_DECLARED, what="the plan and its assumptions"),
        power=power,
        false_claims=false,
        verdict=_verdict(power, false, plan.analysis.alpha),
    )
    return Worlds(own=declared, tried=tuple(tried), absent=tuple(absent), replicates=replicates)


def _rate(found: Controlled, beside: Controlled | None) -> Rate:
    more, mcse = (0.0, 0.0) if beside is None else difference(found.each, beside.each)
    return Rate(value=found.value, mcse=found.mcse, difference=more, difference_mcse=mcse)


def _verdict(power: Rate | None, false: Rate | None, alpha: float) -> Verdict:
    """By power and by false claims, the worse of the two; a false rate within two errors of a limit is not past it."""
    by_power: Verdict = "PASS"
    if power is not None and power.value < TARGET_POWER:
        by_power = "AT RISK" if power.value >= LEAST_POWER else "FAIL"
    by_false: Verdict = "PASS"
    if false is not None:
        surely = false.value - 2 * false.mcse
        by_false = "PASS" if surely <= STRINGENT * alpha else "AT RISK" if surely <= LIBERAL * alpha else "FAIL"
    return max(by_power, by_false, key=ORDER.index)


def _declared(s: Scenario) -> Iterator[World]:
    """The scenario's own worlds."""
    for name, world in ((s.sensitivity.worlds if s.sensitivity else None) or {}).items():
        changed = as_analysed(s).with_values(world.values)
        what = ", ".join(f"{path} {value}" for path, value in world.values.items())
        asks = {"with_effect": changed} if world.asks == "power" else {"without_effect": changed}
        yield World(name=name, what=what, **asks)


def _assumed(value: float, unit: str, note: str) -> Sourced:
    return Sourced(value=value, unit=unit, source=ASSUMPTION, note=note)


def _nullified(s: Scenario) -> Scenario | None:
    """The world without the effect that the primary question is about; None where no single null says that."""
    null = null_of(s, s.estimand)
    return None if null is None or s.estimand.margin is not None else replace(s, null=null)


def _short_half_life(s: Scenario, seed: int) -> World | str:
    if not any(doses.is_ketamine and doses.days for arm in s.arms for doses in arm.doses):
        return "no arm is given ketamine"
    own = s.drug.half_life.value
    value = HALF_LIFE_FACTOR * own
    shorter = replace(s.drug, half_life=replace(s.drug.half_life, value=value))
    what = f"the drug's effect has a half-life of {value:g} days instead of {own:g}"
    return World(name="", what=what, with_effect=replace(s, drug=shorter))


def _no_synergy(s: Scenario, seed: int) -> World | str:
    if not any(t.gamma or t.kappa for t in s.therapies.values()):
        return "the scenario assumes no synergy to begin with: γ and κ are zero"
    alone = {name: replace(additive(t), xi=t.xi) for name, t in s.therapies.items()}
    return World(name="", what="drug and therapy only add up: γ = κ = 0", with_effect=replace(s, therapies=alone))


def _dropout(s: Scenario, seed: int) -> World | str:
    """Those who are worse leave, whether or not a score has shown it; as many as in the plan."""
    own = s.conduct.dropout
    if own is not None and own.current_latent is not None:
        return "the scenario's own dropout is not at random already"
    if s.scale.link != "identity":
        return "dropout by the latent score is declared in points, and this outcome has none"
    slope = _assumed(-s.scale.sign * LEAVE_PER_POINT, "per_point", "assumed for this world")
    days = max(s.estimand.day - s.randomisation.day, 1.0)
    if own is None:
        own = Dropout(hazard=_assumed(-np.log(1 - LOST) / days, "per_day", "assumed for this world"))
        target = LOST
    else:
        target = share_lost(s, seed, LOSS_BLOCKS)
    changed = _losing(target, replace(s, conduct=replace(s.conduct, dropout=replace(own, current_latent=slope))), seed)
    times = np.exp(10 * LEAVE_PER_POINT)
    what = (
        f"{100 * target:.0f} % are lost by the primary day, and patients worse by 10 points leave {times:.1f} times as"
        " often, unseen (not at random)"
    )
    return World(name="", what=what, with_effect=changed, without_effect=_nullified(changed))


def _losing(target: float, s: Scenario, seed: int) -> Scenario:
    """The scenario with its dropout hazards in the same ratio, and this share lost by the primary day.

    A hazard is stated at the mean baseline, and patients improve, so that what it comes to is found by simulation.
    """
    for _ in range(LOSS_STEPS):
        lost = share_lost(s, seed, LOSS_BLOCKS)
        if abs(lost - target) < LOSS_TOLERANCE or not 0 < lost < 1:
            break
        dropout = s.conduct.dropout
        assert dropout is not None
        factor = np.log(1 - target) / np.log(1 - lost)
        s = replace(s, conduct=replace(s.conduct, dropout=replace(dropout, hazard=_times(dropout.hazard, factor))))
    return s


def _times(hazard: Sourced | ByArm[Sourced], factor: float) -> Sourced | ByArm[Sourced]:
    if isinstance(hazard, ByArm):
        return ByArm(by_arm={arm: _assumed(h.value * factor, h.unit, FOUND) for arm, h in hazard.by_arm.items()})
    return _assumed(hazard.value * factor, hazard.unit, FOUND)


def _therapists(s: Scenario, seed: int) -> World | str:
    """Therapists differ so much that a tenth of the variance on the primary day lies between them."""
    treated = [arm.therapy.name for arm in s.arms if arm.therapy is not None]
    if not treated:
        return "no arm has a therapy"
    if s.estimand.endpoint not in SCORES or s.scale.link != "identity":
        return "an intraclass correlation of scores is asked, and the primary outcome is none"

    def with_sd(sd: float) -> Scenario:
        number = _assumed(sd, "points", "assumed for this world")
        therapies = dict(s.therapies)
        for name in dict.fromkeys(treated):
            own = therapies[name].therapists or Therapists(sd=number, caseload=CASELOAD)
            therapies[name] = replace(therapies[name], therapists=replace(own, sd=number))
        return replace(s, therapies=therapies)

    # What an SD of one point comes to on the day tells the SD that is needed.
    unit, none = (truths(with_sd(sd), seed=seed, blocks=1)[0] for sd in (1.0, 0.0))
    a = int(np.argmax(unit.icc))
    if unit.icc[a] <= 0:
        return "therapists do not act before the primary day"
    between = unit.icc[a] * unit.arm_sds[a] ** 2
    sd = sqrt(ICC / (1 - ICC) * none.arm_sds[a] ** 2 / between)
    had = [s.therapies[name].therapists for name in dict.fromkeys(treated)]
    beside = "" if all(had) else f" (with {CASELOAD} patients each where the scenario has none)"
    what = f"therapists differ with an intraclass correlation of {ICC:.2f}, an SD of {sd:.1f} points{beside}"
    changed = with_sd(float(f"{sd:.4g}"))
    return World(name="", what=what, with_effect=changed, without_effect=_nullified(changed))


def _belief_only(s: Scenario, seed: int) -> World | str:
    null = null_of(s, s.estimand)
    if null is None:
        return "the arms differ in drug and in therapy, or there is one, so that no single effect can be taken away"
    part = {"therapy": s.expectancy.therapy, "drug": s.expectancy.drug, "synergy": None}[null]
    if part is None:
        return "the scenario declares no expectancy of what is compared"
    changed = with_null(s, null, expectancy=True)
    what = f"the {null} does nothing, and patients believe in it as the scenario says"
    return World(name="", what=what, without_effect=changed)


def _therapists_leave(s: Scenario, seed: int) -> World | str:
    """Two therapists fewer of every therapy, and the same patients."""
    changed, said = {}, []
    sizes = {arm.id: s.n_total * share / sum(s.ratio) for arm, share in zip(s.arms, s.ratio, strict=True)}
    for name, therapy in s.therapies.items():
        staff = therapy.therapists
        patients = sum(sizes[arm.id] for arm in s.arms if arm.therapy is not None and arm.therapy.name == name)
        if staff is None or not patients:
            continue
        own = staff.count or max(1, round(patients / (staff.caseload or 1)))
        if own <= 2:
            return f"{name} has {own}, and nobody would be left"
        left = replace(staff, count=own - 2, caseload=None)
        changed[name] = replace(therapy, therapists=left)
        said.append(f"{own - 2} instead of {own} for {name}")
    if not changed:
        return "no therapists are declared"
    other = replace(s, therapies={**s.therapies, **changed})
    what = f"two therapists leave at the start, and the others take their patients: {', '.join(said)}"
    return World(name="", what=what, with_effect=other, without_effect=_nullified(other))


def _slow_recruitment(s: Scenario, seed: int) -> World | str:
    step = sum(s.ratio)
    n = int(RECRUITED * s.n_total) // step * step
    if n < 2 * step:
        return "half as many patients are too few to be analysed"
    design = replace(s.design, n_per_arm=None, n_total=n)
    what = f"recruitment is half as fast and the trial ends when planned, with {n} instead of {s.n_total} patients"
    return World(name="", what=what, with_effect=replace(s, design=design))


_BUILT: Mapping[str, Callable[[Scenario, int], World | str]] = {
    "short half-life": _short_half_life,
    "no synergy": _no_synergy,
    "dropout not at random": _dropout,
    "therapists' ICC .10": _therapists,
    "belief only": _belief_only,
    "two therapists leave": _therapists_leave,
    "recruitment half as fast": _slow_recruitment,
}
