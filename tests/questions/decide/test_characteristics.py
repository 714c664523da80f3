"""Operating characteristics of Bayesian decisions against those of the tests they resemble."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from kaptrial.catalogue.effect_priors import DOUBT, HOPED
from kaptrial.errors import FieldError, UserError
from kaptrial.questions.decide.calibration import calibrated, threshold
from kaptrial.questions.decide.characteristics import decisions, large_priors
from kaptrial.questions.decide.nuisance import worlds
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.characteristics import characteristics
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
    rows = decisions([deciding(cell, rule, looks)], **{"seed": 3, "replicates": 640, "nuisance": False, **options})
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
    one, two = (decisions([cell], seed=3, replicates=256, nuisance=False, workers=n) for n in (1, 2))
    assert one == two


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


def test_go_at_a_look_is_the_group_sequential_test() -> None:
    """Under a flat prior with O'Brien & Fleming's limits for two looks (z = 2.797 and 1.977) the trial ends in go with
    one-sided error .025, and with the power of the bivariate normal; what the first look ends is its tail alone. The
    t-like tails of the look, at half of 120 an arm, take less than .004.
    """
    n, limits = 120, (2.797, 1.977)
    look = Look(share=0.5, futility=0.0, efficacy=float(stats.norm.cdf(limits[0])))
    rule = DecisionRule(design_priors=("scenario", "null"), priors=("flat",), go=float(stats.norm.cdf(limits[1])))
    cell = Cell(scenario=build(clean_raw(n_per_arm=n, delta=3.0)), columns={})
    rows = table(cell, rule, (look,), seed=5, replicates=6400)
    v = 2 * TOTAL_SD**2 * (1 - CORRELATION**2) / n * (1 + 1 / (2 * n - 4))
    both = stats.multivariate_normal([0, 0], [[1, np.sqrt(0.5)], [np.sqrt(0.5), 1]])
    for design, drift in (("null", 0.0), ("scenario", 3.0 / np.sqrt(v))):
        early, late = limits[0] - drift * np.sqrt(0.5), limits[1] - drift
        go, stopped = rows[design, "flat", "go"], rows[design, "flat", "stopped"]
        assert abs(go["value"] - (1 - both.cdf([early, late]))) < 0.004 + 4 * go["mcse"]
        assert abs(stopped["value"] - stats.norm.sf(early)) < 0.004 + 4 * stopped["mcse"]
        patients = rows[design, "flat", "patients"]["value"]
        assert patients == pytest.approx(2 * n - stopped["value"] * n, rel=1e-12)


def test_the_share_stopped_for_futility_is_the_closed_form() -> None:
    """Under a flat prior and a known variance the predictive probability at half of the information is
    Φ(√2 z − c), c = 1.96 (Spiegelhalter, Freedman & Blackburn 1986): below .05 where z < (c − 1.645)/√2. The unknown
    variance moves the share by less than .004 at 120 an arm.
    """
    n = 120
    cell = Cell(scenario=build(clean_raw(n_per_arm=n, delta=3.0)), columns={})
    rule = DecisionRule(design_priors=("scenario", "null"), priors=("flat",))
    rows = table(cell, rule, (Look(share=0.5),), seed=6, replicates=2560)
    v = 2 * TOTAL_SD**2 * (1 - CORRELATION**2) / n * (1 + 1 / (n - 4))
    for design, drift in (("null", 0.0), ("scenario", 3.0 / np.sqrt(v))):
        stopped = rows[design, "flat", "stopped"]
        limit = (stats.norm.ppf(0.975) - stats.norm.ppf(0.95)) / np.sqrt(2)
        exact = stats.norm.cdf(limit - drift * np.sqrt(0.5))
        assert abs(stopped["value"] - exact) < 0.004 + 2 * stopped["mcse"]


def test_a_prior_is_worth_its_information() -> None:
    """N(0, s²) beside a difference of variance v from 2n patients is worth 2n v/s² of them."""
    n = 60
    rule = DecisionRule(design_priors=("scenario",), priors=("skeptical", "flat"))
    rows = table(Cell(scenario=build(clean_raw(n_per_arm=n, delta=3.0)), columns={}), rule, replicates=128)
    v = 2 * TOTAL_SD**2 * (1 - CORRELATION**2) / n * (1 + 1 / (2 * n - 4))
    found = rows["scenario", "skeptical", "prior_patients"]
    assert found["value"] == pytest.approx(2 * n * v / (DOUBT * TOTAL_SD) ** 2, rel=0.02)
    assert rows["scenario", "flat", "prior_patients"]["value"] < 0.01


def test_large_priors_are_named() -> None:
    """At 60 a cell the sceptic's prior is worth more than a quarter of the patients, the weak one not."""
    cell = deciding(Cell(scenario=build(clean_raw(n_per_arm=60, delta=3.0)), columns={}), DecisionRule())
    (note,) = large_priors(cell, decisions([cell], seed=3, replicates=128, nuisance=False))
    assert "skeptical" in note.text
    assert "weak" not in note.text


