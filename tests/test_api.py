"""The public Python API: lazy, the same numbers as the command line, paths, names, mappings and frames alike."""

from __future__ import annotations

import doctest
import importlib
import json
import pkgutil
import subprocess
import sys
import zipfile

import pandas as pd
import pytest

import kaptrial
import kaptrial as kt
from kaptrial import api
from kaptrial.cli import main
from kaptrial.scenario.files import read_raw
from tests import DATA, ROOT, SCENARIOS

STARTER = SCENARIOS / "starter.yaml"
SMALL = {"design.n_per_arm": 10}
# `import kaptrial` must not load them: each takes longer than all the rest.
HEAVY = ("numpy", "pandas", "numba", "scipy", "pydantic", "matplotlib", "pymc", "arviz", "typer")


def test_importing_it_loads_nothing_heavy():
    code = f"import sys, kaptrial; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_public_names_stay_what_they_are_whatever_is_imported():
    for module in pkgutil.walk_packages(kaptrial.__path__, "kaptrial."):
        importlib.import_module(module.name)
    for name in kt.__all__:
        public = getattr(kt, name)
        assert public is kt.evidence if name == "evidence" else callable(public)
    assert set(kt.__all__) <= set(dir(kt))
    with pytest.raises(AttributeError, match="simulator"):
        _ = kt.simulator


@pytest.mark.parametrize("module", ["kaptrial", "kaptrial.api", "kaptrial.evidence"])
def test_examples_give_what_they_say(module):
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 1
    assert result.failed == 0


def test_a_scenario_may_be_given_in_every_way():
    one = kt.load_scenario(STARTER)
    assert one == kt.load_scenario(str(STARTER)) == kt.load_scenario("starter") == kt.load_scenario(one)
    assert one == kt.load_scenario(read_raw(STARTER))
    assert one.with_values(SMALL) == kt.load_scenario("starter", SMALL)
    assert one.with_values(SMALL).n_total == 20
    with pytest.raises(kt.ScenarioError, match="did you mean `starter`"):
        kt.load_scenario("startr")
    with pytest.raises(kt.ScenarioError, match=r"design\.n_per_arm"):
        one.with_values({"design.n_per_arm": -1})
    assert set(kt.scenarios()) == {path.stem for path in SCENARIOS.glob("*.yaml")}


def test_power_is_that_of_the_command(tmp_path):
    arguments = ["--replicates", "64", "--vary", "design.n_per_arm=10,20", "--json", str(tmp_path / "k.json")]
    with pytest.raises(SystemExit):
        main(["power", str(STARTER), *arguments])
    said = json.loads((tmp_path / "k.json").read_text())
    results = kt.power(STARTER, vary={"design.n_per_arm": [10, 20]}, replicates=64, seed=1)
    assert json.loads(results.to_json())["results"] == said["results"]
    assert [vars(note) for note in results.notes] == said["notes"]
    assert results.provenance["scenario_sha256"] == said["provenance"]["scenario_sha256"]
    assert results.plot("power_curve").get_axes()
    with pytest.raises(kt.FieldError, match=r"must be one of .*power_curve"):
        results.plot("powr_curve")


def test_a_frame_is_read_as_its_file_is():
    path = DATA / "two_arm_monotone.csv"
    options = {"reference": "ketamine", "target_day": 56.0, "df": "kenward-roger"}
    of_file, of_frame = (kt.analyse(data, "mmrm", **options) for data in (path, pd.read_csv(path)))
    assert of_file.flat() == of_frame.flat()
    with pytest.raises(kt.FieldError, match="is no option"):
        kt.analyse(path, "mmrm", referense="ketamine")
    with pytest.raises(kt.DataError, match="column `arm` is missing"):
        kt.analyse(pd.DataFrame({"patient": [1], "score": [2.0], "day": [7]}), "mmrm")


def test_every_question_answers():
    s = kt.load_scenario("starter", SMALL)
    assert kt.truth(s).to_frame()["contrast"].tolist() == ["ketamine_cbt - ketamine"]
    assert kt.assurance(s, prior="depression_iv_2026", draws=2, replicates=128).rows
    assert kt.decide(s, replicates=128).kind == "decide"
    assert kt.clinic("clinic_one_therapist_short", replicates=2).rows
    assert len(kt.evidence.list("ptsd", therapy=True)) < len(kt.evidence.list("ptsd"))
    assert kt.evidence.show("feder2021").provenance["key"] == "feder2021"
    assert kt.evidence.replicate("feder2021", replicates=100).rows
    with pytest.raises(kt.FieldError, match="no such trial; indications are"):
        kt.evidence.list("gout")


@pytest.mark.validation
def test_a_wheel_has_the_scenarios(tmp_path):
    subprocess.run(["uv", "build", "--wheel", "-o", str(tmp_path), str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    listed = zipfile.ZipFile(wheel).namelist()
    assert "kaptrial/shipped_scenarios/starter.yaml" in listed


def test_docstrings_give_parameters_returns_and_errors_of_all():
    for name in (
        "load_scenario",
        "simulate",
        "truth",
        "power",
        "size",
        "assurance",
        "decide",
        "clinic",
        "analyse",
        "fit",
    ):
        doc = getattr(api, name).__doc__
        assert "Parameters\n" in doc
        assert "Returns\n" in doc
