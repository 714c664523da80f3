"""Operating characteristics of Bayesian decisions: how often a trial ends with go, consider or no go, and wrongly.

What is true comes from a design prior, what is concluded from an analysis prior; the two are named apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from kaptrial.errors import FieldError, TooFewEligible
from kaptrial.model.streams import BLOCK, Stream, generator
from kaptrial.priors.design_prior import draws, with_draw
from kaptrial.priors.effects import EffectPrior, belief, named
from kaptrial.priors.gaussian_quadrature import Flag
from kaptrial.priors.gaussian_quadrature.interim import interim
from kaptrial.priors.gaussian_quadrature.trial_model import TrialModel, fast_posterior, trial_model
from kaptrial.questions.decide.predictive import predictive_probability
from kaptrial.questions.decide.rule import Decision, decide, thresholds
from kaptrial.questions.power.characteristics import Cell
from kaptrial.questions.power.execution import in_order
from kaptrial.questions.power.measures import room_for_synergy, share
from kaptrial.questions.power.nulls import null_of
from kaptrial.questions.power.rows import better
from kaptrial.questions.power.shared import truth_key
from kaptrial.questions.power.truth import Truth, truths
from kaptrial.results import Note, Question, Row
from kaptrial.scenario.decision import FIXED, NULL, PRIOR
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.simulate import simulate_block

# Of the scenario's prior each draw gets one block of trials; its truth is known within the spread between draws.
_TRUTH = {"blocks": 1, "patients": 50}


class _Outcome(NamedTuple):
    """Of each replicate under a design and an analysis prior: the true effect, the decision, the posterior's SD, the
    patients followed up when the trial ended, and whether its posterior cannot be used."""

    true: np.ndarray
    decision: np.ndarray
    sd: np.ndarray
    patients: np.ndarray
    failed: np.ndarray


def decisions(
    cells: Sequence[Cell],
    *,
    seed: int,
    replicates: int,
    draws_of_prior: int = 200,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> list[Row]:
    """Rows of every cell, design prior and analysis prior: `metric`, `value`, `mcse`, `n_replicates`, `n_failed`.

    Rule and priors are those that the cell's scenario declares under `decision`, looks those under `design.looks`.

    Metrics: go, consider, no_go and equivalent (with a ROPE), shares of the replicates; wrong_verdict, go without a
    true effect beyond the margin, or no_go or equivalent with one; posterior_sd, in points; true_effect, its mean; with
    looks stopped, at any of them, and patients, the expected number; for interactions drawn from a named prior
    beyond_scale, the share of draws larger than the scale leaves room for. `go` is power under FIXED, type I error
    under NULL and assurance under the others. Under PRIOR each draw gets a block of trials, and errors come from the
    spread between draws. The result does not depend on `workers`. Raises FieldError where a scenario has not what a
    design prior needs, ScenarioError where an endpoint has no normal likelihood.
    """
    _check(cells)
    known: dict[str, Truth] = {}

    def true(s: Scenario) -> Truth:
        """The primary estimand's truth, simulated once for cells that differ in size only."""
        key = truth_key(s)
        if key not in known:
            known[key] = truths(s, seed=seed)[0]
        return known[key]

    tasks = [
        (c, task)
        for c, cell in enumerate(cells)
        for task in _tasks(cell.scenario, true, seed, replicates, draws_of_prior)
    ]
    by_design: dict[tuple[int, str, str], list[_Outcome]] = {}
    for (c, _), concluded in zip(tasks, in_order(_run, [task for _, task in tasks], workers), strict=True):
        for (design, analysis), outcome in concluded.items():
            by_design.setdefault((c, design, analysis), []).append(outcome)
        if progress is not None:
            progress(BLOCK)
    rows: list[Row] = []
    for (c, design, analysis), outcomes in by_design.items():
        scenario, estimand = cells[c].scenario, cells[c].scenario.estimand
        n, within = (len(outcomes) * BLOCK, BLOCK) if design == PRIOR else (replicates, 1)
        columns = {**cells[c].columns, "design_prior": design, "analysis_prior": analysis}
        asked: dict[str, Any] = {name: getattr(estimand, name) for name in ("contrast", "endpoint", "day")}
        about = Question(analysis="bayes", measure="difference", columns=tuple(columns.items()), **asked)
        joined = _join(outcomes, n)
        room = None
        if design not in (FIXED, NULL, PRIOR) and scenario.contrast(estimand).kind == "interaction":
            found_room = room_for_synergy(scenario, estimand, true(_null(scenario)))
            room = None if found_room is None else found_room[0]
        known_truth = true(_alone(scenario)) if design == FIXED else None
        rows += _rows(about, joined, scenario, within, room, known_truth)
    return rows


