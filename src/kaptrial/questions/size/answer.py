"""What a search answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kaptrial.output.terminal import by_mcse, error
from kaptrial.questions.size.with_looks import AtAnswer, Figure
from kaptrial.results import Headline, Line, Note, Results, Value

SIZES = ("design.n_per_arm", "design.n_total")


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A value tried: the power there with its Monte Carlo standard error, and how many replicates gave it."""

    value: float
    power: float
    mcse: float
    replicates: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What `solve` found.

    `value`: the smallest value at `path` (the largest, if power falls with it) with power `target`; whole for a size;
    None if it was not reached. `lower`, `upper` and `lower_999`, `upper_999`: its 95 % and 99.9 % intervals from the
    Monte Carlo error, rounded as `value` is and cut at the bounds; None where an end could not be found. `achieved`,
    `achieved_mcse`: power at `value` in `achieved_replicates` fresh replicates under `achieved_seed`. `closed_form`:
    the value from the non-central t, `closed_form_kind` exact or approximate (with the simulated SE). `ceiling`,
    `ceiling_mcse`: where the power is not reached, or the number of therapists is fixed, what cannot be exceeded.
    `tried`: the points at which the power was simulated, in rising order. `without_looks`, `at_answer`: of a trial with
    looks the answer without them, None where none was found, and what they do at `value`.
    """

    analysis: str
    contrast: str
    endpoint: str
    day: float
    metric: str
    path: str
    target: float
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    lower_999: float | None = None
    upper_999: float | None = None
    achieved: float | None = None
    achieved_mcse: float | None = None
    achieved_replicates: int
    achieved_seed: int
    closed_form: float | None = None
    closed_form_kind: str | None = None
    ceiling: float | None = None
    ceiling_mcse: float | None = None
    reached: bool = False
    message: str = ""
    tried: tuple[Tried, ...]
    without_looks: Answer | None = None
    at_answer: AtAnswer | None = None

    @property
    def inflation(self) -> Figure | None:
        """The size with looks over that without; None for other numbers."""
        if self.path not in SIZES or self.without_looks is None or self.at_answer is None:
            return None
        if not (self.value and self.without_looks.value):
            return None
        ratio = self.value / self.without_looks.value
        return Figure(value=ratio, mcse=ratio * self.at_answer.relative_error)

    def _looks(self) -> dict[str, Value]:
        """What a trial with looks has more, as columns."""
        numbers: dict[str, Value] = {}
        shown = int if self.path in SIZES else float
        for name in ("value", "lower", "upper") if self.without_looks is not None else ():
            value = getattr(self.without_looks, name)
            numbers[f"{name}_without_looks"] = None if value is None else shown(value)
        if self.inflation is not None:
            numbers |= {"inflation": self.inflation.value, "inflation_mcse": self.inflation.mcse}
        return numbers | (self.at_answer.numbers() if self.at_answer is not None else {})

    def results(self, provenance: Mapping[str, Any]) -> SizeResults:
        """One line of numbers; what is to be said of them is a note."""
        achieved = ("achieved", "achieved_mcse", "achieved_replicates", "achieved_seed")
        apart = ("tried", "target", "without_looks", "at_answer")
        numbers = {key: value for key, value in vars(self).items() if key not in (*apart, *achieved)}
        if self.path in SIZES:
            sizes = ("value", "lower", "upper", "lower_999", "upper_999", "closed_form")
            numbers |= {name: None if numbers[name] is None else int(numbers[name]) for name in sizes}
        numbers |= {"target_power": self.target, "achieved_power": self.achieved}
        numbers |= {name: getattr(self, name) for name in achieved[1:]} | self._looks()
        notes = [Note(code="size", severity="information", text=self.message)] if self.message else []
        lines = [Line(numbers=numbers)]
        return SizeResults(
            kind="size", rows=lines, provenance=provenance, notes=notes, headline=self.headline(), answer=self
        )

    def headline(self) -> Headline:
        """What is needed, or that it is out of reach, and the power there."""
        goal, what = f"{100 * self.target:g} % power", f"{self.contrast}, {self.endpoint} on day {self.day:g}"
        if self.value is None:
            return Headline(text=f"{goal} for {what} is not reached by changing {self.path}.", numbers={"value": None})
        text = f"{goal} for {what} by {self.analysis} needs {self.path} = {self.said(self.value)}"
        if self.lower is not None:
            text += f" (95 % interval {self.said(self.lower)} to {self.said(self.upper)}, Monte Carlo error only)"
        if self.achieved is not None:
            fresh = f"{by_mcse(100 * self.achieved, 100 * (self.achieved_mcse or 0))} %"
            text += f"; power there in fresh trials is {fresh} (± {error(100 * (self.achieved_mcse or 0))})"
        if self.without_looks is not None and self.without_looks.value is not None:
            text += f"; without looks it needs {self.without_looks.said(self.without_looks.value)}"
        names = ("path", "target", "value", "lower", "upper", "achieved", "achieved_mcse")
        return Headline(text=f"{text}.", numbers={name: getattr(self, name) for name in names})

    def said(self, value: float | None) -> str:
        """A value of the path: whole for a size."""
        return "–" if value is None else f"{value:.0f}" if self.path in SIZES else f"{value:.3g}"


@dataclass(frozen=True, kw_only=True, repr=False)
class SizeResults(Results[Line]):
    """Results of `size`, and the answer, with the points that were tried."""

    answer: Answer
