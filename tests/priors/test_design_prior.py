"""A named prior's draws become scenarios: every number by hand, and the same scores as the replicas of trials."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from kaptrial.catalogue import priors, reader
from kaptrial.errors import ScenarioError
from kaptrial.evidence import published_arm
from kaptrial.evidence.published_arm import Baseline, arm_scenario, new_trial_effects, scores_by_block
from kaptrial.evidence.synthesis.arms import Course
from kaptrial.evidence.synthesis.model import PARAMETERS, VECTORS
from kaptrial.evidence.synthesis.shipped import as_table, from_table
from kaptrial.priors.constants import ONSET_DAYS, RATER_SD
from kaptrial.priors.design_prior import draws, with_draw
from kaptrial.scenario.checks import ketamine_routes
from kaptrial.scenario.files import build, read_raw, with_prior
from kaptrial.scenario.sourced import ByArm
from kaptrial.simulation.simulate import simulate
from tests.scenario.malformed import STARTER

ONE = {
    "logit_share": 0.9, "logit_share_sd": 0.7, "log_ec50": -0.8, "log_half_life": 1.9, "log_half_life_sd": 0.9,
    "durable_share": 0.08, "non_responders": 0.15, "expectancy": 0.12, "belief_midazolam": 0.6, "belief_saline": 0.1,
    "expectancy_half_life": 20.0, "natural": 0.07, "natural_sd": 0.1, "therapy": 0.1, "exposure_therapy": 0.3,
    "deviation_sd": 0.16, "deviation_time_constant": 9.0, "between_logit_share": 0.0, "between_course": 0.0,
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
    (draw,) = draws(s.prior, seed=1, n=1)
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
    assert got.population.baseline == s.population.baseline
    natural = got.natural_course
    assert (natural.change.value, natural.change.sd) == (pytest.approx(0.07 * BASELINE), pytest.approx(0.1 * BASELINE))
    assert natural.time_constant.value == 21.0
    assert (hope.effect.value, hope.half_life.value) == (pytest.approx(0.12 * BASELINE), 20.0)
    assert hope.onset.value == ONSET_DAYS
    assert isinstance(hope.belief, ByArm)
    assert {name: b.value for name, b in hope.belief.by_arm.items()} == {"k": 1.0, "m": 0.6, "s": 0.1, "nothing": 0.1}
    assert (m.deviation_sd.value, m.deviation_time_constant.value) == (pytest.approx(0.16 * BASELINE), 9.0)
    assert m.rater_sd.value == pytest.approx(RATER_SD * BASELINE)
    assert {d.share.source, m.rater_sd.source, hope.effect.source} == {"tiny"}


def test_populations_and_routes_shift_the_share(shipped):
    shipped()
    for prior, route, shift in (
        ({"name": "tiny", "population": "depression"}, "IV", 0.0),
        ({"name": "tiny", "population": "PTSD"}, "IV", 0.2),
        ("tiny", "IN", 0.1),
        ({"name": "tiny", "population": "bipolar depression"}, "IM", 0.5),
    ):
        raw = raw_with(prior)
        for one in raw["arms"]:
            one["doses"][0]["route"] = route
        s = build(raw)
        (draw,) = draws(s.prior, seed=1, n=1)
        share = with_draw(s, draw).drug.share.value
        assert share == pytest.approx(expit(0.9 + shift)), (prior, route)


def test_a_new_trial_differs_by_the_spread_between_trials(shipped):
    shipped(between_logit_share=0.5, between_course=0.1, between_log_half_life=0.3)
    s = build(raw_with("tiny"))
    drawn = [with_draw(s, draw) for draw in draws(s.prior, seed=2, n=300)]
    share = np.array([d.drug.share.value for d in drawn])
    by_share = {
        0.5: np.log(share / (1 - share)) - 0.9,
        0.1: np.array([d.natural_course.change.value for d in drawn]) / BASELINE - 0.07,
        0.3: np.log([d.drug.half_life.value for d in drawn]) - 1.9,
    }
    for sd, x in by_share.items():
        assert abs(x.mean()) < 4 * sd / np.sqrt(300)
        assert abs(x.std(ddof=1) / sd - 1) < 4 / np.sqrt(600)
    correlations = np.corrcoef(list(by_share.values()))[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 4 / np.sqrt(300)


def test_a_distribution_by_path_replaces_what_the_name_says(shipped):
    shipped()
    inside = {"uniform": {"low": 0.5, "high": 0.6}, "source": "assumption", "note": "for a test"}
    s = build(raw_with({"name": "tiny", "also": {"drug.share.value": inside, EFFECT: inside}}))
    for draw in draws(s.prior, seed=3, n=5):
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
    (draw,) = draws(s.prior, seed=1, n=1)
    trials = simulate(with_draw(s, draw), seed=1, replicates=256)
    mine = trials.score[trials.arm == {"ketamine": 0, "midazolam": 1}[agent]]
    course = _course(agent)
    table = from_table(*priors.columns("tiny"))
    one = {name: x[:1] for name, x in table.items()}
    effects = new_trial_effects(one, np.random.default_rng(1))
    baseline = Baseline(endpoint="not a scale", mean=BASELINE, sd=5.0)
    arm = arm_scenario(course, one, effects, baseline, days=days, n=200)
    (block,) = scores_by_block({"arm": arm}, seed=[1], replicates=n // 200)
    theirs = block["arm"].reshape(n, -1)
    se = np.hypot(mine.std(axis=0) / np.sqrt(len(mine)), theirs.std(axis=0) / np.sqrt(n))
    assert (np.abs(mine.mean(axis=0) - theirs.mean(axis=0)) < 4 * se).all()
    assert mine.std(axis=0) == pytest.approx(theirs.std(axis=0), rel=4 * np.sqrt(0.5 / n + 0.5 / len(mine)) * 1.5)


def _course(agent: str):
    given = agent == "ketamine"
    return Course(
        arm="a", n=1, dose_days=(0.0, 3.0) if given else (), dose_sizes=(1.0, 1.0) if given else (),
        belief="certain" if given else "midazolam", population="depression", route="IV", background="none",
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
    raw = with_prior(read_raw(path), "depression_iv_2026")
    plain = build(read_raw(path))
    if plain.scale.link != "identity" or len(ketamine_routes(plain)) > 1:
        with pytest.raises(ScenarioError, match=r"prior\.name = 'depression_iv_2026': must not be given"):
            build(raw)
        return
    s = build(raw)
    for draw in draws(s.prior, seed=1, n=10):
        assert with_draw(s, draw).drug.share.source == "depression_iv_2026"
