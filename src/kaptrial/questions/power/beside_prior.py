"""What `check` says of a scenario's distance from the prior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kaptrial.catalogue.priors import CURRENT
from kaptrial.priors.comparison import Compared, compared
from kaptrial.results import Headline, Results
from kaptrial.scenario.scenario import Scenario


def beside_prior(scenario: Scenario, provenance: Mapping[str, Any]) -> Results[Compared]:
    """A row for each value of which the prior speaks, and how many lie inside its 90 % range; none where it is mute."""
    rows = compared(scenario)
    return Results(kind="check", rows=rows, provenance=provenance, headline=_headline(rows) if rows else None)


def _headline(rows: list[Compared]) -> Headline:
    outside = [row.label for row in rows if not row.inside]
    n = len(rows) - len(outside)
    said = f"{n} of {len(rows)} values lie inside the 90 % range of {CURRENT}"
    numbers = {"inside": n, "values": len(rows)}
    return Headline(text=f"{said}; outside: {', '.join(outside)}." if outside else f"{said}.", numbers=numbers)


def position(row: Compared) -> str:
    """Where among the draws a value lies."""
    if row.below >= 0.5:
        return f"above {_percent(row.below)} of the draws"
    return f"below {_percent(1 - row.below)} of the draws"


def _percent(share: float) -> str:
    return "all" if share == 1 else f"{min(round(100 * share), 99):d} %"
