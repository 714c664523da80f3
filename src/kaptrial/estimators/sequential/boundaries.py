"""Boundaries of a group-sequential design and what they cost, by the recursion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri

from kaptrial.arrays import Floats
from kaptrial.errors import ABSENT, FieldError
from kaptrial.estimators.sequential.conditional import conditional_power, predictive_power
from kaptrial.estimators.sequential.recursion import (
    FINE,
    Grid,
    finest_of,
    go_on,
    start,
    stops,
    z_above,
    z_below,
)
from kaptrial.estimators.sequential.spending import (
    HaybittlePeto,
    Spending,
    SpendingFunction,
    SpendingList,
    WangTsiatis,
    spending_of,
)

LEAST_STEP, MOST_LOOKS, MOST_INFORMATION = 0.001, 50, 3.0
# Rounds in which a boundary for futility and the binding one for efficacy agree.
_ROUNDS, _AGREE = 60, 1e-11
_TOO_EARLY = "`futility` would stop so early that alpha cannot be spent: must be laxer, or not bind"
# No statistic beyond this leaves the power foreseen in doubt.
_FAR = 20.0


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """Futility where the power foreseen at a look is below `threshold`: under the trend, or averaged over its error."""

    kind: Literal["cp", "pp"]
    threshold: float


Futility = SpendingFunction | SpendingList | Foreseen


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a design is asked to keep: its errors, and how they are spent.

    `alpha`: of both sides where `sided` is 2. `power`: None where only boundaries are asked for. `binding`: whether
    efficacy counts on stopping for futility.
    """

    alpha: float
    sided: int = 1
    spending: Spending
    power: float | None = None
    futility: Futility | None = None
    binding: bool = False


@dataclass(frozen=True, kw_only=True)
class Boundaries:
    """The boundaries of a design; arrays are (look,).

    `information`: as a share of what was planned. `lower`: for futility; −∞ where there is none, and at the last look
    what `upper` is. `alpha_spent`, `beta_spent`: in all by each look. `drift`: the mean of Z at information 1 under
    which power is as asked. `fixed_drift`: that of a trial without looks.
    """

    rule: Rule
    information: Floats
    upper: Floats
    lower: Floats
    alpha_spent: Floats
    beta_spent: Floats | None = None
    drift: float | None = None
    fixed_drift: float | None = None

    @property
    def has_futility(self) -> bool:
        """Whether a look can end the trial for futility."""
        return self.rule.futility is not None

    @property
    def low(self) -> Floats:
        """At or below which the trial stops: for futility, or for efficacy of the other side."""
        return -self.upper if self.rule.sided == 2 else self.lower

    @property
    def inflation(self) -> float | None:
        """The information at the last look over that of a trial without looks and with the same power."""
        if self.drift is None or self.fixed_drift is None:
            return None
        return float(self.drift**2 * self.information[-1] / self.fixed_drift**2)

    def stopping(self, drift: float | Floats) -> tuple[Floats, Floats]:
        """The probabilities to stop at each look for efficacy, and for futility (to accept, at the last look)."""
        down, up = stops(self.information, self.low, self.upper, drift)
        if self.rule.sided == 2:
            accepted = np.zeros_like(up)
            accepted[..., -1] = 1.0 - np.sum(down + up, axis=-1)
            return down + up, accepted
        if not self.has_futility:
            down[..., -1] = 1.0 - np.sum(up, axis=-1)
        return up, down


def futility_of(given: str | Sequence[float]) -> Futility:
    """A rule for futility by its name: a spending function of β, `cp:C` or `pp:C`, or β spent in all by each look."""
    if isinstance(given, str) and given.partition(":")[0].strip() in ("cp", "pp"):
        kind, _, text = given.partition(":")
        try:
            threshold = float(text)
        except ValueError:
            threshold = np.nan
        if not 0 < threshold < 1:
            raise FieldError(
                "futility", given, "needs a power between 0 and 1 behind the colon, such as cp:.1 or pp:.1"
            )
        return Foreseen(kind=kind.strip(), threshold=threshold)  # type: ignore[arg-type]
    spending = spending_of(given, "futility")
    if not isinstance(spending, SpendingFunction | SpendingList):
        raise FieldError(
            "futility", given, "must spend beta by obf, pocock, hsd:GAMMA or kd:RHO, or be cp:POWER or pp:POWER"
        )
    return spending


