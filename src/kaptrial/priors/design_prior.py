"""From a design prior to scenarios: draws of what is believed, and the scenario under one (docs/design_prior.md)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.catalogue.priors import REFERENCE_POPULATION, columns
from kaptrial.errors import ScenarioError
from kaptrial.priors.constants import (
    CONSOLIDATED_HALF_LIFE_DAYS,
    LEAST_TRAIT,
    NATURAL_TIME_CONSTANT_DAYS,
    ONSET_DAYS,
    RATER_SD,
    TRIAL_DF,
)
from kaptrial.scenario.checks import ketamine_routes
from kaptrial.scenario.drawn import Drawn, with_fields
from kaptrial.scenario.files import as_raw, build, sourced_path, with_settings
from kaptrial.scenario.patients import Consolidation, DrugExpectancy, ImmediateChange, NaturalCourse
from kaptrial.scenario.prior import Prior
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import ByArm, Sourced
from kaptrial.scenario.treatment import Arm

Parameter = float | Floats

# Routes by which patients take the drug themselves, so that their placebo is no infusion.
GIVEN_BY_PATIENT = ("IN", "SL", "oral")
# What makes a new trial differ from the mean of all: the parameter that holds the SD between trials.
TRIAL_EFFECTS = {
    "trial_logit_share": "between_logit_share",
    "trial_course": "between_course",
    "trial_log_half_life": "between_log_half_life",
    "trial_belief": "between_belief",
}


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One draw of a prior. `number`: from 1. `parameters`: the named prior's, with the effects of a new trial; empty
    without a name. `also`: path to value."""

    number: int
    parameters: Mapping[str, float]
    also: Mapping[str, float]


def draws(prior: Prior, routes: Collection[str], *, seed: int, n: int) -> list[Draw]:
    """`n` independent draws for a trial of these routes; more of them under the same seed keep the earlier ones.

    Of a named prior one of its stored draws, and a new trial's effects with the SD between trials under it.
    """
    return [_draw(prior, routes, k, np.random.default_rng(np.random.SeedSequence([seed, k]))) for k in range(n)]


def seed_of_draw(seed: int, k: int) -> int:
    """The seed of what is simulated under draw k, apart from the stream that the draw itself came from."""
    child = np.random.SeedSequence([seed, k]).spawn(1)[0]
    return int(child.generate_state(1, np.uint64)[0])


def _draw(prior: Prior, routes: Collection[str], k: int, rng: np.random.Generator) -> Draw:
    parameters: dict[str, float] = {}
    if prior.name is not None:
        names, table = columns(prior.name)
        parameters = dict(zip(names, map(float, table[rng.integers(len(table))]), strict=True))
        elsewhere = differs(prior.population_or_reference, routes)
        effects = effects_of(parameters)
        for effect, z in zip(effects, standard(parameters, rng, len(effects)), strict=True):
            parameters[effect] = float(between(parameters, effect, elsewhere=elsewhere) * z)
    # 1 - [0, 1) is never 0, where a quantile would be infinite; at 1 a chance in 2^53 is moved.
    u = np.minimum(1.0 - rng.random(len(prior.also or {})), 1.0 - 2.0**-53)
    also = {path: belief.quantile(x) for (path, belief), x in zip((prior.also or {}).items(), u, strict=True)}
    return Draw(number=k + 1, parameters=parameters, also=also)


def differs(population: str, routes: Collection[str]) -> bool:
    """Whether a trial is not one of infusions in depression, so that its effects spread as they do elsewhere."""
    return population != REFERENCE_POPULATION or any(route != "IV" for route in routes)


def effects_of(parameters: Collection[str]) -> list[str]:
    """The effects of a trial that a prior of these parameters has."""
    return [effect for effect, sd in TRIAL_EFFECTS.items() if sd in parameters]


def standard(parameters: Collection[str], rng: np.random.Generator, size: int) -> Floats:
    """Effects of trials in SD: Student's t since 2026b, normal before."""
    return rng.standard_t(TRIAL_DF, size) if _since_2026b(parameters) else rng.standard_normal(size)


