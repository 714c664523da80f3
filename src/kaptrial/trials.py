"""The Trials dataset: simulated trials, or one real trial read from a CSV. Every analysis runs on either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.data_file import DataFile, read_file, therapist_codes
from kaptrial.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Covariate:
    """A covariate of each patient, (replicate, patient): numbers, or codes of `levels`."""

    values: Floats
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Trials of one design. Axes (replicate, patient, visit); NaN where a score was not observed.

    `baseline`: the score before treatment. `levels`: each arm's 0/1 level of the two `factors` of a 2×2. `events`: the
    day of each intercurrent event that can happen, (replicate, patient), infinite if it did not. Only simulated trials
    have `latent`, the noise-free course under the treatment received, before rescue and dropout, and `outcome`, the
    score as it would have been recorded at every visit, dropout and rescue included.
    """

    arms: tuple[str, ...]
    days: Floats
    arm: Ints
    baseline: Floats
    score: Floats
    factors: tuple[str, ...] = ()
    levels: tuple[tuple[int, ...], ...] = ()
    covariates: dict[str, Covariate] = field(default_factory=dict)
    therapist: Ints | None = None
    events: dict[str, Floats] = field(default_factory=dict)
    latent: Floats | None = None
    outcome: Floats | None = None

    @property
    def n_replicates(self) -> int:
        """Number of trials."""
        return self.arm.shape[0]

    def first(self, n: int) -> Trials:
        """The first n replicates."""
        cut = {
            name: value[:n] for name, value in vars(self).items() if isinstance(value, np.ndarray) and name != "days"
        }
        covariates = {k: Covariate(values=c.values[:n], levels=c.levels) for k, c in self.covariates.items()}
        events = {name: day[:n] for name, day in self.events.items()}
        return Trials(**{**vars(self), **cut, "covariates": covariates, "events": events})

    def to_frame(self) -> pd.DataFrame:
        """Long format, one row a replicate, patient and visit after day 0; what a file of `kaptrial simulate` holds."""
        import pandas as pd

        shown = np.flatnonzero(self.days > 0)
        n_replicates, n_patients = self.arm.shape
        shape = (n_replicates, n_patients, len(shown))

        def spread(x: Any) -> Any:
            return np.broadcast_to(np.asarray(x)[..., None], shape).ravel()

        columns: dict[str, Any] = {
            "replicate": spread(np.broadcast_to(np.arange(1, n_replicates + 1)[:, None], self.arm.shape)),
            "patient": spread(np.broadcast_to(np.arange(1, n_patients + 1)[None, :], self.arm.shape)),
            "arm": spread(np.array(self.arms, dtype=object)[self.arm]),
        }
        for f, name in enumerate(self.factors):
            columns[name] = spread(np.array([level[f] for level in self.levels])[self.arm])
        for name, covariate in self.covariates.items():
            coded = np.array(covariate.levels, dtype=object)[covariate.values.astype(int)] if covariate.levels else None
            columns[name] = spread(covariate.values if coded is None else coded)
        if self.therapist is not None:
            columns["therapist"] = spread(
                np.where(self.therapist < 0, "", np.char.add("T", (self.therapist + 1).astype(str)))
            )
        columns["day"] = np.broadcast_to(self.days[shown], shape).ravel()
        columns["baseline"] = spread(self.baseline)
        for name, value in (("score", self.score), ("latent", self.latent), ("outcome", self.outcome)):
            if value is not None:
                columns[name] = value[..., shown].ravel()
        return pd.DataFrame(columns)


def read_csv(
    path: Path,
    *,
    patient: str = "patient",
    arm: str = "arm",
    day: str = "day",
    baseline: str | None = "baseline",
    score: str = "score",
    factors: Sequence[str] = (),
    covariates: Sequence[str] = (),
    categories: Sequence[str] = (),
    therapist: str | None = None,
    one_arm: bool = False,
) -> Trials:
    """A real trial in long format as a Trials of one replicate.

    `factors`: columns coded 0/1 that make up the arms in place of `arm`. Numeric covariates stay numbers, others, and
    those named in `categories`, become levels in alphabetical order. `one_arm`: the trial has no other, and the file
    may have no column for it. A file without a day column is one visit, its day
    NaN. Raises DataError naming file, column and row for what cannot be used.
    """
    data = read_file(path)
    arm_columns = [] if one_arm else [*(factors or [arm])]
    data.need(patient, score, *arm_columns, *covariates, *categories)
    data.complete(patient, "every row needs a patient")
    days = data.numbers(day) if data.has(day) else np.full(len(data.frame), np.nan)
    if data.has(day):
        data.complete(day, "must be a day")
    patients, row_patient = np.unique(data.frame[patient].astype(str), return_inverse=True)
    visits, row_visit = np.unique(days, return_inverse=True)
    _no_duplicates(row_patient, row_visit, len(visits), data, patient, days)
    first_row = np.unique(row_patient, return_index=True)[1]
    scores = np.full((1, len(patients), len(visits)), np.nan)
    scores[0, row_patient, row_visit] = data.numbers(score)
    for column in [*arm_columns, *covariates, *categories]:
        data.same_for(row_patient, column)
    levels: tuple[tuple[int, ...], ...] = ()
    if one_arm:
        names, codes = _the_arm(data, arm), np.zeros(len(patients), dtype=np.int64)
    else:
        names, codes, levels = data.arms(first_row, arm, factors)
    found = {}
    for column in [*covariates, *categories]:
        values, of = data.covariate(column, first_row, categorical=column in categories)
        found[column] = Covariate(values=values[None, :], levels=of)
    at_start = np.full((1, len(patients)), np.nan)
    if baseline is not None:
        data.same_for(row_patient, baseline)
        at_start[0] = data.numbers(baseline)[first_row]
    if therapist is not None:
        data.same_for(row_patient, therapist)
    return Trials(
        arms=names,
        days=visits,
        arm=codes[None, :],
        baseline=at_start,
        score=scores,
        factors=tuple(factors),
        levels=levels,
        covariates=found,
        therapist=None if therapist is None else therapist_codes(data.frame[therapist].to_numpy()[first_row])[None, :],
    )


def _the_arm(data: DataFile, arm: str) -> tuple[str, ...]:
    if not data.has(arm):
        return ("all patients",)
    names, _ = data.labels(arm, "every patient needs an arm")
    if len(names) > 1:
        raise DataError(f"{data.path}: column `{arm}` = {', '.join(names)}: must name one arm")
    return names


def _no_duplicates(row_patient: Any, row_visit: Any, n_visits: int, data: DataFile, patient: str, days: Floats) -> None:
    key = row_patient * n_visits + row_visit
    order = np.argsort(key, kind="stable")
    repeats = order[1:][np.diff(key[order]) == 0]
    if len(repeats):
        row = int(repeats.min())
        name, day = data.frame[patient].iloc[row], "" if np.isnan(days[row]) else f" for day {days[row]:g}"
        raise DataError(f"{data.path}: patient {name} has two rows{day} (row {row + 2}): must be one")
