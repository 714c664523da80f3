"""Priors of an effect that users state themselves, such as `0.8 normal(0, 0.25) + 0.2 t(0, 1, 4)`.

Numbers are in SDs of the outcome between patients, positive towards benefit.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from kaptrial.errors import ABSENT, FieldError
from kaptrial.scenario.noun import Text, noun
from kaptrial.scenario.sourced import SourceKey, check_note

# Families with the names of their arguments.
FAMILIES = {"normal": ("mean", "sd"), "t": ("mean", "scale", "df"), "half-normal": ("scale",)}
FORMS = ", ".join(f"{name}({', '.join(arguments)})" for name, arguments in FAMILIES.items())
_PART = re.compile(r"\s*(?:(?P<weight>[0-9.eE+-]+)\s*[*×]?\s*)?(?P<family>[a-z-]+)\s*\((?P<numbers>[^()]*)\)\s*")
# A t has no variance at or below this many degrees of freedom.
_TOO_FEW_DF = 2.0


def has_edge(text: str) -> bool:
    """Whether the stated prior holds a harm to be impossible."""
    return any(part.family == "half-normal" for part in parsed(text))


def listed(text: str) -> tuple[str, ...]:
    """Priors with commas between them; those in parentheses do not count."""
    return tuple(part.strip() for part in re.split(r",(?![^()]*\))", text))


class Part(NamedTuple):
    """One family of a mixture with its weight and its numbers."""

    weight: float
    family: str
    numbers: tuple[float, ...]


def is_expression(text: str) -> bool:
    """Whether this states a prior, and does not name one."""
    return "(" in text


def parsed(text: str) -> tuple[Part, ...]:
    """The parts of a stated prior. Raises FieldError, without a field, for what cannot be read."""
    weights: list[float | None] = []
    families: list[tuple[str, tuple[float, ...]]] = []
    at = 0
    while True:
        match = _PART.match(text, at)
        if match is None or match["family"] not in FAMILIES:
            raise FieldError("", text, f"must be {FORMS}, or such with weights: 0.8 normal(0, 0.25) + 0.2 normal(0, 1)")
        weights.append(_number(match["weight"], text) if match["weight"] else None)
        families.append((match["family"], _numbers(match["family"], match["numbers"], text)))
        at = match.end()
        if at == len(text):
            break
        if text[at] != "+":
            raise FieldError("", text, f"what follows {text[:at].strip()!r} must be +, or nothing")
        at += 1
    shares = _shares(weights, text)
    return tuple(Part(share, *family) for share, family in zip(shares, families, strict=True))


def _shares(weights: list[float | None], text: str) -> list[float]:
    if weights == [None]:
        return [1.0]
    given = [weight for weight in weights if weight is not None]
    if len(given) < len(weights) or min(given) <= 0 or abs(sum(given) - 1) > 1e-9:
        raise FieldError("", text, "every part must have a positive weight, 1 in sum")
    return given


def _numbers(family: str, listed: str, text: str) -> tuple[float, ...]:
    arguments = FAMILIES[family]
    values = tuple(_number(part, text) for part in listed.split(","))
    if len(values) != len(arguments):
        raise FieldError("", text, f"{family} must have {', '.join(arguments)}")
    for argument, value in zip(arguments, values, strict=True):
        if argument in ("sd", "scale") and value <= 0:
            raise FieldError("", text, f"{argument} of {family} must be more than 0")
        if argument == "df" and value <= _TOO_FEW_DF:
            raise FieldError("", text, f"df of t must be more than {_TOO_FEW_DF:g}: it has no variance otherwise")
    return values


def _number(part: str, text: str) -> float:
    try:
        value = float(part)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FieldError("", text, f"{part.strip()!r} must be a number")
    return value


@noun
class OwnPrior:
    """What is believed of an effect of each kind, the kinds left out not asked about, with where it comes from."""

    source: SourceKey
    drug: Text | None = None
    therapy: Text | None = None
    interaction: Text | None = None
    note: Text | None = None
    derived: Text | None = None

    def __post_init__(self) -> None:
        if not self.by_role:
            raise FieldError("interaction", ABSENT, "must state a prior of at least one of drug, therapy, interaction")
        for role, text in self.by_role.items():
            try:
                parsed(text)
            except FieldError as error:
                raise error.below(role) from None
        check_note(self.source, "note", self.note)

    @property
    def by_role(self) -> dict[str, str]:
        """The expressions by kind of effect."""
        given = {"drug": self.drug, "therapy": self.therapy, "interaction": self.interaction}
        return {role: text for role, text in given.items() if text is not None}
