"""The design: size, allocation, visits, randomisation; the estimand; the analysis."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kaptrial.spec.errors import ABSENT, Misfit
from kaptrial.spec.noun import Day, Flag, Identifier, Text, Whole, noun
from kaptrial.spec.sourced import Effect
from kaptrial.spec.treatment import Doses, Schedule


@noun
class Level:
    """One level of a stratification factor: its share of the patients and its shift of the trait baseline."""

    share: Annotated[float, Field(strict=True, gt=0, le=1)]
    shift: Effect | None = None


@noun
class Stratum:
    """A stratification factor of the allocation, usable as a covariate under its name."""

    name: Identifier
    levels: dict[Identifier, Level]

    def __post_init__(self) -> None:
        total = sum(level.share for level in self.levels.values())
        if abs(total - 1) > 1e-9:
            raise Misfit("levels", round(total, 6), "the shares must sum to 1")


@noun
class Allocation:
    """Permuted blocks within strata. `ratio` by arm id (1 each unless given); `block` patients in a block.

    The default block is the smallest the ratio allows, so that `n_per_arm` is met exactly. A larger block may be left
    incomplete at the end of recruitment, as in practice.
    """

    ratio: dict[Identifier, Whole] | None = None
    block: Whole | None = None
    strata: tuple[Stratum, ...] = ()

    def __post_init__(self) -> None:
        for arm, share in (self.ratio or {}).items():
            if not 1 <= share <= 100:
                raise Misfit(f"ratio.{arm}", share, "must be a whole number, 1 to 100")


@noun
class Eligible:
    """Who is randomised after the run-in: those who had improved by `improved_by` (a share of day 0) on `on_day`."""

    improved_by: Annotated[float, Field(strict=True, gt=0, le=1)]
    on_day: Day


@noun
class RunIn:
    """What every patient receives before a randomisation later than day 0, and who of them is randomised."""

    doses: tuple[Doses, ...] = ()
    eligible: Eligible | None = None


@noun
class Randomisation:
    """The day of randomisation, and the run-in before it."""

    day: Day = 0.0
    run_in: RunIn | None = None

    def __post_init__(self) -> None:
        if self.run_in is not None and self.day == 0:
            raise Misfit("day", self.day, "must be > 0 where there is a run-in")


@noun
class Relapse:
    """Loss of response: among those responding on `response_day`, improvement below `fraction` of the baseline.

    `confirmed`: the next visit must show it too.
    """

    response_day: Day
    fraction: Annotated[float, Field(strict=True, gt=0, lt=1)]
    confirmed: Flag = False


@noun
class Design:
    """Size and visits. `n_per_arm` for equal arms, `n_total` for any ratio. Visits begin with day 0, the baseline."""

    visits: Schedule
    n_per_arm: Whole | None = None
    n_total: Whole | None = None
    allocation: Allocation = Allocation()

    def __post_init__(self) -> None:
        if not self.visits or self.visits[0] != 0:
            raise Misfit("visits", list(self.visits), "must begin with 0, the baseline visit")
        for i in range(1, len(self.visits)):
            if self.visits[i] <= self.visits[i - 1]:
                raise Misfit(
                    f"visits[{i}]",
                    self.visits[i],
                    f"must be later than the visit before it, {self.visits[i - 1]:g}",
                )
        if (self.n_per_arm is None) == (self.n_total is None):
            at, value = ("n_total", self.n_total) if self.n_per_arm is not None else ("n_per_arm", ABSENT)
            raise Misfit(at, value, "exactly one of n_per_arm and n_total must be given")
        for name in ("n_per_arm", "n_total"):
            size = getattr(self, name)
            if size is not None and not 2 <= size <= 100_000:
                raise Misfit(name, size, "must be between 2 and 100000")
        if self.n_per_arm is not None and self.allocation.ratio is not None:
            raise Misfit("n_per_arm", self.n_per_arm, "a ratio goes with n_total, not with n_per_arm")


@noun
class Estimand:
    """The quantity asked for (ICH E9(R1)).

    `contrast`: `a - b` of two arm ids; in a 2×2 also `f:g`, the interaction, `f`, the effect of a factor where
    the other
    is 0, or `main(f)`, averaged over the levels of the other. `strategy` is that for rescue and stopped
    treatment: treatment_policy takes the
    outcome as it was, hypothetical what it would have been without them.
    """

    contrast: Text
    day: Day
    endpoint: Literal[
        "score", "change", "auc", "response", "remission", "sustained_response", "percent_abstinent_days"
    ] = "score"
    strategy: Literal["treatment_policy", "hypothetical"] = "treatment_policy"


@noun
class Analysis:
    """How the trial is analysed: the methods, the covariates of the adjusted ones, and the two-sided level."""

    methods: tuple[Literal["ancova", "difference"], ...] = ("ancova",)
    covariates: tuple[Text, ...] = ("baseline",)
    alpha: Annotated[float, Field(strict=True, gt=0, lt=0.5)] = 0.05

    def __post_init__(self) -> None:
        if not self.methods:
            raise Misfit("methods", [], "must name at least one of ancova, difference")
