"""A real data set and a method to a table of estimates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kaptrial.analyse.prepared import covariate_columns
from kaptrial.analysis.ancova import ancova
from kaptrial.analysis.fit import Failure
from kaptrial.spec.errors import ScenarioError
from kaptrial.trials import Trials

if TYPE_CHECKING:
    import pandas as pd


def analyse(
    trials: Trials,
    *,
    method: str = "ancova",
    reference: str | None = None,
    baseline: bool = True,
    covariates: Sequence[str] = (),
    target_day: float | None = None,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Contrasts at each day (or one) of a data set: every arm against the reference, or the terms of a 2×2.

    Returns one row a contrast and day: analysis, contrast, measure, day, estimate, se, df, statistic, p, lower, upper,
    n_observed, failure. Raises ScenarioError for a reference or day that does not occur.
    """
    import pandas as pd

    days = list(trials.days)
    if target_day is not None:
        if target_day not in days:
            raise ScenarioError(f"--target-day = {target_day:g}: must be one of {', '.join(f'{d:g}' for d in days)}")
        days = [target_day]
    names = [*(["baseline"] if baseline else []), *covariates] if method == "ancova" else []
    columns = covariate_columns(trials, names)
    rows = []
    for day in days:
        y = trials.score[..., int(np.searchsorted(trials.days, day))]
        for contrast, weights in _contrasts(trials, reference):
            fit = ancova(y, trials.arm, columns, weights)
            lower, upper = fit.interval(alpha)
            rows.append(
                {
                    "analysis": method, "contrast": contrast, "measure": "difference", "day": float(day),
                    "estimate": fit.estimate[0], "se": fit.se[0], "df": fit.df[0], "statistic": fit.statistic[0],
                    "p": fit.p[0], "lower": lower[0], "upper": upper[0],
                    "n_observed": int(np.isfinite(y[0]).sum()),
                    "failure": "" if fit.failure[0] == 0 else Failure(fit.failure[0]).name.lower(),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _contrasts(trials: Trials, reference: str | None) -> list[tuple[str, list[float]]]:
    if trials.factors:
        if reference is not None:
            raise ScenarioError(f"--reference = {reference!r}: goes with --arm, not with --factor")
        if len(trials.factors) == 1:
            return [(trials.factors[0], [-1.0, 1.0])]
        f, g = trials.factors  # arms in the order 00, 01, 10, 11
        return [(f, [-1, 0, 1, 0]), (g, [-1, 1, 0, 0]), (f"{f}:{g}", [1, -1, -1, 1])]
    right = reference if reference is not None else trials.arms[0]
    if right not in trials.arms:
        raise ScenarioError(f"--reference = {right!r}: must be one of {', '.join(trials.arms)}")
    r = trials.arms.index(right)
    return [
        (f"{left} - {right}", [1.0 if a == i else -1.0 if a == r else 0.0 for a in range(len(trials.arms))])
        for i, left in enumerate(trials.arms)
        if i != r
    ]
