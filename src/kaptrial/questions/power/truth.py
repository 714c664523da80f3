"""The estimand's true value, by counterfactual simulation: the same patients in every arm, on the recorded scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from kaptrial.arrays import Bools, Floats
from kaptrial.estimators.survival import cox
from kaptrial.method_table import BINARY, COUNTS, TIMES
from kaptrial.methods.prepared import event_times, patient_endpoint
from kaptrial.model.streams import BLOCK
from kaptrial.process import keep_freed_memory
from kaptrial.questions.power.execution import in_threads
from kaptrial.scenario.drawn import with_fields
from kaptrial.scenario.nulls import additive
from kaptrial.scenario.patients import Expectancy
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.trial import Estimand
from kaptrial.simulation.assessments import other_readings
from kaptrial.simulation.simulate import simulate_block
from kaptrial.simulation.trials import Trials

PATIENTS_IN_REPLICATE = 250
BLOCKS = 2
# Where errors decide how many patients it takes: the first few, the most, and how many more than are foreseen.
FIRST_PATIENTS, MOST_PATIENTS, RESERVE = 16 * BLOCK, BLOCKS * BLOCK * PATIENTS_IN_REPLICATE, 1.1
# An error from so many groups is known to a sixth.
JACKKNIFE_GROUPS = 20
# Blocks for truth are numbered far from those of the trials, so that the two are independent under one seed.
FIRST_BLOCK = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The true value of one estimand.

    `value`, `mcse`: the contrast of the endpoint's means and its Monte Carlo standard error. `measures`: the same on
    other measures that analyses estimate: log_odds_ratio, of the arms' shares; log_hazard_ratio, the one that Cox
    regression without covariates finds in many patients. `arm_means`, `arm_sds`: the endpoint's mean and SD between
    patients in each arm. `arm_covariance`: of the Monte Carlo errors of the means; the same patients are in every arm,
    so that a contrast is known better than a sum. `past_best`: largest share, over arms, of patients whose latent score
    at the estimand's day is better than the scale's best. `icc`: share of a score's variance that lies between
    therapists, by arm; 0 for other endpoints.
    """

    value: float
    mcse: float
    arm_means: tuple[float, ...]
    arm_covariance: tuple[tuple[float, ...], ...]
    arm_sds: tuple[float, ...]
    past_best: float
    icc: tuple[float, ...]
    measures: dict[str, tuple[float, float]] = field(default_factory=dict)

    def error_of(self, weights: Floats) -> float:
        """The Monte Carlo standard error of Σ_a w_a · mean of arm a."""
        return float(np.sqrt(max(0.0, weights @ np.array(self.arm_covariance) @ weights)))

    def on(self, measure: str) -> Truth:
        """The truth on the measure that an analysis estimates."""
        value, mcse = self.measures.get(measure, (self.value, self.mcse))
        return replace(self, value=value, mcse=mcse)

    @property
    def by_measure(self) -> dict[str, tuple[float, float]]:
        """Value and error on every measure that there is."""
        return {"difference": (self.value, self.mcse), **self.measures}


class PotentialOutcomes(NamedTuple):
    """Of the same patients in every arm: endpoints and whether a time ended in failure, both (arm, estimand, patient),
    and the share past the best score, (arm, estimand)."""

    endpoints: Floats
    failed: Bools
    past_best: Floats

    def with_more(self, others: PotentialOutcomes) -> PotentialOutcomes:
        """These patients and others."""
        n = [each.endpoints.shape[-1] for each in (self, others)]
        return PotentialOutcomes(
            np.concatenate([self.endpoints, others.endpoints], axis=-1),
            np.concatenate([self.failed, others.failed], axis=-1),
            np.average([self.past_best, others.past_best], axis=0, weights=n),
        )


def truths(
    scenario: Scenario, *, seed: int, blocks: int = BLOCKS, patients: int = PATIENTS_IN_REPLICATE, workers: int = 1
) -> list[Truth]:
    """The truth of each of the scenario's estimands. Therapists differ, but each patient has another.

    From `blocks` blocks of replicates of `patients` patients, or as many as the scenario's ratio needs.
    """
    by_estimand: dict[int, Truth] = {}
    for absent, members in _worlds(scenario):
        s = _counterfactual(scenario, absent, patients)
        estimands = [scenario.estimands[i] for i in members]
        outcomes = _potential_outcomes(s, estimands, seed, range(blocks), workers)
        by_estimand |= _truths(s, members, outcomes)
    return [by_estimand[i] for i in range(len(scenario.estimands))]


