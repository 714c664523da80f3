"""Patients and therapists together: the cheapest plan that reaches a power.

The variance of the estimate is taken for between/therapists + per_n/n, its parts from the simulated SE over n at the
scenario's own therapists (`standard_error.se_law`), and power for that of a t test with Satterthwaite's degrees of
freedom. Simulation corrects that law: the probit of the power that plans have, all under one seed, is fitted as a line
in that of the law. The fewest patients for each number of therapists, and the cheapest plan of all, are read off the
corrected law; power at the answer is taken from fresh replicates."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from scipy import special

from kaptrial.errors import FieldError
from kaptrial.method_table import methods
from kaptrial.questions.power.costs import Costs, costs_of, share_in_therapy, therapists_needed
from kaptrial.questions.power.execution import Job, run
from kaptrial.questions.power.measures import share
from kaptrial.questions.power.nulls import null_runs
from kaptrial.questions.power.rows import rejects
from kaptrial.questions.power.verdicts import NOMINAL
from kaptrial.questions.size.answer import SIZES
from kaptrial.questions.size.curve import ProbitLine, fit_line
from kaptrial.questions.size.nested_form import Part, power_of, square_root_plan
from kaptrial.questions.size.search import Point, Search, asked
from kaptrial.questions.size.sizes import largest, size_notes
from kaptrial.questions.size.staffed_answer import Plan, StaffedAnswer
from kaptrial.questions.size.standard_error import se_law
from kaptrial.scenario.files import Raw, build, with_settings
from kaptrial.scenario.scenario import Scenario

# About how many points a search simulates: what it will cost.
STAFFED_POINTS = 20
THERAPISTS = re.compile(r"therapies\.(\w+)\.therapists\.count")
# Therapists of the plans that are simulated, in those of the cheapest; and sizes beside its own, to tell the slope.
_AROUND, _BESIDE = (0.6, 0.8, 1.0, 1.25, 1.6), (0.8, 1.25)
# A plan is as good as the cheapest where it costs so much more at most.
FLAT = 0.02
NO_NULL = "no type I error: no null of the model makes the sides of the contrast alike"
_Z95 = float(special.ndtri(0.975))


@dataclass(frozen=True, kw_only=True)
class StaffedLaw:
    """SE² = between/therapists + per_n/n. `treated`: the share of per_n from patients with the therapists; `controls`:
    patients of the contrast without them for each n."""

    effect: float
    alpha: float
    between: float
    per_n: float
    treated: float
    controls: float

    def power(self, n: float, therapists: int) -> float:
        """By a t test with Satterthwaite's degrees of freedom."""
        with_therapists = self.between / therapists + self.treated * self.per_n / n
        parts = [Part(variance=with_therapists, df=therapists - 1)]
        if self.treated < 1:
            without = (1 - self.treated) * self.per_n / n
            parts.append(Part(variance=without, df=max(self.controls * n - 1, 1.0)))
        return power_of(self.effect, parts, self.alpha)


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What is solved: the scenario with any number of therapists, and what its plans cost."""

    raw: Raw
    base: Scenario
    path: str
    therapists_path: str
    therapy: str
    costs: Costs
    search: Callable[[Raw, Scenario], Search]
    searches: dict[int, Search] = field(default_factory=dict)

    @property
    def patients(self) -> float:
        """Patients in all for each n."""
        return float(len(self.base.arms)) if self.path == SIZES[0] else 1.0

    @property
    def arms(self) -> int:
        """Arms for each n: one where n is the size of an arm."""
        return round(len(self.base.arms) / self.patients)

    @property
    def step(self) -> int:
        """Sizes are multiples of it."""
        return 1 if self.path == SIZES[0] else sum(self.base.ratio)

    def at(self, therapists: int) -> Search:
        """Sizes at a number of therapists, with the points that were simulated there."""
        if therapists in self.searches:
            return self.searches[therapists]
        settings: dict[str, Any] = {self.therapists_path: therapists}
        staff = self.base.therapies[self.therapy].therapists
        if staff is not None and staff.caseload is not None:
            settings[self.therapists_path.replace(".count", ".caseload")] = None
        raw = with_settings(self.raw, settings)
        self.searches[therapists] = self.search(raw, asked(build(raw)))
        return self.searches[therapists]

    def cost(self, n: float, therapists: int) -> float:
        return self.costs.of(self.base, n * self.patients, {self.therapy: therapists})

    def caseload(self, n: float, therapists: int) -> float:
        return n * self.patients * share_in_therapy(self.base, self.therapy) / therapists

    def best(self, sizes: Mapping[int, int]) -> int:
        """The therapists of the cheapest of some plans, sizes by therapists."""
        return min(sizes, key=lambda therapists: self.cost(sizes[therapists], therapists))

    def enough(self, law: StaffedLaw, therapists: int, goal: float, high: float) -> int | None:
        """The fewest patients with power `goal` by the law, of whom each therapist has two at least; None beyond
        `high`."""
        first = math.ceil(2 / self.caseload(self.step, therapists) - 1e-9)
        last = math.floor(high / self.step)
        if first > last or law.power(last * self.step, therapists) < goal:
            return None
        while first < last:
            middle = (first + last) // 2
            if law.power(middle * self.step, therapists) >= goal:
                last = middle
            else:
                first = middle + 1
        return first * self.step


def solve_staffed(
    raw: Raw,
    *,
    target: float,
    over: Sequence[str],
    costs: Mapping[str, float],
    replicates: int = 2000,
    seed: int = 1,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
    controls: bool = True,
) -> StaffedAnswer:
    """The cheapest number of patients and therapists at which the primary estimand's power is `target`.

    `over`: the path of the size and that of the number of therapists. `costs`: of a patient by arm id, and of a
    therapist by `therapies.NAME.therapists`. Raises FieldError for paths and costs that cannot be used.
    """
    base = asked(build(raw))
    path, therapists_path, therapy = _paths(base, over)
    if base.design.group_sequential is not None:
        allowed = "looks go with one `over`; must be null where patients and therapists are solved for together"
        raise FieldError("design.group_sequential", "declared", allowed)
    if not base.analysis.alpha < target < 1:
        allowed = f"must be between alpha, {base.analysis.alpha:g}, and 1: more is never certain"
        raise FieldError("target", target, allowed)

    def search(at: Raw, scenario: Scenario) -> Search:
        return Search(at, scenario, path, target, None, replicates, seed, workers, progress, controls=controls)

    question = _Question(
        raw=raw,
        base=base,
        path=path,
        therapists_path=therapists_path,
        therapy=therapy,
        costs=costs_of(base, costs, therapy),
        search=search,
    )
    return _solve(question)


def _paths(s: Scenario, over: Sequence[str]) -> tuple[str, str, str]:
    """The path of the size, that of the therapists, and their therapy, which one side of the contrast has."""
    sizes = [path for path in over if path in SIZES]
    staff = [(path, match[1]) for path in over if (match := THERAPISTS.fullmatch(path))]
    if len(over) != 2 or len(sizes) != 1 or len(staff) != 1:
        allowed = f"two are solved for together where one is {' or '.join(SIZES)}, one therapies.NAME.therapists.count"
        raise FieldError("over", ", ".join(over), allowed)
    path, therapy = staff[0]
    therapists = s.therapies[therapy].therapists if therapy in s.therapies else None
    if therapists is None or therapists.sd.value == 0:
        raise FieldError("over", path, "must be the therapists of a therapy of the scenario, who differ (sd above 0)")
    weights = s.contrast(s.estimand).weights
    net = sum(w for w, arm in zip(weights, s.arms, strict=True) if arm.therapy and arm.therapy.name == therapy)
    if abs(net) < 1e-9:
        raise FieldError("over", path, "both sides of the contrast have these therapists: their differences cancel")
    return sizes[0], path, therapy


def _solve(question: _Question) -> StaffedAnswer:
    s = question.base
    high, own = largest(s, question.arms), max(therapists_needed(s, question.therapy, s.n_total), 2)
    search, analysis = question.at(own), s.analyses(s.estimand)[0]
    answer = partial(
        StaffedAnswer,
        analysis=analysis,
        contrast=s.estimand.contrast,
        endpoint=s.estimand.endpoint,
        day=s.estimand.day,
        path=question.path,
        therapists_path=question.therapists_path,
        target=search.target,
        achieved_replicates=2 * search.replicates,
        achieved_seed=search.seed + 1,
    )
    start = math.ceil((search.own or s.n_total) / question.step) * question.step
    pilot, truth = search.at(start, search.pilot), search.truth()
    known = abs(truth.value) > 4 * truth.mcse + 1e-9
    if not known and abs(pilot.mean) <= 4 * pilot.sd / math.sqrt(search.pilot):
        return answer(message=f"no plan reaches it: the truth is {truth.value:.2g} ± {truth.mcse:.1g}, not told from 0")
    law, warnings = _law(question, search, start, high, abs(truth.value) if known else abs(pilot.mean), own)
    closed_n, closed_therapists = _square_root(question, law, search.required_ncp(1e6))
    grid = range(max(2, int(closed_therapists / 2)), math.ceil(2 * closed_therapists) + 3)
    by_law = _cheapest(question, law, grid, search.target, high)
    if not by_law:
        return answer(message=f"not reached by {question.path} = {high:g}, the largest considered, with {grid[-1]}")
    line = _corrected(question, law, by_law, high)
    if line is None:
        warnings.append("power did not rise with size as simulated: the law of the SE was not corrected by it")
    goal = search.target if line is None else float(special.ndtr(line.root(search.goal)))
    enough = _cheapest(question, law, grid, goal, high) or by_law
    best = question.best(enough)
    plans = [_plan(question, enough[k], k) for k in _around(best, enough)]
    fresh = question.at(best).at(enough[best], 2 * search.replicates, fresh=True)
    lower, upper = _interval(question, law, line, best, search.goal, high)
    error, error_mcse = _type_i_error(question.at(best), enough[best])
    near = [k for k, n in enough.items() if question.cost(n, k) <= (1 + FLAT) * question.cost(enough[best], best)]
    if methods()[analysis.split()[0]].needs_therapists:
        warnings += size_notes(search, fresh, known, truth)
    else:
        warnings.append(
            f"{analysis} ignores the therapists and rejects a true null too often: use nested_mmrm or nested"
        )
    return answer(
        plans=tuple(plans),
        chosen=[plan.therapists for plan in plans].index(best),
        lower=lower,
        upper=upper,
        achieved=fresh.power,
        achieved_mcse=fresh.mcse,
        type_i_error=error,
        type_i_error_mcse=error_mcse,
        closed_n=closed_n,
        closed_therapists=closed_therapists,
        flat=(min(near), max(near)),
        message="" if error is not None else NO_NULL,
        warnings=tuple(warnings),
    )


def _square_root(question: _Question, law: StaffedLaw, ncp: float) -> tuple[float, float]:
    """n and therapists at least cost by the square-root rule, at the noncentrality that a normal test needs."""
    costs, s = question.costs, question.base
    per_n = costs.per_patient(s, question.therapy) * question.patients
    units = [per_n, costs.therapists[question.therapy]]
    n, therapists = square_root_plan([law.per_n, law.between], units, variance=(law.effect / ncp) ** 2)
    return n, therapists


def _law(
    question: _Question, search: Search, start: float, high: float, effect: float, own: int
) -> tuple[StaffedLaw, list[str]]:
    """The law of the SE at the scenario's own therapists, taken apart; a warning where their part is lost in noise."""
    s, warnings = question.base, []
    known = se_law(search, start, high, question.arms)
    if known.fixed <= 2 * known.fixed_mcse:
        warnings.append("the therapists' part of the SE is not told from 0 in the first trials: their number is rough")
    weighted = zip(s.arms, s.contrast(s.estimand).weights, s.ratio, strict=True)
    spread = {arm.id: w * w / units for arm, w, units in weighted if w != 0}
    treated = [arm.id for arm in s.arms if arm.therapy is not None and arm.therapy.name == question.therapy]
    units = sum(ratio for arm, ratio in zip(s.arms, s.ratio, strict=True) if arm.id in spread and arm.id not in treated)
    law = StaffedLaw(
        effect=effect,
        alpha=s.analysis.alpha,
        between=max(known.fixed, known.fixed_mcse) * own,
        per_n=known.per_n,
        treated=sum(x for arm, x in spread.items() if arm in treated) / sum(spread.values()),
        controls=question.patients * units / sum(s.ratio),
    )
    return law, warnings


