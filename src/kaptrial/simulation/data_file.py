"""The door to CSV files: cells are text until a column is asked for as something else; complaints are one line."""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.errors import DataError, FieldError, shown
from kaptrial.results import Note, Severity
from kaptrial.scenario.noun import LATEST_DAY

if TYPE_CHECKING:
    import pandas as pd

# What stands for "no number" and "no therapist"; as the name of an arm these are names.
EMPTY = frozenset(
    ("", ".", "na", "n/a", "<na>", "#n/a", "#na", "#n/a n/a", "nan", "-nan", "1.#ind", "-1.#ind", "null", "none")
)
_NUMBER = re.compile(r"[-+]?((\d+\.?\d*|\.\d+)(e[-+]?\d+)?|inf(inity)?)", re.ASCII | re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+", re.ASCII)
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([ T].*)?", re.ASCII)
# 006 is the name of something, not the number 6.
_CODE = re.compile(r"[-+]?0\d.*", re.ASCII)
# Beyond these a square no longer is a number that an estimator can add up.
_LARGEST = 1e30
# Numbers nearer than this, absolutely or beside their mean, differ by rounding (as `aeqSurv` of R's survival has it).
_ROUNDING = float(np.sqrt(np.finfo(float).eps))
_MOST_BYTES = 200 * 10**6
# Patients that a note names.
_NAMED = 10


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A CSV file read; columns are fetched and checked by name, and what is to be said of them gathers in `notes`.

    `columns`: every cell as text without blanks around it. `line`: each row's line, the header's being 1. `merged`: of
    each column, the values that only blanks told from another. `decimal_comma`: whether numbers are written 1,5.
    """

    path: Path
    columns: dict[str, NDArray[np.str_]]
    line: Ints
    merged: dict[str, tuple[str, ...]] = field(default_factory=dict)
    decimal_comma: bool = False
    notes: list[Note] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.line)

    # --- what is said -------------------------------------------------------------------------------------------------

    def note(self, code: str, text: str, severity: Severity = "information") -> None:
        """Say something of the file once."""
        new = Note(code=code, severity=severity, text=text)
        if new not in self.notes:
            self.notes.append(new)

    def left_out(self, patients: Sequence[str], out: Bools, why: str) -> None:
        """Say which patients are left out, if any."""
        if out.any():
            named = listed([name for name, is_out in zip(patients, out, strict=True) if is_out])
            self.note("left_out", f"{count(int(out.sum()), 'patient')} left out: {why} ({named})")

    def left_out_by_reason(self, patients: Sequence[str], values: Mapping[str, Floats]) -> None:
        """Say which patients are left out for the first of the columns in which they have no number."""
        kept = np.ones(len(patients), dtype=bool)
        for column, own in values.items():
            self.left_out(patients, kept & np.isnan(own), f"{column} is missing")
            kept &= ~np.isnan(own)

    def refuse(self, column: str, row: int, allowed: str) -> None:
        """Raise DataError for one cell."""
        text = str(self.columns[column][row])
        cell = text[:60] if _NUMBER.fullmatch(text) else shown(text)
        raise DataError(f"{self.path}: column `{column}` = {cell} at row {self.line[row]}: {allowed}")

    # --- columns ------------------------------------------------------------------------------------------------------

    def has(self, column: str) -> bool:
        """Whether there is such a column."""
        return column in self.columns

    def need(self, *columns: str) -> None:
        """Raise DataError unless all these columns are there."""
        for column in columns:
            if column not in self.columns:
                raise DataError(f"{self.path}: column `{column}` is missing: must be one of {', '.join(self.columns)}")

    def text(self, column: str) -> NDArray[np.str_]:
        """A column as it is written, without blanks around it."""
        self.need(column)
        merged = self.merged.get(column, ())
        if merged:
            around = ", ".join(map(repr, merged))
            self.note("blanks", f"column `{column}`: blanks around {around} are left out", "warning")
        return self.columns[column]

    def missing(self, column: str) -> Bools:
        """Where a column is empty, or says so."""
        self.need(column)
        return np.array([text.casefold() in EMPTY for text in self.columns[column]], dtype=bool)

    def complete(self, column: str, why: str, *, names: bool = False) -> None:
        """Raise DataError if the column is empty anywhere; of `names`, NA and None are some."""
        self.need(column)
        empty = self.columns[column] == "" if names else self.missing(column)
        if empty.any():
            line = self.line[int(empty.argmax())]
            raise DataError(f"{self.path}: column `{column}` is empty at row {line}: {why}")

    def numbers(self, column: str) -> Floats:
        """A column as numbers, NaN where empty, one a row; true and false are 1 and 0."""
        self.need(column)
        texts = self.columns[column]
        empty = self.missing(column)
        if _are(texts[~empty], lambda text: text.casefold() in ("true", "false")):
            return np.where(empty, np.nan, np.strings.lower(texts) == "true")
        values = np.full(len(texts), np.nan)
        for row in np.flatnonzero(~empty):
            values[row] = self._number(column, int(row), str(texts[row]))
        return values

    def _number(self, column: str, row: int, text: str) -> float:
        if self.decimal_comma and "." in text and not _DATE.fullmatch(text):
            self.refuse(column, row, "must be a number with a decimal comma, as others of the file have")
        plain = text.replace(",", ".", 1) if self.decimal_comma else text
        if not _NUMBER.fullmatch(plain):
            self.refuse(column, row, "must be a number" + (", not a date" if _DATE.fullmatch(text) else ""))
        number = float(plain)
        if not math.isfinite(number) or abs(number) > _LARGEST:
            self.refuse(column, row, f"must be a number, finite and at most {_LARGEST:g}")
        return number

    def whole_numbers(self, column: str, most: float) -> Floats:
        """A column of counts."""
        values = self.numbers(column)
        bad = (values < 0) | (values != np.round(values)) | (values > most)
        self._refuse_first(column, bad & np.isfinite(values), f"must be a whole number ≥ 0 and at most {most:,.0f}")
        return values

    def positive(self, column: str, *, zero: bool = False) -> Floats:
        """A column of numbers above 0, or of 0 too."""
        values = self.numbers(column)
        bad = values < 0 if zero else values <= 0
        self._refuse_first(column, bad, "must be ≥ 0" if zero else "must be > 0")
        return values

    def days(self, column: str) -> Floats:
        """A column of days after the baseline."""
        values = self.positive(column, zero=True)
        allowed = f"must be at most {LATEST_DAY}: days from the baseline, not a date"
        self._refuse_first(column, values > LATEST_DAY, allowed)
        return values

    def zero_one(self, column: str) -> Ints:
        """A column of 0 and 1."""
        values = self.numbers(column)
        self._refuse_first(column, ~np.isin(values, (0, 1)), "must be 0 or 1")
        return values.astype(np.int64)

    def _refuse_first(self, column: str, bad: Bools, allowed: str) -> None:
        if bad.any():
            self.refuse(column, int(bad.argmax()), allowed)

    def labels(self, column: str, why: str, *, names: bool = True) -> tuple[tuple[str, ...], Ints]:
        """The distinct values of a column, text by the alphabet, numbers by size, and each row's index among them."""
        self.complete(column, why, names=names)
        texts = self.text(column)
        ordered = in_order(set(map(str, texts)))
        self._check_printable(column, texts)
        self._note_alike(column, ordered)
        place = {name: i for i, name in enumerate(ordered)}
        return tuple(ordered), np.array([place[str(text)] for text in texts], dtype=np.int64)

    def _check_printable(self, column: str, texts: Iterable[str]) -> None:
        for row, text in enumerate(texts):
            if any(unicodedata.category(character) == "Cc" for character in text):
                self.refuse(column, row, "must hold no control characters")

    def _note_alike(self, column: str, names: Sequence[str]) -> None:
        """Say which names are words for nothing, and which differ so little that they may be one."""
        for name in names:
            if name.casefold() in EMPTY:
                self.note("name", f"column `{column}`: {name!r} is taken as a name", "warning")
        first_spelling: dict[str, str] = {}
        for name in names:
            seen_as = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
            key = " ".join(seen_as.casefold().split())
            if key in first_spelling:
                self.note("alike", f"column `{column}`: {first_spelling[key]!r} and {name!r} are two names", "warning")
            first_spelling[key] = name

    # --- patients -----------------------------------------------------------------------------------------------------

    def patients(self, column: str) -> tuple[tuple[str, ...], Ints]:
        """The patients by their codes, which are text, and each row's index among them."""
        self.complete(column, "every row needs a patient")
        names, codes = np.unique(self.text(column), return_inverse=True)
        return tuple(map(str, names)), codes.astype(np.int64)

    def one_row_each(self, column: str) -> tuple[str, ...]:
        """The patients of a file with one row for each; where no column tells them, rows by their number."""
        if not self.has(column):
            if column != "patient":
                self.need(column)
            self.note("patients", "the file has no column `patient`: each row is taken as a patient", "warning")
            return tuple(f"row {line}" for line in self.line)
        names, codes = self.patients(column)
        again = np.ones(len(codes), dtype=bool)
        again[np.unique(codes, return_index=True)[1]] = False
        if again.any():
            row = int(again.argmax())
            name, line = names[codes[row]], self.line[row]
            raise DataError(f"{self.path}: patient {name} has two rows (row {line}): must be one")
        return tuple(names[code] for code in codes)

    def same_for(self, row_patient: Ints, column: str) -> Ints:
        """The first row of each patient, having checked that the column does not change within one."""
        first_row = np.unique(row_patient, return_index=True)[1]
        texts = self.text(column)
        values = np.array([repr(x) for x in self.numbers(column)]) if self.is_numeric(column) else texts
        differs = values != values[first_row][row_patient]
        self._refuse_first(column, differs, "must be the same for a patient")
        return first_row.astype(np.int64)

    # --- arms and covariates ------------------------------------------------------------------------------------------

    def arms(
        self, rows: Ints, arm: str, factors: Sequence[str]
    ) -> tuple[tuple[str, ...], Ints, tuple[tuple[int, ...], ...]]:
        """Names of the arms, the arm of each of `rows`, and the arms' 0/1 levels of the factors that make them up."""
        if not factors:
            names, codes = self.labels(arm, "every patient needs an arm")
            if len(names) < 2:
                raise DataError(f"{self.path}: column `{arm}` = only {names[0]!r}: must name two arms or more")
            return names, codes[rows], ()
        for column in factors:
            self.complete(column, "every patient needs an arm")
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

    def is_numeric(self, column: str) -> bool:
        """Whether every value is a number, none of them a code such as 006."""
        filled = self.columns[column][~self.missing(column)]
        return _are(filled, lambda text: self._is_number(text) and not _CODE.fullmatch(text), even_none=True)

    def _is_number(self, text: str) -> bool:
        plain = text.replace(",", ".", 1) if self.decimal_comma else text
        return _NUMBER.fullmatch(plain) is not None

    def covariate(self, column: str, rows: Ints, *, categorical: bool = False) -> tuple[Floats, tuple[str, ...]]:
        """A covariate of `rows` as numbers, or as codes of levels in order.

        Text is levels, and so are codes with leading zeros such as 006; `categorical` makes numbers levels, too.
        Numbers with text among them are neither.
        """
        self.need(column)
        if not categorical:
            if self.is_numeric(column):
                return self.numbers(column)[rows], ()
            texts, empty = self.columns[column], self.missing(column)
            numeric = np.array([self._is_number(text) for text in texts])
            if (numeric & ~empty).any() and not any(_CODE.fullmatch(text) for text in texts):
                allowed = "must be a number, as others are, or the column be named as a category"
                self._refuse_first(column, ~numeric & ~empty, allowed)
        levels, codes = self.labels(column, "every patient needs a level", names=False)
        used = np.unique(codes[rows])
        return np.searchsorted(used, codes[rows]).astype(float), tuple(levels[k] for k in used)

    def numeric(self, names: Sequence[str], categories: Sequence[str]) -> dict[str, Floats]:
        """Those covariates that are numbers."""
        return {name: self.numbers(name) for name in names if name not in categories and self.is_numeric(name)}

    def covariates(self, names: Sequence[str], categories: Sequence[str], rows: Ints) -> Floats:
        """Covariates of `rows` as numeric columns, (row, column): levels as 0/1 columns, the first level left out."""
        columns = []
        for name in [*names, *categories]:
            values, levels = self.covariate(name, rows, categorical=name in categories)
            columns += [(values == level).astype(float) for level in range(1, len(levels))] if levels else [values]
        return np.stack(columns, axis=-1) if columns else np.empty((len(rows), 0))

    def therapists(self, column: str, rows: Ints, arm: Ints, arms: Sequence[str]) -> Ints:
        """The therapist of each of `rows`, numbered from 0, −1 without one; says where arms and therapists cross."""
        empty, texts = self.missing(column)[rows], self.text(column)[rows]
        names = in_order({str(text) for text in texts[~empty]})
        self._note_alike(column, names)
        place = {name: i for i, name in enumerate(names)}
        codes = np.array([-1 if none else place[str(t)] for t, none in zip(texts, empty, strict=True)], dtype=np.int64)
        for t, name in enumerate(names):
            where = np.unique(arm[codes == t])
            if len(where) > 1:
                groups = " and ".join(arms[a] for a in where)
                self.note("therapist", f"therapist {name} treats patients of {groups}: taken as one person", "warning")
        for a, name in enumerate(arms):
            without = int((codes[arm == a] < 0).sum())
            if 0 < without < (arm == a).sum():
                text = f"{count(without, 'patient')} of {name} without a therapist: taken as treated by nobody"
                self.note("therapist", text, "warning")
        return codes


def read_file(path: Path) -> DataFile:
    """Read a CSV file. Raises DataError if it is none, or has no rows."""
    return _of_text(path, _text(path))


def file_of(frame: pd.DataFrame) -> DataFile:
    """A pandas DataFrame as a file would give it. Raises DataError for what a file may not hold."""
    return _of_text(Path("data"), frame.to_csv(index=False))


def _of_text(path: Path, text: str) -> DataFile:
    header = next((line for line in text.splitlines() if line.strip()), "")
    separator = ";" if ";" in header and "," not in header else "," if "," in header or "\t" not in header else "\t"
    names, rows, line = _cells(path, text, separator)
    if not rows:
        raise DataError(f"{path} = no rows: must hold one row a patient and visit")
    columns, merged = {}, {}
    for k, name in enumerate(names):
        raw = [row[k] for row in rows]
        columns[name] = np.array([cell.strip() for cell in raw], dtype=np.str_)
        distinct = set(raw)
        merged[name] = tuple(
            sorted(cell for cell in distinct if cell.strip() not in ("", cell) and cell.strip() in distinct)
        )
    comma = separator == ";" and any(_DECIMAL_COMMA.fullmatch(cell.strip()) for row in rows for cell in row)
    data = DataFile(path=path, columns=columns, line=np.array(line), merged=merged, decimal_comma=comma)
    if separator != ",":
        between = {";": "semicolons", "\t": "tabs"}[separator]
        data.note("separator", f"read with {between} between cells" + (" and decimal commas" if comma else ""))
    if data.has("replicate") and len(set(data.columns["replicate"])) > 1:
        trials = len(set(data.columns["replicate"]))
        raise DataError(f"{path}: column `replicate` = {trials} trials: must hold one trial")
    return data


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)  # a device may have no end
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); must be a CSV file") from None
    if len(content) > _MOST_BYTES:
        raise DataError(f"{path}: must be under {_MOST_BYTES // 10**6} MB, as the data of one trial are")
    if b"\0" in content:
        raise DataError(f"{path}: must be a CSV file in UTF-8, not UTF-16 or a workbook: save it as CSV UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}: must be a CSV file in UTF-8; row {line} is not (Latin-1?): save it as CSV UTF-8"
        ) from None


