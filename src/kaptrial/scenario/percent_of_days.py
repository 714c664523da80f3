"""Levels and effects on days abstinent, written in percent of days: to logits as a file is read, and back for readers.

All of it is said of the median patient, in whom nothing varies: the baseline is the share of days before entry; the
natural course is counted from there; drug, therapies and expectancy are counted from the untreated level, where the
natural course ends. An effect of x percentage points from a level p is logit(p + x) - logit(p).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kaptrial.catalogue import scale, scale_names
from kaptrial.errors import FieldError
from kaptrial.scenario.derived import formula
from kaptrial.scenario.located import Raw

if TYPE_CHECKING:
    from kaptrial.scenario.scenario import Scenario

PERCENT = "percent"
BASELINE, NATURAL = ("population", "baseline"), ("natural_course", "change")
IMMEDIATE = ("natural_course", "immediate", "change")


def logit(percent: float) -> float:
    """The logit of a percentage."""
    return math.log(percent / (100 - percent))


def percent(latent: float) -> float:
    """The percentage of a logit."""
    return 100 / (1 + math.exp(-latent))


def in_logits(raw: Raw) -> Raw:
    """The scenario with what is written in percent of days in logits; itself where nothing is.

    Raises FieldError where a level or an effect leads out of 0 to 100 %.
    """
    written = [steps for steps in _places(raw) if _is_in_percent(_at(raw, steps))]
    if not written or not _counts_days(raw):
        return raw
    out = copy.deepcopy(raw)
    for steps in written:  # the baseline first, then the natural course, on which the others rest
        _convert(out, steps)
    return out


def is_written_in_percent(raw: Raw, path: str) -> bool:
    """Whether the number at a path is written in percent of days."""
    return any(".".join(steps) == path and _is_in_percent(_at(raw, steps)) for steps in _places(raw))


def _counts_days(raw: Raw) -> bool:
    name = _at(raw, ("outcome", "scale"))
    if isinstance(name, Mapping):
        return name.get("kind") == "share_of_days"
    return isinstance(name, str) and name in scale_names() and scale(name).link == "logit"


def _places(raw: Raw) -> Iterator[tuple[str, ...]]:
    """Where percent may stand."""
    yield from (BASELINE, NATURAL, ("drug", "max_effect"), ("drug", "slope"))
    therapies = raw.get("therapies")
    for name in therapies if isinstance(therapies, dict) else ():
        yield ("therapies", str(name), "max_effect")
    yield from (("expectancy", "drug", "effect"), ("expectancy", "therapy", "effect"))


def _at(raw: Any, steps: tuple[str, ...]) -> Any:
    for step in steps:
        raw = raw.get(step) if isinstance(raw, Mapping) else None
    return raw


def _is_in_percent(number: Any) -> bool:
    return isinstance(number, Mapping) and number.get("unit") == PERCENT


def _latent(raw: Raw, steps: tuple[str, ...]) -> float:
    """A value in logits; 0 where there is none."""
    value = (_at(raw, steps) or {}).get("value", 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FieldError(".".join((*steps, "value")), value, "must be a finite number")
    return float(value)


def _convert(raw: Raw, steps: tuple[str, ...]) -> None:
    number = _at(raw, steps)
    at, said = ".".join(steps), _latent(raw, steps)
    if "sd" in number:
        raise FieldError(f"{at}.sd", number["sd"], "in percent of days the spread must be logit_sd, an SD of logits")
    if steps == BASELINE:
        start, end = None, said
    else:
        before = (BASELINE,) if steps == NATURAL else (BASELINE, NATURAL, IMMEDIATE)
        start = percent(sum(_latent(raw, each) for each in before))
        end = start + said
    if not 0 < end < 100:
        allowed = f"must lead from {start:.3g} % to" if start is not None else "must be"
        raise FieldError(f"{at}.value", said, f"{allowed} more than 0 and less than 100 % of days")
    number["value"] = logit(end) - (0.0 if start is None else logit(start))
    number["unit"] = "logit"
    if "logit_sd" in number:
        number["sd"] = number.pop("logit_sd")
    how = f"{said:g} % of days" if start is None else f"{said:g} points of percent of days, from {start:.3g}"
    stated = number.get("derived")
    # A formula gives percent, which the number no longer is: it stays as words, which begin otherwise.
    is_formula = isinstance(stated, str) and formula(stated, str(number.get("source"))) is not None
    number["derived"] = "; ".join(filter(None, (how, stated) if is_formula else (stated, how)))


def described(s: Scenario) -> list[str]:
    """In percent of days, of the median patient: the level before entry, the untreated one, and what is added to it."""
    if s.scale.link != "logit":
        return []
    before = s.population.baseline.value
    course = s.natural_course
    untreated = before + (course.change.value if course else 0.0)
    untreated += course.immediate.change.value if course and course.immediate else 0.0
    levels = f"{percent(before):.1f} before entry, {percent(untreated):.1f} untreated"
    lines = [f"in percent of days, the median patient: {levels}"]
    drug, hope = s.drug.max_effect or s.drug.slope, s.expectancy
    effects = {"the drug at most" if s.drug.max_effect else "a reference dose": drug}
    effects |= {f"{therapy.label} at most": therapy.max_effect for therapy in s.therapies.values()}
    effects |= {"belief in the drug": hope.drug.effect} if hope.drug else {}
    effects |= {"the therapy hoped for": hope.therapy.effect} if hope.therapy else {}
    for name, effect in effects.items():
        if effect is not None:
            gain = percent(untreated + effect.value) - percent(untreated)
            lines.append(f"  {name}: {gain:+.1f} points, {effect.value:.3g} logits")
    return lines
