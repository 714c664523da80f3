"""Numbers of scenarios that follow from published figures: the formulas, and every one of the shipped scenarios."""

from __future__ import annotations

import math

import pytest

from kaptrial.cli import main
from kaptrial.errors import FieldError
from kaptrial.priors.comparison import compared
from kaptrial.priors.recomputed import Recomputed, recomputed
from kaptrial.scenario.derived import formula
from kaptrial.scenario.files import load
from kaptrial.scenario.shipped import names
from kaptrial.scenario.sourced import Sourced, walk
from tests import SCENARIOS

PRIOR = "depression_iv_2026b"
# Of all numbers of the shipped scenarios, at least so many are recomputed.
LEAST_SHARE = 0.2


def value(text, source="feder2021"):
    stated = formula(text, source)
    assert stated is not None
    return stated.value(source)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("figure caps5_sd_week_2", 10.8),
        ("0.5 * figure caps5_sd_week_2 ^ 2; in words", 0.5 * 10.8**2),
        ("-(1 - figure caps5_sd_week_2) / 2", 4.9),
        ("sqrt(sd of figure itq_baseline of topel2025 ^ 2 - 1.44)", math.sqrt(2.98**2 - 1.44)),
        ("-log(1 - figure dropout_percent of lewis2020 / 100) / exp(1)", -math.log(0.84) / math.e),
        ("(figure madrs_icc_1 of johnson_madrs24h + figure madrs_icc_2 of johnson_madrs24h) / 2", 0.935),
    ],
)
def test_a_formula_is_worked_out_from_the_figures(text, expected):
    assert value(text) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "", "sqrt(0.05) times 10.8", "0.5 * 10.8", "figure 2 of the paper", "half of figure caps5_sd_week_2",
        "open(figure caps5_sd_week_2)", "figure caps5_sd_week_2.real", "figure caps5_sd_week_2 if 1 else 2", "median",
        "[figure caps5_sd_week_2]", "(" * 500 + "figure caps5_sd_week_2" + ")" * 500,
        "in words; figure caps5_sd_week_2",
    ],
)  # fmt: skip
def test_anything_else_is_words(text):
    assert formula(text, "feder2021") is None


def test_words_stay_allowed():
    assert not Sourced(value=1.0, unit="points", source="feder2021", derived="median of two").is_recomputed


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("figure caps5_week_2", "derived = 'figure caps5_week_2 of feder2021': must be one of"),
        ("figure caps5_sd_week_2 of mine2020", "must be a figure of a source of the catalogue"),
        ("sd of figure caps5_sd_week_2", "none was read in the source"),
        ("log(0 * figure caps5_sd_week_2)", "must have a result"),
        ("figure caps5_sd_week_2 / 0", "must have a result"),
        ("9 ^ 9 ^ 9 ^ figure caps5_sd_week_2", "must have a result"),
    ],
)
def test_what_cannot_be_worked_out_is_an_error_of_one_line(text, says):
    with pytest.raises(FieldError) as caught:
        Sourced(value=1.0, unit="points", source="feder2021", derived=text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_spread_is_recomputed_as_well():
    half_life = {"unit": "day", "source": PRIOR, "derived": "median"}
    assert not Sourced(value=5.0, log_sd=1.2, **half_life).is_recomputed
    assert Sourced(value=5.0, log_sd=1.2, spread_derived="median", **half_life).is_recomputed
    with pytest.raises(FieldError, match="needs a spread"):
        Sourced(value=5.0, spread_derived="median", **half_life)


@pytest.mark.parametrize(
    ("stated", "computed", "agrees"),
    [(2.4, 2.4499, True), (2.4, 2.4501, False), (33.0, 32.6, True), (33.0, 32.4, False), (0.0026, 0.00265, True)],
)
def test_a_number_agrees_to_the_digits_that_are_stated(stated, computed, agrees):
    assert Recomputed(path="x", stated=stated, computed=computed).agrees is agrees


def test_medians_are_those_that_check_shows_beside_the_scenario():
    s = load(SCENARIOS / "ptsd_repeated_midazolam.yaml")
    shown = {row.path: row.median for row in compared(s)}
    computed = {each.path: each.computed for each in recomputed(s)}
    both = shown.keys() & computed.keys()
    assert len(both) > 7
    for path in both:
        assert computed[path] == pytest.approx(shown[path], rel=1e-9), path


@pytest.mark.parametrize("path", ["measurement.rater_sd", "conduct.dropout.hazard"])
def test_a_median_needs_draws(path):
    unit = "points" if path.startswith("measurement") else "per_day"
    number = {"value": 0.01, "unit": unit, "source": PRIOR, "derived": "median"}
    s = load(SCENARIOS / "ptsd_repeated_midazolam.yaml", {path: number})
    with pytest.raises(FieldError, match=f"{path}.derived = 'median': must be of a number of which {PRIOR} has draws"):
        recomputed(s)


def test_the_numbers_of_the_shipped_scenarios_follow_from_their_figures():
    n, n_recomputed = 0, 0
    for name in names():
        s = load(SCENARIOS / f"{name}.yaml")
        wrong = [each for each in recomputed(s) if not each.agrees]
        assert not wrong, name
        numbers = [number for _, number in walk(s)]
        n, n_recomputed = n + len(numbers), n_recomputed + sum(number.is_recomputed for number in numbers)
    assert n_recomputed / n >= LEAST_SHARE, f"{n_recomputed} of {n} numbers are recomputed"


def test_check_says_how_many_are_recomputed_and_which_differ(capsys):
    number = "{value: 2, unit: points, source: wampold2005, derived: figure therapist_variance_percent}"
    path = str(SCENARIOS / "ptsd_emdr.yaml")
    with pytest.raises(SystemExit, match="0"):
        main(["check", path, "--set", f"therapies.emdr.therapists.sd={number}"])
    out = " ".join(capsys.readouterr().out.split())
    assert "of its 23 numbers about the world 19 are assumptions and 3 are recomputed from published figures" in out
    assert "warning: therapies.emdr.therapists.sd: is 2, and its formula gives 5" in out
