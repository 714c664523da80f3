"""Two thousand small nasty data files: each row is a number or a named failure, or the file is refused in one line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kaptrial.errors import UserError
from kaptrial.method_table import methods
from kaptrial.methods.from_file import analyse
from kaptrial.methods.options import Options

BY_VISIT = (
    "ancova",
    "difference",
    "fisher",
    "mmrm",
    "nested",
    "nested_mmrm",
    "reference_based",
    "response",
    "odds_ratio",
    "firth",
    "single_arm",
)
METHODS = list(methods())
PER_METHOD = 125


def scores(rng, factorial):
    """Patients by visits: few of them, whole visits or arms unseen, constants, repeats, collinear covariates."""
    n, n_visits = int(rng.integers(3, 16)), int(rng.integers(1, 5))
    days = np.sort(rng.choice([7, 14, 28, 56, 84], n_visits, replace=False))
    frame = pd.DataFrame({"patient": np.repeat(np.arange(n), n_visits), "day": np.tile(days, n)})
    arm = rng.integers(0, 4 if factorial else 2, n)
    arm[: 4 if factorial else 2] = np.arange(len(arm[: 4 if factorial else 2]))
    frame["arm"] = np.array(["a", "b", "c", "d"])[arm][frame["patient"]]
    frame["ketamine"], frame["therapy"] = (arm // 2)[frame["patient"]], (arm % 2)[frame["patient"]]
    base = rng.normal(30, 5, n)
    x = rng.choice([rng.normal(size=n), np.ones(n), base, arm.astype(float)])
    frame["baseline"], frame["x"] = base[frame["patient"]], x[frame["patient"]]
    therapist = np.where(arm % 2 == 1, rng.choice(["p", "q", "r"][: int(rng.integers(1, 4))], n), "")
    frame["therapist"] = therapist[frame["patient"]]
    y = rng.normal(20, 6, len(frame)) + rng.choice([0, 3]) * rng.normal(size=n)[frame["patient"]]
    match int(rng.integers(8)):
        case 0:
            y[:] = 12.0
        case 1:
            y[frame["day"] == rng.choice(days)] = np.nan
        case 2:
            y = np.where(rng.random(len(y)) < 0.5, np.nan, y)
        case 3:
            y *= 1e6
        case 4:
            y *= 1e-6
        case 5:
            y[frame["arm"] == "a"] = np.nan
        case 6:
            y = np.where(frame["arm"] == "a", 0.0, 60.0) + 0 * y  # complete separation
    frame["score"] = y
    return frame.sample(frac=rng.choice([0.7, 1.0]), random_state=int(rng.integers(1 << 30)))


def one_row_a_patient(rng):
    """Times, counts and shares."""
    n = int(rng.integers(2, 14))
    arm = rng.integers(0, 2, n)
    time = rng.choice([rng.exponential(20, n), rng.integers(0, 4, n).astype(float), np.full(n, 7.0)])
    event = rng.choice([rng.integers(0, 2, n), np.zeros(n, dtype=int), np.ones(n, dtype=int), arm])
    of = rng.integers(1, 30, n)
    k = rng.choice([rng.binomial(of, 0.5), np.zeros(n, dtype=int), of, of * arm])
    x = rng.choice([rng.normal(size=n), np.ones(n), arm.astype(float)])
    return pd.DataFrame(
        {"patient": range(n), "arm": np.array(["a", "b"])[arm], "time_days": time, "event": event, "x": x,
         "abstinent_days": k, "days": of, "count": rng.choice([rng.poisson(3, n), np.zeros(n, dtype=int), k]),
         "exposure": rng.choice([np.ones(n), rng.random(n) + 0.01])}
    )  # fmt: skip


def periods(rng):
    """Crossovers, with periods and whole sequences missing."""
    n = int(rng.integers(1, 9))
    order = rng.integers(0, 2, n)
    rows = [(i, p, "ab"[(order[i] + p) % 2], rng.choice([rng.normal(), 5.0, np.nan], p=[0.8, 0.1, 0.1]))
            for i in range(n) for p in (0, 1) if rng.random() > 0.15]  # fmt: skip
    return pd.DataFrame(rows, columns=["patient", "period", "treatment", "score"])


def rows_or_refusal(path, method, options):
    """The table's rows, or the line that refuses the file."""
    try:
        return analyse(path, method, options).flat()
    except UserError as error:
        return str(error)


