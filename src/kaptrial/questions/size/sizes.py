"""The smallest size of a trial."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

from scipy import special

from kaptrial.errors import FieldError
from kaptrial.questions.power.measures import t_power
from kaptrial.questions.power.truth import Truth
from kaptrial.questions.size.answer import Answer
from kaptrial.questions.size.closed_form import closed_size
from kaptrial.questions.size.curve import Axis, Ends, refine, rounded
from kaptrial.questions.size.search import Point, Search
from kaptrial.questions.size.standard_error import SELaw, ceiling_power, se_law, size_by_law, therapists_fixed
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.assessments import assessment_schedule

# The largest arm that is considered unless bounds are given.
LARGEST_ARM = 10_000
# Patients times days read of one trial: a larger one takes gigabytes a block, and is simulated only if bounds ask.
_LARGEST_TRIAL = 300_000


def solve_size(search: Search) -> Answer:
    s = search.base
    arms = 1 if search.path == "design.n_per_arm" else len(s.arms)
    step = 1.0 if search.path == "design.n_per_arm" else float(sum(s.ratio))
    low, high = search.bounds or (max(2.0 * arms, step), largest(s, arms))
    low, high = math.ceil(low / step) * step, math.floor(high / step) * step
    if low >= high:
        allowed = f"must hold two sizes that are multiples of {step:g}, the sum of the ratio"
        raise FieldError("bounds", search.bounds, allowed)
    start = min(max(math.ceil((search.own or low) / step) * step, low), min(high, 1000.0 * arms))
    pilot = search.at(start, search.pilot)
    truth = search.truth()
    known = abs(truth.value) > 4 * truth.mcse + 1e-9
    pilot_shows = abs(pilot.mean) > 4 * pilot.sd / math.sqrt(search.pilot)
    if not known and not pilot_shows:
        return _null_answer(search, truth, start, min(high, 4 * start))
    effect = abs(pilot.mean) if pilot_shows else abs(truth.value)
    law = SELaw(fixed=0.0, fixed_mcse=0.0, per_n=pilot.sd**2 * start)
    ceiling: tuple[float, float] | None = None
    notes: list[str] = []
    ends: Ends
    if therapists_fixed(s):
        law = se_law(search, start, high, arms)
        ceiling = ceiling_power(abs(truth.value) if known else effect, law, search)
        if ceiling[0] < search.target:
            return _fixed_answer(search, law, ceiling, start)
    closed, kind = None, None
    if search.looks is None:
        closed, kind = closed_size(search, truth, effect, law, pilot.df / start, low, high, step)
    answer = partial(search.answer, metric="size", closed_form=closed, closed_form_kind=kind)
    guess = size_by_law(search, effect, law, pilot.df / start, low, high)
    if guess is None:
        at_high = t_power(effect, law.at(high), pilot.df / start * high, search.alpha)
        ncp = effect / law.at(high)
        density = math.exp(-(special.ndtri(at_high) ** 2) / 2) / math.sqrt(2 * math.pi)
        of_effect = pilot.sd / effect / math.sqrt(search.pilot) if pilot_shows else truth.mcse / effect
        error = density * ncp * math.hypot(of_effect, 1 / math.sqrt(2 * search.pilot))
        needed = law.per_n * (search.required_ncp(1e6) / effect) ** 2
        message = (
            f"not reached by {search.path} = {high:g}, the largest considered: power there would be about"
            f" {at_high:.2f} (from the SE simulated at {start:g}); about {needed:.0f} would be needed"
            + ("" if search.looks is None else ", without looks")
        )
        return answer(ceiling=at_high, ceiling_mcse=error, message=message)
    axis = Axis(to=math.sqrt, back=lambda u: u * u, low=low, high=high, step=step)
    u = math.sqrt(guess)
    slope = effect / law.at(guess) / u
    few = 4 if guess * len(s.arms) / arms > 2000 else 6
    refined = refine(search, axis, u, slope, points=few)
    if isinstance(refined, Point):
        if refined.power < search.target:
            message = f"not reached by {search.path} = {refined.value:g}"
            return answer(ceiling=refined.power, ceiling_mcse=refined.mcse, message=message)
        below = max((p.value for p in search.simulated() if p.power < search.target), default=None)
        notes.append(
            f"power is above the target at {refined.value:g}"
            + (", the smallest considered" if below is None else f" and below it at {below:g}; no curve was fitted")
        )
        value, ends = refined.value, (None, None, None, None)
    else:
        value, ends = rounded(search, axis, refined, rising=True)
        if value > high:
            message = f"not reached by {search.path} = {high:g}; about {value:g} would be needed"
            last = search.at(high)
            return answer(ceiling=last.power, ceiling_mcse=last.mcse, message=message)
    fresh = search.at(value, 2 * search.replicates, fresh=True)
    notes += size_notes(search, fresh, known, truth)
    if kind == "approximate":
        near = replace(law, per_n=max(fresh.sd**2 - law.fixed, 1e-12) * value)
        n = size_by_law(search, abs(fresh.mean), near, fresh.df / value, low, high)
        closed = None if n is None else math.ceil(n / step - 1e-9) * step
    most, mcse = ceiling or (None, None)
    law_says = {"closed_form": closed, "closed_form_kind": kind, "ceiling": most, "ceiling_mcse": mcse}
    return search.reached(value, ends, fresh, notes, metric="size", **law_says)


def largest(s: Scenario, arms: int) -> float:
    """The largest size to be simulated unless bounds are given."""
    affordable = _LARGEST_TRIAL * arms / (len(s.arms) * len(assessment_schedule(s.scale, s.design.visits).days))
    return float(min(LARGEST_ARM * arms, 100_000, max(affordable, s.design.n_per_arm or s.n_total)))


def size_notes(search: Search, fresh: Point, known: bool, truth: Truth) -> list[str]:
    """What a reader of the answer should know of the test's validity."""
    notes = []
    if fresh.sd > 0:
        ratio, error = fresh.model_se / fresh.sd, 1 / math.sqrt(2 * len(fresh.shares))
        if ratio < 1 - max(0.05, 4 * error):
            notes.append(
                f"the analysis takes its SE too small, {ratio:.2f} of the true one: it rejects a true null too often,"
                " and part of this power is that"
            )
    if not known:
        notes.append(f"the truth, {truth.value:.2g} ± {truth.mcse:.1g}, is not told from 0: it is bias that is found")
    return notes


