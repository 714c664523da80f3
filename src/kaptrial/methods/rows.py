"""The lines of a table of estimates, and what they are about."""

from __future__ import annotations

from typing import Any

import numpy as np

from kaptrial.errors import FieldError
from kaptrial.estimators.fit import Failure, Fit
from kaptrial.method_table import methods
from kaptrial.methods.options import Options
from kaptrial.results import Line, Question
from kaptrial.simulation.trials import Trials

NAN = float("nan")


def fit_row(
    options: Options, fit: Fit, about: Question, n_observed: int | None = None, method: str | None = None, **more: Any
) -> Line:
    """The first replicate of a fit as a line; with a margin of its kind, its non-inferiority too.

    `method`: the one that the analysis belongs to, where it is not called the same.
    """
    lower, upper = fit.interval(options.alpha)
    side = methods()[method or about.analysis]
    known = side.better != "outcome" or options.better is not None
    estimate = float(fit.estimate[0])
    favours = _favours(estimate, side.favourable(options.better) == "higher") if known else None
    numbers = about.flat() | {name: float(getattr(fit, name)[0]) for name in ("estimate", "se", "df", "statistic", "p")}
    numbers |= {"lower": float(lower[0]), "upper": float(upper[0]), "n_observed": n_observed}
    numbers |= {"failure": named(int(fit.failure[0])), "favours": favours, **more}
    if options.margin is not None and margin_kind(about.measure) == margin_kind(side.measure):
        from kaptrial.estimators.margin import non_inferior, on_scale_of

        better = side.favourable(options.better)
        margin = on_scale_of(about.measure, options.margin, better)
        rejects, p = non_inferior(fit, margin, better=better, alpha_one_sided=options.alpha / 2)
        numbers |= {"margin": options.margin, "margin_of": margin_kind(about.measure)}
        numbers |= {"p_non_inferior": float(p[0]), "non_inferior": bool(rejects[0])}
    return Line(numbers=numbers)


def margin_kind(measure: str) -> str:
    """What a margin of a measure is: that ratio of which it is the logarithm, or a difference."""
    return measure.removeprefix("log_") if measure.startswith("log_") else "difference"


def _favours(estimate: float, higher: bool) -> str | None:
    """The side of the contrast that an estimate favours; neither where it is 0 or missing."""
    return None if not abs(estimate) > 0 else "a" if (estimate > 0) == higher else "b"


def value_row(value: Any, about: Question, *, failure: int | str = Failure.NONE, **more: Any) -> Line:
    """A number that tests nothing: a variance component, a median, a likelihood; `failure` of the fit it is from."""
    empty = dict.fromkeys(("se", "df", "statistic", "p", "lower", "upper"), NAN)
    why = failure if isinstance(failure, str) else named(failure)
    return Line(numbers=about.flat() | {"estimate": float(value), **empty, "n_observed": None, "failure": why} | more)


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
