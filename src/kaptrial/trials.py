"""The Trials dataset: simulated trials, or one real trial read from a CSV. Every analysis runs on either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kaptrial.spec.errors import ScenarioError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


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
    arm: Indices
    baseline: Floats
    score: Floats
    factors: tuple[str, ...] = ()
    levels: tuple[tuple[int, ...], ...] = ()
    covariates: dict[str, Covariate] = field(default_factory=dict)
    therapist: Indices | None = None
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
    therapist: str | None = None,
) -> Trials:
    """A real trial in long format as a Trials of one replicate.

    `factors`: columns coded 0/1 that make up the arms in place of `arm`. Numeric covariates stay numbers, others become
    levels in alphabetical order. A file without a day column is one visit, its day NaN. Raises ScenarioError
    naming file, column and
    row for what cannot be used.
    """
    frame = _read_frame(path)
    for column in [patient, score, *(factors or [arm]), *covariates, *([therapist] if therapist else [])]:
        _need(frame, column, path)
    if baseline is not None:
        _need(frame, baseline, path)
    if "replicate" in frame and frame["replicate"].nunique() > 1:
        raise ScenarioError(f"{path}: column `replicate` = {frame['replicate'].nunique()} trials: must hold one trial")
    days = _numbers(frame, day, path) if day in frame else np.full(len(frame), np.nan)
    if day in frame and np.isnan(days).any():
        raise ScenarioError(f"{path}: column `{day}` is empty at row {int(np.isnan(days).argmax()) + 2}: must be a day")
    patients, row_patient = np.unique(frame[patient].astype(str), return_inverse=True)
    visits, row_visit = np.unique(days, return_inverse=True)
    _no_duplicates(row_patient, row_visit, len(visits), frame[patient], days, path)
    first_row = np.unique(row_patient, return_index=True)[1]

    def by_patient(column: str) -> Any:
        values = np.array([str(value) for value in frame[column]])
        differs = values != values[first_row][row_patient]
        if differs.any():
            row = int(differs.argmax())
            raise ScenarioError(
                f"{path}: column `{column}` = {values[row]!r} at row {row + 2}: must be the same for a patient"
            )
        return frame[column].to_numpy()[first_row]

    scores = np.full((1, len(patients), len(visits)), np.nan)
    scores[0, row_patient, row_visit] = _numbers(frame, score, path)
    names, codes, levels = _arms(frame, path, by_patient, factors, arm)
    found: dict[str, Covariate] = {}
    for column in covariates:
        by_patient(column)
        found[column] = _covariate(frame, column, first_row, path)
    values = np.full((1, len(patients)), np.nan)
    if baseline is not None:
        by_patient(baseline)
        values[0] = _numbers(frame, baseline, path)[first_row]
    return Trials(
        arms=names,
        days=visits,
        arm=codes[None, :],
        baseline=values,
        score=scores,
        factors=tuple(factors),
        levels=levels,
        covariates=found,
        therapist=None if therapist is None else _therapists(by_patient(therapist)),
    )


def _read_frame(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_csv(path)
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror}); must be a CSV file") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ScenarioError(
            f"{path}: must be a CSV file with a header line ({str(error).strip().splitlines()[-1]})"
        ) from None
    if frame.empty:
        raise ScenarioError(f"{path} = no rows: must hold one row a patient and visit")
    return frame


def _need(frame: pd.DataFrame, column: str, path: Path) -> None:
    if column not in frame:
        raise ScenarioError(
            f"{path}: column `{column}` is missing: must be one of {', '.join(map(str, frame.columns))}"
        )


def _numbers(frame: pd.DataFrame, column: str, path: Path) -> Floats:
    import pandas as pd

    numbers = pd.to_numeric(frame[column], errors="coerce")
    bad = numbers.isna() & frame[column].notna()
    if bad.any() or np.isinf(numbers.to_numpy(dtype=float)).any():
        row = int((bad | np.isinf(numbers.astype(float))).to_numpy().argmax())
        raise ScenarioError(
            f"{path}: column `{column}` = {frame[column].iloc[row]!r} at row {row + 2}: must be a number"
        )
    return numbers.to_numpy(dtype=np.float64)


def _no_duplicates(row_patient: Any, row_visit: Any, n_visits: int, names: Any, days: Floats, path: Path) -> None:
    key = row_patient * n_visits + row_visit
    order = np.argsort(key, kind="stable")
    repeats = order[1:][np.diff(key[order]) == 0]
    if len(repeats):
        row = int(repeats.min())
        raise ScenarioError(
            f"{path}: patient {names.iloc[row]} has two rows for day {days[row]:g} (row {row + 2}): must be one"
        )


def _arms(
    frame: pd.DataFrame, path: Path, by_patient: Any, factors: Sequence[str], arm: str
) -> tuple[tuple[str, ...], Indices, tuple[tuple[int, ...], ...]]:
    for column in factors or [arm]:
        if frame[column].isna().any():
            row = int(frame[column].isna().to_numpy().argmax())
            raise ScenarioError(f"{path}: column `{column}` is empty at row {row + 2}: every patient needs an arm")
    if not factors:
        names, codes = np.unique(by_patient(arm).astype(str), return_inverse=True)
        if len(names) < 2:
            raise ScenarioError(f"{path}: column `{arm}` = only {names[0]!r}: must name two arms or more")
        return tuple(map(str, names)), codes, ()
    if len(factors) > 2 or len(set(factors)) < len(factors):
        raise ScenarioError(f"--factor = {', '.join(factors)}: must be one or two different columns coded 0/1")
    coded = []
    for column in factors:
        values = _numbers(frame, column, path)
        if not np.isin(values, (0, 1)).all():
            row = int((~np.isin(values, (0, 1))).argmax())
            raise ScenarioError(f"{path}: column `{column}` = {values[row]:g} at row {row + 2}: must be 0 or 1")
        coded.append(by_patient(column).astype(float).astype(int))
    codes = coded[0] if len(factors) == 1 else 2 * coded[0] + coded[1]
    levels: tuple[tuple[int, ...], ...] = ((0,), (1,)) if len(factors) == 1 else ((0, 0), (0, 1), (1, 0), (1, 1))
    cells = ["_".join(f"{f}{x}" for f, x in zip(factors, level, strict=True)) for level in levels]
    for a, name in enumerate(cells):
        if not (codes == a).any():
            raise ScenarioError(f"{path}: no patient has {name}: every combination of the factors must occur")
    return tuple(cells), codes, levels


def _covariate(frame: pd.DataFrame, column: str, first_row: Indices, path: Path) -> Covariate:
    import pandas as pd

    values = frame[column].iloc[first_row]
    if pd.api.types.is_numeric_dtype(frame[column]):
        return Covariate(values=_numbers(frame, column, path)[first_row][None, :])
    if values.isna().any():
        row = int(first_row[int(values.isna().to_numpy().argmax())])
        raise ScenarioError(f"{path}: column `{column}` is empty at row {row + 2}: every patient needs a level")
    levels, codes = np.unique(values.astype(str), return_inverse=True)
    return Covariate(values=codes[None, :].astype(float), levels=tuple(map(str, levels)))


def _therapists(values: Any) -> Indices:
    import pandas as pd

    codes, _ = pd.factorize(pd.Series(values, dtype=object).replace("", None), sort=True)
    return np.asarray(codes, dtype=np.int64)[None, :]
