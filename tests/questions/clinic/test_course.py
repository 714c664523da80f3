"""A trial's course through the clinic: nobody is lost from the count, rules are kept, streams are addressable."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kaptrial.questions.clinic.recruitment import Fate
from kaptrial.questions.clinic.replicate_summary import summarise_replicate
from kaptrial.questions.clinic.run import End, delivered_treatment, run
from kaptrial.questions.clinic.tables import accrual, bottleneck, lag_histogram, summary
from kaptrial.scenario.files import build, with_settings
from kaptrial.simulation.simulate import simulate_block
from tests.builders import clinic, clinic_raw, number, site


def random_plan(rng: np.random.Generator) -> Any:
    """A plan with little or much of anything, drawn at random."""
    booking = {
        "no_show": number(float(rng.uniform(0, 0.4)), "share"),
        "cancelled": number(float(rng.uniform(0, 0.4)), "share"),
        "rebook_days": float(rng.choice([0, 1, 5])), "attempts": int(rng.integers(1, 4)),
    }  # fmt: skip
    sites = [
        site(
            f"s{i}", referrals=float(rng.uniform(5, 80)), opens_day=float(rng.uniform(0, 90)),
            chairs=int(rng.integers(1, 3)), nurses=1, raters=1, therapists={"shift": int(rng.integers(1, 3))},
        )
        for i in range(rng.integers(1, 4))
    ]  # fmt: skip
    raw = clinic_raw(*sites, n_per_arm=int(rng.integers(5, 30)))
    plan = raw["clinic"]
    plan["recruitment"] |= {
        "opening_delay": number(float(rng.uniform(1, 60)), "day"), "ramp": number(float(rng.uniform(1, 90)), "day"),
        "seasonality": number(float(rng.uniform(0, 1)), "share"),
        "screening": number(float(rng.uniform(1, 30)), "day", log_sd=float(rng.uniform(0, 1))),
        "loss_while_waiting": number(float(rng.choice([0, 0.01, 0.2])), "per_day"),
    }  # fmt: skip
    plan["therapists"]["shift"] = {
        "caseload": int(rng.integers(4, 8)), "sessions_per_week": int(rng.integers(1, 10)),
        "leave": number(float(rng.uniform(0, 0.3)), "share"), "turnover": number(float(rng.uniform(0, 3)), "per_year"),
        "hiring": number(float(rng.uniform(1, 90)), "day"), "training_days": float(rng.uniform(0, 60)),
    }  # fmt: skip
    plan["infusions"] = {
        "weekdays": ["mon", "thu"] if rng.random() < 0.5 else None, "booking": booking,
        "wait_for_therapist": bool(rng.random() < 0.5), "late_days": float(rng.uniform(0.5, 10)),
    }  # fmt: skip
    plan["sessions"] = {
        "from_hours": 12, "to_hours": float(rng.uniform(24, 96)), "booking": booking,
        "after_window": str(rng.choice(["give", "skip"])), "late_days": float(rng.uniform(3, 20)),
    }  # fmt: skip
    plan["ratings"] = {"booking": booking}
    plan["clock"] = str(rng.choice(["first_infusion", "randomisation"]))
    raw["therapies"]["shift"]["group_size"] = int(rng.choice([1, 1, 3]))
    if rng.random() < 0.5:
        raw["conduct"] = {"dropout": {"hazard": number(float(rng.uniform(0, 0.05)), "per_day")}}
    return build(raw)


@pytest.mark.parametrize("seed", range(60))
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
    # No station serves more at a time than it has, and nothing runs outside opening hours.
    for use in c.use:
        edges = sorted([(a, 1) for a, *_ in use.services] + [(b - 1e-9, -1) for _, b, *_ in use.services])
        assert max(np.cumsum([step for _, step in edges]), default=0) <= use.capacity
        for start, end, delay, *_ in use.services:
            assert start // 1 == end // 1
            assert delay >= -1e-9
            assert start % 1 >= 8 / 24 - 1e-9
            assert end % 1 <= 18 / 24 + 1e-9
            assert start % 7 < 5
    # What is handed to the trial: as many days as events, nothing for those who were lost.
    r = delivered_treatment(s, [c])
    assert not (r.event_day < 0).any()
    lost = r.loss_day[0] < np.inf
    np.testing.assert_array_equal(lost, c.end == End.LOST_WAITING)
    summarise_replicate(s, c)


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
    assert (c.given - c.due)[~np.isnan(c.given)].max() == 0
    assert (c.end == End.COMPLETE).all()
    r = delivered_treatment(s, [c])
    treated = c.arm == 1
    # Doses a week apart; sessions of the next day begin in the morning after.
    np.testing.assert_allclose(r.event_day[0, treated, 0], 0)
    assert (np.abs(r.event_day[0, treated, 1] - 7) < 0.5).all()
    assert (r.event_day[0, treated, 2:] > 0.5).all()
    assert r.therapist[0, treated].min() >= 0
    assert (r.therapist[0, ~treated] == -1).all()


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
