"""Values that differ between replicates: a scenario whose parameters are draws, one a replicate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.errors import ScenarioError
from kaptrial.scenario.sourced import LEAVES, SPREADS, Sourced

if TYPE_CHECKING:
    from kaptrial.scenario.scenario import Scenario

# What patients are and how they respond. Conduct, therapists and correlations are the same in every replicate.
MAY_DIFFER = ("population", "drug", "therapies", "natural_course", "expectancy", "measurement")
THE_SAME = ("therapists", "correlations", "entry")


@dataclass(frozen=True, kw_only=True)
class Drawn(Sourced):
    """A value that differs between replicates; only simulations hold it, no file does.

    `value` and the spread are numbers, or arrays of shape (replicate,); once a block's rows are taken, (replicate, 1).
    """

    value: Any
    sd: Any = None
    log_sd: Any = None
    logit_sd: Any = None

    def __post_init__(self) -> None:
        """Draws are checked where they are made."""

    @property
    def spread(self) -> Any:
        """As of a number, or an array."""
        return next((getattr(self, name) for name in SPREADS if getattr(self, name) is not None), 0.0)


def of_replicates(scenario: Scenario, rows: Ints) -> Scenario:
    """The scenario of some replicates, numbers of what was drawn: parameters as columns."""
    old = {name: getattr(scenario, name) for name in MAY_DIFFER}
    new = {name: at_rows(value, rows) for name, value in old.items()}
    changed = {name: value for name, value in new.items() if value is not old[name]}
    return with_fields(scenario, changed) if changed else scenario


def at_rows[T](node: T, rows: Ints) -> T:
    """`node` with the chosen replicates of every `Drawn` value below it, as columns; itself where there is none."""
    if isinstance(node, Drawn):
        arrays = {name: getattr(node, name) for name in ("value", *SPREADS)}
        return replace(node, **{name: _column(x, rows) for name, x in arrays.items()})
    if node is None or isinstance(node, (Sourced, *LEAVES)):
        return node
    if is_dataclass(node) and not isinstance(node, type):
        old = {field.name: getattr(node, field.name) for field in fields(node)}
        new = {name: at_rows(value, rows) for name, value in old.items()}
        changed = {name: value for name, value in new.items() if value is not old[name]}
        return with_fields(node, changed) if changed else node
    if isinstance(node, Mapping):
        by_key = {key: at_rows(value, rows) for key, value in node.items()}
        return by_key if any(by_key[key] is not node[key] for key in node) else node  # type: ignore[return-value]
    if isinstance(node, tuple):
        parts = tuple(at_rows(value, rows) for value in node)
        return parts if any(a is not b for a, b in zip(parts, node, strict=True)) else node  # type: ignore[return-value]
    return node


# A block is drawn in full: the rows of its last, incomplete part begin anew.
def _column(x: Any, rows: Ints) -> Any:
    return x if x is None or np.ndim(x) == 0 else np.asarray(x)[rows % len(x), None]


def with_drawn(scenario: Scenario, values: Mapping[str, Sequence[float] | Floats]) -> Scenario:
    """The scenario with a value of each replicate by path, such as `{"drug.half_life": [3.0, 9.0]}`; for `simulate`.

    A path leads to a sourced value, whose `value` is meant, or to its `value`, `sd`, `log_sd` or `logit_sd`.
    Raises ScenarioError for a path that may not differ between replicates, and for values that the scenario refuses.
    """
    from kaptrial.scenario.files import split_path

    drawn = scenario
    for path, numbers in values.items():
        array = np.asarray(numbers, dtype=float)
        if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
            raise ScenarioError(f"{path}: must be a list of finite numbers, one a replicate")
        steps = split_path(path)
        if steps[0] not in MAY_DIFFER or any(step in THE_SAME for step in steps):
            allowed = f"must be below {', '.join(MAY_DIFFER)}, and not below {', '.join(THE_SAME)}"
            raise ScenarioError(f"{path}: may not differ between replicates; {allowed}")
        # What is allowed is an interval.
        for extreme in (array.min(), array.max()):
            scenario.with_values({path: float(extreme)})
        drawn = _replaced(drawn, steps, array)
    return drawn


def _replaced(node: Any, steps: Sequence[str | int], array: Floats) -> Any:
    if isinstance(node, Sourced):
        own = {field.name: getattr(node, field.name) for field in fields(node)}
        return Drawn(**own | {str(steps[0]) if steps else "value": array})
    step, rest = steps[0], steps[1:]
    if isinstance(node, Mapping):
        return {**node, step: _replaced(node[step], rest, array)}
    if isinstance(node, tuple):
        return tuple(_replaced(x, rest, array) if i == step else x for i, x in enumerate(node))
    return with_fields(node, {str(step): _replaced(getattr(node, str(step)), rest, array)})


def with_fields[T](node: T, changed: Mapping[str, Any]) -> T:
    """A copy with other fields, not checked anew: the checks of nouns compare numbers, not arrays."""
    other = copy(node)
    for name, value in changed.items():
        object.__setattr__(other, name, value)
    return other
