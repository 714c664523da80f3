"""Analyses of times to an event, one row of the file a patient: log-rank, Cox, restricted means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kaptrial import method_table
from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.errors import ABSENT, DataError, FieldError
from kaptrial.estimators.fit import Failure, Fit, too_few
from kaptrial.method_table import TIME, method
from kaptrial.methods.options import ALWAYS, ARMS, COMPARED, COVARIATES, Options
from kaptrial.methods.prepared import time_origin
from kaptrial.methods.rows import NAN, contrasts, fit_row, value_row
from kaptrial.methods.simulated import SimulatedQuestion
from kaptrial.results import Line, Question
from kaptrial.simulation.data_file import DataFile, without_rounding

TIMES = (*(name for name in ALWAYS if name != "score"), *COMPARED, *ARMS, "patient", "time", "event")


@dataclass(frozen=True, kw_only=True)
class Times:
    """Times of one trial, arrays (1, patient) and covariates (1, patient, column)."""

    time: Floats
    event: np.ndarray
    arm: Ints
    arms: tuple[str, ...]
    stratum: Ints | None
    covariates: Floats
    contrasts: list[tuple[str, list[float]]]

    @property
    def used(self) -> Bools:
        """Patients with a time and all covariates."""
        return np.isfinite(self.time) & np.isfinite(self.covariates).all(axis=-1)

    def row(self, options: Options, fit: Fit, about: Question, compared: Sequence[float] | None = None) -> Line:
        """A line of the table with the patients and events it is from: all, or those of the arms compared."""
        used = self.used if compared is None else self.used & (np.array(compared)[self.arm] != 0)
        return fit_row(options, fit, about, int(used.sum()), n_events=int((self.event & used).sum()))


def read(data: DataFile, options: Options) -> Times:
    """The file's times; patients without a time or a covariate are left out. Raises DataError."""
    time_column = options.time or "time_days"
    event_column = options.event or ("event" if data.has("event") else "relapse")
    time = without_rounding(data.positive(time_column, zero=True))
    data.complete(event_column, "must be 1 for an event, or 0")
    event = data.zero_one(event_column) == 1
    patients = data.one_row_each(options.patient)
    rows = np.arange(len(time))
    arms, arm, _ = data.arms(rows, options.arm, options.factors)
    columns = [*([options.baseline] if options.baseline else []), *options.covariates]
    covariates = data.covariates(columns, options.categories, rows)
    data.left_out_by_reason(patients, {time_column: time} | data.numeric(columns, options.categories))
    stratum = None
    if options.stratum is not None:
        stratum = data.labels(options.stratum, "every patient needs a stratum", names=False)[1][None, :]
    return Times(
        time=time[None, :],
        event=event[None, :],
        arm=arm[None, :],
        arms=arms,
        stratum=stratum,
        covariates=covariates[None],
        contrasts=contrasts(arms, options.factors, options.reference),
    )


def _about(analysis: str, contrast: str, measure: str, day: float = NAN) -> Question:
    return Question(analysis=analysis, contrast=contrast, measure=measure, endpoint=TIME, day=day)


def logrank_rows(data: DataFile, options: Options) -> list[Line]:
    """Log-rank test; `statistic` is its chi-square on 1 df, `estimate` the one-step log hazard ratio (O − E)/V."""
    times = read(data, options)
    rows = []
    for contrast, weights in times.contrasts:
        if sum(weight != 0 for weight in weights) != 2:
            continue  # an interaction is a question for Cox
        fit = _logrank_test(times.time, times.event, times.arm, weights, times.stratum)
        row = times.row(options, fit, _about("logrank", contrast, "log_hazard_ratio"), weights)
        chi_square = {"statistic": float(fit.statistic[0]) ** 2, "df": 1.0 if np.isfinite(fit.p[0]) else NAN}
        rows.append(Line(numbers={**row.numbers, **chi_square}))
    return rows + median_rows(times, "logrank")


def cox_rows(data: DataFile, options: Options) -> list[Line]:
    """Cox regression with Efron's ties: log hazard ratios."""
    from kaptrial.estimators import survival

    times = read(data, options)
    rows = []
    for contrast, weights in times.contrasts:
        fit = survival.cox(times.time, times.event, times.arm, times.covariates, weights, stratum=times.stratum)
        rows.append(times.row(options, fit, _about("cox", contrast, "log_hazard_ratio")))
    return rows


