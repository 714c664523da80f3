"""Who the patients are, how they respond to the drug, what they hope for and how they are measured."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kaptrial.arrays import Floats
from kaptrial.errors import ABSENT, FieldError
from kaptrial.scenario.noun import Flag, Number, Text, noun
from kaptrial.scenario.sourced import (
    Concentration,
    Correlation,
    Days,
    Effect,
    EffectSize,
    PositiveMultiple,
    Share,
    SharePerArm,
    VaryingDays,
    VaryingEffect,
    VaryingMaxEffect,
    VaryingShare,
)

# The patient parameters that may be correlated, in the order in which they are drawn.
VARYING = ("baseline", "drug_effect", "drug_half_life", "therapy_effect", "natural_course")


@noun
class Entry:
    """The entry criterion on the recorded day-0 score (a design choice)."""

    at_least: Number | None = None
    at_most: Number | None = None

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None:
            raise FieldError("at_least", ABSENT, "an entry criterion needs at_least or at_most")
        if self.at_least is not None and self.at_most is not None and self.at_most <= self.at_least:
            raise FieldError("at_most", self.at_most, f"must be greater than at_least, {self.at_least:g}")


@noun
class CorrelatedPair:
    """Correlation between two patient parameters, on the scales on which they vary."""

    between: tuple[Literal["baseline", "drug_effect", "drug_half_life", "therapy_effect", "natural_course"], ...]
    value: Correlation

    def __post_init__(self) -> None:
        if len(self.between) != 2 or self.between[0] == self.between[1]:
            raise FieldError("between", list(self.between), f"must name two different ones of {', '.join(VARYING)}")


@noun
class Population:
    """The population: trait baseline (mean and SD on the latent scale), entry criterion, non-responders, correlations.

    `non_responders`: the share in whom the drug does nothing (occupancy 0).
    """

    description: Text
    baseline: VaryingEffect
    entry: Entry | None = None
    non_responders: Share | None = None
    correlations: tuple[CorrelatedPair, ...] = ()

    def __post_init__(self) -> None:
        if self.baseline.sd is None:
            raise FieldError("baseline.sd", ABSENT, "the trait baseline needs its SD between patients")
        pairs = [frozenset(pair.between) for pair in self.correlations]
        for i, pair in enumerate(pairs):
            if pair in pairs[:i]:
                raise FieldError(f"correlations[{i}].between", sorted(pair), "must be a pair that was not given before")
        if np.linalg.eigvalsh(self.correlation_matrix())[0] <= 1e-10:
            values = [each.value.value for each in self.correlations]
            raise FieldError(
                "correlations", values, "must make a positive definite matrix; these contradict each other"
            )

    def correlation_matrix(self) -> Floats:
        """Correlations of the patient parameters in the order of `VARYING`."""
        matrix = np.eye(len(VARYING))
        for pair in self.correlations:
            i, j = (VARYING.index(name) for name in pair.between)
            matrix[i, j] = matrix[j, i] = pair.value.value
        return matrix


@noun
class Consolidation:
    """The part of the response that outlasts the drug: the share ρ of what A loses, and its own half-life."""

    share: Share
    half_life: Days


@noun
class Drug:
    """How patients respond to the drug (model.md).

    `effect: emax` takes `share` (φ: Emax as a share of the trait baseline; value is the median, spread
    `logit_sd`) or, on
    a linked scale, `max_effect` in its units; with `ec50` in reference doses and `hill`. `effect: linear` takes
    `slope`, the improvement a reference dose.
    """

    effect: Literal["emax", "linear"] = "emax"
    half_life: VaryingDays
    share: VaryingShare | None = None
    max_effect: VaryingMaxEffect | None = None
    slope: VaryingMaxEffect | None = None
    ec50: Concentration | None = None
    hill: PositiveMultiple | None = None
    consolidation: Consolidation | None = None
    window_half_life: Days | None = None

    def __post_init__(self) -> None:
        if self.effect == "linear":
            if self.slope is None:
                raise FieldError("slope", ABSENT, "effect: linear needs slope")
            for name in ("share", "max_effect", "ec50", "hill"):
                if getattr(self, name) is not None:
                    raise FieldError(name, getattr(self, name).value, "belongs to effect: emax, not to effect: linear")
            return
        if self.slope is not None:
            raise FieldError("slope", self.slope.value, "belongs to effect: linear, not to effect: emax")
        if (self.share is None) == (self.max_effect is None):
            at, value = ("max_effect", self.max_effect.value) if self.max_effect else ("share", ABSENT)
            raise FieldError(at, value, "effect: emax needs exactly one of share and max_effect")
        if self.ec50 is None:
            raise FieldError("ec50", ABSENT, "effect: emax needs ec50")


@noun
class ImmediateChange:
    """What being in the trial changes in every patient from the first day: V·(1 − exp(−t/onset))."""

    change: Effect
    onset: Days


@noun
class NaturalCourse:
    """Improvement without treatment: N∞·(1 − exp(−t/τ)), and a part that comes at once."""

    change: VaryingEffect
    time_constant: Days
    immediate: ImmediateChange | None = None


@noun
class DrugExpectancy:
    """Improvement from believing that one received the drug, and worsening from believing that one did not.

    `belief`: probability of believing it, by arm. It rises with time constant `onset` from the first infusion and
    fades with `half_life`, from the first infusion or, if `renewed`, from the latest one. `disappointment` is the size
    of the opposite effect in those who do not believe it.
    """

    effect: EffectSize
    belief: SharePerArm
    onset: Days
    half_life: Days
    disappointment: EffectSize | None = None
    renewed: bool = False


@noun
class TherapyExpectancy:
    """Improvement from knowing that one has the therapy hoped for (`is_hoped_for`); the others may be disappointed.

    Therapy is always known. Time runs from randomisation.
    """

    effect: EffectSize
    onset: Days
    half_life: Days
    disappointment: EffectSize | None = None


@noun
class Expectancy:
    """The two parts of expectancy. It biases, so results show it in rows of its own."""

    drug: DrugExpectancy | None = None
    therapy: TherapyExpectancy | None = None


@noun
class Measurement:
    """Within-patient deviations and rater error around the latent course, and how a score is recorded.

    `deviation_sd` and `deviation_time_constant`: an Ornstein-Uhlenbeck process with autocorrelation exp(−Δt/τ).
    `rater_sd`: independent error of each rating. `round` and `clip` to the scale. `baseline_period_days`: the days
    before entry over which day-by-day outcomes (abstinence) are counted at day 0.
    """

    deviation_sd: EffectSize
    deviation_time_constant: Days
    rater_sd: EffectSize
    round: Flag = True
    clip: Flag = True
    baseline_period_days: Annotated[int, Field(strict=True, ge=1, le=3650)] = 28