def _null_answer(search: Search, truth: Truth, start: float, larger: float) -> Answer:
    first, last = search.at(start), search.at(larger)
    message = (
        f"no size reaches it: the truth is {truth.value:.2g} ± {truth.mcse:.1g}, not told from 0, and a valid test has"
        f" power alpha, {search.level:g} (here {first.power:.3f} at {start:g}, {last.power:.3f} at {larger:g})"
    )
    if last.power > search.level + 4 * last.mcse:
        message += "; what is above alpha is type I error of the declared analysis"
        return search.answer(metric="size", ceiling=search.level, ceiling_mcse=0.0, message=message)
    return search.answer(metric="size", ceiling=last.power, ceiling_mcse=last.mcse, message=message)


def _fixed_answer(search: Search, law: SELaw, ceiling: tuple[float, float], start: float) -> Answer:
    sizes = [p for p in search.answer(metric="size").tried if p.replicates != search.pilot or p.value != start]
    last = sizes[-1]
    message = (
        "no size reaches it: the number of therapists is fixed, so the SE cannot fall below"
        f" {math.sqrt(law.fixed):.2g}, and a test with the right level has power at most {ceiling[0]:.2f} ±"
        f" {ceiling[1]:.1g}; more therapists are needed. The declared analysis ignores them: it rejects in"
        f" {last.power:.2f} at {last.value:g}, and ever more often with n, whether or not there is an effect"
    )
    return search.answer(metric="size", ceiling=ceiling[0], ceiling_mcse=ceiling[1], message=message)
