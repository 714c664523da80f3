"""What prior and posterior foresee, beside what was seen: arms' means and SDs by visit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.estimators.huber import pooled_scale
from kaptrial.priors.effects import EffectPrior
from kaptrial.questions.fit.data import InteractionData
from kaptrial.questions.fit.fit import Posterior
from kaptrial.questions.fit.forward import draw_prior, replicate_scores
from kaptrial.questions.fit.model import InteractionModel

Row = dict[str, Any]
PRIOR_DRAWS, POSTERIOR_DRAWS = 4000, 1000
# Data outside the central share of what the prior foresees are a reason to doubt prior or data.
CENTRAL = 0.999
# Two-sided posterior predictive p-values below this are named; they are not tests, and lean to the middle.
SUSPECT = 0.01
# Scores so many robust SDs from their arm are named: of 1,000 normal ones .06 are.
FAR = 4.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """Rows `arm, day, statistic, observed, mean, lower, upper, p`; `replicas`: (draw, patient, visit)."""

    rows: list[Row]
    replicas: Floats
    warnings: tuple[str, ...]


def prior_check(model: InteractionModel, prior: EffectPrior, *, seed: int) -> Check:
    """What the prior says of the arms' means and SDs and, without data, of the effects, in the outcome's unit."""
    data, rng = model.data, np.random.default_rng([seed, 1])
    thetas = draw_prior(model, prior, PRIOR_DRAWS, rng)
    replicas = replicate_scores(model, thetas, rng)
    rows = _rows(data, replicas, CENTRAL)
    effect = model.natural(thetas)["effect"]
    for k, name in enumerate(data.effects):
        for t, day in enumerate(data.days):
            rows.append(_row(name, day, "effect", float("nan"), effect[:, k, t], CENTRAL))
    outside = [row for row in rows if row["observed"] < row["lower"] or row["observed"] > row["upper"]]
    warnings: tuple[str, ...] = ()
    # A flat prior is no belief that data could contradict.
    if outside and prior.name != "flat":
        first = outside[0]
        when = "" if np.isnan(first["day"]) else f" on day {first['day']:g}"
        more = f" (and {len(outside) - 1} more)" if len(outside) > 1 else ""
        warnings = (
            f"prior {prior.name} and data are at odds: the {first['statistic']} of {first['arm']}{when} is "
            f"{first['observed']:.3g}, and the prior's central {100 * CENTRAL:g} % is {first['lower']:.3g} to "
            f"{first['upper']:.3g}{more}",
        )
    return Check(rows=rows, replicas=replicas, warnings=warnings)


def posterior_check(posterior: Posterior, *, seed: int) -> Check:
    """The arms' means and SDs in trials drawn from the posterior, with the share of them above what was seen."""
    model, rng = posterior.model, np.random.default_rng([seed, 2])
    flat = posterior.draws.flat
    kept = np.linspace(0, len(flat) - 1, min(len(flat), POSTERIOR_DRAWS)).astype(np.int64)
    replicas = replicate_scores(model, flat[kept], rng)
    rows = _rows(model.data, replicas, 0.95)
    odd = [row for row in rows if min(row["p"], 1 - row["p"]) < SUSPECT / 2]
    warnings: tuple[str, ...] = ()
    if odd:
        names = ", ".join(
            f"{row['statistic']} of {row['arm']}" + ("" if np.isnan(row["day"]) else f" on day {row['day']:g}")
            for row in odd[:4]
        )
        more = " and more" if len(odd) > 4 else ""
        warnings = (f"the model does not make data like these: {names}{more}{_offenders(model.data)}",)
    return Check(rows=rows, replicas=replicas, warnings=warnings)


def far_scores(data: InteractionData) -> list[tuple[str, float, float, float]]:
    """Patient, day, score and SDs from the arm, of scores more than FAR of them off, the farthest first.

    The SD and each arm's location on the day are Huber's (`estimators/huber.py`), which such scores hardly move.
    """
    far: list[tuple[str, float, float, float]] = []
    for t, day in enumerate(data.days):
        location, scale = pooled_scale(data.y[:, t], data.arm, len(data.arms))
        off = (data.y[:, t] - location[data.arm]) / scale
        beyond = np.flatnonzero(np.abs(off) > FAR)
        far += [(data.patient_names[i], day, float(data.y[i, t]), float(off[i])) for i in beyond]
    return sorted(far, key=lambda each: -abs(each[3]))


def _offenders(data: InteractionData) -> str:
    """The scores that lie far off, if any; outcomes of 0 and 1 and shares of days have none."""
    far = [] if data.trials_of is not None or np.isin(data.y[data.seen], (0, 1)).all() else far_scores(data)
    if not far:
        return ""
    named = [
        f"patient {who}" + ("" if np.isnan(day) else f" on day {day:g}") + f": {score:g}, {off:+.1f} SD"
        for who, day, score, off in far[:4]
    ]
    more = f" and {len(far) - 4} more" if len(far) > 4 else ""
    return f"; scores far from those of their arm: {'; '.join(named)}{more}"


def _rows(data: InteractionData, replicas: Floats, share: float) -> list[Row]:
    statistics = ("mean",) if np.isin(data.y[data.seen], (0, 1)).all() else ("mean", "SD")
    scale = 1.0 if data.trials_of is None else 100 / data.trials_of
    rows = []
    for a, arm in enumerate(data.arms):
        for t, day in enumerate(data.days):
            own = (data.arm == a) & data.seen[:, t]
            factor = scale if isinstance(scale, float) else scale[own]
            observed, drawn = data.y[own, t] * factor, replicas[:, own, t] * factor
            for name in statistics:
                if name == "SD" and own.sum() < 2:
                    continue
                statistic, many = (observed.mean(), drawn.mean(axis=1)) if name == "mean" else _sds(observed, drawn)
                rows.append(_row(arm, day, name, float(statistic), many, share))
    return rows


def _sds(observed: Floats, drawn: Floats) -> tuple[float, Floats]:
    return float(observed.std(ddof=1)), drawn.std(axis=1, ddof=1)


def _row(arm: str, day: float, statistic: str, observed: float, draws: Floats, share: float) -> Row:
    lower, upper = np.quantile(draws, [(1 - share) / 2, (1 + share) / 2])
    p = float("nan") if np.isnan(observed) else float(np.mean(draws >= observed))
    numbers = {"observed": observed, "mean": draws.mean(), "sd": draws.std(), "lower": lower, "upper": upper, "p": p}
    about: Row = {"arm": arm, "day": day, "statistic": statistic}
    return about | {name: float(value) for name, value in numbers.items()}