def checked(rule: Rule, information: Sequence[float], *, listed: bool = True) -> Floats:
    """The information of the looks as an array. Raises FieldError for what makes no design.

    `listed`: whether lists of what is spent are of these looks.
    """
    if not 0 < rule.alpha < 0.5:
        raise FieldError("alpha", rule.alpha, "must be between 0 and 0.5")
    if rule.sided not in (1, 2):
        raise FieldError("sided", rule.sided, "must be 1 or 2")
    if rule.power is not None and not rule.alpha < rule.power < 1:
        raise FieldError("power", rule.power, f"must be above alpha, {rule.alpha:g}, and below 1")
    if rule.futility is not None and rule.sided == 2:
        half = f"a two-sided {rule.alpha:g} is {rule.alpha / 2:g} on the side of benefit"
        raise FieldError("sided", 2, f"must be 1 where `futility` is given: {half}")
    if isinstance(rule.futility, SpendingFunction | SpendingList) and rule.power is None:
        raise FieldError("power", ABSENT, "must be given where `futility` spends 1 less it")
    if rule.binding and rule.futility is None:
        raise FieldError("binding", True, "goes with `futility`")
    if rule.binding and isinstance(rule.spending, WangTsiatis | HaybittlePeto):
        raise FieldError("binding", True, "goes with a `spending` of alpha by function or list")
    looks = _information(information)
    for name, spending, total in (("spending", rule.spending, rule.alpha), ("futility", rule.futility, rule.power)):
        if listed and isinstance(spending, SpendingList):
            assert total is not None
            whole, which = (total, "alpha") if name == "spending" else (1.0 - total, "1 less the power")
            if len(spending.cumulative) != len(looks):
                raise FieldError(name, list(spending.cumulative), f"must have a number for each look: {len(looks)}")
            if abs(spending.cumulative[-1] - whole) > 1e-9:
                allowed = f"must end with {which}, {whole:g}: no more, and no less, can be spent"
                raise FieldError(f"{name}[{len(looks) - 1}]", spending.cumulative[-1], allowed)
    return looks


def _information(given: Sequence[float]) -> Floats:
    if not 1 <= len(given) <= MOST_LOOKS:
        raise FieldError("information", list(given), f"must name 1 to {MOST_LOOKS} looks")
    before = 0.0
    for i, value in enumerate(given):
        if not 0 < value <= MOST_INFORMATION:
            allowed = f"must be a share of the planned information, above 0 and at most {MOST_INFORMATION:g}"
            raise FieldError(f"information[{i}]", value, allowed)
        if value < before + LEAST_STEP:
            where = f"the look before it, {before:g}" if i else "the start, 0"
            raise FieldError(f"information[{i}]", value, f"must be at least {LEAST_STEP:g} beyond {where}")
        if value >= 1 and i + 1 < len(given):
            raise FieldError(f"information[{i}]", value, "must be below 1 at any look but the last")
        before = value
    return np.array(given, dtype=float)


def design(rule: Rule, information: Sequence[float]) -> Boundaries:
    """The boundaries for looks at these shares of the planned information; the last look spends all that is left.

    Raises FieldError for what makes no design.
    """
    looks = checked(rule, information)
    alpha_spent = _alpha_spent(rule, looks)
    none = np.full(len(looks), -np.inf)
    upper, _ = spend(looks, alpha_spent, sided=rule.sided)
    found = Boundaries(rule=rule, information=looks, upper=upper, lower=none, alpha_spent=alpha_spent)
    if isinstance(rule.futility, SpendingFunction | SpendingList):
        return _with_beta_spending(found)
    found = foreseen_boundaries(found)
    return found if rule.power is None else _powered(found)


