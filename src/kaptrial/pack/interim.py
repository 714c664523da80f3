"""Interim analyses in numbers and words that a protocol can take."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from scipy.special import ndtr

from kaptrial.estimators.sequential.boundaries import Boundaries, Foreseen, futility_of
from kaptrial.estimators.sequential.spending import (
    HaybittlePeto,
    SpendingFunction,
    SpendingList,
    WangTsiatis,
)
from kaptrial.pack.numbers import Number, Numbers
from kaptrial.questions.looks.trials import uses_every_visit
from kaptrial.questions.power.headline import FALSE_RATES
from kaptrial.results import Row

if TYPE_CHECKING:
    from kaptrial.pack.study import Study
    from kaptrial.questions.looks.answer import LookResult
    from kaptrial.scenario.looks import GroupSequential

_FAMILIES = {
    "obf": "the O'Brien–Fleming spending function of Lan and DeMets",
    "pocock": "the Pocock spending function of Lan and DeMets",
    "hsd": "the spending function of Hwang, Shih and DeCani with γ = {}",
    "kd": "the spending function of Kim and DeMets with ρ = {}",
}
_COUNTS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


class Interim:
    """The looks of a study's primary question: their numbers, each by its name, and phrases of the plan."""

    def __init__(self, study: Study, numbers: Numbers) -> None:
        assert study.looks is not None
        self.study, self.numbers, self.results = study, numbers, study.looks
        self._rows = {(int(row.question.column("look") or 0), row.metric): row for row in self.results.rows}

    @property
    def part(self) -> LookResult:
        """The plan, and the trials that are held by it."""
        return self.results.parts[0]

    @property
    def boundaries(self) -> Boundaries:
        """Those of the plan."""
        return self.part.designed.plan

    @property
    def declared(self) -> GroupSequential:
        """The looks as the scenario has them."""
        plan = self.study.scenario.design.group_sequential
        assert plan is not None
        return plan

    @property
    def n_looks(self) -> int:
        """Looks before the end."""
        return len(self.declared.looks)

    def row(self, metric: str, look: int = 0) -> Row | None:
        """A row of the looks; `look` 0 is the whole trial."""
        return self._rows.get((look, metric))

    def rate(self, metric: str, look: int = 0) -> Number | None:
        """A probability."""
        row = self.row(metric, look)
        return None if row is None else self.numbers.percent(f"looks.{look}.{metric}", row.value, row.mcse)

    def figure(self, metric: str, look: int = 0, shown: str | None = None) -> Number | None:
        """Any other number; `shown`: a format for one without a Monte Carlo error."""
        row = self.row(metric, look)
        if row is None:
            return None
        if row.mcse > 0:
            return self.numbers.add(f"looks.{look}.{metric}", row.value, mcse=row.mcse)
        text = format(row.value, shown or ".4g")
        return self.numbers.add(f"looks.{look}.{metric}", row.value, shown=text)

    @cached_property
    def null(self) -> str | None:
        """The rate of false rejections that the primary question has; None where no null gives one."""
        return next((metric for metric in FALSE_RATES if self.row(metric) is not None), None)

    @property
    def false_rate(self) -> Number | None:
        """That rate."""
        return None if self.null is None else self.rate(self.null)

    @cached_property
    def level(self) -> Number:
        """What all looks may spend."""
        rule = self.boundaries.rule
        return self.numbers.add("looks.alpha", rule.alpha, unit="probability", shown=f"{rule.alpha:g}")

    @property
    def sides(self) -> str:
        """Where the test rejects."""
        return "on the side of benefit alone" if self.boundaries.rule.sided == 1 else "on both sides together"

    def lead(self) -> str:
        """How many looks, when, and what they do to the trial, in a paragraph."""
        n, most = self.n_looks, self.figure("max_n")
        listed = "; ".join(self.when(k) for k in range(1, n + 1))
        planned = "One interim analysis is planned" if n == 1 else f"{_COUNTS[n]} interim analyses are planned"
        error = "" if self.null is None else f", with a {FALSE_RATES[self.null]} of {self.rate(self.null)}"
        fixed = f"{self.rate('fixed_power')} without interim analyses"
        text = f"{planned}: {listed}. Power is {self.rate('power')}{error}, against {fixed}."
        without = ""
        if self.null is not None:
            without = f" and {self.figure(f'expected_n_{self.null.removesuffix("_rate")}')} without an effect"
        return f"{text} On average {self.figure('expected_n')} patients are randomised{without}, of {most} at most."

    def when(self, look: int) -> str:
        """When a look is, in words."""
        followed, n = (self.figure(name, look) for name in ("n_followed", "n_randomised"))
        rate = f"{self.declared.accrual_per_month:g} a month are randomised ({n} by then)"
        month = self.figure("months", look, ".1f")
        return f"when {followed} patients have reached the primary visit, in month {month} if {rate}"

    def early(self) -> str:
        """That the trial may end early, for readers who are no researchers."""
        times = "once" if self.n_looks == 1 else f"{self.n_looks} times"
        row = self.row("expected_n")
        assert row is not None
        n = self.numbers.add("looks.0.expected_n_rounded", round(row.value), unit="people")
        return (
            f"The results are looked at {times} on the way, and the study may end early; on average {n} people take"
            " part."
        )

    def data(self) -> str:
        """Which data a look analyses, and what becomes of recruitment."""
        s = self.study.scenario
        everybody = uses_every_visit(s, self.part.planned.analysis)
        used = (
            "with every visit that is past by then" if everybody else "of patients who have reached the primary visit"
        )
        goes_on = self.declared.recruitment == "goes_on"
        recruits = "stops until the patients of the look are followed up"
        if goes_on:
            recruits = "goes on while patients are followed up, unless a look stops the trial"
        return f"Each analysis is the primary one, on data {used}. Recruitment {recruits}."

    def errors(self) -> str:
        """How the errors are spent, in a sentence or two."""
        rule = self.boundaries.rule
        text = f"The type I error, {self.level} {self.sides}, is spent by {self._efficacy()}."
        if rule.futility is not None:
            text += f" For futility a look stops the trial {self._futility()}."
        if self.declared.spend_at == "own":
            spent = "at the share of the planned information that each look turns out to have; the boundaries below are"
            return f"{text} Errors are spent {spent} those at the planned shares."
        return f"{text} Errors are spent at the share of the information that is planned for each look."

    def _efficacy(self) -> str:
        spending = self.boundaries.rule.spending
        if isinstance(spending, SpendingFunction):
            return _FAMILIES[spending.family].format(f"{spending.parameter:g}")
        if isinstance(spending, SpendingList):
            return f"the list {', '.join(f'{spent:g}' for spent in spending.cumulative)} (in all, by look)"
        if isinstance(spending, WangTsiatis):
            return f"boundaries of Wang and Tsiatis with Δ = {spending.delta:g}"
        assert isinstance(spending, HaybittlePeto)
        return f"the rule of Haybittle and Peto, z = {spending.z:g} before the end"

    def _futility(self) -> str:
        assert self.declared.futility is not None
        rule = futility_of(self.declared.futility)
        if isinstance(rule, Foreseen):
            kind = "conditional power under the trend" if rule.kind == "cp" else "predictive power under a flat prior"
            return f"where the {kind} seen so far is below {rule.threshold:g}"
        spent = "a list"
        if isinstance(rule, SpendingFunction):
            spent = _FAMILIES[rule.family].format(f"{rule.parameter:g}")
        beta = 1 - (self.boundaries.rule.power or 0)
        return f"by a type II error of {beta:.2g}, spent by {spent}"

    def rules(self) -> Iterator[str]:
        """What is decided at each look and at the end, one rule a line."""
        plan, decided = self.boundaries, self.part.designed.decided
        ends = "the trial stops" if decided is None else "recruitment stops"
        side = " in the direction of benefit" if plan.rule.sided == 1 else ""
        for k in range(self.n_looks):
            name = f"Interim analysis {k + 1}" if self.n_looks > 1 else "Interim analysis"
            text = f"{name}: {ends} for efficacy where {self._p(k)}{side} (z at least {self._z(k)})"
            if plan.has_futility:
                z = self.numbers.add(f"looks.{k + 1}.z_futility", float(plan.lower[k]), shown=f"{plan.lower[k]:.3f}")
                text += f", and for futility where z towards benefit is {z} or less"
            yield f"{text}; otherwise it goes on."
            if decided is not None:
                yield (
                    f"After {name[0].lower()}{name[1:]}: once the patients under way have reached the primary visit,"
                    f" the null hypothesis is rejected where {self._p_decision(k)} (z at least {self._z_decision(k)}),"
                    " whichever boundary was crossed."
                )
        yield (
            f"Final analysis: the null hypothesis is rejected where {self._p(self.n_looks)}{side}"
            f" (z at least {self._z(self.n_looks)})."
        )

    def _z_decision(self, k: int) -> Number:
        decided = self.part.designed.decided
        assert decided is not None
        z = float(decided.critical[k])
        return self.numbers.add(f"looks.{k + 1}.z_decision", z, shown=f"{z:.3f}")

    def _p_decision(self, k: int) -> str:
        decided = self.part.designed.decided
        assert decided is not None
        p = float(ndtr(-decided.critical[k]))
        number = self.numbers.add(f"looks.{k + 1}.p_decision", p, unit="probability", shown=f"{p:.5f}")
        return f"the one-sided p-value of the primary analysis is {number} or less"

    def _z(self, k: int) -> Number:
        z = float(self.boundaries.upper[k])
        return self.numbers.add(f"looks.{k + 1}.z", z, shown=f"{z:.3f}")

    def _p(self, k: int) -> str:
        """The p-value that a look rejects at, in words."""
        sided = self.boundaries.rule.sided
        p = sided * float(ndtr(-self.boundaries.upper[k]))
        shown = f"{p:.5f}" if p >= 1e-4 else f"{p:.1e}"
        number = self.numbers.add(f"looks.{k + 1}.p", p, unit="probability", shown=shown)
        return f"the {'one' if sided == 1 else 'two'}-sided p-value of the primary analysis is {number} or less"

    def binding(self) -> str | None:
        """Whether futility binds, and what follows; None where no look stops for it."""
        if not self.boundaries.has_futility:
            return None
        if self.boundaries.rule.binding:
            return (
                "The boundary for futility binds: those for efficacy count on it, and a trial that goes on beyond it"
                " has a type I error above its level."
            )
        return (
            "The boundary for futility does not bind: the trial may go on beyond it, and its type I error still holds."
            " Here it is always obeyed, so that power is the least and patients saved the most that follow from it."
        )

    def afterwards(self) -> str:
        """What becomes of patients who are under way at a stop, and how often that changes the verdict."""
        text, parts = "Patients who are under way when a look stops the trial are followed up to the primary visit", []
        at_look = self.part.designed.decided is None
        text += " and reported; the verdict is that of the look." if at_look else ", and then it is decided."
        for k in range(1, self.n_looks + 1):
            rate = self.rate("reversed", k)
            if rate is not None:
                parts.append(f"{rate} of the stops for efficacy at interim analysis {k}")
        if parts and at_look:
            text += f" Once they are, {' and '.join(parts)} would not be significant at the whole level."
        elif parts:
            text += f" That reverses {' and '.join(parts)}."
        return text

    def estimates(self) -> str:
        """Which estimate is reported, and what the naive one is off by."""
        text = (
            "The bias-adjusted and the median-unbiased estimate and a stagewise interval are reported beside the usual"
            " ones, which looks bias."
        )
        naive, truth, adjusted = (self.figure(name) for name in ("mean_estimate", "truth", "mean_bias_adjusted"))
        median, coverage = self.figure("mean_median_unbiased"), self.rate("coverage")
        if naive is None or truth is None or adjusted is None or median is None or coverage is None:
            return text
        return (
            f"{text} Over all trials the usual estimate is {naive} on average, the bias-adjusted one {adjusted} and the"
            f" median-unbiased one {median}, where {truth} is true; the stagewise interval covers that in {coverage}."
        )
