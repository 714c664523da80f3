"""The rows of a table of estimates."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from kaptrial.analyse.real.options import Options
from kaptrial.analysis.fit import Failure, Fit
from kaptrial.errors import FieldError
from kaptrial.trials import Trials

Row = dict[str, Any]
NAN = float("nan")


def fit_row(
    options: Options,
    fit: Fit,
    *,
    analysis: str,
    contrast: str,
    measure: str,
    day: float = NAN,
    n_observed: int | None = None,
    **more: Any,
) -> Row:
    """The first replicate of a fit as a row; with a margin, its non-inferiority too."""
    lower, upper = fit.interval(options.alpha)
    row: Row = {
        "analysis": analysis, "contrast": contrast, "measure": measure, "day": float(day),
        "estimate": float(fit.estimate[0]), "se": float(fit.se[0]), "df": float(fit.df[0]),
        "statistic": float(fit.statistic[0]), "p": float(fit.p[0]), "lower": float(lower[0]), "upper": float(upper[0]),
        "n_observed": n_observed, "failure": named(int(fit.failure[0])), **more,
    }  # fmt: skip
    if options.margin is not None:
        from kaptrial.analysis.margin import non_inferior

        better = _better(options, analysis)
        rejects, p = non_inferior(fit, options.margin, better=better, alpha_one_sided=options.alpha / 2)
        row |= {"margin": options.margin, "p_non_inferior": float(p[0]), "non_inferior": bool(rejects[0])}
    return row


def _better(options: Options, analysis: str) -> Literal["lower", "higher"]:
    """Which way an estimate is better: more responders always; days of success and times rise unless said otherwise."""
    if analysis in ("response", "firth"):
        return "higher"  # `better` is of the score by which they respond
    rises = analysis in ("rmst", "quasibinomial_logit", "beta_binomial") or analysis.startswith("percent_linear")
    return options.better or ("higher" if rises else "lower")


def value_row(
    value: Any,
    *,
    analysis: str,
    measure: str,
    contrast: str | None = None,
    day: float = NAN,
    se: float = NAN,
    failure: int = Failure.NONE,
) -> Row:
    """A number that tests nothing: a variance component, a median, a likelihood; `failure` of the fit it is from."""
    return {
        "analysis": analysis, "contrast": contrast, "measure": measure, "day": float(day),
        "estimate": float(value), "se": float(se), "df": NAN, "statistic": NAN, "p": NAN, "lower": NAN, "upper": NAN,
        "n_observed": None, "failure": named(failure),
    }  # fmt: skip


def named(failure: int) -> str:
    """The failure in words; empty if there is none."""
    return "" if failure == Failure.NONE else Failure(failure).name.lower()


def contrasts(arms: tuple[str, ...], factors: tuple[str, ...], reference: str | None) -> list[tuple[str, list[float]]]:
    """Every arm against the reference (the first unless named), or the terms of a 2×2 in 0/1 coding; with weights."""
    if factors:
        if reference is not None:
            raise FieldError("reference", reference, "goes with `arm`, not with `factors`")
        if len(factors) == 1:
            return [(factors[0], [-1.0, 1.0])]
        f, g = factors  # arms in the order 00, 01, 10, 11
        return [(f, [-1, 0, 1, 0]), (g, [-1, 1, 0, 0]), (f"{f}:{g}", [1, -1, -1, 1])]
    right = reference if reference is not None else arms[0]
    if right not in arms:
        raise FieldError("reference", right, f"must be one of {', '.join(arms)}")
    r = arms.index(right)
    return [
        (f"{left} - {right}", [1.0 if a == i else -1.0 if a == r else 0.0 for a in range(len(arms))])
        for i, left in enumerate(arms)
        if i != r
    ]


def contrasts_of(trials: Trials, options: Options) -> list[tuple[str, list[float]]]:
    """The contrasts asked of a data set of scores."""
    return contrasts(trials.arms, trials.factors, options.reference)


def days_asked(days: np.ndarray, options: Options) -> list[float]:
    """All days, or the one asked for."""
    if options.target_day is None:
        return [float(day) for day in days]
    if np.isnan(days).all():
        raise FieldError("target_day", options.target_day, f"the file has no column {options.day}")
    if options.target_day not in days:
        known = ", ".join(f"{day:g}" for day in days)
        raise FieldError("target_day", options.target_day, f"must be one of {known}")
    return [options.target_day]


def visit_of(days: np.ndarray, day: float) -> int:
    """Number of the visit on a day; a file without days has one visit."""
    return 0 if np.isnan(day) else int(np.searchsorted(days, day))
