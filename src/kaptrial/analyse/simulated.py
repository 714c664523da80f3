"""The scenario's analyses of simulated trials: one fit of an estimand in every replicate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from kaptrial.analyse.prepared import covariate_columns, patient_endpoint, relapse_times, scores_under
from kaptrial.analysis.ancova import ancova
from kaptrial.analysis.binary import fisher, logistic
from kaptrial.analysis.fit import Fit
from kaptrial.analysis.imputation import reference_based
from kaptrial.analysis.mmrm import mmrm
from kaptrial.analysis.nested import nested
from kaptrial.analysis.nested_longitudinal import nested_longitudinal
from kaptrial.analysis.proportion import beta_binomial, quasi_binomial
from kaptrial.analysis.single_arm import mean_change
from kaptrial.analysis.single_arm import response as single_arm_response
from kaptrial.analysis.survival import cox, logrank, rmst
from kaptrial.arrays import Bools, Floats
from kaptrial.spec.scenario import Scenario
from kaptrial.spec.trial import BINARY, SINGLE_ARM, Estimand
from kaptrial.trials import Trials

# The covariates whose effect may differ from visit to visit; the others have one slope.
BY_VISIT = ("baseline", "randomisation_score")


@dataclass(frozen=True, kw_only=True)
class Question:
    """What an analysis of a block of trials is asked."""

    trials: Trials
    scenario: Scenario
    estimand: Estimand
    option: str = ""

    @property
    def weights(self) -> tuple[float, ...]:
        """The contrast, as weights of the arms."""
        return self.scenario.contrast(self.estimand).weights

    @property
    def y(self) -> Floats:
        """The endpoint of each patient."""
        return patient_endpoint(self.trials, self.trials.score, self.scenario, self.estimand)

    @property
    def covariates(self) -> Floats:
        """All covariates."""
        return covariate_columns(self.trials, self.scenario.analysis.covariates)

    def split_covariates(self) -> tuple[Floats, Floats]:
        """Covariates with a slope at each visit, and with one slope."""
        names = self.scenario.analysis.covariates
        return (
            covariate_columns(self.trials, [name for name in names if name in BY_VISIT]),
            covariate_columns(self.trials, [name for name in names if name not in BY_VISIT]),
        )

    def scores(self) -> tuple[Floats, Floats]:
        """Scores after randomisation under the strategies, as changes if the endpoint is one, and their days."""
        later = self.trials.days > self.scenario.randomisation.day
        under = scores_under(self.trials, self.trials.score, self.estimand.strategies, self.scenario.scale.worst)
        y = under[..., later]
        return (y - self.trials.baseline[..., None] if self.estimand.endpoint == "change" else y), self.trials.days[
            later
        ]


def estimate(trials: Trials, scenario: Scenario, estimand: Estimand, analysis: str) -> Fit:
    """One of `scenario.analyses(estimand)` in every replicate."""
    method, _, option = analysis.partition(" ")
    return ESTIMATORS[method](Question(trials=trials, scenario=scenario, estimand=estimand, option=option))


def measure(method: str, endpoint_name: str) -> str:
    """What a method's estimate of an endpoint is."""
    if method in ("logrank", "cox"):
        return "log_hazard_ratio"
    if method in ("quasibinomial", "beta_binomial", "firth"):
        return "log_odds_ratio"
    if method == "rmst":
        return "rmst_difference"
    if method in SINGLE_ARM:
        return endpoint_name
    return "risk_difference" if endpoint_name in BINARY else "difference"


def visit_weights(endpoint_name: str, days: Floats, day: float) -> Floats:
    """The endpoint as a weighted sum of the scores at `days`: what an MMRM contrast averages over visits.

    auc: the trapezoid rule from day 0, where arms do not differ, divided by its length.
    """
    at = (days == day).astype(float)
    if endpoint_name == "mean_score":
        upto = (days <= day).astype(float)
        return upto / upto.sum()
    if endpoint_name == "auc":
        knots = np.concatenate([[0.0], days[days <= day]])
        spans = np.diff(knots)
        at[days <= day] = (spans + np.append(spans[1:], 0.0)) / 2 / day
    return at


def _ancova(q: Question) -> Fit:
    return ancova(q.y, q.trials.arm, q.covariates, q.weights)


def _difference(q: Question) -> Fit:
    return ancova(q.y, q.trials.arm, covariate_columns(q.trials, ()), q.weights)


