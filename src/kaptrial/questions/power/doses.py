"""Doses in words, by their route."""

from __future__ import annotations

from collections.abc import Iterable

from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.treatment import Doses

_BY_ROUTE = {
    "IV": "infusion",
    "IM": "injection",
    "SC": "injection",
    "IN": "nasal dose",
    "SL": "sublingual dose",
    "oral": "oral dose",
    "rectal": "rectal dose",
}


def all_doses(scenario: Scenario) -> list[Doses]:
    """The courses of the run-in and of every arm."""
    run_in = scenario.randomisation.run_in
    return [*(run_in.doses if run_in else ()), *(doses for arm in scenario.arms for doses in arm.doses)]


def dose_word(doses: Iterable[Doses]) -> str:
    """What one of them is called: by its route where all have the same word, otherwise a dose."""
    words = {_BY_ROUTE.get(each.route, "dose") for each in doses}
    return words.pop() if len(words) == 1 else "dose"
