"""The scripts that made the golden numbers make them again, where R and its packages are installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DATA = HERE.parent / "data"
REFERENCE = json.loads((DATA / "reference.json").read_text(encoding="utf-8"))
GENERATED = sorted(path for path in DATA.glob("*.csv") if path.name != "mutants.csv")  # that one is of scenarios
needs_r = pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")


def run(script, out):
    """What the script could not do, in R's words; nothing if it ended well."""
    done = subprocess.run(["Rscript", HERE / script, out], capture_output=True, text=True)
    return done.stderr if done.returncode else ""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    out = tmp_path_factory.mktemp("golden") / "reference.json"
    failure = run("make_reference.R", out)
    if "there is no package called" in failure:
        pytest.skip(f"an R package is missing: {failure.strip().splitlines()[-1]}")
    assert failure == ""
    return json.loads(out.read_text(encoding="utf-8"))


def same(actual, expected):
    """Optimisers of other versions stop elsewhere by 1e-5; the versions of README.md give every digit again."""
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys()
        for key in expected:
            same(actual[key], expected[key])
    elif isinstance(expected, list):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            same(one, other)
    elif isinstance(expected, str):
        assert actual == expected
    else:
        assert actual == pytest.approx(expected, rel=1e-4, abs=1e-5)


@needs_r
def test_the_data_are_generated_again(tmp_path):
    assert run("make_data.R", tmp_path) == ""
    assert [path.name for path in sorted(tmp_path.iterdir())] == [path.name for path in GENERATED]
    for path in GENERATED:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


@needs_r
@pytest.mark.parametrize("section", [name for name in REFERENCE if name != "versions"])
def test_the_answers_are_those_stored(answers, section):
    if section not in answers:
        pytest.skip("an R package is missing: mmrm or rbmi")
    same(answers[section], REFERENCE[section])
