"""Operating characteristics of Bayesian decisions: how often a trial ends with go, consider or no go, and wrongly.

What is true comes from a design prior, what is concluded from an analysis prior; the two are named apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kaptrial.bayes.decisions import Decision, Rule, predictive_probability
from kaptrial.bayes.design_prior import draws, with_draw
from kaptrial.bayes.effects import EffectPrior, named
from kaptrial.bayes.fast import Flag
from kaptrial.bayes.fast.trial_model import TrialModel, fast_posterior, trial_model
from kaptrial.catalogue.effect_priors import NAMES
from kaptrial.design.characteristics import Cell, Row, better, null_of, room_for_synergy, share, truth_key
from kaptrial.design.execution import in_order
from kaptrial.errors import FieldError, ScenarioError, Unfillable
from kaptrial.model.streams import BLOCK, Stream, generator
from kaptrial.simulate import simulate_block
from kaptrial.spec.scenario import Scenario
from kaptrial.truth import Truth, truths

# Design priors besides the named ones: the scenario's own values, its null, and the draws of its `prior`.
FIXED, NULL, PRIOR = "scenario", "null", "prior"
# Of the scenario's prior each draw gets one block of trials; its truth is known within the spread between draws.
_TRUTH = {"blocks": 1, "patients": 50}


@dataclass(frozen=True, kw_only=True)
class Interim:
    """A look when `share` of the patients have been followed up, in the order in which they were randomised; the trial
    stops for futility where the predictive probability of `go` is below `futility`."""

    share: float = 0.5
    futility: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise FieldError("interim", self.share, "must be a share of the patients between 0 and 1")
        if not 0 <= self.futility < 1:
            raise FieldError("futility", self.futility, "must be a probability below 1")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is asked of a cell: `design_priors` (FIXED, NULL, PRIOR or a name of `effects`), `analysis_priors`."""

    design_priors: tuple[str, ...]
    analysis_priors: tuple[str, ...]
    rule: Rule
    interim: Interim | None = None


@dataclass(frozen=True, kw_only=True)
class _Task:
    """One block of trials, and the design priors it serves: shifts of the null, or the trials as they are."""

    model: TrialModel
    design_priors: tuple[str, ...]
    plan: Plan
    truth: float
    seed: int
    block: int


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """Of each replicate under a design and an analysis prior: the true effect, the decision, the posterior's SD,
    whether the trial stopped at its interim look, and whether its posterior cannot be used."""

    true: np.ndarray
    decision: np.ndarray
    sd: np.ndarray
    stopped: np.ndarray
    failed: np.ndarray


