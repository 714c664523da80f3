"""Sizes, and other numbers, of a trial with looks: what it takes beyond the trial without them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from kaptrial.questions.looks.planning import Planned, nulls_of_primary
from kaptrial.questions.looks.rows import World
from kaptrial.questions.power.measures import paired_difference, share
from kaptrial.results import Value
from kaptrial.scenario.looks import SequentialLook, months_to_primary
from kaptrial.scenario.scenario import Scenario


def keeping_shares(s: Scenario, base: Scenario) -> Scenario:
    """The scenario with its looks where they are in `base`, a trial of another size: when the same share of the
    patients has reached the primary visit, and so earlier or later in patients and months."""
    plan, factor = s.design.group_sequential, s.n_total / base.n_total
    if plan is None or factor == 1:
        return s
    wait = months_to_primary(s)

    def kept(look: SequentialLook) -> SequentialLook:
        if look.patients is not None:
            return replace(look, patients=max(2, round(look.patients * factor)))
        if look.month is not None and look.month > wait:
            return replace(look, month=wait + (look.month - wait) * factor)
        return look

    looks = tuple(map(kept, plan.looks))
    return replace(s, design=replace(s.design, group_sequential=replace(plan, looks=looks)))


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number with its Monte Carlo standard error."""

    value: float
    mcse: float


@dataclass(frozen=True, kw_only=True)
class AtAnswer:
    """What looks do in fresh trials at the value that a search found.

    `expected_n`, `expected_n_null`: patients randomised on average, under the scenario and under its null, where it has
    one. `power_without_looks`: of the same trials. `relative_error`: that of the size over the one without looks.
    `patients`, `months`: at the primary visit at each look before the end, and when that is.
    """

    max_n: int
    expected_n: Figure
    expected_months: Figure
    power_without_looks: Figure
    relative_error: float
    type_i_error: Figure | None = None
    expected_n_null: Figure | None = None
    expected_months_null: Figure | None = None
    patients: tuple[int, ...]
    months: tuple[float, ...]

    def numbers(self) -> dict[str, Value]:
        """As columns of a line."""
        numbers: dict[str, Value] = {"max_n": self.max_n}
        for name, figure in vars(self).items():
            if isinstance(figure, Figure):
                numbers |= {name: figure.value, f"{name}_mcse": figure.mcse}
        return numbers


def at_answer(
    s: Scenario, plan: Planned, own: World, *, target: float, seed: int, replicates: int, workers: int
) -> AtAnswer:
    """What looks do in trials `own` of a scenario held by its plan, and in as many under its null.

    The error of the inflation is that of the paired powers at the answer, in probits over the slope of the probit in
    √n. It is too large, as the curves rest on several sizes: the inflation varied by .6 of it (14 seeds, clean trial).
    """
    fixed = plan.without_looks(own)
    count = len(fixed)
    _, apart = paired_difference(fixed, own.course.rejects)
    goal = float(special.ndtri(target))
    density = math.exp(-(goal**2) / 2) / math.sqrt(2 * math.pi)
    critical = float(special.ndtri(1 - s.analysis.alpha / 2))
    under_null = {}
    nulls = nulls_of_primary(s)
    if nulls:
        null = plan.held(nulls[0].scenario, nulls[0].metric, seed=seed, replicates=count, workers=workers)
        under_null = {
            "type_i_error": Figure(**dict(zip(("value", "mcse"), share(null.course.rejects), strict=True))),
            "expected_n_null": _mean(plan.n_randomised(null)),
            "expected_months_null": _mean(plan.months(null)),
        }
    value, mcse = share(fixed)
    return AtAnswer(
        max_n=s.n_total,
        expected_n=_mean(plan.n_randomised(own)),
        expected_months=_mean(plan.months(own)),
        power_without_looks=Figure(value=value, mcse=mcse),
        relative_error=2 * apart * math.sqrt(count / replicates) / density / (critical + goal),
        patients=tuple(int(n) for n in plan.designed.n_followed[:-1]),
        months=tuple(float(month) for month in plan.designed.months[:-1]),
        **under_null,
    )


def _mean(values: np.ndarray) -> Figure:
    return Figure(value=float(values.mean()), mcse=float(values.std(ddof=1) / math.sqrt(len(values))))
