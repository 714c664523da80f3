"""Assurance in the clean case, where it is known; draws, workers and the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import special, stats

from kaptrial.errors import ScenarioError
from kaptrial.questions.assurance.assurance import _quantile_error, assurance
from kaptrial.results import Row
from kaptrial.scenario.files import build, dump, load, with_settings
from tests.builders import TOTAL_SD, ancova_power, clean_raw, t_test_power
from tests.scenario.malformed import STARTER

SHIFT = "therapies.shift.max_effect.value"


def with_belief(raw: dict, path: str, **family: dict) -> dict:
    return raw | {"prior": {"also": {path: {**family, "source": "assumption", "note": "for a test"}}}}


def clean_with(n: int, **family: dict):
    return build(with_belief(clean_raw(n_per_arm=n, delta=6.0), SHIFT, **family))


def values(averaged) -> dict[tuple[str, str], tuple[float, float]]:
    return {(row["analysis"], row["metric"]): (row["value"], row["mcse"]) for row in map(Row.flat, averaged.rows)}


def test_a_prior_on_one_point_gives_the_power_there():
    got = values(assurance(clean_with(20, normal={"mean": 5.0, "sd": 1e-9}), seed=3, draws_of_prior=60))
    for method, exact in (("ancova", ancova_power(5.0, 20)), ("difference", t_test_power(5.0, 20))):
        value, mcse = got[method, "assurance"]
        assert abs(value - exact) < 4 * mcse, (method, value, exact, mcse)
        assert mcse == pytest.approx(np.sqrt(exact * (1 - exact) / (60 * 128)), rel=0.5)
    for method, exact in (("ancova", ancova_power(6.0, 20)), ("difference", t_test_power(6.0, 20))):
        value, mcse = got[method, "power"]  # at the scenario's own 6 points
        assert abs(value - exact) < 4 * mcse, (method, value, exact, mcse)


@pytest.mark.parametrize(("mean", "sd"), [(4.0, 2.0), (0.5, 3.0)])
def test_a_normal_prior_gives_the_closed_form(mean, sd):
    """Over the prior the estimate is normal with variance se² + sd², and its estimated SE is independent of it."""
    n, draws = 60, 500
    se, df = TOTAL_SD * np.sqrt(2 / n), 2 * n - 2
    wider = np.hypot(se, sd)
    critical, ncp = special.stdtrit(df, 0.975) * se / wider, mean / wider
    above = 1 - special.nctdtr(df, ncp, critical)
    exact = above + special.nctdtr(df, ncp, -critical)
    by_phi = special.ndtr((mean - 1.96 * se) / wider) + special.ndtr((-mean - 1.96 * se) / wider)
    assert exact == pytest.approx(by_phi, abs=0.005)  # the formula with a known variance
    averaged = assurance(clean_with(n, normal={"mean": mean, "sd": sd}), seed=4, draws_of_prior=draws)
    got = values(averaged)
    value, mcse = got["difference", "assurance"]
    assert abs(value - exact) < 4 * mcse, (value, exact, mcse)
    # Own values: 6 points of improvement, so that the expected side is the lower score.
    value, mcse = got["difference", "assurance_expected_side"]
    assert abs(value - above) < 4 * mcse, (value, above, mcse)
    # A power of .8 or more among 128 replicates, averaged over the prior.
    deltas = stats.norm(mean, sd).ppf((np.arange(400) + 0.5) / 400)
    high = np.mean([stats.binom.sf(np.ceil(0.8 * 128) - 1, 128, t_test_power(abs(d), n)) for d in deltas])
    value, mcse = got["difference", "probability_of_80_power"]
    assert abs(value - high) < 4 * mcse, (value, high, mcse)
    # Every patient improves by the drawn effect exactly, so that truths are the draws.
    true = [
        r.value for rows in averaged.by_draw for r in rows if r.metric == "truth" and r.question.analysis == "ancova"
    ]
    assert true == pytest.approx([-draw.also[SHIFT] for draw in averaged.draws], abs=1e-9)
    value, mcse = got["difference", "truth_mean"]
    assert abs(value + mean) < 4 * mcse
    value, mcse = got["difference", "prior_patients"]  # 2n patients give se², the prior has sd²
    assert abs(value - 2 * n * (se / sd) ** 2) < 4 * mcse
    assert mcse / value == pytest.approx(np.sqrt(2 / draws), rel=0.35)
    assert value == pytest.approx(2 * n * se**2 / np.var(true), rel=0.01)  # beside the draws themselves
    for metric, z in (("truth_lower", -1.645), ("truth_upper", 1.645)):
        value, mcse = got["difference", metric]
        assert abs(value - (-mean + z * sd)) < 4 * mcse


def test_the_error_of_a_quantile_is_its_standard_deviation():
    samples = np.random.default_rng(1).normal(size=(2000, 400))
    spread = np.quantile(samples, 0.05, axis=1).std()
    # On average too large by 8 % at this size; the spread itself is known to 1.6 %.
    assert np.sqrt(np.mean([_quantile_error(x, 0.05) ** 2 for x in samples])) == pytest.approx(spread, rel=0.15)


def test_more_draws_keep_the_earlier_ones_and_workers_change_nothing():
    s = clean_with(10, lognormal={"median": 5.0, "log_sd": 0.5})
    few, many = (assurance(s, seed=5, draws_of_prior=n) for n in (4, 7))
    assert repr(many.by_draw[: len(few.by_draw)]) == repr(few.by_draw)  # a NaN is not itself
    assert many.draws[:4] == few.draws
    assert repr(assurance(s, seed=5, draws_of_prior=7, workers=2)) == repr(many)
    assert assurance(s, seed=6, draws_of_prior=4).draws != few.draws


@pytest.mark.parametrize(
    ("scenario", "path", "settings", "metrics"),
    [
        ("oral_titration_single_arm", "drug.half_life.value", {}, {"assurance_better"}),
        ("kare_factorial", "drug.max_effect.value", {"design.n_per_arm": 8}, set()),
        ("ptsd_repeated_midazolam", "drug.half_life.value", {"design.n_per_arm": 8}, set()),
        (
            "depression_noninferiority_ect",
            "drug.half_life.value",
            {"design.n_per_arm": 20},
            {"assurance_non_inferiority"},
        ),
    ],
)
def test_every_kind_of_power_has_its_assurance(scenario, path, settings, metrics):
    s = load(STARTER.parent / f"{scenario}.yaml", settings)
    raw = with_belief(with_settings(_raw(s), {"secondary": []}), path, lognormal={"median": 3.0, "log_sd": 0.2})
    averaged = assurance(build(raw), seed=1, draws_of_prior=2, replicates=16)
    assert {row.metric for row in averaged.rows} >= {
        "assurance",
        "probability_of_80_power",
        "power",
        *metrics,
    }
    assert all(np.isfinite(row["value"]) and np.isfinite(row["mcse"]) for row in map(Row.flat, averaged.rows))


def _raw(s) -> dict:
    import yaml

    return yaml.safe_load(dump(s))


def test_a_draw_that_fills_no_trial_has_power_0():
    settings = {"design.n_per_arm": 4, "secondary": [], "estimand.methods": ["difference"]}
    s = load(STARTER.parent / "depression_series_with_cbt.yaml", settings)
    averaged = assurance(
        build(with_belief(_raw(s), "drug.share.value", uniform={"low": 0.001, "high": 0.002})),
        seed=1, draws_of_prior=2, replicates=128,
    )  # fmt: skip
    (row,) = (row for row in map(Row.flat, averaged.rows) if row["metric"] == "assurance")
    assert (row["value"], row["n_failed"], averaged.n_never_filled) == (0.0, 256, 2)


def test_what_cannot_be_averaged_is_refused_in_one_line():
    raw = clean_raw(n_per_arm=10, delta=5.0)
    with pytest.raises(ScenarioError, match="prior is missing: assurance needs one"):
        assurance(build(raw), seed=1)
    s = build(with_belief(raw, SHIFT, normal={"mean": 5, "sd": 1}) | {"null": "therapy"})
    with pytest.raises(ScenarioError, match="null = 'therapy'"):
        assurance(s, seed=1)
    s = build(with_belief(raw, "population.non_responders", normal={"mean": 0.05, "sd": 0.2}))
    with pytest.raises(
        ScenarioError, match=r"draw \d+: population.non_responders.value = -.*≥ 0; a lognormal"
    ) as caught:
        assurance(s, seed=1)
    assert "\n" not in str(caught.value)


# --- the command line -------------------------------------------------------------------------------------------------


def test_the_command_holds_its_contract_and_workers_change_no_byte(run, tmp_path, capsys):
    path = tmp_path / "trial.yaml"
    path.write_text(dump(clean_with(10, normal={"mean": 6.0, "sd": 3.0})), encoding="utf-8")
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        run(
            "assurance", path, "--draws", 6, "--replicates", 50, "--seed", 7, "--workers", workers,
            "--set", "design.n_per_arm=12", "--json", folder / "out.json", "-o", folder / "pack",
        )  # fmt: skip
    names = ["out.json", *(f"pack/{x}" for x in ("results.csv", "by_draw.csv", "draws.csv", "assurance.png"))]
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name
    assert (tmp_path / "1" / "pack" / "assurance.pdf").read_bytes().startswith(b"%PDF")
    out = json.loads((tmp_path / "1" / "out.json").read_text())
    assert out["provenance"]["draws"] == 6
    assert {"version", "scenario_sha256", "seed", "replicates", "set"} <= set(out["provenance"])
    columns = {"analysis", "contrast", "day", "metric", "value", "mcse", "n_draws", "n_replicates", "n_failed"}
    assert all(columns <= set(row) for row in out["results"])
    rows = [row for row in out["results"] if row["metric"] == "assurance"]
    assert [(row["n_draws"], row["n_replicates"]) for row in rows] == [(6, 50)] * 2
    shown = capsys.readouterr().out
    assert "6 draws of the prior" in shown
    assert "assurance" in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "prior is missing"),
        (["--prior", "nonesuch"], "prior.name = 'nonesuch': must be a prior of the catalogue"),
        (["--set", "prior=nonesuch"], "prior.name = 'nonesuch'"),
    ],
)
def test_the_command_refuses_in_one_line(refused, options, said):
    assert said in refused("assurance", STARTER, *options)


def test_check_lists_the_prior(run, tmp_path, capsys):
    path = tmp_path / "trial.yaml"
    path.write_text(dump(clean_with(10, normal={"mean": 6.0, "sd": 3.0})), encoding="utf-8")
    run("check", path)
    said = " ".join(capsys.readouterr().out.split())
    assert f"design prior of {SHIFT}: normal(mean 6, sd 3), assumption: for a test" in said


def test_the_expected_side_is_that_of_the_prior():
    """KARE without synergy: the scale's ceiling makes its interaction negative, and its prior holds synergy only."""
    s = load(STARTER.parent / "kare_factorial.yaml", {"secondary": []})
    assert all(therapy.gamma is None for therapy in s.therapies.values())
    averaged = assurance(s, seed=1, draws_of_prior=40)
    rows = {row.metric: row for row in averaged.rows}
    assert rows["truth"].value < 0 < rows["truth_mean"].value
    for metric in ("assurance", "power"):
        assert rows[f"{metric}_expected_side"].value <= rows[metric].value
    # By synergy's side it is most of the power; by the ceiling's, today .009 of 400 draws, hardly any.
    assert rows["assurance_expected_side"].value > 0.5 * rows["assurance"].value
