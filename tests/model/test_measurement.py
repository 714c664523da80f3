"""From the latent course to the record: the Ornstein-Uhlenbeck deviation, rounding and clipping, days counted."""

from __future__ import annotations

import numpy as np

from kaptrial.model import measurement
from kaptrial.model.streams import BLOCK, Stream, generator, normals, uniforms

DAYS = np.array([0.0, 1, 3, 14, 28, 90])
N = 100_000


def deviations():
    rng = np.random.default_rng(11)
    start = 6 * rng.standard_normal((1, N))
    return measurement.ornstein_uhlenbeck(start, rng.standard_normal((1, N, len(DAYS) - 1)), DAYS, 6.0, 14.0)[0]


def test_deviations_are_stationary_and_forget_exponentially():
    x = deviations()
    assert np.abs(x.std(axis=0) - 6).max() < 4 * 6 / np.sqrt(2 * N)  # 4 SE of an SD
    correlations = np.corrcoef(x.T)
    wanted = np.exp(-np.abs(DAYS[:, None] - DAYS) / 14)
    # SE of a correlation: (1 − r²)/√n; 1e-12 for the diagonal
    assert (np.abs(correlations - wanted) < 4 * (1 - wanted**2) / np.sqrt(N) + 1e-12).all()


def test_deviations_begin_where_they_are_told():
    start = np.array([[3.0, -2.0]])
    x = measurement.ornstein_uhlenbeck(start, np.zeros((1, 2, 2)), np.array([0.0, 7, 21]), 6.0, 14.0)
    np.testing.assert_allclose(x[0], start[0][:, None] * np.exp(-np.array([0, 7, 21]) / 14), rtol=1e-14)


def test_record_rounds_then_clips():
    score = np.array([-3.2, 10.4, 10.6, 61.0])
    scale = {"low": 0.0, "high": 60.0, "step": 1.0}
    np.testing.assert_array_equal(measurement.record(score, **scale, round_=True, clip=True), [0, 10, 11, 60])
    np.testing.assert_array_equal(measurement.record(score, **scale, round_=True, clip=False), [-3, 10, 11, 61])
    np.testing.assert_array_equal(measurement.record(score, **scale, round_=False, clip=True), [0, 10.4, 10.6, 60])
    np.testing.assert_array_equal(measurement.record(score, **scale, round_=False, clip=False), score)


def test_days_of_success_are_counted_within_their_interval():
    logit = np.log(np.array([[[0.25, 0.25, 0.75, 0.75, 0.75]]]) / np.array([0.75, 0.75, 0.25, 0.25, 0.25]))
    first, length = np.array([0, 2]), np.array([2, 3])
    u = np.array([[[0.2, 0.3, 0.7, 0.8, 0.1]]])
    for k, percent in enumerate((50, 200 / 3)):
        days = slice(first[k], first[k] + length[k])
        np.testing.assert_allclose(measurement.percent_of_days(logit[..., days], u[..., days]), [[percent]], rtol=1e-14)
    np.testing.assert_allclose(measurement.mean_percent(logit, first, length), [[[25, 75]]], rtol=1e-14)


def test_streams_are_patient_major_and_addressable():
    """The first patients of a block are the same whatever follows; another block or mechanism draws others."""
    for draw in (normals, uniforms):
        few, many = (draw(generator(3, 2, Stream.RATER), n, 4) for n in (10, 25))
        assert few.shape == (BLOCK, 10, 4)
        np.testing.assert_array_equal(few, many[:, :10])
        for key in ((4, 2, Stream.RATER), (3, 1, Stream.RATER), (3, 2, Stream.STOP), (3, 2, Stream.RATER, 1)):
            assert not np.isin(few, draw(generator(*key), 10, 4)).any()


def test_the_integers_of_the_streams_are_frozen():
    """Changing one changes every published result; 16 is retired, and a new mechanism takes the next integer."""
    frozen = {
        "PATIENT": 0, "ENTRY": 1, "NON_RESPONDER": 2, "STRATUM": 3, "ALLOCATION": 4, "DEVIATION": 5, "RATER": 6,
        "THERAPIST": 7, "BELIEF": 8, "MISSED": 9, "STOP": 10, "DROPOUT": 11, "RESCUE": 12, "DAY_OUTCOME": 13,
        "BASELINE_DAY_OUTCOME": 14, "OPEN_LABEL": 15, "SITE": 17, "REFERRAL": 18, "SCREENING": 19, "APPOINTMENT": 20,
        "PATIENCE": 21, "LEAVE": 22, "TURNOVER": 23, "DESIGN_PRIOR": 24,
    }  # fmt: skip
    numbers = {stream.name: int(stream) for stream in Stream}
    assert {name: numbers.get(name) for name in frozen} == frozen
    assert all(number > max(frozen.values()) for name, number in numbers.items() if name not in frozen)
