"""Analyses of times to an event, one row of the file a patient: log-rank, Cox, restricted means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaptrial.analysis.fit import Fit
from kaptrial.arrays import Floats, Ints
from kaptrial.data_file import read_file
from kaptrial.errors import DataError, FieldError
from kaptrial.method_table import TIME, method
from kaptrial.methods.options import ALWAYS, ARMS, COMPARED, COVARIATES, Options
from kaptrial.methods.rows import NAN, contrasts, fit_row, value_row
from kaptrial.methods.simulated import SimulatedQuestion
from kaptrial.results import Line, Question

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
    def n_events(self) -> int:
        """Events seen."""
        return int(self.event[np.isfinite(self.time)].sum())


def read(path: Path, options: Options) -> Times:
    """The file's times; rows without a time are left out. Raises ScenarioError for what cannot be used."""
    data = read_file(path)
    time_column = options.time or "time_days"
    event_column = options.event or ("event" if data.has("event") else "relapse")
    time = data.numbers(time_column)
    if (time < 0).any():
        data.refuse(time_column, int((time < 0).argmax()), "must be ≥ 0")
    event = data.zero_one(event_column) == 1
    if data.has(options.patient):
        names = data.frame[options.patient].astype(str)
        if names.duplicated().any():
            row = int(names.duplicated().to_numpy().argmax())
            raise DataError(f"{path}: patient {names.iloc[row]} has two rows (row {row + 2}): must be one")
    rows = np.arange(len(time))
    arms, arm, _ = data.arms(rows, options.arm, options.factors)
    columns = [*([options.baseline] if options.baseline else []), *options.covariates]
    stratum = None
    if options.stratum is not None:
        stratum = data.labels(options.stratum, "every patient needs a stratum")[1][None, :]
    return Times(
        time=time[None, :],
        event=event[None, :],
        arm=arm[None, :],
        arms=arms,
        stratum=stratum,
        covariates=data.covariates(columns, options.categories, rows)[None],
        contrasts=contrasts(arms, options.factors, options.reference),
    )


def _about(analysis: str, contrast: str, measure: str, day: float = NAN) -> Question:
    return Question(analysis=analysis, contrast=contrast, measure=measure, endpoint=TIME, day=day)


def logrank_rows(path: Path, options: Options) -> list[Line]:
    """Log-rank test; `statistic` is its chi-square on 1 df, `estimate` the one-step log hazard ratio (O − E)/V."""
    from kaptrial.analysis import survival

    data = read(path, options)
    rows = []
    for contrast, weights in data.contrasts:
        if sum(weight != 0 for weight in weights) != 2:
            continue  # an interaction is a question for Cox
        fit = survival.logrank(data.time, data.event, data.arm, weights, stratum=data.stratum)
        row = fit_row(options, fit, _about("logrank", contrast, "log_hazard_ratio"), data.n_events)
        chi_square = {"statistic": float(fit.statistic[0]) ** 2, "df": 1.0 if np.isfinite(fit.p[0]) else NAN}
        rows.append(Line(numbers={**row.numbers, **chi_square}))
    return rows + median_rows(data, "logrank")


def cox_rows(path: Path, options: Options) -> list[Line]:
    """Cox regression with Efron's ties: log hazard ratios."""
    from kaptrial.analysis import survival

    data = read(path, options)
    rows = []
    for contrast, weights in data.contrasts:
        fit = survival.cox(data.time, data.event, data.arm, data.covariates, weights, stratum=data.stratum)
        rows.append(fit_row(options, fit, _about("cox", contrast, "log_hazard_ratio"), data.n_events))
    return rows


def rmst_rows(path: Path, options: Options) -> list[Line]:
    """Restricted mean time up to the target day: difference, log ratio and each arm's mean; medians."""
    from kaptrial.analysis import survival

    data = read(path, options)
    horizon = _last_day(path, data) if options.target_day is None else options.target_day
    if not horizon > 0:
        raise FieldError("target_day", horizon, "must be > 0")
    found = survival.rmst(data.time, data.event, data.arm, len(data.arms), horizon)
    rows = []
    for contrast, weights in data.contrasts:
        for fit, measure in ((found.difference(weights), "rmst_difference"), (found.ratio(weights), "log_rmst_ratio")):
            rows.append(fit_row(options, fit, _about("rmst", contrast, measure, horizon), data.n_events))
    for a, name in enumerate(data.arms):
        failure = int(found.failure[0, a])
        row = value_row(found.mean[0, a], _about("rmst", name, "rmst", horizon), failure=failure)
        rows.append(Line(numbers={**row.numbers, "se": float(found.se[0, a])}))
    return rows + median_rows(data, "rmst")


def _last_day(path: Path, data: Times) -> float:
    """The last day up to which every arm is followed."""
    last = []
    for a, name in enumerate(data.arms):
        times = data.time[(data.arm == a) & np.isfinite(data.time)]
        if len(times) == 0:
            raise DataError(f"{path}: no patient of {name} has a time: every arm must, or a day to count to be given")
        last.append(float(times.max()))
    return min(last)


def median_rows(data: Times, analysis: str) -> list[Line]:
    """Kaplan–Meier median of each arm; no number where it is not reached."""
    from kaptrial.analysis import survival

    medians = survival.kaplan_meier(data.time, data.event, data.arm, len(data.arms)).median[0]
    return [value_row(medians[a], _about(analysis, name, "median_days")) for a, name in enumerate(data.arms)]


@method(
    "logrank", summary="log-rank test", endpoints=(TIME,), arms="two", measure="log_hazard_ratio", test_only=True,
    estimates_truth=False, rows=logrank_rows, options=(*TIMES, "stratum"),
)  # fmt: skip
def _logrank(q: SimulatedQuestion) -> Fit:
    from kaptrial.analysis import survival

    return survival.logrank(*q.times(), q.arm, q.weights)


@method(
    "cox", summary="Cox regression", endpoints=(TIME,), measure="log_hazard_ratio", rows=cox_rows,
    options=(*TIMES, "stratum", *COVARIATES),
)  # fmt: skip
def _cox(q: SimulatedQuestion) -> Fit:
    from kaptrial.analysis import survival

    return survival.cox(*q.times(), q.arm, q.covariates, q.weights)


@method(
    "rmst", summary="restricted mean time", endpoints=(TIME,), arms="two", measure="rmst_difference",
    usual_outcome="higher", rows=rmst_rows, options=(*TIMES, "target_day"),
)  # fmt: skip
def _rmst(q: SimulatedQuestion) -> Fit:
    from kaptrial.analysis import survival

    relapse = q.scenario.relapse
    assert relapse is not None  # the scenario was checked
    origin = relapse.response_day if relapse.origin == "response" else q.scenario.randomisation.day
    found = survival.rmst(*q.times(), q.arm, len(q.weights), q.estimand.day - origin)
    return found.difference(q.weights)
