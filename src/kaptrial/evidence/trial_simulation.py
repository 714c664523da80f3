"""One published trial simulated at its size, once for each draw of the parameters.

The patients follow the project's own response model (kaptrial.model); parameters that the synthesis states as shares of
the baseline become points of the trial's scale. Trial effects (what makes one trial differ from the next) are drawn
anew for each draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from kaptrial.arrays import Floats
from kaptrial.catalogue import scale, scale_names
from kaptrial.evidence.synthesis.arms import (
    BACKGROUND,
    BELIEF,
    LEARNING_HALF_LIFE_DAYS,
    LEARNING_PER_SESSION,
    POPULATION,
    ROUTE,
    Course,
)
from kaptrial.model.expectancy import rise_and_fade
from kaptrial.model.measurement import ornstein_uhlenbeck, record
from kaptrial.model.response import ArmSchedule, DrugParameters, PatientParameters, TherapyParameters, course, timetable
from kaptrial.priors.constants import (
    CONSOLIDATED_HALF_LIFE_DAYS,
    NATURAL_TIME_CONSTANT_DAYS,
    ONSET_DAYS,
    RATER_SD,
)

LN2 = float(np.log(2.0))
_VAGUE_WINDOW = 1.0  # the plasticity window has no effect while γ = 0


@dataclass(frozen=True, kw_only=True)
class TrialEffects:
    """What makes a trial differ from the next, each (draw,)."""

    logit_share: Floats
    course: Floats
    log_half_life: Floats


def new_trial_effects(draws: Mapping[str, Floats], rng: np.random.Generator, pooled: int = 1) -> TrialEffects:
    """Effects of a trial that was not fitted, or means over `pooled` trials, drawn from the between-trial spread."""
    n = len(draws["logit_share"])
    z = rng.standard_normal((3, n)) / np.sqrt(pooled)
    return TrialEffects(
        logit_share=draws["between_logit_share"] * z[0],
        course=draws["between_course"] * z[1],
        log_half_life=draws["between_log_half_life"] * z[2],
    )


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The scale of an endpoint, and mean and SD on it before treatment."""

    endpoint: str
    mean: float
    sd: float


def scores(
    arm: Course,
    draws: Mapping[str, Floats],
    effects: TrialEffects,
    baseline: Baseline,
    *,
    days: Sequence[float],
    n: int,
    rng: np.random.Generator,
) -> Floats:
    """Recorded scores (draw, patient, visit) on day 0 and then on `days`, rounded and clipped to the scale."""
    visits = np.array([0.0, *days])
    size = (len(draws["logit_share"]), n)
    trait = baseline.mean + baseline.sd * rng.standard_normal(size)
    drug, therapy = _noise_free(arm, draws, effects, visits, trait, baseline.mean, rng)
    column = {name: value[:, None] for name, value in draws.items() if value.ndim == 1}
    started = -np.expm1(-visits / ONSET_DAYS)
    gradual = -np.expm1(-visits / NATURAL_TIME_CONSTANT_DAYS)
    background = draws["background_effect"][:, BACKGROUND.index(arm.background)][:, None]
    natural = column["natural"] + background + column["natural_sd"] * rng.standard_normal(size)
    share = natural[..., None] * gradual + (effects.course[:, None, None] * started)
    hope = np.stack([rise_and_fade(visits, 0.0, ONSET_DAYS, h) for h in draws["expectancy_half_life"]])
    believes = rng.random(size) < _belief(arm, draws)[:, None]
    share = share + believes[..., None] * (draws["expectancy"][:, None] * hope)[:, None, :]
    deviation = np.stack(
        [
            ornstein_uhlenbeck(sd * z[None, :, 0], z[None, :, 1:], visits, sd, tau)[0]
            for sd, tau, z in zip(
                draws["deviation_sd"],
                draws["deviation_time_constant"],
                rng.standard_normal((*size, len(visits))),
                strict=True,
            )
        ]
    )
    rater = RATER_SD * rng.standard_normal((*size, len(visits)))
    score = trait[..., None] - drug - therapy + baseline.mean * (deviation + rater - share)
    if baseline.endpoint not in scale_names():
        return score
    on = scale(baseline.endpoint)
    return record(score, low=on.low, high=on.high, step=on.step, round_=True, clip=True)


def _belief(arm: Course, draws: Mapping[str, Floats]) -> Floats:
    if BELIEF.index(arm.belief) == 0:
        return np.ones(len(draws["logit_share"]))
    return draws[f"belief_{arm.belief}"]


def _noise_free(
    arm: Course,
    draws: Mapping[str, Floats],
    effects: TrialEffects,
    visits: Floats,
    trait: Floats,
    mean_baseline: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    size = trait.shape
    doses = tuple(zip(arm.dose_days, arm.dose_sizes, strict=True))
    table = timetable(visits, [ArmSchedule(doses=doses, session_days=arm.session_days if arm.therapy else ())])
    centre = (
        draws["logit_share"]
        + effects.logit_share
        + draws["population_effect"][:, POPULATION.index(arm.population)]
        + draws["route_effect"][:, ROUTE.index(arm.route)]
    )
    share = expit(centre[:, None] + draws["logit_share_sd"][:, None] * rng.standard_normal(size))
    half_life = np.exp(
        (draws["log_half_life"] + effects.log_half_life)[:, None]
        + draws["log_half_life_sd"][:, None] * rng.standard_normal(size)
    )
    max_therapy = {"": 0.0 * draws["therapy"], "general": draws["therapy"], "exposure": draws["exposure_therapy"]}
    return course(
        table,
        arm=np.zeros(size, dtype=np.int64),
        taken=None,
        drug=DrugParameters(
            linear=False,
            ec50=np.exp(draws["log_ec50"]),
            consolidated_share=draws["durable_share"],
            consolidated_rate_per_day=LN2 / CONSOLIDATED_HALF_LIFE_DAYS,
            window_rate_per_day=_VAGUE_WINDOW,
        ),
        therapy=TherapyParameters(
            learning_per_session=LEARNING_PER_SESSION,
            forgetting_rate_per_day=LN2 / LEARNING_HALF_LIFE_DAYS,
            gamma=0.0,
            kappa=0.0,
            xi=0.0,
        ),
        patients=PatientParameters(
            decay_rate_per_day=LN2 / half_life,
            max_effect=np.maximum(trait, 0.0) * share,
            max_therapy_effect=np.broadcast_to(mean_baseline * max_therapy[arm.therapy][:, None], size).copy(),
            responder=rng.random(size) >= draws["non_responders"][:, None],
        ),
    )