def between[P: (float, Floats)](parameters: Mapping[str, P], effect: str, *, elsewhere: bool) -> P:
    """SD between trials of one of the `TRIAL_EFFECTS`: of infusions in depression, or `elsewhere`."""
    sd = parameters[TRIAL_EFFECTS[effect]]
    return sd * parameters["elsewhere_ratio"] if elsewhere and "elsewhere_ratio" in parameters else sd


def trait_sd(mean: float, observed: float, p: Mapping[str, Parameter]) -> Parameter:
    """SD between patients' baselines, in points, that day-0 scores of this SD leave beside deviations and the rater."""
    noise = p["deviation_sd"] ** 2 + RATER_SD**2
    return mean * np.sqrt(np.maximum((observed / mean) ** 2 - noise, LEAST_TRAIT * (observed / mean) ** 2))


def with_draw(scenario: Scenario, draw: Draw) -> Scenario:
    """The scenario with one draw of its prior in place of its own values, without prior and variants.

    Raises ScenarioError naming the path where a draw is not allowed.
    """
    assert scenario.prior is not None
    s = with_fields(scenario, {"prior": None, "variants": None})  # all is checked in the end
    if scenario.prior.name is not None:
        population = scenario.prior.population_or_reference
        s = with_fields(s, parts_under(s, draw.parameters, scenario.prior.name, population, beliefs(s)))
    raw = with_settings(as_raw(s), {sourced_path(path): value for path, value in draw.also.items()})
    try:
        return build(raw)
    except ScenarioError as error:
        remedy = "a lognormal, beta or uniform prior can keep every draw inside"
        raise ScenarioError(f"prior, draw {draw.number}: {error}; {remedy}") from None


def number(
    value: Parameter,
    unit: str,
    source: str,
    *,
    sd: Parameter | None = None,
    log_sd: Parameter | None = None,
    logit_sd: Parameter | None = None,
) -> Sourced:
    """A sourced value of a scenario; where it or its spread is an array, (replicate,), one of each replicate."""
    spread: dict[str, Any] = {"sd": sd, "log_sd": log_sd, "logit_sd": logit_sd}
    if any(np.ndim(x) for x in (value, *spread.values()) if x is not None):
        return Drawn(value=value, unit=unit, source=source, **spread)
    return Sourced(value=float(value), unit=unit, source=source, **spread)


def with_parameters(
    s: Scenario, p: Mapping[str, Parameter], name: str, population: str, believed: Mapping[str, str]
) -> Scenario:
    """The scenario with the response model of one draw `p`, or of one draw a replicate, each (replicate,).

    Shares of the mean baseline become points of the scenario's own baseline. `believed`: what the patients of each arm
    compare with the drug, by its id: ketamine, midazolam, saline, or another placebo. SDs of day-0 scores stay the
    scenario's own.
    """
    return replace(s, **parts_under(s, p, name, population, believed))


