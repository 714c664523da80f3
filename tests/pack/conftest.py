"""One pack, worked out once for all tests of this folder, and once written."""

from __future__ import annotations

from pathlib import Path

import pytest

import kaptrial as kt
from kaptrial.pack.answer import ReportResults
from tests.builders import number

REPLICATES = 64
# Therapists, dropout, expectancy and a synergy, so that every section and every world has something to say.
CHANGES = {
    "therapies.cbt.therapists": {"caseload": 10, "sd": number(1.5, "points")},
    "therapies.cbt.session_minutes": 50,
    "therapies.cbt.gamma": number(0.3, "none"),
    "drug.window_half_life": number(4, "day"),
    "expectancy.therapy": {"effect": number(1, "points"), "onset": number(3, "day"), "half_life": number(60, "day")},
    "therapies.cbt.is_hoped_for": True,
    "conduct.dropout": {"hazard": number(0.004, "per_day")},
    "sensitivity": {
        "ranges": {"drug.half_life": {"low": 4, "high": 12, "source": "assumption", "note": "for the test"}},
        "worlds": {"a weak therapy": {"values": {"therapies.cbt.max_effect": 1}}},
    },
    "design.enrolment": {"female": 0.6, "hispanic": 0.15, "race": {"white": 0.7, "black": 0.2, "asian": 0.1}},
    "analysis.methods": ["nested"],
}


@pytest.fixture(scope="session")
def scenario() -> kt.Scenario:
    return kt.load_scenario("starter", CHANGES)


@pytest.fixture(scope="session")
def pack(scenario) -> ReportResults:
    return kt.report(scenario, replicates=REPLICATES, workers=2)


@pytest.fixture(scope="session")
def folder(pack, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "out"
    pack.write(path)
    return path
