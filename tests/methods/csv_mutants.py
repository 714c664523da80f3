"""Data files with one random thing wrong, or merely different, and a command that is given each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kaptrial.method_table import methods

SEED = 20_261_126
# What may come to stand in the place of any cell, or of a column's name.
NOTHING = ("", " ", "NA", "nan", "None")
NUMBERS = ("inf", "-inf", "1e308", "-1e308", "1e30", "1e-300", "-1", "0", "1", "2", "0.5", "7", "1.10", "007", "1e5")
LIKE_NUMBERS = ("1_000", "0x10", "1,5", "1.000,5", "9" * 400, "2024-01-02", "\u0663", "\u2212 3", "\N{NO-BREAK SPACE}3")
WORDS = ("true", "FALSE", "a", "b", "A", "x" * 5000, "it's", '"', "a\nb")
MARKUP = ("=1+1", "[/x]", "[bold]", ":smile:", "\x1b[2J", "\u202e", "%s", "{}")
ODD = NOTHING + NUMBERS + LIKE_NUMBERS + WORDS + MARKUP
LETTERS = ",;\"'\t\n\r \x00é[]/=%-+.eE0\x1b"
FACTORS = (-1.0, 0.0, 1e-9, 1e-3, 0.5, 10.0, 1e6, 1e15)
SCORES = (
    "ancova",
    "difference",
    "response",
    "firth",
    "fisher",
    "odds_ratio",
    "mmrm",
    "nested",
    "nested_mmrm",
    "reference_based",
    "fit",
)
TIMES = ("logrank", "cox", "rmst")
COMMANDS = (*methods(), "fit")


@dataclass(frozen=True)
class Mutant:
    """`command`: a method of `analyse`, or fit; `options` of it; `change`: what was done; `content`: the file."""

    command: str
    options: tuple[str, ...]
    change: str
    content: bytes

    @property
    def argv(self) -> list[str]:
        """The command line, but for the file."""
        return ["fit", *self.options] if self.command == "fit" else ["analyse", "--method", self.command, *self.options]


def mutants(n: int) -> Iterator[Mutant]:
    """The first `n` of an endless sequence, which takes the commands in turn."""
    for k in range(n):
        rng = np.random.default_rng([SEED, k])
        command = COMMANDS[k % len(COMMANDS)]
        table, options = sound(command, rng)
        change, content = CHANGES[rng.integers(len(CHANGES))](table, rng)
        yield Mutant(command, options, change, content)


# --- sound files ------------------------------------------------------------------------------------------------------


def sound(command: str, rng: np.random.Generator) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A small file that the command can use, and some of its options."""
    if command == "crossover":
        return _periods(rng), ()
    if command == "single_arm":
        return _visits(rng).query("arm == 'a'"), ()
    adjusted = _some(rng, ("--covariate", "age"), ("--covariate", "site"), ("--category", "age"))
    if command in SCORES:
        table = _visits(rng)
        options = _some(
            rng, ("--factor", "ketamine", "--factor", "therapy"), ("--target-day", "14"), ("--reference", "b")
        )
        table = table if "--factor" in options else table.drop(columns=["ketamine", "therapy"])
        if command in ("difference", "fisher"):
            return table.drop(columns=["therapist", "site", "age"]), options
        if command in ("nested", "nested_mmrm", "fit"):
            options += _some(rng, ("--therapist", "therapist"))
        else:
            table = table.drop(columns="therapist")
        if command == "reference_based":
            options += ("--imputation", "MAR" if "--factor" in options else "MAR,JR")
        return table, options + adjusted
    table = _patients(rng)
    if command in TIMES:
        table = table.drop(columns=["abstinent_days", "days", "count", "exposure"])
        if command == "rmst":
            return table, ("--horizon", "20")
        return table, _some(rng, {"logrank": ("--stratum", "site"), "cox": adjusted}[command])
    unused = ["abstinent_days", "days"] if command == "counts" else ["count", "exposure"]
    return table.drop(columns=["time_days", "event", *unused]), adjusted


def _some(rng: np.random.Generator, *options: tuple[str, ...]) -> tuple[str, ...]:
    """One of these, or as often none."""
    return options[rng.integers(len(options))] if rng.random() < 0.5 else ()


def _visits(rng: np.random.Generator) -> pd.DataFrame:
    n, days = 24, np.array([7, 14, 28])
    i = np.repeat(np.arange(n), len(days))
    therapy, baseline = i % 2, rng.integers(24, 40, n)[i]
    return pd.DataFrame(
        {
            "patient": i + 1,
            "arm": np.array(["a", "b"])[therapy],
            "ketamine": i // 2 % 2,
            "therapy": therapy,
            "day": np.tile(days, n),
            "baseline": baseline,
            "score": np.round(0.6 * baseline + rng.normal(0, 5, len(i)), 2),
            "therapist": np.where(therapy == 1, np.char.add("T", (i % 6).astype(str)), ""),
            "site": np.array(["x", "y", "z"])[i % 3],
            "age": rng.integers(20, 60, n)[i],
        }
    )


def _patients(rng: np.random.Generator) -> pd.DataFrame:
    i = np.arange(24)
    return pd.DataFrame(
        {
            "patient": i + 1,
            "arm": np.array(["a", "b"])[i % 2],
            "time_days": np.round(rng.exponential(20, 24), 1) + 1,
            "event": rng.integers(0, 2, 24),
            "abstinent_days": rng.integers(5, 25, 24),
            "days": 30,
            "count": rng.poisson(4, 24),
            "exposure": np.round(rng.uniform(0.5, 2, 24), 2),
            "baseline": rng.integers(5, 30, 24),
            "site": np.array(["x", "y", "z"])[i % 3],
            "age": rng.integers(20, 60, 24),
        }
    )


