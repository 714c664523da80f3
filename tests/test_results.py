"""Results are one object: rows, provenance, notes; as a table, JSON, CSV, and for people."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest

from kaptrial import __code__, __version__
from kaptrial.results import Headline, Line, Note, Question, Results, Row, grouped, provenance

ASKED = Question(
    analysis="ancova", contrast="b - a", measure="difference", endpoint="score", day=28.0, strategies="",
    columns=(("variant", "γ"), ("design.n_per_arm", 20)),
)  # fmt: skip


def row(metric: str, value: float, question: Question = ASKED) -> Row:
    return Row(question=question, metric=metric, value=value, mcse=0.01, n_replicates=128, favours="a")


@pytest.fixture
def results() -> Results[Row]:
    other = Question(analysis="mmrm", contrast="b - a", measure="difference", endpoint="score", day=28.0)
    return Results(
        kind="power",
        rows=[row("power", 0.8), row("type_s", np.nan), row("power", 0.7, other)],
        provenance=provenance(seed=1, replicates=128),
        notes=[Note(code="one_arm", severity="warning", text="read <this>")],
    )


def test_json_is_the_contract_with_null_for_what_is_no_number(results):
    out = json.loads(results.to_json())
    assert set(out) == {"provenance", "results", "notes"}
    assert out["provenance"] == {"version": __version__, "code": __code__, "seed": 1, "replicates": 128}
    assert out["results"][0] == {
        "analysis": "ancova", "contrast": "b - a", "measure": "difference", "endpoint": "score", "day": 28.0,
        "strategies": "", "variant": "γ", "design.n_per_arm": 20, "metric": "power", "value": 0.8, "mcse": 0.01,
        "n_replicates": 128, "n_failed": 0, "favours": "a",
    }  # fmt: skip
    assert out["results"][1]["value"] is None
    assert out["notes"] == [{"code": "one_arm", "severity": "warning", "text": "read <this>"}]


def test_frame_and_csv_hold_the_same(results):
    frame = results.to_frame()
    assert len(frame) == len(results) == 3
    assert [each.metric for each in results] == list(frame["metric"])
    read = pd.read_csv(io.StringIO(results.to_csv()))
    assert list(read.columns) == list(frame.columns)
    for column in ("analysis", "metric", "value", "mcse", "n_replicates"):
        pd.testing.assert_series_equal(read[column], frame[column], check_dtype=False)


def test_rows_are_grouped_by_what_they_are_about(results):
    groups = grouped(results.rows)
    assert [list(group) for group in groups.values()] == [["power", "type_s"], ["power"]]
    assert groups[ASKED]["power"].value == 0.8
    assert ASKED.column("variant") == "γ"
    assert ASKED.column("nothing") is None


def test_people_see_a_few_lines_and_the_notes(results):
    shown = repr(results)
    assert shown.splitlines()[0] == "power: 3 rows (seed 1, replicates 128)"
    assert "b - a (ancova, variant γ, design.n_per_arm 20) power 0.8 ± 0.01" in shown
    assert shown.splitlines()[-1] == "warning: read <this>"
    many = Results(kind="fit", rows=[Line(numbers={"mean": 1.23456, "reason": "", "day": np.nan})] * 20)
    assert "mean 1.235" in repr(many)
    assert "reason" not in repr(many)
    assert len(repr(many).splitlines()) < 12
    page = results._repr_html_()
    assert "read &lt;this&gt;" in page
    assert page.count("<tr") == 1 + 3


def test_the_sentence_comes_first():
    results = Results(kind="power", rows=[], headline=Headline(text="Power is < 1.", numbers={"power": 0.5}))
    assert results._repr_html_().startswith("<p>Power is &lt; 1.</p>")
    assert repr(results).splitlines()[1] == "Power is < 1."
    assert json.loads(results.to_json())["headline"] == {"text": "Power is < 1.", "power": 0.5}
