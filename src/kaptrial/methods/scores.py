"""Analyses of scores by visit: ANCOVA, difference, MMRM, partially nested models, imputation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kaptrial.arrays import Bools, Floats
from kaptrial.errors import DataError, FieldError
from kaptrial.estimators.fit import Failure, Fit
from kaptrial.method_table import BINARY, COUNTS, DAYS, SCORES, method, methods
from kaptrial.methods.options import ALWAYS, ARMS, COMPARED, COVARIATES, VISITS, Options
from kaptrial.methods.prepared import covariate_columns
from kaptrial.methods.rows import NAN, contrasts_of, days_asked, fit_row, named, value_row, visit_of
from kaptrial.methods.simulated import AnyQuestion, SimulatedQuestion, visit_weights
from kaptrial.results import Line, Question
from kaptrial.scenario.contrast import references_of
from kaptrial.simulation.data_file import DataFile, count, listed
from kaptrial.simulation.trials import Columns, Trials, trials_of

if TYPE_CHECKING:
    from kaptrial.estimators.imputation import Imputation, Scores

ONE_DAY = (*SCORES, *BINARY, DAYS, "sessions_attended", *COUNTS, "drinks_per_day")
UNADJUSTED = (*ALWAYS, *COMPARED, *ARMS, *VISITS)
ADJUSTED = (*UNADJUSTED, *COVARIATES)
LEFT_OUT = "left out"


def read(data: DataFile, options: Options, *, baseline: bool = True, one_arm: bool = False) -> Trials:
    """The file as a data set; with the baseline column unless the user has said that there is none."""
    column = ("baseline" if options.baseline is None else options.baseline) if baseline else options.baseline
    columns = Columns(
        patient=options.patient,
        arm=options.arm,
        day=options.day,
        baseline=column or None,
        score=options.score or "score",
        factors=options.factors,
        covariates=options.covariates,
        categories=options.categories,
        therapist=options.therapist,
        visits=options.visits,
        window=options.window,
        one_arm=one_arm,
    )
    trials = trials_of(data, columns)
    if column and not np.isfinite(trials.baseline).any():
        data.note("baseline", f"column `{column}` is empty: no baseline is in the model", "warning")
    return trials


def complete(data: DataFile, trials: Trials, *, baseline: bool = True) -> Bools:
    """The patients with all covariates, (1, patient); says which are left out, and why."""
    columns = {name: each.values[0] for name, each in trials.covariates.items()}
    if baseline and np.isfinite(trials.baseline).any():
        columns = {"baseline": trials.baseline[0], **columns}
    data.left_out_by_reason(trials.patients, columns)
    kept = np.ones(trials.arm.shape, dtype=bool)
    for values in columns.values():
        kept &= np.isfinite(values)
    return kept


def note_unseen(data: DataFile, trials: Trials, kept: Bools, days: list[float], fate: str = LEFT_OUT) -> None:
    """Say how many of the patients kept have no score on each of the days that are analysed one by one, and their fate
    in the analysis."""
    lost = {}
    for day in days:
        unseen = int((kept & np.isnan(trials.score[..., visit_of(trials.days, day)])).sum())
        if unseen:
            lost[day] = unseen
    if lost:
        words = [count(n, "patient") + ("" if day != day else f" on day {day:g}") for day, n in lost.items()]
        data.note("left_out", f"{fate} where the score is missing: {', '.join(words)}")


def note_never_seen(data: DataFile, trials: Trials, kept: Bools) -> None:
    """Say which of the patients kept have no score at all."""
    data.left_out(trials.patients, (kept & ~np.isfinite(trials.score).any(axis=-1))[0], "no score on any day")


def with_modelled_visits(data: DataFile, trials: Trials, kept: Bools, options: Options) -> Trials:
    """The trial without the visits that are too sparse for a model of all visits, which are named.

    At a visit each arm that is ever seen needs a mean, the baseline a slope, and something must be left over.
    """
    arms = [trials.arm[0] == a for a in range(len(trials.arms))]
    seen = np.isfinite(trials.score[0]) & kept[0][:, None]
    ever = [own for own in arms if seen[own].any()]
    least = len(ever) + baseline_column(trials).shape[-1]
    everywhere = np.all([seen[own].any(axis=0) for own in ever], axis=0)
    sparse = (seen.sum(axis=0) <= least) | ~everywhere
    if not sparse.any() or sparse.all():
        return trials
    days = [f"{day:g}" for day in trials.days[sparse]]
    if options.target_day is not None and options.target_day in trials.days[sparse]:
        n = int(seen[:, visit_of(trials.days, options.target_day)].sum())
        raise FieldError("target_day", options.target_day, f"{count(n, 'patient')} seen: too few for a model")
    n = int(seen[:, sparse].sum())
    of = f"{count(n, 'score') if n else 'no score'} of {'day' if len(days) == 1 else 'days'} {listed(days)}"
    data.note("sparse_visit", f"{of} left out: too few for a model" if n else of, "warning")
    return replace(trials, days=trials.days[~sparse], score=trials.score[..., ~sparse])


def check_visits(n_visits: int, method: str) -> None:
    """Raise FieldError where there are more visits than a model of all visits takes."""
    most = methods()[method].most_visits
    if most is not None and n_visits > most:
        raise FieldError("visits", n_visits, f"are more than {method} takes: name at most {most} days")


def main_columns(trials: Trials) -> Floats:
    """The covariates besides the baseline."""
    return covariate_columns(trials, list(trials.covariates))


def baseline_column(trials: Trials) -> Floats:
    """The baseline as a column, or no column where the file has none."""
    return covariate_columns(trials, ["baseline"] if np.isfinite(trials.baseline).any() else [])


def all_columns(trials: Trials) -> Floats:
    """Baseline and covariates."""
    return np.concatenate([baseline_column(trials), main_columns(trials)], axis=-1)


def n_used(scores: Floats, kept: Bools) -> int:
    """How many of the patients kept have a score."""
    return int((np.isfinite(scores) & kept).sum())


@method("ancova", label="ANCOVA", summary="ANCOVA of one visit, complete cases", endpoints=ONE_DAY, options=ADJUSTED)
def _ancova(q: AnyQuestion) -> Fit:
    from kaptrial.estimators.ancova import ancova

    return ancova(q.y, q.arm, q.covariates, q.weights)


@method(
    "difference",
    label="an unadjusted t test",
    summary="difference of the means of one visit, unadjusted",
    endpoints=ONE_DAY,
    options=UNADJUSTED,
)
def _difference(q: AnyQuestion) -> Fit:
    from kaptrial.estimators.ancova import ancova

    return ancova(q.y, q.arm, q.covariates[..., :0], q.weights)


# --- all visits -------------------------------------------------------------------------------------------------------


def mmrm_rows(data: DataFile, options: Options) -> list[Line]:
    """MMRM: contrasts at each day, averaged over the days, and of the area under the curve; covariance, likelihood."""
    from kaptrial.estimators.mmrm import MmrmPlan, mmrm
    from kaptrial.estimators.mmrm.sandwich import sandwich

    trials = read(data, options)
    kept = complete(data, trials, baseline=not options.constrained_baseline)
    note_never_seen(data, trials, kept)
    trials = with_modelled_visits(data, trials, kept, options)
    crossed, y, days = baseline_column(trials), trials.score, trials.days
    if options.constrained_baseline:
        if crossed.shape[-1] == 0:
            raise FieldError("constrained_baseline", True, "needs `baseline`, the first of the scores")
        crossed, y = crossed[..., :0], np.concatenate([trials.baseline[..., None], y], axis=-1)
    lead = y.shape[-1] - len(days)
    weights = dict(contrasts_of(trials, options))
    asked = _mmrm_asked(days, list(weights), options)
    by_arm = [weights[str(q.contrast)] for q, _ in asked]
    by_visit = [np.append(np.zeros(lead), over) for _, over in asked]
    plan = MmrmPlan(
        structures=options.covariance,
        df=options.df or "satterthwaite",
        constrained_baseline=options.constrained_baseline,
        components=True,
    )
    check_visits(y.shape[-1], "mmrm")
    fit = mmrm(y, trials.arm, crossed, main_columns(trials), by_arm, by_visit, plan)
    used, failed = options.covariance[int(fit.structure[0])], bool(named(int(fit.failure[0])))
    contrasts = [fit.contrast(k) for k in range(len(asked))]
    beside: list[dict[str, Any]] = [{"covariance": used} for _ in asked]
    if not failed and (options.sandwich or used != "us"):
        robust = sandwich(
            y[0], trials.arm[0], crossed[0], main_columns(trials)[0], by_arm, by_visit, fit.covariance[0],
            constrained_baseline=options.constrained_baseline,
        )  # fmt: skip
        contrasts, beside = _with_sandwich(contrasts, *robust, options, beside)
    if not failed and used != options.covariance[0]:
        _note_fallback(data, options, used)
    rows = []
    for k, (about, _) in enumerate(asked):
        day = NAN if about.day is None else about.day
        over_days = day != day and about.endpoint != "score"
        seen = trials.score if over_days else trials.score[..., [visit_of(days, day)]]
        n = int((np.isfinite(seen).any(axis=-1) & kept).sum())
        rows.append(fit_row(options, contrasts[k], about, n, **beside[k]))
    if failed:
        return rows
    labels = [f"{day:g}" for day in ([0.0] * lead + list(days))]
    return rows + _covariance_rows(fit.loglik[0], fit.covariance[0], labels)


def _with_sandwich(
    fits: list[Fit], se: Floats, df: Floats, options: Options, beside: list[dict[str, Any]]
) -> tuple[list[Fit], list[dict[str, Any]]]:
    """The fits with the sandwich's errors where they are asked for, and the columns that show the other ones."""
    robust = [replace(fit, se=se[[k]], df=df[[k]]) for k, fit in enumerate(fits)]
    if options.sandwich:
        return robust, [more | {"se_model": float(fit.se[0])} for more, fit in zip(beside, fits, strict=True)]
    more = [
        {"se_sandwich": float(fit.se[0]), "df_sandwich": float(fit.df[0]), "p_sandwich": float(fit.p[0])}
        for fit in robust
    ]
    return fits, [own | columns for own, columns in zip(beside, more, strict=True)]


