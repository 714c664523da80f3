"""What an arm receives: infusions, sessions, adjuncts; and the named therapies with their own parameters."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypedDict

from pydantic import BeforeValidator, Discriminator, Field, Tag

from kaptrial.catalogue import potency, route, route_names
from kaptrial.errors import ABSENT, FieldError
from kaptrial.scenario.noun import Day, Flag, Identifier, Positive, PositiveDay, Text, Whole, noun
from kaptrial.scenario.sourced import (
    BodyWeight,
    Days,
    EffectSize,
    Multiple,
    PositiveMultiple,
    ScalableEffect,
    Share,
    Sourced,
    nearest,
)

# The reference dose of the response model: 0.5 mg/kg of racemic ketamine into a vein is 1.
REFERENCE_MG_PER_KG = 0.5
# More days than this in one schedule is a slip of the pen.
MAX_DAYS = 1000
# More therapists, patients of one, or members of a group than a trial can have.
MAX_GROUP = 100_000
# The keys of the shorthand of a list of days.
SHORTHAND = ("first", "every", "count")


def expand_days(raw: Any) -> Any:
    """`{first: 14, every: 7, count: 12}` is a shorthand for the list of days."""
    if isinstance(raw, list) and len(raw) > MAX_DAYS:
        raise FieldError("", f"a list of {len(raw)}", f"must be at most {MAX_DAYS} days")
    if not isinstance(raw, dict):
        return raw
    unknown = sorted(set(raw) - set(SHORTHAND))
    if unknown:
        hint = nearest(unknown[0], SHORTHAND)
        raise FieldError(str(unknown[0]), raw[unknown[0]], f"unknown key; days take first, every, count{hint}")
    for key in SHORTHAND:
        if key not in raw:
            raise FieldError(key, ABSENT, "days take first, every and count, or a list")
    first, every, count = raw["first"], raw["every"], raw["count"]
    for key, ok, allowed in (
        ("first", _is_number(first) and first >= 0, "must be a number ≥ 0"),
        ("every", _is_number(every) and every > 0, "must be a number > 0"),
        ("count", _is_number(count) and count in range(1, MAX_DAYS + 1), f"must be a whole number, 1 to {MAX_DAYS}"),
    ):
        if not ok:
            raise FieldError(key, raw[key], allowed)
    return [first + every * i for i in range(int(count))]


def days_as_led_into(days: Any, step: str | int) -> Any:
    """Days written so that a path can lead into them: first, every and count for these words, a list for an index.

    Days that are not evenly spaced, or cannot be read, stay as they are.
    """
    if isinstance(step, int):
        try:
            return expand_days(days)
        except FieldError:
            return days
    if step not in SHORTHAND or not isinstance(days, list) or len(days) < 2 or not all(map(_is_number, days)):
        return days
    first, every = days[0], days[1] - days[0]
    is_even = all(day == first + every * i for i, day in enumerate(days))
    return {"first": first, "every": every, "count": len(days)} if is_even else days


def _is_number(x: object) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)


class EveryFewDays(TypedDict):
    """The shorthand of a list of days, as a file may write it."""

    first: Day
    every: PositiveDay
    count: Annotated[int, Field(ge=1, le=MAX_DAYS)]


Schedule = Annotated[tuple[Day, ...], BeforeValidator(expand_days, json_schema_input_type=list[Day] | EveryFewDays)]


def _one_or_each(raw: Any) -> str:
    return "#each" if isinstance(raw, list | tuple) else "#one"


Dose = Annotated[Positive, Field(le=100)]
FlatDose = Annotated[Positive, Field(le=10_000)]
# One number, or one for each day.
PerDay = Annotated[
    Annotated[Dose, Tag("#one")] | Annotated[tuple[Dose, ...], Tag("#each")], Discriminator(_one_or_each)
]
FlatPerDay = Annotated[
    Annotated[FlatDose, Tag("#one")] | Annotated[tuple[FlatDose, ...], Tag("#each")], Discriminator(_one_or_each)
]


def _check_increasing(days: tuple[float, ...], at: str) -> None:
    for i in range(1, len(days)):
        if days[i] <= days[i - 1]:
            raise FieldError(f"{at}[{i}]", days[i], f"must be later than the day before it, {days[i - 1]:g}")


@noun
class Doses:
    """A course of infusions (or other doses) of one agent by one route.

    The dose is `mg_per_kg`, one number or one for each day (titration), or `mg` of a patient of mean `body_weight`.
    Saline and midazolam have no effect through the drug's biophase; what they do to belief stands under `expectancy`.
    `bioavailability` and `potency` come from the catalogue unless given here with a source.
    """

    agent: Literal["ketamine", "esketamine", "saline", "midazolam"]
    days: Schedule
    route: Text = "IV"
    mg_per_kg: PerDay | None = None
    mg: FlatPerDay | None = None
    body_weight: BodyWeight | None = None
    bioavailability: Share | None = None
    potency: PositiveMultiple | None = None

    def __post_init__(self) -> None:
        _check_increasing(self.days, "days")
        if self.route not in route_names():
            raise FieldError("route", self.route, f"must be one of {', '.join(route_names())}")
        if self.is_ketamine and self.mg_per_kg is None and self.mg is None:
            raise FieldError("mg_per_kg", ABSENT, f"{self.agent} needs a dose: mg_per_kg, or mg with body_weight")
        if self.mg is not None and self.mg_per_kg is not None:
            raise FieldError("mg", self.mg, "only one dose may be given, and mg_per_kg is")
        if (self.mg is None) != (self.body_weight is None):
            at, value = ("mg", ABSENT) if self.mg is None else ("body_weight", ABSENT)
            raise FieldError(at, value, "mg and body_weight go together: must both be given, the weight in kg")
        for name in ("mg_per_kg", "mg"):
            dose = getattr(self, name)
            if isinstance(dose, tuple) and len(dose) != len(self.days):
                raise FieldError(name, list(dose), f"must be one number, or one for each of {len(self.days)} days")

    @property
    def is_ketamine(self) -> bool:
        """True for racemic ketamine and esketamine, False for a control infusion."""
        return self.agent in ("ketamine", "esketamine")

    def mg_per_kg_by_day(self) -> tuple[float, ...]:
        """The dose on each day, mg/kg; zeros for a control infusion."""
        if not self.is_ketamine:
            return (0.0,) * len(self.days)
        weight = self.body_weight.value if self.body_weight is not None else 1.0
        dose = self.mg if self.mg is not None else self.mg_per_kg
        assert dose is not None  # one of the two is given
        each = dose if isinstance(dose, tuple) else (dose,) * len(self.days)
        return tuple(mg / weight for mg in each)


@noun
class Sessions:
    """The therapy an arm gives and the days of its sessions."""

    name: Identifier
    days: Schedule

    def __post_init__(self) -> None:
        _check_increasing(self.days, "days")


@noun
class Adjunct:
    """A treatment other than psychotherapy (riluzole, TMS, an oral antidepressant) given from one day to another.

    While it is given it multiplies the drug's maximal effect and its half-life.
    """

    name: Text
    from_day: Day
    to_day: Day
    max_effect_factor: PositiveMultiple | None = None
    half_life_factor: PositiveMultiple | None = None

    def __post_init__(self) -> None:
        if self.to_day <= self.from_day:
            raise FieldError("to_day", self.to_day, f"must be later than from_day, {self.from_day:g}")
        if self.max_effect_factor is None and self.half_life_factor is None:
            raise FieldError("max_effect_factor", ABSENT, "an adjunct needs max_effect_factor or half_life_factor")


@noun
class Therapists:
    """Who gives a therapy: exactly one of `count` and `caseload` is declared and stays fixed when n varies.

    `sd`: standard deviation between therapists of their patients' mean improvement, in effect units.
    """

    sd: EffectSize
    count: Whole | None = None
    caseload: Whole | None = None

    def __post_init__(self) -> None:
        if (self.count is None) == (self.caseload is None):
            at, value = ("caseload", self.caseload) if self.count is not None else ("count", ABSENT)
            raise FieldError(at, value, "exactly one of count and caseload must be given")
        for name in ("count", "caseload"):
            number = getattr(self, name)
            if number is not None and not 1 <= number <= MAX_GROUP:
                raise FieldError(name, number, f"must be a whole number, 1 to {MAX_GROUP}")


@noun
class Therapy:
    """A named therapy. Education and usual care are therapies too.

    `max_effect` is Tmax, the improvement when everything is learnt, with the spread of its factor between patients as
    `log_sd`; `learning_per_session` is g; `half_life` that of what was learnt; `gamma` synergy through the plasticity
    window, `kappa` durability, `xi` overlap (model.md). The last three are zero unless given.
    """

    label: Text
    max_effect: ScalableEffect
    learning_per_session: Multiple
    half_life: Days
    gamma: Multiple | None = None
    kappa: Multiple | None = None
    xi: Share | None = None
    therapists: Therapists | None = None
    session_minutes: Positive | None = None
    group_size: Whole = 1
    is_hoped_for: Flag = False

    def __post_init__(self) -> None:
        if not 1 <= self.group_size <= MAX_GROUP:
            raise FieldError("group_size", self.group_size, f"must be a whole number, 1 to {MAX_GROUP}")


@noun
class Arm:
    """One randomised group: its infusions, its therapy, its adjuncts, and its level of each factor of a factorial."""

    id: Identifier
    label: Text
    doses: tuple[Doses, ...] = ()
    therapy: Sessions | None = None
    adjuncts: tuple[Adjunct, ...] = ()
    factors: dict[Identifier, Literal[0, 1]] | None = None


def zero_if_absent(value: Sourced | None) -> float:
    """The number of an optional effect: absent means none."""
    return 0.0 if value is None else value.value


def quantities(doses: Doses) -> tuple[float, ...]:
    """q of each dose in reference doses: mg/kg × bioavailability × potency ÷ 0.5. Zero for control infusions."""
    if not doses.is_ketamine:
        return (0.0,) * len(doses.days)
    available = doses.bioavailability.value if doses.bioavailability else route(doses.route).bioavailability
    strength = doses.potency.value if doses.potency else potency(doses.agent)
    if available is None:
        raise FieldError(
            "bioavailability",
            ABSENT,
            f"the catalogue has no figure for {doses.route}; give one with a source",
        )
    if strength is None:
        raise FieldError("potency", ABSENT, f"the catalogue has no figure for {doses.agent}; give one with a source")
    return tuple(mg * available * strength / REFERENCE_MG_PER_KG for mg in doses.mg_per_kg_by_day())
