"""The Monte Carlo errors that control variates claim are the errors that are made, in ten scenarios."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from kaptrial.questions.clinic.operations import delivered_to
from kaptrial.questions.power.controlled import controlled_mean, controlled_share
from kaptrial.questions.power.execution import Job, run
from kaptrial.questions.power.nulls import null_runs
from kaptrial.questions.power.rows import rejects
from kaptrial.questions.power.truth import truths
from kaptrial.scenario.files import load
from tests import SCENARIOS

pytestmark = pytest.mark.validation

# Groups of replicates, of which each is a run of its own, and by which method where the scenario's is slow.
GROUPS, REPLICATES = 200, 512
# Patients of a truth: 128 replicates of so many, few enough for many truths.
PATIENTS = 8
CASES = {
    "starter": None, "depression_single_infusion": None, "ketamine_by_cbt": "ancova", "kare_factorial": None,
    "opioid_repeated_sessions": "logrank", "rescue_and_dropout": "mmrm", "wet_ptsd": "ancova",
    "cbt_after_ketamine": "ancova", "ptsd_repeated_midazolam": None, "depression_noninferiority_ect": None,
}  # fmt: skip


def groups_of(scenario, *, groups=GROUPS, replicates=REPLICATES, delivered=None):
    """The figures of each group: (group, what, [value, mcse, plain value, plain mcse]), of mean and share."""
    job = Job(
        scenario=scenario, seed=99, replicates=groups * replicates, controls=True, at_best=False, delivered=delivered,
        estimands=(0,),
    )  # fmt: skip
    (fits,) = run([job], workers=2)
    fit = next(iter(fits.values()))
    found = []
    for g in range(groups):
        part = slice(g * replicates, (g + 1) * replicates)
        arrays = {f.name: getattr(fit, f.name) for f in fields(fit)}
        own = replace(fit, **{name: x[part] for name, x in arrays.items() if x is not None})
        ok = own.failure == 0
        both = controlled_mean(own.estimate[ok], own, ok), controlled_share(rejects(own, 0.05), own)
        found.append([[x.value, x.mcse, x.value_plain, x.mcse_plain] for x in both])
    return np.array(found)


def assert_honest(found):
    """The variance between groups over the mean MCSE² is 1 within 4 SE, √(2/groups); no MCSE is above the plain one;
    and what is taken away has mean 0 within 4 SE."""
    for k in range(2):
        value, mcse, value_plain, plain = found[:, k].T
        taken = value - value_plain
        assert abs(taken.mean()) <= 4 * taken.std(ddof=1) / np.sqrt(len(taken))
        assert value.var(ddof=1) / np.mean(mcse**2) == pytest.approx(1.0, abs=4 * np.sqrt(2 / len(found)))
        assert (mcse <= plain).all()


@pytest.mark.parametrize("name", CASES)
def test_errors_are_honest_with_and_without_an_effect(name):
    method = CASES[name]
    s = load(SCENARIOS / f"{name}.yaml", {"analysis.methods": [method], "secondary": []} if method else {})
    s = replace(s, variants=None)
    for scenario in (s, *(each.scenario for each in null_runs(s)[:1])):
        assert_honest(groups_of(scenario))


@pytest.mark.parametrize("name", CASES)
def test_errors_of_truths_are_honest(name):
    """Their variance over the seeds, against the mean of the squared errors: a jackknife of 20 groups each."""
    s = replace(load(SCENARIOS / f"{name}.yaml"), variants=None)
    s = replace(s, secondary=())
    found = [truths(s, seed=seed, blocks=1, patients=PATIENTS)[0] for seed in range(GROUPS)]
    values, errors = np.array([(truth.value, truth.mcse) for truth in found]).T
    assert values.var(ddof=1) / np.mean(errors**2) == pytest.approx(1.0, abs=4 * np.sqrt(2 / GROUPS))


def test_errors_are_honest_in_a_clinic():
    s = replace(load(SCENARIOS / "clinic_one_therapist_short.yaml", {"analysis.methods": ["ancova"]}), variants=None)
    (delivered,) = delivered_to([s], seed=99, replicates=32 * REPLICATES, workers=2)
    assert_honest(groups_of(s, groups=32, delivered=delivered))


def test_the_gains_that_are_documented():
    """Variance of the plain figure over that of the controlled one; docs/precision.md quotes the figures."""
    gains = {}
    for name in ("starter", "cbt_after_ketamine"):
        s = replace(load(SCENARIOS / f"{name}.yaml"), variants=None)
        found = groups_of(s, groups=16, replicates=1000)
        gains[name] = [float(np.mean(found[:, k, 3] ** 2) / np.mean(found[:, k, 1] ** 2)) for k in range(2)]
    print(gains)
    assert gains["starter"][0] > 20
    assert gains["starter"][1] > 3
    assert gains["cbt_after_ketamine"][0] > 2.5
    assert gains["cbt_after_ketamine"][1] > 1.5