def _note_fallback(data: DataFile, options: Options, used: str) -> None:
    tried = options.covariance[: options.covariance.index(used)]
    text = f"the covariance structure {listed(list(tried))} could not be fitted, and {used} is in its place"
    if not options.sandwich:
        text += ": its errors hold if it is right, those of se_sandwich in any case"
    data.note("fallback", text, "warning")


def _mmrm_asked(days: Floats, contrasts: list[str], options: Options) -> list[tuple[Question, Floats]]:
    """What an MMRM is asked, each with its weights over the visits."""

    def about(measure: str, contrast: str, day: float, endpoint: str) -> Question:
        return Question(analysis="mmrm", contrast=contrast, measure=measure, day=day, endpoint=endpoint)

    asked = [
        (about("difference", contrast, day, "score"), (days == day).astype(float) if day == day else np.ones(1))
        for day in days_asked(days, options)
        for contrast in contrasts
    ]
    if options.target_day is None and len(days) > 1:
        for name, measure in (("mean_score", "mean_difference"), ("auc", "auc_difference")):
            if name == "auc" and days[0] <= 0:
                continue  # the area is counted from day 0, where arms do not differ yet
            over = visit_weights(name, days, float(days[-1]))
            asked += [(about(measure, contrast, NAN, name), over) for contrast in contrasts]
    return asked


