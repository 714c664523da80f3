"""Blocks of simulated Bayesian trials: what is true in each, what its analysis concludes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.errors import TooFewEligible
from kaptrial.model.streams import BLOCK, Stream, generator
from kaptrial.priors.design_prior import draws, seed_of_draw, with_draw
from kaptrial.priors.effects import Better, EffectPrior, belief, named
from kaptrial.priors.gaussian_quadrature import Flag
from kaptrial.priors.gaussian_quadrature.interim import interim
from kaptrial.priors.gaussian_quadrature.trial_model import TrialModel, fast_posterior, trial_model
from kaptrial.process import keep_freed_memory
from kaptrial.questions.decide.nuisance import worlds
from kaptrial.questions.decide.predictive import predictive_probability
from kaptrial.questions.decide.rule import Decision, decide, thresholds
from kaptrial.questions.power.execution import in_threads
from kaptrial.questions.power.nulls import null_of
from kaptrial.questions.power.rows import better
from kaptrial.questions.power.shared import truth_key
from kaptrial.questions.power.truth import Truth, truths, truths_within
from kaptrial.questions.power.truths_of_draws import truths_of_draws
from kaptrial.scenario.checks import ketamine_routes
from kaptrial.scenario.decision import FIXED, NULL, PRIOR
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.simulate import simulate_block

# An error in what is true of a null moves all its trials alike: it may be as large as this share of the error that the
# mean of all their estimates has, which adds at most 4 % to the squared error of a share of them.
SHARE_OF_ERROR = 1 / 4


class Outcome(NamedTuple):
    """Of each replicate under a design and an analysis prior: the true effect, the decision, the posterior's SD, the
    patients followed up when the trial ended, and whether its posterior cannot be used; the probability at the end that
    the benefit exceeds the margin, infinite after an early go; patients that the prior is worth, in the first block."""

    true: Floats
    decision: Ints
    sd: Floats
    patients: Floats
    failed: Bools
    benefit: Floats
    worth: Floats


class Task(NamedTuple):
    """One block of trials: the model, design priors that share its trials, what is true in it, seed and block; and the
    world that its null is of, where that is not the scenario's own."""

    model: TrialModel
    design_priors: tuple[str, ...]
    truth: float
    seed: int
    block: int
    world: str | None = None


@dataclass
class Truths:
    """Truths of primary estimands, simulated once for scenarios that differ in size only."""

    seed: int
    workers: int = 1

    def __post_init__(self) -> None:
        self._known: dict[str, Truth] = {}
        self._behind: dict[tuple[str, int, tuple[int, ...], int], Truth] = {}

    def __call__(self, s: Scenario) -> Truth:
        """Of the scenario's primary estimand, from as many patients as in `power`."""
        key = truth_key(s)
        if key not in self._known:
            self._known[key] = truths(s, seed=self.seed, workers=self.workers)[0]
        return self._known[key]

    def behind(self, s: Scenario, replicates: int) -> Truth:
        """Of the scenario's primary estimand, as precise as so many trials of it need."""

        def excess(_: int, truth: Truth) -> float:
            return truth.mcse / (SHARE_OF_ERROR * error_of_trial(s, truth) / np.sqrt(replicates)) if truth.mcse else 0.0

        key = truth_key(s), s.n_total, s.ratio, replicates
        if key not in self._behind:
            self._behind[key] = truths_within(s, seed=self.seed, excess=excess)[0]
        return self._behind[key]


def error_of_trial(s: Scenario, truth: Truth) -> float:
    """The standard error of a trial's difference of means in which everybody is observed."""
    patients = np.array(s.ratio) / sum(s.ratio) * s.n_total
    weights = np.array(s.contrast(s.estimand).weights)
    return float(np.sqrt(np.sum((weights * np.array(truth.arm_sds)) ** 2 / patients)))


def planned_model(s: Scenario, true: Truths) -> Callable[[Scenario], TrialModel]:
    """How trials of any scenario are analysed: with the spread and the centre that this one plans with."""
    planned = true(alone(s))
    unit, centre = float(np.sqrt(np.mean(np.square(planned.arm_sds)))), float(np.mean(planned.arm_means))
    return lambda scenario: trial_model(scenario, scenario.estimand, unit=unit, centre=centre)


