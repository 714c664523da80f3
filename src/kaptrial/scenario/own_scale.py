"""An outcome scale that the catalogue does not hold, declared in the scenario."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from kaptrial.catalogue import Scale, scale_names
from kaptrial.errors import ABSENT, FieldError
from kaptrial.scenario.noun import Number, Positive, Text, noun
from kaptrial.scenario.sourced import SourceKey, check_note, known_source

# The source of what is true by the way a measure is built, such as the range of a sum of items.
DEFINITION = "definition"
PERCENT = "percent"


def _source_or_definition(key: str, info: ValidationInfo) -> str:
    return key if key == DEFINITION else known_source(key, info)


ScaleSource = Annotated[Text, AfterValidator(_source_or_definition)]
Fraction = Annotated[Positive, Field(le=1)]


@noun
class ScaleRange:
    """The lowest and the highest score that can be recorded."""

    low: Number
    high: Number

    def __post_init__(self) -> None:
        if self.high <= self.low:
            raise FieldError("high", self.high, f"must be greater than low, {self.low:g}")


@noun
class ResponseRule:
    """Response is an improvement by `fraction` of the way from the baseline to the best score, or by `points`."""

    source: SourceKey
    fraction: Fraction | None = None
    points: Positive | None = None
    note: Text | None = None

    def __post_init__(self) -> None:
        if (self.fraction is None) == (self.points is None):
            given = ABSENT if self.fraction is None else self.fraction
            raise FieldError("fraction", given, "must be given, or points of the score, and not both")
        check_note(self.source, "note", self.note)


@noun
class RemissionRule:
    """Remission is a score of `at_most`, or `at_least` where higher is better."""

    source: SourceKey
    at_most: Number | None = None
    at_least: Number | None = None
    note: Text | None = None

    def __post_init__(self) -> None:
        check_note(self.source, "note", self.note)


@noun
class Difference:
    """A difference that matters: `value` in units of the scale, or `fraction` of the baseline; `kind` says to whom."""

    kind: Text
    source: SourceKey
    value: Positive | None = None
    fraction: Fraction | None = None
    note: Text | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.fraction is None):
            given = ABSENT if self.value is None else self.value
            raise FieldError("value", given, "must be given, or fraction of the baseline, and not both")
        check_note(self.source, "note", self.note)


@noun
class ReliableChange:
    """The smallest change of one patient beyond the error of measurement."""

    value: Positive
    source: SourceKey
    note: Text | None = None

    def __post_init__(self) -> None:
        check_note(self.source, "note", self.note)


@noun
class OwnScale:
    """A scale of the scenario's own, what the catalogue would say of it.

    `kind`: a score between the ends of `range`, recorded in steps of `step`; the share of days without what is counted
    (use, say), in percent, of which more is better; or the count of events since the visit before, of which fewer are
    better, its rate in `period_days`. `id` is what results call it.
    """

    id: Text
    label: Text
    better: Literal["lower", "higher"]
    source: ScaleSource
    kind: Literal["score", "share_of_days", "count"] = "score"
    range: ScaleRange | None = None
    step: Positive | None = None
    unit: Text = "points"
    response: ResponseRule | None = None
    remission: RemissionRule | None = None
    mcid: tuple[Difference, ...] = ()
    reliable_change: tuple[ReliableChange, ...] = ()
    period_days: Annotated[Positive, Field(le=3650)] | None = None
    note: Text | None = None

    def __post_init__(self) -> None:
        if self.id in scale_names():
            raise FieldError("id", self.id, "must differ from the scales of the catalogue")
        check_note(self.source, "note", self.note)
        if (self.period_days is None) == (self.kind == "count"):
            allowed = "must be given with count, and with no other kind: the days that its rate is of"
            raise FieldError("period_days", ABSENT if self.period_days is None else self.period_days, allowed)
        if self.kind == "score":
            self._check_score()
        elif self.kind == "count":
            self._check_counted("lower", "fewer events")
        else:
            self._check_counted("higher", "the days without")
            if self.unit not in ("points", PERCENT):
                raise FieldError("unit", self.unit, "must be percent with share_of_days")

    def _check_score(self) -> None:
        if self.range is None:
            raise FieldError("range", ABSENT, "a score needs the ends of its scale, {low: …, high: …}")
        if self.step is None:
            raise FieldError("step", ABSENT, "a score needs its smallest difference")
        if self.unit == PERCENT:
            raise FieldError("unit", self.unit, "is said of days counted (kind: share_of_days); must be another word")
        low, high = self.range.low, self.range.high
        if self.step > high - low:
            raise FieldError("step", self.step, f"must be at most the length of the scale, {high - low:g}")
        points = self.response.points if self.response else None
        if points is not None and points > high - low:
            raise FieldError("response.points", points, f"must be at most the length of the scale, {high - low:g}")
        if self.remission is not None:
            wanted, other = ("at_most", "at_least") if self.better == "lower" else ("at_least", "at_most")
            cutoff = getattr(self.remission, wanted)
            if getattr(self.remission, other) is not None:
                allowed = f"must be {wanted}: of this scale {self.better} is better"
                raise FieldError(f"remission.{other}", getattr(self.remission, other), allowed)
            if cutoff is None:
                raise FieldError(f"remission.{wanted}", ABSENT, "must be given")
            if not low <= cutoff <= high:
                raise FieldError(f"remission.{wanted}", cutoff, f"must lie on the scale, {low:g} to {high:g}")
        for key in ("mcid", "reliable_change"):
            for i, each in enumerate(getattr(self, key)):
                if each.value is not None and each.value > high - low:
                    allowed = f"must be at most the length of the scale, {high - low:g}"
                    raise FieldError(f"{key}[{i}].value", each.value, allowed)

    def _check_counted(self, better: str, what: str) -> None:
        """Of what is counted `better` is better, and what a score has is not said of it."""
        if self.better != better:
            raise FieldError("better", self.better, f"must be {better} with {self.kind}: count {what}")
        for key in ("range", "step", "response", "remission", "mcid", "reliable_change"):
            if getattr(self, key):
                extent = "0 to 100 % of the days" if self.kind == "share_of_days" else "0 and more events"
                raise FieldError(key, ABSENT, f"must not be given with {self.kind}, {extent}")

    @property
    def sources(self) -> set[str]:
        """Every source that is named."""
        rules = (self.response, self.remission, *self.mcid, *self.reliable_change)
        return {self.source, *(rule.source for rule in rules if rule is not None)}

    def as_scale(self) -> Scale:
        """The same as the catalogue would give it."""
        counts_days, rule = self.kind == "share_of_days", self.remission
        low, high = (self.range.low, self.range.high) if self.range else (0.0, 100.0 if counts_days else math.inf)
        return Scale(
            id=self.id,
            label=self.label,
            unit=PERCENT if counts_days else "events" if self.kind == "count" and self.unit == "points" else self.unit,
            low=low,
            high=high,
            step=self.step or 0.0,
            better=self.better,
            link={"score": "identity", "share_of_days": "logit", "count": "log"}[self.kind],
            period_days=self.period_days,
            response_fraction=self.response.fraction if self.response else None,
            response_points=self.response.points if self.response else None,
            remission_at=(rule.at_most if rule.at_least is None else rule.at_least) if rule else None,
            thresholds={key: [_threshold(each) for each in getattr(self, key)] for key in ("mcid", "reliable_change")},
            indication=None,
        )


def _threshold(given: Difference | ReliableChange) -> dict[str, Any]:
    """A difference as the catalogue's file states one."""
    keys = ("value", "fraction", "kind", "source", "note")
    return {key: getattr(given, key) for key in keys if getattr(given, key, None) is not None}


def described(own: OwnScale | str) -> list[str]:
    """The scale and its rules with their sources, a line each; nothing of one of the catalogue, by its name."""
    if isinstance(own, str):
        return []
    scale = own.as_scale()
    extent = f"{scale.low:g} to {scale.high:g} {scale.unit}" + (f" in steps of {scale.step:g}" if scale.step else "")
    if own.kind == "count":
        extent = f"{scale.unit} since the visit before, their rate in {own.period_days:g} days"
    lines = [f"{own.id}, a scale of this file: {own.label}, {extent}, {own.better} is better ({own.source})"]
    if own.response is not None:
        by_fraction = f"{100 * (own.response.fraction or 0):g} % of the way to the best score"
        by = by_fraction if own.response.points is None else f"{own.response.points:g} {scale.unit} or more"
        lines.append(f"  response: improvement by {by} ({own.response.source})")
    if own.remission is not None:
        side = "at most" if own.better == "lower" else "at least"
        lines.append(f"  remission: {side} {scale.remission_at:g} ({own.remission.source})")
    return lines
