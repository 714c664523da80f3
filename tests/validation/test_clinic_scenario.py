"""The clinic that is one therapist short: power falls by what its notes say (docs/clinic.md)."""

from __future__ import annotations

import numpy as np
import pytest

from kaptrial.questions.clinic.staffing_plans import compare
from kaptrial.questions.power.cells import Cell
from kaptrial.scenario.files import load
from tests import SCENARIOS

SCENARIO = SCENARIOS / "clinic_one_therapist_short.yaml"
PATH = "clinic.sites[0].therapists.cbt"


@pytest.mark.validation
def test_one_therapist_too_few_costs_a_quarter_of_the_power():
    cells = [Cell(scenario=load(SCENARIO, {PATH: n}), columns={PATH: n}) for n in (4, 3)]
    enough, short = compare(cells, seed=2, replicates=512, workers=2)
    for row, expected in ((enough, 0.9), (short, 0.65)):
        assert abs(row["power"] - expected) < 0.02 + 4 * row["power_mcse"]
    gap, error = enough["power"] - short["power"], np.hypot(enough["power_mcse"], short["power_mcse"])
    assert gap - 4 * error > 0.1
    assert enough["in_window"] > 0.75
    assert short["in_window"] < 0.6
    assert enough["months"] == pytest.approx(short["months"], abs=0.5)