def _cells(path: Path, text: str, separator: str) -> tuple[list[str], list[list[str]], list[int]]:
    """The names of the columns, the rows that hold anything, and where these stand."""
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise DataError(f"{path}: must be a CSV file with a header line ({error})") from None
    filled = [(number, row) for number, row in enumerate(table, start=1) if any(cell.strip() for cell in row)]
    if not filled:
        raise DataError(f"{path}: must be a CSV file with a header line, not empty")
    names = [name.strip() for name in filled[0][1]]
    for name, times in Counter(names).items():
        if times > 1 and name:
            raise DataError(f"{path}: column `{name}` stands {times} times in the header line: must be one")
    for number, row in filled[1:]:
        if len(row) != len(names):
            than = "more" if len(row) > len(names) else "fewer"
            cells = f"row {number} has {than} cells than the header line"
            raise DataError(f"{path}: {cells} ({len(row)}, not {len(names)}): must have one a column")
    return names, [row for _, row in filled[1:]], [number for number, _ in filled[1:]]


def in_order(names: Iterable[str]) -> list[str]:
    """Names by the alphabet, or by size if all are numbers."""
    ordered = sorted(names)
    return sorted(ordered, key=float) if _are(ordered, lambda name: _NUMBER.fullmatch(name) is not None) else ordered


def without_rounding(values: Floats) -> Floats:
    """The values, those that differ by rounding alone made equal to the least of them."""
    distinct = np.unique(values[np.isfinite(values)])
    if len(distinct) < 2:
        return values
    gap = np.diff(distinct)
    near = (gap <= _ROUNDING) | (gap / np.abs(distinct).mean() <= _ROUNDING)
    first = np.maximum.accumulate(np.where(np.append(False, near), 0, np.arange(len(distinct))))
    place = np.minimum(np.searchsorted(distinct, values), len(distinct) - 1)
    return np.where(np.isfinite(values), distinct[first][place], values)


def count(n: int, what: str) -> str:
    """A number of things in words."""
    return f"{n} {what}" + ("" if n == 1 else "s")


def listed(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _are(texts: Any, what: Callable[[str], bool], *, even_none: bool = False) -> bool:
    """Whether there are texts and all are such."""
    return all(what(str(text)) for text in texts) if len(texts) else even_none
