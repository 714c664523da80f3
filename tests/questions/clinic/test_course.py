"""A trial's course through the clinic: nobody is lost from the count, rules are kept, streams are addressable."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from kaptrial.errors import ScenarioError
from kaptrial.model.streams import BLOCK
from kaptrial.questions.clinic.replicate_summary import summarise_replicate
from kaptrial.questions.clinic.run import End, delivered_treatment, run
from kaptrial.questions.clinic.tables import accrual, bottleneck, lag_histogram, summary
from kaptrial.scenario.clinic import WEEKDAYS
from kaptrial.scenario.files import build, with_settings
from kaptrial.simulation.received import schedules_of, treatment_days
from kaptrial.simulation.recruitment import Fate
from kaptrial.simulation.simulate import simulate_block
from tests import SCENARIOS
from tests.builders import clinic, clinic_raw, number, random_clinic_raw, site


def random_plan(rng: np.random.Generator) -> Any:
    """A plan with little or much of anything, drawn at random; one that would be refused is drawn again."""
    while True:
        try:
            return build(random_clinic_raw(rng))
        except ScenarioError:
            continue


def recounted(s: Any, c: Any) -> dict[tuple[str, str, str], float]:
    """Shares in window, patient by patient, from the days of the protocol and when each thing was given."""
    hours, counts = s.clinic.hours, {}

    def day_of(since: float, days: float) -> float:
        planned = since + days
        return max(np.floor(planned) + hours.opens / 24, planned - (24 - hours.closes + hours.opens) / 24)

    for i, a in enumerate(c.arm):
        arm = s.arms[a]
        doses = sorted(arm.doses[0].days)
        given, settled = c.given[i], c.settled[i]
        for j, day in enumerate(doses):
            if j > 0 and settled[j]:
                due = day_of(c.begun[i], day - doses[0])
                hit = given[j] <= due + s.clinic.infusions.late_days + 1e-6
                counts.setdefault((arm.id, "later doses"), []).append(hit)
        for k, day in enumerate(arm.therapy.days if arm.therapy else ()):
            e = len(doses) + k
            before = [j for j, dose in enumerate(doses) if dose <= day]
            if not settled[e]:
                continue
            if not before:
                due, promised = day_of(c.randomised[i], day), False
            else:
                j, lag = before[-1], day - doses[before[-1]]
                promised = s.clinic.sessions.from_hours < 24 * (lag + 1) and 24 * lag <= s.clinic.sessions.to_hours
                first = j == 0 or not np.isnan(given[j])
                due = day_of(given[j] if first else day_of(c.begun[i], doses[j] - doses[0]), lag)
            if promised:
                if not np.isnan(given[j]):
                    hit = 24 * (given[e] - given[j]) <= s.clinic.sessions.to_hours + 1e-6
                    counts.setdefault((arm.id, "promised sessions"), []).append(hit)
            else:
                counts.setdefault((arm.id, "other sessions"), []).append(
                    given[e] <= due + s.clinic.sessions.window_days + 1e-6
                )
        for v, day in enumerate(s.design.visits):
            if v > 0 and c.visit_settled[i, v]:
                off = abs(c.seen[i, v] // 1 - (c.zero[i] + day) // 1)
                counts.setdefault((arm.id, "visits"), []).append(off <= s.clinic.ratings.window_days)
    return {("kept", arm, f"{what} in window"): float(np.mean(hits)) for (arm, what), hits in counts.items()}


# A few of them each time, and as many as a plan can go wrong in among the slow checks.
@pytest.mark.parametrize(
    "seed", [*range(60), *(pytest.param(seed, marks=pytest.mark.validation) for seed in range(60, 500))]
)
def test_every_patient_is_somewhere_and_no_rule_is_broken(seed):
    rng = np.random.default_rng([6, seed])
    s = random_plan(rng)
    (c,) = run(s, seed=seed, replicates=[int(rng.integers(0, 300))])
    e, n = c.entrants, s.n_total
    # Each referral is decided on, each patient ends, and the days of both come in order.
    assert (e.referred <= e.decided).all()
    assert (e.decided <= e.closed).all()
    assert np.isin(e.fate, list(Fate)).all()
    np.testing.assert_array_equal(e.decided[e.randomised], c.randomised)
    begun = ~np.isnan(c.begun)
    assert (c.randomised <= c.ended).all()
    assert (c.randomised[begun] <= c.begun[begun]).all()
    assert (c.begun[begun] <= c.ended[begun]).all()
    assert (e.fate == Fate.RANDOMISED).sum() == n == len(c.randomised)
    assert (np.diff(c.randomised) >= 0).all()
    assert np.isin(c.end, list(End)).all()
    assert np.isfinite(c.ended).all()
    # Nothing is given before randomisation, after leaving, or before it is due.
    left = np.where(c.end == End.COMPLETE, np.inf, c.ended)
    assert not (c.given < c.randomised[:, None]).any()
    assert not (c.given > left[:, None]).any()
    assert not (c.given < c.due - 1e-9).any()
    assert (c.settled | np.isnan(c.given)).all()
    hours = s.clinic.hours
    open_always = hours.closes - hours.opens == 24 and len(hours.weekdays) == 7
    # No station serves more at a time than it has, and nothing runs outside opening hours.
    for use in c.use:
        edges = sorted([(a, 1) for a, *_ in use.services] + [(b - 1e-9, -1) for _, b, *_ in use.services])
        assert max(np.cumsum([step for _, step in edges]), default=0) <= use.capacity
        for start, end, delay, *_ in use.services:
            assert delay >= -1e-9
            assert start % 1 >= hours.opens / 24 - 1e-9
            assert end - start // 1 <= hours.closes / 24 + 1e-9 or open_always
            assert WEEKDAYS[int(start % 7)] in hours.weekdays
    # What is handed to the trial: as many days as events, nothing for those who were lost.
    r = delivered_treatment(s, [c])
    assert not (r.event_day < 0).any()
    lost = r.loss_day[0] < np.inf
    np.testing.assert_array_equal(lost, c.end == End.LOST_WAITING)
    # All who were referred and all who were randomised are counted once; shares in window are of the protocol's days.
    values = summarise_replicate(s, c).values
    flow = {key[1:]: value for key, value in values.items() if key[0] == "flow"}
    ends = ("lost waiting", "dropped out", "complete")
    assert sum(value for (of, what), value in flow.items() if of == "all" and what != "referred") == len(e.fate)
    assert sum(value for (of, what), value in flow.items() if of != "all" and what in ends) == n
    kept = {key: value for key, value in values.items() if key[0] == "kept" and key[2].endswith("in window")}
    assert kept == pytest.approx(recounted(s, c))


def test_replicates_depend_on_their_number_only():
    s = clinic(site() | {"referrals": number(20, "per_month", log_sd=0.3)})
    together = run(s, seed=3, replicates=range(3))
    (alone,) = run(s, seed=3, replicates=[2])
    np.testing.assert_array_equal(together[2].given, alone.given)
    np.testing.assert_array_equal(together[2].entrants.referred, alone.entrants.referred)
    assert together[1].entrants.closed != together[2].entrants.closed


def test_arms_are_those_of_the_trial_of_the_same_number():
    s = clinic(n_per_arm=10)
    trials = simulate_block(s, seed=5, block=1)
    courses = run(s, seed=5, replicates=[127, 128, 130])
    np.testing.assert_array_equal(courses[1].arm, trials.arm[0])
    np.testing.assert_array_equal(courses[2].arm, trials.arm[2])


def test_more_staff_leaves_recruitment_as_it_was():
    few, many = clinic(), build(with_settings(clinic_raw(), {"clinic.sites[0].chairs": 9}))
    a, b = (run(s, seed=1, replicates=[0])[0] for s in (few, many))
    np.testing.assert_array_equal(a.randomised, b.randomised)
    np.testing.assert_array_equal(a.arm, b.arm)


def test_endless_means_leave_no_wait_but_that_of_the_calendar():
    s = clinic(site(chairs=1000, nurses=1000, raters=1000, therapists={"shift": 200}))
    (c,) = run(s, seed=2, replicates=[0])
    assert all(service[2] == 0 for use in c.use for service in use.services)
    # Saturdays and Sundays put off until Monday.
    weekend = np.maximum(7 - c.due // 1 % 7, 0) * (c.due // 1 % 7 >= 5)
    np.testing.assert_allclose((c.given - c.due - weekend)[~np.isnan(c.given)], 0, atol=1e-9)
    assert (c.end == End.COMPLETE).all()
    r = delivered_treatment(s, [c])
    treated = c.arm == 1
    # Doses a week apart; sessions of the next day begin in the morning after.
    np.testing.assert_allclose(r.event_day[0, treated, 0], 0)
    assert (np.abs(r.event_day[0, treated, 1] - 7) < 0.5).all()
    assert (r.event_day[0, treated, 2:] > 0.5).all()
    assert r.therapist[0, treated].min() >= 0
    assert (r.therapist[0, ~treated] == -1).all()


def ideal_raw(raw: dict[str, Any]) -> dict[str, Any]:
    """The scenario in a clinic that is always open, where everybody comes and nobody is waited for."""
    raw["clinic"] = clinic_raw()["clinic"]
    given = list(dict.fromkeys(arm["therapy"]["name"] for arm in raw["arms"] if arm.get("therapy")))
    for name in given:
        raw["therapies"][name] |= {"session_minutes": 50, "group_size": 1}
    many = dict.fromkeys(given, 200)
    raw["clinic"] |= {
        "sites": [site(referrals=200, chairs=1000, nurses=1000, raters=1000, therapists=many)],
        "therapists": {name: {"caseload": 100, "sessions_per_week": 1000} for name in given},
        "hours": {"weekdays": list(WEEKDAYS), "opens": 0, "closes": 24},
        "infusions": {"minutes": 0.001, "monitoring_minutes": 0},
    }
    raw["clinic"]["recruitment"]["by_entry"] = False
    raw["conduct"] = {}
    return raw


NAMES = ["clinic_one_therapist_short", "cbt_after_ketamine", "ketamine_by_cbt"]


def effects(s: Any, delivered: Any) -> np.ndarray:
    """The difference of the two arms in the latent score of the last day, of each trial of a block."""
    trials = simulate_block(s, seed=1, block=0, full=True, delivered=delivered)
    assert trials.latent is not None
    latent, weights = trials.latent[..., -1], s.contrast(s.estimand).weights
    return sum(w * np.array([y[a == k].mean() for y, a in zip(latent, trials.arm, strict=True)])
               for k, w in enumerate(weights) if w)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "per_arm"), [(NAMES[0], 12), *(pytest.param(n, 60, marks=pytest.mark.validation) for n in NAMES)]
)
def test_an_ideal_clinic_gives_the_protocols_effect(name, per_arm):
    """No session is half a day early, nor late; the effect of 128 trials is the protocol's within 2 Monte Carlo SE."""
    raw = ideal_raw(yaml.safe_load((SCENARIOS / f"{name}.yaml").read_text()))
    raw["design"] = {k: v for k, v in raw["design"].items() if k != "n_total"} | {"n_per_arm": per_arm}
    s = build(raw)
    delivered = delivered_treatment(s, run(s, seed=1, replicates=range(BLOCK)))
    days = treatment_days(schedules_of(s))[0][simulate_block(s, seed=1, block=0).arm]
    apart = (delivered.event_day - days)[np.isfinite(days)]
    assert np.abs(apart).max() < 1e-5
    clinic, protocol = effects(s, delivered), effects(s, None)
    # The clinic's therapists are others than those the protocol draws, of the same kind.
    assert abs(clinic.mean() - protocol.mean()) < 2 * (clinic - protocol).std() / np.sqrt(BLOCK) + 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_an_ideal_clinic_is_the_protocol(name):
    s = build(ideal_raw(yaml.safe_load((SCENARIOS / f"{name}.yaml").read_text())))
    delivered = delivered_treatment(s, run(s, seed=1, replicates=[0]))
    days = treatment_days(schedules_of(s))[0][simulate_block(s, seed=1, block=0).arm[0]]
    asked = np.isfinite(days)
    np.testing.assert_allclose(delivered.event_day[0][asked], days[asked], atol=1e-5)
    assert not delivered.visit_missed.any()


