"""Simulated points of a search, all under one seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import optimize, special

from kaptrial.arrays import Floats
from kaptrial.errors import FieldError, ScenarioError
from kaptrial.estimators.fit import Fit
from kaptrial.questions.looks.planning import Planned, planned
from kaptrial.questions.looks.rows import World
from kaptrial.questions.power.controlled import controlled_hits, is_plain
from kaptrial.questions.power.execution import Job, run
from kaptrial.questions.power.measures import t_power
from kaptrial.questions.power.truth import Truth, truths
from kaptrial.questions.size.answer import SIZES, Answer, Tried
from kaptrial.questions.size.with_looks import keeping_shares
from kaptrial.scenario.files import Raw, build, with_settings
from kaptrial.scenario.paths import split_path
from kaptrial.scenario.scenario import Scenario

# Replicates at the points that only find the neighbourhood of the answer.
_PILOT = 512


def asked(s: Scenario) -> Scenario:
    """The scenario with its primary question and first method only."""
    analysis, estimand = replace(s.analysis, methods=s.methods(s.estimand)[:1]), replace(s.estimand, methods=None)
    return replace(s, estimand=estimand, secondary=(), variants=None, analysis=analysis)


@dataclass(frozen=True, kw_only=True)
class Point:
    """What one value gave. `shares`: a number for each replicate whose mean is the power, 1 where it rejects or what
    control variates make of that; `estimates`: of the whole trial, NaN where the fit failed; `held`: in a trial with
    looks, their plan and the trials.
    """

    value: float
    shares: Floats
    estimates: Floats
    mean: float
    sd: float
    model_se: float
    df: float
    held: tuple[Planned, World] | None = None

    @property
    def power(self) -> float:
        return min(max(float(self.shares.mean()), 0.0), 1.0)

    @property
    def mcse(self) -> float:
        variance = self.power * (1 - self.power) if is_plain(self.shares) else float(self.shares.var())
        return math.sqrt(variance / len(self.shares))

    @property
    def probit(self) -> float:
        """Φ⁻¹ of the power, kept finite."""
        half = 0.5 / len(self.shares)
        return float(special.ndtri(min(max(self.power, half), 1 - half)))

    @property
    def ncp(self) -> float:
        return abs(self.mean) / self.sd if self.sd > 0 else 0.0


def _rejected(fit: Fit, alpha: float) -> Floats:
    """The shares of a point without looks."""
    hits = np.nan_to_num(fit.p, nan=1.0) < alpha
    controlled = controlled_hits(hits, fit)
    return hits.astype(float) if controlled is None else controlled


def _point(value: float, shares: Floats, fit: Fit) -> Point:
    ok = fit.failure == 0
    enough = int(ok.sum()) > 1
    return Point(
        value=value,
        shares=shares,
        estimates=fit.estimate,
        mean=float(fit.estimate[ok].mean()) if enough else 0.0,
        sd=float(fit.estimate[ok].std(ddof=1)) if enough else 0.0,
        model_se=float(np.sqrt(np.mean(fit.se[ok] ** 2))) if enough else 0.0,
        df=float(np.median(fit.df[ok])) if enough else 1.0,
    )


class Search:
    """One question: scenarios at values of the path, their simulated points, and what was tried."""

    def __init__(
        self,
        raw: Raw,
        base: Scenario,
        path: str,
        target: float,
        bounds: tuple[float, float] | None,
        replicates: int,
        seed: int,
        workers: int,
        progress: Callable[[int], None] | None = None,
        *,
        controls: bool = True,
    ) -> None:
        self.raw, self.base, self.path, self.target = raw, base, path, target
        self.bounds, self.replicates, self.seed, self.workers = bounds, replicates, seed, workers
        self.progress, self.controls = progress, controls
        self.pilot = min(replicates, _PILOT)
        self.goal = float(special.ndtri(target))
        self.alpha = base.analysis.alpha
        self.looks = base.design.group_sequential
        self.level = self.alpha / 2 if self.looks is not None and self.looks.sided == 1 else self.alpha
        self._points: dict[tuple[float, int], Point] = {}
        self._fresh: dict[tuple[float, int], Point] = {}
        self.own = _number_at(raw, path)
        self.in_whole_numbers = path in SIZES or self._is_whole()
        for value in bounds or ():
            self.scenario(value)

    def _is_whole(self) -> bool:
        """True if the path takes whole numbers only."""
        values = self.bounds or (self.own,)
        if any(value is None or value != int(value) for value in values):
            return False
        try:
            build(with_settings(self.raw, {self.path: values[0] + 0.5}))  # type: ignore[operator]
        except ScenarioError as error:
            return "whole number" in str(error)
        return False

    def scenario(self, value: float) -> Scenario:
        """The scenario with the value set; ScenarioError if it may not stand there."""
        setting = int(value) if value == int(value) else float(value)
        return keeping_shares(asked(build(with_settings(self.raw, {self.path: setting}))), self.base)

    def allows(self, value: float) -> bool:
        """Whether the value may stand at the path."""
        try:
            self.scenario(value)
        except ScenarioError:
            return False
        return True

    def at(self, value: float, replicates: int | None = None, *, fresh: bool = False) -> Point:
        """The simulated point at a value; `fresh`: under the next seed, and not among the points tried."""
        count = replicates or self.replicates
        known = self._fresh if fresh else self._points
        if (value, count) not in known:
            known[value, count] = self._simulated(value, count, self.seed + fresh)
        return known[value, count]

    def _simulated(self, value: float, replicates: int, seed: int) -> Point:
        s = self.scenario(value)
        if self.looks is not None:
            try:
                plan, own = planned(s, seed=seed, replicates=replicates, workers=self.workers, progress=self.progress)
            except FieldError as error:
                at = f"at {self.path} = {value:g}, which was tried: {error.allowed}"
                raise FieldError(error.field, error.value, at) from None
            point = _point(value, own.course.rejects.astype(float), own.fits.looks[-1])
            return replace(point, held=(plan, own))
        job = Job(scenario=s, seed=seed, replicates=replicates, controls=self.controls)
        (fits,) = run([job], workers=self.workers, progress=self.progress)
        fit = fits[0, s.analyses(s.estimand)[0]]
        return _point(value, _rejected(fit, self.alpha), fit)

    def simulated(self) -> list[Point]:
        """The points tried, in rising order of value."""
        return [p for _, p in sorted(self._points.items(), key=lambda item: item[0])]

    def truth(self) -> Truth:
        """The truth of the scenario as it stands."""
        return truths(self.base, seed=self.seed)[0]

    def required_ncp(self, df: float) -> float:
        """The noncentrality at which a t test has the target power."""
        return float(optimize.brentq(lambda d: t_power(d, 1.0, df, self.alpha) - self.target, 1e-9, 400.0))

    def answer(self, **fields: Any) -> Answer:
        """The answer with what every answer has."""
        e = self.base.estimand
        tried = tuple(
            Tried(value=p.value, power=p.power, mcse=p.mcse, replicates=len(p.shares)) for p in self.simulated()
        )
        return Answer(
            analysis=self.base.analyses(e)[0],
            contrast=e.contrast,
            endpoint=e.endpoint,
            day=e.day,
            path=self.path,
            target=self.target,
            achieved_replicates=2 * self.replicates,
            achieved_seed=self.seed + 1,
            tried=tried,
            **fields,
        )

    def reached(
        self, value: float, ends: Sequence[float | None], fresh: Point, notes: Sequence[str], **more: Any
    ) -> Answer:
        """The answer with a value, the ends of its intervals, and the power that fresh replicates have there."""
        names = ("lower", "upper", "lower_999", "upper_999")
        power = {"achieved": fresh.power, "achieved_mcse": fresh.mcse}
        said = {"reached": True, "message": "; ".join(notes)}
        return self.answer(value=value, **dict(zip(names, ends, strict=True)), **power, **said, **more)


def _number_at(raw: Raw, path: str) -> float | None:
    """The number that stands at a path, or at its `value`; None if nothing does."""
    node: Any = raw
    for step in split_path(path):
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            node = None
            break
    if isinstance(node, dict) and "value" in node:
        node = node["value"]
    if node is None:
        with_settings(raw, {path: 1})  # an unknown path is an error here
        return None
    if isinstance(node, bool) or not isinstance(node, int | float):
        raise FieldError("over", path, f"must be the path of a number; there stands {node!r:.40}")
    return float(node)
