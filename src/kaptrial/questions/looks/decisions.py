"""What trials with looks decide, replicate by replicate: boundaries at the information there was, stops, estimates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.estimators.fit import Fit
from kaptrial.estimators.sequential.bias import bias_adjusted
from kaptrial.estimators.sequential.boundaries import Boundaries, spend
from kaptrial.estimators.sequential.delayed import Decisions
from kaptrial.estimators.sequential.observed import spent_by
from kaptrial.estimators.sequential.recursion import COARSE, FARTHEST, finest_of
from kaptrial.estimators.sequential.stagewise import drift_at

# The least by which information must grow from look to look, in shares of what was planned: a look with less spends as
# if it had this; and the trials that are integrated at once.
GROWTH, _AT_ONCE = 0.01, 500


@dataclass(frozen=True, kw_only=True)
class Course:
    """What became of each trial; arrays (replicate,), those at looks (replicate, look), the end being the last.

    `z`: towards benefit, of the p-value with the fit's degrees of freedom; NaN where there is no estimate.
    `information`: as shares of what was planned, as the analysis' own standard errors have it; `spent_at`: the same as
    the boundaries use it, rising. `stop`: the look that ended the trial, from 0. `efficacy`, `futility`: why.
    `rejects`, `deciding`: what was decided in the end, at that look or once those under way were followed up, and the
    statistic that decided it.
    """

    z: Floats
    information: Floats
    spent_at: Floats
    upper: Floats
    lower: Floats
    stop: Ints
    efficacy: Bools
    futility: Bools
    rejects: Bools
    deciding: Floats

    @property
    def n_looks(self) -> int:
        """Looks, the end among them."""
        return self.z.shape[1]


def statistic(fit: Fit, sign: float) -> Floats:
    """The test statistic as a z with the same p-value, so that a boundary is one for p; positive towards benefit."""
    size = -ndtri(np.maximum(fit.p / 2.0, 1e-300))
    return sign * np.sign(fit.departure) * np.minimum(size, FARTHEST)


def shares(fits: Sequence[Fit], planned: float) -> Floats:
    """The information of each fit as a share of what was planned, (replicate, look); NaN where there is no estimate."""
    with np.errstate(divide="ignore"):
        return np.stack([np.where(fit.failure == 0, 1.0 / fit.se**2, np.nan) for fit in fits], axis=-1) / planned


def courses(fits: Sequence[Fit], plan: Boundaries, planned: float, sign: float, *, own: bool = False) -> Course:
    """What the looks decide.

    Parameters
    ----------
    fits : one a look, the end the last
    plan : Boundaries
        At the information that the looks were planned to have.
    planned : float
        The information, 1/SE², that the end was planned to have.
    sign : float
        1 where a larger estimate is better, −1 else.
    own : bool
        Whether errors are spent at each trial's own information; that and z come from one estimate of the variance, so
        that small trials reject too often. Else at what was planned.
    """
    z, information = np.stack([statistic(fit, sign) for fit in fits], axis=-1), shares(fits, planned)
    if own:
        at = _rising(np.where(np.isfinite(information), information, plan.information))
        upper, lower = _boundaries_at(at, plan)
    else:
        at, upper, lower = (np.broadcast_to(x, z.shape) for x in (plan.information, plan.upper, plan.lower))
    return _ended(z, information, at, upper, lower, plan)


def _boundaries_at(at: Floats, plan: Boundaries) -> tuple[Floats, Floats]:
    """The boundaries of trials whose looks have this information, (replicate, look)."""
    rule = plan.rule
    upper, lower = np.empty_like(at), np.empty_like(at)
    for some in _alike(at):
        alpha = spent_by(rule.spending, plan.alpha_spent, plan.information, at[some], rule.sided)
        beta = None
        if plan.beta_spent is not None:
            beta = spent_by(rule.futility, plan.beta_spent, plan.information, at[some])
        fixed = np.broadcast_to(plan.lower, at[some].shape) if plan.has_futility and beta is None else None
        upper[some], lower[some] = spend(
            at[some],
            alpha,
            sided=rule.sided,
            beta_spent=beta,
            drift=plan.drift or 0.0,
            lower=fixed,
            binding=rule.binding,
            grid=COARSE,
        )
    return upper, lower


def _ended(z: Floats, information: Floats, at: Floats, upper: Floats, lower: Floats, plan: Boundaries) -> Course:
    """Where each trial ends, and why."""
    rule, k = plan.rule, z.shape[1]
    with np.errstate(invalid="ignore"):
        crossed = (np.abs(z) if rule.sided == 2 else z) >= upper
        futile = z <= lower if plan.has_futility else np.zeros(z.shape, dtype=bool)
    futile[:, -1] = False
    ends = crossed | futile
    ends[:, -1] = True
    stop = np.argmax(ends, axis=1)
    rows = np.arange(len(z))
    efficacy = crossed[rows, stop]
    return Course(
        z=z,
        information=information,
        spent_at=at,
        upper=upper,
        lower=lower,
        stop=stop,
        efficacy=efficacy,
        futility=futile[rows, stop] & (stop < k - 1),
        rejects=efficacy,
        deciding=z[rows, stop],
    )


def decided_later(course: Course, followed_up: Sequence[Fit], decided: Decisions, sign: float) -> Course:
    """The course of trials that a look stops and that are decided once those under way are followed up.

    `followed_up`: the fits of these, one a look but the last. A trial without an estimate then does not reject.
    """
    rejects, deciding = course.efficacy.copy(), course.deciding.copy()
    for k, fit in enumerate(followed_up):
        here = course.stop == k
        deciding[here] = statistic(fit, sign)[here]
        rejects[here] = np.nan_to_num(deciding[here], nan=-np.inf) >= decided.critical[k]
    return replace(course, rejects=rejects, deciding=deciding)


def _rising(information: Floats) -> Floats:
    """Information that grows from look to look and leaves something for the end."""
    k = information.shape[1]
    rising = information.copy()
    for j in range(k):
        before = rising[:, j - 1] if j else 0.0
        most = np.inf if j + 1 == k else 1.0 - GROWTH * (k - 1 - j)
        rising[:, j] = np.maximum(np.minimum(rising[:, j], most), before + GROWTH)
    return rising


def _alike(information: Floats) -> Iterator[Ints]:
    """Trials that need as fine a grid as each other, some at a time."""
    order = np.argsort([finest_of(each) for each in information], kind="stable")
    yield from (order[first : first + _AT_ONCE] for first in range(0, len(order), _AT_ONCE))


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Estimates at the end of each trial, (replicate,), in the unit of the fit; NaN where there is none."""

    naive: Floats
    bias_adjusted: Floats
    median_unbiased: Floats
    lower: Floats
    upper: Floats


