"""Figures are written in three formats, the same bytes each time; their tables agree with truth and limits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from kaptrial.questions.power.answer import results_of
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.characteristics import characteristics
from kaptrial.questions.power.courses import course_drawn, decay, mean_mg_per_kg, series_days, trajectories
from kaptrial.questions.power.output import figures_of, write_power
from kaptrial.questions.power.terminal import timeline
from kaptrial.questions.power.titles import effect, of_variant
from kaptrial.questions.power.truth import truths
from kaptrial.scenario.files import load
from kaptrial.scenario.scenario import Scenario
from tests import SCENARIOS

PROVENANCE = {"version": "0", "seed": 1, "replicates": 128, "scenario_sha256": "0" * 64, "title": "a test"}


def written(folder: Path, scenario: str, *points: dict[str, float]) -> set[str]:
    cells = [Cell(scenario=load(SCENARIOS / f"{scenario}.yaml", p), columns=p) for p in points]
    results = characteristics(cells, seed=1, replicates=128, nulls=False)
    write_power(folder, results_of(results, PROVENANCE))
    names = {path.stem for path in folder.glob("*.pdf")}
    for name in names:
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (folder / f"{name}.svg").read_text(encoding="utf-8")[:1000]
    return names


@pytest.mark.parametrize(
    ("scenario", "points", "figure"),
    [
        ("starter", [{}], "trajectories"),
        ("starter", [{}], "decay"),
        ("starter", [{"design.n_per_arm": n} for n in (10, 20)], "power_curve"),
        ("starter", [{"estimand.day": d} for d in (7, 28)], "power_by_day"),
        (
            "starter",
            [{"design.n_per_arm": n, "therapies.cbt.max_effect": e} for n in (10, 20) for e in (2, 4)],
            "power_map",
        ),
        ("kare_factorial", [{}], "interaction_room"),
        ("rescue_and_dropout", [{}], "estimands"),
    ],
)
def test_the_figure_is_written(tmp_path, scenario, points, figure):
    assert figure in written(tmp_path, scenario, *points)


def test_the_same_run_writes_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        written(tmp_path / folder, "starter", {})
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(names) >= 9
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_trajectories_meet_the_truth_on_the_day_asked_for():
    scenario = load(SCENARIOS / "starter.yaml")
    table = trajectories(scenario, seed=3)
    (truth,) = truths(scenario, seed=1)
    latent = table[(table["kind"] == "latent") & (table["day"] == scenario.estimand.day)]
    for arm, mean, sd in zip(scenario.arms, truth.arm_means, truth.arm_sds, strict=True):
        latent_mean = latent.loc[latent["arm"] == arm.id, "mean"].item()
        # 128 × 100 patients drawn anew; rounding and the floor at 0 move the recorded mean by less than .1.
        assert abs(latent_mean - mean) < 4 * sd / np.sqrt(12_800) + 0.1


def test_decay_of_one_and_six_doses():
    table = decay(load(SCENARIOS / "starter.yaml"), seed=1).set_index(["doses", "day"])
    one, six = table.loc[1], table.loc[6]
    assert one.loc[0, "improvement"] == 0
    assert ((table["responding"] >= 0) & (table["responding"] <= 1)).all()
    # Until the second infusion both have had one; afterwards the series is ahead on every day.
    assert (one.loc[:2, "improvement"] == six.loc[:2, "improvement"]).all()
    assert (six.loc[2.5:, "improvement"] > one.loc[2.5:, "improvement"]).all()
    # One infusion without natural course or hope only fades.
    assert (np.diff(one.loc[0.5:, "improvement"]) < 0).all()


def texts(scenario: Scenario) -> dict[str, str]:
    """Every text of every figure of an output."""
    results = characteristics([Cell(scenario=scenario, columns={})], seed=1, replicates=2, nulls=False)
    drawn = figures_of(results_of(results, PROVENANCE))
    return {name: " ".join(t.get_text() for t in figure.findobj(Text)) for name, figure in drawn.items()}


@pytest.mark.parametrize(
    ("scenario", "settings", "said", "published"),
    [
        ("starter", {}, "six infusions of 0.5 mg/kg ketamine, no", True),
        ("starter", {"arms[0].doses[0].route": "IM"}, "six injections of 0.5 mg/kg ketamine, no", False),
        ("oral_titration_single_arm", {}, "six oral doses of 1.75 mg/kg ketamine, the mean of its course", False),
        ("depression_randomised_withdrawal", {}, "14 nasal doses of 0.9 mg/kg esketamine", False),
    ],
)
def test_doses_are_called_by_their_route_and_the_dose_drawn_is_said(scenario, settings, said, published):
    s = load(SCENARIOS / f"{scenario}.yaml", settings)
    drawn = texts(s)
    assert said in drawn["decay"].replace("\n", " ")
    assert ("Han 2016" in drawn["decay"]) == published  # of infusions
    words = said.split(" of ")[0].partition(" ")[2].rstrip("s")
    assert (f"one {words}") in drawn["decay"].replace("\n", " ")
    marks = {"starter": "dose" if settings else "infusion"}.get(scenario, words)  # the other arm stays at infusions
    assert f"▼ {marks}," in drawn["trajectories"]
    assert f"▼ {marks} " in timeline(s)[0]


def test_a_titration_is_drawn_at_its_mean_dose():
    s = load(SCENARIOS / "oral_titration_single_arm.yaml")
    assert mean_mg_per_kg(course_drawn(s)) == pytest.approx(1.75)
    same = load(SCENARIOS / "oral_titration_single_arm.yaml", {"arms[0].doses[0].mg_per_kg": 1.75})
    pd.testing.assert_frame_equal(decay(s, seed=1, last_day=3), decay(same, seed=1, last_day=3))


def test_a_trial_analysed_by_response_alone_has_its_figures():
    """The decay figure's two arms are scores, which these methods cannot analyse."""
    asked = {"estimand.endpoint": "response", "analysis.methods": ["response", "fisher"]}
    assert "decay" in texts(load(SCENARIOS / "starter.yaml", asked))


def test_a_series_is_the_trials_own_and_one_dose_stands_beside_six():
    own = load(SCENARIOS / "kap_package.yaml")
    days = course_drawn(own).days
    assert len(days) > 1
    assert series_days(own) == tuple(day - days[0] for day in days)
    assert len(series_days(load(SCENARIOS / "starter.yaml"))) == 6


def test_titles_say_what_was_found_with_the_arms_labels():
    s = load(SCENARIOS / "starter.yaml")
    results = characteristics([Cell(scenario=s, columns={"variant": "mild"})], seed=1, replicates=2, nulls=False)
    (truth,) = (abs(result.primary["truth"].value) for result in results)
    said = f"{of_variant(results[0])}{effect(results[0])}"
    assert said.startswith("Variant mild. Ketamine + CBT against Ketamine: a difference of ")
    assert said.endswith(" MADRS points on day 28")
    assert abs(float(said.split(" of ")[1].split()[0]) - truth) < 0.05