def rmst_rows(data: DataFile, options: Options) -> list[Line]:
    """Restricted mean time up to the target day: difference, log ratio and each arm's mean; medians."""
    from kaptrial.estimators import survival

    times = read(data, options)
    last, horizon = _last_day(data, times), options.target_day
    if horizon is None:
        allowed = (
            f"must be given for rmst, the mean time up to a day set beforehand; every arm is followed to day {last:g}"
        )
        raise FieldError("target_day", ABSENT, allowed)
    if not horizon > 0:
        raise FieldError("target_day", horizon, "must be > 0")
    areas = survival.rmst(times.time, times.event, times.arm, len(times.arms), horizon)
    rows = []
    for contrast, weights in times.contrasts:
        for fit, measure in ((areas.difference(weights), "rmst_difference"), (areas.ratio(weights), "log_rmst_ratio")):
            rows.append(times.row(options, fit, _about("rmst", contrast, measure, horizon), weights))
    for a, name in enumerate(times.arms):
        failure = int(areas.failure[0, a])
        row = value_row(areas.mean[0, a], _about("rmst", name, "rmst", horizon), failure=failure)
        rows.append(Line(numbers={**row.numbers, "se": float(areas.se[0, a])}))
    return rows + median_rows(times, "rmst")


def _last_day(data: DataFile, times: Times) -> float:
    """The last day up to which every arm is followed."""
    last = []
    for a, name in enumerate(times.arms):
        own = times.time[(times.arm == a) & np.isfinite(times.time)]
        if len(own) == 0:
            raise DataError(
                f"{data.path}: no patient of {name} has a time: every arm must, or a day to count to be given"
            )
        last.append(float(own.max()))
    return min(last)


def median_rows(times: Times, analysis: str) -> list[Line]:
    """Kaplan–Meier median of each arm; no number where it is not reached."""
    from kaptrial.estimators import survival

    medians = survival.kaplan_meier(times.time, times.event, times.arm, len(times.arms)).median[0]
    return [value_row(medians[a], _about(analysis, name, "median_days")) for a, name in enumerate(times.arms)]


@method(
    "logrank",
    label="the log-rank test",
    summary="log-rank test",
    endpoints=method_table.TIMES,
    arms="two",
    measure="log_hazard_ratio",
    test_only=True,
    estimates_truth=False,
    rows=logrank_rows,
    options=(*TIMES, "stratum"),
)
def _logrank(q: SimulatedQuestion) -> Fit:
    return _logrank_test(*q.times(), q.arm, q.weights, q.strata())


def _logrank_test(time: Floats, event: Bools, arm: Ints, weights: Sequence[float], stratum: Ints | None = None) -> Fit:
    """The log-rank test where its arms are large enough for the normal distribution to mean anything."""
    from kaptrial.estimators import survival

    fit = survival.logrank(time, event, arm, weights, stratum=stratum)
    few = (fit.failure == Failure.NONE) & too_few(np.isfinite(time), arm, weights)
    numbers = {name: np.where(few, np.nan, getattr(fit, name)) for name in ("estimate", "se", "df")}
    return Fit(**numbers, failure=np.where(few, Failure.TOO_FEW_PATIENTS, fit.failure))


@method(
    "cox",
    label="Cox regression",
    summary="Cox regression",
    endpoints=method_table.TIMES,
    measure="log_hazard_ratio",
    rows=cox_rows,
    options=(*TIMES, "stratum", *COVARIATES),
)
def _cox(q: SimulatedQuestion) -> Fit:
    from kaptrial.estimators import survival

    return survival.cox(*q.times(), q.arm, q.unstratified_covariates(), q.weights, stratum=q.strata())


@method(
    "rmst",
    label="restricted mean times",
    summary="restricted mean time",
    endpoints=method_table.TIMES,
    arms="two",
    measure="rmst_difference",
    usual_outcome="higher",
    rows=rmst_rows,
    options=(*TIMES, "target_day"),
)
def _rmst(q: SimulatedQuestion) -> Fit:
    from kaptrial.estimators import survival

    horizon = q.estimand.day - time_origin(q.scenario, q.estimand)
    areas = survival.rmst(*q.times(), q.arm, len(q.weights), horizon)
    return areas.difference(q.weights)