def _cheapest(question: _Question, law: StaffedLaw, grid: range, goal: float, high: float) -> dict[int, int]:
    """The fewest patients that are enough, by the number of therapists; without those for whom none are."""
    sizes = {k: question.enough(law, k, goal, high) for k in grid}
    return {k: n for k, n in sizes.items() if n is not None}


def _around(best: int, cheapest: Mapping[int, int]) -> list[int]:
    """Numbers of therapists around the cheapest's, as far as they are enough."""
    return sorted({k for factor in _AROUND if (k := round(best * factor)) in cheapest} | {best})


def _corrected(question: _Question, law: StaffedLaw, cheapest: Mapping[int, int], high: float) -> ProbitLine | None:
    """The probit of simulated power on that of the law, at plans that have about enough by the law."""
    best = question.best(cheapest)
    tried = [(cheapest[k], k) for k in _around(best, cheapest)]
    beside = [round(cheapest[best] * factor / question.step) * question.step for factor in _BESIDE]
    tried += [(n, best) for n in beside if n <= high and question.caseload(n, best) >= 1]
    points: list[Point] = [question.at(k).at(n) for n, k in tried]
    by_law = np.array([special.ndtri(law.power(n, k)) for n, k in tried])
    line = fit_line(by_law, np.stack([point.shares for point in points]))
    return line if line is not None and line.slope > 0 else None