def test_a_dose_given_late_because_the_clinic_was_closed_is_late():
    raw = clinic_raw(n_per_arm=30)
    for arm in raw["arms"]:
        arm["doses"][0]["days"] = [0, 3, 7, 10]
    raw["clinic"]["infusions"] = {"weekdays": ["mon", "tue"], "late_days": 6}
    s = build(raw)
    (c,) = run(s, seed=1, replicates=[0])
    begun, second = c.begun, c.given[:, 1]
    monday = begun // 1 % 7 == 0
    # Begun on a Monday the second is due on Thursday, and given on the Monday after.
    np.testing.assert_array_equal(second[monday] // 1 - begun[monday] // 1, 7)
    np.testing.assert_array_equal(c.due[monday, 1] // 1 - begun[monday] // 1, 3)
    raw["clinic"]["infusions"]["late_days"] = 3
    s = build(raw)
    (c,) = run(s, seed=1, replicates=[0])
    assert np.isnan(c.given[c.begun // 1 % 7 == 0, 1]).all()
    assert summarise_replicate(s, c).values["kept", "control", "later doses in window"] < 0.9


@pytest.mark.parametrize(("late_days", "missed"), [(6, 0.0), (5.99, 1.0)])
def test_a_session_exactly_as_late_as_it_may_be_is_given_and_is_not_late(late_days, missed):
    """Due on Tuesdays in a clinic that opens on Mondays: whatever the week, no rounding makes it a minute too late."""
    raw = clinic_raw(site(referrals=100, therapists={"shift": 50}), n_per_arm=60)
    for arm in raw["arms"]:
        arm["doses"][0]["days"] = [0]
    raw["arms"][1]["therapy"]["days"] = [1, 8, 15]
    raw["clinic"] |= {"hours": {"weekdays": ["mon"], "opens": 8, "closes": 18}, "ratings": {"late_days": 7}}
    raw["clinic"]["sessions"] = {"late_days": late_days, "window_days": late_days}
    s = build(raw)
    (c,) = run(s, seed=1, replicates=[0])
    assert np.isnan(c.given[c.arm == 1, 1:]).mean() == missed
    kept = summarise_replicate(s, c).values
    assert kept["kept", "treated", "other sessions in window"] == 1 - missed
    assert kept["kept", "treated", "other sessions missed"] == missed


def test_a_dose_without_a_session_after_it_and_patients_who_leave():
    raw = clinic_raw(site(referrals=100), n_per_arm=40)
    for arm in raw["arms"]:
        arm["doses"][0]["days"] = [0, 7, 14]
    raw["arms"][1]["therapy"]["days"] = [15, 16]
    raw["conduct"] = {"dropout": {"hazard": number(0.1, "per_day")}}
    s = build(raw)
    courses = run(s, seed=1, replicates=range(3))
    assert all((c.end == End.DROPPED_OUT).sum() > 20 for c in courses)
    assert np.isfinite([c.ended for c in courses]).all()


# A clinic runs trials that randomise on entry.
READY = [path for path in sorted(SCENARIOS.glob("*.yaml")) if "\nrandomisation:" not in path.read_text()]


@pytest.mark.parametrize("path", READY, ids=lambda path: path.stem)
def test_every_ready_scenario_runs_in_the_shipped_clinic(path):
    raw = yaml.safe_load(path.read_text())
    plan = yaml.safe_load((SCENARIOS / "clinic_one_therapist_short.yaml").read_text())["clinic"]
    therapies = raw.get("therapies", {})
    plan["therapists"] = dict.fromkeys(therapies, plan["therapists"]["cbt"])
    plan["sites"][0]["therapists"] = dict.fromkeys(therapies, 4)
    for therapy in therapies.values():
        therapy.setdefault("session_minutes", 60)
    s = build(raw | {"clinic": plan})
    (c,) = run(s, seed=1, replicates=[0])
    assert len(c.end) == s.n_total
    summarise_replicate(s, c)


def test_few_therapists_make_sessions_late_and_the_caseload_makes_patients_wait():
    raw = clinic_raw(site(therapists={"shift": 1}), n_per_arm=30)
    raw["clinic"]["sessions"] = {"from_hours": 24, "to_hours": 48}
    raw["clinic"]["therapists"]["shift"] |= {"caseload": 4, "sessions_per_week": 2}
    tight = summarise_replicate(build(raw), run(build(raw), seed=1, replicates=[0])[0])
    raw["clinic"]["sites"][0]["therapists"]["shift"] = 10
    ample = summarise_replicate(build(raw), run(build(raw), seed=1, replicates=[0])[0])
    key = ("kept", "treated", "promised sessions in window")
    assert tight.values[key] < 0.4 < ample.values[key]
    assert tight.bottleneck == "therapists"
    waited = ("waiting", "treated", "days to a place with a therapist, mean")
    assert tight.values[waited] > 1
    assert ample.values[waited] == 0
    assert ample.bottleneck == "recruitment"
    assert tight.values["utilisation", "therapists", "share"] > 0.8


def test_who_waits_may_be_lost():
    raw = clinic_raw(site(referrals=200, chairs=1, nurses=1), n_per_arm=60)
    raw["clinic"]["recruitment"]["loss_while_waiting"] = number(0.3, "per_day")
    s = build(raw)
    (c,) = run(s, seed=1, replicates=[0])
    lost = c.end == End.LOST_WAITING
    assert lost.sum() > 5
    assert np.isnan(c.begun[lost & (c.arm == 0)]).all()
    r = delivered_treatment(s, [c])
    assert np.isnan(r.event_day[0, lost & np.isnan(c.begun)]).all()
    assert summarise_replicate(s, c).bottleneck in ("chairs", "nurses")


def test_who_is_lost_before_a_dose_is_due_has_no_session_after_it():
    raw = clinic_raw(site(referrals=200, chairs=1, nurses=1), n_per_arm=60)
    raw["clinic"]["recruitment"]["loss_while_waiting"] = number(0.3, "per_day")
    for arm in raw["arms"]:
        arm["doses"][0]["days"] = [0, 2, 4, 6]
    raw["arms"][1]["therapy"]["days"] = [5, 14]
    (c,) = run(build(raw), seed=1, replicates=[0])
    lost = (c.end == End.LOST_WAITING) & (c.arm == 1)
    assert lost.sum() > 5
    assert np.isnan(c.given[lost]).all()


def test_groups_share_sessions():
    raw = clinic_raw(site(referrals=60), n_per_arm=30)
    raw["therapies"]["shift"]["group_size"] = 4
    alone = clinic_raw(site(referrals=60), n_per_arm=30)
    used = []
    for each in (raw, alone):
        (c,) = run(build(each), seed=1, replicates=[0])
        used.append(sum(len(use.services) for use in c.use if use.kind == "therapists"))
        assert (~np.isnan(c.given[c.arm == 1][:, 2:])).mean() > 0.9
    assert used[0] < 0.7 * used[1]


def test_cost_is_the_sum_of_its_items_and_of_its_patients():
    raw = clinic_raw()
    items = ("trial_month", "site_opening", "site_month", "chair_month", "nurse_month", "rater_month", "screening",
             "therapist_month", "therapist_training", "dose", "visit")  # fmt: skip
    raw["clinic"]["costs"] = {"currency": "EUR"} | {name: number(10 + i, "money") for i, name in enumerate(items)}
    s = build(raw)
    (c,) = run(s, seed=1, replicates=[0])
    by_item = {key[2]: value for key, value in summarise_replicate(s, c).values.items() if key[0] == "cost"}
    parts = ("trial", "sites", "screening", "doses", "chairs", "nurses", "therapists", "raters", "visits")
    assert by_item["in all"] == pytest.approx(sum(by_item[part] for part in parts))
    by_arm = [by_item[f"arm {arm.id}, per patient"] * (c.arm == a).sum() for a, arm in enumerate(s.arms)]
    assert sum(by_arm) == pytest.approx(by_item["in all"])
    assert by_item["arm treated, per patient"] > by_item["arm control, per patient"]
    assert by_item["doses"] == pytest.approx(19 * 80)
    months = (c.ended.max() - c.entrants.opened[0]) / (365.25 / 12)
    assert by_item["chairs"] == pytest.approx(13 * 3 * months)
    assert by_item["per randomised patient"] == pytest.approx(by_item["in all"] / 40)


def test_recruitment_has_the_rate_that_was_asked_for():
    raw = clinic_raw(site(referrals=40), n_per_arm=100)
    months = [c.entrants.closed / (365.25 / 12) for c in run(build(raw), seed=1, replicates=range(30))]
    # 16 enter a month; 200 are a Gamma(200) wait and a week's screening.
    expected, mcse = 200 / 16 + 7 / (365.25 / 12), np.sqrt(200) / 16 / np.sqrt(30)
    assert abs(np.mean(months) - expected) < 4 * mcse
    slow = copy.deepcopy(raw)
    slow["clinic"]["recruitment"]["ramp"] = number(120, "day")
    ramped = [c.entrants.closed / (365.25 / 12) for c in run(build(slow), seed=1, replicates=range(30))]
    # A straight rise over 120 days costs half of them.
    assert abs(np.mean(ramped) - expected - 60 / (365.25 / 12)) < 6 * mcse


def test_seasons_move_referrals_and_leave_their_mean():
    raw = clinic_raw(site(referrals=400), n_per_arm=1200)
    raw["clinic"]["recruitment"]["seasonality"] = number(0.8, "share")
    (c,) = run(build(raw), seed=1, replicates=[0])
    day = c.entrants.referred
    day = day[day < 365]
    share = np.histogram(day, [0, 91, 274, 365])[0] / len(day)
    # From peak to peak: the middle half of the year is low, 1/2 − 0.8/π.
    assert abs(share[1] - (0.5 - 0.8 / np.pi)) < 4 * np.sqrt(0.25 / len(day))


def test_tables_have_what_was_counted():
    s = clinic()
    summaries = [summarise_replicate(s, c) for c in run(s, seed=1, replicates=range(4))]
    table = pd.DataFrame(q.flat() for q in summary(summaries)).set_index(["table", "of", "metric"])
    assert table.loc[("flow", "all", "randomised"), "value"] == 40
    assert table.loc[("flow", "all", "randomised"), "mcse"] == 0
    assert bottleneck(summaries) == "recruitment"
    curve = accrual(summaries)
    assert curve[curve["what"] == "ended"]["mean"].iloc[-1] == 40
    assert lag_histogram(summaries)["share"].sum() == pytest.approx(1)
