"""The Trials dataset: simulated trials, or one real trial read from a CSV. Every analysis runs on either."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.errors import DataError, FieldError
from kaptrial.simulation.data_file import DataFile, count, listed, read_file, without_rounding

if TYPE_CHECKING:
    import pandas as pd

    from kaptrial.simulation.arm_sums import ArmSums


@dataclass(frozen=True, kw_only=True)
class Covariate:
    """A covariate of each patient, (replicate, patient): numbers, or codes of `levels`."""

    values: Floats
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Measured:
    """An outcome that is not primary, with what `Trials` has of the primary one; `days` are its own visits."""

    days: Floats
    baseline: Floats
    score: Floats
    randomisation_score: Floats | None = None
    latent: Floats | None = None
    outcome: Floats | None = None

    def _changed(self, change: Callable[[str, Floats], Floats]) -> Measured:
        arrays = {name: x for name, x in vars(self).items() if x is not None and name != "days"}
        return Measured(days=self.days, **{name: change(name, x) for name, x in arrays.items()})

    def first(self, n: int) -> Measured:
        """The first n replicates."""
        return self._changed(lambda _, x: x[:n])

    @staticmethod
    def joined(parts: Sequence[Measured]) -> Measured:
        """The replicates of all parts."""
        return parts[0]._changed(lambda name, _: np.concatenate([getattr(part, name) for part in parts]))


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Trials of one design. Axes (replicate, patient, visit); NaN where a score was not observed.

    `baseline`: the score before treatment. `levels`: each arm's 0/1 level of the two `factors` of a 2×2. `events`: the
    day of each intercurrent event that can happen, (replicate, patient), infinite if it did not. `patients`: their
    codes in a file. Only simulated trials have `latent`, the noise-free course under the treatment received, before
    rescue and dropout, and `outcome`, the score as it would have been recorded at every visit, dropout and rescue
    included; and, where an estimand asks for attendance, `attended`, the sessions attended by each visit, and
    `dropout_day`, (replicate, patient), infinite for those who stayed; where one asks for days of use, `used` and
    `drinks` of each day, (replicate, patient, day), `drinks_before` a day and `is_woman`, (replicate, patient).
    `sums`: of what their patients were drawn from, where they were asked for. `others`: the outcomes that are not
    primary, by name.
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
    attended: Floats | None = None
    dropout_day: Floats | None = None
    used: Bools | None = None
    drinks: Floats | None = None
    drinks_before: Floats | None = None
    is_woman: Bools | None = None
    patients: tuple[str, ...] = ()
    others: dict[str, Measured] = field(default_factory=dict)
    sums: ArmSums | None = None

    def of(self, outcome: str | None) -> Trials:
        """The trials with another outcome in place of the primary one, which is None."""
        if outcome is None:
            return self
        own = dict(vars(self.others[outcome]))
        at_randomisation = own.pop("randomisation_score")
        covariates = self.covariates
        if at_randomisation is not None:
            covariates = covariates | {"randomisation_score": Covariate(values=at_randomisation)}
        return replace(self, **own, covariates=covariates)

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
        others = {name: measured.first(n) for name, measured in self.others.items()}
        return Trials(
            **{**vars(self), **cut, "covariates": covariates, "events": events, "others": others, "sums": None}
        )

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
        for outcome, own in self.others.items():
            columns[f"{outcome}_baseline"] = spread(own.baseline)
            for name, value in (
                (outcome, own.score),
                (f"{outcome}_latent", own.latent),
                (f"{outcome}_outcome", own.outcome),
            ):
                if value is not None:
                    at = np.full((*self.arm.shape, len(self.days)), np.nan)
                    at[..., np.searchsorted(self.days, own.days)] = value
                    columns[name] = at[..., shown].ravel()
        return pd.DataFrame(columns)


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the columns of a file with one row a patient and visit are called.

    `factors`: columns coded 0/1 that make up the arms in place of `arm`. Numeric covariates stay numbers, others, and
    those named in `categories`, become levels in order. `one_arm`: the trial has no other, and the file may have no
    column for it. `visits`: the days that rows are taken to, each to the nearest no more than `window` days away;
    unless given, half the shortest time between two visits.
    """

    patient: str = "patient"
    arm: str = "arm"
    day: str = "day"
    baseline: str | None = "baseline"
    score: str = "score"
    factors: Sequence[str] = ()
    covariates: Sequence[str] = ()
    categories: Sequence[str] = ()
    therapist: str | None = None
    one_arm: bool = False
    visits: tuple[float, ...] = ()
    window: float | None = None

    def __post_init__(self) -> None:
        if any(not a < b for a, b in pairwise((0.0, *self.visits))):
            raise FieldError("visits", ",".join(f"{v:g}" for v in self.visits), "must be rising days after day 0")
        if self.window is not None and not self.visits:
            raise FieldError("window", self.window, "goes with `visits`")

    @property
    def reach(self) -> float:
        """The window, said or not."""
        return min(np.diff((0.0, *self.visits))) / 2 if self.window is None else self.window


