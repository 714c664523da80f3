"""Operating characteristics of Bayesian decisions against those of the tests they resemble."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from kaptrial.catalogue.effect_priors import DOUBT, HOPED
from kaptrial.errors import FieldError, UserError
from kaptrial.questions.decide.characteristics import decisions
from kaptrial.questions.power.characteristics import Cell, characteristics
from kaptrial.results import Row
from kaptrial.scenario.decision import DecisionRule
from kaptrial.scenario.files import build, load
from kaptrial.scenario.trial import Look
from tests import SCENARIOS
from tests.builders import CORRELATION, TOTAL_SD, clean_raw


@pytest.fixture(scope="module")
def cbt() -> Cell:
    scenario = load(SCENARIOS / "cbt_after_ketamine.yaml")
    return Cell(scenario=replace(scenario, variants=None, secondary=()), columns={})


def deciding(cell: Cell, rule: DecisionRule, looks: tuple[Look, ...] = ()) -> Cell:
    s = cell.scenario
    return replace(cell, scenario=replace(s, decision=rule, design=replace(s.design, looks=looks)))


def table(cell, rule, looks=(), **options):
    rows = decisions([deciding(cell, rule, looks)], **{"seed": 3, "replicates": 640, **options})
    return {(r["design_prior"], r["analysis_prior"], r["metric"]): r for r in map(Row.flat, rows)}


def test_under_a_flat_prior_go_is_significance_on_the_better_side(cbt: Cell) -> None:
    """Same trials, same covariates: P(benefit) ≥ .975 and the two-sided test at .05 differ only by the prior of the
    residual SD, in a handful of trials near the line."""
    alone = {name: replace(therapy, therapists=None) for name, therapy in cbt.scenario.therapies.items()}
    plan = replace(cbt.scenario.analysis, methods=("ancova",))
    s = replace(cbt.scenario, analysis=plan, therapies=alone)
    cell = Cell(scenario=s, columns={})
    rows = table(cell, DecisionRule(design_priors=("scenario",), priors=("flat",)))
    result = characteristics([cell], seed=3, replicates=640, nulls=False)[0]
    fit = result.fits[0, "ancova"]
    significant = ((fit.p < 0.05) & (fit.estimate < 0)).mean()
    assert abs(rows["scenario", "flat", "go"]["value"] - significant) < 0.01
    sd = rows["scenario", "flat", "posterior_sd"]["value"]
    assert sd == pytest.approx(fit.se.mean(), rel=0.02)


def test_verdicts_share_out_the_trials_and_the_null_makes_every_go_wrong(cbt: Cell) -> None:
    rule = DecisionRule(design_priors=("null", "evidence"), priors=("weak",), rope=2.0)
    rows = table(cbt, rule, replicates=256)
    for design in rule.design_priors:
        verdicts = [rows[design, "weak", m]["value"] for m in ("go", "consider", "no_go", "equivalent")]
        assert sum(verdicts) == pytest.approx(1.0)
    assert rows["null", "weak", "wrong_verdict"]["value"] == rows["null", "weak", "go"]["value"]
    assert rows["null", "weak", "true_effect"]["value"] == 0.0
    assert rows["evidence", "weak", "go"]["value"] > rows["null", "weak", "go"]["value"] + 0.2


def test_what_is_believed_and_true_alike_is_calibrated(cbt: Cell) -> None:
    """Where the design prior is the analysis prior, the mean of the true effects among trials that conclude `go` is a
    benefit about as often as they say: wrong verdicts stay below what the rule allows."""
    rule = DecisionRule(design_priors=("skeptical",), priors=("skeptical",), go=0.9, no_go=0.1)
    rows = table(cbt, rule, replicates=1280)
    key = ("skeptical", "skeptical")
    decided = rows[*key, "go"]["value"] + rows[*key, "no_go"]["value"]
    # Each verdict is wrong with probability .1 at most; 4 standard errors for the share of so many.
    assert rows[*key, "wrong_verdict"]["value"] <= 0.1 * decided + 4 * np.sqrt(0.1 * decided / 1280)
    assert decided > 0.2


def test_an_interim_look_stops_the_hopeless(cbt: Cell) -> None:
    rule = DecisionRule(priors=("weak",))
    looked = table(cbt, rule, (Look(share=0.5),), replicates=256)
    without = table(cbt, rule, replicates=256)
    assert looked["null", "weak", "stopped"]["value"] > looked["scenario", "weak", "stopped"]["value"]
    assert looked["scenario", "weak", "go"]["value"] <= without["scenario", "weak", "go"]["value"]
    n = cbt.scenario.n_total
    stopped = looked["null", "weak", "stopped"]["value"]
    assert looked["null", "weak", "patients"]["value"] == pytest.approx(n - stopped * n / 2, abs=1.0)


def test_a_trial_that_has_stopped_is_not_looked_at_again(cbt: Cell) -> None:
    """A second look at which nothing can stop changes nothing. One that stops others leaves the first's stopped: the
    trials that stop at either are those of the first and more, and each counts the patients of its own look."""
    rule, first = DecisionRule(design_priors=("null",), priors=("weak",)), Look(share=0.5)
    once = table(cbt, rule, (first,), replicates=128)
    assert table(cbt, rule, (first, Look(share=0.75, futility=0.0)), replicates=128) == once
    twice = table(cbt, rule, (first, Look(share=0.75, futility=0.1)), replicates=128)
    n, (early, either) = cbt.scenario.n_total, (t["null", "weak", "stopped"]["value"] for t in (once, twice))
    assert either > early > 0
    patients = n - early * (n - round(0.5 * n)) - (either - early) * (n - round(0.75 * n))
    assert twice["null", "weak", "patients"]["value"] == pytest.approx(patients, rel=1e-12)


def test_the_result_does_not_depend_on_the_workers(cbt: Cell) -> None:
    cell = deciding(cbt, DecisionRule(design_priors=("scenario", "optimistic"), priors=("weak",)))
    assert decisions([cell], seed=3, replicates=256) == decisions([cell], seed=3, replicates=256, workers=2)


def test_draws_of_the_files_prior_make_its_assurance() -> None:
    believed = {"source": "assumption", "note": "for a test", "lognormal": {"median": 4.0, "log_sd": 0.5}}
    settings = {"prior": {"also": {"therapies.cbt.max_effect": believed}}, "secondary": [], "variants": None}
    cell = Cell(scenario=load(SCENARIOS / "cbt_after_ketamine.yaml", settings), columns={})
    rows = table(cell, DecisionRule(design_priors=("prior",), priors=("weak",)), draws_of_prior=3)
    assert rows["prior", "weak", "go"]["n_replicates"] == 3 * 128
    assert rows["prior", "weak", "true_effect"]["mcse"] > 0


def test_a_design_prior_needs_something_to_draw_from(cbt: Cell) -> None:
    """A prior of the scenario; and a null to which an effect can be added: the arms of a drug with therapy against
    neither have none."""
    cell = deciding(cbt, DecisionRule(design_priors=("scenario", "prior")))
    with pytest.raises(FieldError, match=r"design_priors\[1\] = 'prior': needs the scenario's own prior"):
        decisions([cell], seed=1, replicates=128)
    kare = load(
        SCENARIOS / "kare_factorial.yaml",
        {"estimand.contrast": "ketamine_therapy - saline_education", "secondary": []},
    )
    with pytest.raises(FieldError, match=r"design_priors\[0\] = 'null': must be scenario or prior"):
        decisions([Cell(scenario=kare, columns={})], seed=1, replicates=128)


def test_endpoints_without_a_normal_likelihood_are_refused(cbt: Cell) -> None:
    s = replace(cbt.scenario, estimand=replace(cbt.scenario.estimand, endpoint="response"))
    s = replace(s, analysis=replace(s.analysis, methods=("response",)))
    with pytest.raises(UserError, match=r"estimand.endpoint = 'response': Bayesian decisions are for"):
        decisions([Cell(scenario=s, columns={})], seed=1, replicates=128)


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
    rows = table(cell, DecisionRule(design_priors=(design,), priors=(analysis,)), seed=5, replicates=12_800)
    role = {"flat": (0.0, 100.0), "skeptical": (0.0, DOUBT), "optimistic": (HOPED, DOUBT)}
    (m, s), (m0, s0) = ([TOTAL_SD * x for x in role[name]] for name in (design, analysis))
    v = 2 * TOTAL_SD**2 * (1 - CORRELATION**2) / n * (1 + 1 / (2 * n - 4))
    weight = s0**2 / (s0**2 + v)
    needed = stats.norm.ppf(0.975) * np.sqrt(weight * v)
    exact = stats.norm.cdf(((1 - weight) * m0 + weight * m - needed) / (weight * np.sqrt(s**2 + v)))
    go = rows[design, analysis, "go"]
    assert abs(go["value"] - exact) < 0.004 + 4 * go["mcse"]
    assert rows[design, analysis, "posterior_sd"]["value"] == pytest.approx(np.sqrt(weight * v), rel=0.01)
    benefit = rows[design, analysis, "benefit_is_true"]
    assert abs(benefit["value"] - stats.norm.cdf(m / s)) < 4 * benefit["mcse"]
