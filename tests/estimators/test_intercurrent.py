"""What each strategy makes of the scores after an intercurrent event, worked out by hand."""

from __future__ import annotations

import numpy as np

from kaptrial.estimators import intercurrent

NAN = np.nan
DAYS = np.array([0.0, 7.0, 14.0, 28.0])
SCORE = np.array([[[40.0, 30.0, 20.0, 10.0], [40.0, NAN, 22.0, NAN], [40.0, 30.0, 20.0, 10.0]]])
EVENT = np.array([[7.0, 14.0, np.inf]])  # on a visit's day: that visit comes before it


def test_hypothetical_sets_what_follows_aside():
    expected = [[[40, 30, NAN, NAN], [40, NAN, 22, NAN], [40, 30, 20, 10]]]
    np.testing.assert_array_equal(intercurrent.hypothetical(SCORE, DAYS, EVENT), expected)


def test_composite_is_a_failure_whether_seen_or_not():
    expected = [[[40, 30, 60, 60], [40, NAN, 22, 60], [40, 30, 20, 10]]]
    np.testing.assert_array_equal(intercurrent.composite(SCORE, DAYS, EVENT, 60.0), expected)
    own = intercurrent.composite(SCORE, DAYS, EVENT, np.array([[1.0, 2.0, 3.0]]))
    np.testing.assert_array_equal(own[0, :, 3], [1, 2, 10])


def test_while_on_treatment_holds_the_last_score_seen_before():
    expected = [[[40, 30, 30, 30], [40, NAN, 22, 22], [40, 30, 20, 10]]]
    np.testing.assert_array_equal(intercurrent.while_on_treatment(SCORE, DAYS, EVENT), expected)
    gone = intercurrent.while_on_treatment(SCORE, DAYS, np.array([[-1.0, 7.0, np.inf]]))
    np.testing.assert_array_equal(gone[0, 1], [40, NAN, 40, 40])  # the missed visit is looked past
