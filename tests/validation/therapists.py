"""Type I error with therapists in one arm, and of the MMRM in small trials: the tables of docs/verification.md.

Usage: uv run python -m tests.validation.therapists [--replicates 20000]
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.characteristics import characteristics
from kaptrial.results import Row
from kaptrial.scenario.files import build
from tests.builders import TOTAL_SD, clean_raw, number

PER_ARM, VISITS, SEED = 48, [0, 7, 14, 28], 30
DROPOUT = {"hazard": number(0.006, "per_day"), "last_score": number(0.03, "per_point")}
# What a table shows: column, method, degrees of freedom.
WITH_THERAPISTS = (
    ("ANCOVA, therapists ignored", "ancova", "satterthwaite"),
    ("MMRM + KR, therapists ignored", "mmrm", "kenward-roger"),
    ("nested, Satterthwaite", "nested", "satterthwaite"),
    ("nested, KR", "nested", "kenward-roger"),
)
WITHOUT = (("MMRM, Satterthwaite", "mmrm", "satterthwaite"), ("MMRM + KR", "mmrm", "kenward-roger"))


def trial(*, per_arm: int, df: str, methods: list[str], therapists: int = 0, icc: float = 0.0) -> dict[str, Any]:
    """A trial without any effect, dropout at random, and `therapists` with this ICC at day 28 in the treated arm."""
    raw = clean_raw(n_per_arm=per_arm, delta=0)
    raw["design"]["visits"] = VISITS
    raw["conduct"] = {"dropout": DROPOUT}
    raw["analysis"] = {"methods": methods, "df": df, "covariance": ["us"]}
    if therapists:
        sd = float(np.sqrt(icc / (1 - icc)) * TOTAL_SD)
        raw["therapies"]["shift"]["therapists"] = {"count": therapists, "sd": number(sd, "points")}
    return raw


def type_i_errors(replicates: int, columns: tuple[tuple[str, str, str], ...], **design: Any) -> list[str]:
    """Rejection rate of each column's analysis with its MCSE."""
    rates = {}
    for df in dict.fromkeys(df for *_, df in columns):
        methods = [method for _, method, own in columns if own == df]
        cell = Cell(scenario=build(trial(df=df, methods=methods, **design)), columns={})
        (result,) = characteristics([cell], seed=SEED, replicates=replicates, nulls=False)
        for row in map(Row.flat, result.rows):
            if row["metric"] == "power":
                failed = f", {row['n_failed']} failed" if row["n_failed"] else ""
                rates[row["analysis"], df] = f"{row['value']:.4f} ({row['mcse']:.4f}{failed})"
    return [rates[method, df] for _, method, df in columns]


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=20_000)
    n = parser.parse_args().replicates
    rows = [
        [str(count), f"{icc:.2f}", *type_i_errors(n, WITH_THERAPISTS, per_arm=PER_ARM, therapists=count, icc=icc)]
        for count in (6, 8, 12)
        for icc in (0.02, 0.05, 0.10)
    ]
    print(table(["therapists", "ICC", *(name for name, *_ in WITH_THERAPISTS)], rows))
    rows = [[str(size), *type_i_errors(n, WITHOUT, per_arm=size)] for size in (10, 20, 48)]
    print()
    print(table(["patients an arm", *(name for name, *_ in WITHOUT)], rows))


if __name__ == "__main__":
    main()