def _covariance_rows(loglik: float, covariance: Floats, labels: list[str]) -> list[Line]:
    rows = [value_row(loglik, Question(analysis="mmrm", contrast=None, measure="reml_loglik", day=NAN))]
    for j, one in enumerate(labels):
        for k, other in enumerate(labels[: j + 1]):
            about = Question(analysis="mmrm", contrast=f"{other},{one}", measure="covariance", day=NAN)
            rows.append(value_row(covariance[j, k], about))
    return rows


@method(
    "mmrm",
    label="MMRM",
    summary="mixed model of all visits, scores missing at random",
    endpoints=SCORES,
    rows=mmrm_rows,
    most_visits=20,
    options=(*ADJUSTED, "covariance", "df", "sandwich", "constrained_baseline"),
)
def _mmrm(q: SimulatedQuestion) -> Fit:
    from kaptrial.estimators.mmrm import MmrmPlan, mmrm
    from kaptrial.estimators.mmrm.sandwich import sandwich

    y, days = q.scores()
    plan, by_visit = q.scenario.analysis, q.split_covariates()
    if plan.constrained_baseline:
        y, days = np.concatenate([q.trials.baseline[..., None], y], axis=-1), np.append(-1.0, days)
        by_visit = (by_visit[0][..., :0], by_visit[1])
    weights = visit_weights(q.estimand.endpoint, days, q.estimand.day)
    if plan.constrained_baseline:
        weights = np.append(0.0, visit_weights(q.estimand.endpoint, days[1:], q.estimand.day))
    how = MmrmPlan(
        structures=plan.covariance,
        df=plan.df,
        constrained_baseline=plan.constrained_baseline,
        components=plan.sandwich,
    )
    result = mmrm(y, q.arm, *by_visit, [q.weights], [weights], how)
    fit = result.contrast(0)
    if not plan.sandwich:
        return fit
    errors = [
        sandwich(
            y[r], q.arm[r], by_visit[0][r], by_visit[1][r], [q.weights], [weights], result.covariance[r],
            constrained_baseline=plan.constrained_baseline,
        )
        if failure == Failure.NONE else (fit.se[[r]], fit.df[[r]])
        for r, failure in enumerate(fit.failure)
    ]  # fmt: skip
    se, df = (np.concatenate(each) for each in zip(*errors, strict=True))
    return replace(fit, se=se, df=df)


