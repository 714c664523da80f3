"""The command line: the JSON contract, one line and exit 2 for errors, the same bytes for any number of workers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import stdtrit
from typer.main import get_command

from kaptrial.cli import app, main
from tests import SCENARIOS

STARTER = SCENARIOS / "starter.yaml"
KARE = SCENARIOS / "kare_factorial.yaml"
METRICS = {
    "power", "type_i_error", "truth", "truth_if_additive", "mean_estimate", "bias", "empirical_se", "model_se",
    "coverage", "type_s", "type_m",
}  # fmt: skip


def test_json_of_power_holds_the_contract(run, tmp_path):
    run("power", STARTER, "--replicates", 128, "--vary", "design.n_per_arm=20,40", "--json", tmp_path / "out.json")
    out = json.loads((tmp_path / "out.json").read_text())
    assert {"version", "scenario_sha256", "seed", "replicates"} <= set(out["provenance"])
    rows = out["results"]
    assert {row["design.n_per_arm"] for row in rows} == {20, 40}
    assert {row["metric"] for row in rows} >= METRICS
    columns = {"analysis", "contrast", "day", "metric", "value", "mcse", "n_replicates", "n_failed", "favours"}
    assert all(columns <= set(row) for row in rows)
    powers = [row["value"] for row in rows if row["metric"] == "power"]
    # The same patients, and 20 more an arm: power differs by far more than its error of .04.
    assert powers[0] < powers[1]


def test_json_to_standard_output_is_all_that_is_printed(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in (("check", STARTER), ("evidence", "list")):
        run(*command, "--json", "out.json")
        capsys.readouterr()
        run(*command, "--json", "-")
        assert capsys.readouterr().out == (tmp_path / "out.json").read_text()
    assert not (tmp_path / "-").exists()


def test_workers_do_not_change_a_byte(run, tmp_path):
    for workers in (1, 2, "auto"):
        folder = tmp_path / str(workers)
        folder.mkdir()
        run(
            "power", STARTER, "--replicates", 300, "--workers", workers, "--set", "design.n_per_arm=10", "--no-nulls",
            "--json", folder / "out.json", "-o", folder / "pack",
        )  # fmt: skip
    for name in ("out.json", "pack/results.csv", "pack/estimates.csv"):
        assert len({(tmp_path / str(w) / name).read_bytes() for w in (1, 2, "auto")}) == 1, name


def test_more_replicates_keep_the_earlier_estimates(run, tmp_path):
    for replicates in (300, 1000):
        run(
            "power",
            STARTER,
            "--replicates",
            replicates,
            "--set",
            "design.n_per_arm=10",
            "--no-nulls",
            "-o",
            tmp_path / str(replicates),
        )
    few, many = ((tmp_path / n / "estimates.csv").read_text().splitlines() for n in ("300", "1000"))
    assert few == many[: len(few)]


def test_simulate_then_analyse_gives_the_estimate_of_power(run, tmp_path):
    run("simulate", STARTER, "--seed", 7, "-o", tmp_path / "trial.csv")
    run("analyse", tmp_path / "trial.csv", "--reference", "ketamine", "--target-day", 28, "--json", tmp_path / "a.json")
    run("power", STARTER, "--seed", 7, "--replicates", 2, "--no-nulls", "-o", tmp_path / "pack")
    (row,) = json.loads((tmp_path / "a.json").read_text())["results"]
    assert row["contrast"] == "ketamine_cbt - ketamine"
    header, first = (line.split(",") for line in (tmp_path / "pack" / "estimates.csv").read_text().splitlines()[:2])
    assert row["estimate"] == pytest.approx(float(first[header.index("estimate")]), rel=1e-10)
    assert row["se"] == pytest.approx(float(first[header.index("se")]), rel=1e-10)


def test_kare_says_what_it_could_not_have_found(run, tmp_path, capsys):
    run("power", KARE, "--set", "design.n_per_arm=24", "--replicates", 1000, "--json", tmp_path / "k.json")
    rows = json.loads((tmp_path / "k.json").read_text())["results"]
    asked = ("ketamine:therapy", "as declared")
    by_metric = {row["metric"]: row for row in rows if (row["contrast"], row["variant"]) == asked}
    # By hand: SD 22 gives SE 22·√(4/24) = 9.0 and 2.8 × 9.0 = 25 points, here with a Monte Carlo error of 0.6.
    assert by_metric["detectable_difference"]["value"] == pytest.approx(25, abs=1.8)
    assert by_metric["room_for_synergy"]["value"] < by_metric["detectable_difference"]["value"]
    assert by_metric["power_at_best"]["value"] < 0.8
    assert "no achievable synergy" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["power", "nowhere.yaml"],
        ["power", STARTER, "--set", "design.n_per_am=3"],
        ["power", STARTER, "--set", "design.n_per_arm"],
        ["power", STARTER, "--set", "design.n_per_arm=[1"],
        ["power", STARTER, "--set", "arms[7].id=x"],
        ["power", STARTER, "--vary", "design.n_per_arm=20,twenty"],
        ["power", STARTER, "--replicates", "many"],
        ["power", STARTER, "--workers", "0"],
        ["power", STARTER, "--workers", "all"],
        ["power", STARTER, "--json", "/dev/null/out.json"],
        ["analyse", "nowhere.csv"],
        ["analyse", STARTER],
        ["describe", STARTER, "--no-such-option"],
    ],
)
def test_errors_are_short_and_exit_2(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    assert stop.value.code == 2
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    assert shown.err.strip()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scenario", sorted((SCENARIOS).glob("*.yaml")), ids=lambda path: path.stem)
def test_every_scenario_is_valid_and_described(run, scenario, capsys):
    run("check", scenario)
    run("describe", scenario)
    assert "Truth under the model" in capsys.readouterr().out


def test_a_description_without_the_truth_is_the_rest_of_it(run, capsys):
    run("describe", STARTER)
    whole = capsys.readouterr().out.splitlines()
    run("describe", STARTER, "--no-truth")
    rest = capsys.readouterr().out.splitlines()
    assert set(rest) < set(whole)
    assert "What is assumed of the world" in rest
    assert not any("ruth" in line for line in rest)


def test_precision_of_a_single_arm(run, capsys):
    run("precision", "--sd", 8, "--half-width", 2.5)
    n = int(capsys.readouterr().out.split()[0])
    t = [stdtrit(m - 1, 0.975) * 8 / np.sqrt(m) for m in (n, n - 1)]  # a little wider than on average
    assert t[0] < 2.5 * 1.01
    assert t[1] > 2.5
    with pytest.raises(SystemExit) as stop:
        main(["precision", "--half-width", "2.5"])
    assert stop.value.code == 2


def options_of_commands(group=None, path=()):
    """Each option of each command but --help, as (words that call the command, option)."""
    group = group or get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from options_of_commands(command, (*path, name))
            continue
        yield from (((*path, name), each) for each in command.params if each.param_type_name == "option")


@pytest.mark.parametrize(
    ("words", "option"),
    [pytest.param(w, o, id=f"{' '.join(w)} {o.opts[0]}") for w, o in options_of_commands()],
)
def test_an_option_given_twice_is_refused_unless_it_is_a_list(words, option, capsys):
    called = max(option.opts, key=len)
    names = [*option.opts, *option.secondary_opts]
    once = [[name] if option.is_flag else [name, "a=1"] for name in (names[0], names[-1])]
    with pytest.raises(SystemExit) as stop:
        main([*words, "x", *once[0], *once[1]])
    error = capsys.readouterr().err
    again = "a is given 2 times" if option.multiple else "is given 2 times"
    assert (stop.value.code, error) == (2, f"kaptrial: {called}: {again}; must be given once\n")


def test_a_list_is_used_whole(run, tmp_path):
    settings = ["--set", "design.n_per_arm=10", "--set", "estimand.day=14"]
    run("power", STARTER, "--replicates", 128, "--no-nulls", *settings, "--json", tmp_path / "out.json")
    out = json.loads((tmp_path / "out.json").read_text())
    assert out["provenance"]["set"] == ["design.n_per_arm=10", "estimand.day=14"]
    assert {row["day"] for row in out["results"]} == {14}
