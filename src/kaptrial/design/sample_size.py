"""The smallest size, or other number of a scenario, that reaches a power: stochastic root-finding with common random
numbers.

Every point is simulated under one seed, and a trial of n is the beginning of a trial of n + m, so that the points share
their noise. Near the target the power is fitted by Φ(a + b·u), u = √n for a size and log x for another number, as
independent binomials; the covariance of (a, b) is the sandwich with replicates as clusters, which is right for points
that share replicates (Liang & Zeger 1986, Biometrika 73:13-22). The interval is Fieller's: all u whose fitted power
does not differ from the target. Power at the answer is taken from fresh replicates under the next seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from kaptrial.analysis.fit import Fit, Floats
from kaptrial.design.characteristics import t_power
from kaptrial.design.execution import Job, run
from kaptrial.simulate.reading import reading_of
from kaptrial.spec.errors import ScenarioError
from kaptrial.spec.files import Raw, build, split_path, with_settings
from kaptrial.spec.scenario import Scenario
from kaptrial.truth import Truth, truths

SIZES = ("design.n_per_arm", "design.n_total")
# The largest arm that is considered unless bounds are given.
LARGEST_ARM = 10_000
# Patients times days read of one trial: a larger one takes gigabytes a block, and is simulated only if bounds ask.
_LARGEST_TRIAL = 300_000
# Replicates at the points that only find the neighbourhood of the answer.
_PILOT = 512
# Points within this many probits of the target enter the fit.
_WINDOW = 0.7
# Endings of paths that are effects: the smallest one found with the power is the minimal detectable effect.
_EFFECTS = ("max_effect", "slope", "share", "gamma", "kappa", "effect")
_Z95, _Z999 = (float(special.ndtri(1 - tail)) for tail in (0.025, 0.0005))


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A value tried: the power there with its Monte Carlo standard error, and how many replicates gave it."""

    value: float
    power: float
    mcse: float
    replicates: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What `solve` found.

    `value`: the smallest value at `path` (the largest, if power falls with it) with power `target`; whole for a size;
    None if it was not reached. `lower`, `upper` and `lower_999`, `upper_999`: its 95 % and 99.9 % intervals from the
    Monte Carlo error, rounded as `value` is; None where an end could not be found. `achieved`, `achieved_mcse`: power
    at `value` in `achieved_replicates` fresh replicates under `achieved_seed`. `closed_form`: the value from the
    non-central t, `closed_form_kind` exact or approximate (with the simulated SE). `ceiling`, `ceiling_mcse`: where the
    power is not reached, or the number of therapists is fixed, what cannot be exceeded. `tried`: the points at which
    the power was simulated, in rising order.
    """

    analysis: str
    contrast: str
    endpoint: str
    day: float
    metric: str
    path: str
    target: float
    value: float | None
    lower: float | None
    upper: float | None
    lower_999: float | None
    upper_999: float | None
    achieved: float | None
    achieved_mcse: float | None
    achieved_replicates: int
    achieved_seed: int
    closed_form: float | None
    closed_form_kind: str | None
    ceiling: float | None
    ceiling_mcse: float | None
    reached: bool
    message: str
    tried: tuple[Tried, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One flat row for JSON."""
        same = (
            "analysis", "contrast", "endpoint", "day", "metric", "path", "value", "lower", "upper", "lower_999",
            "upper_999", "closed_form", "closed_form_kind", "ceiling", "ceiling_mcse", "reached", "message",
        )  # fmt: skip
        found = {name: getattr(self, name) for name in same}
        if self.path in SIZES:
            sizes = ("value", "lower", "upper", "lower_999", "upper_999", "closed_form")
            found |= {name: None if found[name] is None else int(found[name]) for name in sizes}
        return [
            found
            | {
                "target_power": self.target,
                "achieved_power": self.achieved,
                "achieved_mcse": self.achieved_mcse,
                "achieved_replicates": self.achieved_replicates,
                "achieved_seed": self.achieved_seed,
            }
        ]


def solve(
    raw: Raw,
    *,
    target: float,
    over: str | None = None,
    bounds: tuple[float, float] | None = None,
    replicates: int = 2000,
    seed: int = 1,
    workers: int = 1,
) -> Answer:
    """The value at `over` (default: the scenario's size) at which the primary estimand's power is `target`.

    The first of `analysis.methods` is used. Raises ScenarioError for a path, bounds or target that cannot be used.
    """
    base = _asked(build(raw))
    if not base.analysis.alpha < target < 1:
        raise ScenarioError(
            f"--power = {target:g}: must be between alpha, {base.analysis.alpha:g}, and 1: more is never certain"
        )
    path = over or ("design.n_total" if base.design.n_per_arm is None else "design.n_per_arm")
    search = _Search(raw, base, path, target, bounds, replicates, seed, workers)
    return _solve_size(search) if path in SIZES else _solve_path(search)