# --- therapists -------------------------------------------------------------------------------------------------------


def nested_rows(data: DataFile, options: Options) -> list[Line]:
    """Partially nested model at each day, its variances, and what ignoring the therapists would have given."""
    from kaptrial.estimators.ancova import ancova
    from kaptrial.estimators.nested import nested

    trials = _with_therapists(data, options)
    assert trials.therapist is not None
    columns, kept, days = all_columns(trials), complete(data, trials), days_asked(trials.days, options)
    note_unseen(data, trials, kept, days)
    rows, crossed, df = [], _crossed(trials, options), options.df or "satterthwaite"
    for day in days:
        y = trials.score[..., visit_of(trials.days, day)]
        for contrast, weights in contrasts_of(trials, options):
            result = nested(
                y, trials.arm, trials.therapist, columns, weights, df=df, residual=options.residual, crossed=crossed
            )
            naive = ancova(y, trials.arm, columns, weights)
            about = Question(analysis="nested", contrast=contrast, measure="difference", endpoint="score", day=day)
            rows.append(fit_row(options, result.fit, about, n_used(y, kept)))
            ignoring = replace(about, analysis="ignoring_therapists")
            rows.append(fit_row(options, naive, ignoring, n_used(y, kept), method="nested"))
            failure = int(result.fit.failure[0])
            ratio = (result.fit.se[0] / naive.se[0]) ** 2
            rows += _value_rows([("design_effect", contrast, ratio)], "nested", day, failure or int(naive.failure[0]))
        values: list[Value] = [("therapist_sd", None, result.therapist_sd[0])]
        if result.crossed_sd is not None:
            values.append(("crossed_sd", None, result.crossed_sd[0]))
        values += [("residual_sd", name, result.residual_sd[0, a]) for a, name in enumerate(trials.arms)]
        rows += _value_rows([*values, ("reml_loglik", None, result.reml_loglik[0])], "nested", day, failure)
    return rows


# A measure, what it is of, and its value.
Value = tuple[str, str | None, float]


def _value_rows(values: list[Value], analysis: str, day: float, failure: int) -> list[Line]:
    return [
        value_row(value, Question(analysis=analysis, contrast=contrast, measure=measure, day=day), failure=failure)
        for measure, contrast, value in values
    ]


def _with_therapists(data: DataFile, options: Options) -> Trials:
    trials = read(data, replace(options, therapist=options.therapist or "therapist"))
    assert trials.therapist is not None
    if (trials.therapist < 0).all():
        raise DataError(f"{data.path}: column `{options.therapist or 'therapist'}` is empty: must name a therapist")
    return trials


