"""Analyses of scores by visit: ANCOVA, difference, MMRM, partially nested models, imputation, response, one arm."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kaptrial.analyse.prepared import covariate_columns
from kaptrial.analyse.real.options import Options
from kaptrial.analyse.real.rows import NAN, Row, contrasts_of, days_asked, fit_row, named, value_row, visit_of
from kaptrial.analyse.simulated import visit_weights
from kaptrial.arrays import Floats
from kaptrial.spec.errors import ScenarioError
from kaptrial.trials import Trials, read_csv


def read(path: Path, options: Options, *, baseline: bool = True, score: str = "score") -> Trials:
    """The file as a data set; with the baseline column unless the user has said that there is none."""
    column = ("baseline" if options.baseline is None else options.baseline) if baseline else options.baseline
    return read_csv(
        path, patient=options.patient, arm=options.arm, day=options.day, baseline=column or None,
        score=options.score or score, factors=options.factors, covariates=options.covariates,
        categories=options.categories, therapist=options.therapist,
    )  # fmt: skip


def main_columns(trials: Trials) -> Floats:
    """The covariates besides the baseline."""
    return covariate_columns(trials, list(trials.covariates))


def baseline_column(trials: Trials) -> Floats:
    """The baseline as a column, or no column where the file has none."""
    return covariate_columns(trials, ["baseline"] if np.isfinite(trials.baseline).any() else [])


def all_columns(trials: Trials) -> Floats:
    """Baseline and covariates."""
    return np.concatenate([baseline_column(trials), main_columns(trials)], axis=-1)


def ancova_rows(path: Path, options: Options, *, adjusted: bool = True) -> list[Row]:
    """ANCOVA at each day, or the unadjusted difference."""
    from kaptrial.analysis.ancova import ancova

    trials = read(path, options, baseline=adjusted)
    columns = all_columns(trials) if adjusted else covariate_columns(trials, ())
    rows = []
    for day in days_asked(trials.days, options):
        y = trials.score[..., visit_of(trials.days, day)]
        for contrast, weights in contrasts_of(trials, options):
            rows.append(
                fit_row(
                    options,
                    ancova(y, trials.arm, columns, weights),
                    analysis="ancova" if adjusted else "difference",
                    contrast=contrast,
                    measure="difference",
                    day=day,
                    n_observed=int(np.isfinite(y).sum()),
                )
            )
    return rows


def difference_rows(path: Path, options: Options) -> list[Row]:
    """Difference of means among those observed, unadjusted."""
    return ancova_rows(path, options, adjusted=False)


def mmrm_rows(path: Path, options: Options) -> list[Row]:
    """MMRM: contrasts at each day, averaged over the days, and of the area under the curve; covariance, likelihood."""
    from kaptrial.analysis.mmrm import mmrm

    trials = read(path, options)
    crossed, y, days = baseline_column(trials), trials.score, trials.days
    if options.constrained_baseline:
        if crossed.shape[-1] == 0:
            raise ScenarioError("--constrained-baseline: needs --baseline, the first of the scores")
        crossed, y = crossed[..., :0], np.concatenate([trials.baseline[..., None], y], axis=-1)
    lead = y.shape[-1] - len(days)
    asked: list[tuple[str, str, float, Floats]] = [
        ("difference", contrast, day, (days == day).astype(float) if day == day else np.ones(1))
        for day in days_asked(days, options)
        for contrast, _ in contrasts_of(trials, options)
    ]
    weights = dict(contrasts_of(trials, options))
    if options.target_day is None and len(days) > 1:
        for name, measure in (("mean_score", "mean_difference"), ("auc", "auc_difference")):
            if name == "auc" and days[0] <= 0:
                continue  # the area is counted from day 0, where arms do not differ yet
            over = visit_weights(name, days, float(days[-1]))
            asked += [(measure, contrast, NAN, over) for contrast in weights]
    fit = mmrm(
        y, trials.arm, crossed, main_columns(trials),
        [weights[contrast] for _, contrast, _, _ in asked], [np.append(np.zeros(lead), over) for *_, over in asked],
        structures=options.covariance, df=options.df or "satterthwaite",
        constrained_baseline=options.constrained_baseline, components=True,
    )  # fmt: skip
    used = options.covariance[int(fit.structure[0])]
    rows = []
    for k, (measure, contrast, day, _) in enumerate(asked):
        seen = trials.score[..., visit_of(days, day)] if day == day else trials.score.max(axis=-1)
        rows.append(
            fit_row(
                options,
                fit.contrast(k),
                analysis="mmrm",
                contrast=contrast,
                measure=measure,
                day=day,
                n_observed=int(np.isfinite(seen).sum()),
                covariance=used,
            )
        )
    if named(int(fit.failure[0])):
        return rows
    rows.append(value_row(fit.loglik[0], analysis="mmrm", measure="reml_loglik"))
    labels = [f"{day:g}" for day in ([0.0] * lead + list(days))]
    for j, one in enumerate(labels):
        for k, other in enumerate(labels[: j + 1]):
            rows.append(
                value_row(fit.covariance[0, j, k], analysis="mmrm", measure="covariance", contrast=f"{other},{one}")
            )
    return rows


def nested_rows(path: Path, options: Options) -> list[Row]:
    """Partially nested model at each day, its variances, and what ignoring the therapists would have given."""
    from kaptrial.analysis.ancova import ancova
    from kaptrial.analysis.nested import nested

    trials = _with_therapists(path, options)
    assert trials.therapist is not None
    columns = all_columns(trials)
    rows = []
    for day in days_asked(trials.days, options):
        y = trials.score[..., visit_of(trials.days, day)]
        n = int(np.isfinite(y).sum())
        for contrast, weights in contrasts_of(trials, options):
            found = nested(
                y, trials.arm, trials.therapist, columns, weights, df=options.df or "satterthwaite",
                residual=options.residual, crossed=_crossed(trials, options),
            )  # fmt: skip
            naive = ancova(y, trials.arm, columns, weights)
            rows.append(
                fit_row(
                    options,
                    found.fit,
                    analysis="nested",
                    contrast=contrast,
                    measure="difference",
                    day=day,
                    n_observed=n,
                )
            )
            rows.append(
                fit_row(
                    options,
                    naive,
                    analysis="ignoring_therapists",
                    contrast=contrast,
                    measure="difference",
                    day=day,
                    n_observed=n,
                )
            )
            failure = int(found.fit.failure[0])
            ratio = (found.fit.se[0] / naive.se[0]) ** 2
            values: list[tuple[str, str | None, float]] = [("design_effect", contrast, ratio)]
            rows += _value_rows(values, "nested", day, failure or int(naive.failure[0]))
        values = [("therapist_sd", None, found.therapist_sd[0])]
        if found.crossed_sd is not None:
            values.append(("crossed_sd", None, found.crossed_sd[0]))
        values += [("residual_sd", name, found.residual_sd[0, a]) for a, name in enumerate(trials.arms)]
        rows += _value_rows([*values, ("reml_loglik", None, found.reml_loglik[0])], "nested", day, failure)
    return rows


def _value_rows(values: list[tuple[str, str | None, float]], analysis: str, day: float, failure: int) -> list[Row]:
    return [
        value_row(value, analysis=analysis, measure=measure, contrast=contrast, day=day, failure=failure)
        for measure, contrast, value in values
    ]


def _with_therapists(path: Path, options: Options) -> Trials:
    from dataclasses import replace

    trials = read(path, replace(options, therapist=options.therapist or "therapist"))
    assert trials.therapist is not None
    if (trials.therapist < 0).all():
        raise ScenarioError(f"{path}: column `{options.therapist or 'therapist'}` is empty: must name a therapist")
    return trials


def _crossed(trials: Trials, options: Options) -> list[int] | None:
    """The level of the factor that is crossed with therapists, for each arm."""
    if options.crossed is None:
        return None
    if options.crossed not in trials.factors:
        known = ", ".join(trials.factors) or "none given"
        raise ScenarioError(f"--crossed = {options.crossed!r}: must be one of the factors: {known}")
    f = trials.factors.index(options.crossed)
    return [level[f] for level in trials.levels]


def nested_mmrm_rows(path: Path, options: Options) -> list[Row]:
    """MMRM with a therapist intercept (and slope) in the therapy arms, at each day."""
    from kaptrial.analysis.nested_longitudinal import nested_longitudinal

    trials = _with_therapists(path, options)
    assert trials.therapist is not None
    rows = []
    for day in days_asked(trials.days, options):
        v = visit_of(trials.days, day)
        for contrast, weights in contrasts_of(trials, options):
            found = nested_longitudinal(
                trials.score, trials.arm, trials.therapist, baseline_column(trials), main_columns(trials), weights, v
            )
            rows.append(
                fit_row(
                    options,
                    found.fit,
                    analysis="nested_mmrm",
                    contrast=contrast,
                    measure="difference",
                    day=day,
                    n_observed=int(np.isfinite(trials.score[..., v]).sum()),
                )
            )
    values: list[tuple[str, str | None, float]] = [
        ("therapist_sd", None, found.therapist_sd[0]),
        ("reml_loglik", None, found.reml_loglik[0]),
    ]
    return rows + _value_rows(values, "nested_mmrm", NAN, int(found.fit.failure[0]))


def reference_based_rows(path: Path, options: Options) -> list[Row]:
    """Scores after dropout imputed by one strategy or several; a tipping point if asked."""
    from kaptrial.analysis.imputation import Tipping, reference_based, tipping_point

    trials = read(path, options)
    day = float(trials.days[-1]) if options.target_day is None else days_asked(trials.days, options)[0]
    visit = visit_of(trials.days, day)
    n = int(np.isfinite(trials.score[..., visit]).sum())
    rows = []
    for contrast, weights in contrasts_of(trials, options):
        reference = next(a for a, weight in enumerate(weights) if weight < 0)
        for strategy in options.imputation:
            data = (trials.score, trials.arm, baseline_column(trials), main_columns(trials), weights, visit)
            fit = reference_based(
                *data, strategy=strategy, reference=reference, delta=options.delta,
                structures=options.covariance, inference=options.inference,
                n_imputations=options.imputations, rng=np.random.default_rng(options.seed),
            )  # fmt: skip
            rows.append(
                fit_row(
                    options,
                    fit,
                    analysis="reference_based",
                    contrast=contrast,
                    measure="difference",
                    day=day,
                    n_observed=n,
                    imputation=strategy,
                )
            )
            if options.tipping_point:
                seen = trials.score[np.isfinite(trials.score)]
                # Scores that are all the same have no range to look in, and no significance to lose.
                limit = float(np.ptp(seen)) if len(seen) and np.ptp(seen) > 0 else 1.0
                tip = tipping_point(
                    *data, strategy=strategy, reference=reference, better=options.better_score, limit=limit,
                    alpha=options.alpha, structures=options.covariance,
                )  # fmt: skip
                row = value_row(
                    tip.delta[0], analysis="reference_based", measure="tipping_point", contrast=contrast, day=day
                )
                outcome = Tipping(tip.outcome[0])
                named_outcome = "" if outcome == Tipping.FOUND else outcome.name.lower()
                rows.append(row | {"imputation": strategy, "failure": named_outcome})
    return rows


def responses(trials: Trials, options: Options, visit: int) -> Floats:
    """1 for response, 0 for none, NaN unobserved; a score that is only ever 0 or 1 is the response itself."""
    y = trials.score[..., visit]
    if np.isin(trials.score[np.isfinite(trials.score)], (0, 1)).all():
        return y
    if not np.isfinite(trials.baseline).any():
        raise ScenarioError("--baseline: response needs a baseline, or scores that are 0 or 1")
    gained = (trials.baseline - y) if options.better_score == "lower" else (y - trials.baseline)
    room = np.abs(trials.baseline - options.best)
    return np.where(
        np.isnan(y) | np.isnan(trials.baseline), np.nan, (gained >= options.response_fraction * room) & (room > 0)
    )


def response_rows(path: Path, options: Options, *, firth: bool = False) -> list[Row]:
    """Logistic regression: odds ratio and standardised risk difference; Fisher's exact test for two arms."""
    from kaptrial.analysis import binary

    trials = read(path, options)
    columns = all_columns(trials)
    rows = []
    for day in days_asked(trials.days, options):
        y = responses(trials, options, visit_of(trials.days, day))
        n = int(np.isfinite(y).sum())
        for contrast, weights in contrasts_of(trials, options):
            found = binary.logistic(y, trials.arm, columns, weights, firth=firth)
            name = "firth" if firth else "response"
            for fit, measure in (
                (found.log_odds_ratio, "log_odds_ratio"),
                (found.risk_difference, "risk_difference"),
                (found.risk_difference_random, "risk_difference_random_covariates"),
            ):
                rows.append(
                    fit_row(options, fit, analysis=name, contrast=contrast, measure=measure, day=day, n_observed=n)
                )
            if sum(weight != 0 for weight in weights) == 2:
                exact = binary.fisher(y, trials.arm, weights)
                row = value_row(
                    exact.risk_difference[0], analysis="fisher", measure="risk_difference", contrast=contrast, day=day
                )
                rows.append(row | {"p": float(exact.p[0]), "n_observed": n, "failure": named(int(exact.failure[0]))})
    return rows


def firth_rows(path: Path, options: Options) -> list[Row]:
    """As `response_rows`, by Firth's penalised likelihood."""
    return response_rows(path, options, firth=True)
