"""Success foreseen at an interim look."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import chdtri, ndtr

from kaptrial.arrays import Floats
from kaptrial.priors.effects import Better, EffectPrior
from kaptrial.priors.gaussian_quadrature.interim import Interim
from kaptrial.scenario.decision import DecisionRule

# Nodes of each scale of residual SDs; points of the estimate's distribution, and how many SDs they reach.
_SCALES, _GRID, _REACH = 5, 161, 6.0
_LEGENDRE = tuple(part / 2 for part in np.polynomial.legendre.leggauss(_SCALES))
# Of the components of a prior of the contrast: logarithms of weights, means towards benefit, variances.
Parts = tuple[Floats, Floats, Floats]


def predictive_probability(at_look: Interim, prior: EffectPrior, rule: DecisionRule, better: Better) -> Floats:
    """Probability at an interim look that the whole trial will end with `go`, (replicate,).

    The estimate of the whole trial is drawn from what the look's posterior foresees, a mixture of normals, and judged
    under the same prior. The scale of the residual SDs is unknown at the look and again at the end, by quadrature; the
    ratio of therapists' SD to theirs, and of theirs between arms, is taken as the look has it.
    """
    sign = -1.0 if better == "lower" else 1.0
    share, mean, sd = prior.along(prior.asked)
    parts = np.log(share), sign * mean, sd**2
    look = replace(at_look, estimate=sign * at_look.estimate)
    j1, j2 = look.early[:, None, None], look.whole[:, None, None]  # (replicate, component, scale)
    df, more = look.early_df, look.whole_df - look.early_df
    scale = look.squares[:, None, None] / _chi_squares(df)[:, None, :]
    weight = _weights(look.estimate[:, None, None], scale / j1, parts, -0.5 * look.in_prior[:, None, None] * scale)
    variance = 1 / (j1 / scale + 1 / parts[2][:, None])
    centre = variance * (look.estimate[:, None, None] * j1 / scale + (parts[1] / parts[2])[:, None])
    rest = j2 - j1
    foreseen = (j1 * look.estimate[:, None, None] + rest * centre) / j2
    spread = np.sqrt(rest * scale + rest**2 * variance) / j2
    low, high = (foreseen - _REACH * spread).min(axis=(1, 2)), (foreseen + _REACH * spread).max(axis=(1, 2))
    grid = np.linspace(low, high, _GRID, axis=1)
    moved = (grid - look.estimate[:, None]) ** 2 * (look.early * look.whole / (look.whole - look.early))[:, None]
    new_squares = _chi_squares(more - 1)
    out = np.zeros(len(df))
    for k in range(_SCALES):
        below = ndtr((grid[:, None, :] - foreseen[..., k, None]) / spread[..., k, None])
        mass = np.einsum("rc,rcg->rg", weight[..., k], np.diff(below, axis=-1))
        for m in range(_SCALES):
            total = look.squares[:, None] + scale[:, 0, k, None] * new_squares[:, m, None] + moved
            success = _success(grid, total, look, parts, rule)
            out += _LEGENDRE[1][m] * (mass * _share_above(success)).sum(axis=1)
    return out


def _chi_squares(df: Floats) -> Floats:
    """Quantiles of chi squared at the nodes of Legendre's rule, (…, node)."""
    return np.asarray(chdtri(np.maximum(df, 1.0)[..., None], 0.5 - _LEGENDRE[0]))


def _weights(estimate: Floats, variance: Floats, parts: Parts, log_prior: Floats) -> Floats:
    """Posterior weights of components and scales, the last two axes, given an estimate with this variance; `log_prior`:
    of the scales, beside the flat one of an SD."""
    log_share, mean, prior_variance = (part[:, None] for part in parts)
    total = variance + prior_variance
    log_weight = log_share + np.log(_LEGENDRE[1]) + log_prior - 0.5 * (np.log(total) + (estimate - mean) ** 2 / total)
    weight = np.exp(log_weight - log_weight.max(axis=(-2, -1), keepdims=True))
    return np.asarray(weight / weight.sum(axis=(-2, -1), keepdims=True))


def _success(estimate: Floats, squares: Floats, look: Interim, parts: Parts, rule: DecisionRule) -> Floats:
    """P(benefit beyond the margin) at the end less what `go` needs, (replicate, point)."""
    scale = (squares[..., None] / _chi_squares(look.whole_df)[:, None, :])[:, :, None, :]
    # (replicate, point, component, scale)
    estimate, variance = estimate[..., None, None], scale / look.whole[:, None, None, None]
    weight = _weights(estimate, variance, parts, -0.5 * look.in_prior[:, None, None, None] * scale)
    precision = 1 / variance + 1 / parts[2][:, None]
    mean = (estimate / variance + (parts[1] / parts[2])[:, None]) / precision
    return np.asarray((weight * ndtr((mean - rule.margin) * np.sqrt(precision))).sum(axis=(-2, -1)) - rule.go)


def _share_above(values: Floats) -> Floats:
    """Of each cell between two points the share in which a line through both values is above zero."""
    left, right = values[:, :-1], values[:, 1:]
    high, low = np.maximum(left, right), np.minimum(left, right)
    return np.asarray(np.where(low >= 0, 1.0, np.where(high < 0, 0.0, high / np.maximum(high - low, 1e-300))))
