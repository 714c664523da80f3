"""From draws to rows: effects at each day on the additive and the ratio scale, what is kept of them, and how likely.

Every estimand is a function of the arms' means (of scores: at average covariates; of outcomes and days: averaged over
the trial's patients, g-computation), so that additive means the same for every likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import gaussian_kde

from kaptrial.arrays import Bools, Floats
from kaptrial.questions.fit.data import InteractionData
from kaptrial.questions.fit.fit import Posterior
from kaptrial.questions.fit.model import InteractionModel

Row = dict[str, Any]
NAN = float("nan")
# A ratio of effects is told only where the first effect is on one side of zero with this probability.
AWAY_FROM_ZERO = 0.975
# Draws, over all chains, of the g-computation: its error is then a thirtieth of the posterior SD.
STANDARDISED_DRAWS = 1000
MEASURES = {"normal": "difference", "binary": "risk_difference", "abstinent_days": "percentage_point_difference"}
UNITS = {"normal": "points", "binary": "of the risk", "abstinent_days": "percentage points"}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Points of benefit that matter (`margin`), and half the width of what counts as none (`rope`)."""

    margin: float | None = None
    rope: float | None = None


def contrast_weights(data: InteractionData) -> list[tuple[str, Floats]]:
    """Each contrast as weights over the arms: the effects, in a 2×2 each factor's main effect, and what is asked."""
    # Arms' means are (1, levels)·(mean, effects); the inverse gives the effects from the means.
    inverse = np.linalg.inv(np.column_stack([np.ones(len(data.arms)), data.levels]))[1:]
    weights = list(zip(data.effects, inverse, strict=True))
    if len(data.factors) == 2:
        weights += [(f"main({name})", inverse[k] + inverse[2] / 2) for k, name in enumerate(data.factors)]
    if data.question not in dict(weights):
        left, right = (np.eye(len(data.arms))[data.arms.index(arm)] for arm in data.question.split(" - "))
        weights.append((data.question, left - right))
    return weights


def effect_weights(data: InteractionData) -> Floats:
    """The contrast that the verdict is about as weights over the effects."""
    return np.asarray(dict(contrast_weights(data))[data.question] @ data.levels)