def _crossed(trials: Trials, options: Options) -> list[int] | None:
    """The level of the factor that is crossed with therapists, for each arm."""
    if options.crossed is None:
        return None
    if options.crossed not in trials.factors:
        known = ", ".join(trials.factors) or "none given"
        raise FieldError("crossed", options.crossed, f"must be one of the factors: {known}")
    f = trials.factors.index(options.crossed)
    return [level[f] for level in trials.levels]


@method(
    "nested",
    label="a partially nested mixed model",
    summary="one visit, with therapists in the therapy arms (partially nested)",
    endpoints=ONE_DAY,
    needs_therapists=True,
    rows=nested_rows,
    options=(*ADJUSTED, "therapist", "df", "residual", "crossed"),
)
def _nested(q: SimulatedQuestion) -> Fit:
    from kaptrial.estimators.nested import nested

    assert q.trials.therapist is not None  # the scenario was checked
    plan = q.scenario.analysis
    return nested(q.y, q.arm, q.trials.therapist, q.covariates, q.weights, df=plan.df, residual=plan.residual).fit


def nested_mmrm_rows(data: DataFile, options: Options) -> list[Line]:
    """MMRM with a therapist intercept (and slope) in the therapy arms, at each day."""
    from kaptrial.estimators.nested_longitudinal import nested_longitudinal

    trials = _with_therapists(data, options)
    kept = complete(data, trials)
    note_never_seen(data, trials, kept)
    trials = with_modelled_visits(data, trials, kept, options)
    assert trials.therapist is not None
    asked = [(day, *each) for day in days_asked(trials.days, options) for each in contrasts_of(trials, options)]
    over = np.eye(len(trials.days))[[visit_of(trials.days, day) for day, *_ in asked]]
    patients = (trials.score, trials.arm, trials.therapist, baseline_column(trials), main_columns(trials))
    begins = np.full(len(trials.arms), _first_affected(data, trials, options))
    fit = nested_longitudinal(
        *patients, [weights for *_, weights in asked], over, begins=begins, df=options.df or "satterthwaite"
    )
    rows = []
    for k, (day, contrast, _) in enumerate(asked):
        about = Question(analysis="nested_mmrm", contrast=contrast, measure="difference", endpoint="score", day=day)
        n = n_used(trials.score[..., visit_of(trials.days, day)], kept)
        rows.append(fit_row(options, fit.contrast(k), about, n))
    values: list[Value] = [("therapist_sd", None, fit.therapist_sd[0]), ("reml_loglik", None, fit.reml_loglik[0])]
    return rows + _value_rows(values, "nested_mmrm", NAN, int(fit.failure[0].min()))


def _first_affected(data: DataFile, trials: Trials, options: Options) -> int:
    """Index of the first visit after the first session; the first visit where that day is not given."""
    start, last = options.therapy_from, float(trials.days[-1])
    if start is None:
        text = "every visit is taken to be one that therapists can affect; `therapy_from` names the first session's day"
        data.note("therapy_from", text)
        return 0
    if not 0 <= start < last:
        raise FieldError("therapy_from", start, f"must be from 0 to before the last visit, day {last:g}")
    return int((trials.days <= start).sum())


@method(
    "nested_mmrm",
    label="an MMRM with therapists",
    summary="mixed model of all visits with therapists in the therapy arms",
    endpoints=SCORES,
    needs_therapists=True,
    one_fit=True,
    rows=nested_mmrm_rows,
    options=(*ADJUSTED, "therapist", "therapy_from", "df"),
)
def _nested_mmrm(questions: Sequence[SimulatedQuestion]) -> list[Fit]:
    from kaptrial.estimators.nested_longitudinal import nested_longitudinal

    q = questions[0]
    assert q.trials.therapist is not None  # the scenario was checked
    y, days = q.scores()
    over = [visit_weights(each.estimand.endpoint, days, each.estimand.day) for each in questions]
    begins = np.array([np.searchsorted(days, day, side="right") for day in q.scenario.therapy_starts])
    weights, covariates = [each.weights for each in questions], q.split_covariates()
    fit = nested_longitudinal(
        y, q.arm, q.trials.therapist, *covariates, weights, over, begins=begins, df=q.scenario.analysis.df
    )
    return [fit.contrast(k) for k in range(len(questions))]


