"""The smallest size, or other number of a scenario, that reaches a power: stochastic root-finding with common random
numbers.

Every point is simulated under one seed, and a trial of n is the beginning of a trial of n + m, so that the points share
their noise. Near the target the power is fitted by Φ(a + b·u), u = √n for a size and log x for another number, as
independent binomials; the covariance of (a, b) is the sandwich with replicates as clusters, which is right for points
that share replicates (Liang & Zeger 1986, Biometrika 73:13-22). The interval is Fieller's: all u whose fitted power
does not differ from the target. Power at the answer is taken from fresh replicates under the next seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kaptrial.errors import FieldError, ScenarioError
from kaptrial.questions.power.controlled import said_of
from kaptrial.questions.size.answer import SIZES, Answer, SizeResults
from kaptrial.questions.size.closed_form import closed_power
from kaptrial.questions.size.paths import solve_path
from kaptrial.questions.size.search import Search, asked
from kaptrial.questions.size.sizes import solve_size
from kaptrial.questions.size.staffed import STAFFED_POINTS, solve_staffed
from kaptrial.questions.size.staffed_answer import StaffedResults
from kaptrial.questions.size.with_looks import AtAnswer, at_answer
from kaptrial.scenario.files import Raw, build, with_settings
from kaptrial.scenario.scenario import Scenario

# About how many points a search tries, the answer's two among them: what it will cost.
POINTS = 8


def solve(
    raw: Raw,
    *,
    target: float,
    over: str | None = None,
    bounds: tuple[float, float] | None = None,
    replicates: int = 2000,
    seed: int = 1,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
    controls: bool = True,
) -> Answer:
    """The value at `over` (default: the scenario's size) at which the primary estimand's power is `target`.

    The first of `analysis.methods` is used; `progress` is told the number of replicates done; `controls`: with control
    variates. Of a scenario with looks power is that of the trial with them, planned anew at each point, without
    control variates; the same search without looks stands beside it, on the same trials.
    Raises ScenarioError for a path, bounds or target that cannot be used.
    """
    base = asked(build(raw))
    if len(base.arms) == 1:
        raise ScenarioError(
            "arms = 1: must be two or more; one arm is sized by `precision`, or by its power over sizes"
        )
    if not base.analysis.alpha < target < 1:
        allowed = f"must be between alpha, {base.analysis.alpha:g}, and 1: more is never certain"
        raise FieldError("target", target, allowed)
    path = over or ("design.n_total" if base.design.n_per_arm is None else "design.n_per_arm")
    if base.design.group_sequential is not None and path.startswith("design.group_sequential"):
        allowed = "must be a number that the trial has without looks, too; `looks` shows what other looks do"
        raise FieldError("over", path, allowed)
    search = Search(raw, base, path, target, bounds, replicates, seed, workers, progress, controls=controls)
    found = solve_size(search) if path in SIZES else solve_path(search)
    if search.looks is None:
        return found
    return replace(found, without_looks=_without_looks(search), at_answer=_at_answer(search, found))


def _without_looks(search: Search) -> Answer | None:
    """The same search without looks; None where it finds nothing between the bounds that held the answer with them."""
    try:
        return solve(
            with_settings(search.raw, {"design.group_sequential": None}),
            target=search.target,
            over=search.path,
            bounds=search.bounds,
            replicates=search.replicates,
            seed=search.seed,
            workers=search.workers,
            progress=search.progress,
            controls=False,
        )
    except FieldError:
        return None


def _at_answer(search: Search, found: Answer) -> AtAnswer | None:
    """What looks do at the value found; None where none was."""
    if found.value is None:
        return None
    fresh = search.at(found.value, found.achieved_replicates, fresh=True)
    assert fresh.held is not None
    plan, own = fresh.held
    return at_answer(
        search.scenario(found.value),
        plan,
        own,
        target=search.target,
        seed=found.achieved_seed,
        replicates=search.replicates,
        workers=search.workers,
    )


def answer(
    raw: Raw,
    *,
    over: Sequence[str],
    costs: Mapping[str, float],
    bounds: tuple[float, float] | None,
    provenance: Mapping[str, Any],
    controls: bool = True,
    **run: Any,
) -> SizeResults | StaffedResults:
    """What `solve` finds over one path, or none; over two, with costs, what `solve_staffed` does.

    Raises FieldError for costs with one path, and for bounds with two.
    """
    controls = controls and build(raw).design.group_sequential is None
    run, made = {**run, "controls": controls}, {**provenance, **said_of(controls)}
    if len(over) < 2:
        if costs:
            raise FieldError("costs", ", ".join(costs), "go with two `over`: the size, and the number of therapists")
        return solve(raw, over=next(iter(over), None), bounds=bounds, **run).results(made)
    if bounds is not None:
        raise FieldError("bounds", bounds, "goes with one `over`")
    return solve_staffed(raw, over=over, costs=costs, **run).results(made)


def count_points(over: Sequence[str], base: Scenario) -> int:
    """About how many points `answer` simulates; with looks, as many again without them."""
    if len(over) >= 2:
        return STAFFED_POINTS
    return POINTS if base.design.group_sequential is None else 2 * POINTS + 2


__all__ = ["SIZES", "Answer", "answer", "closed_power", "count_points", "solve", "solve_staffed"]
