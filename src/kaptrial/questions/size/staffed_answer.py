"""What a search for patients and therapists together answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kaptrial.output.terminal import by_mcse, error
from kaptrial.results import Headline, Line, Note, Results, Value


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Patients (at the path of the size) and therapists, what they cost, and the power that replicates had there."""

    n: int
    n_total: int
    therapists: int
    caseload: float
    cost: float
    power: float
    mcse: float


@dataclass(frozen=True, kw_only=True)
class StaffedAnswer:
    """What `solve_staffed` found.

    `plans`: the cheapest of them and others around it, each with the fewest patients that are enough for its
    therapists, by their therapists; `chosen`: the number of the cheapest, None where none is enough. `lower`, `upper`:
    the 95 % interval of its n at its therapists, Monte Carlo error only. `achieved`: its power in
    `achieved_replicates` fresh replicates, and `type_i_error` as often without the effect, where there is such a null.
    `closed_n`, `closed_therapists`: the least cost by the square-root rule, fractions and a normal test. `flat`: the
    fewest and most therapists with which the cheapest plan costs `FLAT` more at most.
    """

    analysis: str
    contrast: str
    endpoint: str
    day: float
    path: str
    therapists_path: str
    target: float
    plans: tuple[Plan, ...] = ()
    chosen: int | None = None
    lower: int | None = None
    upper: int | None = None
    achieved: float | None = None
    achieved_mcse: float | None = None
    type_i_error: float | None = None
    type_i_error_mcse: float | None = None
    achieved_replicates: int
    achieved_seed: int
    closed_n: float | None = None
    closed_therapists: float | None = None
    flat: tuple[int, int] | None = None
    warnings: tuple[str, ...] = ()
    message: str = ""

    @property
    def plan(self) -> Plan | None:
        """The cheapest plan."""
        return None if self.chosen is None else self.plans[self.chosen]

    def results(self, provenance: Mapping[str, Any]) -> StaffedResults:
        """A line a plan; what was achieved stands in that of the chosen one."""
        notes = [Note(code="size", severity="warning", text=text) for text in self.warnings]
        if self.message:
            notes.append(Note(code="size", severity="information", text=self.message))
        return StaffedResults(
            kind="size",
            rows=[Line(numbers=self._numbers(i)) for i in range(len(self.plans))],
            provenance=provenance,
            notes=notes,
            headline=self.headline(),
            answer=self,
        )

    def _numbers(self, i: int) -> dict[str, Value]:
        about = ("analysis", "contrast", "endpoint", "day", "path", "therapists_path")
        numbers: dict[str, Value] = {name: getattr(self, name) for name in about}
        numbers |= {"target_power": self.target, **vars(self.plans[i]), "chosen": i == self.chosen}
        found = ("lower", "upper", "achieved", "achieved_mcse", "type_i_error", "type_i_error_mcse")
        names = (*found, "achieved_replicates", "achieved_seed", "closed_n", "closed_therapists")
        return numbers | {name: getattr(self, name) if i == self.chosen else None for name in names}

    def headline(self) -> Headline:
        """The cheapest plan and its power, or that none is enough."""
        goal, what = f"{100 * self.target:g} % power", f"{self.contrast}, {self.endpoint} on day {self.day:g}"
        plan = self.plan
        if plan is None:
            changed = f"{self.path} and {self.therapists_path}"
            return Headline(text=f"{goal} for {what} is not reached by changing {changed}.", numbers={"n": None})
        text = (
            f"{goal} for {what} by {self.analysis} costs least with {self.path} = {plan.n} ({plan.n_total} patients in"
            f" all) and {plan.therapists} therapists, {plan.cost:,.0f}"
        )
        if self.achieved is not None and self.achieved_mcse is not None:
            fresh = f"{by_mcse(100 * self.achieved, 100 * self.achieved_mcse)} %"
            text += f"; power there in fresh trials is {fresh} (± {error(100 * self.achieved_mcse)})"
        if self.type_i_error is not None and self.type_i_error_mcse is not None:
            rate = f"{by_mcse(100 * self.type_i_error, 100 * self.type_i_error_mcse)} %"
            text += f", at a type I error of {rate} (± {error(100 * self.type_i_error_mcse)})"
        numbers: dict[str, Value] = {name: getattr(plan, name) for name in ("n", "n_total", "therapists", "cost")}
        names = ("target", "lower", "upper", "achieved", "achieved_mcse", "type_i_error", "type_i_error_mcse")
        return Headline(text=f"{text}.", numbers=numbers | {name: getattr(self, name) for name in names})


@dataclass(frozen=True, kw_only=True, repr=False)
class StaffedResults(Results[Line]):
    """Results of `size` over patients and therapists, and the answer."""

    answer: StaffedAnswer
