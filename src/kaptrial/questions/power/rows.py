"""Rows of results: what an analysis of an estimand gives, under the scenario and under its nulls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kaptrial.arrays import Bools
from kaptrial.estimators import multiplicity
from kaptrial.estimators.fit import Fit
from kaptrial.estimators.margin import non_inferior, on_scale_of
from kaptrial.method_table import (
    ATTENDANCE,
    BINARY,
    MARGIN_MEASURES,
    NOT_OF_SCORES,
    TIMES,
    Side,
    endpoint_side,
    method_of,
)
from kaptrial.questions.power.controlled import Controlled, controlled_mean, controlled_share
from kaptrial.questions.power.execution import AT_BEST, Fits
from kaptrial.questions.power.measures import (
    SIGN_KNOWN,
    TARGET_POWER,
    detectable_difference,
    room_for_synergy,
    sd_error,
    share,
    type_m,
    type_s,
)
from kaptrial.questions.power.nulls import NullRun, differ_in
from kaptrial.questions.power.shared import Truths
from kaptrial.questions.power.truth import Truth
from kaptrial.results import Question, Row
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.trial import Estimand


def question(s: Scenario, estimand: Estimand, analysis: str, columns: Mapping[str, Any] | None = None) -> Question:
    """What the rows of one analysis of an estimand are about; `columns` tell its scenario from others."""
    return Question(
        analysis=analysis,
        contrast=estimand.contrast,
        measure=method_of(analysis).measure_of(estimand.endpoint),
        endpoint=estimand.endpoint,
        outcome=s.outcome_named(estimand),
        day=estimand.day,
        strategies=estimand.strategies.described(s.conduct.intercurrent_events),
        benchmark=None if len(s.arms) > 1 else estimand.benchmark or 0.0,
        columns=tuple((columns or {}).items()),
    )


def better(s: Scenario, estimand: Estimand, analysis: str | None = None) -> Side:
    """Which direction is the favourable one, of an estimand's endpoint or of an analysis' estimate of it.

    Shares but that of dropout and times rise, scores go as their scale; hazards fall where times rise.
    """
    own: Side = "higher" if s.scale_of(estimand).better == "higher" else "lower"
    endpoint = estimand.endpoint
    outcome = endpoint_side(endpoint) or own
    if analysis is None or endpoint in BINARY:
        return outcome
    return method_of(analysis).favourable(None if endpoint in TIMES else outcome)


def estimand_rows(s: Scenario, estimand: Estimand, fits: Fits, i: int, about: Question, known: Truths) -> list[Row]:
    """The rows of one analysis of the i-th estimand."""
    fit, alpha, method = fits[i, about.analysis], s.analysis.alpha, method_of(about.analysis)
    asked = about.measure
    truth = known.actual.on(asked)
    rows = [analysed(row) for row in _power_rows(s, estimand, fit, about)]

    def add(metric: str, value: float, mcse: float) -> None:
        rows.append(_row(about, metric, fit, value, mcse))

    add("truth", truth.value, truth.mcse)
    for metric, other in (("if_additive", known.if_additive), ("without_expectancy", known.without_expectancy)):
        add(f"truth_{metric}", other.on(asked).value, other.on(asked).mcse)
    ok = fit.failure == 0
    n = int(ok.sum())
    if n < 2:
        return rows
    if fit.fell_back is not None and fit.fell_back.any():
        add("fallback_rate", *share(fit.fell_back))
    est, se = fit.estimate[ok], fit.se[ok]
    sd = float(est.std(ddof=1))
    if method.estimates_truth:
        mean = controlled_mean(est, fit, ok)
        rows.append(_controlled_row(about, "mean_estimate", fit, mean))
        rows.append(_controlled_row(about, "bias", fit, mean.less(truth.value, truth.mcse)))
        add("empirical_se", sd, sd_error(est))
    if not method.test_only:
        model = float(np.sqrt(np.mean(se**2)))
        add("model_se", model, float(np.std(se**2, ddof=1) / (2 * model * np.sqrt(n))) if model > 0 else 0.0)
        lower, upper = fit.interval(alpha)
        add("coverage", *share((lower[ok] <= truth.value) & (truth.value <= upper[ok])))
    from_null = replace(truth, value=truth.value - (estimand.benchmark or 0.0))
    add("type_s", *type_s(fit, alpha, from_null))
    if method.estimates_truth:
        add("type_m", *type_m(fit, alpha, from_null))
    if not method.test_only and estimand.endpoint not in method.exact:
        detectable = detectable_difference(sd, float(np.median(fit.df[ok])), alpha, TARGET_POWER)
        add("detectable_difference", detectable, detectable * sd_error(est) / sd if sd > 0 else 0.0)
    if s.contrast(estimand).kind == "interaction" and estimand.endpoint not in (*NOT_OF_SCORES, "count"):
        room = room_for_synergy(s, estimand, known.if_additive)
        if room is not None:
            add("room_for_synergy", *room)
        rows.append(rejection(about, "power_at_best", fits[i, about.analysis + AT_BEST], alpha, least=True))
    return rows


def analysed(row: Row) -> Row:
    """The row as it is, without a number where no replicate could be analysed."""
    return replace(row, value=np.nan, mcse=np.nan) if row.n_failed == row.n_replicates else row


def _share_row(about: Question, metric: str, fit: Fit, hits: Bools) -> Row:
    """A share of replicates, as precise as the draws behind them allow."""
    return _controlled_row(about, metric, fit, controlled_share(hits, fit))


def _controlled_row(about: Question, metric: str, fit: Fit, figure: Controlled) -> Row:
    """A figure beside the plain one, where control variates were asked for."""
    return replace(
        _row(about, metric, fit, figure.value, figure.mcse), more=figure.beside if fit.normals is not None else {}
    )


def _row(about: Question, metric: str, fit: Fit, value: float, mcse: float) -> Row:
    n_failed = int((fit.failure != 0).sum())
    return Row(question=about, metric=metric, value=value, mcse=mcse, n_replicates=len(fit.se), n_failed=n_failed)


def _power_rows(s: Scenario, estimand: Estimand, fit: Fit, about: Question) -> list[Row]:
    """How often the test rejects, for better too in one arm, and against the margin where there is one."""
    return [_share_row(about, name, fit, hits) for name, hits in rejections(s, estimand, fit, about).items()]


def rejections(s: Scenario, estimand: Estimand, fit: Fit, about: Question) -> dict[str, Bools]:
    """Which replicates reject, (replicate,), by what the share of them is called."""
    alpha = s.analysis.alpha
    hits = {_rejection_name(s, estimand): rejects(fit, alpha)}
    side = better(s, estimand, about.analysis)
    if s.contrast(estimand).kind == "single":
        hits["power_better"] = rejects(fit, alpha, better=side)
    test_only = method_of(about.analysis).test_only
    if estimand.margin is not None and not test_only and about.measure in MARGIN_MEASURES:
        margin = on_scale_of(about.measure, estimand.margin, side)
        hits["power_non_inferiority"], _ = non_inferior(fit, margin, better=side, alpha_one_sided=alpha / 2)
    return hits


def rejects(fit: Fit, alpha: float, *, least: bool = False, better: Side | None = None) -> Bools:
    """Which replicates reject; a failed fit does not.

    `least`: no residual variance counts as a rejection. `better`: only rejections with the estimate on this side count.
    """
    hits: Bools = np.nan_to_num(fit.p, nan=1.0) < alpha
    if least:
        hits |= fit.failure == 2
    if better is not None:
        hits &= fit.departure < 0 if better == "lower" else fit.departure > 0
    return hits


def rejection(
    about: Question, metric: str, fit: Fit, alpha: float, *, least: bool = False, better: Side | None = None
) -> Row:
    """The share of replicates that reject."""
    return _share_row(about, metric, fit, rejects(fit, alpha, least=least, better=better))


def _rejection_name(s: Scenario, estimand: Estimand) -> str:
    """An error where the scenario's own null makes the contrast nil, power elsewhere.

    In one arm a null of the model leaves what it is tested against, its benchmark.
    """
    kind = s.contrast(estimand).kind
    if s.null is None or kind == "single" or estimand.endpoint in ATTENDANCE:
        return "power"
    if s.null == "synergy":
        return "false_synergy_rate" if kind == "interaction" else "power"
    return "type_i_error" if kind == "interaction" or differ_in(s, estimand) <= {s.null} else "power"


def powers(s: Scenario, fits: Fits, sides: Mapping[tuple[int, str], Side] | None = None) -> list[Row]:
    """The rows of power alone of every estimand and analysis, which need no truth, multiplicity included.

    `sides`: of the fits given, also `power_expected_side`, the share that reject with the estimate on this side.
    """
    rows = []
    for i, estimand in enumerate(s.estimands):
        for analysis in s.analyses(estimand):
            fit, about = fits[i, analysis], question(s, estimand, analysis)
            rows += _power_rows(s, estimand, fit, about)
            side = (sides or {}).get((i, analysis))
            if side is not None:
                rows.append(rejection(about, "power_expected_side", fit, s.analysis.alpha, better=side))
    if s.analysis.multiplicity is not None:
        rows += multiplicity_rows(s, {}, fits, [])
    return rows


def expected_sides(s: Scenario, fits: Sequence[Fits]) -> dict[tuple[int, str], Side]:
    """On which side of what is tested the mean of all estimates lies, where it is told from none; of one arm this is no
    question. `fits`: of the draws of a prior.
    """
    sides: dict[tuple[int, str], Side] = {}
    for i, estimand in enumerate(s.estimands):
        for analysis in s.analyses(estimand) if s.contrast(estimand).kind != "single" else ():
            own = [each[i, analysis] for each in fits]
            away = np.concatenate([fit.departure[fit.failure == 0] for fit in own] or [np.empty(0)])
            if len(away) > 1 and abs(away.mean()) > SIGN_KNOWN * away.std(ddof=1) / np.sqrt(len(away)):
                sides[i, analysis] = "lower" if away.mean() < 0 else "higher"
    return sides


def favours(s: Scenario, estimand: Estimand, truth: Truth) -> str | None:
    """Which side of the contrast the truth favours, `a` the left or `b` the right; None if it favours neither."""
    if abs(truth.value) <= SIGN_KNOWN * truth.mcse:
        return None
    return "a" if (truth.value > 0) == (better(s, estimand) == "higher") else "b"


def multiplicity_rows(
    s: Scenario, columns: Mapping[str, Any], own: Fits, nulls: Sequence[tuple[NullRun, Fits]]
) -> list[Row]:
    """Power of each estimand, of any and of all, under the multiplicity procedure; its familywise error under nulls."""
    first = [s.analyses(estimand)[0] for estimand in s.estimands]
    rejected = _adjusted(s, own, first)
    rows = []

    def add(hits: np.ndarray, metric: str, about: Question) -> None:
        value, mcse = share(hits)
        rows.append(Row(question=about, metric=metric, value=value, mcse=mcse, n_replicates=len(hits)))

    assert s.analysis.multiplicity is not None
    about: dict[str, Any] = {"analysis": s.analysis.multiplicity.procedure, "columns": tuple(columns.items())}
    outcome = "" if s.outcomes else None
    together = Question(contrast="all estimands", measure="rejection", strategies="", outcome=outcome, **about)
    for i, estimand in enumerate(s.estimands):
        add(rejected[:, i], "power_multiplicity", question(s, estimand, first[i], columns))
    add(rejected.any(axis=1), "power_any", together)
    add(rejected.all(axis=1), "power_all", together)
    for run_, fits in nulls:
        if run_.metric != "expectancy_only_rate":
            wrong = _adjusted(s, fits, first)[:, list(run_.estimands)]
            add(wrong.any(axis=1), f"familywise_error_{run_.name}", together)
    return rows


def _adjusted(s: Scenario, fits: Fits, first: list[str]) -> np.ndarray:
    """Which estimands the procedure rejects, (replicate, estimand); a failed fit is not rejected."""
    plan = s.analysis.multiplicity
    assert plan is not None
    p = np.stack([fits[i, analysis].p for i, analysis in enumerate(first)], axis=-1)
    return multiplicity.rejected(p, plan.procedure, s.analysis.alpha, families=plan.families)
