"""Every Monte Carlo error that `power` states, against the spread over 64 seeds of 150 trials.

The truth is simulated from a tenth of the usual patients: its stated error and its spread both follow, and the test is
four times as fast.

The spread of 64 values is known to 1/√126 = 9 %, so that a stated error may be off by 36 % (4 of these) before the
test can tell it from a right one. Errors of shares are Agresti and Coull's, larger than the spread near 0 and 1 by
intention; of type S, too few trials reject wrongly for a spread. They are tested for being too small only.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from kaptrial.questions.power import shared, truth
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.characteristics import characteristics
from kaptrial.scenario.files import load
from tests import ROOT

PATIENTS = 50
SEEDS, TRIALS, TOLERANCE = 64, 150, 4 / np.sqrt(2 * 63)
SHARES = ("power", "type_i_error", "false_synergy_rate", "expectancy_only_rate", "coverage", "type_s", "familywise")
# A 2×2, therapists, rescue and dropout, one arm, a margin, a crossover, times, several arms under multiplicity, shares.
SCENARIOS = (
    "kare_factorial", "starter", "rescue_and_dropout", "oral_titration_single_arm", "depression_noninferiority_ect",
    "ocd_crossover", "depression_maintenance", "anxiety_ascending_dose", "alcohol_single_infusion_met",
)  # fmt: skip


def few_patients(scenario, absent, _, counterfactual=truth._counterfactual):
    """A world of 50 patients a replicate in place of 250."""
    return counterfactual(scenario, absent, max(PATIENTS, 2 * len(scenario.arms), sum(scenario.ratio)))


@pytest.mark.validation
@pytest.mark.parametrize("name", SCENARIOS)
def test_stated_errors_are_those_of_repeated_runs(name, monkeypatch):
    for each in ("truths", "truths_if_additive", "truths_without_expectancy"):
        monkeypatch.setattr(shared, each, partial(getattr(truth, each), blocks=1))
    monkeypatch.setattr(truth, "_counterfactual", few_patients)
    scenario = replace(load(ROOT / "scenarios" / f"{name}.yaml"), variants=None)
    values, errors = defaultdict(list), defaultdict(list)
    for seed in range(1, SEEDS + 1):
        (result,) = characteristics([Cell(scenario=scenario, columns={})], seed=seed, replicates=TRIALS)
        for row in result.rows:
            values[row.question, row.metric].append(row.value)
            errors[row.question, row.metric].append(row.mcse)
    checked = 0
    for key, estimates in values.items():
        x, stated = np.array(estimates), np.array(errors[key])
        if len(x) < SEEDS or not np.isfinite(x).all() or x.std() == 0:
            continue  # a metric that some seed did not have
        ratio = x.std(ddof=1) / np.sqrt(np.mean(stated**2))
        assert ratio < 1 + TOLERANCE, (key, ratio)
        if not key[1].startswith(SHARES):
            assert ratio > 1 / (1 + TOLERANCE), (key, ratio)
        checked += 1
    assert checked > 8