# --- simulated points -------------------------------------------------------------------------------------------------


def _asked(s: Scenario) -> Scenario:
    """The scenario with its primary question and first method only."""
    analysis = replace(s.analysis, methods=s.analysis.methods[:1])
    return replace(s, secondary=(), variants=None, analysis=analysis)


@dataclass(frozen=True, kw_only=True)
class _Point:
    """What one value gave. `rejects`, `estimates`: (replicate,), NaN estimates where the fit failed."""

    value: float
    rejects: NDArray[np.bool_]
    estimates: Floats
    mean: float
    sd: float
    model_se: float
    df: float

    @property
    def power(self) -> float:
        return float(self.rejects.mean())

    @property
    def mcse(self) -> float:
        return math.sqrt(self.power * (1 - self.power) / len(self.rejects))

    @property
    def probit(self) -> float:
        """Φ⁻¹ of the power, kept finite."""
        half = 0.5 / len(self.rejects)
        return float(special.ndtri(min(max(self.power, half), 1 - half)))

    @property
    def ncp(self) -> float:
        return abs(self.mean) / self.sd if self.sd > 0 else 0.0


def _point(value: float, fit: Fit, alpha: float) -> _Point:
    ok = fit.failure == 0
    enough = int(ok.sum()) > 1
    return _Point(
        value=value,
        rejects=np.nan_to_num(fit.p, nan=1.0) < alpha,
        estimates=fit.estimate,
        mean=float(fit.estimate[ok].mean()) if enough else 0.0,
        sd=float(fit.estimate[ok].std(ddof=1)) if enough else 0.0,
        model_se=float(np.sqrt(np.mean(fit.se[ok] ** 2))) if enough else 0.0,
        df=float(np.median(fit.df[ok])) if enough else 1.0,
    )


class _Search:
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
    ) -> None:
        self.raw, self.base, self.path, self.target = raw, base, path, target
        self.bounds, self.replicates, self.seed, self.workers = bounds, replicates, seed, workers
        self.pilot = min(replicates, _PILOT)
        self.goal = float(special.ndtri(target))
        self.alpha = base.analysis.alpha
        self._points: dict[tuple[float, int], _Point] = {}
        self.own = _number_at(raw, path)
        self.whole = path in SIZES or self._is_whole()
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
        return _asked(build(with_settings(self.raw, {self.path: setting})))

    def allows(self, value: float) -> bool:
        """Whether the value may stand at the path."""
        try:
            self.scenario(value)
        except ScenarioError:
            return False
        return True

    def at(self, value: float, replicates: int | None = None, *, fresh: bool = False) -> _Point:
        """The simulated point at a value; `fresh`: under the next seed, and not among the points tried."""
        count = replicates or self.replicates
        if not fresh and (value, count) in self._points:
            return self._points[value, count]
        s = self.scenario(value)
        job = Job(scenario=s, seed=self.seed + fresh, replicates=count)
        (fits,) = run([job], workers=self.workers)
        point = _point(value, fits[0, s.analysis.methods[0]], self.alpha)
        if not fresh:
            self._points[value, count] = point
        return point

    def simulated(self) -> list[_Point]:
        """The points tried, in rising order of value."""
        return [p for _, p in sorted(self._points.items(), key=lambda item: item[0])]

    def truth(self) -> Truth:
        """The truth of the scenario as it stands."""
        return truths(self.base, seed=self.seed)[0]

    def required_ncp(self, df: float) -> float:
        """The noncentrality at which a t test has the target power."""
        return float(optimize.brentq(lambda d: t_power(d, 1.0, df, self.alpha) - self.target, 1e-9, 400.0))

    def answer(self, **found: Any) -> Answer:
        """The answer with what every answer has."""
        e = self.base.estimand
        nothing: dict[str, Any] = dict.fromkeys(
            (
                "value", "lower", "upper", "lower_999", "upper_999", "achieved", "achieved_mcse", "closed_form",
                "closed_form_kind", "ceiling", "ceiling_mcse",
            )
        )  # fmt: skip
        tried = tuple(
            Tried(value=p.value, power=p.power, mcse=p.mcse, replicates=len(p.rejects)) for p in self.simulated()
        )
        return Answer(
            **{
                **nothing,
                "analysis": self.base.analysis.methods[0],
                "contrast": e.contrast,
                "endpoint": e.endpoint,
                "day": e.day,
                "path": self.path,
                "target": self.target,
                "achieved_replicates": 2 * self.replicates,
                "achieved_seed": self.seed + 1,
                "tried": tried,
                "reached": False,
                "message": "",
                **found,
            }
        )


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
        raise ScenarioError(f"--over = {path}: must be the path of a number; there stands {node!r:.40}")
    return float(node)


