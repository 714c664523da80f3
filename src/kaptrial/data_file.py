"""The door to CSV files: columns checked, every complaint one line that names file, column and row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.errors import DataError, FieldError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A CSV file read; columns are fetched and checked by name."""

    path: Path
    frame: pd.DataFrame

    def has(self, column: str) -> bool:
        """Whether there is such a column."""
        return column in self.frame

    def need(self, *columns: str) -> None:
        """Raise DataError unless all these columns are there."""
        for column in columns:
            if column not in self.frame:
                known = ", ".join(map(str, self.frame.columns))
                raise DataError(f"{self.path}: column `{column}` is missing: must be one of {known}")

    def numbers(self, column: str) -> Floats:
        """A column as numbers, NaN where empty, one a row."""
        import pandas as pd

        self.need(column)
        values = self.frame[column]
        numbers = pd.to_numeric(values, errors="coerce")
        bad = (numbers.isna() & values.notna()) | np.isinf(numbers.astype(float))
        if bad.any():
            row = int(bad.to_numpy().argmax())
            self.refuse(column, row, "must be a number")
        return numbers.to_numpy(dtype=np.float64)

    def complete(self, column: str, why: str) -> None:
        """Raise DataError if the column is empty anywhere."""
        self.need(column)
        empty = self.frame[column].isna()
        if empty.any():
            row = int(empty.to_numpy().argmax())
            raise DataError(f"{self.path}: column `{column}` is empty at row {row + 2}: {why}")

    def labels(self, column: str, why: str) -> tuple[tuple[str, ...], Ints]:
        """The distinct values of a column in alphabetical order, and each row's index among them."""
        self.complete(column, why)
        names, codes = np.unique(self.frame[column].astype(str), return_inverse=True)
        return tuple(map(str, names)), codes.astype(np.int64)

    def zero_one(self, column: str) -> Ints:
        """A column of 0 and 1."""
        values = self.numbers(column)
        bad = ~np.isin(values, (0, 1))
        if bad.any():
            self.refuse(column, int(bad.argmax()), "must be 0 or 1")
        return values.astype(np.int64)

    def refuse(self, column: str, row: int, allowed: str) -> None:
        """Raise DataError for one cell."""
        value = self.frame[column].iloc[row]
        shown = repr(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
        raise DataError(f"{self.path}: column `{column}` = {shown} at row {row + 2}: {allowed}")

    def same_for(self, row_patient: Ints, column: str) -> Ints:
        """The first row of each patient, having checked that the column does not change within one."""
        self.need(column)
        first_row = np.unique(row_patient, return_index=True)[1]
        values = np.array([str(value) for value in self.frame[column]])
        differs = values != values[first_row][row_patient]
        if differs.any():
            row = int(differs.argmax())
            cell = f"column `{column}` = {str(values[row])!r} at row {row + 2}"
            raise DataError(f"{self.path}: {cell}: must be the same for a patient")
        return first_row

    def arms(
        self, rows: Ints, arm: str, factors: Sequence[str]
    ) -> tuple[tuple[str, ...], Ints, tuple[tuple[int, ...], ...]]:
        """Names of the arms, the arm of each of `rows`, and the arms' 0/1 levels of the factors that make them up."""
        for column in factors or [arm]:
            self.complete(column, "every patient needs an arm")
        if not factors:
            names, codes = np.unique(self.frame[arm].to_numpy()[rows].astype(str), return_inverse=True)
            if len(names) < 2:
                raise DataError(f"{self.path}: column `{arm}` = only {str(names[0])!r}: must name two arms or more")
            return tuple(map(str, names)), codes.astype(np.int64), ()
        if len(factors) > 2 or len(set(factors)) < len(factors):
            raise FieldError("factors", ", ".join(factors), "must be one or two different columns coded 0/1")
        coded = [self.zero_one(column)[rows] for column in factors]
        codes = coded[0] if len(factors) == 1 else 2 * coded[0] + coded[1]
        levels: tuple[tuple[int, ...], ...] = ((0,), (1,)) if len(factors) == 1 else ((0, 0), (0, 1), (1, 0), (1, 1))
        cells = ["_".join(f"{f}{x}" for f, x in zip(factors, level, strict=True)) for level in levels]
        for a, name in enumerate(cells):
            if not (codes == a).any():
                raise DataError(f"{self.path}: no patient has {name}: every combination of the factors must occur")
        return tuple(cells), codes, levels

    def covariate(self, column: str, rows: Ints, *, categorical: bool = False) -> tuple[Floats, tuple[str, ...]]:
        """A covariate of `rows` as numbers, or as codes of levels in alphabetical order.

        Text is levels, and so are codes with leading zeros such as 006; `categorical` makes numbers levels, too.
        """
        import pandas as pd

        self.need(column)
        if pd.api.types.is_numeric_dtype(self.frame[column]) and not categorical:
            return self.numbers(column)[rows], ()
        self.complete(column, "every patient needs a level")
        values = self.frame[column].iloc[rows]
        levels, codes = np.unique(values.astype(str), return_inverse=True)
        return codes.astype(float), tuple(map(str, levels))

    def covariates(self, names: Sequence[str], categories: Sequence[str], rows: Ints) -> Floats:
        """Covariates of `rows` as numeric columns, (row, column): levels as 0/1 columns, the first level left out."""
        columns = []
        for name in [*names, *categories]:
            values, levels = self.covariate(name, rows, categorical=name in categories)
            columns += [(values == level).astype(float) for level in range(1, len(levels))] if levels else [values]
        return np.stack(columns, axis=-1) if columns else np.empty((len(rows), 0))


def read_file(path: Path) -> DataFile:
    """Read a CSV file. Raises DataError if it is none, or has no rows."""
    import pandas as pd

    try:
        frame = pd.read_csv(path)
        text = pd.read_csv(path, dtype=str)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); must be a CSV file") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: must be a CSV file with a header line ({str(error).strip().splitlines()[-1]})"
        ) from None
    if not isinstance(frame.index, pd.RangeIndex):
        # pandas would take the first column for labels, and every other value for its neighbour's.
        raise DataError(f"{path}: rows have more cells than the header line: must have one a column")
    if frame.empty:
        raise DataError(f"{path} = no rows: must hold one row a patient and visit")
    for column in frame:
        # 006 is the name of something, not the number 6.
        coded = text[column].str.match(r"0\d", na=False)
        if coded.any():
            frame[column] = text[column]
    if "replicate" in frame and frame["replicate"].nunique() > 1:
        raise DataError(f"{path}: column `replicate` = {frame['replicate'].nunique()} trials: must hold one trial")
    return DataFile(path=path, frame=frame)


def therapist_codes(values: Any) -> Ints:
    """Therapists numbered from 0; −1 where there is none."""
    import pandas as pd

    codes, _ = pd.factorize(pd.Series(values, dtype=object).replace("", None), sort=True)
    return np.asarray(codes, dtype=np.int64)