def read_csv(path: Path, **columns: Any) -> Trials:
    """A file with one row a patient and visit as a Trials of one replicate; `columns` as those of `Columns`.

    Raises DataError naming file, column and row for what cannot be used.
    """
    return trials_of(read_file(path), Columns(**columns))


def trials_of(data: DataFile, columns: Columns) -> Trials:
    """The trial in a file of scores. A file without a day column is one visit, its day NaN."""
    named = [*columns.covariates, *columns.categories]
    arm_columns = [] if columns.one_arm else [*(columns.factors or [columns.arm])]
    data.need(columns.patient, columns.score, *arm_columns, *named)
    patients, row_patient = data.patients(columns.patient)
    for column in [*arm_columns, *named, *filter(None, (columns.baseline, columns.therapist))]:
        data.same_for(row_patient, column)
    first_row = np.unique(row_patient, return_index=True)[1].astype(np.int64)
    score = data.numbers(columns.score)
    at_start = np.full(len(patients), np.nan)
    if columns.baseline is not None:
        at_start = data.numbers(columns.baseline)[first_row]
    days = _days(data, columns)
    kept = np.ones(len(days), dtype=bool)
    if columns.baseline is not None:
        kept &= _after_baseline(data, days, score, at_start[row_patient])
    if columns.visits:
        own_days, days = days, _windowed(data, columns, np.where(kept, days, np.nan))
        kept &= np.isfinite(days)
        kept &= _nearest_only(data, row_patient, days, np.abs(days - own_days), kept)
    if not kept.any():
        raise DataError(f"{data.path}: column `{columns.day}`: no row is left to analyse")
    visits, row_visit = np.unique(days[kept], return_inverse=True)
    _no_duplicates(data, patients, row_patient, days, kept)
    scores = np.full((1, len(patients), len(visits)), np.nan)
    scores[0, row_patient[kept], row_visit] = score[kept]
    if not columns.visits:
        _note_strewn(data, visits, np.isfinite(scores[0]))
    names, codes, levels = _arms(data, columns, first_row)
    covariates = {}
    for column in named:
        values, of = data.covariate(column, first_row, categorical=column in columns.categories)
        covariates[column] = Covariate(values=values[None, :], levels=of)
    therapist = None
    if columns.therapist is not None:
        therapist = data.therapists(columns.therapist, first_row, codes, names)[None, :]
    return Trials(
        arms=names, days=visits, arm=codes[None, :], baseline=at_start[None, :], score=scores,
        factors=tuple(columns.factors), levels=levels, covariates=covariates, therapist=therapist, patients=patients,
    )  # fmt: skip