_Ends = tuple[float | None, float | None, float | None, float | None]

# --- the fitted curve -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Line:
    """probit(power) = intercept + slope·(u − centre) with the covariance of the two."""

    intercept: float
    slope: float
    covariance: Floats
    centre: float

    def root(self, goal: float) -> float:
        """u at which the fitted probit is the goal."""
        return self.centre + (goal - self.intercept) / self.slope

    def interval(self, goal: float, z: float) -> tuple[float | None, float | None]:
        """Fieller's interval of the root; None for an end that the data do not bound."""
        v = self.covariance
        c = self.intercept - goal
        # (c + slope·t)² ≤ z²(v00 + 2 v01 t + v11 t²), a quadratic in t = u − centre.
        a2 = self.slope**2 - z**2 * v[1, 1]
        a1 = 2 * (c * self.slope - z**2 * v[0, 1])
        a0 = c**2 - z**2 * v[0, 0]
        disc = a1**2 - 4 * a2 * a0
        if a2 <= 0 or disc < 0:
            return None, None
        ends = ((-a1 + sign * math.sqrt(disc)) / (2 * a2) + self.centre for sign in (-1, 1))
        lower, upper = ends
        return lower, upper


def _fit_line(us: Floats, rejects: NDArray[np.bool_]) -> _Line | None:
    """Probit regression on points (point, replicate), replicates as clusters; None if it does not converge."""
    centre = float(us.mean())
    x = np.stack([np.ones_like(us), us - centre], axis=1)
    shares = rejects.mean(axis=1)
    n = rejects.shape[1]
    safe = np.clip(shares, 0.5 / n, 1 - 0.5 / n)
    beta = np.linalg.lstsq(x, special.ndtri(safe), rcond=None)[0]
    for _ in range(50):
        eta = x @ beta
        p = np.clip(special.ndtr(eta), 1e-9, 1 - 1e-9)
        density = np.exp(-(eta**2) / 2) / math.sqrt(2 * math.pi)
        gain = density / (p * (1 - p))
        information = (x * (gain * density)[:, None]).T @ x
        try:
            step = np.linalg.solve(information, x.T @ (gain * (shares - p)))
        except np.linalg.LinAlgError:
            return None
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    else:
        return None
    bread = np.linalg.inv(information) / n
    scores = (x * gain[:, None]).T @ (rejects - p[:, None])
    return _Line(
        intercept=float(beta[0]),
        slope=float(beta[1]),
        covariance=bread @ (scores @ scores.T) @ bread,
        centre=centre,
    )


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """The coordinate u in which the probit of the power is nearly straight, and the values that may be tried."""

    to: Callable[[float], float]
    back: Callable[[float], float]
    low: float
    high: float
    step: float | None

    def tryable(self, u: float) -> float:
        """The value at u, within the limits and on the grid."""
        least, most = sorted((self.to(self.low), self.to(self.high)))
        value = self.back(min(max(u, least), most))
        if self.step is not None:
            value = round(value / self.step) * self.step
            value = min(max(value, math.ceil(self.low / self.step) * self.step), self.high)
        return value


@dataclass(frozen=True, kw_only=True)
class _Fitted:
    line: _Line
    u: float


