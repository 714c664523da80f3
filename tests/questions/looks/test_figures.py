"""Figures of looks: curves over the effect against trials simulated there, bars and steps that account for all."""

from __future__ import annotations

import numpy as np
import pytest

import kaptrial as kt
from tests.builders import clean_raw

ASSUMED, WAIT = 6.0, 28 / (365.25 / 12)


def looks(multiple, **more):
    raw = clean_raw(n_per_arm=60, delta=multiple * ASSUMED)
    plan = {"looks": [{"patients": 40}, {"patients": 80}], "spending": "pocock", "sided": 1, "futility": "cp:0.2"}
    raw["design"]["group_sequential"] = {"accrual_per_month": 10, **plan, **more}
    raw["analysis"] = {"methods": ["difference"]}
    return kt.looks(raw, replicates=1000, workers=1)


@pytest.fixture(scope="module")
def results():
    return looks(1.0)


def test_curves_over_the_effect_are_those_of_trials(results):
    above, below = results.plot("expected_n").axes
    for multiple in (0.5, 1.5):
        whole = {row.metric: row for row in looks(multiple).rows if row.question.column("look") == 0}
        for axes, names, scale in ((above, ("power", "fixed_power"), 100), (below, ("expected_n", "max_n"), 1)):
            for line, metric in zip(axes.lines, names, strict=False):
                drawn = np.interp(multiple, *line.get_data()) / scale
                # The integral knows the standard errors.
                known = 0.01 if metric.endswith("power") else 1.2
                assert drawn == pytest.approx(whole[metric].value, abs=4 * whole[metric].mcse + known), metric


def test_bars_and_steps_account_for_all_trials(results):
    figure = results.plot("stopping")
    for axes in figure.axes:
        assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(100)
    own = {row.question.column("look"): row.value for row in results.rows if row.metric == "stop_efficacy"}
    assert [bar.get_height() for bar in figure.axes[0].patches[:3]] == pytest.approx([100 * own[k] for k in (1, 2, 3)])
    going_on = results.plot("stopping_by_month").axes[0].lines[0].get_ydata()
    assert list(np.diff(going_on) <= 0) == [True] * 3
    assert (going_on[0], going_on[-1]) == (100, pytest.approx(0))


def test_a_two_sided_design_without_futility_is_drawn():
    drawn = looks(1.0, sided=2, futility=None).figures_drawn
    assert set(drawn) == {"boundaries", "stopping", "stopping_by_month", "expected_n"}
    assert "futility" not in " ".join(drawn["stopping"].get_suptitle().split())


def test_the_curve_counts_decisions_at_follow_up():
    later = looks(0.6, binding=True, decide="at_follow_up")
    by_month = later.plot("stopping_by_month").axes[0].lines
    assert by_month[0].get_xdata()[1:3] == pytest.approx([3.9 + 2 * WAIT, 7.9 + 2 * WAIT], abs=0.1)
    assert by_month[-1].get_xdata()[-1] == pytest.approx(11.9 + WAIT)
    above, _ = later.plot("expected_n").axes
    power = next(row for row in later.rows if row.metric == "power")
    drawn = np.interp(1.0, *above.lines[0].get_data()) / 100
    assert drawn == pytest.approx(power.value, abs=4 * power.mcse + 0.01)
