"""The rival of the model: a random-effects meta-analysis of what the other trials of the catalogue reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import expit, logit

from kaptrial.arrays import Floats
from kaptrial.catalogue import Trial, trial, trial_keys
from kaptrial.evidence.meta_analysis import FEWEST, predicted, random_effects
from kaptrial.evidence.scoring import day_band, same_patients, unit_of
from kaptrial.evidence.synthesis.layout import Target, targets
from kaptrial.evidence.synthesis.measures import PERCENT
from kaptrial.evidence.synthesis.model import patients_behind

_QUANTILES = 2000
# The same in another form: a mean is the baseline plus the change, free of relapse is not relapsed.
_SAME = {"mean": "change", "mean_change": "change", "percent_change": "change", "relapse_free": "relapsed"}


@dataclass(frozen=True, kw_only=True)
class Rival:
    """Trials that a figure is predicted from, and evenly spaced quantiles of the prediction in the figure's units."""

    trials: tuple[str, ...]
    quantiles: Floats


@cache
def reported() -> tuple[tuple[Trial, Target], ...]:
    """Every target figure of the catalogue, with its trial."""
    return tuple((study, target) for study in map(trial, trial_keys()) for target in targets(study))


def rival(study: Trial, target: Target, figures: Sequence[tuple[Trial, Target]] | None = None) -> Rival | None:
    """What other trials' `figures` (the catalogue's) predict of this one; None where fewer than three report the like.

    Alike are figures of one endpoint (response, remission, change …, on any scale) in the same band of days (to 2.5,
    10, 35 days, later) of arms that received the same (ketamine, midazolam, neither). Shares are pooled on the logit,
    times on the log, all else in units of `unit_of`. A trial counts once, with the mean of its figures; a pooled
    analysis stands aside for the trials that it contains.
    """
    alike = [
        (other, figure)
        for other, figure in (reported() if figures is None else figures)
        if _kind(other, figure) == _kind(study, target) and not same_patients(study, other)
    ]
    there = {other.key for other, _ in alike}
    alike = [(other, figure) for other, figure in alike if not there & set(other.contains)]
    unit_variance = _unit_variance([figure for _, figure in alike])
    own: dict[str, list[tuple[float, float]]] = {}
    for other, figure in alike:
        variance = _variance(figure, unit_variance)
        if variance is not None:
            own.setdefault(other.key, []).append((_transformed(figure), variance))
    if len(own) < FEWEST:
        return None
    estimates, variances = np.array([np.mean(entries, axis=0) for entries in own.values()]).T
    fitted = random_effects(estimates, variances)
    sampling = _new_variance(target, fitted.mean, unit_variance)
    if sampling is None:
        return None
    levels = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    return Rival(
        trials=tuple(own),
        quantiles=_reported(target, predicted(fitted, levels, sampling=sampling, pooled=study.pooled)),
    )


def _kind(study: Trial, target: Target) -> tuple[str, tuple[str, ...], int]:
    agents = {raw["id"]: {dose["agent"] for dose in raw.get("doses", ())} for raw in study.arms}
    given = tuple(_given(agents[arm]) if arm in agents else arm for arm in target.arms)
    return _SAME.get(target.statistic, target.statistic), given, day_band(target)


def _given(agents: set[str]) -> str:
    if agents & {"ketamine", "esketamine"}:
        return "ketamine"
    return "midazolam" if "midazolam" in agents else "neither"


def _is_share(target: Target) -> bool:
    return target.statistic in PERCENT


def _is_time(target: Target) -> bool:
    return "days_to_relapse" in target.statistic


def _transformed(target: Target) -> float:
    """The figure on the scale on which trials are pooled."""
    if _is_share(target):
        events, n = _counts(target)
        return float(logit(events / n))
    if _is_time(target):
        return float(np.log(target.value))
    return (target.value - _origin(target)) / unit_of(target)


def _reported(target: Target, values: Floats) -> Floats:
    """Back to the figure's own units, in ascending order; a time ends with the follow-up, as the model's do."""
    if _is_share(target):
        shares = expit(values)
        return 1 - shares[::-1] if target.statistic == "relapse_free" else shares
    if _is_time(target):
        followed = target.days[-1] - target.settings["from_day"]
        return np.exp(np.minimum(values, np.log(followed)))
    return _origin(target) + unit_of(target) * values


def _origin(target: Target) -> float:
    return target.mean_baseline if target.statistic == "mean" else 0.0


def _counts(target: Target) -> tuple[float, float]:
    """Events and patients, half an event added to both sides where one side has none (Cochrane Handbook, 10.4.4)."""
    n = patients_behind(target)
    share = 1 - target.value if target.statistic == "relapse_free" else target.value
    events = float(share * n)
    return (events, n) if 0.5 <= events <= n - 0.5 else (events + 0.5, n + 1)


def _size(target: Target) -> float:
    """Patients; of two arms the harmonic sum. 0 where an arm's size is not known."""
    return 1 / sum(1 / n for n in target.n) if all(target.n) else 0.0


def _variance(target: Target, unit_variance: float | None) -> float | None:
    """Sampling variance on the pooled scale; None where neither the trial nor the others tell it."""
    if _is_share(target):
        events, n = _counts(target)
        return 1 / events + 1 / (n - events)
    if _is_time(target):
        return 1 / patients_behind(target)  # of the log of an exponential's median, everybody followed to relapse
    own = _known_variance(target)
    if own is not None or unit_variance is None or not _size(target):
        return own
    return unit_variance / _size(target)


def _known_variance(target: Target) -> float | None:
    if target.se is not None:
        return (target.se / unit_of(target)) ** 2
    if target.sd is not None and _size(target):
        return (target.sd / unit_of(target)) ** 2 / _size(target)
    return None


def _unit_variance(figures: Sequence[Target]) -> float | None:
    """Mean variance of one patient's value over the figures that tell it, for those that do not."""
    known = [
        variance * _size(figure)
        for figure in figures
        if not _is_share(figure) and (variance := _known_variance(figure)) is not None and _size(figure)
    ]
    return float(np.mean(known)) if known else None


def _new_variance(target: Target, mean: float, unit_variance: float | None) -> float | None:
    """Sampling variance of the predicted figure, at its trial's size and where the pooled mean puts it."""
    if _is_share(target):
        return float(1 / (patients_behind(target) * expit(mean) * expit(-mean)))
    if _is_time(target):
        return 1 / patients_behind(target)
    return unit_variance / _size(target) if unit_variance is not None and _size(target) else None