def arm_means(posterior: Posterior) -> Floats:
    """Means of the arms, (chain, draw, arm, visit), in the unit in which the outcome is told."""
    if posterior.model.likelihood == "normal":
        return posterior.named["arm_mean"]
    thetas = posterior.draws.thetas
    chains, n = thetas.shape[:2]
    kept = np.linspace(0, n - 1, min(n, -(-STANDARDISED_DRAWS // chains))).astype(np.int64)
    flat = thetas[:, kept].reshape(-1, thetas.shape[-1])
    return standardised_means(posterior.model, flat).reshape(chains, len(kept), len(posterior.model.data.arms), -1)


def standardised_means(model: InteractionModel, thetas: Floats) -> Floats:
    """Means of the arms over the trial's patients, had all of them been in it, (draw, arm, visit)."""
    named, everybody = model.natural(thetas), np.ones((len(model.data.y), 1))
    means = [model.risk(model.expected(thetas, everybody * level), named).mean(axis=1) for level in model.data.levels]
    return np.stack(means, axis=1)


def asked_draws(posterior: Posterior) -> Floats:
    """Draws, (chain, draw), of the contrast that the verdict is about on the target day, left − right."""
    data = posterior.model.data
    weights = dict(contrast_weights(data))[data.question]
    return np.asarray(np.einsum("a,cda->cd", weights, arm_means(posterior)[..., data.target]))


def rows(posterior: Posterior, limits: Limits) -> list[Row]:
    """All estimands of one posterior, flat; `reason` says why a number is missing."""
    data, likelihood = posterior.model.data, posterior.model.likelihood
    means = arm_means(posterior)
    table = []
    for name, weights in contrast_weights(data):
        values = np.einsum("a,cdat->cdt", weights, means)
        for t, day in enumerate(data.days):
            row = summary(values[..., t], data.sign) | _limits(data.sign * values[..., t], limits)
            if likelihood == "normal" and name in data.effects:
                row |= savage_dickey(posterior, data.effects.index(name), t)
            table.append(_row(posterior, name, MEASURES[likelihood], day, row))
    for k, name in enumerate(data.effects):
        weights = contrast_weights(data)[k][1]
        for t, day in enumerate(data.days):
            if likelihood == "normal":
                table.append(_row(posterior, name, "ratio_of_means", day, _ratio(means[..., t], weights, data.sign)))
                continue
            log_odds = posterior.named["effect"][..., k, t]
            row = summary(log_odds, data.sign) | savage_dickey(posterior, k, t)
            table.append(_row(posterior, name, "log_odds_ratio", day, row))
            table.append(_row(posterior, name, "odds_ratio", day, summary(np.exp(log_odds), data.sign, null=1.0)))
        values = np.einsum("a,cdat->cdt", weights, means)
        table += [
            _row(posterior, name, "share_kept", day, share_kept(values[..., 0], values[..., t + 1]))
            for t, day in enumerate(data.days[1:])
        ]
    return table


def _row(posterior: Posterior, contrast: str, measure: str, day: float, values: Row) -> Row:
    lead: Row = {"prior": posterior.prior.name, "contrast": contrast, "measure": measure, "day": float(day)}
    return lead | {"reason": ""} | values


# Numbers of a summary; NaN where there is none.
SUMMARY = (
    "mean", "sd", "median", "lower", "upper", "p_below_zero", "p_favours_left", "mcse_mean", "mcse_sd", "mcse_median",
    "mcse_lower", "mcse_upper", "mcse_p", "ess_bulk", "r_hat",
)  # fmt: skip


def summary(draws: Floats, sign: float, *, null: float = 0.0) -> Row:
    """Mean, SD, median, equal-tailed 95 % interval and probabilities of draws (chain, draw), with what they rest on.

    `p_below_zero`: below `null`. `p_favours_left`: on the side of `null` that is better for the left of the contrast.
    `mcse_…`: Monte Carlo standard errors, `mcse_p` that of both probabilities.
    """
    import arviz as az

    lower, median, upper = np.quantile(draws, [0.025, 0.5, 0.975])
    below = float(np.mean(draws < null))
    values = {"mean": draws.mean(), "sd": draws.std(), "median": median, "lower": lower, "upper": upper}
    values |= {"p_below_zero": below, "p_favours_left": below if sign < 0 else 1 - below}
    values |= {"mcse_mean": az.mcse(draws), "mcse_sd": az.mcse(draws, method="sd")}
    for name, level in (("median", 0.5), ("lower", 0.025), ("upper", 0.975)):
        values |= {f"mcse_{name}": az.mcse(draws, method="quantile", prob=level)}
    values |= {"mcse_p": share_error(draws < null), "ess_bulk": az.ess(draws), "r_hat": az.rhat(draws)}
    return {name: float(value) for name, value in values.items()}


def share_error(hits: Bools) -> float:
    """Monte Carlo standard error of a probability, (chain, draw); NaN where all draws agree."""
    import arviz as az

    return float(az.mcse(hits.astype(np.float64))) if hits.any() and not hits.all() else NAN


def _limits(gain: Floats, limits: Limits) -> Row:
    values: Row = {}
    if limits.margin is not None:
        beyond = gain > limits.margin
        values |= {"margin": limits.margin, "p_beyond_margin": float(beyond.mean())}
        values |= {"mcse_p_beyond_margin": share_error(beyond)}
    if limits.rope is not None:
        within = np.abs(gain) < limits.rope
        values |= {"rope": limits.rope, "p_in_rope": float(within.mean()), "mcse_p_in_rope": share_error(within)}
    return values


def _missing(reason: str) -> Row:
    return dict.fromkeys(SUMMARY, NAN) | {"reason": reason}


def _ratio(means: Floats, weights: Floats, sign: float) -> Row:
    """Ratio of two arms' means, or in an interaction the ratio of two such ratios. `means`: (chain, draw, arm)."""
    if (means <= 0).any():
        return _missing("means are not all positive")
    return summary(np.exp(np.einsum("a,cda->cd", weights, np.log(means))), sign, null=1.0)


def share_kept(first: Floats, later: Floats) -> Row:
    """What is left of the first day's effect; no mean or SD, which a ratio of normals does not have."""
    away = max(float(np.mean(first < 0)), float(np.mean(first > 0)))
    if away <= AWAY_FROM_ZERO:
        return _missing(f"the effect on the first day is on one side of zero with probability {away:.3f} only")
    unknown = dict.fromkeys(("mean", "sd", "mcse_mean", "mcse_sd", "p_favours_left"), NAN)
    return summary(later / first, 1.0) | unknown | {"p_below_zero": float(np.mean(later / first < 0))}


def density_at_zero(draws: Floats) -> float:
    """A kernel estimate whose variance is that of the draws (Jones 1991, Aust J Stat 33:207).

    The plain one is wider by the kernel: some 2 % low at the mode and 5 % high two SDs away at 4,000 draws. Drawn in by
    as much first, the estimate of a normal density has no such error.
    """
    kernel = gaussian_kde(draws)
    mean = draws.mean()
    drawn_in = mean + (draws - mean) / np.sqrt(1 + kernel.factor**2)
    sd = kernel.factor * draws.std(ddof=1) / np.sqrt(1 + kernel.factor**2)
    z = drawn_in / sd
    return float(np.mean(np.exp(-0.5 * z * z)) / (sd * np.sqrt(2 * np.pi)))


def savage_dickey(posterior: Posterior, k: int, t: int) -> Row:
    """Bayes factor for an effect of exactly zero: the posterior's density there over the prior's (Dickey 1971).

    The prior's is exact, the posterior's a kernel estimate whose error is told by the spread of the chains. Only of
    what the prior speaks of: elsewhere its width would decide it.
    """
    data = posterior.model.data
    if posterior.prior.name == "flat":
        return {"bf_null": NAN, "bf_null_se": NAN, "bf_reason": "not under a flat prior, whose width decides it"}
    weights = np.zeros(len(posterior.prior.asked))
    weights[k * len(data.days) + t] = 1.0
    if not np.allclose(weights, posterior.prior.asked):
        when = "" if np.isnan(data.target_day) else f" at day {data.target_day:g}"
        return {"bf_null": NAN, "bf_null_se": NAN, "bf_reason": f"the prior speaks of {data.question}{when} alone"}
    draws = posterior.named["effect"][..., k, t]
    if not draws.min() < 0 < draws.max():
        return {"bf_null": NAN, "bf_null_se": NAN, "bf_reason": "zero lies outside the draws"}
    prior = float(posterior.prior.density(weights, np.zeros(1))[0])
    by_chain = np.array([density_at_zero(chain) for chain in draws])
    pooled = density_at_zero(draws.ravel())
    error = float(by_chain.std(ddof=1) / np.sqrt(len(by_chain))) if len(by_chain) > 1 else NAN
    return {"bf_null": pooled / prior, "bf_null_se": error / prior, "bf_reason": ""}
