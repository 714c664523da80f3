"""Below the command line an error names a field and its value; only the command line names options."""

from __future__ import annotations

import re

import pytest

from kaptrial.errors import ABSENT, DataError, FieldError, ScenarioError, UserError
from kaptrial.methods.from_file import analyse
from kaptrial.methods.options import Options
from kaptrial.scenario.decision import DecisionRule
from tests import ROOT, SCENARIOS

DATA = ROOT / "tests" / "data" / "two_arm_monotone.csv"


def test_the_field_in_python_is_the_option_on_the_command_line(refused):
    with pytest.raises(FieldError) as caught:
        DecisionRule(go=0.3)
    assert str(caught.value) == "go = 0.3: must be a probability from 0.5 to below 1"
    assert (caught.value.field, caught.value.value) == ("go", 0.3)
    kare = SCENARIOS / "kare_factorial.yaml"
    assert refused("decide", kare, "--go", 0.3).endswith(" --go = 0.3: must be a probability from 0.5 to below 1")
    with pytest.raises(FieldError, match=r"no_go = 0\.99: must be a probability from 0 to below `go`"):
        DecisionRule(no_go=0.99)
    assert "--no-go = 0.99: must be a probability from 0 to below --go, 0.975" in refused(
        "decide", kare, "--no-go", 0.99
    )
    with pytest.raises(FieldError, match=r"^reference = 'placebo': must be one of ketamine, ketamine_therapy$"):
        analyse(DATA, "ancova", Options(reference="placebo"))
    assert refused("analyse", DATA, "--reference", "placebo").startswith("kaptrial: --reference = 'placebo': must")


def test_a_file_of_data_is_no_scenario(tmp_path):
    with pytest.raises(DataError, match="column `score` is missing"):
        analyse(ROOT / "tests" / "data" / "relapse.csv")
    assert not issubclass(DataError, ScenarioError)
    assert all(issubclass(kind, UserError) for kind in (DataError, FieldError, ScenarioError))


def test_an_error_is_one_line():
    assert str(UserError("two\n  lines")) == "two lines"
    assert str(FieldError("design.n_per_arm", ABSENT, "must be given")) == "design.n_per_arm is missing: must be given"
    assert str(FieldError("day", 28.0, "must be a visit").below("estimand")) == "estimand.day = 28: must be a visit"


def test_only_the_command_line_names_options():
    named = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in sorted((ROOT / "src" / "kaptrial").rglob("*.py"))
        if path.parent.name != "cli"
        for match in re.finditer(r"(?<![\w-])--[a-z][\w-]*", path.read_text())
    ]
    assert named == []
