"""Analyses of response and remission: logistic regression, Firth's, Fisher's exact test; and trials of one arm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.errors import ABSENT, FieldError
from kaptrial.estimators.endpoints import with_missing_as_failures
from kaptrial.estimators.fit import Fit
from kaptrial.method_table import BINARY, method
from kaptrial.methods.number_needed import number_needed
from kaptrial.methods.options import VISITS, Options
from kaptrial.methods.rows import contrasts_of, days_asked, fit_row, named, value_row, visit_of
from kaptrial.methods.scores import ADJUSTED, LEFT_OUT, UNADJUSTED, all_columns, complete, n_used, note_unseen, read
from kaptrial.methods.simulated import SimulatedQuestion
from kaptrial.results import Line, Question, Value
from kaptrial.simulation.data_file import DataFile
from kaptrial.simulation.trials import Trials

RULE = ("best", "response_fraction", "missing_response")


def responses(trials: Trials, options: Options, visit: int) -> Floats:
    """1 for response, 0 for none; a score that is only ever 0 or 1 is the response itself.

    NaN without a baseline that it needs, and without a score unless that counts as a failure.
    """
    y = trials.score[..., visit]
    if _are_responses(trials):
        return with_missing_as_failures(y) if options.missing_response == "failure" else y
    if not np.isfinite(trials.baseline).any():
        raise FieldError("baseline", ABSENT, "response needs a baseline, or scores that are 0 or 1")
    gained = (trials.baseline - y) if options.better_score == "lower" else (y - trials.baseline)
    room = np.abs(trials.baseline - options.best)
    response = np.where(np.isnan(y), np.nan, (gained >= options.response_fraction * room) & (room > 0))
    if options.missing_response == "failure":
        response = with_missing_as_failures(response)
    return np.where(np.isnan(trials.baseline), np.nan, response)


def _are_responses(trials: Trials) -> bool:
    """Whether the scores are 0 and 1 only."""
    return bool(np.isin(trials.score[np.isfinite(trials.score)], (0, 1)).all())


def _fate(options: Options) -> str:
    """What becomes of a patient without a score."""
    return "counted as failures" if options.missing_response == "failure" else LEFT_OUT


def _logistic_rows(
    data: DataFile, options: Options, name: str, *, firth: bool = False, risks: bool = True
) -> Iterator[Line]:
    """Logistic regression: odds ratio and, if asked, standardised risk difference and Fisher's exact test."""
    from kaptrial.estimators import binary

    trials = read(data, options)
    columns, kept, days = all_columns(trials), complete(data, trials), days_asked(trials.days, options)
    note_unseen(data, trials, kept, days, _fate(options))
    for day in days:
        y = responses(trials, options, visit_of(trials.days, day))
        n = n_used(y, kept)
        for contrast, weights in contrasts_of(trials, options):
            result = binary.logistic(y, trials.arm, columns, weights, firth=firth)
            about = Question(analysis=name, contrast=contrast, measure="log_odds_ratio", endpoint="response", day=day)
            log_odds_ratio = fit_row(options, result.log_odds_ratio, about, n)
            yield log_odds_ratio
            differences = (
                ("risk_difference", result.risk_difference),
                ("risk_difference_random_covariates", result.risk_difference_random),
            )
            for measure, fit in differences if risks else ():
                row = fit_row(options, fit, replace(about, measure=measure), n)
                yield _with_number_needed(row) if sum(filter(_is_positive, weights)) == 1 else row
            yield _odds_ratio_row(log_odds_ratio)
            if risks and sum(weight != 0 for weight in weights) == 2:
                exact = replace(about, analysis="fisher", measure="risk_difference")
                yield _fisher_row(y, trials, exact, weights)


def _is_positive(weight: float) -> bool:
    return weight > 0


def _odds_ratio_row(log_odds_ratio: Line) -> Line:
    """The odds ratio of a line of its logarithm: the same test, exp of the ends, the SE by the delta method."""
    with np.errstate(over="ignore"):
        ratios = {name: float(np.exp(number)) for name, number in _numbers(log_odds_ratio).items()}
    se = ratios["estimate"] * _number(log_odds_ratio, "se")
    return Line(numbers={**log_odds_ratio.numbers, **ratios, "measure": "odds_ratio", "se": se})


def _with_number_needed(row: Line) -> Line:
    """The line of a risk difference with its number needed to treat."""
    said = number_needed(*_numbers(row).values())
    return Line(numbers={**row.numbers, "number_needed_to_treat": said})


def _numbers(row: Line) -> dict[str, float]:
    """A line's estimate and the ends of its interval."""
    return {name: _number(row, name) for name in ("estimate", "lower", "upper")}


def _number(row: Line, name: str) -> float:
    return float(row.numbers[name])  # type: ignore[arg-type]


def response_rows(data: DataFile, options: Options) -> list[Line]:
    """Logistic regression by maximum likelihood."""
    return list(_logistic_rows(data, options, "response"))


def odds_ratio_rows(data: DataFile, options: Options) -> list[Line]:
    """The odds ratio alone, by maximum likelihood."""
    return list(_logistic_rows(data, options, "odds_ratio", risks=False))


def firth_rows(data: DataFile, options: Options) -> list[Line]:
    """As `response_rows`, by Firth's penalised likelihood."""
    return list(_logistic_rows(data, options, "firth", firth=True))


