"""The smallest size, or other number of a scenario, that reaches a power: stochastic root-finding with common random
numbers.

Every point is simulated under one seed, and a trial of n is the beginning of a trial of n + m, so that the points share
their noise. Near the target the power is fitted by Φ(a + b·u), u = √n for a size and log x for another number, as
independent binomials; the covariance of (a, b) is the sandwich with replicates as clusters, which is right for points
that share replicates (Liang & Zeger 1986, Biometrika 73:13-22). The interval is Fieller's: all u whose fitted power
does not differ from the target. Power at the answer is taken from fresh replicates under the next seed."""

from __future__ import annotations

from collections.abc import Callable

from kaptrial.errors import FieldError, ScenarioError
from kaptrial.questions.size.answer import SIZES, Answer
from kaptrial.questions.size.closed_form import closed_power
from kaptrial.questions.size.paths import solve_path
from kaptrial.questions.size.search import Search, asked
from kaptrial.questions.size.sizes import solve_size
from kaptrial.scenario.files import Raw, build

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
) -> Answer:
    """The value at `over` (default: the scenario's size) at which the primary estimand's power is `target`.

    The first of `analysis.methods` is used; `progress` is told the number of replicates done. Raises ScenarioError for
    a path, bounds or target that cannot be used.
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
    search = Search(raw, base, path, target, bounds, replicates, seed, workers, progress)
    return solve_size(search) if path in SIZES else solve_path(search)


__all__ = ["POINTS", "SIZES", "Answer", "closed_power", "solve"]