def _refine(search: _Search, axis: _Axis, u: float, slope: float, *, points: int) -> _Fitted | _Point:
    """Simulate and fit ever nearer to the root; or, where there is no fit, the nearest point that
    reaches the target, or the nearest of those that do not: the root is beyond the limits, or the grid too coarse.

    `u`, `slope`: a first guess of the root and of the change of the probit with u there.
    """
    done: dict[float, _Point] = {}
    offsets = [0.0, -0.4, 0.4, 0.0, -0.2, 0.2, 0.0, -0.3, 0.3, 0.1, -0.1, 0.0]
    fitted: _Fitted | None = None
    for i, offset in enumerate(offsets):
        value = axis.tryable(u + offset / slope)
        if value in done:
            # On a coarse grid a neighbour instead.
            beside = [] if axis.step is None else [value + axis.step, value - axis.step]
            untried = [v for v in beside if v not in done and axis.low <= v <= axis.high]
            if not untried or i >= points:
                continue
            value = untried[0]
        point = done[value] = search.at(value)
        near = [p for p in done.values() if abs(p.probit - search.goal) <= _WINDOW]
        if len(near) >= 2:
            us = np.array([axis.to(p.value) for p in near])
            line = _fit_line(us, np.stack([p.rejects for p in near]))
            if line is not None and line.slope * slope > 0:
                moved = abs(line.root(search.goal) - u) * abs(line.slope)
                fitted = _Fitted(line=line, u=line.root(search.goal))
                u, slope = fitted.u, line.slope
                if len(near) >= points and moved < 0.03:
                    break
                continue
        # No fit yet: go from this point along the slope.
        u = axis.to(point.value) + float(np.clip(search.goal - point.probit, -1.5, 1.5)) / slope
        if not near and len(done) > 1 and axis.tryable(u) in done:
            break
    if fitted is not None:
        return fitted
    reaching = [p for p in done.values() if p.power >= search.target]
    return min(reaching or done.values(), key=lambda p: abs(p.probit - search.goal))


# --- sizes ------------------------------------------------------------------------------------------------------------


def _solve_size(search: _Search) -> Answer:
    s = search.base
    arms = 1 if search.path == "design.n_per_arm" else len(s.arms)
    step = 1.0 if search.path == "design.n_per_arm" else float(sum(s.ratio))
    low, high = search.bounds or (max(2.0 * arms, step), _largest(s, arms))
    low, high = math.ceil(low / step) * step, math.floor(high / step) * step
    if low >= high:
        raise ScenarioError(
            f"--between = {search.bounds}: must hold two sizes that are multiples of {step:g}, the sum of the ratio"
        )
    start = min(max(math.ceil((search.own or low) / step) * step, low), min(high, 1000.0 * arms))
    pilot = search.at(start, search.pilot)
    truth = search.truth()
    known = abs(truth.value) > 4 * truth.mcse + 1e-9
    seen = abs(pilot.mean) > 4 * pilot.sd / math.sqrt(search.pilot)
    if not known and not seen:
        return _null_answer(search, truth, start, min(high, 4 * start))
    effect = abs(pilot.mean) if seen else abs(truth.value)
    law = _SELaw(fixed=0.0, fixed_mcse=0.0, per_n=pilot.sd**2 * start)
    ceiling: tuple[float, float] | None = None
    notes: list[str] = []
    ends: _Ends
    if _therapists_fixed(s):
        law = _se_law(search, start, high, arms)
        ceiling = _ceiling(abs(truth.value) if known else effect, law, search)
        if ceiling[0] < search.target:
            return _fixed_answer(search, law, ceiling, start)
    closed, kind = _closed_size(search, truth, effect, law, pilot.df / start, low, high, step)
    guess = _size_by_law(search, effect, law, pilot.df / start, low, high)
    if guess is None:
        at_high = t_power(effect, law.at(high), pilot.df / start * high, search.alpha)
        ncp = effect / law.at(high)
        density = math.exp(-(special.ndtri(at_high) ** 2) / 2) / math.sqrt(2 * math.pi)
        of_effect = pilot.sd / effect / math.sqrt(search.pilot) if seen else truth.mcse / effect
        error = density * ncp * math.hypot(of_effect, 1 / math.sqrt(2 * search.pilot))
        needed = law.per_n * (search.required_ncp(1e6) / effect) ** 2
        message = (
            f"not reached by {search.path} = {high:g}, the largest considered: power there would be about"
            f" {at_high:.2f} (from the SE simulated at {start:g}); about {needed:.0f} would be needed"
        )
        return search.answer(
            metric="size", ceiling=at_high, ceiling_mcse=error, message=message, closed_form=closed,
            closed_form_kind=kind,
        )  # fmt: skip
    axis = _Axis(to=math.sqrt, back=lambda u: u * u, low=low, high=high, step=step)
    u = math.sqrt(guess)
    slope = effect / law.at(guess) / u
    few = 4 if guess * len(s.arms) / arms > 2000 else 6
    found = _refine(search, axis, u, slope, points=few)
    if isinstance(found, _Point):
        if found.power < search.target:
            message = f"not reached by {search.path} = {found.value:g}"
            return search.answer(
                metric="size", ceiling=found.power, ceiling_mcse=found.mcse, message=message, closed_form=closed,
                closed_form_kind=kind,
            )  # fmt: skip
        below = max((p.value for p in search.simulated() if p.power < search.target), default=None)
        notes.append(
            f"power is above the target at {found.value:g}"
            + (", the smallest considered" if below is None else f" and below it at {below:g}; no curve was fitted")
        )
        value, ends = found.value, (None, None, None, None)
    else:
        value, ends = _rounded(search, axis, found, rising=True)
        if value > high:
            message = f"not reached by {search.path} = {high:g}; about {value:g} would be needed"
            last = search.at(high)
            return search.answer(
                metric="size", ceiling=last.power, ceiling_mcse=last.mcse, message=message, closed_form=closed,
                closed_form_kind=kind,
            )  # fmt: skip
    fresh = search.at(value, 2 * search.replicates, fresh=True)
    notes += _notes(search, fresh, known, truth)
    if kind == "approximate":
        near = replace(law, per_n=max(fresh.sd**2 - law.fixed, 1e-12) * value)
        n = _size_by_law(search, abs(fresh.mean), near, fresh.df / value, low, high)
        closed = None if n is None else math.ceil(n / step - 1e-9) * step
    return search.answer(
        metric="size", value=value, lower=ends[0], upper=ends[1], lower_999=ends[2], upper_999=ends[3],
        achieved=fresh.power, achieved_mcse=fresh.mcse, closed_form=closed, closed_form_kind=kind,
        ceiling=ceiling[0] if ceiling else None, ceiling_mcse=ceiling[1] if ceiling else None,
        reached=True, message="; ".join(notes),
    )  # fmt: skip