@pytest.mark.parametrize("method", METHODS)
def test_a_number_or_a_named_failure(tmp_path, method):
    rng = np.random.default_rng(METHODS.index(method))
    path = tmp_path / "data.csv"
    analysed = 0
    for i in range(PER_METHOD):
        factorial = method in BY_VISIT and method != "single_arm" and i % 3 == 0
        if method == "crossover":
            frame = periods(rng)
        else:
            frame = scores(rng, factorial) if method in BY_VISIT else one_row_a_patient(rng)
        if method == "single_arm":
            frame = frame[frame["arm"] == "a"]
        frame.to_csv(path, index=False)
        settings = {
            "factors": ("ketamine", "therapy") if factorial else (),
            "covariates": ("x",) if rng.random() < 0.4 and "x" in frame and method != "single_arm" else (),
            "df": rng.choice(["satterthwaite", "kenward-roger"]),
            "covariance": ("us", "cs") if rng.random() < 0.5 else ("us",),
            "residual": "by_arm" if rng.random() < 0.3 else "common",
            "crossed": "ketamine" if factorial and rng.random() < 0.3 else None,
            "imputation": ("JR", "LMCF"),
        }
        if method == "rmst":
            settings["target_day"] = 20.0
        used = methods()[method].options
        options = Options(**{name: value for name, value in settings.items() if name in used})
        outcome = rows_or_refusal(path, method, options)
        if isinstance(outcome, str):
            assert "\n" not in outcome
            continue
        analysed += 1
        for row in outcome:
            tests = row["measure"] not in NO_TEST
            if row["failure"]:
                assert np.isnan(row["p"]), row
                assert np.isnan(row["estimate"]), row
            elif not tests and row["measure"] not in MAY_HAVE_NO_NUMBER:
                assert np.isfinite(row["estimate"]), row
            elif tests:
                assert np.isfinite(row["estimate"]), row
                assert 0 <= row["p"] <= 1, row
                if row["analysis"] != "fisher":
                    assert row["se"] > 0, row
                    assert row["df"] > 0, row
                    assert row["lower"] <= row["estimate"] <= row["upper"], row
    assert analysed > PER_METHOD / 4


def test_scores_that_are_all_the_same_have_no_tipping_point(tmp_path):
    path = tmp_path / "data.csv"
    pd.DataFrame(
        {"patient": range(12), "arm": list("ab") * 6, "baseline": np.arange(12.0), "day": 7, "score": 5.0}
    ).to_csv(path, index=False)
    rows = analyse(path, "reference_based", Options(tipping_point=True, imputation=("MAR",))).flat()
    assert [row["failure"] for row in rows] == ["no_residual_variance", "failed"]
    assert all(np.isnan(row["estimate"]) for row in rows)


def test_four_arms_are_not_a_factorial(tmp_path):
    rng = np.random.default_rng(4)
    path = tmp_path / "data.csv"
    pd.DataFrame(
        {"patient": range(40), "arm": list("abcd") * 10, "abstinent_days": rng.integers(5, 25, 40), "days": 30}
    ).to_csv(path, index=False)
    rows = analyse(path, "abstinent_days").flat()
    assert [row["contrast"] for row in rows if row["analysis"] == "percent_linear"] == ["b - a", "c - a", "d - a"]


# Rows that hold a number and test nothing; a median that is not reached and the θ of a Poisson count have none.
MAY_HAVE_NO_NUMBER = ("median_days", "theta")
NO_TEST = (
    "reml_loglik", "covariance", "design_effect", "therapist_sd", "crossed_sd", "residual_sd", "median_days", "rmst",
    "dispersion", "overdispersion", "theta", "response", "tipping_point",
)  # fmt: skip
