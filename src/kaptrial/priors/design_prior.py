"""From a design prior to scenarios: draws of what is believed, and the scenario under one (docs/design_prior.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from kaptrial.catalogue.priors import columns
from kaptrial.errors import ScenarioError
from kaptrial.priors.constants import (
    CONSOLIDATED_HALF_LIFE_DAYS,
    NATURAL_TIME_CONSTANT_DAYS,
    ONSET_DAYS,
    RATER_SD,
)
from kaptrial.scenario.files import as_raw, build, sourced_path, with_settings
from kaptrial.scenario.patients import Consolidation, DrugExpectancy, NaturalCourse
from kaptrial.scenario.prior import Prior
from kaptrial.scenario.scenario import Scenario, ketamine_routes
from kaptrial.scenario.sourced import ByArm, Sourced
from kaptrial.scenario.treatment import Arm

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
        s = _with_parameters(s, draw.parameters, scenario.prior.name, scenario.prior.population_or_reference)
    raw = with_settings(as_raw(s), {sourced_path(path): value for path, value in draw.also.items()})
    try:
        return build(raw)
    except ScenarioError as error:
        remedy = "a lognormal, beta or uniform prior can keep every draw inside"
        raise ScenarioError(f"prior, draw {draw.number}: {error}; {remedy}") from None


def _with_parameters(s: Scenario, p: Mapping[str, float], name: str, population: str) -> Scenario:
    """The response model at one draw. Shares of the mean baseline become points of the scenario's own baseline."""
    b = s.population.baseline.value
    routes = ketamine_routes(s)

    def number(
        value: float, unit: str, *, sd: float | None = None, log_sd: float | None = None, logit_sd: float | None = None
    ) -> Sourced:
        return Sourced(value=value, unit=unit, source=name, sd=sd, log_sd=log_sd, logit_sd=logit_sd)

    # The reference population and route have no column: their effect is 0.
    centre = p["logit_share"] + p["trial_logit_share"] + p.get(f"population_effect[{population}]", 0.0)
    centre += p.get(f"route_effect[{routes[0]}]", 0.0) if routes else 0.0
    half_life = float(np.exp(p["log_half_life"] + p["trial_log_half_life"]))
    drug = replace(
        s.drug,
        share=number(float(expit(centre)), "share", logit_sd=p["logit_share_sd"]),
        ec50=number(float(np.exp(p["log_ec50"])), "dose"),
        hill=None,
        half_life=number(half_life, "day", log_sd=p["log_half_life_sd"]),
        consolidation=Consolidation(
            share=number(p["durable_share"], "share"), half_life=number(CONSOLIDATED_HALF_LIFE_DAYS, "day")
        ),
    )
    natural = NaturalCourse(
        change=number((p["natural"] + p["trial_course"]) * b, "points", sd=p["natural_sd"] * b),
        time_constant=number(NATURAL_TIME_CONSTANT_DAYS, "day"),
    )
    hope = DrugExpectancy(
        effect=number(p["expectancy"] * b, "points"),
        belief=ByArm(by_arm={arm.id: number(_belief(arm, p), "share") for arm in s.arms}),
        onset=number(ONSET_DAYS, "day"),
        half_life=number(p["expectancy_half_life"], "day"),
    )
    measurement = replace(
        s.measurement,
        deviation_sd=number(p["deviation_sd"] * b, "points"),
        deviation_time_constant=number(p["deviation_time_constant"], "day"),
        rater_sd=number(RATER_SD * b, "points"),
    )
    return replace(
        s,
        drug=drug,
        population=replace(s.population, non_responders=number(p["non_responders"], "share")),
        natural_course=natural,
        expectancy=replace(s.expectancy, drug=hope),
        measurement=measurement,
    )


def _belief(arm: Arm, p: Mapping[str, float]) -> float:
    """The share of an arm's patients who believe that they receive ketamine."""
    if any(doses.is_ketamine for doses in arm.doses):
        return 1.0
    masked = any(doses.agent == "midazolam" for doses in arm.doses)
    return p["belief_midazolam"] if masked else p["belief_saline"]
