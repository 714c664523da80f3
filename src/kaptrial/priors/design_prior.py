"""From a design prior to scenarios: draws of what is believed, and the scenario under one (docs/design_prior.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit

from kaptrial.arrays import Floats
from kaptrial.catalogue.priors import columns
from kaptrial.errors import ScenarioError
from kaptrial.priors.constants import (
    CONSOLIDATED_HALF_LIFE_DAYS,
    NATURAL_TIME_CONSTANT_DAYS,
    ONSET_DAYS,
    RATER_SD,
)
from kaptrial.scenario.checks import ketamine_routes
from kaptrial.scenario.drawn import Drawn
from kaptrial.scenario.files import as_raw, build, sourced_path, with_settings
from kaptrial.scenario.patients import Consolidation, DrugExpectancy, NaturalCourse
from kaptrial.scenario.prior import Prior
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import ByArm, Sourced
from kaptrial.scenario.treatment import Arm

Parameter = float | Floats

# What makes a new trial differ from the mean of all: the parameter that holds the SD between trials.
TRIAL_EFFECTS = {
    "trial_logit_share": "between_logit_share",
    "trial_course": "between_course",
    "trial_log_half_life": "between_log_half_life",
}


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One draw of a prior. `number`: from 1. `parameters`: the named prior's, with the effects of a new trial; empty
    without a name. `also`: path to value."""

    number: int
    parameters: Mapping[str, float]
    also: Mapping[str, float]


def draws(prior: Prior, *, seed: int, n: int) -> list[Draw]:
    """`n` independent draws; more of them under the same seed keep the earlier ones.

    Of a named prior one of its stored draws, and a new trial's effects from N(0, SD between trials) under it.
    """
    return [_draw(prior, k, np.random.default_rng(np.random.SeedSequence([seed, k]))) for k in range(n)]


def _draw(prior: Prior, k: int, rng: np.random.Generator) -> Draw:
    parameters: dict[str, float] = {}
    if prior.name is not None:
        names, table = columns(prior.name)
        parameters = dict(zip(names, map(float, table[rng.integers(len(table))]), strict=True))
        for (effect, sd), z in zip(TRIAL_EFFECTS.items(), rng.standard_normal(len(TRIAL_EFFECTS)), strict=True):
            parameters[effect] = float(parameters[sd] * z)
    # 1 - [0, 1) is never 0, where a quantile would be infinite; at 1 a chance in 2^53 is moved.
    u = np.minimum(1.0 - rng.random(len(prior.also or {})), 1.0 - 2.0**-53)
    also = {path: belief.quantile(x) for (path, belief), x in zip((prior.also or {}).items(), u, strict=True)}
    return Draw(number=k + 1, parameters=parameters, also=also)


def with_draw(scenario: Scenario, draw: Draw) -> Scenario:
    """The scenario with one draw of its prior in place of its own values, without prior and variants.

    Raises ScenarioError naming the path where a draw is not allowed.
    """
    assert scenario.prior is not None
    s = replace(scenario, prior=None, variants=None)
    if scenario.prior.name is not None:
        believed = {arm.id: _belief(arm) for arm in s.arms}
        s = with_parameters(s, draw.parameters, scenario.prior.name, scenario.prior.population_or_reference, believed)
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
    believe, by its id: certain (that they receive ketamine), or as under midazolam or saline.
    """
    b = s.population.baseline.value
    routes = ketamine_routes(s)
    number_of = partial(number, source=name)

    # The reference population and route have no column: their effect is 0.
    centre = p["logit_share"] + p["trial_logit_share"] + p.get(f"population_effect[{population}]", 0.0)
    centre += p.get(f"route_effect[{routes[0]}]", 0.0) if routes else 0.0
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
        change=number_of((p["natural"] + p["trial_course"]) * b, "points", sd=p["natural_sd"] * b),
        time_constant=number_of(NATURAL_TIME_CONSTANT_DAYS, "day"),
    )
    hope = DrugExpectancy(
        effect=number_of(p["expectancy"] * b, "points"),
        belief=ByArm(by_arm={arm.id: number_of(_share_believing(believed[arm.id], p), "share") for arm in s.arms}),
        onset=number_of(ONSET_DAYS, "day"),
        half_life=number_of(p["expectancy_half_life"], "day"),
    )
    measurement = replace(
        s.measurement,
        deviation_sd=number_of(p["deviation_sd"] * b, "points"),
        deviation_time_constant=number_of(p["deviation_time_constant"], "day"),
        rater_sd=number_of(RATER_SD * b, "points"),
    )
    return replace(
        s,
        drug=drug,
        population=replace(s.population, non_responders=number_of(p["non_responders"], "share")),
        natural_course=natural,
        expectancy=replace(s.expectancy, drug=hope),
        measurement=measurement,
    )


def _belief(arm: Arm) -> str:
    """What an arm's patients believe: who receives the drug knows it."""
    if any(doses.is_ketamine for doses in arm.doses):
        return "certain"
    return "midazolam" if any(doses.agent == "midazolam" for doses in arm.doses) else "saline"


def _share_believing(believed: str, p: Mapping[str, Parameter]) -> Parameter:
    return 1.0 if believed == "certain" else p[f"belief_{believed}"]
