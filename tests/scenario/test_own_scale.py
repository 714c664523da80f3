"""A scale declared in the scenario is one of the catalogue in all but its origin."""

from __future__ import annotations

import re

import numpy as np
import pytest
import yaml

import kaptrial as kt
from kaptrial.catalogue import scale
from kaptrial.cli import main
from kaptrial.errors import DataError
from kaptrial.methods.prepared import patient_endpoint
from kaptrial.pack.pages import markdown
from kaptrial.questions.fit.trial_data import FitQuestion, from_scenario
from kaptrial.questions.power.courses import decay
from kaptrial.questions.power.headline import least_differences
from kaptrial.scenario.files import as_raw, dump, load
from kaptrial.scenario.own_sources import unused_sources
from kaptrial.simulation.simulate import simulate
from tests import ROOT, SCENARIOS
from tests.builders import number

STARTER = SCENARIOS / "starter.yaml"
MADRS = {
    "id": "own", "label": "the MADRS once more", "range": {"low": 0, "high": 60}, "step": 1, "better": "lower",
    "response": {"fraction": 0.5, "source": "lii2023"},
    "remission": {"at_most": 10, "source": "ketect2022"},
    "mcid": [{"value": 6, "kind": "of one patient", "source": "turkoz"}],
    "reliable_change": [{"value": 8, "source": "mine2026"}],
    "source": "definition",
}  # fmt: skip
SOURCES = {"mine2026": "10.1000/182", "never": "Somebody, 2026"}


def starter(**settings):
    return load(STARTER, {key.replace("__", "."): value for key, value in settings.items()})


def own_madrs(**more):
    return {"outcome__scale": MADRS | more, "sources": SOURCES}


def test_one_that_says_what_the_catalogue_says_gives_the_same_numbers():
    asked = {"secondary": [{"contrast": "ketamine_cbt - ketamine", "day": 28, "endpoint": end}
                           for end in ("response", "remission")]}  # fmt: skip
    own, named = (kt.power(starter(**outcome, **asked), replicates=64, seed=2) for outcome in (own_madrs(), {}))
    assert [(row.metric, row.value, row.mcse) for row in own.rows] == [
        (row.metric, row.value, row.mcse) for row in named.rows
    ]


def test_it_is_what_it_says():
    own, named = starter(**own_madrs()).scale, scale("MADRS")
    for field in ("unit", "low", "high", "step", "better", "link", "response_fraction", "remission_at", "best", "sign"):
        assert getattr(own, field) == getattr(named, field)
    assert own.thresholds["mcid"] == [{"value": 6.0, "kind": "of one patient", "source": "turkoz"}]
    assert own.thresholds["reliable_change"] == [{"value": 8.0, "source": "mine2026"}]


def test_it_is_written_and_read_again(tmp_path):
    s = starter(**own_madrs())
    path = tmp_path / "own.yaml"
    path.write_text(dump(s), encoding="utf-8")
    assert load(path) == s
    assert as_raw(s)["outcome"]["scale"]["range"] == {"low": 0, "high": 60}
    assert s.with_values({"outcome.scale.response.fraction": 0.3}).scale.response_fraction == 0.3
    assert unused_sources(s) == ("never",)


def test_where_higher_is_better_remission_is_at_least():
    turned = MADRS | {"better": "higher", "remission": {"at_least": 50, "source": "ketect2022"}}
    s = starter(
        outcome__scale=turned, sources=SOURCES, estimand__endpoint="remission",
        population__baseline=number(27, "points", sd=5), population__entry=None,
    )  # fmt: skip
    trials = simulate(s, seed=5, replicates=4)
    reached = patient_endpoint(trials, trials.score, s, s.estimand)
    assert s.scale.best == 60
    np.testing.assert_array_equal(reached, trials.score[..., trials.days == 28][..., 0] >= 50)
    assert 0 < reached.mean() < 1


def test_response_may_be_an_improvement_in_points():
    change = MADRS | {"response": {"points": 13, "source": "marx2022"}}
    s = starter(outcome__scale=change, sources=SOURCES, estimand__endpoint="response")
    trials = simulate(s, seed=5, replicates=4)
    reached = patient_endpoint(trials, trials.score, s, s.estimand)
    np.testing.assert_array_equal(reached, trials.baseline - trials.score[..., trials.days == 28][..., 0] >= 13)
    assert 0 < reached.mean() < 1
    drawn = decay(s, seed=1).responding
    assert drawn.iloc[0] == 0 < drawn.max() < 1
    with pytest.raises(DataError, match=r"outcome\.scale\.response\.points = 13: is not fitted"):
        from_scenario(s, FitQuestion(likelihood="binary"), seed=1, source="x")


def test_an_assumed_difference_is_not_called_sourced():
    differences = [
        {"value": 2, "kind": "minimal difference", "source": "assumption", "note": "a guess"},
        {"value": 3, "kind": "minimal difference", "source": "hengartner2021"},
    ]
    assert least_differences(starter(**own_madrs(mcid=differences))) == [3]


def test_the_example_of_the_docs_can_be_run():
    (block,) = re.findall(r"```yaml\n(outcome:.*?)```", (ROOT / "docs" / "model.md").read_text("utf-8"), re.DOTALL)
    s = starter(
        outcome=yaml.safe_load(block)["outcome"], population__baseline=number(7, "points", sd=1.5),
        therapies__cbt__max_effect=number(2, "points"), measurement__deviation_sd=number(1, "points"),
        measurement__rater_sd=number(0.3, "points"), estimand__endpoint="remission",
    )  # fmt: skip
    assert (s.scale.unit, s.scale.best, s.scale.remission_at) == ("cm", 0, 1)


def test_a_share_of_days_is_counted_as_abstinent_days_are():
    days = {
        "id": "days_without_cannabis", "label": "Days without cannabis", "kind": "share_of_days", "better": "higher",
        "source": "definition",
    }  # fmt: skip
    path = SCENARIOS / "alcohol_single_infusion_met.yaml"
    named, own = load(path), load(path, {"outcome.scale": days})
    assert own.scale.link == "logit"
    a, b = (simulate(s, seed=3, replicates=8).score for s in (named, own))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("command", ["check", "describe", "power"])
def test_commands_show_it_in_80_columns(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "own.yaml"
    path.write_text(dump(starter(**own_madrs(id="ideation", label="Suicidal ideation"))), encoding="utf-8")
    replicates = ["--replicates", "16"] if command == "power" else []
    with pytest.raises(SystemExit) as stop:
        main([command, str(path), *replicates])
    assert not stop.value.code
    shown = capsys.readouterr().out
    assert all(len(line) <= 80 for line in shown.splitlines() if not line.startswith("kaptrial:"))
    if command == "describe":
        said = " ".join(shown.split())
        assert "ideation, a scale of this file: Suicidal ideation, 0 to 60 points in steps of 1" in said
        assert "remission: at most 10 (ketect2022)" in said
        assert "ideation reliable change of one patient: 8 (reliable change of one patient; mine2026)" in said
    if command == "power":
        assert "ideation points" in " ".join(shown.split())


def test_the_pack_names_it_and_cites_what_its_rules_rest_on():
    s = starter(**own_madrs(label="Suicidal ideation"))
    pack = kt.report(s, only=["schedule", "assumptions", "references"])
    page = markdown(s.title, "", pack.sections, {})
    assert "Suicidal ideation" in page
    assert "6 points: of one patient [turkoz]" in page
    assert "10.1000/182" in page
    assert "lii2023" in page
