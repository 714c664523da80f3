"""What the words of a pack are made of: its numbers, each registered by name, and phrases of the design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kaptrial import __version__
from kaptrial.citation import cite
from kaptrial.method_table import ATTENDANCE, MAY_FAIL, NOT_OF_SCORES, SCORES, TIME, USE_TIMES, methods
from kaptrial.output.figures import name_in_words
from kaptrial.pack.interim import Interim
from kaptrial.pack.numbers import Number, Numbers
from kaptrial.pack.study import Study
from kaptrial.pack.tornado import End
from kaptrial.questions.power.design import estimand_in_words
from kaptrial.questions.power.headline import (
    FALSE_RATES,
    called,
    goal_in_words,
    in_unit,
    least_differences,
    method_in_words,
    percent,
    power_metric,
    sentence,
    when,
)
from kaptrial.questions.power.protocol_burden import burden_in_all
from kaptrial.questions.power.titles import contrast_in_words
from kaptrial.results import Row
from kaptrial.scenario.own_scale import DEFINITION, OwnScale
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import ASSUMPTION, Sourced, unit_in_words, walk

if TYPE_CHECKING:
    from kaptrial.questions.power.characteristics import CellResult


@dataclass(frozen=True, kw_only=True)
class Driver:
    """The number that the primary effect comes from."""

    name: str
    value: Number
    unit: str
    source: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The therapists of one therapy."""

    therapy: str
    each: str
    sd: Number


