"""The analysis of an estimand for which a scenario names none."""

from __future__ import annotations

from dataclasses import dataclass

from kaptrial.method_table import BINARY, COUNTS, DAYS, SCORES, TIMES


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the choice of an analysis depends on.

    `arms`: of the contrast; `therapists`: whether any treats several patients of these arms; `visits`: after
    randomisation; `incomplete`: whether scores can be missing, after dropout or because a hypothetical strategy sets
    them aside.
    """

    endpoint: str
    arms: int
    therapists: bool
    visits: int
    incomplete: bool


def default_analysis(facts: Facts) -> tuple[str, str]:
    """The method, and what in the trial asks for it. Its type I error holds (docs/analyses.md, Defaults)."""
    if facts.arms == 1:
        return "single_arm", "one arm"
    if facts.endpoint in TIMES:
        return ("logrank", "a time, two arms") if facts.arms == 2 else ("cox", f"a time, {facts.arms} arms")
    if facts.endpoint in (*BINARY, DAYS):
        if facts.therapists:
            return "nested", "therapists"
        return ("abstinent_days", "days out of days") if facts.endpoint == DAYS else ("firth", "a share")
    if facts.endpoint not in SCORES:
        if facts.therapists:
            return "nested", "therapists"
        counts = facts.endpoint in COUNTS
        return ("counts", "a count over the days seen") if counts else ("ancova", "one number a patient")
    repeated = facts.incomplete and facts.visits > 1
    if repeated:
        incomplete = f"{facts.visits} visits, scores that can be missing"
        return ("nested_mmrm", f"therapists, {incomplete}") if facts.therapists else ("mmrm", incomplete)
    return ("nested", "therapists") if facts.therapists else ("ancova", "no therapists, no scores missing")