def _alpha_spent(rule: Rule, looks: Floats) -> Floats:
    """α spent in all by each look."""
    spending = rule.spending
    if isinstance(spending, SpendingList):
        return np.array(spending.cumulative)
    if isinstance(spending, SpendingFunction):
        return _all_at_last(_spent_by(spending, rule.alpha, rule.sided, looks), rule.alpha)

    def crossing(upper: Floats) -> Floats:
        low = -upper if rule.sided == 2 else np.full_like(upper, -np.inf)
        return np.cumsum(rule.sided * stops(looks, low, upper, 0.0)[1])

    if isinstance(spending, HaybittlePeto):
        before = crossing(np.append(np.full(len(looks) - 1, spending.z), np.inf))[-1]
        if before >= rule.alpha:
            allowed = f"its looks before the last would spend {before:.3g}, and alpha is {rule.alpha:g}"
            raise FieldError("spending", f"hp:{spending.z:g}", allowed)
        return _all_at_last(crossing(np.append(np.full(len(looks) - 1, spending.z), np.inf)), rule.alpha)
    shape = spending.shape(looks)
    scale = brentq(lambda c: crossing(c * shape)[-1] - rule.alpha, 0.1, 40.0, xtol=1e-13)
    return _all_at_last(crossing(scale * shape), rule.alpha)


def _spent_by(spending: SpendingFunction, error: float, sided: int, looks: Floats) -> Floats:
    """An error spent by a function, which has half of it on each of two sides."""
    return sided * spending.spent(error / sided, looks)


def _all_at_last(spent: Floats, error: float) -> Floats:
    return np.append(spent[:-1], error)


def spend(
    information: Floats,
    alpha_spent: Floats,
    *,
    sided: int = 1,
    beta_spent: Floats | None = None,
    drift: float | Floats = 0.0,
    lower: Floats | None = None,
    binding: bool = False,
    grid: Grid = FINE,
) -> tuple[Floats, Floats]:
    """Boundaries that spend these errors, look by look.

    Parameters
    ----------
    information, alpha_spent : (…, look)
        α in all, of both sides where `sided` is 2.
    beta_spent : (…, look), optional
        In all, under `drift`; a look that could spend more than its due ends the trial.
    lower : (…, look), optional
        Boundaries for futility in place of `beta_spent`.
    binding : bool
        Whether α is spent among those only that futility did not stop.

    Returns
    -------
    upper, lower : (…, look)
        The last `lower` is the last `upper` where there is futility.
    """
    shape, looks = information.shape[:-1], information.shape[-1]
    finest = finest_of(information)
    alpha = _steps(np.broadcast_to(alpha_spent, information.shape)) / sided
    beta = None if beta_spent is None else _steps(beta_spent)
    null, under = start(shape), start(shape)
    uppers, lowers = [], []
    for k in range(looks):
        at = information[..., k]
        high = z_above(null, at, 0.0, alpha[..., k])
        low = np.full(shape, -np.inf)
        if k + 1 == looks and (beta is not None or lower is not None):
            low = high
        elif beta is not None:
            low = np.minimum(z_below(under, at, drift, beta[..., k]), high)
        elif lower is not None:
            low = np.minimum(np.broadcast_to(lower[..., k], shape), high)
        uppers.append(high)
        lowers.append(low)
        if k + 1 < looks:
            floor = -high if sided == 2 else low if binding else np.full(shape, -np.inf)
            null = go_on(null, at, 0.0, floor, high, finest=finest, grid=grid)
            if beta is not None:
                under = go_on(under, at, drift, low, high, finest=finest, grid=grid)
    return np.stack(uppers, axis=-1), np.stack(lowers, axis=-1)


def _steps(spent: Floats) -> Floats:
    """What is spent at each look; rounding makes none negative."""
    return np.maximum(np.diff(spent, axis=-1, prepend=0.0), 0.0)


