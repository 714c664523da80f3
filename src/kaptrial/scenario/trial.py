"""The design: size, allocation, visits, randomisation; the estimand; the analysis."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kaptrial.errors import ABSENT, FieldError
from kaptrial.method_table import scenario_method_name
from kaptrial.scenario.looks import GroupSequential
from kaptrial.scenario.noun import Day, Flag, Identifier, Number, Text, Whole, noun
from kaptrial.scenario.sourced import Effect
from kaptrial.scenario.treatment import Doses, Schedule


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
            raise FieldError("levels", round(total, 6), "the shares must sum to 1")


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
                raise FieldError(f"ratio.{arm}", share, "must be a whole number, 1 to 100")


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
            raise FieldError("day", self.day, "must be > 0 where there is a run-in")


@noun
class Relapse:
    """Loss of response: after responding on `response_day`, improvement below `fraction` of the baseline.

    `confirmed`: the next visit must show it too. Times to relapse run from `origin`, among all `randomised`, where not
    responding is failing on the response day; or among `responders`, whom randomisation no longer makes alike.
    """

    response_day: Day
    fraction: Annotated[float, Field(strict=True, gt=0, lt=1)]
    confirmed: Flag = False
    origin: Literal["randomisation", "response"] = "randomisation"
    among: Literal["randomised", "responders"] = "randomised"

    def __post_init__(self) -> None:
        if self.origin == "response" and self.among == "randomised":
            allowed = "must be randomisation: among all randomised some fail on the response day itself"
            raise FieldError("origin", self.origin, allowed)


@noun
class Engagement:
    """Who is engaged with the therapy: at least `sessions` attended, or a `share` of those planned by the day."""

    sessions: Annotated[int, Field(strict=True, ge=1)] | None = None
    share: Annotated[float, Field(strict=True, gt=0, le=1)] | None = None

    def __post_init__(self) -> None:
        if (self.sessions is None) == (self.share is None):
            given = ABSENT if self.sessions is None else self.sessions
            raise FieldError("sessions", given, "must be given, or share of the sessions planned, and not both")


@noun
class Look:
    """A look at the data when `share` of the patients have been followed up, in the order of their randomisation.

    `decide` stops the trial there with no go where the predictive probability of `go` is below `futility`, and with go
    where the effect is better than the margin with at least the probability `efficacy`; for neither where it is 0, or
    not given.
    """

    share: Number
    futility: Number = 0.05
    efficacy: Number | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise FieldError("share", self.share, "must be a share of the patients between 0 and 1")
        if not 0 <= self.futility < 1:
            raise FieldError("futility", self.futility, "must be a probability from 0 to below 1")
        if self.efficacy is not None and not 0.5 <= self.efficacy < 1:
            raise FieldError("efficacy", self.efficacy, "must be a probability from 0.5 to below 1")


Race = Literal[
    "american_indian_or_alaska_native", "asian", "native_hawaiian_or_pacific_islander", "black", "white",
    "more_than_one_race",
]  # fmt: skip
ShareOfPatients = Annotated[float, Field(strict=True, ge=0, le=1)]


@noun
class Enrolment:
    """Whom the trial plans to enrol, as shares of its patients: for the table of planned enrolment of NIH proposals."""

    female: ShareOfPatients
    hispanic: ShareOfPatients
    race: dict[Race, ShareOfPatients]

    def __post_init__(self) -> None:
        total = sum(self.race.values())
        if abs(total - 1) > 1e-9:
            raise FieldError("race", round(total, 6), "the shares must sum to 1")


@noun
class Design:
    """Size, visits and looks. `n_per_arm` for equal arms, `n_total` for any ratio. Visits begin with day 0, the
    baseline. Only `decide` reads `looks`, and only `report` the enrolment."""

    visits: Schedule
    n_per_arm: Whole | None = None
    n_total: Whole | None = None
    allocation: Allocation = Allocation()
    looks: tuple[Look, ...] = ()
    group_sequential: GroupSequential | None = None
    enrolment: Enrolment | None = None

    def __post_init__(self) -> None:
        if not self.visits or self.visits[0] != 0:
            raise FieldError("visits", list(self.visits), "must begin with 0, the baseline visit")
        for i in range(1, len(self.visits)):
            if self.visits[i] <= self.visits[i - 1]:
                raise FieldError(
                    f"visits[{i}]",
                    self.visits[i],
                    f"must be later than the visit before it, {self.visits[i - 1]:g}",
                )
        if (self.n_per_arm is None) == (self.n_total is None):
            at, value = ("n_total", self.n_total) if self.n_per_arm is not None else ("n_per_arm", ABSENT)
            raise FieldError(at, value, "exactly one of n_per_arm and n_total must be given")
        for name in ("n_per_arm", "n_total"):
            size = getattr(self, name)
            if size is not None and not 2 <= size <= 100_000:
                raise FieldError(name, size, "must be between 2 and 100000")
        if self.n_per_arm is not None and self.allocation.ratio is not None:
            raise FieldError("n_per_arm", self.n_per_arm, "a ratio goes with n_total, not with n_per_arm")
        for i in range(1, len(self.looks)):
            share, before = self.looks[i].share, self.looks[i - 1].share
            if share <= before:
                raise FieldError(f"looks[{i}].share", share, f"must be later than the look before it, {before:g}")


Strategy = Literal["treatment_policy", "hypothetical", "composite", "while_on_treatment"]
Endpoint = Literal[
    "score", "change", "auc", "mean_score", "response", "remission", "sustained_response", "time_to_relapse",
    "percent_abstinent_days", "sessions_attended", "engaged", "dropout", "time_to_dropout", "count", "days_used",
    "heavy_days", "drinks_per_day", "abstinent_last", "risk_level_reduction", "time_to_first_use",
    "time_to_first_heavy_day", "time_to_confirmed_relapse",
]  # fmt: skip
MethodName = Annotated[str, Field(strict=True), AfterValidator(scenario_method_name)]
Structure = Literal["us", "toeph", "toep", "ar1h", "ar1", "csh", "cs"]
Imputation = Literal["MAR", "JR", "CR", "CIR", "LMCF"]
Inference = Literal["jackknife", "rubin"]
MissingResponse = Literal["left_out", "failure"]

EVENTS = ("rescue", "open_label_ketamine", "therapy_discontinuation", "missed_infusions")


@noun
class Strategies:
    """How each intercurrent event is handled (ICH E9(R1)); every one that can happen must be declared.

    treatment_policy: the outcome as it was. hypothetical: as it would have been without the event; scores after it are
    set aside. composite: the event is a failure: no response, or `composite_value`, the patient's baseline or the worst
    score, from then on. while_on_treatment: the last score before the event.

    Events: `rescue`; `open_label_ketamine`; `therapy_discontinuation`, sessions stopped for good;
    `missed_infusions`, the first infusion not received.
    """

    rescue: Strategy | None = None
    open_label_ketamine: Strategy | None = None
    therapy_discontinuation: Strategy | None = None
    missed_infusions: Strategy | None = None
    composite_value: Literal["baseline", "worst"] | None = None

    def events(self, strategy: Strategy) -> tuple[str, ...]:
        """The events handled by a strategy."""
        return tuple(event for event in EVENTS if getattr(self, event) == strategy)

    def described(self, events: tuple[str, ...]) -> str:
        """In words, how these events are handled."""
        return "; ".join(f"{event}: {getattr(self, event)}" for event in events)


@noun
class Estimand:
    """The quantity asked for (ICH E9(R1)).

    `contrast`: `a - b` of two arm ids; in a 2×2 also `f:g`, the interaction, `f`, the effect of a factor where
    the other is 0, or `main(f)`, averaged over the levels of the other; in a trial of one arm its id, for its own mean.
    `methods`: instead of those of the analysis.
    `margin`: the non-inferiority margin, in the endpoint's unit; of a time it is a hazard ratio.
    `benchmark`: of one arm, the value that the test asks about: a share, or a change in points with its sign (0 unless
    given).
    `outcome`: which of several outcomes, by its name; the primary one unless given.
    """

    contrast: Text
    day: Day
    outcome: Identifier | None = None
    endpoint: Endpoint = "score"
    strategies: Strategies = Strategies()
    methods: tuple[MethodName, ...] | None = None
    margin: Annotated[float, Field(strict=True, gt=0)] | None = None
    benchmark: Number | None = None


@noun
class Multiplicity:
    """How the level is shared among the estimands, in their order; each is tested by its first method.

    fixed_sequence, holm, hochberg, bonferroni over all; serial_gatekeeping: `families` gives the number of estimands in
    each family, tested by Holm, the next only if all of one are rejected; parallel_gatekeeping: if any is.
    """

    procedure: Literal["fixed_sequence", "holm", "hochberg", "bonferroni", "serial_gatekeeping", "parallel_gatekeeping"]
    families: tuple[Whole, ...] | None = None

    def __post_init__(self) -> None:
        gates = self.procedure.endswith("gatekeeping")
        if gates and not self.families:
            raise FieldError("families", ABSENT, f"{self.procedure} needs the number of estimands in each family")
        if not gates and self.families is not None:
            raise FieldError(
                "families", list(self.families), "goes with serial_gatekeeping and parallel_gatekeeping only"
            )


@noun
class Analysis:
    """How the trial is analysed: the methods, the covariates of the adjusted ones, and the two-sided level.

    Methods not given are chosen for each estimand (`default_analysis`); covariates not given are the baseline and the
    stratification factors of the allocation, by which the log-rank test and Cox regression are stratified.
    `covariance`: structures of the MMRM, tried in order. `df`: of mixed models. `residual`: of the partially nested
    model, one variance for all or one an arm. `imputation`: strategies of reference_based, each analysed.
    `reference_for`: the reference of an arm, by id; an arm not named is its own. Unless any is named, a contrast of two
    arms implies the one on its right. `inference`: of its standard errors, the jackknife or Rubin's rules over so many
    `imputations`.
    `missing_response`: of binary endpoints, whether a patient without one is left out or counts as a failure.
    `sandwich`: standard errors of the MMRM that do not rest on its covariance structure.
    `constrained_baseline`: the MMRM takes the baseline as an outcome with one mean for all arms (cLDA).
    """

    methods: tuple[MethodName, ...] | None = None
    covariates: tuple[Text, ...] | None = None
    alpha: Annotated[float, Field(strict=True, gt=0, lt=0.5)] = 0.05
    covariance: tuple[Structure, ...] = ("us", "toeph", "ar1h", "cs")
    df: Literal["satterthwaite", "kenward-roger"] = "satterthwaite"
    residual: Literal["common", "by_arm"] = "common"
    imputation: tuple[Imputation, ...] = ("MAR", "JR", "CR", "CIR", "LMCF")
    reference_for: dict[Identifier, Identifier] | None = None
    inference: Inference = "jackknife"
    imputations: Annotated[int, Field(strict=True, ge=2, le=10_000)] = 100
    missing_response: MissingResponse = "left_out"
    sandwich: Flag = False
    constrained_baseline: Flag = False
    multiplicity: Multiplicity | None = None

    def __post_init__(self) -> None:
        for name in ("methods", "covariance", "imputation"):
            if getattr(self, name) == ():
                raise FieldError(name, [], "must name at least one")
