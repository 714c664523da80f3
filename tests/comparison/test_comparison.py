"""Designs side by side: paired differences by hand and against their spread, dominance, figures, errors, notes."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

import kaptrial as kt
from kaptrial.comparison.differences import difference, dominated_by, dominates, front, price
from kaptrial.comparison.measures import Compared, Estimate
from kaptrial.comparison.words import headline
from kaptrial.scenario.files import build
from tests import SCENARIOS
from tests.builders import clean_raw

STARTER = SCENARIOS / "starter.yaml"


def design(name, power=None, **counted):
    """A design of which these numbers are known; power by its rejections in each replicate."""
    known = {key: Estimate(value=value) for key, value in counted.items()}
    if power is not None:
        each = np.array(power, dtype=float)
        known["power"] = Estimate(value=float(each.mean()), mcse=0.01, each=each, is_share=True)
    scenario = SimpleNamespace(analysis=SimpleNamespace(alpha=0.05))
    asked = SimpleNamespace(name=name, scenario=scenario, asks_the_same=lambda other: True, is_one_sided=False)
    return Compared(design=asked, estimates=known, power=None)


def rejecting(k, n=1000):
    """Rejections in the first k of n replicates."""
    return np.arange(n) < k


def two_sizes(delta=5.0):
    """The clean trial with 20 and with 40 an arm."""
    return [build(clean_raw(n_per_arm=n, delta=delta) | {"analysis": {"methods": ["ancova"]}}) for n in (20, 40)]


def test_a_difference_of_shares_is_that_of_matched_pairs():
    a, b = np.repeat([1.0, 1.0, 0.0, 0.0], [50, 9, 4, 37]), np.repeat([1.0, 0.0, 1.0, 0.0], [50, 9, 4, 37])
    found = difference(Estimate(value=0.59, each=a, is_share=True), Estimate(value=0.54, each=b, is_share=True))
    assert found.value == pytest.approx(0.05)
    assert found.mcse == pytest.approx(math.sqrt(9.5 + 4.5 - 5.0**2 / 102) / 102)
    assert difference(
        Estimate(value=0.59, each=a, is_share=True), Estimate(value=0.59, each=a, is_share=True)
    ).mcse == pytest.approx(1 / 102)


def test_a_difference_of_numbers_has_the_error_of_its_pairs_and_one_of_counts_none():
    a, b = np.array([3.0, 5.0, 10.0]), np.array([1.0, 4.0, 7.0])
    found = difference(Estimate(value=6, each=a), Estimate(value=4, each=b))
    assert (found.value, found.mcse) == pytest.approx((2, 1 / math.sqrt(3)))
    assert difference(Estimate(value=120), Estimate(value=90)) == Estimate(value=30)


def test_dominance_is_beyond_noise_and_knows_what_is_unknown():
    plain = design("plain", rejecting(800), n=100, therapist_hours=500)
    worse = design("worse", rejecting(700), n=100, therapist_hours=500)
    same = design("same", rejecting(799), n=100, therapist_hours=500)
    fewer = design("fewer", rejecting(700), n=80, therapist_hours=500)
    unknown = design("unknown", rejecting(700), n=100)
    assert dominates(plain, worse)
    assert not dominates(worse, plain)
    assert not dominates(plain, same)
    assert not dominates(plain, fewer)
    assert not dominates(plain, unknown)
    assert dominated_by(worse, [plain, worse, same]) == ["plain", "same"]
    assert [d.name for d in front([plain, worse, fewer], "n")] == ["plain", "fewer"]
    assert price([plain, unknown, fewer]) == "n"
    assert price([plain, design("more", rejecting(800), n=100, therapist_hours=600)]) == "therapist_hours"


def test_a_type_i_error_counts_only_above_its_level():
    def with_error(name, k):
        each = rejecting(k).astype(float)
        known = Estimate(value=k / 1000, mcse=0.007, each=each, is_share=True)
        made = design(name, rejecting(800), n=100)
        return Compared(design=made.design, estimates=made.estimates | {"type_i_error": known}, power=None)

    assert not dominates(with_error("strict", 30), with_error("valid", 55))
    assert dominates(with_error("valid", 55), with_error("inflated", 120))


def test_the_sentence_says_who_dominates_or_what_the_trade_is():
    plain = design("plain", rejecting(800), n=100)
    worse, fewer = design("worse", rejecting(700), n=100), design("fewer", rejecting(700), n=80)
    assert headline([plain, worse]).text.startswith("plain dominates worse: no worse in anything compared and better")
    trade = headline([plain, fewer])
    assert trade.text.startswith("None dominates: plain has the highest power, 80 % (± 1), 10")
    assert trade.text.endswith("points above fewer, and takes 20 more patients.")
    assert trade.numbers["difference"] == pytest.approx(0.1)
    assert headline([plain, worse, fewer]).text.startswith("Dominated: worse (by plain")
    alike = headline([design("large", rejecting(801), n=110), plain]).text
    assert alike.startswith("plain dominates large")
    exposing = design("exposing", rejecting(801), n=110, exposed=10)
    sparing = design("sparing", rejecting(800), n=100, exposed=20)
    assert headline([exposing, sparing]).text.startswith(
        "None dominates: sparing and exposing are not told apart in power"
    )


@pytest.mark.parametrize(("controls", "at_most"), [(False, 0.95), (True, 1.0)])
def test_powers_are_those_of_power_and_their_difference_has_the_error_it_says(controls, at_most):
    """The spread of 40 blocks of 128 replicates, which is known to 11 %, against the error of each.

    Most of what two sizes share is what control variates take away.
    """
    designs = two_sizes()
    results = kt.compare(designs, replicates=5120, control_variates=controls)
    first, second = (each.estimates["power"] for each in results.compared)
    alone = kt.power(designs[1], replicates=5120, control_variates=controls).to_frame().set_index("metric")["value"]
    row = results.rows[1].numbers
    assert (row["power"], row["type_i_error"]) == (alone["power"], alone["type_i_error"])
    assert row["power_difference"] == pytest.approx(second.value - first.value)
    blocks = [
        difference(Estimate(value=0, each=a, is_share=True), Estimate(value=0, each=b, is_share=True))
        for a, b in zip(first.each.reshape(40, 128), second.each.reshape(40, 128), strict=True)
    ]
    error = np.mean([block.mcse for block in blocks])
    assert np.std([block.value for block in blocks], ddof=1) == pytest.approx(error, rel=0.45)
    assert row["power_difference_mcse"] == pytest.approx(error / math.sqrt(40), rel=0.05)
    assert row["power_difference_mcse"] < at_most * math.hypot(first.mcse, second.mcse)


def test_files_are_compared_and_what_is_not_alike_is_said(run, tmp_path, capsys):
    other = SCENARIOS / "ptsd_repeated_midazolam.yaml"
    run("compare", STARTER, other, "--replicates", 128, "--json", tmp_path / "k.json")
    said, printed = json.loads((tmp_path / "k.json").read_text()), capsys.readouterr().out
    assert {"different_questions", "different_worlds"} <= {note["code"] for note in said["notes"]}
    assert said["headline"]["text"].endswith("they answer different questions.")
    assert "Difference from starter, paired by replicate:" in printed
    made = said["provenance"]["designs"]
    assert [each["name"] for each in made] == ["starter", "ptsd_repeated_midazolam"]
    assert made[0]["scenario_sha256"] != made[1]["scenario_sha256"]


def test_assurance_months_and_cost_are_compared_where_they_are_known():
    plan = kt.load_scenario("clinic_one_therapist_short", {"design.n_per_arm": 20})
    more = plan.with_values({"clinic.sites[0].therapists.cbt": 6})
    results = kt.compare({"as planned": plan, "more therapists": more}, replicates=8)
    first, second = results.flat()
    assert first["currency"] == "EUR"
    assert second["cost_difference"] == pytest.approx(second["cost"] - first["cost"])
    assert second["cost_difference_mcse"] < math.hypot(second["cost_mcse"], first["cost_mcse"])
    assert results.by == "cost"
    assert results.plot("pareto").get_axes()
    starter = kt.load_scenario("starter", {"design.n_per_arm": 20})
    rows = kt.compare(["starter", starter], prior="depression_iv_2026b", replicates=8, draws=2).flat()
    alone = kt.assurance("starter", prior="depression_iv_2026b", draws=2).rows
    assert rows[0]["assurance"] == next(row.value for row in alone if row.metric == "assurance")
    assert rows[1]["assurance_difference"] == pytest.approx(rows[1]["assurance"] - rows[0]["assurance"])


def test_what_cannot_be_compared_is_named(refused, tmp_path):
    assert refused("compare", STARTER) == "kaptrial: SCENARIO = 1: scenarios to compare, must be 2 to 12"
    assert "nope.yaml: cannot be read" in refused("compare", STARTER, "nope.yaml")
    line = refused("compare", STARTER, STARTER)
    assert line == "kaptrial: starter (2): is the same scenario as starter (1); must differ from it"
    other = SCENARIOS / "wet_ptsd.yaml"
    assert f"{other}: --set therapies.cbt.max_effect" in refused(
        "compare", STARTER, other, "--set", "therapies.cbt.max_effect=3"
    )
