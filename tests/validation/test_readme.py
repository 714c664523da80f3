"""The powers and type I errors that README.md and docs/analyses.md quote are what their commands give."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kaptrial.cli.options import cells_of
from kaptrial.questions.power.characteristics import characteristics
from kaptrial.results import Row, grouped
from tests import ROOT, SCENARIOS

pytestmark = pytest.mark.validation

README, ANALYSES = (" ".join((ROOT / name).read_text().split()) for name in ("README.md", "docs/analyses.md"))


def power(scenario: str, replicates: int, *settings: str) -> list[tuple[dict, dict[str, Row]]]:
    """Each question of `kaptrial power`, as a flat row, with its metrics."""
    cells = cells_of(SCENARIOS / scenario, list(settings), None)
    results = characteristics(cells, seed=1, replicates=replicates, workers=2, controls=True)
    return [(next(iter(rows.values())).flat(), rows) for result in results for rows in grouped(result.rows).values()]


def figure(row: Row, places: int) -> str:
    """A share as prose has it, without the zero before the point."""
    return f"{row.value:.{places}f}".lstrip("0")


def test_when_the_outcome_should_be_measured():
    by_day: dict[float, list[dict[str, Row]]] = {}
    for about, rows in power("cbt_after_ketamine.yaml", 2000):
        if about["endpoint"] == "score":
            assert about["analysis"] == "nested_mmrm"
            assert rows["power"].mcse <= 0.0085
            assert rows["type_i_error"].mcse <= 0.0055
            by_day.setdefault(about["day"], []).append(rows)
    additive, window, durability, _ = (figure(rows["power"], 2) for rows in by_day[28])
    assert f"power {window} if therapy works through the window" in README
    error = figure(by_day[28][0]["type_i_error"], 3)
    assert f"but {additive} if it only adds and {durability} if it slows the decay (type I error {error})" in README
    additive, window, durability, _ = (figure(rows["power"], 2) for rows in by_day[84])
    error = figure(by_day[84][0]["type_i_error"], 3)
    said = f"on day 84 the three have {window}, {additive} and {durability} (type I error {error})"
    assert said in README


def test_the_room_of_the_first_2x2():
    _, rows = power("kare_factorial.yaml", 5000, "design.n_per_arm=24")[0]
    detectable, room, best, error = (
        rows[m] for m in ("detectable_difference", "room_for_synergy", "power_at_best", "false_synergy_rate")
    )
    assert f"detect an interaction of {detectable.value:.1f} ± {detectable.mcse:.1f} percentage points" in README
    assert f"the scale leaves room for {room.value:.1f}" in README
    assert f"power would have been {figure(best, 2)} ± {best.mcse:.3f} ".replace("± 0.", "± .") in README
    said = f"false synergy rate {figure(error, 3)} ± {error.mcse:.3f})".replace("± 0.", "± .")
    assert said in README


def test_strategies_and_analyses_of_rescue_and_dropout():
    values, biases = {}, {}
    for about, rows in power("rescue_and_dropout.yaml", 2048):
        if about.get("variant") == "no added effect":
            continue
        power_, error = rows["power"], rows["type_i_error"]
        values[about["strategies"], about["analysis"]] = (figure(power_, 2), figure(error, 3))
        if about["endpoint"] == "score":
            bias = rows["bias"]
            cells = f"| {'−' * (bias.value < 0)}{abs(bias.value):.2f} ± {bias.mcse:.2f} |".replace("± 0.", "± .")
            biases[about["strategies"], about["analysis"]] = cells[2:-2].removeprefix("−")
            assert cells in ANALYSES
            cells = f"| {figure(power_, 3)} ± {power_.mcse:.3f} | {figure(error, 3)} ± {error.mcse:.3f} |"
            cells = cells.replace("± 0.", "± .")
            assert cells in ANALYSES
    treated = "rescue: treatment_policy"
    too_much, too_little = biases[treated, "mmrm"], biases[treated, "reference_based JR"]
    assert f"(MMRM, MAR) says {too_much} points too much" in README
    assert f"(JR) {too_little} too little" in README
    mmrm, nested = values["rescue: treatment_policy", "mmrm"], values["rescue: treatment_policy", "nested"]
    assert f"{mmrm[1]} ± .005 (MMRM, power {mmrm[0]} ± .01)" in README
    assert f"(nested) it is {nested[1]} ± .004, and power {nested[0]} ± .01" in README


def test_the_python_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    seen: dict[str, Any] = {}
    exec(block, seen)
    assert (tmp_path / "results" / "power_curve.png").exists()
    assert seen["posterior"].verdict
