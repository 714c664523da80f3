"""kaptrial fit: its JSON, its files, the priors side by side, and what it refuses in one line."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from kaptrial.cli import main
from tests import ROOT, SCENARIOS

DATA = ROOT / "tests" / "data"


def trial_csv(*, n=10, days=(7, 14), therapist=False) -> str:
    """Two arms of n patients, made by arithmetic."""
    rng = np.random.default_rng(3)
    lines = ["patient,arm,day,baseline,score" + (",therapist" if therapist else "")]
    for i in range(2 * n):
        base = 30 + rng.normal(0, 4)
        for day in days:
            score = base - 8 - 2 * (i % 2) + rng.normal(0, 4)
            who = f",T{i % 3}" if i % 2 else ","
            lines.append(f"{i},{'ab'[i % 2]},{day},{base:.1f},{score:.1f}" + (who if therapist else ""))
    return "\n".join(lines) + "\n"


def test_contract_and_files(run, tmp_path, capsys):
    (tmp_path / "trial.csv").write_text(trial_csv(therapist=True))
    run(
        "fit", tmp_path / "trial.csv", "--therapist", "therapist", "--prior", "weak,skeptical", "--margin", 2, "--rope",
        0.5, "--draws", 400, "--every-posterior", "--json", tmp_path / "out.json", "-o", tmp_path / "pack",
    )  # fmt: skip
    out = json.loads((tmp_path / "out.json").read_text())
    assert {"version", "seed", "data", "priors", "verdicts", "diagnostics"} <= set(out["provenance"])
    columns = {
        "prior", "contrast", "measure", "day", "mean", "sd", "median", "lower", "upper", "p_below_zero",
        "p_favours_left", "mcse_mean", "mcse_sd", "mcse_lower", "mcse_p", "ess_bulk", "r_hat", "reason",
    }  # fmt: skip
    assert all(columns <= set(row) for row in out["results"])
    assert {row["contrast"] for row in out["results"]} == {"b - a"}
    assert {row["measure"] for row in out["results"]} == {"difference", "ratio_of_means", "share_kept"}
    printed = capsys.readouterr().out
    assert printed.startswith(("Given prior `weak`, at day 14 b - a is a benefit", "DO NOT USE"))
    assert "P(benefit) runs from " in printed
    assert "worth" in printed
    names = {path.name for path in (tmp_path / "pack").iterdir()}
    drawn = (
        "interaction", "effects_over_time", "posterior_predictive", "priors", "tipping", "trace", "ranks",
        "prior_posterior", "power_scaling",
    )  # fmt: skip
    figures = {f"{name}.{kind}" for name in drawn for kind in ("pdf", "png", "svg")}
    tables = {
        "results.csv", "results.json", "checks.csv", "priors.csv", "tipping.csv", "power_scaling.csv", "verdict.txt",
        "manifest.json",
    }  # fmt: skip
    assert names == figures | tables | {"posterior_weak.nc", "posterior_skeptical.nc"}


# Twenty patients: some of them decide.
@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_netcdf_holds_the_groups(run, tmp_path):
    import arviz as az

    (tmp_path / "trial.csv").write_text(trial_csv())
    run("fit", tmp_path / "trial.csv", "--prior", "weak,skeptical", "--draws", 300, "-o", tmp_path / "pack")
    assert [path.name for path in (tmp_path / "pack").glob("*.nc")] == ["posterior_weak.nc"]  # the first, unless asked
    with az.from_netcdf(tmp_path / "pack" / "posterior_weak.nc") as tree:
        assert set(tree.children) == {
            "posterior", "prior", "prior_predictive", "posterior_predictive", "log_likelihood", "log_prior",
            "observed_data", "constant_data", "sample_stats",
        }  # fmt: skip
        assert tree.log_likelihood["patient_scores"].shape[-1] == 20
        assert tree.attrs["data"] == "trial.csv"
        assert tree.attrs["prior"] == "weak"
        assert float(az.loo(tree).elpd) < 0


def test_seed_decides_and_other_priors_do_not(run, tmp_path):
    (tmp_path / "trial.csv").write_text(trial_csv())
    weak_rows = []
    for priors in ("weak", "evidence,weak"):
        run("fit", tmp_path / "trial.csv", "--draws", 200, "--prior", priors, "--json", tmp_path / "out.json")
        rows = json.loads((tmp_path / "out.json").read_text())["results"]
        weak_rows.append([row for row in rows if row["prior"] == "weak"])
    assert weak_rows[0] == weak_rows[1]


def test_days_of_success(run, tmp_path):
    run(
        "fit", DATA / "abstinent_days.csv", "--factor", "ketamine", "--factor", "therapy", "--likelihood",
        "abstinent_days", "--draws", 400, "--prior", "flat", "--json", tmp_path / "out.json",
    )  # fmt: skip
    rows = json.loads((tmp_path / "out.json").read_text())["results"]
    from kaptrial.methods.from_file import analyse
    from kaptrial.methods.options import Options

    table = analyse(DATA / "abstinent_days.csv", "beta_binomial", Options(factors=("ketamine", "therapy"))).to_frame()
    for contrast in ("ketamine", "therapy", "ketamine:therapy"):
        ml = table[table["contrast"] == contrast].iloc[0]
        (row,) = [r for r in rows if r["contrast"] == contrast and r["measure"] == "log_odds_ratio"]
        # Maximum likelihood's normal approximation, for 120 patients; .1 SE is 4 MCSE and more.
        assert row["mean"] == pytest.approx(ml["estimate"], abs=0.15 * ml["se"])
        assert row["sd"] == pytest.approx(ml["se"], rel=0.1)


def test_a_scenario_is_simulated_and_fitted(run, tmp_path):
    run(
        "fit", SCENARIOS / "kare_factorial.yaml", "--draws", 300, "--covariance", "intercept", "--json",
        tmp_path / "out.json",
    )  # fmt: skip
    out = json.loads((tmp_path / "out.json").read_text())
    assert out["provenance"]["better"] == "higher"
    assert set(out["provenance"]["roles"].values()) == {"drug", "therapy", "interaction"}


LONG = trial_csv()
ROWS = LONG.splitlines()
FACTORS = ["--factor", "drug", "--factor", "therapy"]
CELLS = "patient,drug,therapy,day,baseline,score\n" + "".join(
    f"{i},{i % 2},{i // 2 % 2},7,{30 + i % 7},{20 + (5 * i) % 11}\n" for i in range(32)
)


def without(keep) -> str:
    return "\n".join([ROWS[0], *(line for line in ROWS[1:] if keep(line.split(",")))]) + "\n"


@pytest.mark.parametrize(
    ("text", "options", "parts"),
    [
        (without(lambda c: c[1] == "a"), [], ["column `arm` = only 'a'", "two arms"]),
        ("\n".join(line for line in CELLS.splitlines() if ",1,1,7," not in line) + "\n", FACTORS,
         ["no patient has drug1_therapy1"]),
        (LONG.replace("baseline", "screening"), [], ["column `baseline` is missing", "'' for none"]),
        ("\n".join([ROWS[0], ",".join([*ROWS[1].split(",")[:3], "", "20"]), *ROWS[2:]]) + "\n", [],
         ["column `baseline` is empty at row 2", "'' for none"]),
        ("\n".join([ROWS[0], ",".join([*ROWS[1].split(",")[:4], "few"]), *ROWS[2:]]) + "\n", [],
         ["column `score` = 'few' at row 2", "must be a number"]),
        (LONG + ROWS[1] + "\n", [], ["patient 0 has two rows for day 7"]),
        (without(lambda c: not (c[1] == "b" and c[2] == "14")), [], ["arm b has no score at all on day 14"]),
        (without(lambda c: int(c[0]) < 3), [], ["arm a has 2 patients with a score: must be ≥ 3 an arm"]),
        (without(lambda c: int(c[0]) < 4), [], ["has 2 patients", "must be ≥ 3"]),
        (trial_csv(n=3, days=(1, 2, 3, 4)), [], ["6 patients with scores", "must be ≥ 8"]),
        ("\n".join([ROWS[0], *(",".join([*r.split(",")[:4], "20"]) for r in ROWS[1:])]) + "\n", [],
         ["all scores are 20: must vary"]),
        ("\n".join([ROWS[0], *(",".join([*r.split(",")[:4], r.split(",")[3]]) for r in ROWS[1:])]) + "\n", [],
         ["the scores on day 7 are the baseline itself"]),
        (re.sub("(,b,14,.*),.*", r"\1,20", LONG), [],
         ["the 10 scores of arm b on day 14 are all 20: must vary"]),
        (LONG, ["--covariate", "arm"], ["says nothing that"]),
        (LONG, ["--category", "day"], ["must be the same for a patient"]),
        (LONG, ["--covariate", "age"], ["column `age` is missing"]),
        (LONG, ["--prior", "week"], ["--prior = 'week'", "weak"]),
        (LONG, ["--prior", "weak,weak"], ["each prior must be named once"]),
        (LONG, ["--role", "pill"], ["--role = 'pill'", "drug, therapy, interaction"]),
        (LONG, ["--role", "drug,drug"], ["--role = 'drug,drug'"]),
        (LONG, ["--target-day", "9"], ["--target-day = 9", "7, 14"]),
        (LONG, ["--covariance", "us"], ["--covariance = 'us'", "unstructured"]),
        (LONG, ["--covariance", "random"], ["needs 3 visits or more for a slope in time; there are 2"]),
        (LONG, ["--likelihood", "poisson"], ["--likelihood = 'poisson'"]),
        (LONG, ["--likelihood", "abstinent_days"], ["patient 0 has two rows (row 3)"]),
        (LONG, ["--reference", "c"], ["--reference = 'c'"]),
        (LONG, ["--residual", "mine"], ["--residual = 'mine'"]),
    ],
)  # fmt: skip
def test_refused_in_one_line(tmp_path, capsys, text, options, parts):
    path = tmp_path / "data.csv"
    path.write_text(text)
    with pytest.raises(SystemExit) as stop:
        main(["fit", str(path), *options, "--json", str(tmp_path / "out.json"), "-o", str(tmp_path / "pack")])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("kaptrial: ")
    assert error.count("\n") == 1
    for part in parts:
        assert part in error
    assert {p.name for p in tmp_path.iterdir()} == {"data.csv"}


def test_options_of_files_do_not_go_with_scenarios(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["fit", str(SCENARIOS / "kare_factorial.yaml"), "--factor", "ketamine"])
    assert stop.value.code == 2
    assert "factors goes with a file" in capsys.readouterr().err
