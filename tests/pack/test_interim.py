"""The pack of a trial with interim analyses: its numbers are those of `looks`, its rules those of the boundaries."""

from __future__ import annotations

import re

import pytest
from scipy.special import ndtr

import kaptrial as kt
from kaptrial.pack.document import Bullets, Heading, Paragraph, Table
from kaptrial.pack.numbers import plain
from tests.builders import clean_raw

SECTIONS = ["summary", "interim", "methods", "limits", "checklist"]


def with_looks(**plan):
    raw = clean_raw(n_per_arm=40, delta=6)
    raw["design"]["group_sequential"] = {"accrual_per_month": 10, "looks": [{"patients": 40}], **plan}
    raw["analysis"] = {"methods": ["ancova"]}
    return raw


@pytest.fixture(scope="module")
def one_sided():
    raw = with_looks(sided=1, futility="cp:0.2", spending="hsd:-4")
    return raw, kt.report(raw, only=SECTIONS, replicates=256, workers=1)


def section(pack, name):
    return next(each for each in pack.sections if each.id == name)


def words(blocks):
    said = []
    for block in blocks:
        if isinstance(block, Paragraph | Heading):
            said.append(plain(block.text))
        elif isinstance(block, Bullets):
            said += [plain(item) for item in block.items]
    return said


def test_the_numbers_are_those_of_looks(one_sided):
    raw, pack = one_sided
    rows = {(row.question.column("look"), row.metric): row.value for row in kt.looks(raw, replicates=256, workers=1)}
    numbers = {row["key"]: row["value"] for row in pack.flat()}
    for look, metric in ((0, "power"), (0, "fixed_power"), (0, "expected_n"), (1, "planned_z"), (2, "stop_efficacy")):
        assert numbers[f"looks.{look}.{metric}"] == rows[look, metric]
    assert numbers["looks.0.expected_n_type_i_error"] == rows[0, "expected_n_type_i_error"]


def test_the_rules_are_those_of_the_boundaries(one_sided):
    raw, pack = one_sided
    plan = kt.looks(raw, replicates=256, workers=1, nulls=False).parts[0].designed.plan
    said = words(section(pack, "interim").blocks)
    rule = next(text for text in said if text.startswith("Interim analysis: the trial stops"))
    assert f"one-sided p-value of the primary analysis is {ndtr(-plan.upper[0]):.5f} or less" in rule
    assert f"(z at least {plan.upper[0]:.3f}), and for futility where z towards benefit is {plan.lower[0]:.3f}" in rule
    assert any("does not bind" in text for text in said)
    assert any(
        "0.025 on the side of benefit alone, is spent by the spending function of Hwang" in text for text in said
    )
    assert not [text for text in said if re.search(r"\bNone\b|\bnan\b|\{|\}|  ", text)]


def test_summary_methods_and_checklists_know_of_them(one_sided):
    _, pack = one_sided
    assert any("looked at once on the way" in text for text in words(section(pack, "summary").blocks))
    assert any("These figures are of the trial without" in text for text in words(section(pack, "methods").blocks))
    tables = [block for block in section(pack, "checklist").blocks if isinstance(block, Table)]
    answered = {row[0]: row[2] for table in tables for row in table.rows if "Interim analyses" in row[1]}
    assert answered == {"28b": "Interim analyses", "16b": "Interim analyses"}


def test_two_sides_two_looks_and_no_futility():
    raw = with_looks(looks=[{"patients": 40}, {"patients": 60}], spending="wt:0", spend_at="own")
    pack = kt.report(raw, only=["interim"], replicates=128, workers=1)
    said = " ".join(words(pack.sections[0].blocks))
    assert "Two interim analyses are planned" in said
    assert "two-sided p-value" in said
    assert "boundaries of Wang and Tsiatis with Δ = 0" in said
    assert "futility" not in said
    assert all("futility" not in heading for table in pack.sections[0].tables for heading in table.headings)


def test_a_decision_at_follow_up_has_a_rule_of_its_own():
    raw = with_looks(sided=1, futility="cp:0.2", binding=True, decide="at_follow_up")
    pack = kt.report(raw, only=["interim"], replicates=128, workers=1)
    decided = kt.looks(raw, replicates=128, workers=1, nulls=False).parts[0].designed.decided
    said = words(pack.sections[0].blocks)
    assert any(text.startswith("Interim analysis: recruitment stops for efficacy") for text in said)
    rule = next(text for text in said if text.startswith("After interim analysis: once the patients under way"))
    assert f"(z at least {decided.critical[0]:.3f})" in rule
    assert any("binds" in text and "does not" not in text for text in said)


def test_a_trial_without_them_says_so_where_it_is_asked():
    pack = kt.report("starter", only=["interim"], replicates=8, workers=1)
    assert not pack.sections[0].applies
