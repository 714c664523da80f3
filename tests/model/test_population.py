"""Who enters the trial: truncation with real regression to the mean, correlations, spreads."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kaptrial.model import population

SDS = {"trait_sd": 5.0, "deviation_sd": 6.0, "rater_sd": 2.5}
TOTAL = float(np.sqrt(5.0**2 + 6.0**2 + 2.5**2))
N = 200_000


def day_zero(low=-np.inf, high=np.inf, mean=32.0, truncated=True):
    rng = np.random.default_rng(7)
    u = rng.random((1, N)) if truncated else None
    return population.draw_day_zero(rng.standard_normal((1, N, 3)), u, mean=mean, low=low, high=high, **SDS)


@pytest.mark.parametrize(("low", "high"), [(35.0, np.inf), (-np.inf, 25.0), (28.0, 34.0), (60.0, np.inf)])
def test_entry_criterion_holds_and_patients_regress_to_the_mean(low, high):
    """Given the truncated sum S, each component is mean + its share of the variance × (S − mean): Bayes for normals."""
    zero = day_zero(low, high)
    score = zero.trait + zero.deviation + zero.rater_error
    assert score.min() >= low - 1e-9  # the components are summed again: a rounding or two of 60
    assert score.max() <= high + 1e-9
    within = stats.truncnorm((low - 32) / TOTAL, (high - 32) / TOTAL)
    excess = within.mean() * TOTAL
    for part, sd, centre in ((zero.trait, 5, 32), (zero.deviation, 6, 0), (zero.rater_error, 2.5, 0)):
        share = sd**2 / TOTAL**2
        variance = sd**2 * (1 - share) + share**2 * within.var() * TOTAL**2
        mcse = np.sqrt(variance / N)
        assert abs(part.mean() - (centre + share * excess)) < 4 * mcse
        # the variance of a sample variance is at most that of a normal one here (truncation cuts tails off)
        assert abs(part.var() - variance) < 4 * variance * np.sqrt(2 / N)


def test_without_a_criterion_the_components_are_as_declared():
    zero = day_zero(truncated=False)
    for part, sd, centre in ((zero.trait, 5, 32), (zero.deviation, 6, 0), (zero.rater_error, 2.5, 0)):
        assert abs(part.mean() - centre) < 4 * sd / np.sqrt(N)  # 4 MCSE
    assert abs(np.corrcoef(zero.trait[0], zero.deviation[0])[0, 1]) < 4 / np.sqrt(N)


def test_strata_may_have_means_of_their_own():
    mean = np.where(np.arange(N) % 2, 40.0, 24.0)[None, :]
    zero = day_zero(low=35.0, mean=mean)
    for centre in (24, 40):
        a = (35 - centre) / TOTAL
        excess = stats.truncnorm(a, np.inf).mean() * TOTAL
        mine = zero.trait[mean == centre]
        # 5 is an upper bound of the trait's SD after truncation: 4 MCSE
        assert abs(mine.mean() - (centre + 25 / TOTAL**2 * excess)) < 4 * 5 / np.sqrt(len(mine))


@pytest.mark.parametrize("low", [-30.0, -2.0, 0.0, 2.0, 8.0, 30.0])
def test_truncated_normal_is_the_inverse_of_its_distribution(low):
    """Also thirty SDs out, where 1 − ndtr is 0 and a naive inverse gives infinity."""
    u = np.linspace(0.001, 0.999, 21)
    x = np.sort(population.truncated_normal(u, low, np.inf))
    # log survival: log(1 − u) + log P(Z > low); 1e-9 is about what ndtri keeps in the far tail
    expected = np.sort(stats.norm.isf(np.exp(np.log1p(-u) + stats.norm.logsf(low)))) if low < 30 else None
    if expected is None:
        expected = np.sort(stats.truncnorm.ppf(u, low, np.inf))
    np.testing.assert_allclose(x, expected, rtol=1e-9, atol=1e-9)


def test_correlations_are_those_asked_for():
    rng = np.random.default_rng(3)
    trait, z = rng.standard_normal((1, N)), rng.standard_normal((1, N, 2))
    wanted = np.array([[1, 0.5, -0.3], [0.5, 1, 0.2], [-0.3, 0.2, 1]])
    drawn = population.correlate(trait, z, wanted)
    correlations = np.corrcoef(np.stack([trait[0], drawn[0, :, 0], drawn[0, :, 1]]))
    assert np.abs(correlations - wanted).max() < 4 / np.sqrt(N)  # the SE of a correlation is below 1/√n
    assert np.abs(drawn.std(axis=1) - 1).max() < 4 / np.sqrt(2 * N)


def test_contradictory_correlations_raise():
    wanted = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    with pytest.raises(np.linalg.LinAlgError):
        population.correlate(np.zeros((1, 2)), np.zeros((1, 2, 2)), wanted)


def test_spreads_on_the_log_and_logit_scale():
    z = np.array([-1.0, 0.0, 1.0])
    np.testing.assert_allclose(population.log_normal(7, 0.5, z), [7 / np.exp(0.5), 7, 7 * np.exp(0.5)], rtol=1e-14)
    odds = 3 * np.exp(z * 0.8)  # a share of .75 is odds of 3
    np.testing.assert_allclose(population.logit_normal(0.75, 0.8, z), odds / (1 + odds), rtol=1e-14)
    np.testing.assert_array_equal(population.logit_normal(1.0, 0.8, z), np.ones(3))