def parts_under(
    s: Scenario, p: Mapping[str, Parameter], name: str, population: str, believed: Mapping[str, str]
) -> dict[str, Any]:
    """What `with_parameters` replaces, by the name of the scenario's field."""
    from scipy.special import expit

    b = s.population.baseline.value
    number_of = partial(number, source=name)

    # The reference population and route have no column: their effect is 0.
    centre = p["logit_share"] + p["trial_logit_share"] + p.get(f"population_effect[{population}]", 0.0)
    centre += route_effect(s, p)
    half_life = np.exp(p["log_half_life"] + p["trial_log_half_life"])
    drug = replace(
        s.drug,
        share=number_of(expit(centre), "share", logit_sd=p["logit_share_sd"]),
        ec50=number_of(np.exp(p["log_ec50"]), "dose"),
        hill=None,
        half_life=number_of(half_life, "day", log_sd=p["log_half_life_sd"]),
        consolidation=Consolidation(
            share=number_of(p["durable_share"], "share"), half_life=number_of(CONSOLIDATED_HALF_LIFE_DAYS, "day")
        ),
    )
    natural = NaturalCourse(
        change=number_of(
            (p["natural"] + p.get(f"population_natural[{population}]", 0.0)) * b, "points", sd=p["natural_sd"] * b
        ),
        time_constant=number_of(NATURAL_TIME_CONSTANT_DAYS, "day"),
        immediate=ImmediateChange(
            change=number_of(p["trial_course"] * b, "points"), onset=number_of(ONSET_DAYS, "day")
        ),
    )
    shift = p.get(f"population_belief[{population}]", 0.0) + p.get("trial_belief", 0.0)
    hope = DrugExpectancy(
        effect=number_of(p["expectancy"] * b, "points"),
        belief=ByArm(by_arm={arm.id: number_of(_believing(believed[arm.id], p, shift), "share") for arm in s.arms}),
        onset=number_of(ONSET_DAYS, "day"),
        half_life=number_of(p["expectancy_half_life"], "day"),
        renewed=_since_2026b(p),
    )
    measurement = replace(
        s.measurement,
        deviation_sd=number_of(p["deviation_sd"] * b, "points"),
        deviation_time_constant=number_of(p["deviation_time_constant"], "day"),
        rater_sd=number_of(RATER_SD * b, "points"),
    )
    return {
        "drug": drug,
        "population": replace(
            s.population,
            baseline=trait_baseline(s, p) if _since_2026b(p) else s.population.baseline,
            non_responders=number_of(p["non_responders"], "share"),
        ),
        "natural_course": natural,
        "expectancy": replace(s.expectancy, drug=hope),
        "measurement": measurement,
    }


def _since_2026b(p: Collection[str]) -> bool:
    """Whether the draws are of the model since 2026b; the one before takes a scenario's baseline SD as it stands."""
    return "belief_ketamine" in p


def trait_baseline(s: Scenario, p: Mapping[str, Parameter]) -> Sourced:
    """The trait baseline with which day-0 scores vary as the scenario's own do, under the deviations of the draw."""
    own, m = s.population.baseline, s.measurement
    assert own.sd is not None  # Population has checked it
    observed = np.sqrt(own.sd**2 + m.deviation_sd.value**2 + m.rater_sd.value**2)
    sd = trait_sd(own.value, float(observed), p)
    return replace(own, sd=float(sd)) if np.ndim(sd) == 0 else number(own.value, own.unit, own.source, sd=sd)


def route_effect(s: Scenario, p: Mapping[str, Parameter]) -> Parameter:
    """What the scenario's route adds to the logit of the share."""
    routes = ketamine_routes(s)
    if not routes:
        return 0.0
    of_route = p.get(f"route_effect[{routes[0]}]", 0.0)
    agents = {doses.agent for arm in s.arms for doses in arm.doses if doses.is_ketamine}
    racemic = routes[0] == "IN" and agents == {"ketamine"}
    return p.get("route_effect[IN racemic]", of_route) if racemic else of_route


def beliefs(s: Scenario) -> dict[str, str]:
    """What the patients of each arm compare with the drug, by its id."""
    # Where everybody receives the drug, nobody is blinded to it.
    blinded = not all(any(doses.is_ketamine for doses in arm.doses) for arm in s.arms)
    return {arm.id: _belief(arm, ketamine_routes(s), blinded) for arm in s.arms}


def _belief(arm: Arm, routes: Collection[str], blinded: bool) -> str:
    """What an arm's patients compare with the drug."""
    if not blinded:
        return "open"
    if any(doses.is_ketamine for doses in arm.doses):
        return "ketamine"
    if any(doses.agent == "midazolam" for doses in arm.doses):
        return "midazolam"
    return "placebo" if any(route in GIVEN_BY_PATIENT for route in routes) else "saline"


def _believing(believed: str, p: Mapping[str, Parameter], shift: Parameter) -> Parameter:
    """The share of an arm in whom belief acts; before 2026b, of all who receive the drug, and of placebos as saline."""
    from scipy.special import expit, logit

    if not _since_2026b(p):
        named = {"open": 1.0, "ketamine": 1.0, "midazolam": p["belief_midazolam"]}
        return named.get(believed, p["belief_saline"])
    return expit(logit(p[f"belief_{believed}"]) + shift)
