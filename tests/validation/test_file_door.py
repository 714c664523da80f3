"""Type I error of `analyse` on files that once made it .16 to .37, under 400 trials without any effect."""

from __future__ import annotations

from itertools import product
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kaptrial.errors import DataError
from kaptrial.methods.from_file import analyse
from kaptrial.methods.options import Options

pytestmark = pytest.mark.validation

TRIALS, SEED, ALPHA = 400, 12, 0.05
# Four Monte Carlo standard errors of a rate of .05 in 400 trials.
BAND = 4 * sqrt(ALPHA * (1 - ALPHA) / TRIALS)
N, DAYS = 40, np.array([7.0, 14.0, 28.0])


def holds(p_values: list[float]) -> None:
    """As many trials as were run are analysed, and of them one in twenty is significant."""
    assert len(p_values) == TRIALS
    assert np.isfinite(p_values).all()
    assert np.mean(np.array(p_values) < ALPHA) == pytest.approx(ALPHA, abs=BAND)


def months(rng: np.random.Generator) -> pd.DataFrame:
    """Six months of each patient, who differ: read as 240 patients they gave an error of .37."""
    patient = np.repeat(np.arange(N), 6)
    share = rng.beta(2, 2, N)[patient]
    return pd.DataFrame({"patient": patient, "arm": np.array(["a", "b"])[patient % 2], "days": 30}).assign(
        abstinent_days=rng.binomial(30, share)
    )


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("abstinent_days", Options()),
        ("beta_binomial", Options()),
        ("counts", Options(score="abstinent_days", of="days")),
    ],
)
def test_months_are_refused_and_their_sums_hold_the_level(method, options, tmp_path):
    path, p_values = tmp_path / "data.csv", []
    for trial in range(TRIALS):
        table = months(np.random.default_rng([SEED, trial]))
        table.to_csv(path, index=False)
        with pytest.raises(DataError, match="has two rows"):
            analyse(path, method, options)
        table.groupby(["patient", "arm"], as_index=False).sum().to_csv(path, index=False)
        p_values.append(analyse(path, method, options).flat()[0]["p"])
    holds(p_values)


def visits(rng: np.random.Generator) -> pd.DataFrame:
    """A baseline and three visits of each patient, who differ."""
    level, patient = rng.normal(0, 5, N), np.repeat(np.arange(N), len(DAYS))
    table = pd.DataFrame(
        {"patient": patient, "day": np.tile(DAYS, N), "baseline": (30 + level + rng.normal(0, 3, N))[patient]}
    )
    table["score"] = 20 + level[patient] + rng.normal(0, 3, len(table))
    return table


def test_rows_of_day_0_change_nothing(tmp_path):
    path, p_values = tmp_path / "data.csv", []
    options = Options(df="kenward-roger", target_day=28)
    for trial in range(TRIALS):
        table = visits(np.random.default_rng([SEED, trial]))
        table.insert(1, "arm", np.array(["a", "b"])[table["patient"] % 2])
        rows = []
        for more in ([], [table.drop_duplicates("patient").assign(day=0.0, score=lambda t: t["baseline"])]):
            pd.concat([table, *more]).to_csv(path, index=False)
            rows.append(analyse(path, "mmrm", options).flat()[0])
        assert rows[0] == rows[1]
        p_values.append(rows[1]["p"])
    holds(p_values)


def test_a_2x2_whose_references_are_named_holds_the_level(tmp_path):
    """Dropout does not depend on the arm, and all arms are alike: imputing from the reference is right."""
    path: Path = tmp_path / "data.csv"
    p_values = []
    arms = [f"ketamine{k}_therapy{t}" for k, t in product((0, 1), (0, 1))]
    options = Options(
        factors=("ketamine", "therapy"),
        imputation=("JR",),
        target_day=28,
        reference_for=tuple((arm, arms[0]) for arm in arms[1:]),
    )
    for trial in range(TRIALS):
        rng = np.random.default_rng([SEED, trial])
        table = visits(rng)
        table["ketamine"], table["therapy"] = table["patient"] // 2 % 2, table["patient"] % 2
        last = rng.choice([7.0, 14.0, 28.0], N, p=[0.1, 0.1, 0.8])[table["patient"]]
        table.loc[table["day"] > last, "score"] = np.nan
        table.to_csv(path, index=False)
        rows = analyse(path, "reference_based", options).flat()
        p_values.append(rows[-1]["p"])
        assert rows[-1]["contrast"] == "ketamine:therapy"
    holds(p_values)
