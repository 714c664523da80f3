"""The runs under the null hypotheses that the contrasts of a scenario ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kaptrial.method_table import ATTENDANCE
from kaptrial.scenario.nulls import attended_alike, with_null
from kaptrial.scenario.scenario import Null, Scenario
from kaptrial.scenario.trial import Estimand


@dataclass(frozen=True, kw_only=True)
class NullRun:
    """A scenario under a null, and what its rejections of these estimands are called."""

    scenario: Scenario
    metric: str
    estimands: tuple[int, ...]

    @property
    def name(self) -> str:
        """The null: one of the model, or that all arms are alike."""
        return self.scenario.null or "alike"


def null_of(s: Scenario, estimand: Estimand) -> Null | None:
    """The null hypothesis a contrast tests; None where its sides differ in drug and therapy, or there is one arm."""
    contrast = s.contrast(estimand)
    if contrast.kind == "single":
        return None
    if contrast.kind == "interaction":
        return "synergy"
    differ = differ_in(s, estimand)
    return differ.pop() if len(differ) == 1 else None


def differ_in(s: Scenario, estimand: Estimand) -> set[Null]:
    """What the sides of a contrast differ in, as the nulls that take it away; adjuncts act on the drug's effect."""
    contrast = s.contrast(estimand)
    sides = [[s.arms[a] for a in side] for side in (contrast.left, contrast.right)]
    therapies = [sorted(str(arm.therapy) for arm in side) for side in sides]
    doses = [sorted(str((arm.doses, arm.adjuncts)) for arm in side) for side in sides]
    differ: set[Null] = set()
    if therapies[0] != therapies[1]:
        differ.add("therapy")
    if doses[0] != doses[1]:
        differ.add("drug")
    return differ


def null_runs(s: Scenario) -> list[NullRun]:
    """The runs whose rejections are errors; none under a null already."""
    if s.null is not None:
        return []
    wanted: dict[Null, list[int]] = {}
    for i, estimand in enumerate(s.estimands):
        null = None if estimand.endpoint in ATTENDANCE else null_of(s, estimand)
        if null is not None:
            wanted.setdefault(null, []).append(i)
    runs = []
    for null, estimands in wanted.items():
        metric = "false_synergy_rate" if null == "synergy" else "type_i_error"
        runs.append(NullRun(scenario=replace(s, null=null), metric=metric, estimands=tuple(estimands)))
        part = {"therapy": s.expectancy.therapy, "drug": s.expectancy.drug, "synergy": None}[null]
        if part is not None:
            hopeful = with_null(s, null, expectancy=True)
            runs.append(NullRun(scenario=hopeful, metric="expectancy_only_rate", estimands=tuple(estimands)))
    return runs + _runs_of_attendance(s)


def _runs_of_attendance(s: Scenario) -> list[NullRun]:
    """The nulls of attendance, which conduct makes: all arms attend as the one on the right does."""
    wanted: dict[int, list[int]] = {}
    for i, estimand in enumerate(s.estimands):
        contrast = s.contrast(estimand)
        if estimand.endpoint in ATTENDANCE and contrast.kind != "single":
            wanted.setdefault(contrast.right[-1], []).append(i)
    return [
        NullRun(scenario=attended_alike(s, s.arms[arm].id), metric="type_i_error", estimands=tuple(estimands))
        for arm, estimands in wanted.items()
    ]
