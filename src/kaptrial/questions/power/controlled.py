"""Means and shares over replicates, made more precise by what is known of the draws behind them (control variates).

Each replicate comes with sums of the normals that its patients were drawn from (`ArmSums.contrast`), whose means and
distribution are known. What they predict of an estimate or of a rejection is taken away and its known mean put back.
Predictions are fitted to the other folds of the replicates, so that the controlled mean is unbiased whatever they are,
and the SD of what is left is its honest error (Owen, Monte Carlo theory, methods and examples, ch. 8.9; for the
cross-fitting Chernozhukov et al. 2018, Econom J 21:C1-C68).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from scipy import special

from kaptrial.arrays import Bools, Floats
from kaptrial.estimators.fit import Fit
from kaptrial.model.streams import BLOCK
from kaptrial.questions.power.measures import paired_difference, share
from kaptrial.simulation.arm_sums import KnownDraws

FOLDS = 8
# What is added to the squares of each column, as a share of their mean, so that slopes are unique.
RIDGE = 1e-10
# Replicates to a coefficient that is fitted: with fewer the plain figure stands. What is found must not decide this: a
# rule by the number of hits would pick the plain figure where it is far off.
LEAST_PER_COEFFICIENT = 8


@dataclass(frozen=True, kw_only=True)
class Controlled:
    """A Monte Carlo figure with its error, and the plain one of the same replicates.

    `each`: a number for each replicate whose mean is the figure.
    """

    value: float
    mcse: float
    value_plain: float
    mcse_plain: float
    each: Floats = field(repr=False)

    def less(self, known: float, error: float) -> Controlled:
        """Less a value that is known with an independent error."""
        return Controlled(
            value=self.value - known,
            mcse=float(np.hypot(self.mcse, error)),
            value_plain=self.value_plain - known,
            mcse_plain=float(np.hypot(self.mcse_plain, error)),
            each=self.each - known,
        )

    @property
    def beside(self) -> dict[str, float]:
        """The plain figure, and how many times as many replicates it would take to be as precise."""
        ratio = (self.mcse_plain / self.mcse) ** 2 if self.mcse > 0 else 1.0
        return {"value_plain": self.value_plain, "mcse_plain": self.mcse_plain, "precision_gain": ratio}


def said_of(controls: bool) -> dict[str, bool]:
    """What results say of how they were made; of plain ones nothing."""
    return {"control_variates": True} if controls else {}


def controlled_mean(values: Floats, fit: Fit, kept: Bools) -> Controlled:
    """The mean of `values` over the replicates `kept`, those of the fit that have an estimate.

    It is plain where some have none: which those are may depend on the draws, whose means over the rest are not known.
    """
    plain, known = _mean(values), _known(fit)
    if known is None or not kept.all():
        return _plain(plain, values)
    left = values - _Slopes(np.concatenate(known, axis=1), values).predicted()
    return _better(_plain(plain, values), _mean(left), left)


def controlled_share(hits: Bools, fit: Fit) -> Controlled:
    """The share of the replicates that are hits, such as rejections."""
    plain, values = _plain(share(hits), hits.astype(float)), controlled_hits(hits, fit)
    return plain if values is None else _better(plain, _with_one_more(values), values)


def difference(figure: Floats, other: Floats) -> tuple[float, float]:
    """The difference of two shares, by their number for each replicate, and its standard error from the pairs."""
    if is_plain(figure) and is_plain(other):
        return paired_difference(figure, other)
    return _with_one_more(figure - other)


def controlled_hits(hits: Bools, fit: Fit) -> Floats | None:
    """A number for each replicate whose mean is the controlled share of hits; None without controls.

    The signal that a hit is a step of (the p-value as a normal score) is regressed on the normals and on what varies
    within arms. Given the latter its prediction is normal with a known mean and SD, so that the mean of the probability
    of a hit, as a function of the prediction, is known, too.
    """
    known = _known(fit)
    if known is None:
        return None
    n, signal = known.normals.shape[1], _signal(fit)
    of_signal, left = _Slopes(np.concatenate(known[:2], axis=1), signal), hits.astype(float)
    for k, own in enumerate(of_signal.folds):
        slopes = of_signal.without(k)
        along, shift = known.normals @ slopes[:n], known.within @ slopes[n:]
        sd = float(np.sqrt(slopes[:n] @ slopes[:n]))
        if sd > 0.0:
            left[own] -= _smooth_step(hits, signal, along + shift, shift, sd, own)
    left -= _Slopes(np.concatenate(known[1:], axis=1), left).predicted()
    return left


def _smooth_step(hits: Bools, signal: Floats, prediction: Floats, shift: Floats, sd: float, own: slice) -> Floats:
    """The probability of a hit given the prediction less its mean given `shift`, in a fold.

    With slopes from other replicates the prediction is N(shift, sd²) given what varies within arms. A hit is taken for
    a signal beyond one of two thresholds, and what the prediction leaves of the signal for normal; where that is not
    so the difference has mean 0 all the same.
    """
    out = np.zeros(own.stop - own.start)
    of_others, predicted, of_hits = np.delete(signal, own), np.delete(prediction, own), np.delete(hits, own)
    left = float((of_others - predicted).std(ddof=1))
    if left == 0.0:
        return out
    middle = of_others.mean() - predicted.mean()
    for side in (1.0, -1.0):
        share_beyond = float((of_hits & (side * of_others > 0)).mean())
        if share_beyond > 0.0:
            threshold = np.quantile(side * of_others, 1.0 - share_beyond) - side * middle
            at = side * prediction[own] - threshold
            out += special.ndtr(at / left)
            out -= special.ndtr((side * shift[own] - threshold) / np.hypot(left, sd))
    return out


def _mean(values: Floats) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


class _Slopes:
    """Least-squares slopes of y on columns of known mean 0, beside an intercept, from all folds but one."""

    def __init__(self, x: Floats, y: Floats) -> None:
        self._x = x
        ends = np.linspace(0, len(y), FOLDS + 1).astype(int).tolist()
        self.folds = [slice(first, end) for first, end in pairwise(ends)]
        every = np.concatenate([np.ones((len(y), 1)), x, y[:, None]], axis=1)
        parts = np.stack([_products(every[own]) for own in self.folds])
        others = parts.sum(axis=0) - parts
        squares, products = others[:, :-1, :-1], others[:, :-1, -1:]
        # A column that does not vary has a slope of 0.
        ridge = RIDGE * np.trace(squares, axis1=1, axis2=2)[:, None, None] / squares.shape[1]
        self._slopes: Floats = np.linalg.solve(squares + ridge * np.eye(squares.shape[1]), products)[:, 1:, 0]

    def without(self, k: int) -> Floats:
        """The slopes from the other folds."""
        slopes: Floats = self._slopes[k]
        return slopes

    def predicted(self) -> Floats:
        """What the columns predict in each fold by the slopes from the others."""
        out = np.empty(len(self._x))
        for k, own in enumerate(self.folds):
            out[own] = self._x[own] @ self.without(k)
        return out


def _products(x: Floats) -> Floats:
    """x'x, summed over pieces of a few rows: libraries split a larger product over threads, which wait for each other
    on a busy machine."""
    whole = len(x) // BLOCK * BLOCK
    pieces = x[:whole].reshape(-1, BLOCK, x.shape[1])
    products: Floats = (pieces.transpose(0, 2, 1) @ pieces).sum(axis=0) + x[whole:].T @ x[whole:]
    return products


def _with_one_more(values: Floats) -> tuple[float, float]:
    """As if one hit more were unexplained: with few hits chance can leave none, and an error of 0 would be claimed."""
    value, error = _mean(values)
    return value, float(np.hypot(error, 1.0 / len(values)))


def _plain(figure: tuple[float, float], each: Floats) -> Controlled:
    value, mcse = figure
    return Controlled(value=value, mcse=mcse, value_plain=value, mcse_plain=mcse, each=each)


def is_plain(each: Floats) -> bool:
    """Whether the numbers are hits and misses, with nothing taken away."""
    return bool(np.isin(each, (0.0, 1.0)).all())


def _better(plain: Controlled, controlled: tuple[float, float], each: Floats) -> Controlled:
    """The controlled figure, unless it is no more precise."""
    value, mcse = controlled
    return replace(plain, value=value, mcse=mcse, each=each) if mcse < plain.mcse else plain


def _known(fit: Fit) -> KnownDraws | None:
    """What is known of the draws; None where nothing is, or there are too few replicates to fit slopes."""
    if fit.normals is None or fit.within is None or fit.centred is None:
        return None
    known = KnownDraws(fit.normals, fit.within, fit.centred)
    return known if len(fit.se) >= LEAST_PER_COEFFICIENT * (1 + sum(x.shape[1] for x in known)) else None


def _signal(fit: Fit) -> Floats:
    """The two-sided p-value as a signed normal score, 0 where there is no estimate: what a rejection is a step of."""
    score = -special.ndtri(np.clip(fit.p / 2, 1e-300, 0.5))
    return np.nan_to_num(np.sign(fit.departure) * score)