def _largest(s: Scenario, arms: int) -> float:
    """The largest size to be simulated unless bounds are given."""
    affordable = _LARGEST_TRIAL * arms / (len(s.arms) * len(reading_of(s).days))
    return float(min(LARGEST_ARM * arms, 100_000, max(affordable, s.design.n_per_arm or s.n_total)))


def _rounded(search: _Search, axis: _Axis, found: _Fitted, *, rising: bool) -> tuple[float, _Ends]:
    """The answer and the ends of its 95 % and 99.9 % intervals, on the grid: up if power rises with the value."""
    goal = search.goal

    def place(u: float | None) -> float | None:
        if u is None:
            return None
        value = axis.back(max(u, 0.0) if axis.to is math.sqrt else u)
        if axis.step is None:
            return value
        towards = math.ceil if rising else math.floor
        return max(towards(value / axis.step - 1e-9) * axis.step, axis.low)

    value = place(found.u)
    assert value is not None
    lower, upper = found.line.interval(goal, _Z95)
    lower_999, upper_999 = found.line.interval(goal, _Z999)
    return value, (place(lower), place(upper), place(lower_999), place(upper_999))


def _notes(search: _Search, fresh: _Point, known: bool, truth: Truth) -> list[str]:
    """What a reader of the answer should know of the test's validity."""
    notes = []
    if fresh.sd > 0:
        ratio, error = fresh.model_se / fresh.sd, 1 / math.sqrt(2 * len(fresh.rejects))
        if ratio < 1 - max(0.05, 4 * error):
            notes.append(
                f"the analysis takes its SE too small, {ratio:.2f} of the true one: it rejects a true null too often,"
                " and part of this power is that"
            )
    if not known:
        notes.append(f"the truth, {truth.value:.2g} ± {truth.mcse:.1g}, is not told from 0: it is bias that is found")
    return notes


def _null_answer(search: _Search, truth: Truth, start: float, larger: float) -> Answer:
    first, last = search.at(start), search.at(larger)
    message = (
        f"no size reaches it: the truth is {truth.value:.2g} ± {truth.mcse:.1g}, not told from 0, and a valid test has"
        f" power alpha, {search.alpha:g} (here {first.power:.3f} at {start:g}, {last.power:.3f} at {larger:g})"
    )
    if last.power > search.alpha + 4 * last.mcse:
        message += "; what is above alpha is type I error of the declared analysis"
        return search.answer(metric="size", ceiling=search.alpha, ceiling_mcse=0.0, message=message)
    return search.answer(metric="size", ceiling=last.power, ceiling_mcse=last.mcse, message=message)


# --- how the standard error falls with n ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _SELaw:
    """SE² = fixed + per_n/n."""

    fixed: float
    fixed_mcse: float
    per_n: float

    def at(self, n: float) -> float:
        return math.sqrt(max(self.fixed + self.per_n / n, 1e-300))


def _therapists_fixed(s: Scenario) -> bool:
    """Whether an arm of the contrast has a fixed number of therapists who differ."""
    for weight, arm in zip(s.contrast(s.estimand).weights, s.arms, strict=True):
        staff = s.therapies[arm.therapy.name].therapists if arm.therapy else None
        if weight and staff is not None and staff.count is not None and staff.sd.value > 0:
            return True
    return False


