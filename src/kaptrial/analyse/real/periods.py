"""Crossover trials, one row of the file a patient and period; and trials of one arm."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kaptrial.analyse.real.options import Options
from kaptrial.analyse.real.rows import Row, fit_row, named, value_row
from kaptrial.analyse.real.scores import responses
from kaptrial.analysis import single_arm
from kaptrial.analysis.crossover import carryover, crossover
from kaptrial.data_file import read_file
from kaptrial.errors import DataError, FieldError
from kaptrial.trials import read_csv


def crossover_rows(path: Path, options: Options) -> list[Row]:
    """Treatments compared within patients, given periods; the test for carry-over on patients' totals."""
    data = read_file(path)
    score = options.score or "score"
    data.need(options.patient, options.period, options.treatment, score)
    treatments, treatment = data.labels(options.treatment, "every period needs a treatment")
    periods, row_period = data.labels(options.period, "must be a period")
    patients, row_patient = np.unique(data.frame[options.patient].astype(str), return_inverse=True)
    if len(treatments) < 2 or len(periods) < 2:
        raise DataError(f"{path}: a crossover needs two treatments and two periods or more")
    shape = (1, len(patients), len(periods))
    if len(np.unique(row_patient * len(periods) + row_period)) < len(row_patient):
        raise DataError(f"{path}: a patient has two rows for one period: must be one")
    y, given = np.full(shape, np.nan), np.full(shape, -1)
    y[0, row_patient, row_period] = data.numbers(score)
    given[0, row_patient, row_period] = treatment
    sequences, sequence = _sequences(given[0])
    right = options.reference if options.reference is not None else treatments[0]
    if right not in treatments:
        raise FieldError("reference", right, f"must be one of {', '.join(treatments)}")
    rows = []
    for left in treatments:
        if left == right:
            continue
        weights = [1.0 if t == left else -1.0 if t == right else 0.0 for t in treatments]
        fit = crossover(
            y, given, weights, first_period_only=options.first_period_only,
            df=options.df or "kenward-roger",
        )  # fmt: skip
        rows.append(
            fit_row(
                options,
                fit,
                analysis="crossover",
                contrast=f"{left} - {right}",
                measure="difference",
                n_observed=int(np.isfinite(y).any(axis=-1).sum()),
            )
        )
    if len(sequences) == 2 and len(periods) == 2:
        label = [">".join(treatments[t] for t in each) for each in sequences]
        if data.has(options.sequence):
            data.same_for(row_patient, options.sequence)
            own = data.frame[options.sequence].astype(str).to_numpy()
            label = [str(own[(sequence == k)[row_patient]][0]) for k in (0, 1)]
        # The sequence whose name comes first in the alphabet stands on the left.
        first, second = sorted((0, 1), key=lambda k: label[k])
        fit = carryover(y, np.where(sequence == first, 1, 0)[None, :])
        rows.append(
            fit_row(
                options, fit, analysis="crossover", contrast=f"{label[first]} - {label[second]}", measure="carryover"
            )
        )
    return rows


def _sequences(given: np.ndarray) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """The distinct orders of treatments, and each patient's; a missing period is filled in if one order fits."""
    complete = sorted({tuple(map(int, row)) for row in given if (row >= 0).all()})
    number = np.empty(len(given), dtype=np.int64)
    for i, row in enumerate(given):
        fits = [k for k, order in enumerate(complete) if all(g in (-1, t) for g, t in zip(row, order, strict=True))]
        number[i] = fits[0] if fits else -1
    return complete, number


def single_arm_rows(path: Path, options: Options) -> list[Row]:
    """One arm: mean change from baseline with its t interval, and the share responding with its exact interval."""
    from dataclasses import replace

    trials = read_csv(
        path, patient=options.patient, arm=options.arm, day=options.day, baseline=options.baseline or "baseline",
        score=options.score or "score", one_arm=True,
    )  # fmt: skip
    rows = []
    asked = trials.days if options.target_day is None else np.array([options.target_day])
    for day in asked:
        if day not in trials.days and day == day:
            known = ", ".join(f"{d:g}" for d in trials.days)
            raise FieldError("target_day", day, f"must be one of {known}")
        v = 0 if day != day else int(np.searchsorted(trials.days, day))
        change = trials.score[..., v] - trials.baseline
        n = int(np.isfinite(change).sum())
        fit = single_arm.mean_change(change)
        rows.append(
            fit_row(
                options, fit, analysis="single_arm", contrast=trials.arms[0], measure="change", day=day, n_observed=n
            )
        )
        y = responses(trials, replace(options), v)
        share = single_arm.response(y)
        lower, upper = share.interval(options.alpha)
        row = value_row(share.estimate[0], analysis="single_arm", measure="response", contrast=trials.arms[0], day=day)
        rows.append(
            row | {
                "lower": float(lower[0]), "upper": float(upper[0]), "n_observed": n,
                "failure": named(int(share.failure[0])),
            }
        )  # fmt: skip
    return rows
