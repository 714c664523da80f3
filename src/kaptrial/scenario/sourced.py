"""A number about the world, with its unit, its spread between patients and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Tag, ValidationInfo

from kaptrial.catalogue import source_keys
from kaptrial.errors import ABSENT, FieldError, nearest
from kaptrial.scenario.derived import check_figures, formula
from kaptrial.scenario.noun import Number, Text, noun

ASSUMPTION = "assumption"
SPREADS = ("sd", "log_sd", "logit_sd")
# The largest spreads on the log and the logit scale, where 5 is a factor of 150 from one patient to the next.
GREATEST_SPREAD = {"log_sd": 5.0, "logit_sd": 10.0}
# The unit of an effect is the unit of the latent scale: points of a score, logits of a day's abstinence, or the
# logarithm of a rate of events.
EFFECT_UNITS = ("points", "logit", "log")


# Units as readers write them; in a file they are one word.
_IN_WORDS = {
    "points": "points", "logit": "logits", "log": "log rate", "share": "share", "day": "days", "kg": "kg",
    "dose": "reference doses",
    "none": "", "money": "money", "per_day": "per day", "per_month": "per month", "per_year": "per year",
    "per_point": "per point of the score", "drinks": "drinks",
}  # fmt: skip


def unit_in_words(unit: str) -> str:
    """A unit of a scenario file for readers; nothing for a pure number."""
    return _IN_WORDS[unit]


# The context in which pydantic reads a scenario holds under this key the keys of the scenario's own sources.
OWN = "own_sources"


def known_source(key: str, info: ValidationInfo) -> str:
    """The key of a source of the catalogue or of the scenario's own, or `assumption`. Raises FieldError for others."""
    known = {*source_keys(), *(info.context or {}).get(OWN, ()), ASSUMPTION}
    if key not in known:
        allowed = f"must be `{ASSUMPTION}` or a key of the catalogue{nearest(key, known)}"
        raise FieldError("", key, f"{allowed}; your own stands under `sources`, as KEY: its DOI or citation")
    return key


SourceKey = Annotated[Text, AfterValidator(known_source)]


@noun
class Sourced:
    """A value with its source: a key of the catalogue or of the scenario's `sources`, or `assumption` with a note that
    says why.

    `sd`, `log_sd`, `logit_sd`: standard deviation between patients on the natural, log or logit scale. On the last two
    `value` is the median. The spread has the value's source unless `spread_source` names another. `derived` and
    `spread_derived` say how value and spread were worked out from the source's figures (`scenario/derived.py`).
    """

    value: Number
    unit: Text
    source: SourceKey
    sd: Number | None = None
    log_sd: Number | None = None
    logit_sd: Number | None = None
    note: Text | None = None
    derived: Text | None = None
    spread_source: SourceKey | None = None
    spread_note: Text | None = None
    spread_derived: Text | None = None

    def __post_init__(self) -> None:
        given = [name for name in SPREADS if getattr(self, name) is not None]
        if len(given) > 1:
            raise FieldError(given[1], getattr(self, given[1]), f"only one spread may be given, and {given[0]} is")
        for name in given:
            if not 0 <= getattr(self, name) <= GREATEST_SPREAD.get(name, math.inf):
                most = f", ≤ {GREATEST_SPREAD[name]:g}" if name in GREATEST_SPREAD else ""
                raise FieldError(name, getattr(self, name), f"must be ≥ 0{most}")
        for name in ("spread_source", "spread_derived"):
            if getattr(self, name) is not None and not given:
                raise FieldError(name, getattr(self, name), f"needs a spread: one of {', '.join(SPREADS)}")
        for key, note in (("source", "note"), ("spread_source", "spread_note")):
            check_note(getattr(self, key), note, getattr(self, note))
        check_figures("derived", self.derived, self.source)
        check_figures("spread_derived", self.spread_derived, self.spread_source or self.source)

    @property
    def spread(self) -> float:
        """The standard deviation between patients on whichever scale it was given; 0 where none was."""
        return next((float(getattr(self, name)) for name in SPREADS if getattr(self, name) is not None), 0.0)

    @property
    def is_assumption(self) -> bool:
        """True if the value or its spread rests on an assumption and not on a published figure."""
        return ASSUMPTION in (self.source, self.spread_source)

    @property
    def is_recomputed(self) -> bool:
        """True if value and spread follow from published figures by formulas."""
        said = formula(self.derived, self.source) is not None
        if any(getattr(self, name) is not None for name in SPREADS):
            said &= formula(self.spread_derived, self.spread_source or self.source) is not None
        return said and not self.is_assumption


def check_note(source: str | None, note_key: str, note: str | None) -> None:
    """Raise FieldError for an assumption without a note."""
    if source == ASSUMPTION and note is None:
        raise FieldError(note_key, ABSENT, "an assumption needs a note that says why")