def _powered(found: Boundaries) -> Boundaries:
    """The drift that gives the power."""
    power, fixed = found.rule.power, _fixed_drift(found.rule)
    assert power is not None
    reach = fixed / np.sqrt(found.information[-1])

    def lacks(drift: float) -> float:
        return float(np.sum(found.stopping(drift)[0])) - power

    highest = next((factor * reach for factor in (2.0, 4.0, 8.0) if lacks(factor * reach) > 0), None)
    if highest is None:
        raise FieldError("power", power, "is out of reach: futility would stop too many trials")
    drift = float(brentq(lacks, 0.2 * reach, highest, xtol=1e-12))
    return replace(found, drift=drift, fixed_drift=fixed)


def _fixed_drift(rule: Rule) -> float:
    """The mean of Z that a trial without looks needs; both sides count where it has two."""
    assert rule.power is not None
    one_sided = float(-ndtri(rule.alpha / rule.sided) + ndtri(rule.power))
    if rule.sided == 1:
        return one_sided
    at = np.array([-ndtri(rule.alpha / 2)])
    return float(
        brentq(lambda d: float(np.sum(stops(np.ones(1), -at, at, d))) - rule.power, 0.01 * one_sided, one_sided + 1e-6)
    )


def foreseen_boundaries(found: Boundaries) -> Boundaries:
    """The boundaries for futility where that goes by the power foreseen; where it binds, both boundaries are found in
    turn until they agree. Other designs as they are."""
    futility = found.rule.futility
    if not isinstance(futility, Foreseen):
        return found
    for _ in range(_ROUNDS):
        lower = _foreseen(found, futility)
        upper, lower = spend(found.information, found.alpha_spent, lower=lower, binding=found.rule.binding)
        if not np.isfinite(upper[-1]):
            break
        agree = np.allclose(upper, found.upper, rtol=0.0, atol=_AGREE)
        found = replace(found, upper=upper, lower=lower)
        if agree:
            return found
    raise FieldError("binding", True, _TOO_EARLY)


def _foreseen(found: Boundaries, futility: Foreseen) -> Floats:
    """Where the power foreseen at each look is the threshold."""
    lower = np.full(len(found.information), -np.inf)
    for k, at in enumerate(found.information[:-1]):
        later, upper = found.information[k + 1 :], found.upper[k + 1 :]

        def surplus(z: float, at: float = at, later: Floats = later, upper: Floats = upper) -> float:
            if futility.kind == "pp":
                foreseen = predictive_power(z, at, later, upper)
            else:
                foreseen = conditional_power(z, at, later, upper, z / np.sqrt(at))
            return float(np.sum(foreseen)) - futility.threshold

        lower[k] = brentq(surplus, -_FAR, _FAR, xtol=1e-12)
    return lower


def _beta_spent(rule: Rule, looks: Floats) -> Floats:
    assert rule.power is not None
    assert isinstance(rule.futility, SpendingFunction | SpendingList)
    if isinstance(rule.futility, SpendingList):
        return np.array(rule.futility.cumulative)
    beta = 1.0 - rule.power
    return _all_at_last(rule.futility.spent(beta, looks), beta)


def _with_beta_spending(found: Boundaries) -> Boundaries:
    """Futility by spending β: the drift is the one at which both boundaries meet at the last look."""
    rule, looks = found.rule, found.information
    beta_spent, fixed = _beta_spent(rule, looks), _fixed_drift(rule)
    due = float(beta_spent[-1] - (beta_spent[-2] if len(looks) > 1 else 0.0))

    def at(drift: float) -> Boundaries:
        upper, lower = spend(looks, found.alpha_spent, beta_spent=beta_spent, drift=drift, binding=rule.binding)
        return replace(found, upper=upper, lower=lower, beta_spent=beta_spent, drift=drift, fixed_drift=fixed)

    def left_over(drift: float) -> float:
        return float(at(drift).stopping(drift)[1][-1]) - due

    reach = fixed / np.sqrt(looks[-1])
    met = at(float(brentq(left_over, 0.5 * reach, 4.0 * reach, xtol=1e-12)))
    if np.isneginf(met.upper).any():
        raise FieldError("binding", True, _TOO_EARLY)
    return met
