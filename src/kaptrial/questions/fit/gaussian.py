"""The model of scores: means and effects by visit, a covariance between visits, missing scores integrated out.

    y_it = μ_t + b_t·z_i + c'w_i + Σ_k x_ik E_kt + u_j(i) + e_it,   e_i ~ N(0, Σ_arm),   u_j ~ N(0, τ²)

with z the baseline and w covariates, both centred and in their SD. A patient's missing scores are integrated out
exactly by leaving their rows and columns out of Σ, which is right where they are missing at random given those seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from scipy import stats

from kaptrial.arrays import Floats
from kaptrial.errors import FieldError
from kaptrial.estimators.huber import pooled_scale
from kaptrial.estimators.patterns import patterns
from kaptrial.questions.fit.data import InteractionData
from kaptrial.questions.fit.layout import layout, linear_draws
from kaptrial.questions.fit.model import Given, InteractionModel, linear_prior

Covariance = Literal["unstructured", "random", "intercept"]
Residual = Literal["common", "by_arm"]
COVARIANCES: tuple[Covariance, ...] = ("unstructured", "random", "intercept")
RESIDUALS: tuple[Residual, ...] = ("common", "by_arm")
# Unknowns by name, for diagnostics and for calibration; a model has those that its data and options call for.
PARAMETERS = (
    "effect", "means", "slopes", "coefficients", "sds", "correlations", "residual_sd", "log_ratios", "therapist_sd",
    "therapist_raw",
)  # fmt: skip
# LKJ's η: flat over correlation matrices. With log SDs nearly flat the posterior of a contrast is then REML's t to
# within a factor |R|^−(T+1)/2, nothing at the size of trials (docs/bayes.md has it measured).
ETA = 1.0


def time_design(data: InteractionData, covariance: Covariance) -> Floats:
    """What the random effects of a patient act through, (visit, q): the visits, 1, or 1 and the day in its SD."""
    n_visits = len(data.days)
    if covariance == "unstructured" or n_visits == 1:
        return np.eye(n_visits)
    if covariance == "intercept":
        return np.ones((n_visits, 1))
    if n_visits < 3:
        raise FieldError("covariance", covariance, f"needs 3 visits or more for a slope in time; there are {n_visits}")
    days = np.array(data.days)
    return np.stack([np.ones(n_visits), (days - days.mean()) / days.std()], axis=1)


def spread_centres(data: InteractionData, covariance: Covariance) -> Floats:
    """Medians of the priors of the log SDs of the root, and last of the residual (unused in `unstructured`)."""
    if covariance == "unstructured" or len(data.days) == 1:
        sds = [pooled_scale(data.y[:, t], data.arm, len(data.arms))[1] for t in range(len(data.days))]
        return np.log(np.array([*sds, data.unit_sd]))
    # Half of the variance each, about; the slope less.
    shares = [0.7, 0.4, 0.7] if covariance == "random" else [0.7, 0.7]
    return np.log(data.unit_sd * np.array(shares))


def model(
    data: InteractionData, *, covariance: Covariance = "unstructured", residual: Residual = "common"
) -> InteractionModel:
    """The model of scores with this covariance; `residual` by_arm: residual SDs of the arms differ by a ratio."""
    from kaptrial.questions.fit.density import likelihoods, linear, normal

    design = time_design(data, covariance)
    n_visits, q = design.shape
    own_residual = q < n_visits
    n_groups = len(data.arms) if residual == "by_arm" else 1
    lay = layout(data, spread=q * (q + 1) // 2, residual=int(own_residual), ratios=n_groups - 1)
    group = data.arm if residual == "by_arm" else np.zeros_like(data.arm)
    pattern = patterns(data.seen, group)
    centre, centres = float(np.nanmean(data.y)), spread_centres(data, covariance)
    patients = linear.Patients(lay.x, lay.z, lay.w, lay.therapist)
    spread = normal.Spread(pattern.of, pattern.mask, pattern.group, design, own_residual, n_groups, centres)

    def density(theta: Floats, scores: Floats, given: Given) -> tuple[float, Floats]:
        grad = np.empty(lay.size)
        prior = linear_prior(given, data.unit_sd, lay.columns_alike, centre=centre, linked=False)
        value = likelihoods.scores_density(theta, grad, lay.at, scores, patients, spread, prior)
        return value, grad

    def parts(thetas: Floats, scores: Floats) -> Floats:
        out = np.empty((len(thetas), len(data.y)))
        likelihoods.scores_parts(np.ascontiguousarray(thetas), lay.at, scores, patients, spread, out)
        return out

    def natural(thetas: Floats) -> dict[str, Floats]:
        root = np.zeros((*thetas.shape[:-1], q, q))
        rows, columns = np.tril_indices(q)
        root[..., rows, columns] = lay.block(thetas, "spread")
        diagonal = np.arange(q)
        root[..., diagonal, diagonal] = np.exp(root[..., diagonal, diagonal])
        inner = root @ np.swapaxes(root, -1, -2)
        sds = np.sqrt(inner[..., diagonal, diagonal])
        lower = np.tril_indices(q, -1)
        correlations = (inner / (sds[..., :, None] * sds[..., None, :]))[..., lower[0], lower[1]]
        draws = linear_draws(data, lay, thetas) | {"sds": sds, "correlations": correlations}
        draws |= {"residual_sd": np.exp(lay.block(thetas, "residual")), "log_ratios": lay.block(thetas, "ratios")}
        ratios = np.exp(2 * lay.block(thetas, "ratios"))
        ratios = np.concatenate([np.ones((*ratios.shape[:-1], 1)), ratios], axis=-1)[..., None, None]
        between = (design @ inner @ design.T)[..., None, :, :]
        if own_residual:
            draws["covariance"] = between + ratios * (draws["residual_sd"][..., None, None] ** 2) * np.eye(n_visits)
        else:
            draws["covariance"] = ratios * between
        return {name: value for name, value in draws.items() if value.shape[-1]}

    def replicas(named: Mapping[str, Floats], expected: Floats, rng: np.random.Generator) -> Floats:
        roots = np.linalg.cholesky(named["covariance"])[:, group]
        return expected + np.einsum("situ,siu->sit", roots, rng.standard_normal(expected.shape))

    def spread_draws(n: int, rng: np.random.Generator, widths: Mapping[str, float]) -> Floats:
        log_sds = centres + widths["log_sds"] * rng.standard_normal((n, len(centres)))
        roots = np.exp(log_sds[:, :q, None]) * correlation_roots(q, n, rng)
        rows, columns = np.tril_indices(q)
        packed = roots[:, rows, columns]
        packed[:, rows == columns] = np.log(packed[:, rows == columns])
        ratios = widths["log_ratios"] * rng.standard_normal((n, n_groups - 1))
        return np.concatenate([packed, log_sds[:, -1:] if own_residual else log_sds[:, :0], ratios], axis=1)

    def spread_log_prior(named: Mapping[str, Floats], widths: Mapping[str, float]) -> dict[str, Floats]:
        logs = {"sds": stats.lognorm.logpdf(named["sds"], widths["log_sds"], scale=np.exp(centres[:q]))}
        if own_residual:
            scale = np.exp(centres[-1])
            logs["residual_sd"] = stats.lognorm.logpdf(named["residual_sd"], widths["log_sds"], scale=scale)
        if n_groups > 1:
            logs["log_ratios"] = stats.norm.logpdf(named["log_ratios"], 0.0, widths["log_ratios"])
        return {name: np.asarray(value).sum(axis=-1) for name, value in logs.items()}

    start = np.zeros(lay.size)
    start[lay.at[1] : lay.at[2]] = centre
    start[lay.at[6] : lay.at[7]] = _packed_diagonal(centres[:q])
    if own_residual:
        start[lay.at[7]] = centres[-1]

    def risk(expected: Floats, _: Mapping[str, Floats]) -> Floats:
        return expected

    return InteractionModel(
        "normal", data, lay, density, parts, natural, replicas, risk, spread_draws, spread_log_prior, start
    )


def correlation_roots(q: int, n: int, rng: np.random.Generator) -> Floats:
    """Cholesky roots of correlation matrices from the LKJ with η = 1, (n, q, q).

    By canonical partial correlations, beta on (−1, 1) (Lewandowski, Kurowicka & Joe 2009, J Multivar Anal 100:1989).
    """
    roots, left = np.zeros((n, q, q)), np.ones((n, q))
    for k in range(q):
        roots[:, k, k] = np.sqrt(left[:, k])
        shape = ETA + (q - 2 - k) / 2
        for j in range(k + 1, q):
            roots[:, j, k] = (2 * rng.beta(shape, shape, n) - 1) * np.sqrt(left[:, j])
            left[:, j] -= roots[:, j, k] ** 2
    return roots


def _packed_diagonal(log_sds: Floats) -> Floats:
    """The packed root of a diagonal covariance."""
    rows, columns = np.tril_indices(len(log_sds))
    return np.where(rows == columns, log_sds[rows], 0.0)
