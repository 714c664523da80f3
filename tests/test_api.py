"""The public Python API: lazy, the same numbers as the command line, paths, names, mappings and frames alike."""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import pickle
import pkgutil
import subprocess
import sys
import zipfile

import pandas as pd
import pytest

import kaptrial
import kaptrial as kt
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


@pytest.mark.parametrize("module", ["kaptrial", "kaptrial.api", "kaptrial.citation", "kaptrial.evidence"])
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


def test_power_is_drawn_by_name():
    results = kt.power(STARTER, vary={"design.n_per_arm": [10, 20]}, replicates=64)
    assert results.plot("power_curve").get_axes()
    with pytest.raises(kt.FieldError, match=r"must be one of .*power_curve"):
        results.plot("powr_curve")


PLAN = SCENARIOS / "clinic_one_therapist_short.yaml"
THERAPISTS = "clinic.sites[0].therapists.cbt"
# Of each question the command and the call that ask the same.
ASKED = {
    "power": (
        ["power", STARTER, "--replicates", 64, "--vary", "design.n_per_arm=10,20"],
        lambda: kt.power(STARTER, replicates=64, vary={"design.n_per_arm": [10, 20]}),
    ),
    "power in its clinic": (
        ["power", PLAN, "--replicates", 16, "--clinic", "--no-nulls"],
        lambda: kt.power(PLAN, replicates=16, clinic=True, nulls=False),
    ),
    "size": (
        ["size", STARTER, "--power", 0.5, "--replicates", 100],
        lambda: kt.size(STARTER, power=0.5, replicates=100),
    ),
    "assurance": (
        ["assurance", STARTER, "--prior", "depression_iv_2026", "--draws", 2],
        lambda: kt.assurance(STARTER, prior="depression_iv_2026", draws=2),
    ),
    "decide": (
        ["decide", STARTER, "--replicates", 128, "--go", 0.9, "--prior", "weak,flat", "--interim", 0.5],
        lambda: kt.decide(STARTER, replicates=128, go=0.9, priors=["weak", "flat"], share=0.5),
    ),
    "clinic": (["clinic", PLAN, "--replicates", 4], lambda: kt.clinic(PLAN, replicates=4)),
    "plans": (
        ["clinic", PLAN, "--replicates", 4, "--vary", f"{THERAPISTS}=3,4", "--months", 60],
        lambda: kt.clinic(PLAN, replicates=4, vary={THERAPISTS: [3, 4]}, months=60),
    ),
    "compare": (
        ["compare", STARTER, SCENARIOS / "ptsd_repeated_midazolam.yaml", "--replicates", 64],
        lambda: kt.compare([STARTER, "ptsd_repeated_midazolam"], replicates=64),
    ),
    "analyse": (
        ["analyse", DATA / "two_arm_monotone.csv", "--method", "mmrm", "--reference", "ketamine", "--covariance", "cs"],
        lambda: kt.analyse(DATA / "two_arm_monotone.csv", "mmrm", reference="ketamine", covariance=["cs"]),
    ),
    "evidence show": (["evidence", "show", "feder2021"], lambda: kt.evidence.show("feder2021")),
    "evidence show source": (["evidence", "show", "mcgirr2015"], lambda: kt.evidence.show("mcgirr2015")),
    "evidence replicate": (
        ["evidence", "replicate", "feder2021", "--replicates", 100],
        lambda: kt.evidence.replicate("feder2021", replicates=100),
    ),
    "evidence predict": (
        ["evidence", "predict", "dakwar2019_cocaine", "--replicates", 100],
        lambda: kt.evidence.predict("dakwar2019_cocaine", replicates=100),
    ),
}
WITHOUT_FOLDER = ("size", "analyse", "evidence show", "evidence show source")


@pytest.mark.parametrize("question", ASKED)
def test_a_call_gives_what_the_command_gives(question, run, tmp_path):
    """Rows, notes, provenance but for what was typed, and every file of the folder but what holds the provenance."""
    arguments, call = ASKED[question]
    folder = [] if question in WITHOUT_FOLDER else ["-o", tmp_path / "command"]
    run(*arguments, "--json", tmp_path / "k.json", *folder)
    said, results = json.loads((tmp_path / "k.json").read_text()), call()
    called = json.loads(results.to_json())
    assert called["results"] == said["results"]
    assert called["notes"] == said["notes"]
    typed = {"set", "vary"}
    assert {k: v for k, v in called["provenance"].items() if k not in typed} == {
        k: v for k, v in said["provenance"].items() if k not in typed
    }
    if not folder:
        with pytest.raises(kt.FieldError, match="write no folder"):
            results.write(tmp_path / "call")
        return
    assert "listed in manifest.json" in results.write(tmp_path / "call")
    names = {path.name for path in (tmp_path / "command").iterdir()}
    assert names == {path.name for path in (tmp_path / "call").iterdir()}
    for name in names:
        if not name.endswith(".json"):
            assert (tmp_path / "call" / name).read_bytes() == (tmp_path / "command" / name).read_bytes(), name


def test_what_is_drawn_has_names():
    results = kt.clinic(PLAN, replicates=2)
    assert results.plot("flow").get_axes()
    with pytest.raises(kt.FieldError, match="must be one of accrual, utilisation, flow"):
        results.plot("flows")
    assert kt.clinic(PLAN, replicates=2, vary={THERAPISTS: [3, 4]}).plot("plans").get_axes()


def test_results_can_be_sent_to_another_process(tmp_path):
    results = kt.assurance(STARTER, prior="depression_iv_2026", draws=2)
    again = pickle.loads(pickle.dumps(results))
    assert again.flat() == results.flat()
    assert again.draws["draw"].tolist() == [1, 2]
    again.write(tmp_path)
    assert (tmp_path / "assurance.pdf").exists()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: kt.decide("starter", g=0.9), "g = 0.9: is no field of a rule: must be one of margin, go"),
        (lambda: kt.decide("starter", go=0.3), "go = 0.3: must be a probability"),
        (lambda: kt.clinic(PLAN, months=3), "months = 3: goes with `vary`"),
        (lambda: kt.clinic(PLAN, vary={THERAPISTS: range(1, 301)}), "vary = 300: plans, must be at most 200"),
        (lambda: kt.precision(3), "sd is missing: exactly one of sd and share must be given"),
        (lambda: kt.precision(0.1, share=0.5, assurance=0.9), "assurance = 0.9: goes with `sd`"),
        (lambda: kt.evidence.show("cuijpers2041"), "another source of the catalogue"),
        (lambda: kt.evidence.replicate("feder2012"), "did you mean `feder2021`"),
    ],
)
def test_what_cannot_be_used_is_named(call, says):
    with pytest.raises(kt.UserError) as caught:
        call()
    assert says in str(caught.value)


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
    assert "kaptrial/py.typed" in listed


def test_docstrings_give_parameters_returns_and_errors_of_all():
    functions = [getattr(kt, name) for name in kt.__all__ if inspect.isfunction(getattr(kt, name))]
    for function in (*functions, kt.evidence.list, kt.evidence.show, kt.evidence.replicate):
        assert "Returns\n" in function.__doc__
        assert ("Parameters\n" in function.__doc__) == bool(inspect.signature(function).parameters)