def _periods(rng: np.random.Generator) -> pd.DataFrame:
    i, period = np.repeat(np.arange(12), 2), np.tile([1, 2], 12)
    treatment = np.array(["control", "ketamine"])[(i + period) % 2]
    order = np.array(["KC", "CK"])[i % 2]
    score = np.round(rng.normal(20, 5, 24), 2)
    return pd.DataFrame({"patient": i + 1, "sequence": order, "period": period, "treatment": treatment, "score": score})


# --- changes ----------------------------------------------------------------------------------------------------------


def _text(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n")


def _letter(table: pd.DataFrame, rng: np.random.Generator) -> tuple[str, bytes]:
    text = _text(table)
    at = int(rng.integers(len(text)))
    kind = rng.integers(3)
    if kind == 0:
        return f"letter {at} is gone", (text[:at] + text[at + 1 :]).encode()
    if kind == 1:
        return f"ends at letter {at}", text[:at].encode()
    letter = LETTERS[rng.integers(len(LETTERS))]
    return f"{letter!a} before letter {at}", (text[:at] + letter + text[at:]).encode()


def _line(table: pd.DataFrame, rng: np.random.Generator) -> tuple[str, bytes]:
    lines = _text(table).splitlines(keepends=True)
    at, kind = int(rng.integers(len(lines))), rng.integers(4)
    if kind == 0:
        return f"line {at + 1} is gone", "".join(lines[:at] + lines[at + 1 :]).encode()
    if kind == 1:
        return f"line {at + 1} stands twice", "".join(lines[: at + 1] + lines[at:]).encode()
    if kind == 2:
        return "all stands twice", "".join([*lines, *lines[1:]]).encode()
    return "without its header line", "".join(lines[1:]).encode()


def _cell(table: pd.DataFrame, rng: np.random.Generator) -> tuple[str, bytes]:
    table = table.astype(object)
    row, column, k = rng.integers(len(table)), rng.integers(table.shape[1]), rng.integers(len(ODD))
    table.iloc[row, column] = ODD[k]
    return f"{table.columns[column]} of row {row + 2} is odd value {k}", _text(table).encode()


def _column(table: pd.DataFrame, rng: np.random.Generator) -> tuple[str, bytes]:
    table = table.astype(object)
    name = str(table.columns[rng.integers(table.shape[1])])
    k, step = int(rng.integers(len(ODD))), int(rng.integers(1, 5))
    kind = rng.integers(7)
    if kind == 0:
        table.iloc[::step, table.columns.get_loc(name)] = ODD[k]
        return f"every {step}. {name} is odd value {k}", _text(table).encode()
    if kind == 1:
        return f"{name} is gone", _text(table.drop(columns=name)).encode()
    if kind == 2:
        return f"{name} is called odd value {k}", _text(table.rename(columns={name: ODD[k]})).encode()
    if kind == 3:
        table[name] = rng.permutation(table[name].to_numpy())
        return f"{name} is shuffled", _text(table).encode()
    if kind == 4:
        other = str(table.columns[rng.integers(table.shape[1])])
        table[name] = table[other]
        return f"{name} is {other}", _text(table).encode()
    if kind == 5:
        table[name] = [f" {value} " if i % step == 0 else value for i, value in enumerate(table[name])]
        return f"blanks around every {step}. {name}", _text(table).encode()
    factor = FACTORS[rng.integers(len(FACTORS))]
    table[name] = [value * factor if isinstance(value, int | float) else value for value in table[name]]
    return f"{name} × {factor:g}", _text(table).encode()


def _rows(table: pd.DataFrame, rng: np.random.Generator) -> tuple[str, bytes]:
    kind, n = rng.integers(4), int(rng.integers(0, 8))
    if kind == 0:
        return f"the first {n} rows", _text(table.head(n)).encode()
    if kind == 1:
        return f"{n} rows", _text(table.sample(n, random_state=int(rng.integers(1 << 30)))).encode()
    if kind == 2:
        return "in another order", _text(table.sample(frac=1, random_state=int(rng.integers(1 << 30)))).encode()
    name = str(table.columns[rng.integers(table.shape[1])])
    value = table[name].iloc[rng.integers(len(table))]
    return f"only where {name} is {value}", _text(table[table[name] == value]).encode()


def _format(table: pd.DataFrame, rng: np.random.Generator) -> tuple[str, bytes]:
    text = _text(table)
    kind = rng.integers(7)
    if kind < 3:
        encoding = ("utf-16", "latin-1", "utf-8-sig")[kind]
        return f"in {encoding}", text.replace("a", "ä").encode(encoding)
    if kind == 3:
        return "with returns", text.replace("\n", "\r").encode()
    if kind == 4:
        return "with semicolons and decimal commas", table.to_csv(index=False, sep=";", decimal=",").encode()
    if kind == 5:
        return "with tabs", table.to_csv(index=False, sep="\t").encode()
    return "with quotes", table.to_csv(index=False, quoting=1).encode()


CHANGES: tuple[Callable[[pd.DataFrame, np.random.Generator], tuple[str, bytes]], ...] = (
    _letter,
    _line,
    _cell,
    _cell,
    _column,
    _column,
    _rows,
    _format,
)
