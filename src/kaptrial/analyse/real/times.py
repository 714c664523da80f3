"""Analyses of times to an event, one row of the file a patient: log-rank, Cox, restricted means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaptrial.analyse.real.options import Options
from kaptrial.analyse.real.rows import NAN, Row, contrasts, fit_row, named, value_row
from kaptrial.analysis import survival
from kaptrial.arrays import Floats, Ints
from kaptrial.data_file import read_file
from kaptrial.spec.errors import ScenarioError


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
            raise ScenarioError(f"{path}: patient {names.iloc[row]} has two rows (row {row + 2}): must be one")
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


def logrank_rows(path: Path, options: Options) -> list[Row]:
    """Log-rank test; `statistic` is its chi-square on 1 df, `estimate` the one-step log hazard ratio (O − E)/V."""
    data = read(path, options)
    rows = []
    for contrast, weights in data.contrasts:
        if sum(weight != 0 for weight in weights) != 2:
            continue  # an interaction is a question for Cox
        fit = survival.logrank(data.time, data.event, data.arm, weights, stratum=data.stratum)
        row = fit_row(
            options, fit, analysis="logrank", contrast=contrast, measure="log_hazard_ratio", n_observed=data.n_events
        )
        rows.append(row | {"statistic": row["statistic"] ** 2, "df": 1.0 if np.isfinite(row["p"]) else NAN})
    return rows + median_rows(data, "logrank")


def cox_rows(path: Path, options: Options) -> list[Row]:
    """Cox regression with Efron's ties: log hazard ratios."""
    data = read(path, options)
    return [
        fit_row(
            options,
            survival.cox(data.time, data.event, data.arm, data.covariates, weights, stratum=data.stratum),
            analysis="cox",
            contrast=contrast,
            measure="log_hazard_ratio",
            n_observed=data.n_events,
        )
        for contrast, weights in data.contrasts
    ]


def rmst_rows(path: Path, options: Options) -> list[Row]:
    """Restricted mean time up to --target-day: difference, log ratio and each arm's mean; medians."""
    data = read(path, options)
    horizon = _last_day(path, data) if options.target_day is None else options.target_day
    if not horizon > 0:
        raise ScenarioError(f"--target-day = {horizon:g}: must be > 0")
    found = survival.rmst(data.time, data.event, data.arm, len(data.arms), horizon)
    rows = []
    for contrast, weights in data.contrasts:
        for fit, measure in ((found.difference(weights), "rmst_difference"), (found.ratio(weights), "log_rmst_ratio")):
            rows.append(
                fit_row(
                    options,
                    fit,
                    analysis="rmst",
                    contrast=contrast,
                    measure=measure,
                    day=horizon,
                    n_observed=data.n_events,
                )
            )
    for a, name in enumerate(data.arms):
        row = value_row(
            found.mean[0, a], se=found.se[0, a], analysis="rmst", measure="rmst", contrast=name, day=horizon
        )
        rows.append(row | {"failure": named(int(found.failure[0, a]))})
    return rows + median_rows(data, "rmst")


def _last_day(path: Path, data: Times) -> float:
    """The last day up to which every arm is followed."""
    last = []
    for a, name in enumerate(data.arms):
        times = data.time[(data.arm == a) & np.isfinite(data.time)]
        if len(times) == 0:
            raise ScenarioError(f"{path}: no patient of {name} has a time: every arm must, or give --target-day")
        last.append(float(times.max()))
    return min(last)


def median_rows(data: Times, analysis: str) -> list[Row]:
    """Kaplan–Meier median of each arm; no number where it is not reached."""
    medians = survival.kaplan_meier(data.time, data.event, data.arm, len(data.arms)).median[0]
    return [
        value_row(medians[a], analysis=analysis, measure="median_days", contrast=name)
        for a, name in enumerate(data.arms)
    ]
