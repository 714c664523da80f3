"""The threshold of go at which a trial without an effect hardly ever ends in go, whatever the nuisance values are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.errors import FieldError, UserError
from kaptrial.questions.decide.blocks import Truths, concluded, join, tasks, tasks_of_worlds
from kaptrial.questions.decide.characteristics import NUISANCE, check, question_of
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.measures import share
from kaptrial.results import Row
from kaptrial.scenario.decision import FIXED, NULL

# Thresholds are rounded up to this.
STEP = 1e-4
# Runs on trials of their own that a threshold must pass, and thresholds that are tried.
ROUNDS = 5
AS_PLANNED = "as planned"
# A seed of the trials of each run.
_SEEDS = 0x0CA1

# Of each analysis prior and world (None: the scenario's own null) P(effect better than the margin) at the end, infinite
# where a look has ended the trial with go already: trials that a look would end for futility go on.
Evidence = dict[tuple[str, str | None], Floats]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """`rows`: of each analysis prior go_threshold, largest_type_1_error, power and, by world, type_1_error, all but the
    threshold from trials that it does not come from. `rounds`: runs that this took."""

    rows: list[Row]
    rounds: int


def calibrated(
    cell: Cell,
    *,
    alpha: float,
    seed: int,
    replicates: int,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Calibration:
    """The least threshold whose largest type I error over the nuisance grid is at most `alpha`, by analysis prior.

    It is the largest over the worlds of the quantile at 1 − `alpha`; trials of another seed verify it within two Monte
    Carlo standard errors of `alpha`, or join those that it comes from. Raises FieldError for another alpha, UserError
    where go at the looks alone is too frequent.
    """
    if not 0 < alpha < 0.5:
        raise FieldError("calibrate", alpha, "must be a type I error between 0 and 0.5")
    rule = replace(cell.scenario.decision, design_priors=(FIXED, NULL))
    asked = replace(cell, scenario=replace(cell.scenario, decision=rule))
    check([asked])
    true = Truths(seed, workers)

    def run(k: int) -> Evidence:
        trial_seed = int(np.random.SeedSequence([seed, _SEEDS, k]).generate_state(1, np.uint64)[0])
        listed = list(tasks(asked.scenario, true, replicates=replicates, draws_of_prior=0, seed=trial_seed))
        listed += tasks_of_worlds(asked.scenario, true, replicates=replicates, seed=trial_seed)
        found = {}
        for (design, analysis, world), outcomes in concluded(listed, workers, progress).items():
            benefit = join(outcomes, replicates).benefit
            found[analysis, FIXED if design == FIXED else world] = np.nan_to_num(benefit, nan=-np.inf, posinf=np.inf)
        return found

    known = run(0)
    for k in range(1, ROUNDS + 1):
        thresholds = {prior: threshold(_of_nulls(known, prior), alpha) for prior in rule.priors}
        fresh = run(k)
        allowed = alpha + 2 * sqrt(alpha * (1 - alpha) / replicates)
        worst = {prior: _worst(_of_nulls(fresh, prior), thresholds[prior])[1] for prior in rule.priors}
        if all(value <= allowed for value in worst.values()):
            return Calibration(rows=_rows(asked, fresh, thresholds, known, alpha), rounds=k)
        known = {key: np.concatenate([known[key], fresh[key]]) for key in known}
    raise UserError(f"calibrate = {alpha:g}: no threshold was verified in {ROUNDS} runs: more replicates are needed")


def threshold(by_world: Sequence[Floats], alpha: float) -> float:
    """The least multiple of STEP that at most a share `alpha` of the trials of each world reaches."""
    least = max(_quantile(evidence, alpha) for evidence in by_world)
    if not np.isfinite(least):
        raise UserError(f"calibrate = {alpha:g}: looks end more trials than that with go: `efficacy` must be higher")
    return float(min(np.ceil(np.nextafter(least, 2.0) / STEP) * STEP, 1.0))


def _quantile(evidence: Floats, alpha: float) -> float:
    """The value that not more than a share `alpha` exceeds."""
    return float(np.sort(evidence)[::-1][int(alpha * len(evidence))])


def _of_nulls(found: Evidence, prior: str) -> list[Floats]:
    return [evidence for (analysis, world), evidence in found.items() if analysis == prior and world != FIXED]


def _worst(by_world: Sequence[Floats], at: float) -> tuple[int, float]:
    """Number of the world with the largest type I error, and that error."""
    errors = [float(np.mean(evidence >= at)) for evidence in by_world]
    return int(np.argmax(errors)), max(errors)


def _rows(cell: Cell, fresh: Evidence, thresholds: dict[str, float], known: Evidence, alpha: float) -> list[Row]:
    rows = []
    for prior, at in thresholds.items():
        about = question_of(cell, NULL, prior)
        of_nulls = {world: e for (analysis, world), e in fresh.items() if analysis == prior and world != FIXED}
        n = len(next(iter(of_nulls.values())))
        error = sqrt(alpha * (1 - alpha) / len(_of_nulls(known, prior)[0]))
        ends = [max(_quantile(e, a) for e in _of_nulls(known, prior)) for a in (max(alpha - error, 0.0), alpha + error)]
        spread = (ends[0] - ends[1]) / 2
        rows.append(Row(question=about, metric="go_threshold", value=at, mcse=spread, n_replicates=n))
        worst, _ = _worst(list(of_nulls.values()), at)
        where = list(of_nulls)[worst]
        value, mcse = share(of_nulls[where] >= at)
        largest = question_of(cell, NULL, prior, {NUISANCE: where or AS_PLANNED})
        rows.append(Row(question=largest, metric="largest_type_1_error", value=value, mcse=mcse, n_replicates=n))
        value, mcse = share(fresh[prior, FIXED] >= at)
        power = question_of(cell, FIXED, prior)
        rows.append(Row(question=power, metric="power", value=value, mcse=mcse, n_replicates=n))
        for world, evidence in of_nulls.items():
            about = question_of(cell, NULL, prior, {NUISANCE: world or AS_PLANNED})
            value, mcse = share(evidence >= at)
            rows.append(Row(question=about, metric="type_1_error", value=value, mcse=mcse, n_replicates=n))
    return rows
