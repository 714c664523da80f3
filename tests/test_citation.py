"""How kaptrial is cited says what the project says of itself."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml

import kaptrial as kt
from tests import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_file_in_the_root_is_what_the_command_prints(run, capsys):
    run("cite", "--format", "cff")
    assert capsys.readouterr().out == (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_it_says_what_the_project_and_the_changelog_say():
    said = yaml.safe_load(kt.cite("cff"))
    assert said["version"] == kt.__version__ == PROJECT["version"]
    assert [author["name"] for author in said["authors"]] == [author["name"] for author in PROJECT["authors"]]
    assert said["title"].lower() == f"kaptrial: {PROJECT['description']}".lower()
    assert said["license"] == PROJECT["license"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    (released,) = re.findall(rf"^## {re.escape(said['version'])} \((\S+)\)$", changelog, re.MULTILINE)
    assert str(said["date-released"]) == released


@pytest.mark.parametrize("form", ["text", "bibtex"])
def test_every_form_has_author_title_year_and_version(form):
    said, cff = kt.cite(form), yaml.safe_load(kt.cite("cff"))
    for part in (cff["authors"][0]["name"], cff["title"], str(cff["date-released"].year), cff["version"]):
        assert part in said
    assert said.count("{") == said.count("}")


def test_another_form_is_refused(refused):
    assert refused("cite", "--format", "ris") == "kaptrial: --format = 'ris': must be one of text, bibtex, cff"
