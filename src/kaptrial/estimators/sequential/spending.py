"""How an error is spent over the looks: spending functions, lists, and boundaries that have a shape instead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from kaptrial.arrays import Floats
from kaptrial.errors import FieldError

Family = Literal["obf", "pocock", "hsd", "kd"]
SPENDING = "obf, pocock, hsd:GAMMA, kd:RHO"
SHAPES = "wt:DELTA, hp, hp:Z"


@dataclass(frozen=True, kw_only=True)
class SpendingFunction:
    """The error spent by a share of the information (Lan & DeMets 1983, Biometrika 70:659-663).

    obf: 2 − 2Φ(z_{1−α/2}/√t); pocock: α ln(1 + (e − 1)t); hsd: α(1 − e^{−γt})/(1 − e^{−γ}) (Hwang, Shih & De Cani 1990,
    Stat Med 9:1439-1445); kd: α t^ρ (Kim & DeMets 1987, Biometrika 74:149-154).
    """

    family: Family
    parameter: float = 0.0

    def spent(self, error: float, information: Floats) -> Floats:
        """What is spent of `error` in all by these shares of the information; all of it from 1 on."""
        t = np.minimum(information, 1.0)
        if self.family == "obf":
            return 2.0 * ndtr(ndtri(error / 2) / np.sqrt(t))
        if self.family == "pocock":
            return error * np.log1p((math.e - 1) * t)
        if self.family == "kd":
            return error * t**self.parameter
        return error * (t if self.parameter == 0 else np.expm1(-self.parameter * t) / math.expm1(-self.parameter))


@dataclass(frozen=True, kw_only=True)
class SpendingList:
    """The error spent in all by each look."""

    cumulative: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class WangTsiatis:
    """Boundaries C·t^(Δ − ½): Δ = 0 is O'Brien and Fleming's, ½ Pocock's (Wang & Tsiatis 1987, Biometrics
    43:193-199)."""

    delta: float

    def shape(self, information: Floats) -> Floats:
        """The boundaries but for C, by share of the last look's information."""
        return (information / information[-1]) ** (self.delta - 0.5)


@dataclass(frozen=True, kw_only=True)
class HaybittlePeto:
    """The same boundary z at every look but the last, which has what is left (Haybittle 1971; Peto et al. 1976)."""

    z: float = 3.0


Spending = SpendingFunction | SpendingList | WangTsiatis | HaybittlePeto


def spending_of(given: str | Sequence[float], field: str = "spending") -> Spending:
    """A way of spending by its name, or by the error spent in all by each look.

    Raises FieldError for `field` where it is neither, or where its parameter makes no sense.
    """
    if not isinstance(given, str):
        return _listed(given, given, field)
    name, colon, text = given.strip().partition(":")
    if name in ("obf", "pocock") and not colon:
        return SpendingFunction(family=name)  # type: ignore[arg-type]
    if given.strip() == "hp":
        return HaybittlePeto()
    if name in ("hsd", "kd", "wt", "hp"):
        return _with_parameter(name, _number(text, given, field), given, field)
    try:
        return _listed([float(part) for part in given.split(",")], given, field)
    except ValueError as error:
        if isinstance(error, FieldError):
            raise
        allowed = f"must be one of {SPENDING}, {SHAPES}, or the error spent in all by each look, such as .001,.01,.025"
        raise FieldError(field, given, allowed) from None


def _with_parameter(name: str, value: float, given: str, field: str) -> Spending:
    if name == "hsd":
        if not abs(value) <= 40:
            raise FieldError(field, given, "the parameter of hsd must be from -40 to 40")
        return SpendingFunction(family="hsd", parameter=value)
    if name == "kd":
        if not 0 < value <= 50:
            raise FieldError(field, given, "the parameter of kd must be above 0 and at most 50")
        return SpendingFunction(family="kd", parameter=value)
    if name == "wt":
        if not -0.5 <= value <= 0.7:
            raise FieldError(field, given, "the parameter of wt must be from -0.5 to 0.7")
        return WangTsiatis(delta=value)
    if not 2 <= value <= 8:
        raise FieldError(field, given, "the boundary of hp must be a z from 2 to 8")
    return HaybittlePeto(z=value)


def _number(text: str, given: str, field: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FieldError(field, given, "needs a number behind the colon, such as hsd:-4, kd:2, wt:.25 or hp:3")
    return value


def _listed(values: Sequence[float], given: object, field: str) -> SpendingList:
    cumulative = tuple(float(value) for value in values)
    steps = np.diff(cumulative, prepend=0.0)
    if not cumulative or not np.all(np.isfinite(cumulative)) or (steps < 0).any() or cumulative[-1] <= 0:
        raise FieldError(field, given, "what is spent in all by each look must not fall, nor be below 0")
    return SpendingList(cumulative=cumulative)