def _plan(question: _Question, n: int, therapists: int) -> Plan:
    point = question.at(therapists).at(n)
    return Plan(
        n=n,
        n_total=round(n * question.patients),
        therapists=therapists,
        caseload=question.caseload(n, therapists),
        cost=question.cost(n, therapists),
        power=point.power,
        mcse=point.mcse,
    )


def _interval(
    question: _Question, law: StaffedLaw, line: ProbitLine | None, therapists: int, goal: float, high: float
) -> tuple[int | None, int | None]:
    """The 95 % interval of n at a number of therapists, from that of where the corrected law meets the target."""
    ends = (None, None) if line is None else line.interval(goal, _Z95)
    lower, upper = (
        None if end is None else question.enough(law, therapists, float(special.ndtr(end)), high) for end in ends
    )
    return lower, upper


def _type_i_error(search: Search, n: int) -> tuple[float | None, float | None]:
    """How often the plan rejects in fresh replicates under its null; None where no null makes the sides alike."""
    s = search.scenario(n)
    null = next((each.scenario for each in null_runs(s) if each.metric in NOMINAL), None)
    if null is None:
        return None, None
    job = Job(scenario=null, seed=search.seed + 1, replicates=2 * search.replicates)
    (fits,) = run([job], workers=search.workers, progress=search.progress)
    return share(rejects(fits[0, s.analyses(s.estimand)[0]], s.analysis.alpha))