def notes(rows: Sequence[Row]) -> list[Note]:
    """What is to be minded when the rows are read."""
    remarks = []
    if any(row.metric == "beyond_scale" for row in rows):
        text = "beyond the scale: share of the effects drawn that are larger than the scale leaves room for; their"
        text += " trials are counted as if it went on"
        remarks.append(Note(code="beyond_scale", severity="information", text=text))
    failed = sum(row.n_failed for row in rows if row.metric == "go")
    if failed:
        text = f"{failed} posteriors in all could not be had to the accuracy promised and decide nothing"
        remarks.append(Note(code="failed", severity="warning", text=text))
    return remarks


def count_replicates(cells: Sequence[Cell], replicates: int, draws_of_prior: int = 200) -> int:
    """How many replicates `decisions` will simulate, for a progress bar."""
    kinds = {design if design in (FIXED, PRIOR) else NULL for design in cells[0].scenario.decision.design_priors}
    blocks = sum(draws_of_prior if kind == PRIOR else -(-replicates // BLOCK) for kind in kinds)
    return len(cells) * blocks * BLOCK


def _check(cells: Sequence[Cell]) -> None:
    """The scenarios have what their design priors need; what varies between cells is not who believes what."""
    for cell in cells:
        s = cell.scenario
        if any(path.startswith(("decision.priors", "decision.design_priors")) for path in cell.columns):
            raise FieldError("priors", "varied", "must be one list, and may name several")
        for i, design in enumerate(s.decision.design_priors):
            at, contrast = f"design_priors[{i}]", s.estimand.contrast
            if design == PRIOR and s.prior is None:
                raise FieldError(at, design, "needs the scenario's own prior, and it declares none")
            if design not in (FIXED, PRIOR) and null_of(s, s.estimand) is None:
                allowed = f"must be scenario or prior: the sides of {contrast} differ in both drug and therapy"
                raise FieldError(at, design, f"{allowed}, and there is no null to add an effect to")


def _tasks(
    s: Scenario, true: Callable[[Scenario], Truth], seed: int, replicates: int, draws_of_prior: int
) -> list[tuple[Any, ...]]:
    """What `_run` takes for each block of a cell. All priors that add an effect to the null share its trials: common
    random numbers."""
    own, design_priors = _alone(s), s.decision.design_priors
    planned = true(own)
    unit, centre = float(np.sqrt(np.mean(np.square(planned.arm_sds)))), float(np.mean(planned.arm_means))
    blocks = range(-(-replicates // BLOCK))
    tasks: list[tuple[Any, ...]] = []

    def add(scenario: Scenario, priors: tuple[str, ...], truth: float, block: int) -> None:
        model = trial_model(scenario, scenario.estimand, unit=unit, centre=centre)
        tasks.append((model, priors, truth, seed, block))

    if FIXED in design_priors:
        for block in blocks:
            add(own, (FIXED,), planned.value, block)
    added = tuple(design for design in design_priors if design not in (FIXED, PRIOR))
    if added:
        null = _null(s)
        at_null = true(null).value
        for block in blocks:
            add(null, added, at_null, block)
    if PRIOR in design_priors:
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


def _run(
    model: TrialModel, design_priors: tuple[str, ...], truth: float, seed: int, block: int
) -> dict[tuple[str, str], _Outcome]:
    """One block of trials under design priors (shifts of the null, or the trials as they are) and analysis priors."""
    s = model.scenario
    rule, side = s.decision, better(s, model.estimand.endpoint)
    at = thresholds(rule, side)
    out: dict[tuple[str, str], _Outcome] = {}
    try:
        trials = simulate_block(s, seed=seed, block=block)
    except TooFewEligible:
        if PRIOR not in design_priors:
            raise
        return {(PRIOR, analysis): _never_filled(truth, s.n_total) for analysis in rule.priors}
    n = trials.arm.shape[1]
    for design in design_priors:
        true, shift = np.full(BLOCK, truth), None
        if design not in (FIXED, PRIOR):
            true = _effects(model, design, seed, block)
            shift = true - truth
        for analysis in rule.priors:
            prior = _prior(model, analysis)
            posterior = fast_posterior(trials, model, prior, at, shift=shift)
            failed = posterior.flag != Flag.OK
            below = np.where(failed[:, None], np.nan, posterior.below[:, 0])
            decision, patients = decide(rule, below, side), np.full(BLOCK, float(n))
            for look in s.design.looks:
                n_at_look = min(max(2, round(look.share * n)), n - 1)
                early = fast_posterior(trials, model, prior, at, patients=n_at_look, shift=shift)
                known = interim(trials, model, prior, early, n_at_look, shift=shift)
                foreseen = predictive_probability(known, prior, rule, side)
                patients[(patients == n) & (foreseen < look.futility)] = n_at_look
            decision[patients < n] = Decision.NO_GO
            out[design, analysis] = _Outcome(true, decision, posterior.sd[:, 0], patients, failed)
    return out


def _prior(model: TrialModel, name: str) -> EffectPrior:
    side = better(model.scenario, model.estimand.endpoint)
    day = model.estimand.day
    stated = belief(name, model.scenario.decision.own_priors)
    return named(stated, roles=model.roles, days=[day], contrast=model.weights, visit=0, unit=model.unit, better=side)


def _effects(model: TrialModel, design: str, seed: int, block: int) -> np.ndarray:
    """The true contrast of each replicate: 0 under the null, else drawn from the prior of that name."""
    if design == NULL:
        return np.zeros(BLOCK)
    weight, mean, sd = _prior(model, design).along(model.weights)
    rng = generator(seed, block, Stream.DESIGN_PRIOR)
    component = np.searchsorted(np.cumsum(weight)[:-1], rng.random(BLOCK), side="right")
    return np.asarray(mean[component] + sd[component] * rng.standard_normal(BLOCK))


def _never_filled(truth: float, n: int) -> _Outcome:
    """Trials that hardly anybody could enter: nothing is concluded."""
    nothing, unknown = np.full(BLOCK, int(Decision.CONSIDER)), np.full(BLOCK, np.nan)
    return _Outcome(np.full(BLOCK, truth), nothing, unknown, np.full(BLOCK, float(n)), np.ones(BLOCK, dtype=bool))


def _join(outcomes: Sequence[_Outcome], n: int) -> _Outcome:
    return _Outcome(*(np.concatenate(parts)[:n] for parts in zip(*outcomes, strict=True)))


def _rows(
    about: Question, outcome: _Outcome, s: Scenario, within: int, room: float | None, known: Truth | None
) -> list[Row]:
    """The rows of one cell, design prior and analysis prior. `within`: replicates that share one draw of the truth;
    `room`: the largest benefit that the scale can show; `known`: the truth where it is one number."""
    n, n_failed = len(outcome.true), int(outcome.failed.sum())
    rows: list[Row] = []

    def add(metric: str, value: float, mcse: float) -> None:
        rows.append(Row(question=about, metric=metric, value=value, mcse=mcse, n_replicates=n, n_failed=n_failed))

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
        if decision != Decision.EQUIVALENT or s.decision.rope is not None:
            add_share(decision.name.lower(), outcome.decision == decision)
    side = better(s, s.estimand.endpoint)
    benefit = -outcome.true if side == "lower" else outcome.true
    beyond = benefit > s.decision.margin
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
    if s.design.looks:
        add_share("stopped", outcome.patients < s.n_total)
        add_mean("patients", outcome.patients)
    return rows
