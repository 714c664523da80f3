"""The scenario: a trial, what is assumed about the world, and the question asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from kaptrial.catalogue import Scale
from kaptrial.errors import raise_all
from kaptrial.method_table import ATTENDANCE, methods
from kaptrial.scenario.checks import scenario_errors
from kaptrial.scenario.clinic import Clinic
from kaptrial.scenario.conduct import Conduct
from kaptrial.scenario.contrast import Contrast, factor_names, parse_contrast, references_of
from kaptrial.scenario.decision import DecisionRule
from kaptrial.scenario.default_analysis import Facts, default_analysis
from kaptrial.scenario.noun import Identifier, Text, noun
from kaptrial.scenario.outcomes import OneOfSeveral, Outcome, as_scale, primary_outcome
from kaptrial.scenario.own_sources import OwnSource
from kaptrial.scenario.patients import Drug, Expectancy, Measurement, NaturalCourse, Population
from kaptrial.scenario.prior import PriorField
from kaptrial.scenario.sensitivity import Sensitivity
from kaptrial.scenario.substance_use import Amount, UseRules
from kaptrial.scenario.treatment import Arm, Therapy
from kaptrial.scenario.trial import Analysis, Design, Engagement, Estimand, Randomisation, Relapse

Null = Literal["therapy", "synergy", "drug"]


@noun
class Scenario:
    """Everything a run needs but the seed and the number of replicates.

    `outcome`: the one outcome; or `outcomes`: several of one illness, by name, one of them primary (docs/outcomes.md).
    `variants`: named sets of settings (path: value) that a power run sets beside the scenario itself. `null`: the
    hypothesis under which to simulate (docs/model.md); None is the scenario as it stands. `prior`: what is believed
    about the world, for assurance and decisions (docs/design_prior.md). `decision`: how a Bayesian trial concludes
    (docs/decisions.md); only `decide` reads it. `clinic`: how the trial is run (docs/clinic.md); read where that is
    asked for, by the clinic and by the power of a trial run in it. `sources`: publications that the catalogue does not
    hold, each a key with its DOI or citation; numbers name them like those of the catalogue. `sensitivity`: what
    `report` moves, which alone reads it.
    """

    title: Text
    question: Text
    outcome: Outcome | None = None
    outcomes: dict[Identifier, OneOfSeveral] | None = None
    population: Population
    drug: Drug
    therapies: dict[Identifier, Therapy]
    measurement: Measurement
    arms: tuple[Arm, ...]
    design: Design
    estimand: Estimand
    notes: Text | None = None
    natural_course: NaturalCourse | None = None
    expectancy: Expectancy = Expectancy()
    conduct: Conduct = Conduct()
    randomisation: Randomisation = Randomisation()
    relapse: Relapse | None = None
    engagement: Engagement | None = None
    secondary: tuple[Estimand, ...] = ()
    analysis: Analysis = Analysis()
    null: Null | None = None
    prior: PriorField | None = None
    decision: DecisionRule = DecisionRule()
    clinic: Clinic | None = None
    base_label: Text = "as declared"
    variants: dict[Text, dict[Text, Any]] | None = None
    sources: dict[Identifier, OwnSource] | None = None
    sensitivity: Sensitivity | None = None

    def __post_init__(self) -> None:
        raise_all(scenario_errors(self))

    def with_values(self, values: Mapping[str, Any]) -> Scenario:
        """A checked copy with values set by path, such as `{"design.n_per_arm": 80}`. Raises ScenarioError."""
        from kaptrial.scenario.files import as_raw, build, with_settings

        return build(with_settings(as_raw(self), values))

    @property
    def primary_outcome(self) -> Outcome | OneOfSeveral:
        """The outcome, or the primary one of several."""
        return primary_outcome(self.outcome, self.outcomes)

    @property
    def other_outcomes(self) -> dict[str, OneOfSeveral]:
        """The outcomes that are not primary, by name, in the order of the file."""
        return {name: each for name, each in (self.outcomes or {}).items() if not each.primary}

    @property
    def scale(self) -> Scale:
        """The scale of the primary outcome."""
        return as_scale(self.primary_outcome.scale)

    def other_outcome(self, estimand: Estimand) -> str | None:
        """The name of the outcome that an estimand is about; None where that is the primary one."""
        return estimand.outcome if estimand.outcome in self.other_outcomes else None

    def outcome_named(self, estimand: Estimand) -> str | None:
        """The name of the outcome that an estimand is about; None where there is but one."""
        primary = next((name for name, each in (self.outcomes or {}).items() if each.primary), None)
        return estimand.outcome or primary

    def scale_of(self, estimand: Estimand) -> Scale:
        """The scale of the outcome that an estimand is about."""
        other = self.other_outcome(estimand)
        return self.scale if other is None else as_scale(self.other_outcomes[other].scale)

    def visits_of(self, outcome: str | None) -> tuple[float, ...]:
        """The visits at which an outcome is measured; of the primary one, None, all."""
        own = None if outcome is None else self.other_outcomes[outcome].visits
        return self.design.visits if own is None else own

    def without_other_outcomes(self) -> Scenario:
        """The scenario with the primary outcome alone, and without the questions about others."""
        if not self.other_outcomes:
            return self
        primary = {name: each for name, each in (self.outcomes or {}).items() if each.primary}
        asked = tuple(estimand for estimand in self.secondary if self.other_outcome(estimand) is None)
        analysis = replace(self.analysis, multiplicity=None)
        return replace(self, outcomes=primary, secondary=asked, analysis=analysis, variants=None)

    @property
    def amount(self) -> Amount | None:
        """The amount on a day of use, of an outcome counted by days."""
        return self.primary_outcome.amount

    @property
    def use_rules(self) -> UseRules | None:
        """What endpoints of use ask."""
        return self.primary_outcome.use

    @property
    def factors(self) -> tuple[str, ...]:
        """The two factors of a 2×2, or nothing."""
        return factor_names(self.arms)

    @property
    def estimands(self) -> tuple[Estimand, ...]:
        """The primary estimand, then the secondary ones."""
        return (self.estimand, *self.secondary)

    def contrast(self, estimand: Estimand) -> Contrast:
        """The estimand's contrast as weights over the arms."""
        return parse_contrast(estimand.contrast, self.arms)

    @property
    def strata(self) -> tuple[str, ...]:
        """The names of the stratification factors of the allocation."""
        return tuple(stratum.name for stratum in self.design.allocation.strata)

    @property
    def covariates(self) -> tuple[str, ...]:
        """The covariates of adjusted analyses."""
        given = self.analysis.covariates
        return ("baseline", *self.strata) if given is None else given

    def covariates_of(self, estimand: Estimand) -> tuple[str, ...]:
        """The covariates of an estimand's adjusted analyses: the baseline of attendance only where it is asked for."""
        if self.analysis.covariates is None and estimand.endpoint in ATTENDANCE:
            return self.strata
        return self.covariates

    def planned_sessions(self, day: float) -> tuple[int, ...]:
        """How many sessions each arm plans up to a day, that day included."""
        return tuple(sum(each <= day for each in arm.therapy.days) if arm.therapy else 0 for arm in self.arms)

    @property
    def therapy_starts(self) -> tuple[float, ...]:
        """The day of each arm's first session, from which its therapists matter; 0 where there is none."""
        return tuple(min(arm.therapy.days, default=0.0) if arm.therapy else 0.0 for arm in self.arms)

    def has_therapists(self, estimand: Estimand) -> bool:
        """Whether an arm of the contrast has therapists of several patients, who begin before the last visit."""
        weights = self.contrast(estimand).weights
        for arm, start, weight in zip(self.arms, self.therapy_starts, weights, strict=True):
            staff = self.therapies[arm.therapy.name].therapists if arm.therapy else None
            if weight != 0 and staff is not None and staff.caseload != 1 and start < self.design.visits[-1]:
                return True
        return False

    def methods(self, estimand: Estimand) -> tuple[str, ...]:
        """The methods of an estimand: its own, those of the analysis, or the one that fits the trial."""
        return estimand.methods or self.analysis.methods or (self.default_analysis(estimand)[0],)

    def default_analysis(self, estimand: Estimand) -> tuple[str, str]:
        """The method that fits the trial, and why."""
        facts = Facts(
            endpoint=estimand.endpoint,
            arms=sum(weight != 0 for weight in self.contrast(estimand).weights),
            therapists=self.has_therapists(estimand),
            visits=sum(day > self.randomisation.day for day in self.design.visits),
            incomplete=self.conduct.dropout is not None or bool(estimand.strategies.events("hypothetical")),
        )
        return default_analysis(facts)

    def analyses(self, estimand: Estimand) -> tuple[str, ...]:
        """The names of an estimand's analyses: its methods, some of them one for each variant that the plan names."""
        names: list[str] = []
        for name in self.methods(estimand):
            variants = methods()[name].variants
            names += [f"{name} {each}" for each in getattr(self.analysis, variants)] if variants else [name]
        return tuple(names)

    def references(self, estimand: Estimand, *, needed: bool = True) -> tuple[int, ...]:
        """Each arm's reference for imputation and `as_reference`, (arm,); an arm may be its own."""
        contrast, ids = self.contrast(estimand), [arm.id for arm in self.arms]
        return references_of(ids, contrast.weights, self.analysis.reference_for or {}, contrast.text, needed=needed)

    @property
    def reference_arm(self) -> int:
        """Index of the arm on the right of the primary contrast, whose conduct all have under a null outside a 2×2.

        A single arm is its own.
        """
        return 0 if len(self.arms) == 1 else self.contrast(self.estimand).right[-1]

    @property
    def ratio(self) -> tuple[int, ...]:
        """Allocation ratio in the order of the arms."""
        given = self.design.allocation.ratio or {}
        return tuple(given.get(arm.id, 1) for arm in self.arms)

    @property
    def n_total(self) -> int:
        """Number of randomised patients."""
        if self.design.n_per_arm is not None:
            return self.design.n_per_arm * len(self.arms)
        assert self.design.n_total is not None  # Design guarantees one of the two
        return self.design.n_total
