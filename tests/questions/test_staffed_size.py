"""Patients and therapists at least cost: the square-root rule, its published example, a scenario with exact power."""

from __future__ import annotations

import json
import math

import pytest
import yaml

import kaptrial as kt
from kaptrial.questions.size.nested_form import Part, power_of, satterthwaite, square_root_plan
from tests.builders import CORRELATION, TOTAL_SD, clean_raw, number

OVER = ("design.n_per_arm", "therapies.shift.therapists.count")
COSTS = {"control": 1000.0, "treated": 2000.0, "therapies.shift.therapists": 8000.0}
BETWEEN_SD, DELTA, TARGET = 3.0, 5.0, 0.8


def staffed_raw(*, delta=DELTA, method="nested", **staff):
    """The clean trial, with therapists who differ in one arm."""
    raw = clean_raw(n_per_arm=40, delta=delta) | {"analysis": {"methods": [method]}}
    raw["therapies"]["shift"]["therapists"] = {"sd": number(BETWEEN_SD, "points"), **(staff or {"count": 8})}
    return raw


def nested_parts(*, therapists, caseload, controls, between, within, control):
    """The two arms' parts: variance `between` therapists and `within` their patients, and that of a control patient."""
    treated = (between + within / caseload) / therapists
    return [Part(variance=treated, df=therapists - 1), Part(variance=control / controls, df=controls - 1)]


def exact_power(n, therapists):
    """Of that trial, by the two arms' variances given the baseline."""
    within = TOTAL_SD**2 * (1 - CORRELATION**2)
    parts = nested_parts(
        therapists=therapists, caseload=n / therapists, controls=n, between=BETWEEN_SD**2, within=within, control=within
    )
    return power_of(DELTA, parts, 0.05)


def cost(n, therapists):
    return 3000 * n + 8000 * therapists


def test_the_published_optimum():
    """Moerbeek & Wong 2008: ICC .1; a control costs 1000, a patient in therapy 2000, a therapist 8000; of 300,000."""
    costs = (8000, 2000, 1000)
    therapists, patients, controls = square_root_plan((0.1, 0.9, 1.0), costs, budget=300_000)
    assert patients / therapists == pytest.approx(math.sqrt(8000 / 2000 * 0.9 / 0.1), abs=1e-12)
    assert patients / therapists == pytest.approx(6)
    assert therapists == pytest.approx(10.3647, abs=5e-5)
    assert controls == pytest.approx(92.7051, abs=5e-5)
    assert 8000 * therapists + 2000 * patients + 1000 * controls == pytest.approx(300_000)
    variance = 0.1 / therapists + 0.9 / patients + 1 / controls
    again = square_root_plan((0.1, 0.9, 1.0), costs, variance=variance)
    assert again == pytest.approx([therapists, patients, controls])
    for factor in (0.8, 1.25):
        moved = 300_000 - 1000 * controls - 8000 * factor * therapists
        assert 0.1 / (factor * therapists) + 0.9 / (moved / 2000) + 1 / controls > variance


def test_the_published_power():
    """Ten therapists of ten patients each against 77.81084 controls, d .5, ICC .1: .8 by a normal test.

    The figure is of the upper tail alone; the lower one adds 1.6e-6.
    """
    parts = nested_parts(therapists=10, caseload=10, controls=77.81084, between=0.1, within=0.9, control=1.0)
    se = math.sqrt(sum(part.variance for part in parts))
    assert 0.5 / se - 1.959963985 == pytest.approx(0.8416212, abs=1e-6)
    assert satterthwaite(parts) == pytest.approx(24.0, abs=0.05)
    assert power_of(0.5, parts, 0.05) - 1.6e-6 == pytest.approx(0.766719, abs=1e-6)


@pytest.fixture(scope="module")
def solved():
    return kt.size(staffed_raw(), power=TARGET, over=OVER, costs=COSTS)


