"""`kaptrial boundaries` and `kt.boundaries`: the columns, the same numbers from both, one line for what cannot be."""

from __future__ import annotations

import json

import pytest

import kaptrial as kt

DESIGN = ["boundaries", "--alpha", ".025", "--sided", "1", "--spending", "obf", "--information", ".3,.55,.8,1"]
COLUMNS = {"look", "information", "z", "z_futility", "p_nominal", "alpha_spent", "beta_spent", "inflation"}


def rows_of(run, capsys, *arguments):
    capsys.readouterr()
    run(*arguments, "--json", "-")
    return json.loads(capsys.readouterr().out)["results"]


def test_the_columns_and_the_call(run, capsys):
    rows = rows_of(run, capsys, *DESIGN)
    assert len(rows) == 4
    assert all(row.keys() >= COLUMNS for row in rows)
    assert [row["z"] for row in rows] == pytest.approx([3.92857254, 2.80787686, 2.27609808, 2.02924464], abs=1e-7)
    assert {row["inflation"] for row in rows} == {None}
    with_power = [*DESIGN, "--power", ".9", "--futility", "hsd:-2", "--binding", "--observed", ".32"]
    rows = rows_of(run, capsys, *with_power, "--statistic", "4", "--se", "2")
    results = kt.boundaries(
        [0.3, 0.55, 0.8, 1], power=0.9, futility="hsd:-2", binding=True, observed=[0.32], statistics=[4], se=2
    )
    assert rows == json.loads(results.to_json())["results"]
    assert rows[0]["verdict"] == "efficacy"
    assert rows[0]["naive"] == 8
    assert rows[-1]["beta_spent"] == pytest.approx(1 - rows[-1]["cumulative_power"])


def test_a_delay_counts_in_size_and_information():
    plain = kt.boundaries([0.3, 0.7, 1], power=0.8, futility="obf", binding=True).flat()
    delayed = kt.boundaries([0.3, 0.7, 1], power=0.8, futility="obf", binding=True, pending=[0.16, 0.2]).flat()
    assert delayed[0]["inflation"] < plain[0]["inflation"]
    assert delayed[0]["expected_information_null"] == pytest.approx(
        plain[0]["expected_information_null"]
        + sum(
            more * (row["stop_efficacy_null"] + row["stop_futility_null"])
            for more, row in zip([0.16, 0.2], plain[:2], strict=True)
        )
    )
    assert sum(row["rejected"] for row in delayed) == pytest.approx(0.8)
    asked = {"power": 0.8, "futility": "obf", "binding": True, "pending": [0.16, 0.2]}
    for statistics, told in (([1, 2.6], True), ([1, 1.5, 2.1], False)):
        notes = kt.boundaries([0.3, 0.7, 1], **asked, statistics=statistics).notes
        assert any(note.code == "under_way" for note in notes) == told


def test_it_is_said_drawn_and_written(run, capsys, tmp_path):
    capsys.readouterr()
    out = tmp_path / "looks"
    run(*DESIGN, "--power", ".9", "--statistic", "1,3", "-o", out)
    said = " ".join(capsys.readouterr().out.split())
    assert "90 % power with 1.022 times" in said
    assert "The trial ends at look 2: stagewise p 0.00" in said
    assert {path.name for path in out.iterdir()} >= {"results.json", "results.csv", "boundaries.svg", "manifest.json"}
    two_sided = kt.boundaries([0.5, 1], sided=2, alpha=0.05, power=0.9)
    assert two_sided.plot("boundaries").get_axes()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--information", ".5,.4,1"], "--information = 0.4: must be at least 0.001 beyond the look before it, 0.5"),
        (["--information", ".5,x"], "--information = '.5,x': must be numbers"),
        ([], "--information is missing: must give the looks"),
        (["--information", ".5,1", "--spending", ".02,.03"], "--spending = 0.03: must end with alpha, 0.025"),
        (["--information", ".5,1", "--futility", "obf"], "--power is missing: must be given where --futility spends"),
        (["--information", ".5,1", "--se", "1"], "--se = 1: goes with --statistic that end the trial"),
        (["--information", ".5,1", "--observed", ".6,.5"], "--observed = 0.5: must be at least"),
        (
            ["--information", ".5,.8,1", "--futility", "cp:.2", "--binding", "--statistic", "-.1,1.1"],
            "--statistic = -0.1: ends the trial for futility, whose boundary 0.917033 binds: no look comes after it",
        ),
    ],
)
def test_one_line_for_what_cannot_be(refused, more, said):
    assert refused("boundaries", *more).startswith(f"kaptrial: {said}")
