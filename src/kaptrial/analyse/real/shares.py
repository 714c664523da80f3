"""Analyses of days of success out of some, and of counts, one row of the file a patient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaptrial.analyse.real.options import Options
from kaptrial.analyse.real.rows import Row, contrasts, fit_row, value_row
from kaptrial.analysis import counts, proportion
from kaptrial.analysis.ancova import ancova
from kaptrial.analysis.fit import Fit
from kaptrial.arrays import Floats, Ints
from kaptrial.data_file import DataFile, read_file


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Counts of one trial, arrays (1, patient): `k` of `n`; n is the exposure of a count."""

    k: Floats
    n: Floats
    arm: Ints
    levels: tuple[tuple[int, ...], ...]
    covariates: Floats
    contrasts: list[tuple[str, list[float]]]


def read(path: Path, options: Options, score: str, of: str, *, bounded: bool) -> Shares:
    """The file's counts. `bounded`: k of n whole days; else n is an exposure, 1 where there is no such column."""
    data = read_file(path)
    score = options.score or score
    k = data.numbers(score)
    whole = (k < 0) | (k != np.round(k))
    if (whole & np.isfinite(k)).any():
        data.refuse(score, int((whole & np.isfinite(k)).argmax()), "must be a whole number ≥ 0")
    n = _denominator(data, options.of or of, options.of is not None or bounded)
    if bounded and (k > n).any():
        data.refuse(score, int((k > n).argmax()), f"must be ≤ `{options.of or of}`")
    rows = np.arange(len(k))
    arms, arm, levels = data.arms(rows, options.arm, options.factors)
    names = [*([options.baseline] if options.baseline else []), *options.covariates]
    return Shares(
        k=k[None, :], n=n[None, :], arm=arm[None, :], levels=levels,
        covariates=data.covariates(names, options.categories, rows)[None],
        contrasts=contrasts(arms, options.factors, options.reference),
    )  # fmt: skip


def _denominator(data: DataFile, column: str, wanted: bool) -> Floats:
    if not wanted and not data.has(column):
        return np.ones(len(data.frame))
    n = data.numbers(column)
    if (n <= 0).any():
        data.refuse(column, int((n <= 0).argmax()), "must be > 0")
    return n


def _value_row(value: float, fit: Fit, analysis: str, measure: str) -> Row:
    return value_row(value, analysis=analysis, measure=measure, failure=int(fit.failure[0]))


def abstinent_days_rows(path: Path, options: Options) -> list[Row]:
    """Days of success out of days: quasi-binomial odds ratio, and linear on the percent, in a 2×2 without interaction
    too.
    """
    data = read(path, options, "abstinent_days", "days", bounded=True)
    percent = 100 * data.k / data.n
    seen = int(np.isfinite(percent).sum())
    rows = []
    for contrast, weights in data.contrasts:
        found = proportion.quasi_binomial(data.k, data.n, data.arm, data.covariates, weights)
        rows.append(
            fit_row(
                options,
                found.fit,
                analysis="quasibinomial_logit",
                contrast=contrast,
                measure="log_odds_ratio",
                n_observed=seen,
            )
        )
    rows.append(_value_row(found.dispersion[0], found.fit, "quasibinomial_logit", "dispersion"))
    factorial = len(options.factors) == 2
    linear = "percent_linear_interaction" if factorial else "percent_linear"
    for contrast, weights in data.contrasts:
        fit = ancova(percent, data.arm, data.covariates, weights)
        rows.append(fit_row(options, fit, analysis=linear, contrast=contrast, measure="difference", n_observed=seen))
    if factorial:
        # Two factors without their interaction: each one the arms, the other a covariate.
        for f in (0, 1):
            level = np.array(data.levels)[data.arm[0]].T[None]
            other = level[:, 1 - f, :, None].astype(float)
            covariates = np.concatenate([other, data.covariates], axis=-1)
            fit = ancova(percent, level[:, f], covariates, [-1.0, 1.0])
            rows.append(
                fit_row(
                    options,
                    fit,
                    analysis="percent_linear_main_effects",
                    contrast=f"main({options.factors[f]})",
                    measure="difference",
                    n_observed=seen,
                )
            )
    return rows


def beta_binomial_rows(path: Path, options: Options) -> list[Row]:
    """Days of success out of days: beta-binomial odds ratio."""
    data = read(path, options, "abstinent_days", "days", bounded=True)
    rows = []
    for contrast, weights in data.contrasts:
        found = proportion.beta_binomial(data.k, data.n, data.arm, data.covariates, weights)
        rows.append(fit_row(options, found.fit, analysis="beta_binomial", contrast=contrast, measure="log_odds_ratio"))
    rows.append(_value_row(found.overdispersion[0], found.fit, "beta_binomial", "overdispersion"))
    return rows


def count_rows(path: Path, options: Options) -> list[Row]:
    """Counts: negative binomial rate ratio, the logarithm of the exposure as offset."""
    data = read(path, options, "count", "exposure", bounded=False)
    rows = []
    for contrast, weights in data.contrasts:
        found = counts.negative_binomial(data.k, data.n, data.arm, data.covariates, weights)
        rows.append(fit_row(options, found.fit, analysis="counts", contrast=contrast, measure="log_rate_ratio"))
    rows.append(_value_row(found.theta[0], found.fit, "counts", "theta"))
    return rows