def tasks(s: Scenario, true: Truths, *, replicates: int, draws_of_prior: int, seed: int) -> Iterator[Task]:
    """The blocks of a cell. All priors that add an effect to the null share its trials: common random numbers."""
    own, design_priors = alone(s), s.decision.design_priors
    model_of = planned_model(s, true)
    if FIXED in design_priors:
        for block in range(-(-replicates // BLOCK)):
            yield Task(model_of(own), (FIXED,), true(own).value, seed, block)
    added = tuple(design for design in design_priors if design not in (FIXED, PRIOR))
    if added:
        null, is_interaction = null_scenario(s), s.contrast(s.estimand).kind == "interaction"
        # That of an interaction says how much room the scale leaves, too, which takes all patients.
        truth = (true(null) if is_interaction else true.behind(null, replicates)).value
        for block in range(-(-replicates // BLOCK)):
            yield Task(model_of(null), added, truth, seed, block)
    if PRIOR in design_priors:
        assert s.prior is not None  # it was checked
        drawn = draws(s.prior, ketamine_routes(s), seed=seed, n=draws_of_prior)
        believed = [with_draw(replace(s, variants=None, secondary=()), draw) for draw in drawn]
        seeds = [seed_of_draw(seed, k) for k in range(draws_of_prior)]
        for block, found in enumerate(truths_of_draws(believed, seeds, workers=true.workers)):
            truth = np.nan if found is None else found[0].value
            yield Task(model_of(believed[block]), (PRIOR,), truth, seed, block)


def tasks_of_worlds(s: Scenario, true: Truths, *, replicates: int, seed: int) -> Iterator[Task]:
    """The blocks of every world of the nuisance grid, all without the effect asked about."""
    model_of, listed = planned_model(s, true), worlds(alone(s))
    nulls = [null_scenario(world.scenario) for world in listed]
    found = in_threads(true.behind, [(null, replicates) for null in nulls], true.workers)
    for world, null, truth in zip(listed, nulls, found, strict=True):
        for block in range(-(-replicates // BLOCK)):
            yield Task(model_of(null), (NULL,), truth.value, seed, block, world.label)


def concluded(
    listed: Sequence[Task], workers: int, progress: Callable[[int], None] | None = None
) -> dict[tuple[str, str, str | None], list[Outcome]]:
    """Outcomes of the blocks in their order, by design prior, analysis prior and world."""
    found: dict[tuple[str, str, str | None], list[Outcome]] = {}
    given = [task[:-1] for task in listed]
    for task, by_prior in zip(listed, in_threads(run, given, workers), strict=True):
        for (design, analysis), outcome in by_prior.items():
            found.setdefault((design, analysis, task.world), []).append(outcome)
        if progress is not None:
            progress(BLOCK)
    return found


def alone(s: Scenario) -> Scenario:
    """The scenario with its primary estimand only."""
    return replace(s, variants=None, prior=None, secondary=())


def null_scenario(s: Scenario) -> Scenario:
    """The scenario in which the primary contrast is nil."""
    return replace(alone(s), null=null_of(s, s.estimand))


def run(
    model: TrialModel, design_priors: tuple[str, ...], truth: float, seed: int, block: int
) -> dict[tuple[str, str], Outcome]:
    """One block of trials under design priors (shifts of the null, or the trials as they are) and analysis priors."""
    keep_freed_memory()
    s = model.scenario
    rule, side = s.decision, better(s, model.estimand)
    at = thresholds(rule, side)
    out = {}
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
            benefit = _benefit(below, side)
            for look in s.design.looks:
                running, n_at_look = patients == n, min(max(2, round(look.share * n)), n - 1)
                early = fast_posterior(trials, model, prior, at, patients=n_at_look, shift=shift)
                if look.efficacy is not None:
                    shown = running & (_benefit(early.below[:, 0], side) >= look.efficacy)
                    decision[shown], patients[shown], benefit[shown] = Decision.GO, n_at_look, np.inf
                    running &= ~shown
                if look.futility > 0:
                    known = interim(trials, model, prior, early, n_at_look, shift=shift)
                    futile = running & (predictive_probability(known, prior, rule, side) < look.futility)
                    decision[futile], patients[futile] = Decision.NO_GO, n_at_look
            worth = np.full(BLOCK, np.nan)
            if block == 0:
                of_data = interim(trials, model, prior, posterior, n, shift=shift).early
                worth = n * prior.information(prior.asked) / of_data
            out[design, analysis] = Outcome(true, decision, posterior.sd[:, 0], patients, failed, benefit, worth)
    return out


def _benefit(below: Floats, side: Better) -> Floats:
    """Probability that the effect is better than the margin, from the distribution function at the thresholds."""
    return np.array(below[:, 0] if side == "lower" else 1.0 - below[:, 0])


def _prior(model: TrialModel, name: str) -> EffectPrior:
    side = better(model.scenario, model.estimand)
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


def _never_filled(truth: float, n: int) -> Outcome:
    """Trials that hardly anybody could enter: nothing is concluded."""
    nothing, unknown = np.full(BLOCK, int(Decision.CONSIDER)), np.full(BLOCK, np.nan)
    return Outcome(
        np.full(BLOCK, truth), nothing, unknown, np.full(BLOCK, float(n)), np.ones(BLOCK, dtype=bool), unknown, unknown
    )


def join(outcomes: Sequence[Outcome], n: int) -> Outcome:
    return Outcome(*(np.concatenate(parts)[:n] for parts in zip(*outcomes, strict=True)))