def test_the_plan_has_the_power_and_is_as_cheap_as_the_cheapest_by_the_exact_form(solved):
    plan = solved.answer.plan
    enough = [(cost(n, k), n, k) for k in range(3, 40) for n in range(30, 150) if exact_power(n, k) >= TARGET]
    assert plan.cost == cost(plan.n, plan.therapists)
    assert plan.cost == pytest.approx(min(enough)[0], rel=0.05)
    assert exact_power(plan.n, plan.therapists) == pytest.approx(TARGET, abs=0.03)
    answer = solved.answer
    assert answer.achieved == pytest.approx(exact_power(plan.n, plan.therapists), abs=4 * answer.achieved_mcse)
    assert answer.type_i_error == pytest.approx(0.05, abs=4 * answer.type_i_error_mcse)
    assert answer.lower <= plan.n <= answer.upper
    within = TOTAL_SD**2 * (1 - CORRELATION**2)
    needed = (DELTA / (1.959964 + 0.841621)) ** 2
    n, therapists = square_root_plan((2 * within, BETWEEN_SD**2), (3000, 8000), variance=needed)
    assert (answer.closed_n, answer.closed_therapists) == pytest.approx((n, therapists), rel=0.1)


def test_plans_around_it_cost_more_and_have_the_power(solved):
    answer = solved.answer
    assert min(plan.cost for plan in answer.plans) == answer.plan.cost
    assert answer.flat[0] <= answer.plan.therapists <= answer.flat[1]
    for plan in answer.plans:
        assert plan.power == pytest.approx(TARGET, abs=0.05)
        assert plan.caseload == plan.n / plan.therapists
    assert solved.headline.numbers["therapists"] == answer.plan.therapists
    assert [row.numbers["chosen"] for row in solved.rows].count(True) == 1


def test_the_command_says_what_the_call_gives(run, tmp_path, capsys):
    """Of a file whose therapists are given by their caseload."""
    plan = tmp_path / "plan.yaml"
    plan.write_text(yaml.safe_dump(staffed_raw(caseload=5)))
    asked = [part for path in OVER for part in ("--over", path)]
    asked += [part for name, each in COSTS.items() for part in ("--cost", f"{name}={each}")]
    run("size", plan, *asked, "--power", 0.5, "--replicates", 100, "--json", tmp_path / "k.json")
    said, printed = json.loads((tmp_path / "k.json").read_text()), capsys.readouterr().out
    called = json.loads(kt.size(plan, power=0.5, over=OVER, costs=COSTS, replicates=100).to_json())
    assert called["results"] == said["results"]
    chosen = next(row for row in said["results"] if row["chosen"])
    assert f"{chosen['cost']:,.0f}" in printed
    assert "cheapest" in printed


def test_an_analysis_that_ignores_therapists_is_warned_of_and_no_effect_has_no_plan():
    ignoring = kt.size(staffed_raw(method="ancova"), power=0.5, over=OVER, costs=COSTS, replicates=100)
    assert any(n.severity == "warning" and "ancova ignores the therapists" in n.text for n in ignoring.notes)
    nothing = kt.size(staffed_raw(delta=0.0), over=OVER, costs=COSTS, replicates=100)
    assert nothing.answer.plan is None
    assert "is not reached" in nothing.headline.text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"costs": {}}, "costs is missing: must be given for control too"),
        ({"costs": COSTS | {"contrl": 1.0}}, "costs = 'contrl': must be one of control, treated"),
        ({"costs": COSTS | {"control": 0.0}}, "costs = 'control=0': must be a cost above 0"),
        ({"over": ("design.n_per_arm", "estimand.day")}, "over = 'design.n_per_arm, estimand.day': two are solved for"),
        ({"over": ("design.n_per_arm", "therapies.x.therapists.count")}, "must be the therapists of a therapy"),
        ({"between": (20, 40)}, "bounds = (20, 40): goes with one `over`"),
        ({"over": "design.n_per_arm"}, "go with two `over`"),
        ({"power": 0.01}, "target = 0.01: must be between alpha"),
    ],
)
def test_what_cannot_be_solved_is_named(changes, says):
    with pytest.raises(kt.FieldError) as caught:
        kt.size(staffed_raw(), **({"over": OVER, "costs": COSTS} | changes))
    assert says in str(caught.value)


def test_therapists_of_both_sides_are_refused():
    raw = staffed_raw()
    raw["arms"][0]["therapy"] = raw["arms"][1]["therapy"]
    with pytest.raises(kt.FieldError, match="both sides of the contrast"):
        kt.size(raw, over=OVER, costs=COSTS)
