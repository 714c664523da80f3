"""Trials and a plan to estimates: the same estimators on simulated and real data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kaptrial.analysis.ancova import ancova
from kaptrial.analysis.endpoints import Rule, endpoint
from kaptrial.analysis.fit import Failure, Fit
from kaptrial.spec.errors import ScenarioError
from kaptrial.spec.scenario import Scenario
from kaptrial.spec.trial import Estimand
from kaptrial.trials import Floats, Trials

if TYPE_CHECKING:
    import pandas as pd

BINARY = ("response", "remission", "sustained_response")


def estimate(trials: Trials, scenario: Scenario, estimand: Estimand, method: str) -> Fit:
    """The scenario's analysis of one estimand in every replicate."""
    scores = trials.score if estimand.strategy == "treatment_policy" else _without_intercurrent(trials)
    y = patient_endpoint(trials, scores, scenario, estimand)
    names = scenario.analysis.covariates if method == "ancova" else ()
    return ancova(y, trials.arm, covariate_columns(trials, names), scenario.contrast(estimand).weights)


def patient_endpoint(trials: Trials, scores: Floats, scenario: Scenario, estimand: Estimand) -> Floats:
    """The estimand's endpoint of each patient from `scores`, (replicate, patient)."""
    return endpoint(
        estimand.endpoint,
        scores,
        trials.baseline,
        trials.days,
        estimand.day,
        rule(scenario),
        trials.rescue_day,
    )


def rule(scenario: Scenario) -> Rule:
    """The scale's rules of response and remission and the scenario's of relapse."""
    scale, relapse = scenario.scale, scenario.relapse
    return Rule(
        sign=scale.sign,
        best=scale.best,
        response_fraction=scale.response_fraction,
        remission_at=scale.remission_at_most,
        relapse_fraction=relapse.fraction if relapse else None,
        response_day=relapse.response_day if relapse else None,
        confirmed=relapse.confirmed if relapse else False,
    )


def _without_intercurrent(trials: Trials) -> Floats:
    """Scores before rescue and before treatment was stopped; later ones are set aside (hypothetical strategy)."""
    scores = trials.score
    for event in (trials.rescue_day, trials.stop_day):
        if event is not None:
            scores = np.where(trials.days > event[..., None], np.nan, scores)
    return scores


def covariate_columns(trials: Trials, names: Sequence[str]) -> Floats:
    """The covariates as numbers, (replicate, patient, column): levels as 0/1 columns, the first level left out."""
    columns = []
    for name in names:
        if name == "baseline":
            columns.append(trials.baseline)
            continue
        covariate = trials.covariates[name]
        if covariate.levels:
            columns += [(covariate.values == level).astype(float) for level in range(1, len(covariate.levels))]
        else:
            columns.append(covariate.values)
    return np.stack(columns, axis=-1) if columns else np.empty((*trials.arm.shape, 0))


def measure(endpoint_name: str) -> str:
    """The measure an endpoint's linear contrast estimates."""
    return "risk_difference" if endpoint_name in BINARY else "difference"


def analyse(
    trials: Trials,
    *,
    method: str = "ancova",
    reference: str | None = None,
    baseline: bool = True,
    covariates: Sequence[str] = (),
    target_day: float | None = None,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Contrasts at each day (or one) of a data set: every arm against the reference, or the terms of a 2×2.

    Returns one row a contrast and day: analysis, contrast, measure, day, estimate, se, df, statistic, p, lower, upper,
    n_observed, failure. Raises ScenarioError for a reference or day that does not occur.
    """
    import pandas as pd

    days = list(trials.days)
    if target_day is not None:
        if target_day not in days:
            raise ScenarioError(f"--target-day = {target_day:g}: must be one of {', '.join(f'{d:g}' for d in days)}")
        days = [target_day]
    names = [*(["baseline"] if baseline else []), *covariates] if method == "ancova" else []
    columns = covariate_columns(trials, names)
    rows = []
    for day in days:
        y = trials.score[..., int(np.searchsorted(trials.days, day))]
        for contrast, weights in _contrasts(trials, reference):
            fit = ancova(y, trials.arm, columns, weights)
            lower, upper = fit.interval(alpha)
            rows.append(
                {
                    "analysis": method, "contrast": contrast, "measure": "difference", "day": float(day),
                    "estimate": fit.estimate[0], "se": fit.se[0], "df": fit.df[0], "statistic": fit.statistic[0],
                    "p": fit.p[0], "lower": lower[0], "upper": upper[0],
                    "n_observed": int(np.isfinite(y[0]).sum()),
                    "failure": "" if fit.failure[0] == 0 else Failure(fit.failure[0]).name.lower(),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _contrasts(trials: Trials, reference: str | None) -> list[tuple[str, list[float]]]:
    if trials.factors:
        if reference is not None:
            raise ScenarioError(f"--reference = {reference!r}: goes with --arm, not with --factor")
        if len(trials.factors) == 1:
            return [(trials.factors[0], [-1.0, 1.0])]
        f, g = trials.factors  # arms in the order 00, 01, 10, 11
        return [(f, [-1, 0, 1, 0]), (g, [-1, 1, 0, 0]), (f"{f}:{g}", [1, -1, -1, 1])]
    right = reference if reference is not None else trials.arms[0]
    if right not in trials.arms:
        raise ScenarioError(f"--reference = {right!r}: must be one of {', '.join(trials.arms)}")
    r = trials.arms.index(right)
    return [
        (f"{left} - {right}", [1.0 if a == i else -1.0 if a == r else 0.0 for a in range(len(trials.arms))])
        for i, left in enumerate(trials.arms)
        if i != r
    ]