def _se_law(search: _Search, start: float, high: float, arms: int) -> _SELaw:
    """Regress the squared errors of the estimates on 1/n, replicate by replicate (the points share their noise)."""
    first = min(start, 100.0 * arms)
    sizes = sorted({min(high, round(first * k)) for k in (1, 4, 12)})
    count = min(search.replicates, 1024)
    points = [search.at(n, count) for n in sizes]
    squared = np.stack([(p.estimates - p.mean) ** 2 for p in points])
    squared = squared[:, np.isfinite(squared).all(axis=0)]
    weights = 1 / np.array([p.sd for p in points]) ** 4
    x = np.stack([np.ones(len(sizes)), 1 / np.array(sizes)], axis=1)
    hat = np.linalg.pinv((x * weights[:, None]).T @ x) @ (x * weights[:, None]).T
    each = hat @ squared
    return _SELaw(
        fixed=max(float(each[0].mean()), 0.0),
        fixed_mcse=float(each[0].std(ddof=1) / math.sqrt(each.shape[1])),
        per_n=max(float(each[1].mean()), 1e-12),
    )


def _z_power(effect: float, se: float, alpha: float) -> float:
    critical = special.ndtri(1 - alpha / 2)
    return float(special.ndtr(effect / se - critical) + special.ndtr(-effect / se - critical))


def _ceiling(effect: float, law: _SELaw, search: _Search) -> tuple[float, float]:
    """Power of a test with the right level as n grows without end, and its error from that of the fixed part."""
    if law.fixed <= 0:
        return 1.0, 0.0
    power = _z_power(effect, math.sqrt(law.fixed), search.alpha)
    ends = [
        _z_power(effect, math.sqrt(max(law.fixed + sign * law.fixed_mcse, 1e-12)), search.alpha) for sign in (-1, 1)
    ]
    return power, abs(ends[0] - ends[1]) / 2


def _fixed_answer(search: _Search, law: _SELaw, ceiling: tuple[float, float], start: float) -> Answer:
    sizes = [p for p in search.answer(metric="size").tried if p.replicates != search.pilot or p.value != start]
    last = sizes[-1]
    message = (
        "no size reaches it: the number of therapists is fixed, so the SE cannot fall below"
        f" {math.sqrt(law.fixed):.2g}, and a test with the right level has power at most {ceiling[0]:.2f} ±"
        f" {ceiling[1]:.1g}; more therapists are needed. The declared analysis ignores them: it rejects in"
        f" {last.power:.2f} at {last.value:g}, and ever more often with n, whether or not there is an effect"
    )
    return search.answer(metric="size", ceiling=ceiling[0], ceiling_mcse=ceiling[1], message=message)


def _size_by_law(search: _Search, effect: float, law: _SELaw, df_per_n: float, low: float, high: float) -> float | None:
    """n at which a t test with this SE has the target power; None beyond `high`."""

    def lack(n: float) -> float:
        return t_power(effect, law.at(n), max(df_per_n * n, 1.0), search.alpha) - search.target

    if lack(high) < 0:
        return None
    return low if lack(low) >= 0 else float(optimize.brentq(lack, low, high, xtol=1e-3))


# --- closed forms -----------------------------------------------------------------------------------------------------


def closed_power(s: Scenario, effect: float) -> float | None:
    """Exact power of the primary contrast in a clean scenario; None where its conditions do not hold.

    Scores are Gaussian with the same variance σ² in every arm and correlation ρ with the baseline. The unadjusted test
    is a t test with N − arms degrees of freedom. Given the baselines ANCOVA's variance is
    σ²(1 − ρ²)·Σ w²/n·(1 + F/(N − arms)) with F ~ F(1, N − arms), over which the power is averaged, and it has a degree
    of freedom fewer.
    """
    moments = _clean_moments(s)
    if moments is None:
        return None
    total, covariance, baseline = moments
    change = s.estimand.endpoint == "change"
    units = s.n_total / sum(s.ratio)
    spread = sum(w * w / (units * share) for w, share in zip(s.contrast(s.estimand).weights, s.ratio, strict=True))
    df = s.n_total - len(s.arms)
    if df < 2:
        return None
    if s.analysis.methods[0] == "difference" or not s.analysis.covariates:
        variance = total + baseline - 2 * covariance if change else total
        return t_power(effect, math.sqrt(variance * spread), df, s.analysis.alpha)
    residual = total - covariance**2 / baseline
    nodes, node_weights = np.polynomial.legendre.leggauss(64)
    # F(1, df) is the square of t: averaged over |t| by its quantiles.
    leverage = special.stdtrit(df, 0.5 + (nodes + 1) / 4) ** 2 / df
    powers = [t_power(effect, math.sqrt(residual * spread * (1 + h)), df - 1, s.analysis.alpha) for h in leverage]
    return float(node_weights @ powers / 2)


