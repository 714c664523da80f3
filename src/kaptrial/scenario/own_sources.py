"""Sources of a scenario that the catalogue does not hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from kaptrial.catalogue import source_keys
from kaptrial.errors import FieldError
from kaptrial.scenario.noun import Text
from kaptrial.scenario.own_scale import OwnScale
from kaptrial.scenario.sourced import ASSUMPTION, walk

if TYPE_CHECKING:
    from kaptrial.scenario.scenario import Scenario

# https://www.doi.org/doi-handbook/HTML/doi-name-syntax.html: a prefix 10.NNNN, a slash, a suffix.
_DOI = re.compile(r"(https?://(dx\.)?doi\.org/|doi:\s*)?10\.\d{4,9}(\.\d+)*/\S+", re.IGNORECASE)
_YEAR = re.compile(r"\b(19|20)\d\d\b")


def _check_publication(text: str) -> str:
    if not _DOI.fullmatch(text.strip()) and not (_YEAR.search(text) and " " in text.strip()):
        raise FieldError("", text, "must be a DOI such as 10.1176/appi.ajp.2020.20121677, or a citation with its year")
    return text


OwnSource = Annotated[Text, AfterValidator(_check_publication)]


def check_own_sources(s: Scenario) -> Iterator[FieldError]:
    """Errors where an own source has the key of another."""
    for key, publication in (s.sources or {}).items():
        if key in source_keys() or key == ASSUMPTION:
            yield FieldError(f"sources.{key}", publication, "must differ from the keys of the catalogue")


def unused_sources(s: Scenario) -> tuple[str, ...]:
    """Own sources that no number, no belief and no scale names."""
    named = {name for _, value in walk(s) for name in (value.source, value.spread_source)}
    named |= {belief.source for belief in ((s.prior.also if s.prior else None) or {}).values()}
    named |= {stated.source for stated in (s.decision.own_priors or {}).values()}
    for outcome in (s.primary_outcome, *s.other_outcomes.values()):
        named |= outcome.scale.sources if isinstance(outcome.scale, OwnScale) else set()
    return tuple(key for key in s.sources or {} if key not in named)