def estimates(
    course: Course, fits: Sequence[Fit], plan: Boundaries, sign: float, decided: Decisions | None = None
) -> Estimates:
    """The naive, the bias-adjusted and the median-unbiased estimate, and the stagewise interval of the design's level.

    `fits`: by the look that stopped the trial, those at its end; with `decided`, of all who are then followed up.
    These trials obey the boundary for futility whether it binds or not, and the order of outcomes counts on it.
    """
    rule, low = plan.rule, -course.upper if plan.rule.sided == 2 else course.lower
    naive, se, z, null = (np.full(len(course.stop), np.nan) for _ in range(4))
    for k, fit in enumerate(fits):
        here = (course.stop == k) & (fit.failure == 0)
        naive[here], se[here] = fit.estimate[here], fit.se[here]
        z[here] = sign * fit.statistic[here].clip(-FARTHEST, FARTHEST)
        null[here] = 0.0 if fit.null is None else fit.null[here]
    ended = np.flatnonzero(np.isfinite(z))
    ends = course.spent_at if decided is None else np.broadcast_to(decided.information, course.spent_at.shape)
    root_information = np.sqrt(ends[np.arange(len(z)), course.stop])
    drifts = np.full((4, len(z)), np.nan)
    design, naive_drifts = (course.spent_at, low, course.upper), z / root_information
    if len(ended) and np.all(course.spent_at == course.spent_at[0]):
        one = (x[0] for x in design)
        drifts[0, ended] = bias_adjusted(naive_drifts[ended], *one, decided=ends[0])
    else:
        for some in _alike(course.spent_at[ended]):
            here = ended[some]
            drifts[0, here] = bias_adjusted(naive_drifts[here], *(x[here] for x in design), decided=ends[here])
    for k in range(course.n_looks):
        stopped = ended[course.stop[ended] == k]
        for some in _alike(course.spent_at[stopped, : k + 1]):
            here = stopped[some]
            at, below, above = (x[here, : k + 1] for x in design)
            for row, share in enumerate((0.5, rule.alpha / rule.sided, 1.0 - rule.alpha / rule.sided), 1):
                if decided is None:
                    drifts[row, here] = drift_at(share, z[here], at, below, above)
                else:
                    drifts[row, here] = decided.drift_at(share, k, z[here])
    adjusted, median, *both = null + sign * se * root_information * drifts
    return Estimates(
        naive=naive, bias_adjusted=adjusted, median_unbiased=median, lower=np.minimum(*both), upper=np.maximum(*both)
    )
