"""A named prior's draws become scenarios: every number by hand, and the same scores as the replicas of trials."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from kaptrial.catalogue import priors, reader
from kaptrial.errors import ScenarioError
from kaptrial.evidence import published_arm
from kaptrial.evidence.published_arm import Baseline, arm_scenario, new_trial_effects, scores_by_block
from kaptrial.evidence.shipped_priors import PRIOR
from kaptrial.evidence.synthesis.arms import Course
from kaptrial.evidence.synthesis.model import PARAMETERS, VECTORS
from kaptrial.evidence.synthesis.shipped import as_table, from_table
from kaptrial.priors.constants import LEAST_TRAIT, ONSET_DAYS, RATER_SD, TRIAL_DF
from kaptrial.priors.design_prior import TRIAL_EFFECTS, draws, with_draw
from kaptrial.scenario.checks import ketamine_routes
from kaptrial.scenario.files import build, read_raw, with_prior
from kaptrial.scenario.sourced import ByArm
from kaptrial.simulation.simulate import simulate
from tests.scenario.malformed import STARTER

ONE = {
    "logit_share": 0.9, "logit_share_sd": 0.7, "log_ec50": -0.8, "log_half_life": 1.9, "log_half_life_sd": 0.9,
    "durable_share": 0.08, "non_responders": 0.15, "expectancy": 0.12, "belief_open": 0.9, "belief_ketamine": 0.8,
    "belief_midazolam": 0.6, "belief_saline": 0.1, "belief_placebo": 0.3, "between_belief": 0.0, "elsewhere_ratio": 2.0,
    "expectancy_half_life": 20.0, "natural": 0.07, "natural_sd": 0.1, "therapy": 0.1, "exposure_therapy": 0.3,
    "deviation_sd": 0.1, "deviation_time_constant": 9.0, "between_logit_share": 0.0, "between_course": 0.0,
    "between_log_half_life": 0.0,
}  # fmt: skip
BASELINE = 32.0
EFFECT = "therapies.cbt.max_effect.value"


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Write a prior of the catalogue: two draws alike, with changes."""
    caches = (priors.prior_names, priors.columns, priors.populations, reader.source_keys)

    def write(**changes: float) -> None:
        values = ONE | changes
        table = {name: np.full(2, values[name]) for name in PARAMETERS}
        table |= {name: np.tile(np.arange(len(levels)) / 10.0, (2, 1)) for name, levels in VECTORS.items()}
        names, rows = as_table(table)
        folder = tmp_path / "data" / "priors"
        folder.mkdir(parents=True, exist_ok=True)
        lines = [",".join(names), *(",".join(f"{x:.17g}" for x in row) for row in rows)]
        (folder / "tiny.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for cached in caches:
            cached.cache_clear()

    monkeypatch.setattr(priors, "files", lambda package: tmp_path)
    yield write
    monkeypatch.undo()
    for cached in caches:
        cached.cache_clear()


def raw_with(prior: object, **changes: object) -> dict:
    return read_raw(STARTER) | {"prior": prior} | changes


def arm(name: str, agent: str | None) -> dict:
    dose = {"agent": agent, "route": "IV", "days": [0, 3]} | ({"mg_per_kg": 0.5} if agent == "ketamine" else {})
    return {"id": name, "label": name, "doses": [dose] if agent else []}


FOUR = [arm("k", "ketamine"), arm("m", "midazolam"), arm("s", "saline"), arm("nothing", None)]
ASKED = {"contrast": "k - m", "day": 28}


def test_every_number_of_a_draw(shipped):
    shipped()
    s = build(raw_with("tiny", arms=FOUR, estimand=ASKED, secondary=[]))
    (draw,) = draws(s.prior, ketamine_routes(s), seed=1, n=1)
    got = with_draw(s, draw)
    assert got.prior is None
    assert (got.therapies, got.design, got.arms, got.conduct, got.analysis) == (
        s.therapies, s.design, s.arms, s.conduct, s.analysis,
    )  # fmt: skip
    d, m, hope = got.drug, got.measurement, got.expectancy.drug
    assert (d.share.value, d.share.logit_sd) == (pytest.approx(expit(0.9)), 0.7)
    assert d.ec50.value == pytest.approx(np.exp(-0.8))
    assert (d.half_life.value, d.half_life.log_sd) == (pytest.approx(np.exp(1.9)), 0.9)
    assert (d.consolidation.share.value, d.consolidation.half_life.value) == (0.08, 365.0)
    assert got.population.non_responders.value == 0.15
    own, now = s.population.baseline, got.population.baseline
    observed = own.sd**2 + s.measurement.deviation_sd.value**2 + s.measurement.rater_sd.value**2
    left = observed - (0.1 * BASELINE) ** 2 - (RATER_SD * BASELINE) ** 2
    assert (now.value, now.sd) == (own.value, pytest.approx(np.sqrt(max(left, LEAST_TRAIT * observed))))
    assert hope.renewed
    natural = got.natural_course
    assert (natural.change.value, natural.change.sd) == (pytest.approx(0.07 * BASELINE), pytest.approx(0.1 * BASELINE))
    assert natural.immediate.change.value == 0.0
    assert natural.time_constant.value == 21.0
    assert (hope.effect.value, hope.half_life.value) == (pytest.approx(0.12 * BASELINE), 20.0)
    assert hope.onset.value == ONSET_DAYS
    assert isinstance(hope.belief, ByArm)
    assert {name: b.value for name, b in hope.belief.by_arm.items()} == pytest.approx(
        {"k": 0.8, "m": 0.6, "s": 0.1, "nothing": 0.1}
    )
    assert (m.deviation_sd.value, m.deviation_time_constant.value) == (pytest.approx(0.1 * BASELINE), 9.0)
    assert m.rater_sd.value == pytest.approx(RATER_SD * BASELINE)
    assert {d.share.source, m.rater_sd.source, hope.effect.source} == {"tiny"}


def test_populations_and_routes_shift_the_share(shipped):
    shipped()
    for prior, route, shift in (
        ({"name": "tiny", "population": "depression"}, "IV", 0.0),
        ({"name": "tiny", "population": "PTSD"}, "IV", 0.2),
        ("tiny", "IN", 0.2),  # racemic: `IN` is a spray of esketamine
        ({"name": "tiny", "population": "bipolar depression"}, "IM", 0.6),
    ):
        raw = raw_with(prior)
        for one in raw["arms"]:
            one["doses"][0]["route"] = route
        s = build(raw)
        (draw,) = draws(s.prior, ketamine_routes(s), seed=1, n=1)
        share = with_draw(s, draw).drug.share.value
        assert share == pytest.approx(expit(0.9 + shift)), (prior, route)


@pytest.mark.parametrize(("population", "ratio"), [("depression", 1.0), ("PTSD", 2.0)])
def test_a_new_trial_differs_by_the_spread_between_trials(shipped, population, ratio):
    """Student's t with 4 degrees of freedom: the middle half of it lies within .741 SD of the scale."""
    between = {"between_logit_share": 0.5, "between_course": 0.1, "between_log_half_life": 0.3, "between_belief": 0.4}
    shipped(**between)
    s = build(raw_with({"name": "tiny", "population": population}))
    drawn = draws(s.prior, ketamine_routes(s), seed=2, n=400)
    effects = np.array([[d.parameters[effect] for effect in TRIAL_EFFECTS] for d in drawn])
    scale = ratio * np.array(list(between.values()))
    inside = (np.abs(effects) < stats.t.ppf(0.75, TRIAL_DF) * scale).mean(axis=0)
    assert np.abs(inside - 0.5).max() < 4 * 0.5 / np.sqrt(400)
    correlations = stats.spearmanr(effects).statistic[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 4 / np.sqrt(400)
    got = with_draw(s, drawn[0])
    share = got.drug.share.value
    shift = 0.0 if population == "depression" else 0.2
    assert np.log(share / (1 - share)) == pytest.approx(0.9 + shift + drawn[0].parameters["trial_logit_share"])
    assert got.natural_course.immediate.change.value == pytest.approx(drawn[0].parameters["trial_course"] * BASELINE)


def test_the_prior_of_before_takes_the_scenario_baseline_and_certain_belief():
    s = build(raw_with("depression_iv_2026", arms=FOUR, estimand=ASKED, secondary=[]))
    draw = draws(s.prior, ketamine_routes(s), seed=1, n=1)[0]
    got = with_draw(s, draw)
    assert got.population.baseline == s.population.baseline
    assert not got.expectancy.drug.renewed
    believed = got.expectancy.drug.belief.by_arm
    assert believed["k"].value == 1.0
    assert believed["m"].value == draw.parameters["belief_midazolam"]
    assert set(draw.parameters) >= {"trial_course"}
    assert "trial_belief" not in draw.parameters


def test_a_distribution_by_path_replaces_what_the_name_says(shipped):
    shipped()
    inside = {"uniform": {"low": 0.5, "high": 0.6}, "source": "assumption", "note": "for a test"}
    s = build(raw_with({"name": "tiny", "also": {"drug.share.value": inside, EFFECT: inside}}))
    for draw in draws(s.prior, ketamine_routes(s), seed=3, n=5):
        got = with_draw(s, draw)
        assert 0.5 <= got.drug.share.value == draw.also["drug.share.value"] <= 0.6
        assert got.drug.share.logit_sd == 0.7
        assert got.therapies["cbt"].max_effect.value == draw.also[EFFECT] != got.drug.share.value


@pytest.mark.parametrize("agent", ["ketamine", "midazolam"])
def test_scores_are_those_of_the_replicas_of_trials(shipped, monkeypatch, agent):
    """Mean and SD of unclipped scores: one draw as the design prior uses it, and as the replicas of trials do."""
    monkeypatch.setattr(published_arm, "PRIOR", "tiny")
    shipped()
    days, n = (1, 3, 7, 28), 20_000
    raw = raw_with("tiny", arms=FOUR, estimand=ASKED, secondary=[])
    raw["design"] = {"n_per_arm": 100, "visits": [0, *days]}
    raw["measurement"] |= {"round": False, "clip": False}
    s = build(raw)
    (draw,) = draws(s.prior, ketamine_routes(s), seed=1, n=1)
    trials = simulate(with_draw(s, draw), seed=1, replicates=256)
    mine = trials.score[trials.arm == {"ketamine": 0, "midazolam": 1}[agent]]
    course = _course(agent)
    table = from_table(*priors.columns("tiny"))
    one = {name: x[:1] for name, x in table.items()}
    effects = new_trial_effects(one, np.random.default_rng(1), elsewhere=False)
    baseline = Baseline(endpoint="not a scale", mean=BASELINE, sd=observed_sd(s))
    arm = arm_scenario(course, one, effects, baseline, days=days, n=200)
    (block,) = scores_by_block({"arm": arm}, seed=[1], replicates=n // 200)
    theirs = block["arm"].reshape(n, -1)
    se = np.hypot(mine.std(axis=0) / np.sqrt(len(mine)), theirs.std(axis=0) / np.sqrt(n))
    assert (np.abs(mine.mean(axis=0) - theirs.mean(axis=0)) < 4 * se).all()
    assert mine.std(axis=0) == pytest.approx(theirs.std(axis=0), rel=4 * np.sqrt(0.5 / n + 0.5 / len(mine)) * 1.5)


def observed_sd(s):
    own, m = s.population.baseline, s.measurement
    return float(np.sqrt(own.sd**2 + m.deviation_sd.value**2 + m.rater_sd.value**2))


def _course(agent: str):
    given = agent == "ketamine"
    return Course(
        arm="a", n=1, dose_days=(0.0, 3.0) if given else (), dose_sizes=(1.0, 1.0) if given else (),
        given_days=(0.0, 3.0), belief="ketamine" if given else "midazolam", population="depression", route="IV",
        background="none",
        therapy="", session_days=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("prior", "changes", "shown"),
    [
        ("tinny", {}, ("prior.name = 'tinny'", "did you mean `tiny`")),
        ({"name": "tiny", "population": "PTSDD"}, {}, ("prior.population = 'PTSDD'", "did you mean `PTSD`")),
        ("tiny", {"drug": {"effect": "linear"}}, ("prior.name = 'tiny'", "effect: linear")),
        ("tiny", {"arms": "two routes"}, ("prior.name = 'tiny'", "several routes (IN, IV)")),
        ("tiny", {"scale": "percent_abstinent_days"}, ("prior.name = 'tiny'", "named priors are about scores")),
    ],
)
def test_refused_in_one_line(shipped, prior, changes, shown):
    shipped()
    raw = raw_with(prior)
    if "scale" in changes:
        raw = read_raw(STARTER.parent / "kare_factorial.yaml") | {"prior": prior}
    elif "arms" in changes:
        raw["arms"][0]["doses"][0]["route"] = "IN"
    elif "drug" in changes:
        guess = {"source": "assumption", "note": "for a test"}
        half_life = {"value": 7, "unit": "day", **guess}
        raw["drug"] = {"effect": "linear", "slope": {"value": 3, "unit": "points", **guess}, "half_life": half_life}
    with pytest.raises(ScenarioError) as caught:
        build(raw)
    assert "\n" not in str(caught.value)
    for part in shown:
        assert part in str(caught.value)


@pytest.mark.parametrize("path", sorted(STARTER.parent.glob("*.yaml")), ids=lambda p: p.stem)
def test_the_shipped_prior_makes_a_scenario_of_every_draw_or_says_why_not(path):
    raw = with_prior(read_raw(path), PRIOR)
    plain = build(read_raw(path))
    if plain.scale.link != "identity" or len(ketamine_routes(plain)) > 1:
        with pytest.raises(ScenarioError, match=rf"prior\.name = '{PRIOR}': must not be given"):
            build(raw)
        return
    s = build(raw)
    for draw in draws(s.prior, ketamine_routes(s), seed=1, n=10):
        assert with_draw(s, draw).drug.share.source == PRIOR
