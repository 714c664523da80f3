"""A data file and a method to a table of estimates, by the estimators that `power` uses."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaptrial.analyse.real.options import Options
from kaptrial.errors import FieldError

if TYPE_CHECKING:
    import pandas as pd

# Each method's function, by module: compiled estimators are loaded only when asked for.
METHODS = {
    "ancova": "scores.ancova_rows",
    "difference": "scores.difference_rows",
    "mmrm": "scores.mmrm_rows",
    "nested": "scores.nested_rows",
    "nested_mmrm": "scores.nested_mmrm_rows",
    "reference_based": "scores.reference_based_rows",
    "response": "scores.response_rows",
    "firth": "scores.firth_rows",
    "logrank": "times.logrank_rows",
    "cox": "times.cox_rows",
    "rmst": "times.rmst_rows",
    "abstinent_days": "shares.abstinent_days_rows",
    "beta_binomial": "shares.beta_binomial_rows",
    "counts": "shares.count_rows",
    "crossover": "periods.crossover_rows",
    "single_arm": "periods.single_arm_rows",
}


def analyse(path: Path, method: str = "ancova", options: Options | None = None) -> pd.DataFrame:
    """One row an estimate: analysis, contrast, measure, day, estimate, se, df, statistic, p, lower, upper, n_observed,
    failure, and what else the method has to say. Numbers that test nothing (variances, medians) have rows of their own.

    Raises ScenarioError for an unknown method and for what the file cannot give.
    """
    import pandas as pd

    if method not in METHODS:
        raise FieldError("method", method, f"must be one of {', '.join(METHODS)}")
    module, _, function = METHODS[method].partition(".")
    rows: Callable[[Path, Options], list[dict[str, Any]]] = getattr(import_module(f"{__name__}.{module}"), function)
    return pd.DataFrame(rows(path, options or Options()))


__all__ = ["METHODS", "Options", "analyse"]
