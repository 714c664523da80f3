"""Endpoints worked out by hand from small trajectories, and the hypothetical strategy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kaptrial.estimators.endpoints import Rule, endpoint
from kaptrial.methods.simulated import estimate
from kaptrial.questions.power.truth import truths
from kaptrial.scenario.files import load
from kaptrial.scenario.trial import Strategies
from kaptrial.simulation.simulate import simulate_block
from tests import SCENARIOS
from tests.builders import number

NAN = np.nan
DAYS = np.array([0.0, 1.0, 7.0, 14.0, 28.0])
LOWER = Rule(
    sign=-1, best=0, response_fraction=0.5, remission_at=10, relapse_fraction=0.25, response_day=1.0, confirmed=False
)


def one(name, scores, day, rule=LOWER, days=DAYS, rescue=None):
    score = np.array([[scores]], dtype=float)
    failure_day = None if rescue is None else np.array([[rescue]])
    return endpoint(name, score, score[..., 0], days, day, rule, failure_day)[0, 0]


def same(actual, expected):
    return np.isnan(actual) if np.isnan(expected) else actual == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "scores", "day", "expected"),
    [
        ("score", [40, 20, 24, 30, 10], 28, 10),
        ("change", [40, 20, 24, 30, 10], 7, -16),
        # (40+20)/2·1 + (20+24)/2·6 + (24+30)/2·7 + (30+10)/2·14 = 30 + 132 + 189 + 280 over 28 days
        ("auc", [40, 20, 24, 30, 10], 28, 631 / 28),
        ("auc", [40, NAN, 24, 30, 10], 28, NAN),
        ("response", [40, 20, 24, 30, 20], 28, 1),
        ("response", [40, 20, 24, 30, 21], 28, 0),
        ("response", [40, 20, 24, 30, NAN], 28, NAN),
        ("response", [0, 0, 0, 0, 0], 28, 0),
        ("remission", [40, 20, 24, 30, 10], 28, 1),
        ("remission", [40, 20, 24, 30, 11], 28, 0),
        # responds on day 1; relapse is a score above 30, three quarters of the baseline
        ("sustained_response", [40, 20, 24, 30, 10], 28, 1),
        ("sustained_response", [40, 20, 24, 31, 10], 28, 0),
        ("sustained_response", [40, 20, 24, 31, 10], 7, 1),
        ("sustained_response", [40, 21, 10, 10, 10], 28, 0),
        ("sustained_response", [40, 20, 24, NAN, NAN], 28, NAN),
        ("sustained_response", [40, 20, 31, NAN, NAN], 28, 0),
    ],
)
def test_by_hand(name, scores, day, expected):
    assert same(one(name, scores, day), expected)


def test_a_relapse_may_have_to_be_confirmed_and_rescue_is_failure():
    confirmed = replace(LOWER, confirmed=True)
    assert one("sustained_response", [40, 20, 31, 24, 10], 28, confirmed) == 1
    assert one("sustained_response", [40, 20, 31, 32, 10], 28, confirmed) == 0
    assert one("sustained_response", [40, 20, 20, 20, 10], 28, rescue=14.0) == 0
    assert one("sustained_response", [40, 20, 20, 20, 10], 28, rescue=np.inf) == 1


def test_percent_of_days_weighs_intervals_by_their_length():
    rule = Rule(sign=1, best=100)
    # 1 day at 100, 6 at 50, 7 at 0, 14 at 100: 18 of 28 days
    assert one("percent_abstinent_days", [10, 100, 50, 0, 100], 28, rule) == pytest.approx(100 * 18 / 28)


def test_where_higher_is_better_improvement_is_upward():
    rule = Rule(sign=1, best=100, response_fraction=0.5)
    assert one("response", [60, 0, 0, 0, 80], 28, rule) == 1
    assert one("response", [60, 0, 0, 0, 79], 28, rule) == 0


def test_the_hypothetical_strategy_sets_scores_after_rescue_aside_and_has_the_truth_without_rescue():
    rescue = {
        "from_day": 7, "score_at_least": 28, "effect": number(15, "points"), "onset": number(1, "day"),
        "half_life": number(14, "day"), "share_taking": number(1, "share"),
    }  # fmt: skip
    path = SCENARIOS / "starter.yaml"
    plain = load(path)
    policy = load(path, {"conduct.rescue": rescue})
    hypothetical = replace(policy, estimand=replace(policy.estimand, strategies=Strategies(rescue="hypothetical")))
    assert truths(hypothetical, seed=1)[0].value == truths(plain, seed=1)[0].value
    # Rescue goes to those who do badly, more of them without therapy, and so narrows the difference.
    assert truths(policy, seed=1)[0].value > truths(plain, seed=1)[0].value + 0.5
    trials = simulate_block(policy, seed=1, block=0)
    as_it_was, set_aside = (estimate(trials, s, s.estimand, "ancova").df for s in (policy, hypothetical))
    rescued = (trials.events["rescue"] < 28).sum(axis=1)
    np.testing.assert_array_equal(as_it_was - set_aside, rescued)
