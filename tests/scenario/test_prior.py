"""Design priors in the scenario file: their forms, their quantiles, and the one line that refuses a malformed one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kaptrial.errors import ScenarioError
from kaptrial.questions.power.terminal import prior_lines
from kaptrial.scenario.files import as_raw, build, read_raw, scenario_hash, with_prior
from kaptrial.scenario.prior import Beta, Distribution, Lognormal, Normal, Uniform
from tests.scenario.malformed import STARTER

EFFECT = "therapies.cbt.max_effect.value"


def belief(family: str = "normal", *, path: str = EFFECT, more: dict | None = None, **parameters: float) -> dict:
    """A prior of one distribution, 3 ± 1 unless told."""
    inside = {family: parameters or {"mean": 3, "sd": 1}, "source": "assumption", "note": "for a test"}
    return {"also": {path: inside | (more or {})}}


def with_prior_of(prior: object) -> dict:
    return read_raw(STARTER) | {"prior": prior}


def test_a_scenario_with_a_prior_survives_the_round_trip():
    s = build(with_prior_of(belief()))
    assert build(as_raw(s)) == s
    assert s.prior is not None
    assert s.prior.also is not None
    assert s.prior.also[EFFECT].normal == Normal(mean=3, sd=1)
    assert scenario_hash(s) != scenario_hash(build(read_raw(STARTER)))


def test_a_path_may_end_at_the_number_its_value_or_its_spread():
    for path in ("therapies.cbt.max_effect", EFFECT, "drug.half_life.log_sd", "conduct.missed_sessions"):
        build(with_prior_of(belief("lognormal", path=path, median=0.5, log_sd=0.5)))


@pytest.mark.parametrize(
    ("of", "scipy_of"),
    [
        ({"normal": Normal(mean=3, sd=2)}, stats.norm(3, 2)),
        ({"lognormal": Lognormal(median=3, log_sd=0.7)}, stats.lognorm(0.7, scale=3)),
        ({"beta": Beta(a=2, b=5)}, stats.beta(2, 5)),
        ({"uniform": Uniform(low=-1, high=4)}, stats.uniform(-1, 5)),
    ],
)
def test_quantiles(of, scipy_of):
    d = Distribution(source="assumption", note="for a test", **of)
    u = np.linspace(0.01, 0.99, 25)
    assert [d.quantile(x) for x in u] == pytest.approx(scipy_of.ppf(u), rel=1e-9)


def test_a_prior_is_listed_with_its_source():
    s = build(with_prior_of(belief("lognormal", median=3, log_sd=0.5)))
    assert s.prior is not None
    assert prior_lines(s.prior) == [
        f"design prior of {EFFECT}: lognormal(median 3, log_sd 0.5), assumption: for a test",
    ]


def test_a_name_keeps_the_distributions_by_path():
    raw = with_prior_of(belief())
    assert with_prior(raw, "x")["prior"] == {**raw["prior"], "name": "x"}
    assert with_prior(read_raw(STARTER), "x")["prior"] == "x"


@pytest.mark.parametrize(
    ("prior", "shown"),
    [
        ("deprresion", ("prior.name = 'deprresion'", "must be a prior of the catalogue")),
        (3, ("prior = 3", "must be a mapping")),
        ({}, ("prior.name is missing", "needs a name, or also")),
        ({"also": {}}, ("prior.name is missing",)),
        ({"population": "PTSD", **belief()}, ("prior.population = 'PTSD'", "goes with name")),
        ({"alsoo": {}}, ("prior.alsoo", "did you mean `also`")),
        (belief(path="therapies.cbt.max_efect.value"), ("prior.also.therapies.cbt.max_efect", "`max_effect`")),
        (belief(path="therapies.cbtt.max_effect.value"), ("prior.also.therapies.cbtt", "did you mean `cbt`")),
        (belief(path="thrapies.cbt.max_effect"), ("prior.also.thrapies", "did you mean `therapies`")),
        (belief(path="design.n_per_arm"), ("prior.also.design.n_per_arm", "must lead to a number about the world")),
        (belief(path="title"), ("prior.also.title", "must lead to a number")),
        (belief(path="drug"), ("prior.also.drug", "must lead to a number")),
        (belief(path="x..y"), ("prior.also.x..y", "must be a path")),
        (belief(path="drug.share.value"), ("prior.also.drug.share.value", "drug.share.value = 3", "must be < 1")),
        (belief(path="arms[7].doses[0].bioavailability"), ("prior.also.arms[7]", "index 7 must be below 2")),
        (belief(mean=3, sd=-1), (f"prior.also.{EFFECT}.normal.sd = -1", "must be > 0")),
        (belief("uniform", low=2, high=2), (f"prior.also.{EFFECT}.uniform.high = 2", "must be greater than low")),
        (belief("beta", a=0, b=1), (f"prior.also.{EFFECT}.beta.a = 0", "must be > 0")),
        (belief("norml"), (f"prior.also.{EFFECT}.norml", "did you mean `normal`")),
        (belief(more={"lognormal": {"median": 1, "log_sd": 1}}), ("exactly one of normal, lognormal, beta, uniform",)),
        (belief(more={"normal": None}), (f"prior.also.{EFFECT}.normal is missing", "exactly one of")),
        (belief(more={"note": None}), (f"prior.also.{EFFECT}.note is missing", "needs a note")),
        (belief(more={"source": "hann2016"}), (f"prior.also.{EFFECT}.source = 'hann2016'", "did you mean `han2016`")),
        ({"also": {EFFECT: {"normal": {"mean": 3, "sd": 1}}}}, (f"prior.also.{EFFECT}.source is missing",)),
    ],
)
def test_refused_in_one_line(prior, shown):
    with pytest.raises(ScenarioError) as caught:
        build(with_prior_of(prior))
    message = str(caught.value)
    assert "\n" not in message
    for part in shown:
        assert part in message
