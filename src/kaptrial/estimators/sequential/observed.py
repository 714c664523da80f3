"""A design whose looks came at other information than planned, and what is known at a look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.errors import FieldError
from kaptrial.estimators.sequential.bias import bias_adjusted
from kaptrial.estimators.sequential.boundaries import (
    LEAST_STEP,
    Boundaries,
    Futility,
    checked,
    foreseen_boundaries,
    spend,
)
from kaptrial.estimators.sequential.conditional import conditional_power, predictive_power
from kaptrial.estimators.sequential.recursion import FINE
from kaptrial.estimators.sequential.spending import Spending, SpendingFunction
from kaptrial.estimators.sequential.stagewise import drift_at, p_value


def at_observed(planned: Boundaries, observed: Sequence[float]) -> Boundaries:
    """The boundaries where the first looks came at this information, and those to come are at what was planned.

    Errors are spent by the functions of the design, those of a list or of a shape in proportion between its looks; a
    planned look that the data have overtaken is left out, and the last one spends what is left. Where β is spent, it is
    under the drift of the plan, so that the power is no longer as asked.

    Raises FieldError where the information falls, or there are more looks than planned.
    """
    looks = planned.information
    if not 1 <= len(observed) <= len(looks):
        raise FieldError("observed", list(observed), f"must have a number for each look held: 1 to {len(looks)}")
    to_come = [float(at) for at in looks[len(observed) :] if at >= observed[-1] + LEAST_STEP]
    try:
        information = checked(planned.rule, [*observed, *to_come], listed=False)
    except FieldError as error:
        raise FieldError(error.field.replace("information", "observed"), error.value, error.allowed) from None
    rule = planned.rule
    alpha_spent = spent_by(rule.spending, planned.alpha_spent, looks, information, rule.sided)
    beta_spent = None
    if planned.beta_spent is not None:
        beta_spent = spent_by(rule.futility, planned.beta_spent, looks, information)
    found = replace(planned, information=information, alpha_spent=alpha_spent, beta_spent=beta_spent)
    upper, lower = spend(
        information,
        alpha_spent,
        sided=rule.sided,
        beta_spent=beta_spent,
        drift=planned.drift or 0.0,
        binding=rule.binding,
    )
    return foreseen_boundaries(replace(found, upper=upper, lower=lower))


def spent_by(
    spending: Spending | Futility | None, spent: Floats, planned: Floats, information: Floats, sides: int = 1
) -> Floats:
    """The error spent in all at each look, (…, look), where its looks are at this information and the last is the end.

    `spent`, `planned`: in all by each look of the plan, and where those were.
    """
    error = spent[-1]
    if isinstance(spending, SpendingFunction):
        by_now = sides * spending.spent(error / sides, information)
    else:
        by_now = np.interp(information, np.append(0.0, planned), np.append(0.0, spent))
    by_now[..., -1] = error
    return by_now


Verdict = Literal["efficacy", "futility", "continue"]


@dataclass(frozen=True, kw_only=True)
class AtLook:
    """What is known at a look. Power foreseen is None where the trial has ended.

    `conditional`: under the trend seen so far; `conditional_planned`: under the drift that the design has its power
    for; `predictive`: averaged over the trend's error.
    """

    verdict: Verdict
    conditional: float | None = None
    conditional_planned: float | None = None
    predictive: float | None = None


@dataclass(frozen=True, kw_only=True)
class AtEnd:
    """Inference at the look that ended the trial; estimates in units of the standard error there.

    `p`: stagewise, of both sides where the design has two. `lower`, `upper`: of the level that the design has.
    `bias_adjusted`: under which the naive estimate has the mean seen, with looks to come as planned.
    """

    look: int
    p: float
    naive: float
    bias_adjusted: float
    median_unbiased: float
    lower: float
    upper: float


def known_at_looks(boundaries: Boundaries, statistics: Sequence[float]) -> list[AtLook]:
    """What each statistic says in turn. Raises FieldError where one comes after the trial has ended."""
    if not 1 <= len(statistics) <= len(boundaries.information):
        allowed = f"must have a number for each look held: 1 to {len(boundaries.information)}"
        raise FieldError("statistics", list(statistics), allowed)
    known: list[AtLook] = []
    for k, z in enumerate(statistics):
        if not np.isfinite(z):
            raise FieldError(f"statistics[{k}]", z, "must be a number")
        if known and known[-1].verdict != "continue":
            limit = boundaries.upper[k - 1] if known[-1].verdict == "efficacy" else boundaries.lower[k - 1]
            raise FieldError(
                f"statistics[{k - 1}]",
                statistics[k - 1],
                f"ends the trial for {known[-1].verdict}, whose boundary {limit:.6g} binds: no look comes after it",
            )
        verdict = _verdict(boundaries, k, z, last=k + 1 == len(statistics))
        known.append(_foreseen(boundaries, k, z) if verdict == "continue" else AtLook(verdict=verdict))
    return known


def _verdict(boundaries: Boundaries, k: int, z: float, *, last: bool) -> Verdict:
    """Futility that does not bind ends a trial only where no look follows."""
    if (abs(z) if boundaries.rule.sided == 2 else z) >= boundaries.upper[k]:
        return "efficacy"
    at_end = k + 1 == len(boundaries.information)
    obeyed = boundaries.has_futility and (boundaries.rule.binding or last)
    return "futility" if at_end or (obeyed and z <= boundaries.lower[k]) else "continue"


def _foreseen(boundaries: Boundaries, k: int, z: float) -> AtLook:
    at, later, upper = boundaries.information[k], boundaries.information[k + 1 :], boundaries.upper[k + 1 :]
    sided, drift = boundaries.rule.sided, boundaries.drift
    planned = None
    if drift is not None:
        planned = float(np.sum(conditional_power(z, at, later, upper, drift, sided=sided)))
    return AtLook(
        verdict="continue",
        conditional=float(np.sum(conditional_power(z, at, later, upper, z / np.sqrt(at), sided=sided))),
        conditional_planned=planned,
        predictive=float(np.sum(predictive_power(z, at, later, upper, sided=sided))),
    )


def known_at_end(boundaries: Boundaries, statistics: Sequence[float]) -> AtEnd:
    """Inference at the last of these looks, which ended the trial.

    Futility that does not bind is not heeded, but by the bias-adjusted estimate, and there unless an earlier look did
    not obey it.
    """
    k, rule = len(statistics), boundaries.rule
    z = np.asarray(float(statistics[-1]))
    low = boundaries.low if rule.binding or rule.sided == 2 else np.full_like(boundaries.low, -np.inf)
    looks = (boundaries.information[:k], low[:k], boundaries.upper[:k])
    above = float(p_value(z, *looks))
    tail = rule.alpha / rule.sided
    median, lower, upper = (
        float(drift_at(share, z, *looks, grid=FINE) * np.sqrt(looks[0][-1])) for share in (0.5, tail, 1.0 - tail)
    )
    return AtEnd(
        look=k,
        p=2.0 * min(above, 1.0 - above) if rule.sided == 2 else above,
        naive=float(z),
        bias_adjusted=_bias_adjusted(boundaries, statistics),
        median_unbiased=median,
        lower=lower,
        upper=upper,
    )


def _bias_adjusted(boundaries: Boundaries, statistics: Sequence[float]) -> float:
    *before, z = statistics
    ignored = boundaries.has_futility and bool(np.any(np.array(before) <= boundaries.lower[: len(before)]))
    low = np.full_like(boundaries.low, -np.inf) if ignored else boundaries.low
    sd = np.sqrt(boundaries.information[len(before)])
    looks = (boundaries.information, low, boundaries.upper)
    return float(bias_adjusted(np.asarray(z / sd), *looks, grid=FINE) * sd)


def repeated_interval(boundaries: Boundaries, statistics: Sequence[float]) -> tuple[Floats, Floats]:
    """Intervals that hold at every look whatever is decided, in units of the SE at each (Jennison & Turnbull 1989, JRSS
    B 51:305-361)."""
    z, half = np.asarray(statistics, dtype=float), boundaries.upper[: len(statistics)]
    return z - half, z + half
