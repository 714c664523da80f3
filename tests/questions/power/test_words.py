"""What `power` says: the sentence has the numbers of the rows, tables keep them whole, verdicts have occasions."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import kaptrial as kt
from kaptrial.output.terminal import by_mcse, error, with_error
from kaptrial.questions.power.answer import results_of
from kaptrial.questions.power.cells import cells
from kaptrial.questions.power.characteristics import characteristics
from kaptrial.questions.power.headline import least_differences, method_in_words
from kaptrial.questions.power.terminal import SHOWN, show_power
from kaptrial.questions.power.verdicts import verdicts
from kaptrial.scenario.files import load, read_raw
from kaptrial.simulation.simulate import simulate
from tests import SCENARIOS

# The quick ones, and those that verdicts are about; all of them in `validation`.
NAMES = (
    "starter", "anxiety_ascending_dose", "cbt_after_ketamine", "clinic_one_therapist_short",
    "cocaine_single_infusion_mindfulness", "depression_asat_training", "depression_noninferiority_ect",
    "depression_single_infusion", "kare_factorial", "ocd_crossover", "oral_titration_single_arm", "rescue_and_dropout",
)  # fmt: skip
OTHERS = sorted({path.stem for path in SCENARIOS.glob("*.yaml")} - set(NAMES))
WIDTHS = (60, 80, 100, 120, 200)


def run(name, values=None, *, nulls=True, replicates=64):
    from kaptrial.scenario.files import with_settings

    raw = with_settings(read_raw(SCENARIOS / f"{name}.yaml"), values or {})
    return characteristics(cells(raw, {}, variants=False), seed=1, replicates=replicates, nulls=nulls)


@pytest.fixture(scope="module")
def answers():
    """Scenarios at 64 replicates, once."""
    return {name: results_of(run(name), {"title": name, "seed": 1, "replicates": 64, "version": "0"}) for name in NAMES}


# --- the sentence -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_sentence_says_what_the_file_has(answers, name):
    check_sentence(name, answers[name])


@pytest.mark.validation
@pytest.mark.parametrize("name", OTHERS)
def test_the_sentence_of_every_other_scenario(name):
    check_sentence(name, results_of(run(name, nulls=False), {"title": name, "seed": 1, "replicates": 64}))


def check_sentence(name, results):
    written = json.loads(results.to_json())
    numbers, text = written["headline"], written["headline"]["text"]
    asked = {key: numbers[key] for key in ("contrast", "endpoint", "day", "measure", "strategies")}
    rows = [r for r in written["results"] if all(r[key] == value for key, value in asked.items())]
    of = {r["metric"]: r for r in rows if r["analysis"] == numbers["method"]}
    power = of.get("power_non_inferiority") or of.get("power_better") or of["power"]
    assert (numbers["power"], numbers["mcse"]) == (power["value"], power["mcse"])
    assert numbers["effect"] == of["truth"]["value"]
    said = re.search(r"power is ([\d.]+) % \(± ([\d.]+)\)", text)
    assert said[1] == by_mcse(100 * power["value"], 100 * power["mcse"])
    assert said[2] == error(100 * power["mcse"])
    n = int(re.search(r"\((\d+) in all|With (\d+) patients (?:in|allocated)", text).expand(r"\1\2") or 0)
    assert n == numbers["n_total"]
    assert float(re.search(r"(?:on|by|up to) day ([\d.]+)(?!.*lost)", text)[1]) == numbers["day"]
    assert float(re.search(r"-sided α (\.\d+)", text)[1]) == pytest.approx(numbers["alpha"])
    assert numbers["unit"] in text or numbers["unit"] == "percentage points"
    size = abs(numbers["effect"]) * (100 if numbers["measure"] in ("risk_difference", "response", "remission") else 1)
    if not numbers["measure"].startswith("log_"):
        shown = [float(x.replace("−", "-")) for x in re.findall(r"[\d.]*\d", text)]
        assert any(x == pytest.approx(size, rel=0.02, abs=0.06) for x in shown)
    if "standardised" in numbers:
        assert f"{numbers['standardised']:.2f} SD" in text
    lost = re.search(r"(\d+) % lost", text)
    assert (int(lost[1]) if lost else 0) == pytest.approx(100 * numbers["lost"], abs=0.51)
    (cell,) = cells(read_raw(SCENARIOS / f"{name}.yaml"), {}, variants=False)
    assert f"by {method_in_words(cell.scenario)}" in text
    rates = [of[metric] for metric in ("type_i_error", "false_synergy_rate") if metric in of]
    if "power_non_inferiority" not in of:
        said = re.findall(r"(?:type I error|false synergy rate) of ([\d.]+) % \(± ([\d.]+)\)", text)
        assert said == [(by_mcse(100 * r["value"], 100 * r["mcse"]), error(100 * r["mcse"])) for r in rates]


def test_the_least_differences_leave_out_one_patient_and_substantial_ones():
    (cell,) = cells(read_raw(SCENARIOS / "starter.yaml"), {})
    assert sorted(least_differences(cell.scenario)) == [1.6, 1.9, 3.0, 6.0, 6.0]


def test_over_several_sizes_it_says_how_power_runs():
    asked = cells(read_raw(SCENARIOS / "starter.yaml"), {"design.n_per_arm": [20, 40]})
    results = results_of(characteristics(asked, seed=1, replicates=64, nulls=False), {"seed": 1})
    first, last = (r for r in results.rows if r.metric == "power")
    shown = [f"{by_mcse(100 * r.value, 100 * r.mcse)} % (± {error(100 * r.mcse)})" for r in (first, last)]
    assert results.headline.text.endswith(f"Over design.n_per_arm from 20 to 40 it runs from {shown[0]} to {shown[1]}.")


# --- tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("everything", [False, True])
def test_no_number_is_lost(answers, monkeypatch, capsys, width, everything):
    monkeypatch.setenv("COLUMNS", str(width))
    for name, results in answers.items():
        show_power(results, everything=everything)
        page = capsys.readouterr().out
        assert max(map(len, page.splitlines())) <= width, name
        metrics = {r.metric for r in results.rows} if everything else {*SHOWN} & {r.metric for r in results.rows}
        if "power_better" in metrics:
            metrics.discard("power")
        for row in results.rows:
            if row.metric in metrics - {"truth_if_additive", "truth_without_expectancy"}:
                assert with_error(row) in page, (name, row.metric)
        table = page.partition("\n\n")[2]
        assert "…" not in table


def test_characters_that_a_locale_has_not_are_spelled(answers, monkeypatch, capsysbinary):
    import io
    import sys

    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    show_power(answers["starter"])
    stream.flush()
    page = stream.buffer.getvalue().decode("ascii")
    assert "0.91 +- 0.04" in page.replace("  ", " ") or "+-" in page
    assert "?" not in page.split("seed 1")[1]


# --- verdicts ---------------------------------------------------------------------------------------------------------

# What each verdict is said of, and a scenario of which it is not said.
OCCASIONS = {
    "type_i_error_above": ("clinic_one_therapist_short", {}, "starter"),
    "coverage_below": ("clinic_one_therapist_short", {}, "starter"),
    "biased": ("cocaine_single_infusion_mindfulness", {}, "starter"),
    "expectancy_only": ("anxiety_ascending_dose", {}, "starter"),
    "high_power": ("anxiety_ascending_dose", {}, "starter"),
    "low_power": ("ocd_crossover", {}, "starter"),
    "clipping": ("kare_factorial", {}, "starter"),
    "before_therapy": ("depression_asat_training", {}, "starter"),
    "mostly_expectancy": ("cbt_after_ketamine", {"therapies.cbt.max_effect": 0.1}, "cbt_after_ketamine"),
    "type_i_error_below": (
        "ocd_crossover",
        {"analysis.methods": ["fisher"], "estimand.methods": ["fisher"]},
        "starter",
    ),
}


@pytest.mark.parametrize("code", OCCASIONS)
def test_each_verdict_has_its_occasion(answers, code):
    name, values, other = OCCASIONS[code]
    notes = verdicts(run(name, values, replicates=256)) if values else answers[name].notes
    said = {note.code: note for note in notes}
    assert code in said
    assert said[code].text.endswith(".")
    assert code not in {note.code for note in answers[other].notes}


def test_therapists_left_out_are_named_as_the_reason():
    """Four therapists treat one arm, and ANCOVA ignores them: the verdict says why and what to do."""
    values = {
        "therapies.cbt.therapists": {
            "count": 4,
            "sd": {"value": 3, "unit": "points", "source": "assumption", "note": "for a test"},
        }
    }
    values["analysis.methods"] = ["ancova"]
    said = {note.code: note.text for note in verdicts(run("starter", values, replicates=512))}
    assert (
        "therapists treat patients of ketamine_cbt and the analysis ignores them; use nested"
        in said["type_i_error_above"]
    )


@pytest.mark.parametrize(
    ("metric", "value", "code"),
    [
        ("type_i_error", 0.0651, "type_i_error_above"),
        ("type_i_error", 0.0349, "type_i_error_below"),
        ("type_i_error", 0.0649, None),
        ("false_synergy_rate", 0.0651, "false_synergy_rate_above"),
        ("false_synergy_rate", 0.0349, "false_synergy_rate_below"),
        ("false_synergy_rate", 0.0351, None),
        ("coverage", 0.9349, "coverage_below"),
        ("coverage", 0.9651, "coverage_above"),
        ("coverage", 0.9351, None),
        ("power", 0.4849, "low_power"),
        ("power", 0.4851, None),
        ("power", 0.991, "high_power"),
        ("power", 0.99, None),
    ],
)
def test_a_rate_is_off_beyond_three_monte_carlo_errors(starter, metric, value, code):
    """The same rows with one rate in place of theirs, at a Monte Carlo error of .005."""
    (result,) = starter
    quiet = [row for row in result.rows if row.metric in ("truth", "mean_estimate")]
    row = replace(result.rows[0], metric=metric, value=value, mcse=0.005)
    said = verdicts([replace(result, rows=[*quiet, row])])
    assert [note.code for note in said] == ([] if code is None else [code])


@pytest.fixture(scope="module")
def starter():
    return run("starter", nulls=False)


def test_sd_and_losses_are_those_of_simulated_trials(answers):
    """SDs within 3 % (4 MCSE, each 1/√(2·9216)), losses within 1 point of those under another seed."""
    name = "depression_single_infusion"
    numbers = answers[name].headline.numbers
    s = load(SCENARIOS / f"{name}.yaml")
    trials = simulate(s, seed=99, replicates=128, full=True)
    column = int(np.searchsorted(trials.days, s.estimand.day))
    outcome = trials.outcome[..., column]
    variances = [outcome[trials.arm == a].var() for a in range(2)]
    assert numbers["sd"] == pytest.approx(np.sqrt(np.mean(variances)), rel=0.03)
    assert numbers["standardised"] == pytest.approx(abs(numbers["effect"]) / np.sqrt(np.mean(variances)), rel=0.03)
    assert numbers["lost"] == pytest.approx(np.isnan(trials.score[..., column]).mean(), abs=0.01)


@pytest.mark.parametrize(("null", "metric"), [("therapy", "type_i_error"), ("drug", "power")])
def test_a_scenario_under_a_null_has_its_rate_in_the_sentence(null, metric):
    results = kt.power(kt.load_scenario("starter", {"null": null}), replicates=64)
    (row,) = (each for each in results if each.metric == metric)
    assert results.headline.numbers["power"] == row.value
    assert f"no effect of the {null}" in results.headline.text


def test_a_world_without_an_effect_has_none_to_miss():
    nothing = kt.load_scenario("starter", {"therapies.cbt.max_effect": 0})
    assert "low_power" not in {note.code for note in kt.power(nothing, replicates=128).notes}
    weak = kt.load_scenario("starter", {"therapies.cbt.max_effect": 1})
    assert "low_power" in {note.code for note in kt.power(weak, replicates=128).notes}
