"""What is declared of a substance whose use is counted by days: the amount on such a day, and what endpoints ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from kaptrial.errors import ABSENT, FieldError
from kaptrial.method_table import USE
from kaptrial.scenario.noun import Positive, noun
from kaptrial.scenario.sourced import LogSpread, Multiple, Share, VaryingDrinks

if TYPE_CHECKING:
    from kaptrial.scenario.scenario import Scenario
    from kaptrial.scenario.trial import Estimand

NumberOfDays = Annotated[int, Field(strict=True, ge=1, le=3650)]


@noun
class Amount:
    """Drinks on a day of use, log-normal: their `mean` in the median patient before treatment, the spread between
    patients as its `log_sd`, that between one patient's days as `dispersion`, the SD of their logarithm.

    `loading`: by how much one logit of improvement lowers the logarithm. A day of `heavy_from` drinks or more is heavy.
    `grams_per_drink`: of pure alcohol. `women`: their share of the patients, whose risk levels are lower.
    """

    mean: VaryingDrinks
    dispersion: LogSpread
    loading: Multiple
    heavy_from: Positive | None = None
    grams_per_drink: Positive | None = None
    women: Share | None = None


@noun
class UseRules:
    """What the endpoints of use ask.

    `abstinent_last`: the days up to the visit that must be without use. `relapse_days`: relapse is confirmed by use on
    so many days running, on the last of them. `risk_days`: the days up to the visit over which the WHO risk level is
    taken, and `risk_levels` by how many it must have fallen from that before entry.
    """

    abstinent_last: NumberOfDays | None = None
    relapse_days: NumberOfDays | None = None
    risk_days: NumberOfDays | None = None
    risk_levels: Annotated[int, Field(strict=True, ge=1, le=4)] | None = None


# What each endpoint needs of the amount and of the rules.
_OF_AMOUNT = {
    "heavy_days": ("heavy_from",),
    "time_to_first_heavy_day": ("heavy_from",),
    "drinks_per_day": (),
    "risk_level_reduction": ("grams_per_drink", "women"),
}
_OF_RULES = {
    "abstinent_last": ("abstinent_last",),
    "time_to_confirmed_relapse": ("relapse_days",),
    "risk_level_reduction": ("risk_days", "risk_levels"),
}


def check_use(s: Scenario, at: str, estimand: Estimand) -> Iterator[FieldError]:
    """What an endpoint of use needs is declared."""
    endpoint = estimand.endpoint
    if endpoint not in USE:
        return
    if s.other_outcome(estimand) is not None:
        yield FieldError(f"{at}.endpoint", endpoint, "is of the primary outcome, whose days of use are kept")
        return
    if endpoint in _OF_AMOUNT and s.amount is None:
        yield FieldError("outcome.amount", ABSENT, f"{endpoint} needs it: the drinks on a day of use")
        return
    for declared, path, needed in ((s.amount, "amount", _OF_AMOUNT), (s.use_rules, "use", _OF_RULES)):
        for key in needed.get(endpoint, ()):
            if getattr(declared, key, None) is None:
                yield FieldError(f"outcome.{path}.{key}", ABSENT, f"{endpoint} needs it")
    for key in ("abstinent_last", "risk_days"):
        length, most = getattr(s.use_rules, key, None), int(estimand.day)
        if length is not None and key in _OF_RULES.get(endpoint, ()) and length > most:
            yield FieldError(f"outcome.use.{key}", length, f"must be at most {most}, the days up to {at}.day")
    for event in s.conduct.intercurrent_events:
        if getattr(estimand.strategies, event) == "while_on_treatment":
            allowed = f"must be another one: {endpoint} is of days up to the visit"
            yield FieldError(f"{at}.strategies.{event}", "while_on_treatment", allowed)


def check_declared(s: Scenario) -> Iterator[FieldError]:
    """The amount and the rules are of an outcome counted by days."""
    if s.scale.link == "logit":
        return
    for key, declared in (("amount", s.amount), ("use", s.use_rules)):
        if declared is not None:
            allowed = f"goes with percent_abstinent_days or a share of days, not with {s.scale.id}"
            yield FieldError(f"outcome.{key}", "given", allowed)