def decisions(
    cells: Sequence[Cell], plan: Plan, *, seed: int, replicates: int, draws_of_prior: int = 200, workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> list[Row]:  # fmt: skip
    """Rows of every cell, design prior and analysis prior: `metric`, `value`, `mcse`, `n_replicates`, `n_failed`.

    Metrics: go, consider, no_go and equivalent (with a ROPE), shares of the replicates; wrong_verdict, go without a
    true effect beyond the margin, or no_go or equivalent with one; posterior_sd, in points; true_effect, its mean; with
    an interim look stopped, and patients, the expected number; for interactions drawn from a named prior beyond_scale,
    the share of draws larger than the scale leaves room for. `go` is power under FIXED, type I error under NULL and
    assurance under the others. Under PRIOR each draw gets a block of trials, and errors come from the spread between
    draws. The result does not depend on `workers`. Raises ScenarioError where a prior is unknown, a scenario has no
    null or no prior, or an endpoint no normal likelihood.
    """
    _check(cells, plan)
    tasks: list[_Task] = []
    of: list[int] = []
    known: dict[str, Truth] = {}

    def true(s: Scenario) -> Truth:
        """The primary estimand's truth, simulated once for cells that differ in size only."""
        key = truth_key(s)
        if key not in known:
            known[key] = truths(s, seed=seed)[0]
        return known[key]

    for c, cell in enumerate(cells):
        for task in _tasks(cell.scenario, plan, true, seed, replicates, draws_of_prior):
            tasks.append(task)
            of.append(c)
    found: dict[tuple[int, str, str], list[_Outcome]] = {}
    results = in_order(_run, [(task,) for task in tasks], workers)
    for c, concluded in zip(of, results, strict=True):
        for (design, analysis), outcome in concluded.items():
            found.setdefault((c, design, analysis), []).append(outcome)
        if progress is not None:
            progress(BLOCK)
    rows: list[Row] = []
    for (c, design, analysis), outcomes in found.items():
        scenario, estimand = cells[c].scenario, cells[c].scenario.estimand
        n, within = (len(outcomes) * BLOCK, BLOCK) if design == PRIOR else (replicates, 1)
        about: Row = {
            "analysis": "bayes", "contrast": estimand.contrast, "measure": "difference", "endpoint": estimand.endpoint,
            "day": estimand.day, **cells[c].columns, "design_prior": design, "analysis_prior": analysis,
        }  # fmt: skip
        joined = _join(outcomes, n)
        room = None
        if design in NAMES and scenario.contrast(estimand).kind == "interaction":
            room = room_for_synergy(scenario, estimand, true(_null(scenario)))
        known_truth = true(_alone(scenario)) if design == FIXED else None
        rows += [{**about, **row} for row in _rows(joined, plan, scenario, within, room, known_truth)]
    return rows


def count_replicates(cells: Sequence[Cell], plan: Plan, replicates: int, draws_of_prior: int = 200) -> int:
    """How many replicates `decisions` will simulate, for a progress bar."""
    kinds = {design if design in (FIXED, PRIOR) else NULL for design in plan.design_priors}
    blocks = sum(draws_of_prior if kind == PRIOR else -(-replicates // BLOCK) for kind in kinds)
    return len(cells) * blocks * BLOCK


def _check(cells: Sequence[Cell], plan: Plan) -> None:
    for prior in plan.analysis_priors:
        named(prior, roles=["therapy"], days=[1.0], unit=1.0)
    for cell in cells:
        for design in plan.design_priors:
            if design == PRIOR and cell.scenario.prior is None:
                raise ScenarioError("prior is missing: the design prior `prior` is that of the scenario")
            if design not in (FIXED, NULL, PRIOR, *NAMES):
                known = ", ".join((FIXED, NULL, PRIOR, *NAMES))
                raise FieldError("design_priors", design, f"must be one of {known}")
            if design == "flat":
                raise FieldError("design_priors", design, "no effect can be drawn from it, must be a proper belief")
            if design not in (FIXED, PRIOR) and null_of(cell.scenario, cell.scenario.estimand) is None:
                raise FieldError(
                    "design_priors",
                    design,
                    f"the sides of {cell.scenario.estimand.contrast} differ in both drug"
                    " and therapy, and there is no null to add an effect to; must be scenario or prior",
                )


def _tasks(
    s: Scenario, plan: Plan, true: Callable[[Scenario], Truth], seed: int, replicates: int, draws_of_prior: int
) -> list[_Task]:  # fmt: skip
    """The blocks of a cell. All priors that add an effect to the null share its trials: common random numbers."""
    own = _alone(s)
    planned = true(own)
    unit, centre = float(np.sqrt(np.mean(np.square(planned.arm_sds)))), float(np.mean(planned.arm_means))
    blocks = range(-(-replicates // BLOCK))
    tasks: list[_Task] = []

    def add(scenario: Scenario, priors: tuple[str, ...], truth: float, block: int) -> None:
        model = trial_model(scenario, scenario.estimand, unit=unit, centre=centre)
        tasks.append(_Task(model=model, design_priors=priors, plan=plan, truth=truth, seed=seed, block=block))

    if FIXED in plan.design_priors:
        for block in blocks:
            add(own, (FIXED,), planned.value, block)
    added = tuple(design for design in plan.design_priors if design not in (FIXED, PRIOR))
    if added:
        null = _null(s)
        at_null = true(null).value
        for block in blocks:
            add(null, added, at_null, block)
    if PRIOR in plan.design_priors:
        assert s.prior is not None  # it was checked
        for block, draw in enumerate(draws(s.prior, seed=seed, n=draws_of_prior)):
            believed = with_draw(replace(s, variants=None, secondary=()), draw)
            add(believed, (PRIOR,), truths(believed, seed=seed, **_TRUTH)[0].value, block)
    return tasks


def _alone(s: Scenario) -> Scenario:
    """The scenario with its primary estimand only."""
    return replace(s, variants=None, prior=None, secondary=())


def _null(s: Scenario) -> Scenario:
    """The scenario in which the primary contrast is nil."""
    return replace(_alone(s), null=null_of(s, s.estimand))


def _run(task: _Task) -> dict[tuple[str, str], _Outcome]:
    """One block under every design and analysis prior of a task."""
    model, plan = task.model, task.plan
    s = model.scenario
    side = better(s, model.estimand.endpoint, "difference")
    out: dict[tuple[str, str], _Outcome] = {}
    try:
        trials = simulate_block(s, seed=task.seed, block=task.block)
    except Unfillable:
        if PRIOR not in task.design_priors:
            raise
        return {(PRIOR, analysis): _never_filled(task.truth) for analysis in plan.analysis_priors}
    n = trials.arm.shape[1]
    for design in task.design_priors:
        true, shift = np.full(BLOCK, task.truth), None
        if design not in (FIXED, PRIOR):
            true = _effects(model, design, task.seed, task.block)
            shift = true - task.truth
        for analysis in plan.analysis_priors:
            prior = _prior(model, analysis)
            found = fast_posterior(trials, model, prior, plan.rule.asked(side), shift=shift)
            failed = found.flag != Flag.OK
            below = np.where(failed[:, None], np.nan, found.below[:, 0])
            decision = plan.rule.decisions(below, side)
            stopped = np.zeros(BLOCK, dtype=bool)
            if plan.interim is not None:
                seen = max(2, round(plan.interim.share * n))
                early = fast_posterior(trials, model, prior, plan.rule.asked(side), patients=seen, shift=shift)
                foreseen = predictive_probability(
                    early.mean[:, 0], early.sd[:, 0], _prior_sd(prior, model), seen / n, plan.rule, side
                )
                stopped = foreseen < plan.interim.futility
                decision = np.where(stopped, Decision.NO_GO, decision)
            out[design, analysis] = _Outcome(
                true=true, decision=decision, sd=found.sd[:, 0], stopped=stopped, failed=failed
            )  # fmt: skip
    return out


def _prior(model: TrialModel, name: str) -> EffectPrior:
    side = better(model.scenario, model.estimand.endpoint, "difference")
    return named(name, roles=model.roles, days=[model.estimand.day], unit=model.unit, better=side)


def _prior_sd(prior: EffectPrior, model: TrialModel) -> float:
    """SD of the prior of the contrast, over all components."""
    weight, mean, sd = prior.along(model.weights)
    return float(np.sqrt(weight @ (sd**2 + mean**2) - (weight @ mean) ** 2))


def _effects(model: TrialModel, design: str, seed: int, block: int) -> np.ndarray:
    """The true contrast of each replicate: 0 under the null, else drawn from the prior of that name."""
    if design == NULL:
        return np.zeros(BLOCK)
    weight, mean, sd = _prior(model, design).along(model.weights)
    rng = generator(seed, block, Stream.DESIGN_PRIOR)
    component = np.searchsorted(np.cumsum(weight)[:-1], rng.random(BLOCK), side="right")
    return np.asarray(mean[component] + sd[component] * rng.standard_normal(BLOCK))


def _never_filled(truth: float) -> _Outcome:
    """Trials that hardly anybody could enter: nothing is concluded."""
    return _Outcome(
        true=np.full(BLOCK, truth), decision=np.full(BLOCK, int(Decision.CONSIDER)), sd=np.full(BLOCK, np.nan),
        stopped=np.zeros(BLOCK, dtype=bool), failed=np.ones(BLOCK, dtype=bool),
    )  # fmt: skip


def _join(outcomes: Sequence[_Outcome], n: int) -> _Outcome:
    return _Outcome(
        **{name: np.concatenate([getattr(o, name) for o in outcomes])[:n] for name in vars(outcomes[0])}
    )  # fmt: skip


def _rows(
    outcome: _Outcome, plan: Plan, s: Scenario, within: int, room: float | None, known: Truth | None
) -> list[Row]:  # fmt: skip
    """The rows of one cell, design prior and analysis prior. `within`: replicates that share one draw of the truth;
    `room`: the largest benefit that the scale can show; `known`: the truth where it is one number."""
    n = len(outcome.true)
    counts: dict[str, Any] = {"n_replicates": n, "n_failed": int(outcome.failed.sum())}
    rows: list[Row] = []

    def add(metric: str, value: float, mcse: float) -> None:
        rows.append({"metric": metric, "value": value, "mcse": mcse, **counts})

    def add_mean(metric: str, values: np.ndarray) -> None:
        means = values.reshape(-1, within).mean(axis=1)
        kept = means[np.isfinite(means)]
        if len(kept) > 1:
            add(metric, float(kept.mean()), float(kept.std(ddof=1) / np.sqrt(len(kept))))

    def add_share(metric: str, hits: np.ndarray) -> None:
        if within == 1:
            add(metric, *share(hits))
        else:
            add_mean(metric, hits.astype(np.float64))

    for decision in Decision:
        if decision != Decision.EQUIVALENT or plan.rule.rope is not None:
            add_share(decision.name.lower(), outcome.decision == decision)
    side = better(s, s.estimand.endpoint, "difference")
    benefit = -outcome.true if side == "lower" else outcome.true
    beyond = benefit > plan.rule.margin
    against = (outcome.decision == Decision.NO_GO) | (outcome.decision == Decision.EQUIVALENT)
    add_share("wrong_verdict", np.where(beyond, against, outcome.decision == Decision.GO))
    add_share("benefit_is_true", beyond)
    if known is None:
        add_mean("true_effect", outcome.true)
    else:
        add("true_effect", known.value, known.mcse)
    add_mean("posterior_sd", np.where(outcome.failed, np.nan, outcome.sd))
    if room is not None:
        add_share("beyond_scale", benefit > room)
    if plan.interim is not None:
        patients = s.n_total
        seen = max(2, round(plan.interim.share * patients))
        add_share("stopped", outcome.stopped)
        add_mean("patients", np.where(outcome.stopped, float(seen), float(patients)))
    return rows
