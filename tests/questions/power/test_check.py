"""What `check` and `describe` see: numbers that do not fit each other, unused keys, the design in words."""

from __future__ import annotations

import pytest

from kaptrial.questions.power.design import effect_in_words, estimand_in_words, size_in_words, truth_in_words
from kaptrial.questions.power.traps import day_zero_sd, traps
from kaptrial.questions.power.truth import truths
from kaptrial.scenario.files import build, load, read_raw, with_settings
from tests import SCENARIOS

STARTER = read_raw(SCENARIOS / "starter.yaml")
THERAPISTS = {"count": 4, "sd": {"value": 3, "unit": "points", "source": "assumption", "note": "for a test"}}
DAYS = {"value": 4, "unit": "day", "source": "assumption", "note": "for a test"}
LOOK = {"accrual_per_month": 20}
AT_FOLLOW_UP = {"sided": 1, "futility": "cp:.1", "binding": True, "decide": "at_follow_up"}


def codes(**values):
    s = build(with_settings(STARTER, {path.replace("__", "."): value for path, value in values.items()}))
    return {note.code: note.text for note in traps(s) if note.code != "default_analysis"}


def test_the_smallest_useful_file_has_nothing_to_warn_of():
    assert codes() == {}


@pytest.mark.parametrize(
    ("values", "code", "said"),
    [
        (
            {"population__baseline__sd": 25},
            "impossible_scores",
            "of day-0 scores would lie beyond the scale MADRS, 0 to 60",
        ),
        (
            {"therapies__cbt__max_effect": 20},
            "no_room",
            "arm ketamine_cbt: drug, therapy and natural course can improve",
        ),
        ({"population__baseline__sd": 18}, "far_from_published", "the SD of MADRS on day 0 is 19.1; in the trials"),
        ({"therapies__cbt__therapists": THERAPISTS, "analysis__methods": ["ancova"]}, "therapists_ignored", "ancova"),
        ({"drug__window_half_life": DAYS}, "unused", "drug.window_half_life: changes nothing"),
        ({"measurement__baseline_period_days": 60}, "unused", "measurement.baseline_period_days"),
        (
            {"analysis__methods": ["ancova"], "analysis__df": "kenward-roger"},
            "unused",
            "analysis.df: is not used by ancova",
        ),
        ({"relapse": {"response_day": 7, "fraction": 0.4}}, "unused", "relapse: no estimand asks"),
        (
            {"design__group_sequential": LOOK | {"looks": [{"month": 0.5}]}},
            "impossible_look",
            "design.group_sequential.looks[0].month = 0.5: nobody has reached the primary visit by then",
        ),
        (
            {"design__group_sequential": LOOK | {"looks": [{"patients": 60}, {"patients": 110}]}},
            "late_look",
            "looks[1]: in month 6.37 all 120 patients are randomised: to stop then saves no patients",
        ),
        (
            {"design__group_sequential": LOOK | {"looks": [{"patients": 110}], **AT_FOLLOW_UP}},
            "late_look",
            "to stop then saves no patients, nor months: those under way are followed up first",
        ),
        (
            {"design__group_sequential": LOOK | {"looks": [{"patients": 60}]}},
            "looks",
            "looks[0]: in month 3.87 78 of 120 patients are randomised, 60 of them followed up",
        ),
        (
            {"design__group_sequential": LOOK | {"looks": [{"information": 0.5}]}},
            "looks",
            "looks[0].information: in which month that is, and who is under way then, kaptrial looks finds",
        ),
        ({"design__looks": [{"share": 0.5, "futility": 0.1}]}, "looks", "design.looks: of patients followed up;"),
    ],
)
def test_each_trap_is_seen(values, code, said):
    assert said in codes(**values)[code]


def test_what_a_variant_uses_is_not_unused():
    raw = with_settings(STARTER, {"drug.window_half_life": DAYS})
    raw["variants"] = {"synergy": {"therapies.cbt.gamma": 2}}
    assert "unused" not in {note.code for note in traps(build(raw))}


def test_every_shipped_scenario_has_no_impossible_scores():
    for path in sorted(SCENARIOS.glob("*.yaml")):
        said = {note.code for note in traps(load(path))}
        assert "impossible_scores" not in said, path.name


def test_the_design_in_words():
    s = load(SCENARIOS / "depression_single_infusion.yaml")
    assert size_in_words(s) == (
        "72 patients: 24 midazolam, 48 ketamine; allocated 1:2 in blocks of 3; two-sided α 0.05;"
        " primary analysis by MMRM (Kenward–Roger)"
    )
    names = [name for name, _ in estimand_in_words(s)]
    assert names == ["population", "treatment", "variable", "intercurrent events", "summary"]


def test_the_effect_in_words_is_that_of_the_truth():
    s = load(SCENARIOS / "starter.yaml")
    (truth,) = truths(s, seed=1)
    assert truth_in_words(s, truth).endswith(f"is {truth.value:.3f} MADRS points.")
    spread, effect = effect_in_words(s, truth, 1)
    sd = (sum(x**2 for x in truth.arm_sds) / 2) ** 0.5
    assert f"within an arm {sd:.3g};" in spread
    assert f"{abs(truth.value) / sd:.2f} SD; it is at least as large as 3 of 5 sourced" in effect
    assert day_zero_sd(s) == pytest.approx((5**2 + 6**2 + 2.5**2) ** 0.5)
