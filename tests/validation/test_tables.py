"""The tables of docs/verification.md that scripts made are those that the scripts make."""

from __future__ import annotations

import sys

import pytest

from tests import ROOT
from tests.validation import defaults, departures, therapists

pytestmark = pytest.mark.validation

PAGE = ROOT / "docs" / "verification.md"


@pytest.mark.parametrize("script", [defaults, departures, therapists])
def test_table_is_as_documented(script, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [script.__name__])
    script.main()
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert len(rows) > 5
    assert set(rows) - set(PAGE.read_text(encoding="utf-8").splitlines()) == set()
