"""Non-inferiority in a file goes the way in which its measure is better."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kaptrial.methods.from_file import analyse
from kaptrial.methods.options import Options

ARM = np.repeat(["good", "poor"], 60)
PATIENT = np.arange(120)


def scores() -> pd.DataFrame:
    """Lower scores in the good arm, and half of it responding against a tenth."""
    responds = np.where(ARM == "good", PATIENT % 2 == 0, PATIENT % 10 == 0)
    score = np.where(responds, 10.0, 28.0) + PATIENT % 7
    return pd.DataFrame({"patient": PATIENT, "arm": ARM, "day": 7, "baseline": 36.0 + PATIENT % 5, "score": score})


def times() -> pd.DataFrame:
    days = np.where(ARM == "good", 50, 10) + (17 * PATIENT) % 60
    return pd.DataFrame({"patient": PATIENT, "arm": ARM, "time_days": days, "relapse": 1})


def days() -> pd.DataFrame:
    return pd.DataFrame(
        {"patient": PATIENT, "arm": ARM, "abstinent_days": np.where(ARM == "good", 70, 30) + PATIENT % 20, "days": 100}
    )


@pytest.mark.parametrize(
    ("method", "data", "better"),
    [
        ("ancova", scores(), None),
        ("response", scores(), None),
        ("response", scores().assign(score=lambda d: 60 - d["score"], baseline=lambda d: 60 - d["baseline"]), "higher"),
        ("response", scores().assign(score=lambda d: (d["score"] < 18).astype(int)), None),
        ("firth", scores(), None),
        ("cox", times(), None),
        ("rmst", times(), None),
        ("abstinent_days", days(), None),
        ("beta_binomial", days(), None),
    ],
)
def test_the_better_arm_is_not_inferior_and_the_other_is_not_shown_to_be(tmp_path, method, data, better):
    path = tmp_path / "data.csv"
    data.to_csv(path, index=False)
    for reference, expected in (("poor", True), ("good", False)):
        ratio = {"cox": 1.02, "firth": 0.98, "abstinent_days": 0.98, "beta_binomial": 0.98}
        options = Options(
            margin=ratio.get(method, 0.02), reference=reference, event="relapse" if method in ("cox", "rmst") else None,
            target_day=60.0 if method == "rmst" else None, **({"better": better, "best": 60.0} if better else {}),
        )  # fmt: skip
        table = analyse(path, method, options).to_frame()
        verdicts = table["non_inferior"].dropna() if "non_inferior" in table else pd.Series()
        assert len(verdicts) > 0
        assert set(verdicts) == {expected}, table[["analysis", "measure", "estimate", "non_inferior"]]


def test_what_is_better_can_be_said(tmp_path):
    """Days of drinking in place of days of success."""
    path = tmp_path / "data.csv"
    days().to_csv(path, index=False)
    table = analyse(path, "beta_binomial", Options(margin=1.02, reference="good", better="lower")).to_frame()
    assert set(table["non_inferior"].dropna()) == {True}
