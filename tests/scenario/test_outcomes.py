"""Several outcomes a patient, from one illness: what is drawn, what is asked of them, and what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
import yaml

import kaptrial as kt
from kaptrial.cli import main
from kaptrial.errors import ScenarioError
from kaptrial.model import measurement
from kaptrial.questions.power.rows import rejects
from kaptrial.questions.power.truth import truths
from kaptrial.scenario.files import as_raw, build, dump, load
from kaptrial.simulation.simulate import simulate, simulate_block
from tests import SCENARIOS
from tests.builders import number

PARTS = ("drug", "therapy", "natural_course", "expectancy")


def several(*, others, secondary=(), base="starter.yaml", **settings):
    """A scenario of the folder with its outcome as the primary one, and others beside it."""
    raw = as_raw(load(SCENARIOS / base, {"design.n_per_arm": 40} | settings))
    raw["outcomes"] = {"first": {**raw.pop("outcome"), "primary": True}, **others}
    raw["secondary"] = list(secondary)
    return raw


def other(raw_measurement, *, loading=1.0, correlation=0.0, rater=None, sd=5.0, **more):
    """An outcome that differs from the primary one in name, unless told."""
    correlations = {"baseline": number(correlation, "none"), "deviation": number(correlation, "none")}
    if rater is not None:
        correlations["rater"] = number(rater, "none")
    loadings = {part: number(loading, "none") for part in PARTS}
    return {
        "scale": "MADRS",
        "baseline": number(32.0, "points", sd=sd),
        "measurement": raw_measurement,
        "loadings": {"per": "point", **loadings},
        "correlation": correlations,
    } | more


def measured(base="starter.yaml"):
    return as_raw(load(SCENARIOS / base))["measurement"]


def test_an_outcome_with_loading_and_correlation_one_and_the_same_noise_is_the_first_to_the_rounding_of_sums():
    raw = several(others={})
    twin = other(raw["measurement"], correlation=1.0, rater=1.0)
    twin["baseline"] = raw["population"]["baseline"]
    raw["outcomes"]["twin"] = twin
    trials = simulate(build(raw), seed=3, replicates=20)
    own = trials.of("twin")
    for name in ("baseline", "score", "latent", "outcome"):
        np.testing.assert_allclose(getattr(own, name), getattr(trials, name), atol=1e-9)


@pytest.mark.parametrize("base", ["starter.yaml", "rescue_and_dropout.yaml", "kare_factorial.yaml"])
def test_the_primary_outcome_has_the_same_bytes_with_others_beside_it(base):
    alone = load(SCENARIOS / base)
    raw = several(
        others={"mood": other(measured(), correlation=0.3)}, base=base, **{"design.n_per_arm": alone.design.n_per_arm}
    )
    raw["outcomes"]["mood"]["visits"] = [0, *[int(day) for day in alone.design.visits[-2:]]]
    without, beside = (simulate_block(s, seed=5, block=0, full=True) for s in (alone, build(raw)))
    for name in ("baseline", "score", "latent", "outcome"):
        np.testing.assert_array_equal(getattr(without, name), getattr(beside, name))


def test_scores_correlate_as_declared():
    """Over 20 × 2,000 patients the SE of a correlation is .005."""
    quiet = {**measured(), "round": False, "clip": False}
    raw = several(others={}, **{"design.n_per_arm": 1000})
    raw["measurement"] = quiet
    raw["population"].pop("entry", None)
    raw["outcomes"]["second"] = other(quiet, loading=0.0, correlation=0.6, rater=0.6)
    trials = simulate(build(raw), seed=2, replicates=20)
    second = trials.of("second")
    within = np.corrcoef(trials.baseline.ravel(), second.baseline.ravel())[0, 1]
    assert within == pytest.approx(0.6, abs=4 * 0.005)
    change = [x.score[..., -1] - x.score[..., -2] for x in (trials, second)]
    noise = [x - np.nanmean(x) for x in change]
    seen = ~np.isnan(noise[0])
    assert 0.1 < np.corrcoef(noise[0][seen], noise[1][seen])[0, 1] <= 0.6 + 4 * 0.005


def test_loadings_scale_what_each_part_of_improvement_is_worth():
    raw = several(others={})
    raw["outcomes"]["half"] = other(raw["measurement"], loading=0.5)
    raw["outcomes"]["sds"] = other(raw["measurement"], loading=1.0, sd=10.0)
    raw["outcomes"]["sds"]["loadings"]["per"] = "sd"
    trials = simulate(build(raw), seed=1, replicates=4)
    gained = {name: trials.of(name).latent[..., :1] - trials.of(name).latent for name in (None, "half", "sds")}
    np.testing.assert_allclose(gained["half"], 0.5 * gained[None], atol=1e-9)
    spread = raw["population"]["baseline"]["sd"]
    np.testing.assert_allclose(gained["sds"], 10.0 / spread * gained[None], atol=1e-9)


def test_deviations_between_known_days_have_the_covariance_of_the_process():
    """100,000 draws: an SE of a correlation of at most .0032."""
    rng, days, between = np.random.default_rng(1), np.array([0.0, 7.0, 28.0]), np.array([0.0, 2.5, 7.0, 11.5, 30.0])
    z = rng.standard_normal((1, 100_000, 3))
    known = measurement.ornstein_uhlenbeck(z[..., 0], z[..., 1:], days, 1.0, 9.0)
    drawn = measurement.between(days, known, between, rng.standard_normal((1, 100_000, 5)), 1.0, 9.0)
    found = np.corrcoef(np.concatenate([known[0], drawn[0]], axis=1).T)
    every = np.concatenate([days, between])
    np.testing.assert_allclose(found, np.exp(-np.abs(every[:, None] - every) / 9.0), atol=4 * 0.0032)


def test_days_and_scores_stand_beside_each_other_with_their_own_visits():
    drinking = other(measured(), loading=0.1, correlation=-0.4)
    drinking |= {"scale": "percent_abstinent_days", "visits": [0, 28]}
    drinking["baseline"] = number(-0.5, "logit", sd=1.0)
    drinking["measurement"] = {
        "deviation_sd": number(1.0, "logit"),
        "deviation_time_constant": number(7.0, "day"),
        "rater_sd": number(0.0, "logit"),
    }
    asked = [
        {"contrast": "ketamine - midazolam", "day": 28, "outcome": "drinking", "endpoint": "percent_abstinent_days"}
    ]
    raw = several(others={"drinking": drinking}, secondary=asked)
    contrast = raw["estimand"]["contrast"]
    raw["secondary"][0]["contrast"] = contrast
    s = build(raw)
    trials = simulate(s, seed=1, replicates=40)
    own = trials.of("drinking")
    assert list(own.days) == [0.0, 28.0]
    before = np.corrcoef(trials.baseline.ravel(), own.baseline.ravel())[0, 1]
    assert -0.5 < before < -0.1
    results = kt.power(s, replicates=64, seed=1)
    rows = {(row.question.outcome, row.metric) for row in results.rows}
    assert {("first", "power"), ("drinking", "power"), ("drinking", "truth")} <= rows
    frame = trials.to_frame()
    assert frame.loc[frame["day"] == 28, "drinking"].notna().any()
    assert frame.loc[(frame["day"] > 0) & (frame["day"] < 28), "drinking"].isna().all()


def test_joint_power_of_outcomes_that_share_nothing_is_the_product_of_their_powers():
    """The second outcome has no loading and no correlation; no patient drops out."""
    asked = [{"contrast": "x", "day": 28, "outcome": "apart"}]
    raw = several(others={}, secondary=asked)
    raw["outcomes"]["apart"] = other(raw["measurement"], loading=0.0)
    raw["secondary"][0]["contrast"] = raw["estimand"]["contrast"]
    raw["conduct"] = {}
    raw["analysis"] = {"methods": ["ancova"], "alpha": 0.4}
    results = kt.power(build(raw), replicates=2000, seed=4)
    fits = results.cells[0].fits
    first, second = (rejects(fits[i, "ancova"], 0.4) for i in (0, 1))
    product, joint = first.mean() * second.mean(), (first & second).mean()
    assert joint == pytest.approx(product, abs=4 * np.sqrt(joint * (1 - joint) / 2000))


def test_familywise_error_over_correlated_outcomes_is_held():
    asked = [{"contrast": "x", "day": 28, "outcome": name} for name in ("second", "third")]
    raw = several(others={}, secondary=asked)
    for estimand in raw["secondary"]:
        estimand["contrast"] = raw["estimand"]["contrast"]
    for name, rho in (("second", 0.5), ("third", 0.8)):
        raw["outcomes"][name] = other(raw["measurement"], correlation=rho)
    raw["analysis"] = {"methods": ["ancova"], "multiplicity": {"procedure": "holm"}}
    raw["conduct"] = {}
    results = kt.power(build(raw), replicates=2000, seed=6)
    errors = [row for row in results.rows if row.metric.startswith("familywise_error")]
    assert errors
    for row in errors:
        assert row.value <= 0.05 + 4 * row.mcse


def test_truth_of_another_outcome_is_on_its_own_scale():
    asked = [{"contrast": "x", "day": 28, "outcome": "half"}]
    raw = several(others={}, secondary=asked)
    raw["secondary"][0]["contrast"] = raw["estimand"]["contrast"]
    quiet = {**raw["measurement"], "round": False, "clip": False}
    raw["measurement"] = quiet
    raw["estimand"]["day"] = 28
    raw["outcomes"]["half"] = other(quiet, loading=0.5)
    first, half = truths(build(raw), seed=1)
    assert half.value == pytest.approx(0.5 * first.value, abs=1e-9)


REFUSED = {
    "two primaries": (
        lambda o: o["mood"].clear() or o["mood"].update(scale="ISI", primary=True),
        "outcomes",
        "one of them",
    ),
    "no primary": (lambda o: o.pop("first"), "outcomes", "none of them"),
    "no loadings": (lambda o: o["mood"].pop("loadings"), "outcomes.mood.loadings", "must be given"),
    "loading without unit": (lambda o: o["mood"]["loadings"].pop("per"), "outcomes.mood.loadings.per", "must be given"),
    "visit that is none": (
        lambda o: o["mood"].update(visits=[0, 13]),
        "outcomes.mood.visits[1]",
        "visit of the design",
    ),
    "unit": (lambda o: o["mood"]["baseline"].update(unit="logit"), "outcomes.mood.baseline.unit", "points"),
    "beyond the scale": (lambda o: o["mood"]["baseline"].update(value=99.0), "outcomes.mood.baseline.value", "0 to 60"),
    "correlation": (
        lambda o: o["mood"]["correlation"]["baseline"].update(value=1.5),
        "outcomes.mood.correlation.baseline.value",
        "1",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_one_line(case, tmp_path, capsys):
    change, path, allowed = REFUSED[case]
    raw = several(others={"mood": other(measured())})
    change(raw["outcomes"])
    file = tmp_path / "s.yaml"
    file.write_text(yaml.safe_dump(raw, sort_keys=False))
    with pytest.raises(ScenarioError) as error:
        load(file)
    lines = str(error.value).splitlines()
    assert len(lines) == 1, lines
    assert path in lines[0]
    assert allowed in lines[0]


def test_questions_about_unknown_outcomes_and_a_primary_estimand_about_another_are_refused():
    raw = several(others={"mood": other(measured())})
    raw["estimand"]["outcome"] = "mood"
    with pytest.raises(ScenarioError, match="questions about others are secondary"):
        build(raw)
    raw["estimand"]["outcome"] = "moood"
    with pytest.raises(
        ScenarioError, match=re.escape("estimand.outcome = 'moood': must be one of the outcomes declared: first, mood")
    ):
        build(raw)


def test_describe_and_check_name_the_outcomes(tmp_path, capsys):
    raw = several(others={"mood": other(measured())}, secondary=[{"contrast": "x", "day": 28, "outcome": "mood"}])
    raw["secondary"][0]["contrast"] = raw["estimand"]["contrast"]
    file = tmp_path / "s.yaml"
    file.write_text(dump(build(raw)))
    with pytest.raises(SystemExit):
        main(["check", str(file)])
    assert "of mood" in capsys.readouterr().out