@dataclass(frozen=True)
class Quantity:
    """What may stand at a sourced field: its unit, its bounds and the scale on which patients vary.

    `unit="effect"` stands for the latent unit of the outcome scale, which the scenario checks as a whole.
    """

    unit: str
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    spread: str | None = None

    def __call__(self, value: Sourced) -> Sourced:
        units = EFFECT_UNITS if self.unit == "effect" else (self.unit,)
        if value.unit not in units:
            raise FieldError("unit", value.unit, f"must be {' or '.join(units)}")
        if self.low is not None and (value.value <= self.low if self.open_low else value.value < self.low):
            raise FieldError("value", value.value, f"must be {'>' if self.open_low else '≥'} {self.low:g}")
        if self.high is not None and (value.value >= self.high if self.open_low else value.value > self.high):
            raise FieldError("value", value.value, f"must be {'<' if self.open_low else '≤'} {self.high:g}")
        for name in SPREADS:
            if getattr(value, name) is not None and name != self.spread:
                allowed = f"here it is `{self.spread}`" if self.spread else "this value has no spread between patients"
                raise FieldError(name, getattr(value, name), f"is not the spread of this value; {allowed}")
        return value


def _of(**what: Any) -> Any:
    return Annotated[Sourced, AfterValidator(Quantity(**what))]


Effect = _of(unit="effect")
VaryingEffect = _of(unit="effect", spread="sd")
EffectSize = _of(unit="effect", low=0)
VaryingMaxEffect = _of(unit="effect", spread="sd")
ScalableEffect = _of(unit="effect", spread="log_sd")
Share = _of(unit="share", low=0, high=1)
VaryingShare = _of(unit="share", low=0, high=1, open_low=True, spread="logit_sd")
# A half-life of 1e9 days is said of what never fades.
Days = _of(unit="day", low=0, high=1e10, open_low=True)
VaryingDays = _of(unit="day", low=0, high=1e10, open_low=True, spread="log_sd")
# Of a clinic's own affairs, none of which takes ten years.
ClinicDays = _of(unit="day", low=0, high=3650, open_low=True)
VaryingClinicDays = _of(unit="day", low=0, high=3650, open_low=True, spread="log_sd")
Rate = _of(unit="per_day", low=0, high=10)
Multiple = _of(unit="none", low=0, high=1000)
PositiveMultiple = _of(unit="none", low=0, high=1000, open_low=True)
Slope = _of(unit="per_point", low=-10, high=10)
Loading = _of(unit="none", low=-1000, high=1000)
FullCorrelation = _of(unit="none", low=-1, high=1)
# Drinks on a day of use, of the median patient.
VaryingDrinks = _of(unit="drinks", low=0, high=1000, open_low=True, spread="log_sd")
LogSpread = _of(unit="none", low=0, high=GREATEST_SPREAD["log_sd"])
Correlation = _of(unit="none", low=-1, high=1, open_low=True)
Concentration = _of(unit="dose", low=0, high=1000, open_low=True)
BodyWeight = _of(unit="kg", low=0, high=500, open_low=True)
VaryingPerMonth = _of(unit="per_month", low=0, high=10_000, spread="log_sd")
# A hazard of 12 a year is a stay of a month.
PerYear = _of(unit="per_year", low=0, high=12)
Money = _of(unit="money", low=0)


@noun
class ByArm[Q]:
    """One sourced value for each arm."""

    by_arm: Mapping[str, Q]


def _which(raw: object) -> str:
    is_by_arm = isinstance(raw, ByArm) or (isinstance(raw, Mapping) and "by_arm" in raw)
    return "#by_arm" if is_by_arm else "#same"


def _per_arm(quantity: Any) -> Any:
    return Annotated[
        Annotated[quantity, Tag("#same")] | Annotated[ByArm[quantity], Tag("#by_arm")], Discriminator(_which)
    ]


SharePerArm = _per_arm(Share)
RatePerArm = _per_arm(Rate)


def for_arm(value: Sourced | ByArm[Sourced], arm_id: str) -> float:
    """The value that holds in one arm."""
    return value.by_arm[arm_id].value if isinstance(value, ByArm) else value.value


# What most fields hold, and nothing lies below.
LEAVES = (str, float, int)


def walk(noun_: object, path: str = "") -> list[tuple[str, Sourced]]:
    """Every sourced value below a noun, with its path, in the order of the fields."""
    if isinstance(noun_, Sourced):
        return [(path, noun_)]
    numbers: list[tuple[str, Sourced]] = []
    if noun_ is None or isinstance(noun_, LEAVES):
        return numbers
    if is_dataclass(noun_):
        for field in fields(noun_):
            numbers += walk(getattr(noun_, field.name), f"{path}.{field.name}" if path else field.name)
    elif isinstance(noun_, Mapping):
        for key, value in noun_.items():
            numbers += walk(value, f"{path}.{key}")
    elif isinstance(noun_, tuple):
        for i, value in enumerate(noun_):
            numbers += walk(value, f"{path}[{i}]")
    return numbers