def fisher_rows(data: DataFile, options: Options) -> list[Line]:
    """Fisher's exact test of every two arms."""
    trials = read(data, options)
    days = days_asked(trials.days, options)
    kept = np.ones(trials.arm.shape, dtype=bool) if _are_responses(trials) else complete(data, trials)
    note_unseen(data, trials, kept, days, _fate(options))
    return [
        _fisher_row(
            responses(trials, options, visit_of(trials.days, day)),
            trials,
            Question(analysis="fisher", contrast=contrast, measure="risk_difference", endpoint="response", day=day),
            weights,
        )
        for day in days
        for contrast, weights in contrasts_of(trials, options)
        if sum(weight != 0 for weight in weights) == 2
    ]


def _fisher_row(y: Floats, trials: Trials, about: Question, weights: list[float]) -> Line:
    from kaptrial.estimators.binary import fisher

    exact = fisher(y, trials.arm, weights)
    row = value_row(exact.risk_difference[0], about, failure=int(exact.failure[0]))
    row = _with_number_needed(row)
    compared = np.array(weights)[trials.arm] != 0
    return Line(numbers={**row.numbers, "p": float(exact.p[0]), "n_observed": int(np.isfinite(y[compared]).sum())})


@method(
    "response",
    label="logistic regression",
    summary="logistic regression, standardised risk difference",
    endpoints=BINARY,
    better="higher",
    rows=response_rows,
    options=(*ADJUSTED, *RULE),
)
def _response(q: SimulatedQuestion) -> Fit:
    from kaptrial.estimators.binary import logistic

    return logistic(q.y, q.arm, q.covariates, q.weights).risk_difference_random


@method(
    "odds_ratio",
    label="logistic regression",
    summary="logistic regression, odds ratio",
    endpoints=BINARY,
    better="higher",
    measure="log_odds_ratio",
    rows=odds_ratio_rows,
    options=(*ADJUSTED, *RULE),
)
def _odds_ratio(q: SimulatedQuestion) -> Fit:
    from kaptrial.estimators.binary import logistic

    return logistic(q.y, q.arm, q.covariates, q.weights).log_odds_ratio


@method(
    "firth",
    label="Firth's logistic regression",
    summary="logistic regression with Firth's penalty",
    endpoints=BINARY,
    better="higher",
    measure="log_odds_ratio",
    rows=firth_rows,
    options=(*ADJUSTED, *RULE),
)
def _firth(q: SimulatedQuestion) -> Fit:
    from kaptrial.estimators.binary import logistic

    return logistic(q.y, q.arm, q.covariates, q.weights, firth=True).log_odds_ratio


@method(
    "fisher",
    label="Fisher's exact test",
    summary="Fisher's exact test",
    endpoints=BINARY,
    arms="two",
    better="higher",
    test_only=True,
    rows=fisher_rows,
    options=(*(name for name in UNADJUSTED if name not in ("margin", "alpha")), "baseline", *RULE),
)
def _fisher(q: SimulatedQuestion) -> Fit:
    """The exact test as a fit: the risk difference with the standard error that gives a normal test the exact p."""
    from scipy.special import ndtri

    from kaptrial.estimators.binary import fisher

    exact = fisher(q.y, q.arm, q.weights)
    z = np.abs(ndtri(np.clip(exact.p / 2, 1e-300, 0.4999999)))
    se = np.where(exact.risk_difference == 0, 1.0, np.abs(exact.risk_difference) / z)
    return Fit(estimate=exact.risk_difference, se=se, df=np.full(len(z), np.inf), failure=exact.failure)


# --- one arm ----------------------------------------------------------------------------------------------------------


def single_arm_rows(data: DataFile, options: Options) -> list[Line]:
    """One arm: mean change from baseline with its t interval, and the share responding with its exact interval."""
    from kaptrial.estimators import single_arm

    trials = read(data, replace(options, baseline=options.baseline or "baseline"), one_arm=True)
    kept, days = complete(data, trials), days_asked(trials.days, options)
    fails = options.missing_response == "failure"
    note_unseen(data, trials, kept, days, "left out of the change and a failure in the share" if fails else LEFT_OUT)
    rows = []
    for day in days:
        v = visit_of(trials.days, day)
        change = trials.score[..., v] - trials.baseline
        n = n_used(change, kept)
        about = Question(analysis="single_arm", contrast=trials.arms[0], measure="change", endpoint="change", day=day)
        rows.append(fit_row(options, single_arm.mean_change(change), about, n))
        share = single_arm.response(responses(trials, options, v))
        lower, upper = share.interval(options.alpha)
        failure = int(share.failure[0])
        row = value_row(share.estimate[0], replace(about, measure="response", endpoint="response"), failure=failure)
        ends: dict[str, Value] = {
            "lower": float(lower[0]),
            "upper": float(upper[0]),
            "failure": named(int(share.failure[0])),
        }
        rows.append(Line(numbers={**row.numbers, **ends, "n_observed": int(share.n[0])}))
    return rows


@method(
    "single_arm",
    label="a one-sample test",
    summary="mean change, or share of responders, of one arm",
    endpoints=("change", *BINARY),
    arms="one",
    exact=BINARY,
    rows=single_arm_rows,
    options=("alpha", "score", "arm", "baseline", "better", *VISITS, *RULE),
)
def _single_arm(q: SimulatedQuestion) -> Fit:
    from kaptrial.estimators import single_arm

    estimator = single_arm.response if q.estimand.endpoint in BINARY else single_arm.mean_change
    return estimator(q.y, q.estimand.benchmark)