def _clean_moments(s: Scenario) -> tuple[float, float, float] | None:
    """Variance of the score, its covariance with the baseline and the baseline's variance, or None if not clean."""
    m, d, e = s.measurement, s.drug, s.estimand
    varies = any(x is not None and x.spread > 0 for x in (d.share, d.max_effect, d.slope))
    inert = (d.slope is not None and d.slope.value == 0 and d.slope.spread == 0) or not any(
        doses.is_ketamine for arm in s.arms for doses in arm.doses
    )
    fixed_drug = inert or (
        d.share is None and not varies and d.half_life.spread == 0 and s.population.non_responders is None
    )
    fixed_therapy = all(
        (t.max_effect.spread == 0 or t.max_effect.value == 0) and t.therapists is None
        and (inert or not (t.gamma or t.kappa or t.xi) or fixed_drug)
        for t in s.therapies.values()
    )  # fmt: skip
    natural = s.natural_course is None or s.natural_course.change.spread == 0
    conduct = s.conduct
    untouched = not any(vars(conduct).values()) and s.expectancy.drug is None and s.expectancy.therapy is None
    adjusted = s.analysis.methods[0] == "ancova"
    if not (
        s.scale.link == "identity" and e.endpoint in ("score", "change") and not m.round and not m.clip
        and s.population.entry is None and s.randomisation.day == 0 and not s.design.allocation.strata
        and fixed_drug and fixed_therapy and natural and untouched
        and (not adjusted or s.analysis.covariates in ((), ("baseline",)))
    ):  # fmt: skip
        return None
    trait, deviation, rater = s.population.baseline.spread**2, m.deviation_sd.value**2, m.rater_sd.value**2
    total = trait + deviation + rater
    covariance = trait + deviation * math.exp(-e.day / m.deviation_time_constant.value)
    return total, covariance, total


def _closed_size(
    search: _Search, truth: Truth, effect: float, law: _SELaw, df_per_n: float, low: float, high: float, step: float
) -> tuple[float | None, str | None]:
    """The size by the exact form, or by the t test with the simulated SE, and which of the two it is."""
    if closed_power(search.base, abs(truth.value)) is not None:

        def enough(units: int) -> bool:
            power = closed_power(search.scenario(units * step), abs(truth.value))
            return power is not None and power >= search.target

        first, last = math.ceil(low / step), math.floor(high / step)
        if not enough(last):
            return None, None
        while first < last:
            middle = (first + last) // 2
            first, last = (first, middle) if enough(middle) else (middle + 1, last)
        return first * step, "exact"
    n = _size_by_law(search, effect, law, df_per_n, low, high)
    return (None, None) if n is None else (math.ceil(n / step - 1e-9) * step, "approximate")


# --- any other number -------------------------------------------------------------------------------------------------


def _solve_path(search: _Search) -> Answer:
    bracket = _bracket(search)
    effect = search.path.removesuffix(".value").rsplit(".", 1)[-1] in _EFFECTS
    if isinstance(bracket, _Point):
        best = search.at(bracket.value)
        message = f"not reached: the most that was found is {best.power:.3f}, at {search.path} = {best.value:g}"
        metric = "minimal_detectable" if effect else "threshold"
        return search.answer(metric=metric, ceiling=best.power, ceiling_mcse=best.mcse, message=message)
    low, high = sorted(bracket, key=lambda p: p.value)
    logs = low.value > 0
    limits = search.bounds or (low.value, high.value)
    axis = _Axis(
        to=math.log if logs else float,
        back=math.exp if logs else float,
        low=low.value if logs and limits[0] <= 0 else limits[0],
        high=limits[1],
        step=1.0 if search.whole else None,
    )
    ul, uh = axis.to(low.value), axis.to(high.value)
    slope = (high.ncp - low.ncp) / (uh - ul)
    rising = slope > 0
    metric = "largest" if not rising else "minimal_detectable" if effect else "smallest"
    u = ul + (search.required_ncp((low.df + high.df) / 2) - low.ncp) / slope
    found = _refine(search, axis, u, slope, points=6)
    notes: list[str] = []
    ends: _Ends
    if isinstance(found, _Point):
        if found.power < search.target:
            message = f"not reached by {search.path} = {found.value:g}"
            return search.answer(metric=metric, ceiling=found.power, ceiling_mcse=found.mcse, message=message)
        notes.append(f"power is above the target at {found.value:g}")
        value, ends = found.value, (None, None, None, None)
    else:
        value, ends = _rounded(search, axis, found, rising=rising)
    fresh = search.at(value, 2 * search.replicates, fresh=True)
    notes += _notes(search, fresh, True, search.truth())
    closed = _closed_path(search, value)
    return search.answer(
        metric=metric, value=value, lower=ends[0], upper=ends[1], lower_999=ends[2], upper_999=ends[3],
        achieved=fresh.power, achieved_mcse=fresh.mcse, closed_form=closed,
        closed_form_kind=None if closed is None else "exact", reached=True, message="; ".join(notes),
    )  # fmt: skip


