"""Sources that a scenario brings itself."""

from __future__ import annotations

import copy

import pytest
import yaml

from kaptrial.cli import main
from kaptrial.errors import ScenarioError
from kaptrial.scenario.files import build, dump, read_raw
from tests.scenario.malformed import STARTER, edit

DOI = "10.1000/xyz123"


@pytest.fixture
def raw():
    raw = read_raw(STARTER)
    edit({"drug.ec50.source": "smith2020", "sources": {"smith2020": DOI}})(raw)
    return raw


def test_a_number_may_name_an_own_source(raw):
    s = build(raw)
    assert (s.drug.ec50.source, s.drug.ec50.is_assumption) == ("smith2020", False)
    assert build(yaml.safe_load(dump(s))) == s
    raw["sources"]["smith2020"] = "Smith J. Dose and response. J Example 2020;1:2-3"
    assert build(raw).sources == raw["sources"]


def test_a_belief_may_name_it_too(raw):
    belief = {"source": "smith2020", "normal": {"mean": 6, "sd": 1}}
    build(raw | {"prior": {"also": {"therapies.cbt.max_effect": belief}}})


@pytest.mark.parametrize(
    ("sources", "shown"),
    [
        ({"smith2020": "10.1000"}, "sources.smith2020 = '10.1000': must be a DOI such as"),
        ({"smith2020": "Smith"}, "sources.smith2020 = 'Smith': must be a DOI such as"),
        ({"smith2020": DOI, "berman2000": DOI}, "sources.berman2000 = '10.1000/xyz123': must differ"),
        ({"smith 2020": DOI}, "must be one word"),
        ({"smyth2020": DOI}, "did you mean `smyth2020`"),
        (DOI, "sources = '10.1000/xyz123': must be a mapping"),
    ],
    ids=str,
)
def test_a_source_that_cannot_be_used_is_refused(raw, sources, shown):
    changed = copy.deepcopy(raw)
    changed["sources"] = sources
    with pytest.raises(ScenarioError) as caught:
        build(changed)
    assert shown in str(caught.value)


def test_describe_shows_it_and_check_says_where_none_is_named(raw, tmp_path, capsys):
    raw["sources"]["jones1999"] = "Jones A. Another. J Example 1999;2:3"
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    for command, said in (("describe", f"smith2020: {DOI}"), ("check", "sources.jones1999: no number names it")):
        with pytest.raises(SystemExit):
            main([command, str(path)])
        assert said in capsys.readouterr().out