def _mmrm(q: Question) -> Fit:
    y, days = q.scores()
    plan, by_visit = q.scenario.analysis, q.split_covariates()
    if plan.constrained_baseline:
        y, days = np.concatenate([q.trials.baseline[..., None], y], axis=-1), np.append(-1.0, days)
        by_visit = (by_visit[0][..., :0], by_visit[1])
    weights = visit_weights(q.estimand.endpoint, days, q.estimand.day)
    if plan.constrained_baseline:
        weights = np.append(0.0, visit_weights(q.estimand.endpoint, days[1:], q.estimand.day))
    fit = mmrm(
        y, q.trials.arm, *by_visit, [q.weights], [weights],
        structures=plan.covariance, df=plan.df, constrained_baseline=plan.constrained_baseline,
    )  # fmt: skip
    return fit.contrast(0)


def _nested(q: Question) -> Fit:
    assert q.trials.therapist is not None  # the scenario was checked
    plan = q.scenario.analysis
    return nested(
        q.y, q.trials.arm, q.trials.therapist, q.covariates, q.weights, df=plan.df, residual=plan.residual
    ).fit


def _nested_mmrm(q: Question) -> Fit:
    assert q.trials.therapist is not None  # the scenario was checked
    y, days = q.scores()
    visit = int(np.searchsorted(days, q.estimand.day))
    return nested_longitudinal(y, q.trials.arm, q.trials.therapist, *q.split_covariates(), q.weights, visit).fit


def _reference_based(q: Question) -> Fit:
    y, days = q.scores()
    visit = int(np.searchsorted(days, q.estimand.day))
    reference = q.scenario.contrast(q.estimand).right[-1]
    return reference_based(
        y, q.trials.arm, *q.split_covariates(), q.weights, visit,
        strategy=q.option, reference=reference, structures=q.scenario.analysis.covariance,  # type: ignore[arg-type]
    )  # fmt: skip


def _response(q: Question) -> Fit:
    return logistic(q.y, q.trials.arm, q.covariates, q.weights).risk_difference


def _firth(q: Question) -> Fit:
    return logistic(q.y, q.trials.arm, q.covariates, q.weights, firth=True).log_odds_ratio


def _fisher(q: Question) -> Fit:
    """The exact test as a fit: the risk difference with the standard error that gives a normal test the exact p."""
    exact = fisher(q.y, q.trials.arm, q.weights)
    z = np.abs(ndtri(np.clip(exact.p / 2, 1e-300, 0.4999999)))
    se = np.where(exact.risk_difference == 0, 1.0, np.abs(exact.risk_difference) / z)
    return Fit(estimate=exact.risk_difference, se=se, df=np.full(len(z), np.inf), failure=exact.failure)


def _times(q: Question) -> tuple[Floats, Bools]:
    return relapse_times(q.trials, q.trials.score, q.scenario, q.estimand)


def _logrank(q: Question) -> Fit:
    return logrank(*_times(q), q.trials.arm, q.weights)


def _cox(q: Question) -> Fit:
    return cox(*_times(q), q.trials.arm, q.covariates, q.weights)


def _rmst(q: Question) -> Fit:
    relapse = q.scenario.relapse
    assert relapse is not None  # the scenario was checked
    origin = relapse.response_day if relapse.origin == "response" else q.scenario.randomisation.day
    found = rmst(*_times(q), q.trials.arm, len(q.weights), q.estimand.day - origin)
    return found.difference(q.weights)


def _days(q: Question) -> tuple[Floats, Floats]:
    """Days of success of each patient, and days counted."""
    total = np.full(q.trials.arm.shape, q.estimand.day)
    return np.round(q.y * total / 100), total


def _quasibinomial(q: Question) -> Fit:
    return quasi_binomial(*_days(q), q.trials.arm, q.covariates, q.weights).fit


def _beta_binomial(q: Question) -> Fit:
    return beta_binomial(*_days(q), q.trials.arm, q.covariates, q.weights).fit


def _single_arm_change(q: Question) -> Fit:
    return mean_change(q.y, q.estimand.benchmark)


def _single_arm_response(q: Question) -> Fit:
    return single_arm_response(q.y, q.estimand.benchmark)


ESTIMATORS: dict[str, Callable[[Question], Fit]] = {
    "ancova": _ancova,
    "difference": _difference,
    "mmrm": _mmrm,
    "nested": _nested,
    "nested_mmrm": _nested_mmrm,
    "reference_based": _reference_based,
    "response": _response,
    "firth": _firth,
    "fisher": _fisher,
    "logrank": _logrank,
    "cox": _cox,
    "rmst": _rmst,
    "quasibinomial": _quasibinomial,
    "beta_binomial": _beta_binomial,
    "single_arm_change": _single_arm_change,
    "single_arm_response": _single_arm_response,
}
