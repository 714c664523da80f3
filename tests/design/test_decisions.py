"""Operating characteristics of Bayesian decisions against those of the tests they resemble."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from kaptrial.bayes.decisions import Rule
from kaptrial.catalogue.effect_priors import DOUBT, HOPED
from kaptrial.design.characteristics import Cell, characteristics
from kaptrial.design.decisions import Interim, Plan, decisions
from kaptrial.errors import UserError
from kaptrial.spec.files import build, load
from tests.clean import CORRELATION, TOTAL_SD, clean_raw

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.fixture(scope="module")
def cbt() -> Cell:
    scenario = load(SCENARIOS / "cbt_after_ketamine.yaml")
    return Cell(scenario=replace(scenario, variants=None, secondary=()), columns={})


def table(cell, plan, **options):
    rows = decisions([cell], plan, **{"seed": 3, "replicates": 640, **options})
    return {(r["design_prior"], r["analysis_prior"], r["metric"]): r for r in rows}


def test_under_a_flat_prior_go_is_significance_on_the_better_side(cbt: Cell) -> None:
    """Same trials, same covariates: P(benefit) ≥ .975 and the two-sided test at .05 differ only by the prior of the
    residual SD, in a handful of trials near the line."""
    alone = {name: replace(therapy, therapists=None) for name, therapy in cbt.scenario.therapies.items()}
    plan = replace(cbt.scenario.analysis, methods=("ancova",))
    s = replace(cbt.scenario, analysis=plan, therapies=alone)
    cell = Cell(scenario=s, columns={})
    found = table(cell, Plan(design_priors=("scenario",), analysis_priors=("flat",), rule=Rule()))
    result = characteristics([cell], seed=3, replicates=640, nulls=False)[0]
    fit = result.fits[0, "ancova"]
    significant = ((fit.p < 0.05) & (fit.estimate < 0)).mean()
    assert abs(found["scenario", "flat", "go"]["value"] - significant) < 0.01
    sd = found["scenario", "flat", "posterior_sd"]["value"]
    assert sd == pytest.approx(fit.se.mean(), rel=0.02)


def test_verdicts_share_out_the_trials_and_the_null_makes_every_go_wrong(cbt: Cell) -> None:
    plan = Plan(design_priors=("null", "evidence"), analysis_priors=("weak",), rule=Rule(rope=2.0))
    found = table(cbt, plan, replicates=256)
    for design in plan.design_priors:
        verdicts = [found[design, "weak", m]["value"] for m in ("go", "consider", "no_go", "equivalent")]
        assert sum(verdicts) == pytest.approx(1.0)
    assert found["null", "weak", "wrong_verdict"]["value"] == found["null", "weak", "go"]["value"]
    assert found["null", "weak", "true_effect"]["value"] == 0.0
    assert found["evidence", "weak", "go"]["value"] > found["null", "weak", "go"]["value"] + 0.2


def test_what_is_believed_and_true_alike_is_calibrated(cbt: Cell) -> None:
    """Where the design prior is the analysis prior, the mean of the true effects among trials that conclude `go` is a
    benefit about as often as they say: wrong verdicts stay below what the rule allows."""
    plan = Plan(design_priors=("skeptical",), analysis_priors=("skeptical",), rule=Rule(go=0.9, no_go=0.1))
    found = table(cbt, plan, replicates=1280)
    key = ("skeptical", "skeptical")
    decided = found[*key, "go"]["value"] + found[*key, "no_go"]["value"]
    # Each verdict is wrong with probability .1 at most; 4 standard errors for the share of so many.
    assert found[*key, "wrong_verdict"]["value"] <= 0.1 * decided + 4 * np.sqrt(0.1 * decided / 1280)
    assert decided > 0.2


def test_an_interim_look_stops_the_hopeless(cbt: Cell) -> None:
    plan = Plan(
        design_priors=("scenario", "null"), analysis_priors=("weak",), rule=Rule(), interim=Interim(share=0.5)
    )  # fmt: skip
    looked = table(cbt, plan, replicates=256)
    without = table(cbt, replace(plan, interim=None), replicates=256)
    assert looked["null", "weak", "stopped"]["value"] > looked["scenario", "weak", "stopped"]["value"]
    assert looked["scenario", "weak", "go"]["value"] <= without["scenario", "weak", "go"]["value"]
    n = cbt.scenario.n_total
    stopped = looked["null", "weak", "stopped"]["value"]
    assert looked["null", "weak", "patients"]["value"] == pytest.approx(n - stopped * n / 2, abs=1.0)


def test_the_result_does_not_depend_on_the_workers(cbt: Cell) -> None:
    plan = Plan(design_priors=("scenario", "optimistic"), analysis_priors=("weak",), rule=Rule())
    assert decisions([cbt], plan, seed=3, replicates=256) == decisions([cbt], plan, seed=3, replicates=256, workers=2)


def test_draws_of_the_files_prior_make_its_assurance() -> None:
    believed = {"source": "assumption", "note": "for a test", "lognormal": {"median": 4.0, "log_sd": 0.5}}
    settings = {"prior": {"also": {"therapies.cbt.max_effect": believed}}, "secondary": [], "variants": None}
    cell = Cell(scenario=load(SCENARIOS / "cbt_after_ketamine.yaml", settings), columns={})
    found = table(cell, Plan(design_priors=("prior",), analysis_priors=("weak",), rule=Rule()), draws_of_prior=3)
    assert found["prior", "weak", "go"]["n_replicates"] == 3 * 128
    assert found["prior", "weak", "true_effect"]["mcse"] > 0


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (
            Plan(design_priors=("scenario",), analysis_priors=("sceptic",), rule=Rule()),
            "prior = 'sceptic': must be one",
        ),
        (Plan(design_priors=("hope",), analysis_priors=("weak",), rule=Rule()), "design_priors = 'hope': must be one"),
        (Plan(design_priors=("flat",), analysis_priors=("weak",), rule=Rule()), "no effect can be drawn"),
        (Plan(design_priors=("prior",), analysis_priors=("weak",), rule=Rule()), "is that of the scenario"),
    ],
)
def test_what_cannot_be_asked_is_refused(cbt: Cell, plan: Plan, says: str) -> None:
    cell = Cell(scenario=replace(cbt.scenario, prior=None), columns={})
    with pytest.raises(UserError, match=says):
        decisions([cell], plan, seed=1, replicates=128)


def test_endpoints_without_a_normal_likelihood_are_refused(cbt: Cell) -> None:
    s = replace(cbt.scenario, estimand=replace(cbt.scenario.estimand, endpoint="response"))
    s = replace(s, analysis=replace(s.analysis, methods=("response",)))
    plan = Plan(design_priors=("scenario",), analysis_priors=("weak",), rule=Rule())
    with pytest.raises(UserError, match=r"estimand.endpoint = 'response': Bayesian decisions are for"):
        decisions([Cell(scenario=s, columns={})], plan, seed=1, replicates=128)


@pytest.mark.parametrize("design", ["skeptical", "optimistic"])
@pytest.mark.parametrize("analysis", ["flat", "skeptical"])
def test_assurance_of_a_clean_trial_is_the_closed_form(design: str, analysis: str) -> None:
    """Normal design prior N(m, s²) of the true difference d, normal analysis prior N(m₀, s₀²), estimate N(d, v): the
    posterior mean is normal, and so go has a closed form (O'Hagan, Stevens & Campbell 2005).

    ANCOVA's v is averaged over its covariate by 1 + 1/(2n − 4); the posterior's t-like tails take less than .004 of the
    probability at 120 an arm. An error of 5 % in the posterior's SD fails the check of that SD.
    """
    n = 120
    raw = clean_raw(n_per_arm=n, delta=3.0)
    cell = Cell(scenario=build(raw), columns={})
    found = table(
        cell, Plan(design_priors=(design,), analysis_priors=(analysis,), rule=Rule()), seed=5, replicates=12_800
    )
    role = {"flat": (0.0, 100.0), "skeptical": (0.0, DOUBT), "optimistic": (HOPED, DOUBT)}
    (m, s), (m0, s0) = ([TOTAL_SD * x for x in role[name]] for name in (design, analysis))
    v = 2 * TOTAL_SD**2 * (1 - CORRELATION**2) / n * (1 + 1 / (2 * n - 4))
    weight = s0**2 / (s0**2 + v)
    needed = stats.norm.ppf(0.975) * np.sqrt(weight * v)
    exact = stats.norm.cdf(((1 - weight) * m0 + weight * m - needed) / (weight * np.sqrt(s**2 + v)))
    go = found[design, analysis, "go"]
    assert abs(go["value"] - exact) < 0.004 + 4 * go["mcse"]
    assert found[design, analysis, "posterior_sd"]["value"] == pytest.approx(np.sqrt(weight * v), rel=0.01)
    benefit = found[design, analysis, "benefit_is_true"]
    assert abs(benefit["value"] - stats.norm.cdf(m / s)) < 4 * benefit["mcse"]
