"""One table of methods: power, files, help, docs and old names read it, and a new row needs no other edit."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kaptrial import method_table
from kaptrial.errors import FieldError
from kaptrial.estimators.fit import Fit
from kaptrial.method_table import as_markdown, method, methods
from kaptrial.methods.from_file import analyse
from kaptrial.methods.options import Options
from kaptrial.scenario.files import load
from tests import ROOT, SCENARIOS

STARTER = SCENARIOS / "starter.yaml"
DATA = ROOT / "tests" / "data" / "two_arm_monotone.csv"


@pytest.fixture
def toy():
    """A difference of medians with a made-up standard error, registered here and nowhere else."""

    @method(
        "medians", summary="difference of medians", endpoints=("score",), arms="two", measure="difference_of_medians",
        better="lower", options=("patient", "arm", "day", "score", "reference", "target_day", "alpha"),
    )  # fmt: skip
    def _medians(q):
        left = [w > 0 for w in q.weights]
        medians = np.stack([np.nanmedian(np.where(q.arm == a, q.y, np.nan), axis=1) for a in range(len(left))])
        estimate = np.array(q.weights) @ medians
        n = q.y.shape[1]
        return Fit(
            estimate=estimate, se=np.full(len(estimate), 2.0), df=np.full(len(estimate), n - 2.0),
            failure=np.zeros(len(estimate), dtype=np.int64),
        )  # fmt: skip

    yield "medians"
    del method_table._TABLE["medians"]


def test_a_method_added_in_one_place_is_everywhere(run, toy, tmp_path, capsys):
    run("power", STARTER, "--set", "analysis.methods=[medians]", "--replicates", 8, "--json", tmp_path / "p.json")
    rows = json.loads((tmp_path / "p.json").read_text())["results"]
    assert {(row["analysis"], row["measure"]) for row in rows} == {("medians", "difference_of_medians")}
    assert {"power", "type_i_error", "bias", "coverage"} <= {row["metric"] for row in rows}

    options = ("--method", toy, "--reference", "ketamine", "--target-day", 28)
    run("analyse", DATA, *options, "--json", tmp_path / "a.json")
    (row,) = json.loads((tmp_path / "a.json").read_text())["results"]
    lines = [line.split(",") for line in DATA.read_text().splitlines()]
    arm, day, score = (lines[0].index(name) for name in ("arm", "day", "score"))
    seen = {
        name: [float(x[score]) for x in lines[1:] if x[arm] == name and x[day] == "28" and x[score] not in ("", "NA")]
        for name in ("ketamine_therapy", "ketamine")
    }
    assert row["estimate"] == pytest.approx(np.median(seen["ketamine_therapy"]) - np.median(seen["ketamine"]))
    assert row["favours"] == ("a" if row["estimate"] < 0 else "b")
    capsys.readouterr()

    run("analyse", "--help")
    assert "difference of medians" in capsys.readouterr().out
    run("analyse", "--method", toy, "--help")
    shown = capsys.readouterr().out
    assert "--target-day" in shown
    assert "--imputation" not in shown
    assert "| `medians` | difference of medians | score | difference_of_medians |" in as_markdown()


def test_the_table_of_the_docs_is_this_one():
    assert as_markdown() in (ROOT / "docs" / "analyses.md").read_text()


def test_every_option_of_a_method_exists_and_every_option_has_a_method():
    known = set(Options.__dataclass_fields__)
    used = {name for each in methods().values() for name in each.options}
    assert used == known


@pytest.mark.parametrize("name", [name for name in methods() if name != "reference_based"])
def test_an_option_that_a_method_cannot_use_is_refused_by_name(run, name, capsys):
    with pytest.raises(FieldError, match="does not use `imputation`"):
        analyse(DATA, name, Options(imputation=("JR",)))
    run("analyse", DATA, "--method", name, "--imputation", "JR", code=2)
    assert capsys.readouterr().err == f"kaptrial: --method = '{name}': does not use --imputation\n"


def test_an_option_is_refused_even_at_its_usual_value(run, capsys):
    run("analyse", DATA, "--imputations", 100, code=2)
    assert "does not use --imputations" in capsys.readouterr().err


@pytest.mark.parametrize(("old", "new"), [("single_arm_response", "single_arm"), ("single_arm_change", "single_arm")])
def test_old_names_of_one_arm_are_taken(old, new):
    one_arm = SCENARIOS / "oral_titration_single_arm.yaml"
    settings = {"analysis.methods": [old]} | ({"estimand.endpoint": "change"} if "change" in old else {})
    scenario = load(one_arm, settings)
    assert scenario.analyses(scenario.estimand) == (new,)


def test_the_old_name_of_days_of_success_is_taken(run, tmp_path):
    scenario = load(SCENARIOS / "alcohol_single_infusion_met.yaml", {"estimand.methods": ["quasibinomial"]})
    assert scenario.analyses(scenario.estimand) == ("abstinent_days",)
    run("analyse", ROOT / "tests" / "data" / "abstinent_days.csv", "--method", "quasibinomial", "--factor", "ketamine",
        "--json", tmp_path / "out.json")  # fmt: skip
    assert json.loads((tmp_path / "out.json").read_text())["provenance"]["method"] == "abstinent_days"