# --- scores after dropout ---------------------------------------------------------------------------------------------


def reference_based_rows(data: DataFile, options: Options) -> list[Line]:
    """Scores after dropout imputed by one strategy or several; a tipping point if asked."""
    from kaptrial.estimators.imputation import Imputation, Scores, reference_based

    trials = read(data, options)
    kept = complete(data, trials)
    trials = with_modelled_visits(data, trials, kept, options)
    check_visits(len(trials.days), "reference_based")
    day = float(trials.days[-1]) if options.target_day is None else days_asked(trials.days, options)[0]
    visit = visit_of(trials.days, day)
    n = n_used(trials.score[..., visit], kept)
    imputed = int(kept.sum()) - n
    if imputed:
        data.note("imputed", f"{count(imputed, 'patient')} without a score on day {day:g}: imputed")
    crossed, main = baseline_column(trials), main_columns(trials)
    scores = Scores(y=trials.score, arm=trials.arm, crossed=crossed, main=main)
    rows = []
    for contrast, weights in contrasts_of(trials, options):
        about = Question(analysis="reference_based", contrast=contrast, measure="difference", endpoint="score", day=day)
        for strategy in options.imputation:
            needed = strategy != "MAR" or options.delta != 0.0 or options.tipping_point
            references = references_of(trials.arms, weights, dict(options.reference_for), contrast, needed=needed)
            how = Imputation(strategy=strategy, reference=references, structures=options.covariance)
            fit = reference_based(
                scores,
                weights,
                visit,
                how,
                delta=options.delta,
                inference=options.inference,
                n_imputations=options.imputations,
                rng=np.random.default_rng(options.seed),
            )
            rows.append(fit_row(options, fit, about, n, imputation=strategy))
            if options.tipping_point:
                tipped = replace(about, measure="tipping_point")
                rows.append(_tipping_point(scores, weights, visit, how, options, tipped))
    return rows


def _tipping_point(
    scores: Scores, weights: list[float], visit: int, how: Imputation, options: Options, about: Question
) -> Line:
    """The delta at which significance is lost."""
    from kaptrial.estimators.imputation import Tipping, tipping_point

    seen = scores.y[np.isfinite(scores.y)]
    # Scores that are all the same have no range to look in, and no significance to lose.
    limit = float(np.ptp(seen)) if len(seen) and np.ptp(seen) > 0 else 1.0
    tip = tipping_point(scores, weights, visit, how, better=options.better_score, limit=limit, alpha=options.alpha)
    outcome = Tipping(tip.outcome[0])
    failure = "" if outcome == Tipping.FOUND else outcome.name.lower()
    return value_row(tip.delta[0], about, failure=failure, imputation=how.strategy)


@method(
    "reference_based",
    label="reference-based imputation",
    summary="scores after dropout imputed from the reference arm",
    endpoints=("score", "change"),
    variants="imputation",
    most_visits=20,
    rows=reference_based_rows,
    options=(
        *ADJUSTED,
        "covariance",
        "reference_for",
        "imputation",
        "inference",
        "imputations",
        "delta",
        "tipping_point",
        "seed",
    ),
)
def _reference_based(q: SimulatedQuestion) -> Fit:
    from kaptrial.estimators.imputation import Imputation, Scores, reference_based

    y, days = q.scores()
    visit = int(np.searchsorted(days, q.estimand.day))
    references = q.scenario.references(q.estimand, needed=q.option != "MAR")
    structures, (crossed, main) = q.scenario.analysis.covariance, q.split_covariates()
    how = Imputation(strategy=q.option, reference=references, structures=structures)  # type: ignore[arg-type]
    return reference_based(
        Scores(y=y, arm=q.arm, crossed=crossed, main=main),
        q.weights,
        visit,
        how,
        inference=q.scenario.analysis.inference,
        n_imputations=q.scenario.analysis.imputations,
        rng=q.imputation_rng(),
    )
