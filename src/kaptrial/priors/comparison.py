"""How far a scenario is from what published trials say: its values beside those of the prior for a new trial."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.catalogue.priors import CURRENT, columns, populations
from kaptrial.priors.design_prior import (
    beliefs,
    between,
    differs,
    effects_of,
    route_effect,
    standard,
    trait_baseline,
)
from kaptrial.results import Value
from kaptrial.scenario.checks import ketamine_routes
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import ByArm, Sourced

# The 90 % range.
LOW, HIGH = 5, 95
# A new trial's own effects are drawn once for each stored draw, the same for every scenario.
_SEED = 1


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A value of a scenario beside the prior's.

    `below`: share of the prior's draws below the value. `reason`: what the scenario says of its value.
    """

    path: str
    label: str
    unit: str
    value: float
    median: float
    low: float
    high: float
    below: float
    reason: str

    @property
    def inside(self) -> bool:
        """Whether the value lies inside the prior's 90 % range."""
        return self.low <= self.value <= self.high

    def flat(self) -> dict[str, Value]:
        """As columns of a table."""
        names = ("path", "label", "unit", "value", "median", "low", "high", "below")
        columns_: dict[str, Value] = {name: getattr(self, name) for name in names}
        return columns_ | {"inside": self.inside, "reason": self.reason}


def population_of(scenario: Scenario) -> str | None:
    """The population of the prior that the trial is of: as its design prior says, else as its scale does."""
    prior = scenario.prior
    population = prior.population_or_reference if prior and prior.name else scenario.scale.indication
    return population if population in populations(CURRENT) else None


def compared(scenario: Scenario) -> list[Compared]:
    """The scenario's values beside those of the `CURRENT` prior for a new trial; none where it is of another kind.

    Shares of the baseline are points of the scenario's own baseline, as in `design_prior.with_parameters`.
    """
    population = population_of(scenario)
    if population is None or scenario.scale.link != "identity" or not ketamine_routes(scenario):
        return []
    draws = new_trials(scenario, population)
    return [_beside(*each) for each in _pairs(scenario, draws, population)]


def new_trials(s: Scenario, population: str, prior: str = CURRENT) -> dict[str, Floats]:
    """Every draw of a prior, with the effects of a new trial like the scenario's; the same whenever it is called."""
    names, table = columns(prior)
    p = dict(zip(names, table.T, strict=True))
    rng = np.random.default_rng(_SEED)
    elsewhere = differs(population, ketamine_routes(s))
    return p | {
        effect: between(p, effect, elsewhere=elsewhere) * standard(p, rng, len(table)) for effect in effects_of(p)
    }


def _pairs(s: Scenario, p: dict[str, Floats], population: str) -> Iterator[tuple[str, str, str, float, Floats, str]]:
    """Path, label, unit, the scenario's value, the prior's draws of it, and the scenario's reason."""
    b = s.population.baseline.value
    if s.drug.share is not None:
        centre = p["logit_share"] + p["trial_logit_share"] + p.get(f"population_effect[{population}]", 0.0)
        yield _of("drug.share", "drug share", s.drug.share, _logistic(centre + route_effect(s, p)))
    half_life = np.exp(p["log_half_life"] + p["trial_log_half_life"])
    yield _of("drug.half_life", "half-life", s.drug.half_life, half_life)
    if s.drug.ec50 is not None:
        yield _of("drug.ec50", "EC50", s.drug.ec50, np.exp(p["log_ec50"]))
    yield _of("population.non_responders", "non-responders", s.population.non_responders, p["non_responders"], "share")
    hope = s.expectancy.drug
    effect = hope.effect if hope else None
    yield _of("expectancy.drug.effect", "expectancy", effect, p["expectancy"] * b, "points")
    if hope is not None:
        yield from _beliefs(s, hope.belief, p, population)
    natural = s.natural_course.change if s.natural_course else None
    change = (p["natural"] + p.get(f"population_natural[{population}]", 0.0)) * b
    yield _of("natural_course.change", "natural course", natural, change, "points")
    yield _of("measurement.deviation_sd", "deviation SD", s.measurement.deviation_sd, p["deviation_sd"] * b)
    # The prior says nothing of day-0 scores, but how much of their SD is between patients.
    own = s.population.baseline
    assert own.sd is not None  # Population has checked it
    trait = trait_baseline(s, p).sd
    reason = own.spread_note or own.note or own.derived or own.source
    yield "population.baseline.sd", "baseline SD", own.unit, own.sd, np.asarray(trait), reason


def _beliefs(
    s: Scenario, belief: Sourced | ByArm[Sourced], p: dict[str, Floats], population: str
) -> Iterator[tuple[str, str, str, float, Floats, str]]:
    """Of arms that compare the same with the drug and have the same value the first."""
    shift = p.get(f"population_belief[{population}]", 0.0) + p["trial_belief"]
    said = set()
    for arm, kind in beliefs(s).items():
        own = belief.by_arm[arm] if isinstance(belief, ByArm) else belief
        if (kind, own.value) in said:
            continue
        said.add((kind, own.value))
        path = "expectancy.drug.belief" + (f".by_arm.{arm}" if isinstance(belief, ByArm) else "")
        q = p[f"belief_{kind}"]
        label = "belief, open ketamine" if kind == "open" else f"belief, {kind}"
        yield _of(path, label, own, _logistic(np.log(q / (1 - q)) + shift))


def _of(
    path: str, label: str, own: Sourced | None, draws: Floats, unit: str = ""
) -> tuple[str, str, str, float, Floats, str]:
    """`unit` is that of a value that the scenario leaves out, which is 0."""
    if own is None:
        return path, label, unit, 0.0, draws, "left out"
    return path, label, own.unit, own.value, draws, own.note or own.derived or own.source


def _beside(path: str, label: str, unit: str, value: float, draws: Floats, reason: str) -> Compared:
    low, median, high = np.percentile(draws, (LOW, 50, HIGH))
    return Compared(
        path=path, label=label, unit=unit, value=value, median=float(median), low=float(low), high=float(high),
        below=float(np.mean(draws < value)), reason=reason,
    )  # fmt: skip


def _logistic(x: Floats) -> Floats:
    # scipy.special takes half a second to load.
    return 1 / (1 + np.exp(-x))
