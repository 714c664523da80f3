"""What a pack is worked out from: each question is asked when a section first needs its answer, and once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from kaptrial.errors import ScenarioError
from kaptrial.pack.flow import ArmFlow, flow
from kaptrial.pack.tornado import Tornado, tornado
from kaptrial.pack.worlds import Worlds, try_worlds
from kaptrial.questions.assurance.answer import AssuranceResults
from kaptrial.questions.assurance.answer import answer as assurance_answer
from kaptrial.questions.clinic.answer import ClinicResults
from kaptrial.questions.clinic.answer import answer as clinic_answer
from kaptrial.questions.decide.answer import DecideResults
from kaptrial.questions.decide.answer import answer as decide_answer
from kaptrial.questions.looks.answer import LookResults
from kaptrial.questions.looks.answer import answer as looks_answer
from kaptrial.questions.looks.planning import check as check_looks
from kaptrial.questions.power.answer import PowerResults
from kaptrial.questions.power.answer import answer as power_answer
from kaptrial.questions.power.cells import Cell, cells
from kaptrial.questions.power.characteristics import CellResult
from kaptrial.questions.power.design import WithinArms, within_arms
from kaptrial.questions.power.nulls import differ_in
from kaptrial.scenario.decision import DecisionRule
from kaptrial.scenario.files import Raw, build
from kaptrial.scenario.scenario import Scenario

# Sizes and effects at which power is shown, as multiples of the plan's.
MULTIPLES = (0.5, 0.75, 1.0, 1.25, 1.5)
# Trials of a row of the tornado, as a share of those of the headline: its rows share the same trials. The worlds have
# all, so that the plan as declared has the same power there as in the headline.
TORNADO_SHARE = 4
DRAWS, TRIALS_OF_A_DRAW = 200, 128
CLINICS = 200
DECISION_DRAWS = 1000


class Study:
    """A scenario and the answers to what a pack asks of it.

    Parameters
    ----------
    raw : Raw
        The scenario as its file has it; checked here.
    seed, replicates, workers : int
        As for `power`; `replicates` are those of power, type I error and their figures.
    controls : bool
        Whether power is made more precise by control variates.
    provenance : mapping
        Said of every number and figure.
    progress : callable, optional
        Told what is being worked out, in a few words.

    Raises
    ------
    ScenarioError
        For a scenario that does not fit, and for one under a null, of which there is nothing to propose.
    """

    def __init__(
        self,
        raw: Raw,
        *,
        seed: int,
        replicates: int,
        workers: int,
        controls: bool,
        provenance: Mapping[str, Any],
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.raw, self.scenario = raw, build(raw)
        if self.scenario.null is not None:
            raise ScenarioError(
                f"null = {self.scenario.null!r}: must not be set for a report, which runs the nulls itself"
            )
        check_looks(self.scenario, seed)
        self.seed, self.replicates, self.workers, self.controls = seed, replicates, workers, controls
        self.provenance = provenance
        self._say = progress or (lambda _: None)

    @cached_property
    def power(self) -> PowerResults:
        """Power and type I error of every estimand, of the scenario and its variants."""
        return self._power("power", cells(self.raw, {}))

    @property
    def own(self) -> CellResult:
        """What the scenario as it stands gave."""
        return self.power.cells[0]

    @cached_property
    def within_arms(self) -> WithinArms:
        """SD, correlation with the baseline and losses of the primary outcome."""
        return within_arms(self.scenario, self.own.truths[0], self.seed)

    @cached_property
    def size_path(self) -> str:
        """The path of the scenario's size."""
        return "design.n_per_arm" if self.scenario.design.n_per_arm is not None else "design.n_total"

    @cached_property
    def by_size(self) -> PowerResults:
        """The primary question by the number of patients."""
        s = self.scenario
        own, step = (s.design.n_per_arm, 1) if s.design.n_per_arm is not None else (s.n_total, sum(s.ratio))
        assert own is not None
        sizes = sorted({max(round(own * k / step), 2) * step for k in MULTIPLES} | {own})
        return self._power("power by size", self._cells(self.size_path, [n for n in sizes if n >= 4]))

    @cached_property
    def by_day(self) -> PowerResults | None:
        """The primary question asked on each visit after the randomisation; None where it can be asked on one only."""
        s = self.scenario
        days = [day for day in s.design.visits if day > s.randomisation.day]
        asked = self._cells("estimand.day", days)
        return self._power("power by day", asked) if len(asked) > 1 else None

    @cached_property
    def effect_path(self) -> str | None:
        """The number that the primary effect comes from: of the therapy or drug that the contrast is about."""
        s = self.scenario
        contrast = s.contrast(s.estimand)
        differ = differ_in(s, s.estimand)
        left = [s.arms[a] for a in contrast.left]
        if contrast.kind == "interaction":  # of the therapy of those who have both
            left = [arm for arm in s.arms if all((arm.factors or {}).values())]
        others = {s.arms[a].therapy for a in contrast.right}
        names = [arm.therapy.name for arm in left if arm.therapy is not None]
        names = [name for name in names if name not in {t.name for t in others if t is not None}] or names
        if names and (differ == {"therapy"} or contrast.kind == "interaction"):
            therapy = s.therapies[names[0]]
            gains = contrast.kind == "interaction" and therapy.gamma is not None and therapy.gamma.value > 0
            return f"therapies.{names[0]}.{'gamma' if gains else 'max_effect'}"
        if differ == {"drug"} and any(d.is_ketamine for arm in left for d in arm.doses):
            return f"drug.{next(k for k in ('share', 'max_effect', 'slope') if getattr(s.drug, k) is not None)}"
        return None

    @cached_property
    def by_effect(self) -> PowerResults | None:
        """The primary question over the number that its effect comes from; None where there is no single one."""
        if self.effect_path is None:
            return None
        node: Any = self.scenario
        for step in self.effect_path.split("."):
            node = node[step] if isinstance(node, Mapping) else getattr(node, step)
        values = [float(f"{node.value * k:.4g}") for k in MULTIPLES]
        if node.unit == "share":
            values = [value for value in values if value < 1]
        asked = self._cells(self.effect_path, values)
        return self._power("power by effect", asked) if len(asked) > 1 else None

    @cached_property
    def tornado(self) -> Tornado:
        """Power with each assumption at either end of its range."""
        self._say("sensitivity to each assumption")
        fewer = max(2, self.replicates // TORNADO_SHARE)
        return tornado(self.scenario, seed=self.seed, replicates=fewer, workers=self.workers, controls=self.controls)

    @cached_property
    def worlds(self) -> Worlds:
        """Power and false claims in adverse worlds."""
        self._say("adverse worlds")
        return try_worlds(
            self.scenario, seed=self.seed, replicates=self.replicates, workers=self.workers, controls=self.controls
        )

    @cached_property
    def assurance(self) -> AssuranceResults | None:
        """Power averaged over the scenario's design prior; None without one."""
        if self.scenario.prior is None:
            return None
        self._say("assurance")
        primary = self.scenario.methods(self.scenario.estimand)[:1]
        return assurance_answer(
            _primary_alone(self.scenario, primary),
            provenance=self.provenance,
            seed=self.seed,
            draws=DRAWS,
            replicates=TRIALS_OF_A_DRAW,
            workers=self.workers,
            controls=self.controls,
        )

    @property
    def declares_no_decision(self) -> bool:
        """Whether the scenario has neither a decision rule of its own nor a look at the data."""
        return self.scenario.decision == DecisionRule() and not self.scenario.design.looks

    @cached_property
    def decision(self) -> DecideResults | None:
        """Verdicts of the Bayesian decision rule; None where the scenario declares none."""
        if self.declares_no_decision:
            return None
        s = self.scenario
        self._say("decisions")
        return decide_answer(
            [Cell(scenario=replace(s, variants=None), columns={})],
            provenance=self.provenance,
            seed=self.seed,
            replicates=self.replicates,
            draws=DECISION_DRAWS,
            nuisance=False,
            workers=self.workers,
        )

    @property
    def has_looks(self) -> bool:
        """Whether the scenario declares interim analyses."""
        return self.scenario.design.group_sequential is not None

    @cached_property
    def looks(self) -> LookResults | None:
        """The trial with its interim analyses, by its primary analysis; None where the scenario declares none."""
        if not self.has_looks:
            return None
        self._say("interim analyses")
        primary = self.scenario.methods(self.scenario.estimand)[:1]
        return looks_answer(
            [Cell(scenario=replace(_primary_alone(self.scenario, primary), variants=None), columns={})],
            provenance=self.provenance,
            seed=self.seed,
            replicates=self.replicates,
            workers=self.workers,
        )

    @cached_property
    def clinic(self) -> ClinicResults | None:
        """The trial run through its clinic; None where the scenario has no plan of one."""
        if self.scenario.clinic is None:
            return None
        self._say("clinic")
        return clinic_answer(
            self.scenario, provenance=self.provenance, seed=self.seed, replicates=CLINICS, workers=self.workers
        )

    @cached_property
    def flow(self) -> list[ArmFlow]:
        """How many patients come how far."""
        return flow(self.scenario, seed=self.seed)

    def _power(self, what: str, asked: Sequence[Cell]) -> PowerResults:
        self._say(what)
        return power_answer(
            asked,
            provenance=self.provenance,
            seed=self.seed,
            replicates=self.replicates,
            workers=self.workers,
            controls=self.controls,
        )

    def _cells(self, path: str, values: Sequence[float]) -> list[Cell]:
        """The primary question alone with each of the values that the scenario allows.

        The scenario's own analysis stays, whatever method would fit the value.
        """
        found = []
        own = self.scenario.methods(self.scenario.estimand)
        for value in values:
            try:
                cell = cells(self.raw, {path: [value]}, variants=False)[0]
            except ScenarioError:
                continue
            found.append(replace(cell, scenario=_primary_alone(cell.scenario, own)))
        return found


def _primary_alone(s: Scenario, methods: tuple[str, ...]) -> Scenario:
    """The scenario asking its primary question only, by these methods whatever fits its other values."""
    estimand = replace(s.estimand, methods=methods)
    return replace(s, estimand=estimand, secondary=(), analysis=replace(s.analysis, multiplicity=None))
