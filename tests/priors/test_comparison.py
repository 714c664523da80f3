"""A scenario beside the prior: the numbers of `with_parameters`, where a value lies, and when nothing is said."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kaptrial.catalogue.priors import columns
from kaptrial.cli import main
from kaptrial.priors import comparison
from kaptrial.priors.comparison import CURRENT, Compared, compared, population_of
from kaptrial.priors.design_prior import beliefs, between, effects_of, standard, with_parameters
from kaptrial.questions.power.beside_prior import position
from kaptrial.scenario.files import load
from kaptrial.scenario.sourced import walk
from tests import SCENARIOS


@pytest.mark.parametrize("name", ["ketamine_by_cbt", "ptsd_repeated_midazolam", "depression_oral_at_home"])
def test_the_prior_is_what_its_draws_would_put_in_place(name, monkeypatch):
    s = load(SCENARIOS / f"{name}.yaml")
    population = population_of(s)
    assert population is not None
    names, table = columns(CURRENT)
    table = table[:40]
    monkeypatch.setattr(comparison, "columns", lambda name: (names, table))
    p = dict(zip(names, table.T, strict=True))
    rng = np.random.default_rng(1)
    elsewhere = name != "ketamine_by_cbt"
    p |= {effect: between(p, effect, elsewhere=elsewhere) * standard(p, rng, len(table)) for effect in effects_of(p)}
    worlds = [
        with_parameters(s, {key: float(x[k]) for key, x in p.items()}, CURRENT, population, beliefs(s))
        for k in range(len(table))
    ]
    walked = [dict(walk(world)) for world in worlds]
    values = {path: np.array([numbers[path].value for numbers in walked]) for path in walked[0]}
    values["population.baseline.sd"] = np.array([world.population.baseline.sd for world in worlds])
    rows = compared(s)
    assert len(rows) == 10
    for row in rows:
        low, median, high = np.percentile(values[row.path], (5, 50, 95))
        assert (row.low, row.median, row.high) == pytest.approx((low, median, high), rel=1e-9)
        assert row.below == np.mean(values[row.path] < row.value)


def test_values_are_the_scenarios_own_with_its_reason():
    s = load(SCENARIOS / "depression_single_infusion.yaml")
    rows = {row.path: row for row in compared(s)}
    assert rows["drug.half_life"].value == s.drug.half_life.value
    assert rows["population.baseline.sd"].value == s.population.baseline.sd
    assert s.population.non_responders is None
    left_out = rows["population.non_responders"]
    assert (left_out.value, left_out.reason, left_out.inside) == (0, "left out", False)


@pytest.mark.parametrize(
    ("name", "population"),
    [
        ("starter", "depression"), ("wet_ptsd", "PTSD"), ("ptsd_emdr", "PTSD"), ("ocd_crossover", "OCD"),
        ("anxiety_ascending_dose", "anxiety"), ("kare_factorial", None),
    ],
)  # fmt: skip
def test_the_population_is_that_of_the_scale(name, population):
    s = load(SCENARIOS / f"{name}.yaml")
    assert population_of(s) == population
    assert bool(compared(s)) == (population is not None)


def test_the_population_is_that_of_a_named_prior():
    s = load(SCENARIOS / "starter.yaml", {"prior": {"name": CURRENT, "population": "bipolar depression"}})
    assert population_of(s) == "bipolar depression"


@pytest.mark.parametrize(
    ("below", "said"),
    [(0.97, "above 97 % of the draws"), (0.04, "below 96 % of the draws"), (1.0, "above all of the draws"),
     (0.0, "below all of the draws"), (0.999, "above 99 % of the draws")],
)  # fmt: skip
def test_position_in_words(below, said):
    row = Compared(path="p", label="l", unit="", value=1, median=0, low=0, high=2, below=below, reason="")
    assert position(row) == said


def test_check_writes_the_rows(tmp_path, capsys):
    main_quietly(["check", str(SCENARIOS / "starter.yaml"), "--json", str(tmp_path / "check.json")])
    written = json.loads((tmp_path / "check.json").read_text(encoding="utf-8"))
    rows = compared(load(SCENARIOS / "starter.yaml"))
    assert [row["path"] for row in written["results"]] == [row.path for row in rows]
    inside = sum(row.inside for row in rows)
    assert f"{inside} of {len(rows)} values lie inside" in " ".join(capsys.readouterr().out.split())
    assert written["headline"]["inside"] == inside


def main_quietly(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert not stop.value.code
