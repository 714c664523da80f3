"""Analyses of days of success out of some, and of counts, one row of the file a patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators.fit import Fit
from kaptrial.method_table import COUNTS, DAYS, method
from kaptrial.methods.options import ALWAYS, ARMS, COMPARED, COVARIATES, Options
from kaptrial.methods.rows import NAN, contrasts, fit_row, value_row
from kaptrial.methods.simulated import SimulatedQuestion
from kaptrial.results import Line, Question
from kaptrial.simulation.data_file import DataFile

# More events of one patient than an estimator takes.
MOST_EVENTS = 10_000_000
OF_DAYS = (*ALWAYS, *COMPARED, *ARMS, *COVARIATES, "patient", "of")


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Counts of one trial, arrays (1, patient): `k` of `n`; n is the exposure of a count."""

    k: Floats
    n: Floats
    arm: Ints
    levels: tuple[tuple[int, ...], ...]
    covariates: Floats
    contrasts: list[tuple[str, list[float]]]
    patients: tuple[str, ...]

    @property
    def n_used(self) -> int:
        """Patients with a count, what it is out of, and all covariates."""
        counted = np.isfinite(self.k) & np.isfinite(self.n)
        return int((counted & np.isfinite(self.covariates).all(axis=-1)).sum())


def read(data: DataFile, options: Options, score: str, of: str, *, bounded: bool) -> Shares:
    """The file's counts. `bounded`: k of n whole days; else n is an exposure, 1 where there is no such column."""
    score, of_column = options.score or score, options.of or of
    patients = data.one_row_each(options.patient)
    k = data.whole_numbers(score, MOST_EVENTS)
    n = np.ones(len(data))
    if bounded or options.of is not None or data.has(of_column):
        n = data.positive(of_column)
    if bounded and (k > n).any():
        data.refuse(score, int((k > n).argmax()), f"must be ≤ `{of_column}`")
    rows = np.arange(len(k))
    arms, arm, levels = data.arms(rows, options.arm, options.factors)
    names = [*([options.baseline] if options.baseline else []), *options.covariates]
    covariates = data.covariates(names, options.categories, rows)
    data.left_out_by_reason(patients, {score: k, of_column: n} | data.numeric(names, options.categories))
    asked = contrasts(arms, options.factors, options.reference)
    return Shares(
        k=k[None],
        n=n[None],
        arm=arm[None],
        levels=levels,
        covariates=covariates[None],
        contrasts=asked,
        patients=patients,
    )


def _about(analysis: str, contrast: str | None, measure: str, endpoint: str = DAYS) -> Question:
    return Question(analysis=analysis, contrast=contrast, measure=measure, endpoint=endpoint, day=NAN)


def abstinent_days_rows(data: DataFile, options: Options) -> list[Line]:
    """Days of success out of days: quasi-binomial odds ratio, and linear on the percent, in a 2×2 without interaction
    too.
    """
    from kaptrial.estimators.ancova import ancova
    from kaptrial.estimators.proportion import quasi_binomial

    counts = read(data, options, "abstinent_days", "days", bounded=True)
    percent = 100 * counts.k / counts.n
    rows = []

    def add(fit: Fit, analysis: str, contrast: str, measure: str) -> None:
        rows.append(fit_row(options, fit, _about(analysis, contrast, measure), counts.n_used, method="abstinent_days"))

    for contrast, weights in counts.contrasts:
        result = quasi_binomial(counts.k, counts.n, counts.arm, counts.covariates, weights)
        add(result.fit, "quasibinomial_logit", contrast, "log_odds_ratio")
    dispersion = _about("quasibinomial_logit", None, "dispersion")
    rows.append(value_row(result.dispersion[0], dispersion, failure=int(result.fit.failure[0])))
    factorial = len(options.factors) == 2
    linear = "percent_linear_interaction" if factorial else "percent_linear"
    for contrast, weights in counts.contrasts:
        add(ancova(percent, counts.arm, counts.covariates, weights), linear, contrast, "difference")
    for f in (0, 1) if factorial else ():
        # Two factors without their interaction: each one the arms, the other a covariate.
        level = np.array(counts.levels)[counts.arm[0]].T[None]
        covariates = np.concatenate([level[:, 1 - f, :, None].astype(float), counts.covariates], axis=-1)
        fit = ancova(percent, level[:, f], covariates, [-1.0, 1.0])
        add(fit, "percent_linear_main_effects", f"main({options.factors[f]})", "difference")
    return rows


def beta_binomial_rows(data: DataFile, options: Options) -> list[Line]:
    """Days of success out of days: beta-binomial odds ratio."""
    from kaptrial.estimators.proportion import beta_binomial

    counts = read(data, options, "abstinent_days", "days", bounded=True)
    rows = []
    for contrast, weights in counts.contrasts:
        result = beta_binomial(counts.k, counts.n, counts.arm, counts.covariates, weights)
        rows.append(fit_row(options, result.fit, _about("beta_binomial", contrast, "log_odds_ratio"), counts.n_used))
    about, failure = _about("beta_binomial", None, "overdispersion"), int(result.fit.failure[0])
    return [*rows, value_row(result.overdispersion[0], about, failure=failure)]


@method(
    "abstinent_days",
    label="quasi-binomial regression",
    summary="days of success out of days, quasi-binomial regression",
    endpoints=(DAYS,),
    measure="log_odds_ratio",
    usual_outcome="higher",
    rows=abstinent_days_rows,
    options=OF_DAYS,
)
def _abstinent_days(q: SimulatedQuestion) -> Fit:
    from kaptrial.estimators.proportion import quasi_binomial

    return quasi_binomial(*_successes(q), q.arm, q.covariates, q.weights).fit


@method(
    "beta_binomial",
    label="beta-binomial regression",
    summary="days of success out of days, beta-binomial regression",
    endpoints=(DAYS,),
    measure="log_odds_ratio",
    usual_outcome="higher",
    rows=beta_binomial_rows,
    options=OF_DAYS,
)
def _beta_binomial(q: SimulatedQuestion) -> Fit:
    from kaptrial.estimators.proportion import beta_binomial

    return beta_binomial(*_successes(q), q.arm, q.covariates, q.weights).fit


def _successes(q: SimulatedQuestion) -> tuple[Floats, Floats]:
    """Days of success of each patient, and days counted."""
    total = np.full(q.arm.shape, q.estimand.day)
    return np.round(q.y * total / 100), total


def count_rows(data: DataFile, options: Options) -> list[Line]:
    """Counts: negative binomial rate ratio, the logarithm of the exposure as offset."""
    from kaptrial.estimators.counts import negative_binomial

    counts = read(data, options, "count", "exposure", bounded=False)
    rows = []
    for contrast, weights in counts.contrasts:
        result = negative_binomial(counts.k, counts.n, counts.arm, counts.covariates, weights)
        rows.append(fit_row(options, result.fit, _about("counts", contrast, "log_rate_ratio", "count"), counts.n_used))
    about, failure = _about("counts", None, "theta", "count"), int(result.fit.failure[0])
    return [*rows, value_row(result.theta[0], about, failure=failure)]


@method(
    "counts",
    label="negative binomial regression",
    summary="counts, negative binomial regression",
    endpoints=COUNTS,
    measure="log_rate_ratio",
    rows=count_rows,
    options=OF_DAYS,
)
def _counts(q: SimulatedQuestion) -> Fit:
    from kaptrial.estimators.counts import negative_binomial

    return negative_binomial(*q.counts(), q.arm, q.covariates, q.weights).fit
