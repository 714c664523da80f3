"""The design prior: what is believed about the world before the trial, as distributions in place of single values."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from kaptrial.catalogue.priors import REFERENCE_POPULATION, populations, prior_names
from kaptrial.errors import ABSENT, FieldError, nearest
from kaptrial.scenario.noun import Number, Positive, Text, noun
from kaptrial.scenario.sourced import GREATEST_SPREAD, SourceKey, check_note


@noun
class Normal:
    """Normal, by mean and standard deviation."""

    mean: Number
    sd: Positive


@noun
class Lognormal:
    """Log-normal, by median and standard deviation of the logarithm."""

    median: Positive
    log_sd: Annotated[Positive, Field(le=GREATEST_SPREAD["log_sd"])]


@noun
class Beta:
    """Beta, of mean a / (a + b)."""

    a: Positive
    b: Positive


@noun
class Uniform:
    """Uniform between two ends."""

    low: Number
    high: Number

    def __post_init__(self) -> None:
        if self.high <= self.low:
            raise FieldError("high", self.high, f"must be greater than low, {self.low:g}")


FAMILIES = ("normal", "lognormal", "beta", "uniform")


@noun
class Distribution:
    """What is believed about one number: exactly one family, with its source, or `assumption` and a note."""

    source: SourceKey
    normal: Normal | None = None
    lognormal: Lognormal | None = None
    beta: Beta | None = None
    uniform: Uniform | None = None
    note: Text | None = None
    derived: Text | None = None

    def __post_init__(self) -> None:
        given = [name for name in FAMILIES if getattr(self, name) is not None]
        if len(given) != 1:
            at, value = (given[1], "a second distribution") if given else (FAMILIES[0], ABSENT)
            raise FieldError(at, value, f"must be exactly one of {', '.join(FAMILIES)}")
        check_note(self.source, "note", self.note)

    @property
    def family(self) -> str:
        """The name of the family."""
        return next(name for name in FAMILIES if getattr(self, name) is not None)

    def quantile(self, u: float) -> float:
        """The value below which a share `u` of the belief lies, 0 < u < 1."""
        from scipy import special

        if self.normal is not None:
            return float(self.normal.mean + self.normal.sd * special.ndtri(u))
        if self.lognormal is not None:
            return float(self.lognormal.median * np.exp(self.lognormal.log_sd * special.ndtri(u)))
        if self.beta is not None:
            return float(special.betaincinv(self.beta.a, self.beta.b, u))
        assert self.uniform is not None  # one of the four is given
        return float(self.uniform.low + (self.uniform.high - self.uniform.low) * u)

    def described(self) -> str:
        """In words, such as `normal(mean 3, sd 1)`."""
        return f"{self.family}({', '.join(f'{k} {v:g}' for k, v in vars(getattr(self, self.family)).items())})"


@noun
class Prior:
    """A named prior of the catalogue, distributions of single numbers of the scenario, or both.

    `population`: the one of the named prior's populations that the trial is of; depression unless given. `also`: path
    of a number to its distribution; these are independent, and replace what the named prior says of the same number.
    """

    name: Text | None = None
    population: Text | None = None
    also: dict[Text, Distribution] | None = None

    def __post_init__(self) -> None:
        if self.name is None and not self.also:
            raise FieldError("name", ABSENT, "a prior needs a name, or also with distributions by path")
        if self.name is None:
            if self.population is not None:
                raise FieldError("population", self.population, "goes with name")
        elif self.name not in prior_names():
            known = ", ".join(prior_names()) or "none"
            allowed = f"must be a prior of the catalogue ({known}){nearest(self.name, prior_names())}"
            raise FieldError("name", self.name, allowed)
        elif self.population not in (None, *populations(self.name)):
            kinds = populations(self.name)
            allowed = f"must be one of {', '.join(kinds)}{nearest(str(self.population), kinds)}"
            raise FieldError("population", self.population, allowed)

    @property
    def population_or_reference(self) -> str:
        """The population that the trial is of."""
        return self.population or REFERENCE_POPULATION


def _from_name(raw: Any) -> Any:
    return {"name": raw} if isinstance(raw, str) else raw


# `prior: NAME` is short for `prior: {name: NAME}`.
PriorField = Annotated[Prior, BeforeValidator(_from_name, json_schema_input_type=str | Prior)]
