"""Looks of a group-sequential trial: when they are, and what the calendar has brought by then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.errors import ABSENT, FieldError
from kaptrial.scenario.noun import Flag, Number, Positive, Text, Whole, noun

if TYPE_CHECKING:
    from kaptrial.scenario.scenario import Scenario

DAYS_IN_MONTH = 365.25 / 12
# Months that are no more than rounding apart.
_SAME = 1e-9


@noun
class SequentialLook:
    """When a look is: at a `month` after the first patient is randomised, when so many `patients` have reached the
    primary visit, or when the analysis is expected to have this share of its final `information`."""

    month: Positive | None = None
    patients: Whole | None = None
    information: Number | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("month", "patients", "information") if getattr(self, name) is not None]
        if len(given) != 1:
            at, value = (given[1], getattr(self, given[1])) if given else ("month", ABSENT)
            raise FieldError(at, value, "exactly one of month, patients and information must be given")
        if self.patients is not None and self.patients < 2:
            raise FieldError("patients", self.patients, "must be 2 or more")
        if self.information is not None and not 0 < self.information < 1:
            raise FieldError("information", self.information, "must be a share between 0 and 1")


@noun
class GroupSequential:
    """A group-sequential design.

    `accrual_per_month`: patients randomised, evenly. `recruitment`: whether it goes on while the patients of a look are
    followed up, or stops for it. `decide`: whether a look decides the trial that it stops, or a boundary of its own
    once the patients under way are followed up. `spending`, `futility`: as `boundaries` takes them; `power`: what β is
    spent for. `spend_at`: the planned share of a look, or that of its own standard error, by which small trials reject
    too often.
    `sided`: 1 tests on the side of benefit at half of the analysis' two-sided level.
    """

    looks: tuple[SequentialLook, ...]
    accrual_per_month: Positive
    recruitment: Literal["goes_on", "stops"] = "goes_on"
    decide: Literal["at_look", "at_follow_up"] = "at_look"
    spending: Text = "obf"
    spend_at: Literal["planned", "own"] = "planned"
    sided: Literal[1, 2] = 2
    futility: Text | None = None
    binding: Flag = False
    power: Number | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.looks) <= 10:
            raise FieldError("looks", len(self.looks), "must be 1 to 10 looks before the end")
        if self.recruitment == "stops":
            for i, look in enumerate(self.looks):
                if look.month is not None:
                    allowed = "goes with recruitment that goes on: whoever stops it waits for so many patients"
                    raise FieldError(f"looks[{i}].month", look.month, allowed)
        if self.futility is not None and self.sided == 2:
            raise FieldError("sided", 2, "must be 1 where futility is given: it lies on the side without benefit")
        if self.binding and self.futility is None:
            raise FieldError("binding", True, "goes with `futility`")
        if self.decide == "at_follow_up":
            self._check_decisions()

    def _check_decisions(self) -> None:
        if not self.binding:
            allowed = "goes with a `futility` that is `binding`: the type I error counts on both ways to stop"
            raise FieldError("decide", self.decide, allowed)
        if self.recruitment == "stops":
            raise FieldError("decide", self.decide, "goes with recruitment that goes on: else nobody is under way")
        if self.spend_at == "own":
            raise FieldError("decide", self.decide, "goes with `spend_at: planned`")


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Months since the first patient is randomised: of each patient's randomisation, (patient,), of each look, and of
    the end, when the last patient has reached the primary visit. `wait`: months from randomisation to that visit;
    `fixed_end`: the end where there are no looks."""

    randomised: Floats
    looks: tuple[float, ...]
    wait: float
    fixed_end: float

    @property
    def end(self) -> float:
        """When the last patient has reached the primary visit."""
        return float(self.randomised[-1] + self.wait)

    def n_randomised(self, month: float) -> int:
        """Patients randomised before a month."""
        return int(np.sum(self.randomised < month - _SAME))

    def followed_up(self, month: float) -> float:
        """When all who were randomised before a month have reached the primary visit."""
        return float(self.randomised[self.n_randomised(month) - 1] + self.wait)

    def n_followed(self, month: float) -> int:
        """Patients whose primary visit is due by a month."""
        return int(np.sum(self.randomised + self.wait <= month + _SAME))


def calendar(design: GroupSequential, patients: tuple[int | None, ...], n: int, wait: float) -> Calendar:
    """The calendar of a trial of `n` patients; `patients`: of each look those that it waits for, None for a month.

    Raises FieldError for a look that comes before one that it must follow, when nobody has reached the primary visit,
    or when everybody has.
    """
    randomised = np.arange(n) / design.accrual_per_month
    fixed_end = float(randomised[-1] + wait)
    looks: list[float] = []
    for i, (look, count) in enumerate(zip(design.looks, patients, strict=True)):
        name = next(name for name in ("month", "patients", "information") if getattr(look, name) is not None)
        field, value = f"looks[{i}].{name}", getattr(look, name)
        if count is not None and count >= n:
            raise FieldError(field, value, f"must be below the size of the trial, {n}")
        if count is None:
            assert look.month is not None
            month = float(look.month)
        else:
            month = float(randomised[count - 1] + wait)
            if design.recruitment == "stops":
                randomised[count:] += max(0.0, month - randomised[count])
        due = int(np.sum(randomised + wait <= month + _SAME))
        if due < 2:
            allowed = (
                f"nobody has reached the primary visit by then; must be later than month {randomised[1] + wait:.3g}"
            )
            raise FieldError(field, value, allowed)
        if due >= n:
            raise FieldError(field, value, f"must be before the end, month {randomised[-1] + wait:.3g}")
        if looks and month <= looks[-1] + _SAME:
            raise FieldError(field, value, f"must be later than the look before it, month {looks[-1]:.3g}")
        looks.append(month)
    return Calendar(randomised=randomised, looks=tuple(looks), wait=wait, fixed_end=fixed_end)


def months_to_primary(s: Scenario) -> float:
    """Months from randomisation to the primary visit."""
    return (s.estimand.day - s.randomisation.day) / DAYS_IN_MONTH
