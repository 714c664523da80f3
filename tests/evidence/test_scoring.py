"""Scores of predictions: the CRPS against its closed forms, tail probabilities with ties, and the naive rival."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from kaptrial.catalogue import trial, trial_keys
from kaptrial.evidence.scoring import crps, pooled_predictions, tail_probability, unit_of
from kaptrial.evidence.synthesis.layout import targets


def crps_of_normal(mean, sd, y):
    """Gneiting & Raftery 2007, J Am Stat Assoc 102:359-378, section 4.2."""
    z = (y - mean) / sd
    return sd * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))


@pytest.mark.parametrize(("mean", "sd", "y"), [(0, 1, 0), (0, 1, 1.5), (-10, 3, -2), (-10, 3, -30), (0.4, 0.05, 0.41)])
def test_crps_of_the_normal_distribution(mean, sd, y):
    n = 200_000
    quantiles = stats.norm.ppf((np.arange(n) + 0.5) / n, mean, sd)
    shuffled = np.random.default_rng(1).permutation(quantiles)
    # A grid of quantiles leaves a bias of order 1/n, a random sample an error of about sd/√n.
    assert crps(shuffled, y) == pytest.approx(crps_of_normal(mean, sd, y), rel=1e-4)
    drawn = np.random.default_rng(2).normal(mean, sd, n)
    assert crps(drawn, y) == pytest.approx(crps_of_normal(mean, sd, y), abs=5 * sd / np.sqrt(n))


def test_crps_is_its_definition_over_all_pairs():
    rng = np.random.default_rng(3)
    for _ in range(50):
        x = rng.integers(0, 6, rng.integers(1, 30)).astype(float)
        y = float(rng.integers(-1, 7))
        pairs = np.abs(x[:, None] - x[None, :]).mean()
        assert crps(x, y) == pytest.approx(np.abs(x - y).mean() - pairs / 2, abs=1e-12)


@pytest.mark.parametrize(("x", "y"), [(3.0, 3.0), (3.0, -4.5), (0.0, 1.0)])
@pytest.mark.parametrize("n", [1, 7])
def test_crps_of_a_point_is_the_distance(x, y, n):
    assert crps(np.full(n, x), y) == pytest.approx(abs(x - y), abs=1e-12)


def test_crps_counts_a_median_never_reached_as_the_longest_that_was():
    assert crps(np.array([10.0, np.inf, 30.0, np.inf]), 20.0) == crps(np.array([10.0, 30.0, 30.0, 30.0]), 20.0)
    assert crps(np.array([np.inf, np.inf]), 20.0) == pytest.approx(20.0)


def test_crps_does_not_sort_its_argument():
    x = np.array([3.0, 1.0, 2.0])
    crps(x, 2.0)
    np.testing.assert_array_equal(x, [3.0, 1.0, 2.0])


def test_tail_probability_counts_ties_half():
    assert tail_probability(np.array([1.0, 2.0, 2.0, 3.0]), 2.0) == 1
    assert tail_probability(np.array([1.0, 2.0, 3.0, 4.0]), 1.0) == pytest.approx(2 * 0.125)
    assert tail_probability(np.array([1.0, 2.0, 3.0, 4.0]), 4.0) == pytest.approx(2 * 0.125)
    assert tail_probability(np.full(9, 2.0), 2.0) == 1
    assert tail_probability(np.full(9, 2.0), 2.1) == 0
    assert tail_probability(np.array([1.0, np.inf]), 5.0) == 1


def test_tail_probability_is_uniform_where_the_prediction_is_right():
    rng = np.random.default_rng(4)
    tails = [tail_probability(x[1:], x[0]) for x in rng.normal(size=(2000, 200))]
    # 200 draws make a lattice of .01; the Kolmogorov distance of 2000 uniforms stays below .036 with probability .99.
    assert stats.kstest(tails, "uniform").statistic < 0.01 + 0.036
    coarse = [tail_probability(x[1:], x[0]) for x in rng.binomial(10, 0.3, (2000, 200))]
    assert np.mean(np.array(coarse) < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)


def test_tail_probability_does_not_know_left_from_right():
    x = np.random.default_rng(5).integers(0, 9, 50).astype(float)
    for y in np.arange(-1, 10):
        assert tail_probability(x, y) == pytest.approx(tail_probability(-x, -y), abs=1e-12)
        assert 0 <= tail_probability(x, y) <= 1


# --- the naive rival --------------------------------------------------------------------------------------------------

EVERY = [t for key in trial_keys() for t in targets(trial(key))]


def test_the_rival_of_a_figure_never_knows_its_own_trial():
    """The figures of one trial after another become absurd: its own rivals stay, and never are."""
    before = pooled_predictions(EVERY)
    for key in sorted({t.trial for t in EVERY}):
        absurd = [replace(t, value=1e9 * unit_of(t)) if t.trial == key else t for t in EVERY]
        for t, was, now in zip(EVERY, before, pooled_predictions(absurd), strict=True):
            if t.trial == key:
                np.testing.assert_array_equal(was, now)
                assert (np.abs(now) < 1e6).all()


def drug_given(t):
    arm = next((raw for raw in trial(t.trial).arms if raw["id"] == t.arms[0]), None)
    return arm is None or any(dose["agent"] in ("ketamine", "esketamine") for dose in arm.get("doses", ()))


def band(t):
    return sum(t.days[-1] > edge for edge in (0.0, 2.5, 10.0, 35.0))


def patients_of(key):
    return {key, *trial(key).contains}


def test_the_rival_is_the_likest_there_is():
    """… of other patients: a pooled analysis and a trial that it contains are no rivals of each other."""
    for t, pooled in zip(EVERY, pooled_predictions(EVERY), strict=True):
        others = [o for o in EVERY if t.trial not in patients_of(o.trial) and o.trial not in patients_of(t.trial)]
        like = [o for o in others if o.statistic == t.statistic]
        same_drug = [o for o in like if drug_given(o) == drug_given(t)]
        same_days = [o for o in same_drug if band(o) == band(t)]
        wanted = same_days or same_drug or like
        np.testing.assert_allclose(pooled, [o.value / unit_of(o) for o in wanted], err_msg=t.label)


def test_a_statistic_that_one_trial_alone_reported_has_no_rival():
    own = [t for t in EVERY if t.trial == EVERY[0].trial]
    assert own
    assert all(len(values) == 0 for values in pooled_predictions(own))


def test_points_are_compared_as_shares_of_the_baseline_and_times_as_months():
    units = {t.statistic: (unit_of(t), t) for t in EVERY}
    assert units["mean_change"][0] == units["mean_change"][1].mean_baseline > 1
    assert units["difference"][0] == units["difference"][1].mean_baseline > 1
    assert units["response"][0] == unit_of(replace(units["response"][1], statistic="standardised_benefit")) == 1
    assert units["median_days_to_relapse"][0] == 30
    assert units["percent_change"][0] == 100