class Facts:
    """The numbers and phrases of one study, worked out when a section first uses them."""

    def __init__(self, study: Study) -> None:
        self.study, self.numbers = study, Numbers()
        self.scenario: Scenario = study.scenario
        self.version = __version__
        self.cited = cite()

    # --- the design, which needs no simulation -----------------------------------------------------------------------

    @cached_property
    def n_total(self) -> Number:
        """Patients randomised."""
        return self.numbers.add("n_total", self.scenario.n_total, unit="patients")

    @cached_property
    def n_by_arm(self) -> str:
        """Patients of each arm, in words."""
        s = self.scenario
        sizes = [s.n_total * share / sum(s.ratio) for share in s.ratio]
        if len(s.arms) == 1:
            return ""
        shown = [f"{size:g}" if size == int(size) else f"{int(size)} or {int(size) + 1}" for size in sizes]
        numbers = [
            self.numbers.add(f"n.{arm.id}", size, unit="patients", shown=text)
            for arm, size, text in zip(s.arms, sizes, shown, strict=True)
        ]
        return ", ".join(f"{number} {arm.label}" for arm, number in zip(s.arms, numbers, strict=True))

    @cached_property
    def alpha(self) -> Number:
        """The level of the primary test, one-sided where a margin is tested."""
        level = self.scenario.analysis.alpha / (2 if self.is_margin else 1)
        return self.numbers.add("alpha", level, unit="probability", shown=f"{level:g}")

    @cached_property
    def sides(self) -> str:
        """Of the primary test."""
        return "one-sided" if self.is_margin else "two-sided"

    @property
    def is_margin(self) -> bool:
        """Whether the primary question is one of non-inferiority."""
        return self.scenario.estimand.margin is not None

    @cached_property
    def day(self) -> Number:
        """The primary day."""
        day = self.scenario.estimand.day
        return self.numbers.add("primary_day", day, unit="day", shown=f"{day:g}")

    @cached_property
    def when(self) -> str:
        """The primary day as part of a sentence."""
        return when(self.scenario).removesuffix(self.day.shown) + str(self.day)

    @cached_property
    def compared(self) -> str:
        """The primary contrast in the arms' labels."""
        return contrast_in_words(self.scenario)

    @cached_property
    def outcome(self) -> str:
        """The primary outcome."""
        s = self.scenario
        name = called(s.estimand.endpoint)
        if s.estimand.endpoint in NOT_OF_SCORES:
            return name
        return s.scale.label if s.estimand.endpoint == "score" else f"{name} ({s.scale.label})"

    @cached_property
    def method(self) -> str:
        """The primary analysis as a paper names it."""
        return method_in_words(self.scenario)

    @cached_property
    def method_name(self) -> str:
        """The primary analysis as the method table has it."""
        return self.scenario.analyses(self.scenario.estimand)[0].split()[0]

    @cached_property
    def covariates(self) -> str:
        """What the primary analysis adjusts for."""
        names = [name.replace("_", " ") for name in self.scenario.covariates_of(self.scenario.estimand)]
        if not methods()[self.method_name].adjusts or not names:
            return "nothing"
        return _listed([f"the {name} score" if name == "baseline" else name for name in names])

    @cached_property
    def estimand(self) -> Mapping[str, str]:
        """The five attributes by name, the treatments by their arms' labels."""
        return dict(estimand_in_words(self.scenario)) | {"treatment": self.compared}

    @cached_property
    def clusters(self) -> list[Cluster]:
        """The therapists of each therapy that an arm gives."""
        s = self.scenario
        found = []
        for name in dict.fromkeys(arm.therapy.name for arm in s.arms if arm.therapy is not None):
            therapy = s.therapies[name]
            staff = therapy.therapists
            if staff is None:
                continue
            each = f"{staff.count} therapists" if staff.count else f"one therapist to {staff.caseload} patients"
            sd = self.numbers.add(f"therapist_sd.{name}", staff.sd.value, unit=staff.sd.unit)
            found.append(Cluster(therapy=therapy.label, each=each, sd=sd))
        return found

    @cached_property
    def driver(self) -> Driver | None:
        """The number that the primary effect comes from, with its source."""
        path = self.study.effect_path
        if path is None:
            return None
        number = dict(walk(self.scenario))[path]
        value = self.numbers.add(f"assumption.{path}", number.value, unit=number.unit, shown=f"{number.value:g}")
        why = number.derived or number.note or ""
        return Driver(
            name=name_in_words(path), value=value, unit=beside_number(number.unit), source=number.source, why=why
        )

    @cached_property
    def thresholds(self) -> list[str]:
        """The sourced differences that matter on this scale, one a line."""
        lines = []
        for each in self.scenario.scale.thresholds["mcid"]:
            value = (
                f"{each['value']:g} {self.scenario.scale.unit}"
                if "value" in each
                else f"{100 * each['fraction']:g} % of the baseline"
            )
            lines.append(f"{value}: {each['kind']} [{each['source']}]")
        return lines

    @cached_property
    def assumed(self) -> list[tuple[str, Sourced]]:
        """Every number about the world, with its path."""
        return walk(self.scenario)

    @cached_property
    def n_assumptions(self) -> Number:
        """How many numbers rest on an assumption."""
        n = sum(number.is_assumption for _, number in self.assumed)
        return self.numbers.add("n_assumptions", n)

    @cached_property
    def n_numbers(self) -> Number:
        """How many numbers about the world the scenario has."""
        return self.numbers.add("n_numbers", len(self.assumed))

    @cached_property
    def therapist_hours(self) -> Number | None:
        """Hours of therapy planned in all; None where the length of sessions is not declared."""
        hours = burden_in_all(self.scenario).therapist_hours
        if hours is None:
            return None
        return self.numbers.add("therapist_hours", hours, unit="hours", shown=f"{hours:,.0f}")

    @cached_property
    def exposed(self) -> Number:
        """Patients who are given ketamine or esketamine."""
        exposed = burden_in_all(self.scenario).exposed
        return self.numbers.add("exposed_to_ketamine", exposed, unit="patients", shown=f"{exposed:g}")

    # --- what the primary question came to ---------------------------------------------------------------------------

    @property
    def own(self) -> CellResult:
        """What the scenario as it stands gave."""
        return self.study.own

    @cached_property
    def metric(self) -> str:
        """The kind of power that the primary question is about."""
        return power_metric(self.own)

    @cached_property
    def power(self) -> Number:
        """Power of the primary analysis."""
        row = self.own.primary[self.metric]
        return self.numbers.percent("power", row.value, row.mcse)

    @cached_property
    def false_rate(self) -> Number | None:
        """How often the same test is significant without the effect; None where no null says that."""
        if self.is_margin:
            return None
        for metric in FALSE_RATES:
            if metric in self.own.primary:
                row = self.own.primary[metric]
                return self.numbers.percent(metric, row.value, row.mcse)
        return None

    @cached_property
    def false_name(self) -> str:
        """What that rate is called."""
        return next((words for metric, words in FALSE_RATES.items() if metric in self.own.primary), "type I error")

    def in_100(self, rate: Number) -> str:
        """A probability as so many of 100 trials."""
        assert isinstance(rate.value, float)
        whole = round(100 * rate.value)
        n = self.numbers.add(f"{rate.key}_in_100", whole, unit="of 100 trials", shown=str(whole) if whole else "1")
        return f"{'about' if whole else 'fewer than'} {n} of 100"

    @cached_property
    def belief_rate(self) -> Number | None:
        """How often the test is significant where only belief differs; None without an expectancy."""
        row = self.own.primary.get("expectancy_only_rate")
        return None if row is None else self.numbers.percent("expectancy_only_rate", row.value, row.mcse)

    @cached_property
    def effect_row(self) -> Row:
        """The true effect of the primary question."""
        return self.own.primary["truth"]

    @cached_property
    def effect(self) -> Number:
        """The target difference as readers know it: without sign, ratios from their logs, shares in points."""
        row, s = self.effect_row, self.scenario
        shown = in_unit(row.value, row.mcse, row.question.measure, s)
        return self.numbers.add("effect", row.value, mcse=row.mcse, unit=row.question.measure, shown=shown)

    @cached_property
    def unbelieved(self) -> Number | None:
        """The same if nobody hoped or was disappointed; None without an expectancy."""
        s = self.scenario
        if s.expectancy.drug is None and s.expectancy.therapy is None:
            return None
        row = self.own.primary["truth_without_expectancy"]
        shown = in_unit(row.value, row.mcse, row.question.measure, s)
        unit = row.question.measure
        return self.numbers.add("effect_without_expectancy", row.value, mcse=row.mcse, unit=unit, shown=shown)

    @cached_property
    def goal(self) -> str:
        """What the trial is to show or detect, and when, the effect marked."""
        assert self.study.power.headline is not None
        text = goal_in_words(self.own, self.study.power.headline.numbers, aside=False)
        text = text.replace(f"day {self.day.shown}", f"day {self.day}", 1)
        return text.replace(self.effect.shown, str(self.effect), 1)

    @cached_property
    def is_score(self) -> bool:
        """Whether the primary endpoint is a score on a scale in points, compared between arms."""
        s = self.scenario
        return s.estimand.endpoint in SCORES and s.scale.link == "identity"

    @cached_property
    def sd(self) -> Number | None:
        """SD within an arm on the primary day; None where the endpoint is no score."""
        if not self.is_score:
            return None
        sd = self.study.within_arms.sd
        return self.numbers.add("sd", sd, unit=self.scenario.scale.unit, shown=f"{sd:.3g}")

    @cached_property
    def standardised(self) -> Number | None:
        """The target difference in SDs."""
        if self.sd is None or len(self.scenario.arms) == 1:
            return None
        value = abs(self.effect_row.value) / self.study.within_arms.sd
        return self.numbers.add("standardised_effect", value, unit="SD", shown=f"{value:.2f}")

    @cached_property
    def correlation(self) -> Number | None:
        """Of the baseline and the primary score within an arm."""
        if not self.is_score:
            return None
        value = self.study.within_arms.correlation
        return self.numbers.add("baseline_correlation", value, shown=f"{value:.2f}")

    @cached_property
    def baseline_sd(self) -> Number | None:
        """SD of the score on day 0."""
        if not self.is_score:
            return None
        value = self.study.within_arms.baseline_sd
        return self.numbers.add("baseline_sd", value, unit=self.scenario.scale.unit, shown=f"{value:.3g}")

    @cached_property
    def lost(self) -> Number:
        """Share without a score on the primary day."""
        lost = self.study.within_arms.lost
        return self.numbers.add("lost", lost, unit="share", shown=f"{100 * lost:.0f} %")

    @cached_property
    def n_analysed(self) -> Number:
        """Patients whose data the primary analysis uses, on average over trials.

        A mixed model of all visits uses everybody with a score after randomisation, other methods those with one on
        the day; times and shares with a rule for missing ones use everybody.
        """
        s = self.scenario
        arms = self.study.flow
        everybody = s.estimand.endpoint in (TIME, *ATTENDANCE, *USE_TIMES) or (
            s.estimand.endpoint in MAY_FAIL and s.analysis.missing_response == "failure"
        )
        if everybody:
            n = float(s.n_total)
        elif self.method_name in ("mmrm", "nested_mmrm", "reference_based"):
            n = sum(arm.any_score.mean for arm in arms)
        else:
            n = sum(arm.followed.mean for arm in arms)
        return self.numbers.add("n_analysed", n, unit="patients", shown=f"{n:.0f}")

    @cached_property
    def icc(self) -> Number | None:
        """The largest intraclass correlation of therapists on the primary day."""
        largest = max(self.own.truths[0].icc)
        return None if largest <= 0 else self.numbers.add("therapist_icc", largest, shown=f"{largest:.3f}")

    @cached_property
    def above_thresholds(self) -> str:
        """How the target difference stands to the sourced least important differences, in words; "" without any."""
        s = self.scenario
        least = least_differences(s) if s.estimand.endpoint in ("score", "change") and len(s.arms) > 1 else []
        if not least:
            return ""
        above = sum(abs(self.effect_row.value) >= x for x in least)
        n_above = self.numbers.add("thresholds_reached", above)
        n_all = self.numbers.add("thresholds", len(least))
        ends = f"{min(least):g} to {max(least):g} points" if len(least) > 1 else f"{least[0]:g} points"
        return f"it is at least as large as {n_above} of {n_all} published least important differences ({ends})"

    @cached_property
    def one_sentence(self) -> str:
        """The answer of the power run, its power and false rate marked."""
        assert self.study.power.headline is not None
        text = sentence(self.own, self.study.power.headline.numbers)
        numbers = [self.power, *([self.false_rate] if self.false_rate is not None else [])]
        at = 0
        for number in numbers:
            assert isinstance(number.value, float)
            shown = percent(number.value, number.mcse)
            place = text.find(shown, at)
            if place < 0:
                continue
            text = text[:place] + str(number) + text[place + len(shown) :]
            at = place + len(str(number))
        return text

    @cached_property
    def replicates(self) -> Number:
        """Simulated trials behind power and type I error."""
        return self.numbers.add("replicates", self.study.replicates, shown=f"{self.study.replicates:,}")

    @cached_property
    def seed(self) -> Number:
        """The seed of every stream."""
        return self.numbers.add("seed", self.study.seed)

    @cached_property
    def months(self) -> Number | None:
        """Months to the last patient out; None without a plan of the clinic."""
        return self._of_clinic("months", "milestones", "last patient out")

    @cached_property
    def cost(self) -> Number | None:
        """What the trial costs in all; None where no cost is declared."""
        return self._of_clinic("cost_in_all", "cost", "in all")

    def _of_clinic(self, key: str, table: str, metric: str) -> Number | None:
        result = self.study.clinic
        rows = [] if result is None else [q for q in result.rows if q.table == table and metric in (q.of, q.metric)]
        if not rows:
            return None
        row = rows[0]
        shown = f"{row.value:,.0f}" if table == "cost" else None
        return self.numbers.add(key, row.value, mcse=row.mcse, unit=row.unit, shown=shown)

    @cached_property
    def interim(self) -> Interim | None:
        """The interim analyses; None where the scenario declares none."""
        return None if self.study.looks is None else Interim(self.study, self.numbers)

    @cached_property
    def with_looks(self) -> str:
        """Of a trial with interim analyses, what these make of the power that stands before; "" of others."""
        looks = self.interim
        if looks is None:
            return ""
        error = "" if looks.null is None else f" and the {FALSE_RATES[looks.null]} {looks.rate(looks.null)}"
        side = " (one-sided)" if looks.boundaries.rule.sided == 1 else ""
        patients = f"{looks.figure('expected_n')} of {looks.figure('max_n')} patients are randomised on average"
        return (
            "These figures are of the trial without its interim analyses: with them power is"
            f" {looks.rate('power')}{error}{side}, and {patients}."
        )

    # --- what the result depends on ----------------------------------------------------------------------------------

    @cached_property
    def strongest(self) -> str:
        """The assumption that moves power most, in a sentence."""
        bar = self.study.tornado.bars[0]
        low, high = (self.end(bar.range.path, name, end) for name, end in (("low", bar.low), ("high", bar.high)))
        ends = [
            self.numbers.add(
                f"tornado.{bar.range.path}.{n}.value", e.value, unit=bar.range.unit, shown=f"{e.value:.3g}"
            )
            for n, e in (("low", bar.low), ("high", bar.high))
        ]
        if bar.reach <= 2 * max(bar.low.mcse, bar.high.mcse):
            return "No number that was moved changes power by more than twice its Monte Carlo error"
        text = f"Of the numbers that were moved, that of {name_in_words(bar.range.path)} matters most"
        return f"{text}: power is {low} at {ends[0]} and {high} at {ends[1]}{beside_number(bar.range.unit)}"

    def end(self, path: str, name: str, end: End) -> Number:
        """The power at one end of a number's range."""
        return self.numbers.percent(f"tornado.{path}.{name}.power", end.power, end.power_mcse)

    @cached_property
    def verdict(self) -> Number:
        """PASS, AT RISK or FAIL."""
        return self.numbers.add("verdict", self.study.worlds.verdict)

    @cached_property
    def breaking(self) -> str:
        """The world that breaks the plan, and what it does, in a sentence."""
        worlds = self.study.worlds
        broken = worlds.breaking
        if broken is None:
            return "Power and false claims stay within their limits in every world that was tried."
        name, key = broken.world.name, f"world.{broken.world.name}"
        parts = []
        if broken.power is not None:
            parts.append(f"power is {self.numbers.percent(f'{key}.power', broken.power.value, broken.power.mcse)}")
        if broken.false_claims is not None:
            rate = self.numbers.percent(f"{key}.false_claims", broken.false_claims.value, broken.false_claims.mcse)
            parts.append(f"false claims are {rate}")
        if broken is worlds.own:
            return f"The plan does not pass even as declared: {' and '.join(parts)}."
        return f"What breaks it is the world “{name}” ({broken.world.what}): {' and '.join(parts)}."

    @cached_property
    def sources(self) -> list[str]:
        """Keys of everything cited, in order."""
        keys = {n for _, number in self.assumed for n in (number.source, number.spread_source) if n and n != ASSUMPTION}
        keys |= {each["source"] for each in self.scenario.scale.thresholds["mcid"]}
        scale = self.scenario.primary_outcome.scale
        keys |= scale.sources if isinstance(scale, OwnScale) else set()
        return sorted(keys - {ASSUMPTION, DEFINITION})


def beside_number(unit: str) -> str:
    """A unit as it follows a number; nothing for a share, which is no unit."""
    words = "" if unit == "share" else unit_in_words(unit)
    return f" {words}" if words else ""


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
