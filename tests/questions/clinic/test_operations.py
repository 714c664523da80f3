"""The clinic over many replicates: the same bytes for any number of workers, power in the clinic, the cheapest plan."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from kaptrial.cli import main
from kaptrial.errors import ScenarioError
from kaptrial.questions.clinic.answer import answer
from kaptrial.questions.clinic.operations import clinic_key, delivered_to, operations
from kaptrial.questions.clinic.output import write_clinic
from kaptrial.questions.clinic.staffing_plans import Target, compare
from kaptrial.questions.power import execution
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.characteristics import characteristics
from kaptrial.scenario.files import build, with_settings
from tests.builders import clean, clinic, clinic_raw, number, site


def tight_raw():
    """One therapist for whom the caseload is too much, in a trial where nothing but sessions works."""
    raw = clinic_raw(site(referrals=60, therapists={"shift": 1}), n_per_arm=30)
    raw["clinic"]["sessions"] = {"from_hours": 12, "to_hours": 48, "late_days": 5}
    raw["clinic"]["therapists"]["shift"] |= {"caseload": 10, "sessions_per_week": 3}
    raw["therapies"]["shift"] |= {"learning_per_session": number(0.3, "none"), "max_effect": number(9, "points")}
    units = {"chair_month": 100, "therapist_month": 1000, "trial_month": 2000}
    raw["clinic"]["costs"] = {"currency": "EUR"} | {name: number(value, "money") for name, value in units.items()}
    return raw


def test_workers_do_not_change_a_byte(run, tmp_path, monkeypatch):
    monkeypatch.setattr(execution, "START", 0.0)  # or so little work would start no process
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(clinic_raw(n_per_arm=6)))
    for workers in (1, 2):
        run("clinic", path, "--replicates", 40, "--workers", workers, "--json", tmp_path / f"{workers}.json")
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()
    out = json.loads((tmp_path / "1.json").read_text())
    assert {"table", "of", "metric", "unit", "value", "mcse", "lower", "upper", "n_replicates"} == set(
        out["results"][0]
    )
    assert out["provenance"]["seed"] == 1
    s = clinic(n_per_arm=6)
    delivered = [operations(s, seed=1, replicates=40, workers=w, for_trials=True).delivered for w in (1, 2)]
    for name, values in vars(delivered[0][0]).items():
        assert values.tobytes() == getattr(delivered[1][0], name).tobytes(), name


def test_figures_and_tables_are_written_the_same_each_time(tmp_path):
    s = clinic(n_per_arm=6)
    about = {"version": "0", "seed": 1, "replicates": 4, "scenario_sha256": "0" * 64}
    results = answer(s, provenance=about, seed=1, replicates=4)
    for folder in ("a", "b"):
        write_clinic(tmp_path / folder, results)
    names = {p.name for p in (tmp_path / "a").iterdir()}
    drawn = ("accrual", "week", "lags", "flow", "utilisation")
    tables = {"results.json", "results.csv", "accrual.csv", "lags.csv", "week.csv", "scenario.yaml"}
    assert names == tables | {f"{name}.{kind}" for name in drawn for kind in ("pdf", "png", "svg")}
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_power_takes_the_clinic(run, tmp_path):
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(clinic_raw(n_per_arm=6)))
    run("power", path, "--clinic", "--replicates", 32, "--no-nulls", "--json", tmp_path / "power.json")
    power = json.loads((tmp_path / "power.json").read_text())
    assert power["provenance"]["clinic"] is True
    assert "power" in {row["metric"] for row in power["results"]}


def test_more_replicates_keep_the_earlier_ones():
    s = clinic(n_per_arm=10)
    few, more = (operations(s, seed=1, replicates=r) for r in (5, 20))
    assert [d.values for d in few.summaries] == [d.values for d in more.summaries[:5]]


def test_a_crowded_clinic_costs_power_and_the_null_holds_its_level():
    raw = tight_raw()
    cells = [
        Cell(scenario=build(with_settings(raw, {"clinic.sites[0].therapists.shift": n})), columns={"n": n})
        for n in (1, 8)
    ]
    delivered = delivered_to([c.scenario for c in cells], seed=1, replicates=128)
    results = characteristics(cells, seed=1, replicates=128, delivered=delivered)
    protocol = characteristics(cells[:1], seed=1, replicates=128, nulls=False)
    by = [{row.metric: row for row in result.rows if row.question.analysis == "ancova"} for result in results]
    power = [rows["power"].value for rows in by]
    print(power, protocol[0].rows[0].value)
    assert power[0] < power[1] - 0.1
    assert abs(power[1] - protocol[0].rows[0].value) < 0.08
    for rows in by:
        error = rows["type_i_error"]
        assert abs(error.value - 0.05) < 4 * 0.0193
    # The bias is what the clinic takes away.
    assert by[0]["bias"].value > 4 * by[0]["bias"].mcse
    assert "takes away" in results[0].notes[-1].text


def test_what_the_model_assumes_is_nothing_to_the_clinic():
    raw = clinic_raw()
    same = {"therapies.shift.max_effect": 1, "drug.half_life": 3, "estimand.contrast": "control - treated"}
    assert clinic_key(build(raw)) == clinic_key(build(with_settings(raw, same)))
    for change in ({"clinic.sites[0].chairs": 2}, {"design.n_per_arm": 30}, {"arms[1].therapy.days": [2, 3]}):
        assert clinic_key(build(raw)) != clinic_key(build(with_settings(raw, change)))


def test_the_cheapest_plan_that_is_enough_is_found():
    raw = tight_raw()
    cells = [
        Cell(scenario=build(with_settings(raw, {"clinic.sites[0].therapists.shift": n})), columns={"n": n})
        for n in (8, 1, 3)
    ]
    target = 0.7
    rows = {row["n"]: row for row in compare(cells, seed=1, replicates=64, target=Target(power=target))}
    print({n: row["power"] for n, row in rows.items()})
    assert rows[1]["power"] < target <= rows[3]["power"]
    assert [n for n, row in rows.items() if row["chosen"]] == [3]
    assert rows[8]["power"] is None  # dearer than what is enough
    assert rows[1]["cost"] < rows[3]["cost"] < rows[8]["cost"]
    late = compare(cells, seed=1, replicates=32, target=Target(months=0.1))
    assert not any(row["chosen"] for row in late)


def test_nothing_is_cheapest_without_costs(tmp_path, capsys):
    raw = tight_raw()
    path = tmp_path / "trial.yaml"
    for costs in (None, {"currency": "EUR"}):
        raw["clinic"]["costs"] = costs
        path.write_text(yaml.safe_dump(raw))
        with pytest.raises(SystemExit) as stop:
            main(["clinic", str(path), "--vary", "clinic.sites[0].therapists.shift=1,3", "--months", "60"])
        assert stop.value.code == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "clinic.costs is missing: must be given" in said


def test_power_of_trials_that_nobody_can_analyse_is_a_dash_with_its_reason(run, tmp_path, capsys):
    raw = clinic_raw(site(therapists={"shift": 1}), n_per_arm=6)
    raw["analysis"] = {"methods": ["nested"]}
    raw["therapies"]["shift"]["therapists"] = {"sd": number(3, "points"), "caseload": 5}
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(raw))
    run("power", path, "--clinic", "--replicates", 8, "--json", tmp_path / "power.json")
    said = " ".join(capsys.readouterr().out.split())
    assert "power is unknown (no trial could be analysed)" in said
    assert "nested has no power: none of 8 trials could be analysed (too few therapists)" in said
    assert "count as not rejecting" not in said
    rows = {row["metric"]: row for row in json.loads((tmp_path / "power.json").read_text())["results"]}
    assert rows["power"]["value"] is None
    assert rows["type_i_error"]["value"] is None
    run("clinic", path, "--vary", "clinic.sites[0].therapists.shift=1,3", "--replicates", 8)
    said = " ".join(capsys.readouterr().out.split())
    assert "shift = 1 has no power: none of its trials could be analysed (too few therapists)" in said
    assert "± 0.0" not in said.split("3 ")[0]


def test_what_the_calendar_alone_forbids_is_said():
    raw = clinic_raw(n_per_arm=6)
    for arm in raw["arms"]:
        arm["doses"][0]["days"] = [0, 3]
    raw["arms"][1]["therapy"]["days"] = [1, 4]
    raw["clinic"]["infusions"] = {"weekdays": ["mon", "fri"]}
    raw["clinic"]["sessions"] = {"from_hours": 12, "to_hours": 36}
    notes = answer(build(raw), provenance={}, seed=1, replicates=2).notes
    said = [note.text for note in notes if note.code == "calendar"]
    print(said)
    assert "sessions promised 12 to 36 hours later are out of their window after some infusions of fri" in said[-1]
    raw["clinic"]["infusions"] = {"weekdays": ["mon", "tue"]}
    notes = answer(build(raw), provenance={}, seed=1, replicates=2).notes
    said = [note.text for note in notes if note.code == "calendar"]
    assert said[0].startswith(
        "control: by the days of the week alone doses are missed, more than 3 days late: of day 3"
    )
    assert said[0].endswith("where the first is given on mon.")
    s = build(raw)
    delivered = delivered_to([s], seed=1, replicates=8)
    (in_trials,) = characteristics([Cell(scenario=s, columns={})], seed=1, replicates=8, delivered=delivered)
    assert [note.text for note in in_trials.notes if note.code == "calendar"] == said


def test_a_scenario_without_a_clinic_is_refused_in_one_line(tmp_path, capsys):
    with pytest.raises(ScenarioError, match="clinic is missing"):
        operations(clean(n_per_arm=10, delta=1), seed=1, replicates=2)
    raw = clinic_raw()
    del raw["clinic"]
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(raw))
    for arguments in (["clinic", path], ["power", path, "--clinic"], ["clinic", path, "--months", 3]):
        with pytest.raises(SystemExit) as stop:
            main([str(a) for a in arguments])
        assert stop.value.code == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "must be given" in said or "goes with --vary" in said


def test_plans_are_compared_from_the_command_line(run, tmp_path):
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(tight_raw()))
    run(
        "clinic", path, "--vary", "clinic.sites[0].therapists.shift=1,3", "--power", 0.3, "--months", 60,
        "--replicates", 16, "-o", tmp_path / "out", "--json", tmp_path / "rows.json",
    )  # fmt: skip
    assert (tmp_path / "out" / "plans.csv").is_file()
    rows = json.loads((tmp_path / "rows.json").read_text())["results"]
    assert {"power", "power_mcse", "in_window", "months", "cost", "bottleneck", "chosen"} <= set(rows[0])


def test_help_does_not_load_simpy():
    code = "import sys, kaptrial.cli; sys.exit('simpy' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
