"""One arm of a published trial as a scenario whose parameters are draws of the synthesis, one a replicate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.catalogue import scale_names
from kaptrial.evidence.shipped_priors import PRIOR
from kaptrial.evidence.synthesis.arms import (
    LEARNING_HALF_LIFE_DAYS,
    LEARNING_PER_SESSION,
    Course,
)
from kaptrial.evidence.synthesis.shipped import as_columns
from kaptrial.model.streams import BLOCK
from kaptrial.priors.design_prior import between, effects_of, number, standard, with_parameters
from kaptrial.scenario.patients import Drug, Measurement, Population
from kaptrial.scenario.scenario import Outcome, Scenario
from kaptrial.scenario.treatment import REFERENCE_MG_PER_KG, Arm, Doses, Sessions, Therapy
from kaptrial.scenario.trial import Design, Estimand
from kaptrial.simulation.simulate import blocks

# Trials name endpoints that the catalogue has no scale for; their scores are not rounded, and end nowhere.
STAND_IN = "MADRS"


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The scale of an endpoint, and mean and SD on it before treatment."""

    endpoint: str
    mean: float
    sd: float


def new_trial_effects(
    draws: Mapping[str, Floats], rng: np.random.Generator, *, elsewhere: bool, pooled: int = 1
) -> dict[str, Floats]:
    """Effects of a trial that was not fitted, or means over `pooled` trials, drawn from the between-trial spread."""
    size = len(draws["logit_share"])
    return {
        effect: between(draws, effect, elsewhere=elsewhere) * standard(draws, rng, size) / np.sqrt(pooled)
        for effect in effects_of(draws)
    }


def arm_scenario(
    course: Course,
    draws: Mapping[str, Floats],
    effects: Mapping[str, Floats],
    baseline: Baseline,
    *,
    days: Sequence[float],
    n: int,
) -> Scenario:
    """The arm as a trial of its own; replicate k has draw k of the parameters and of the trial's effects.

    `days`: visits after day 0.
    """
    p = as_columns(draws) | dict(effects)
    on_scale = baseline.endpoint in scale_names()
    arm = Arm(
        id="arm",
        label=course.arm,
        doses=(_given(course),),
        therapy=Sessions(name="therapy", days=course.session_days) if course.therapy else None,
    )
    s = Scenario(
        title=course.arm,
        question="What does the synthesis predict of this arm?",
        outcome=Outcome(scale=baseline.endpoint if on_scale else STAND_IN),
        population=Population(
            description=course.population,
            baseline=number(baseline.mean, "points", PRIOR, sd=baseline.sd),
        ),
        # Drug and deviations are replaced by the parameters' own below.
        drug=Drug(
            half_life=number(1.0, "day", PRIOR), share=number(1.0, "share", PRIOR), ec50=number(1.0, "dose", PRIOR)
        ),
        therapies={"therapy": _therapy(course, p, baseline.mean)} if course.therapy else {},
        measurement=Measurement(
            deviation_sd=number(0.0, "points", PRIOR),
            deviation_time_constant=number(1.0, "day", PRIOR),
            rater_sd=number(0.0, "points", PRIOR),
            round=on_scale,
            clip=on_scale,
        ),
        arms=(arm,),
        design=Design(visits=(0.0, *days), n_total=n),
        estimand=Estimand(contrast="arm", day=days[-1], endpoint="change"),
    )
    background = p.get(f"background_effect[{course.background}]", 0.0)
    return with_parameters(
        s, p | {"natural": p["natural"] + background}, PRIOR, course.population, {"arm": course.belief}
    )


def _given(course: Course) -> Doses:
    """Doses as intravenous ones of the same size; the effect of their route and agent is looked up by name."""
    if not course.dose_days:
        return Doses(agent="saline", days=course.given_days or (0.0,))
    return Doses(
        agent="esketamine" if course.route == "IN" else "ketamine",
        route=course.route.removesuffix(" racemic"),
        days=course.dose_days,
        mg_per_kg=tuple(size * REFERENCE_MG_PER_KG for size in course.dose_sizes),
        bioavailability=number(1.0, "share", PRIOR),
        potency=number(1.0, "ratio", PRIOR),
    )


def _therapy(course: Course, p: Mapping[str, Floats], mean_baseline: float) -> Therapy:
    effect = p["exposure_therapy" if course.therapy == "exposure" else "therapy"]
    return Therapy(
        label=course.therapy,
        max_effect=number(effect * mean_baseline, "points", PRIOR),
        learning_per_session=number(LEARNING_PER_SESSION, "none", PRIOR),
        half_life=number(LEARNING_HALF_LIFE_DAYS, "day", PRIOR),
    )


def scores_by_block(
    arms: Mapping[str, Scenario], *, seed: Sequence[int], replicates: int
) -> Iterator[dict[str, Floats]]:
    """Recorded scores of each arm, (replicate, patient, visit), block by block; every arm under a seed of its own."""
    simulated = [blocks(s, seed=_seed_of(name, seed), replicates=replicates, full=False) for name, s in arms.items()]
    for b, parts in enumerate(zip(*simulated, strict=True)):
        kept = min(BLOCK, replicates - b * BLOCK)
        yield {name: part.score[:kept] for name, part in zip(arms, parts, strict=True)}


def _seed_of(arm: str, seed: Sequence[int]) -> int:
    return int(np.random.SeedSequence([*seed, *arm.encode()]).generate_state(1, np.uint64)[0])
