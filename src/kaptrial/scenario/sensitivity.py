"""What a report moves to see what the trial depends on: ranges of single numbers, and worlds that go against it."""

from __future__ import annotations

from typing import Any, Literal

from kaptrial.errors import FieldError
from kaptrial.scenario.noun import Number, Text, noun
from kaptrial.scenario.sourced import SourceKey, check_note


@noun
class Range:
    """The ends between which one number is moved: its 10 and 90 %, with their source, or `assumption` and a note."""

    low: Number
    high: Number
    source: SourceKey
    note: Text | None = None

    def __post_init__(self) -> None:
        if self.high <= self.low:
            raise FieldError("high", self.high, f"must be greater than low, {self.low:g}")
        check_note(self.source, "note", self.note)


@noun
class World:
    """Another world: values by path, set together, and what is then asked of the trial.

    `asks`: power, where the treatment still works; false_claims, where it does not, and every finding is wrong.
    """

    values: dict[Text, Any]
    asks: Literal["power", "false_claims"] = "power"


@noun
class Sensitivity:
    """Ranges by path, in place of those that a report takes, and worlds by label, beside those that it tries."""

    ranges: dict[Text, Range] | None = None
    worlds: dict[Text, World] | None = None