def _lack(search: _Search, p: _Point) -> float:
    """How far a point's noncentrality is above the one required: it tells points apart where power is 0 or 1."""
    return p.ncp - search.required_ncp(p.df)


def _bracket(search: _Search) -> tuple[_Point, _Point] | _Point:
    """Two points on either side of the root and near it; the best point if there are none."""
    if search.bounds is not None:
        low, high = search.bounds
        middle = math.sqrt(low * high) if low > 0 else (low + high) / 2
        ends = [search.at(v, search.pilot) for v in (low, round(middle) if search.whole else middle, high)]
        signs = [_lack(search, p) > 0 for p in ends]
        if signs[0] == signs[2] != signs[1]:
            raise ScenarioError(
                f"--between = {low:g},{high:g}: power at {search.path} is not monotone there;"
                " must be a range on one side"
            )
        if len(set(signs)) == 1:
            if signs[0]:
                raise ScenarioError(
                    f"--between = {low:g},{high:g}: power is above {search.target:g} throughout; must hold the root"
                )
            return max(ends, key=lambda p: p.power)
        pair = (ends[0], ends[1]) if signs[0] != signs[1] else (ends[1], ends[2])
    else:
        found = _expand(search)
        if isinstance(found, _Point):
            return found
        pair = found
    return _narrow(search, pair)


def _expand(search: _Search) -> tuple[_Point, _Point] | _Point:
    """From the scenario's own value by doubling, in the direction in which the root lies."""
    own = search.own
    if own is None or own == 0:
        raise ScenarioError(f"--over = {search.path}: has no value other than 0 to start from; give --between LOW,HIGH")
    first = search.at(own, search.pilot)
    reached = _lack(search, first) > 0
    best = first
    for factor in (2.0, 0.5):
        last = first
        for _ in range(7):
            value = last.value * factor
            value = float(round(value)) if search.whole else value
            if value == last.value or not search.allows(value):
                break
            point = search.at(value, search.pilot)
            best = max(best, point, key=lambda p: p.ncp)
            if (_lack(search, point) > 0) != reached:
                return last, point
            # Away from the root: the other direction.
            if (point.ncp > last.ncp) == reached and abs(point.ncp - last.ncp) > 0.1:
                break
            last = point
    if reached:
        raise ScenarioError(
            f"--over = {search.path}: power is above {search.target:g} wherever it was tried; give --between LOW,HIGH"
        )
    return best


def _narrow(search: _Search, pair: tuple[_Point, _Point]) -> tuple[_Point, _Point]:
    """Halve the bracket (in logs, where positive) until its ends differ by one in noncentrality."""
    a, b = pair
    for _ in range(12):
        if abs(a.ncp - b.ncp) < 1:
            break
        positive = min(a.value, b.value) > 0
        middle = math.copysign(math.sqrt(a.value * b.value), a.value) if positive else (a.value + b.value) / 2
        if search.whole:
            middle = float(round(middle))
        if middle in (a.value, b.value):
            break
        point = search.at(middle, search.pilot)
        a, b = (point, b) if (_lack(search, point) > 0) == (_lack(search, a) > 0) else (a, point)
    return a, b


def _closed_path(search: _Search, value: float) -> float | None:
    """The root of the exact power, where the scenario is clean; sought between half and twice the answer."""

    def lack(x: float) -> float:
        s = search.scenario(x)
        power = closed_power(s, abs(truths(s, seed=search.seed)[0].value))
        if power is None:
            raise ArithmeticError
        return power - search.target

    if search.whole or value == 0:
        return None
    try:
        return float(optimize.brentq(lack, value / 2, value * 2, xtol=1e-4 * abs(value)))
    except (ArithmeticError, ScenarioError, ValueError):
        return None
