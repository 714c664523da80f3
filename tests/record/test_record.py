"""Results are what they were: a sample by default, all with `uv run pytest -m record`.

On the kind of processor on which they were recorded the values are the same to the last bit (`python -m
tests.record.record compare`). Another rounds sums in another order: 1e-9 of a value's size, or of its standard error,
leaves room for that and for nothing that a reader would see.
"""

from __future__ import annotations

import pytest

from tests.record import record
from tests.record.jobs import JOBS, SAMPLE

TOLERANCE = 1e-9


def changed(name: str) -> list[str]:
    rows = record.run(name)
    return [str(each) for each in record.differences(name, rows) if not negligible(each)]


def negligible(each: record.Difference) -> bool:
    if each.relative <= TOLERANCE:
        return True
    numbers = [x for x in each.row.values() if isinstance(x, float)]
    scale = max((abs(x) for x in numbers), default=0.0)  # a bias near 0 is the difference of larger numbers
    return each.relative < float("inf") and abs(each.actual - each.expected) <= TOLERANCE * scale


@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_is_as_recorded(name):
    assert changed(name) == []


@pytest.mark.record
@pytest.mark.parametrize("name", [name for name in JOBS if name not in SAMPLE])
def test_everything_is_as_recorded(name):
    assert changed(name) == []


def test_a_changed_value_is_seen():
    rows = record.read("power_starter")
    assert record.differences("power_starter", rows) == []
    changed_rows = [dict(row) for row in rows]
    changed_rows[0]["value"] += 1e-6
    assert [each.column for each in record.differences("power_starter", changed_rows)] == ["value"]
    assert len(record.differences("power_starter", rows[1:])) == 1
    added = [row | {"more": 1.0} for row in rows]
    assert record.differences("power_starter", added) == []