def test_type_one_error_is_told_in_other_worlds() -> None:
    """In a clean trial the planned spread is the unit of the prior, and a larger one changes nothing under a flat one:
    .025 in every world; the sceptic's errors are fewer."""
    raw = clean_raw(n_per_arm=60, delta=3.0)
    rule = DecisionRule(priors=("flat", "skeptical"), nuisance={"measurement.deviation_sd": (2.0, 8.0)})
    cell = Cell(scenario=replace(build(raw), decision=rule), columns={})
    rows = [row for row in decisions([cell], seed=3, replicates=1280) if row.metric == "type_1_error"]
    found = {(row.question.column("analysis_prior"), row.question.column("nuisance")): row for row in rows}
    worlds = ("measurement.deviation_sd = 2", "measurement.deviation_sd = 8")
    assert set(found) == {(prior, world) for prior in rule.priors for world in worlds}
    for world in worlds:
        assert abs(found["flat", world].value - 0.025) < 4 * found["flat", world].mcse
        assert found["skeptical", world].value <= found["flat", world].value


def test_the_usual_worlds_leave_what_is_asked_alone() -> None:
    """A 2×2 has its therapies, drug, spread, correlation, therapists and dropout varied; a test of the therapy not the
    therapy."""
    both = {world.label.partition(" = ")[0] for world in worlds(load(SCENARIOS / "ketamine_by_cbt.yaml"))}
    assert both == {
        "therapies.cbt.max_effect", "therapies.tau.max_effect", "drug.share", "measurement.deviation_sd",
        "measurement.deviation_time_constant", "therapies.cbt.therapists.sd", "conduct.dropout.hazard",
    }  # fmt: skip
    assert not any("max_effect" in world.label for world in worlds(load(SCENARIOS / "starter.yaml")))


def test_calibrated_go_keeps_the_type_one_error() -> None:
    """Under a flat prior the threshold is 1 − α within its error, and power that of the closed form; the sceptic's is
    lower and as powerful: after calibration one normal prior is as good as another."""
    raw = clean_raw(n_per_arm=120, delta=3.0)
    rule = DecisionRule(priors=("flat", "skeptical"), nuisance={"measurement.deviation_sd": (6.0,)})
    cell = Cell(scenario=replace(build(raw), decision=rule), columns={})
    found = calibrated(cell, alpha=0.025, seed=4, replicates=6400)
    rows = {(row.question.column("analysis_prior"), row.metric): row for row in found.rows}
    at = rows["flat", "go_threshold"]
    assert abs(at.value - 0.975) < 4 * at.mcse
    assert rows["skeptical", "go_threshold"].value < at.value
    for prior in rule.priors:
        worst = rows[prior, "largest_type_1_error"]
        assert worst.value <= 0.025 + 2 * np.sqrt(0.025 * 0.975 / 6400)
    v = 2 * TOTAL_SD**2 * (1 - CORRELATION**2) / 120 * (1 + 1 / 236)
    exact = stats.norm.sf(stats.norm.ppf(at.value) - 3.0 / np.sqrt(v))
    assert abs(rows["flat", "power"].value - exact) < 0.004 + 4 * rows["flat", "power"].mcse
    assert abs(rows["skeptical", "power"].value - rows["flat", "power"].value) < 0.02


def test_a_threshold_lets_at_most_its_share_through() -> None:
    rng = np.random.default_rng(1)
    by_world = [rng.random(2000), rng.beta(2, 1, 2000)]
    at = threshold(by_world, 0.05)
    assert max(np.mean(evidence >= at) for evidence in by_world) <= 0.05
    assert max(np.mean(evidence >= at - 0.005) for evidence in by_world) > 0.05
    with pytest.raises(UserError, match="efficacy"):
        threshold([np.where(rng.random(2000) < 0.1, np.inf, 0.5)], 0.05)


def test_what_cannot_be_calibrated_is_said(cbt: Cell) -> None:
    with pytest.raises(FieldError, match="between 0 and"):
        calibrated(cbt, alpha=0.6, seed=1, replicates=128)
    rule = DecisionRule(nuisance={"drug.nothing": (1.0,)})
    with pytest.raises(UserError, match=r"drug\.nothing"):
        worlds(replace(cbt.scenario, decision=rule))