def _arms(data: DataFile, columns: Columns, rows: Ints) -> tuple[tuple[str, ...], Ints, tuple[Any, ...]]:
    if not columns.one_arm:
        return data.arms(rows, columns.arm, columns.factors)
    nobody = np.zeros(len(rows), dtype=np.int64)
    if not data.has(columns.arm):
        return ("all patients",), nobody, ()
    names, _ = data.labels(columns.arm, "every patient needs an arm")
    if len(names) > 1:
        raise DataError(f"{data.path}: column `{columns.arm}` = {', '.join(names)}: must name one arm")
    return names, nobody, ()


def _days(data: DataFile, columns: Columns) -> Floats:
    """Each row's day."""
    if not data.has(columns.day):
        if columns.visits:
            data.need(columns.day)
        return np.full(len(data), np.nan)
    data.complete(columns.day, "must be a day")
    return without_rounding(data.days(columns.day))


def _after_baseline(data: DataFile, days: Floats, score: Floats, baseline: Floats) -> Any:
    """The rows after day 0: a row of day 0 is the baseline, which cannot be outcome and covariate at once."""
    own = days == 0
    if own.any() and not own.all():
        other = own & np.isfinite(score) & np.isfinite(baseline) & (score != baseline)
        differ = f", {other.sum()} of them with another score than the baseline" if other.any() else ""
        text = f"{count(int(own.sum()), 'row')} of day 0 left out, which the baseline stands for{differ}"
        data.note("day_0", text, "warning" if other.any() else "information")
    return ~own


def _windowed(data: DataFile, columns: Columns, days: Floats) -> Floats:
    """Each row's visit, the nearest to its day within the window; NaN where there is none."""
    visits = np.array(columns.visits)
    nearest = visits[np.abs(days[:, None] - visits).argmin(axis=1)]
    within = np.abs(days - nearest) <= columns.reach
    moved, lost = within & (days != nearest), ~within & np.isfinite(days)
    for rows, code, what in ((moved, "moved", "taken to the nearest visit"), (lost, "outside", "in no visit's window")):
        if rows.any():
            on = listed([f"{day:g}" for day in np.unique(days[rows])])
            data.note(code, f"{count(int(rows.sum()), 'row')} {what} (days {on}; window {columns.reach:g})")
    return np.where(within, nearest, np.nan)


def _nearest_only(data: DataFile, row_patient: Ints, days: Floats, away: Floats, kept: Any) -> Any:
    """Of several rows of a patient at one visit the nearest; of two as near both, for which the file is refused."""
    least: dict[tuple[int, float], float] = {}
    for row in np.flatnonzero(kept):
        key = int(row_patient[row]), float(days[row])
        least[key] = min(away[row], least.get(key, np.inf))
    near = np.array([k and away[r] == least[int(row_patient[r]), float(days[r])] for r, k in enumerate(kept)])
    if (kept & ~near).any():
        data.note("outside", f"{count(int((kept & ~near).sum()), 'row')} left out: a nearer one is at the same visit")
    return near


def _note_strewn(data: DataFile, visits: Floats, seen: Any) -> None:
    """Say which neighbouring days no patient has both of: they may be one visit."""
    ever = seen.any(axis=0)
    apart = [ever[v : v + 2].all() and not (seen[:, v] & seen[:, v + 1]).any() for v in range(len(visits) - 1)]
    if any(apart):
        pairs = [f"{visits[v]:g} and {visits[v + 1]:g}" for v in np.flatnonzero(apart)]
        text = f"no patient has a score on both of days {listed(pairs)}: if they are one visit, name the visits"
        data.note("strewn", text, "warning")


def _no_duplicates(data: DataFile, patients: Sequence[str], row_patient: Ints, days: Floats, kept: Any) -> None:
    """Raise DataError for the first row of a patient on a day that already has one."""
    keys = set()
    for row in np.flatnonzero(kept):
        key = int(row_patient[row]), str(days[row])
        if key in keys:
            day = "" if np.isnan(days[row]) else f" for day {days[row]:g}"
            name = patients[row_patient[row]]
            raise DataError(f"{data.path}: patient {name} has two rows{day} (row {data.line[row]}): must be one")
        keys.add(key)
