"""Decision rules: exact on made-up posteriors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kaptrial.errors import FieldError
from kaptrial.questions.decide.rule import Decision, decide, thresholds
from kaptrial.scenario.decision import DecisionRule


def cdf(mean: float, sd: float, rule: DecisionRule, better: str) -> np.ndarray:
    return stats.norm.cdf(thresholds(rule, better), mean, sd)[None, :]


@pytest.mark.parametrize(
    ("mean", "sd", "better", "verdict"),
    [
        (-5.0, 1.0, "lower", Decision.GO),
        (-5.0, 1.0, "higher", Decision.NO_GO),
        (5.0, 1.0, "higher", Decision.GO),
        (-2.5, 1.0, "lower", Decision.CONSIDER),  # better than 2 with probability .69
        (0.0, 0.3, "lower", Decision.NO_GO),
    ],
)
def test_verdict_follows_the_margin_and_the_direction(mean: float, sd: float, better: str, verdict: Decision) -> None:
    rule = DecisionRule(margin=2.0)
    assert decide(rule, cdf(mean, sd, rule, better), better)[0] == verdict


def test_no_difference_comes_after_go_and_no_go() -> None:
    rule = DecisionRule(margin=0.0, no_go=0.1, rope=1.0)
    assert decide(rule, cdf(0.0, 0.3, rule, "lower"), "lower")[0] == Decision.EQUIVALENT
    assert decide(rule, cdf(0.0, 3.0, rule, "lower"), "lower")[0] == Decision.CONSIDER
    assert decide(rule, cdf(-0.7, 0.1, rule, "lower"), "lower")[0] == Decision.GO
    assert decide(rule, cdf(0.7, 0.1, rule, "lower"), "lower")[0] == Decision.NO_GO


def test_a_posterior_that_could_not_be_had_decides_nothing() -> None:
    assert decide(DecisionRule(rope=1.0), np.full((1, 3), np.nan), "lower")[0] == Decision.CONSIDER


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"go": 1.0}, "go = 1: must be"),
        ({"no_go": 0.99}, "no_go = 0.99: must be"),
        ({"rope": 0.0}, "rope = 0: must be"),
        ({"rope_probability": 0.2}, "rope_probability = 0.2: must be"),
    ],
)
def test_impossible_rules_are_refused(wrong: dict[str, float], says: str) -> None:
    with pytest.raises(FieldError, match=says):
        DecisionRule(**wrong)
