"""Crossover trials, one row of the file a patient and period."""

from __future__ import annotations

import numpy as np

from kaptrial.arrays import Ints
from kaptrial.errors import DataError, FieldError
from kaptrial.method_table import method
from kaptrial.methods.options import ALWAYS, COMPARED, Options
from kaptrial.methods.rows import NAN, fit_row
from kaptrial.results import Line, Question
from kaptrial.simulation.data_file import DataFile, in_order, listed


@method(
    "crossover",
    label="a crossover model",
    summary="crossover, patients as their own controls",
    options=(*ALWAYS, *COMPARED, "patient", "period", "treatment", "sequence", "df", "first_period_only"),
)
def crossover_rows(data: DataFile, options: Options) -> list[Line]:
    """Treatments compared within patients, given periods; the test for carry-over on patients' totals."""
    from kaptrial.estimators.crossover import carryover, crossover

    score = options.score or "score"
    data.need(options.patient, options.period, options.treatment, score)
    treatments, treatment = data.labels(options.treatment, "every period needs a treatment")
    periods, row_period = data.labels(options.period, "must be a period")
    patients, row_patient = data.patients(options.patient)
    if len(treatments) < 2 or len(periods) < 2:
        raise DataError(f"{data.path}: a crossover needs two treatments and two periods or more")
    shape = (1, len(patients), len(periods))
    if len(np.unique(row_patient * len(periods) + row_period)) < len(row_patient):
        raise DataError(f"{data.path}: a patient has two rows for one period: must be one")
    y, given = np.full(shape, np.nan), np.full(shape, -1)
    y[0, row_patient, row_period] = data.numbers(score)
    given[0, row_patient, row_period] = treatment
    data.left_out(patients, ~np.isfinite(y[0]).any(axis=-1), f"no {score} in any period")
    sequences, sequence = _sequences(given[0])
    label = [">".join(treatments[t] for t in each) for each in sequences]
    if data.has(options.sequence):
        label = _labels(data, options.sequence, patients, data.same_for(row_patient, options.sequence), sequence, label)
    right = options.reference if options.reference is not None else treatments[0]
    if right not in treatments:
        raise FieldError("reference", right, f"must be one of {', '.join(treatments)}")
    rows = []
    used = np.isfinite(y[..., :1] if options.first_period_only else y)
    for left in treatments:
        if left == right:
            continue
        weights = [1.0 if t == left else -1.0 if t == right else 0.0 for t in treatments]
        df = options.df or "kenward-roger"
        fit = crossover(y, given, weights, first_period_only=options.first_period_only, df=df)
        rows.append(fit_row(options, fit, _about(f"{left} - {right}", "difference"), int(used.any(axis=-1).sum())))
    if len(sequences) == 2 and len(periods) == 2:
        # The sequence whose name comes first in the alphabet stands on the left.
        first, second = sorted((0, 1), key=lambda k: label[k])
        fit = carryover(y, np.where(sequence == first, 1, 0)[None, :])
        both = int(np.isfinite(y).all(axis=-1).sum())
        rows.append(fit_row(options, fit, _about(f"{label[first]} - {label[second]}", "carryover"), both))
    return rows


def _labels(
    data: DataFile, column: str, patients: tuple[str, ...], first_row: Ints, sequence: np.ndarray, orders: list[str]
) -> list[str]:
    """The name of each order of treatments. Raises DataError for patients treated in another than their sequence's."""
    from scipy.optimize import linear_sum_assignment

    own = data.text(column)[first_row]
    names = in_order(set(map(str, own)))
    # Each sequence is one order of treatments, and each order one sequence: those by which most patients fit.
    times = np.array([[((own == name) & (sequence == k)).sum() for k in range(len(orders))] for name in names])
    order_of = {names[i]: int(k) for i, k in zip(*linear_sum_assignment(-times), strict=True)} if orders else {}
    astray = [i for i, k in enumerate(sequence) if k >= 0 and order_of.get(str(own[i])) != k]
    if astray:
        known = ", ".join(f"{name} is {orders[k]}" for name, k in order_of.items())
        who = listed([patients[i] for i in astray])
        raise DataError(f"{data.path}: treatments contradict the sequence of {who}: {known}")
    return [next((name for name, of in order_of.items() if of == k), order) for k, order in enumerate(orders)]


def _about(contrast: str, measure: str) -> Question:
    return Question(analysis="crossover", contrast=contrast, measure=measure, endpoint="score", day=NAN)


def _sequences(given: np.ndarray) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """The distinct orders of treatments, and each patient's; a missing period is filled in if one order fits."""
    complete = sorted({tuple(map(int, row)) for row in given if (row >= 0).all()})
    number = np.empty(len(given), dtype=np.int64)
    for i, row in enumerate(given):
        fits = [k for k, order in enumerate(complete) if all(g in (-1, t) for g, t in zip(row, order, strict=True))]
        number[i] = fits[0] if fits else -1
    return complete, number
