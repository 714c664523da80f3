"""The cells of a power run: the scenario, its variants, and every combination of the values that are varied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from kaptrial.errors import FieldError
from kaptrial.scenario.files import Raw, build, with_settings
from kaptrial.scenario.scenario import Scenario

# More scenarios than this in one run are a slip of the pen.
MOST_CELLS = 1000


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One scenario of a power run with the columns that tell it from the others (variant, varied paths)."""

    scenario: Scenario
    columns: dict[str, Any]


def cells(raw: Raw, vary: Mapping[str, Sequence[Any]], *, variants: bool = True) -> list[Cell]:
    """Each checked before anything runs. Raises ScenarioError, and FieldError for too many of them."""
    base = build(raw)
    named: dict[str | None, dict[str, Any]] = {None: {}}
    if variants and base.variants:
        named = {base.base_label: {}}
        named.update(base.variants)
    n_cells = len(named) * prod(map(len, vary.values()))
    if n_cells > MOST_CELLS:
        raise FieldError("vary", n_cells, f"scenarios, the variants among them, must be at most {MOST_CELLS}")
    valid = []
    for label, changes in named.items():
        for point in product(*vary.values()):
            chosen = dict(zip(vary, point, strict=True))
            columns = ({} if label is None else {"variant": label}) | chosen
            # What varies of the estimand is asked of the primary one.
            alone: dict[str, Any] = {"secondary": []} if any(key.startswith("estimand.") for key in vary) else {}
            scenario = build(with_settings(raw, {**changes, **chosen, **alone}))
            valid.append(Cell(scenario=scenario, columns=columns))
    return valid
