"""What other staffing would do: duration, cost and power over a grid of plans, and the cheapest plan that is enough.

Every plan runs under the same seed, and so with the same referrals, arms, no-shows and patients (common random
numbers): plans differ by what they change and by little noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kaptrial.estimators.fit import Failure, Fit
from kaptrial.questions.clinic.operations import Operations, check_has_clinic, operations
from kaptrial.questions.clinic.replicate_summary import Key, ReplicateSummary
from kaptrial.questions.clinic.tables import bottleneck
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.execution import Job, run
from kaptrial.questions.power.measures import share

Row = dict[str, Any]
# Quantities of a plan by the table and metric of the summaries they come from.
ABOUT = {
    "months": ("milestones", "trial", "last patient out"),
    "cost": ("cost", "trial", "in all"),
    "therapists_busy": ("utilisation", "therapists", "share"),
    "chairs_busy": ("utilisation", "chairs", "share"),
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a plan must reach: power of the primary estimand, months to the last patient out on average."""

    power: float | None = None
    months: float | None = None


def compare(
    plans: Sequence[Cell],
    *,
    seed: int,
    replicates: int,
    workers: int = 1,
    target: Target | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Row]:
    """One row a plan, in the order given: what tells it from the others, power with its MCSE, the share of promised
    sessions in their window, months, cost, utilisation, bottleneck. Power is NaN where no trial could be analysed, and
    `why_no_power` says why.

    With a `target` the plans are put in the order of their cost, and power is worked out only for those that are fast
    enough and no dearer than the first that has enough power: that one is `chosen`, and nothing on the grid that is
    cheaper does. Power counts as enough where it is not below the target; its MCSE stands beside it. In a first pass
    cost and duration, which vary little between replicates, come from the first `replicates` // 4.
    """
    for plan in plans:
        check_has_clinic(plan.scenario)
    if target is None:
        return [_row(plan, seed, replicates, workers, progress) for plan in plans]
    quick = max(replicates // 4, 16)
    rows = []
    for plan in plans:
        clinic_run = operations(plan.scenario, seed=seed, replicates=quick, workers=workers, progress=progress)
        rows.append(plan.columns | _about(plan, clinic_run))
    order = sorted(range(len(plans)), key=lambda i: (rows[i].get("cost", 0.0), i))
    for i in order:
        if target.months is not None and rows[i]["months"] > target.months:
            continue
        rows[i] = _row(plans[i], seed, replicates, workers, progress)
        fast = target.months is None or rows[i]["months"] <= target.months
        if fast and (target.power is None or (rows[i]["power"] or 0.0) >= target.power):
            rows[i]["chosen"] = True
            break
    return [{**row, "chosen": row.get("chosen", False)} for row in rows]


def _row(plan: Cell, seed: int, replicates: int, workers: int, progress: Callable[[int], None] | None) -> Row:
    clinic_run = operations(
        plan.scenario, seed=seed, replicates=replicates, workers=workers, for_trials=True, progress=progress
    )
    job = Job(scenario=plan.scenario, seed=seed, replicates=replicates, delivered=clinic_run.delivered)
    (fits,) = run([job], workers=workers)
    fit = fits[0, plan.scenario.analyses(plan.scenario.estimand)[0]]
    return plan.columns | _about(plan, clinic_run) | _power(fit, plan.scenario.analysis.alpha)


def _power(fit: Fit, alpha: float) -> Row:
    if (fit.failure != Failure.NONE).all():
        return {"power": math.nan, "power_mcse": math.nan, "mean_estimate": math.nan, "why_no_power": fit.usual_failure}
    value, mcse = share(fit.p < alpha)
    return {"power": value, "power_mcse": mcse, "mean_estimate": float(np.nanmean(fit.estimate))}


def _about(plan: Cell, clinic_run: Operations) -> Row:
    out: Row = {"power": None, "power_mcse": None, "mean_estimate": None}
    summaries = clinic_run.summaries
    for name, key in ABOUT.items():
        values = _values(summaries, key)
        if values:
            out[name] = float(np.mean(values))
    kept = [
        np.mean(shares)
        for arm in plan.scenario.arms
        if (shares := _values(summaries, ("kept", arm.id, "promised sessions in window")))
    ]
    if kept:
        out["in_window"] = float(np.mean(kept))
    out["bottleneck"] = bottleneck(summaries)
    out["n_replicates"] = len(summaries)
    return out


def _values(summaries: Sequence[ReplicateSummary], key: Key) -> list[float]:
    """A number of every replicate that has it."""
    return [each.values[key] for each in summaries if key in each.values]