def truths_within(
    scenario: Scenario,
    *,
    seed: int,
    excess: Callable[[int, Truth], float],
    first: int = FIRST_PATIENTS,
    most: int = MOST_PATIENTS,
) -> list[Truth]:
    """The truth of each of the scenario's estimands from no more patients than its error needs.

    `excess`: how many times as large as it may be the error of the truth of the estimand of this number is. The `first`
    patients tell how many it takes; these are added, until no error is too large or there are `most` patients.
    """
    by_estimand: dict[int, Truth] = {}
    for absent, members in _worlds(scenario):
        estimands = [scenario.estimands[i] for i in members]
        s, blocks = _counterfactual(scenario, absent, first // BLOCK), range(1)
        outcomes = _potential_outcomes(s, estimands, seed, blocks)
        found = _truths(s, members, outcomes)
        while (times := max(excess(i, truth) for i, truth in found.items())) > 1:
            n = outcomes.endpoints.shape[-1]
            if n >= most:
                break
            in_each = -(-(min(n * times**2 * RESERVE, most) - n) // BLOCK)  # of the replicates of a block, in all
            blocks = range(blocks.stop, blocks.stop + int(-(-in_each // PATIENTS_IN_REPLICATE)))
            s = _counterfactual(scenario, absent, int(-(-in_each // len(blocks))))
            outcomes = outcomes.with_more(_potential_outcomes(s, estimands, seed, blocks))
            found = _truths(s, members, outcomes)
        by_estimand |= found
    return [by_estimand[i] for i in range(len(scenario.estimands))]


def truths_if_additive(scenario: Scenario, *, seed: int, blocks: int = BLOCKS) -> list[Truth]:
    """The truths with γ = κ = ξ = 0: what the recorded scale makes of an additive therapy."""
    therapies = {name: additive(therapy) for name, therapy in scenario.therapies.items()}
    return truths(replace(scenario, therapies=therapies), seed=seed, blocks=blocks)


def truths_without_expectancy(scenario: Scenario, *, seed: int, blocks: int = BLOCKS) -> list[Truth]:
    """The truths if nobody hoped or was disappointed: what is left of the contrast without expectancy."""
    return truths(replace(scenario, expectancy=Expectancy()), seed=seed, blocks=blocks)


def _worlds(scenario: Scenario) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    """The events that are under the hypothetical strategy together, and the numbers of the estimands that say so."""
    for absent in {e.strategies.events("hypothetical") for e in scenario.estimands}:
        yield absent, [i for i, e in enumerate(scenario.estimands) if e.strategies.events("hypothetical") == absent]


def _counterfactual(scenario: Scenario, absent: tuple[str, ...], patients: int) -> Scenario:
    """Many patients, `patients` in each replicate or as many as its arms or ratio need, one therapist each, in a world
    without the events under the hypothetical strategy."""
    therapies = {
        name: t if t.therapists is None else replace(t, therapists=replace(t.therapists, count=None, caseload=1))
        for name, t in scenario.therapies.items()
    }
    causes = {
        "rescue": ("rescue",),
        "open_label_ketamine": ("open_label_ketamine",),
        "therapy_discontinuation": ("stop_sessions",),
        "missed_infusions": ("missed_doses", "stop_doses"),
    }
    conduct = replace(scenario.conduct, **{cause: None for event in absent for cause in causes[event]})
    n = max(patients, 2 * len(scenario.arms), sum(scenario.ratio))
    design = replace(scenario.design, n_per_arm=None, n_total=n)
    return with_fields(scenario, {"design": design, "therapies": therapies, "conduct": conduct})


def _potential_outcomes(
    s: Scenario, estimands: list[Estimand], seed: int, blocks: Sequence[int], workers: int = 1
) -> PotentialOutcomes:
    """What becomes of the patients of these blocks in every arm."""
    keep_freed_memory()

    def outcomes(a: int, block: int) -> tuple[list[Floats], list[Bools], list[float]]:
        trials = simulate_block(s, seed=seed, block=FIRST_BLOCK + block, full=True, force_arm=a)
        values = [_endpoint(trials, s, e).ravel() for e in estimands]
        return values, [_failed(trials, s, e).ravel() for e in estimands], [_past_best(trials, s, e) for e in estimands]

    tasks = [(a, block) for a in range(len(s.arms)) for block in blocks]
    values, failed, shares = zip(*in_threads(outcomes, tasks, workers), strict=True)
    of_arms = [slice(a * len(blocks), (a + 1) * len(blocks)) for a in range(len(s.arms))]
    return PotentialOutcomes(
        np.stack([np.concatenate(values[arm], axis=1) for arm in of_arms]),
        np.stack([np.concatenate(failed[arm], axis=1) for arm in of_arms]),
        np.stack([np.mean(shares[arm], axis=0) for arm in of_arms]),
    )


def _endpoint(trials: Trials, s: Scenario, estimand: Estimand) -> Floats:
    """The endpoint of each patient, observed or not."""
    own = trials.of(s.other_outcome(estimand))
    assert own.outcome is not None
    return patient_endpoint(own, own.outcome, s, estimand)


def _past_best(trials: Trials, s: Scenario, estimand: Estimand) -> float:
    """The share of patients whose latent score on the estimand's day is better than the scale's best."""
    own, scale = trials.of(s.other_outcome(estimand)), s.scale_of(estimand)
    assert own.latent is not None
    past = (own.latent[..., own.days == estimand.day] - scale.best) * scale.sign > 0
    return float(past.mean())


def _failed(trials: Trials, s: Scenario, estimand: Estimand) -> Bools:
    """Whether each patient's time ended in the event; no patient's where the endpoint is no time."""
    if estimand.endpoint not in TIMES:
        return np.zeros(trials.arm.shape, dtype=np.bool_)
    own = trials.of(s.other_outcome(estimand))
    assert own.outcome is not None
    return event_times(own, own.outcome, s, estimand)[1]


def _truths(s: Scenario, members: Sequence[int], outcomes: PotentialOutcomes) -> dict[int, Truth]:
    """The truths of the scenario's estimands of these numbers."""
    return {
        i: _truth(s, s.estimands[i], outcomes.endpoints[:, k], outcomes.failed[:, k], outcomes.past_best[:, k])
        for k, i in enumerate(members)
    }


def _truth(s: Scenario, estimand: Estimand, endpoints: Floats, failed: Bools, beyond: Floats) -> Truth:
    weights = np.array(s.contrast(estimand).weights)
    # Among responders the patients of the arms are not the same; in all other endpoints nobody is missing.
    means, sds = np.nanmean(endpoints, axis=1), np.nanstd(endpoints, axis=1, ddof=1)
    centred = np.nan_to_num(endpoints - means[:, None])
    value, mcse = _mean_and_error(centred, weights, float(weights @ means))
    measures = {}
    used = weights != 0
    if estimand.endpoint in (*BINARY, "percent_abstinent_days"):
        shares = means / (1.0 if estimand.endpoint in BINARY else 100.0)
        if ((shares[used] > 0) & (shares[used] < 1)).all():
            slopes = np.zeros(len(means))
            slopes[used] = (weights * shares / (means * shares * (1 - shares)))[used]  # of the logit in the mean
            logits = np.zeros(len(means))
            logits[used] = np.log(shares[used] / (1 - shares[used]))
            measures["log_odds_ratio"] = _mean_and_error(centred, slopes, float(weights @ logits))
    if estimand.endpoint in COUNTS and (means[used] > 0).all():
        slopes = np.divide(weights, means, out=np.zeros(len(means)), where=used)  # of the log in the mean
        logs = np.log(means, out=np.zeros(len(means)), where=used)
        measures["log_rate_ratio"] = _mean_and_error(centred, slopes, float(weights @ logs))
    if estimand.endpoint in TIMES:
        measures["log_hazard_ratio"] = _log_hazard_ratio(endpoints, failed, weights)
    return Truth(
        value=value,
        mcse=mcse,
        measures=measures,
        arm_means=tuple(map(float, means)),
        arm_covariance=tuple(tuple(map(float, row)) for row in np.atleast_2d(np.cov(centred)) / endpoints.shape[1]),
        arm_sds=tuple(map(float, sds)),
        past_best=float(beyond[weights != 0].max()),
        icc=tuple(_icc(s, estimand, a, float(sd)) for a, sd in enumerate(sds)),
    )


def _mean_and_error(centred: Floats, slopes: Floats, value: float) -> tuple[float, float]:
    """A value with the standard error of Σ slope_a · mean_a over the same patients."""
    spread = slopes @ centred
    return value, float(spread.std(ddof=1) / np.sqrt(spread.size))


def _log_hazard_ratio(times: Floats, failed: Bools, weights: Floats) -> tuple[float, float]:
    """The log hazard ratio of times (arm, patient), with its error by the jackknife over groups of patients.

    The model's own error takes the arms for independent, and the same patients are in every arm.
    """

    def fitted(kept: Bools) -> float:
        arm = np.repeat(np.arange(len(times)), kept.sum())[None, :]
        none = np.empty((1, arm.shape[1], 0))
        fit = cox(times[:, kept].reshape(1, -1), failed[:, kept].reshape(1, -1), arm, none, weights)
        return float(fit.estimate[0])

    group = np.arange(times.shape[1]) % JACKKNIFE_GROUPS
    without = np.array([fitted(group != g) for g in range(JACKKNIFE_GROUPS)])
    return fitted(group >= 0), float(np.sqrt((JACKKNIFE_GROUPS - 1) * without.var()))


def _icc(s: Scenario, estimand: Estimand, a: int, sd: float) -> float:
    session = s.arms[a].therapy
    therapists = s.therapies[session.name].therapists if session else None
    if (
        therapists is None
        or sd == 0
        or s.scale_of(estimand).link != "identity"
        or estimand.endpoint not in ("score", "change")
    ):
        return 0.0
    other = s.other_outcome(estimand)
    loadings = None if other is None else other_readings(s)[other].loadings
    return float((therapists.sd.value * (1.0 if loadings is None else loadings["therapy"])) ** 2 / sd**2)
