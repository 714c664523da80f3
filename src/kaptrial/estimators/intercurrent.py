"""Scores under the strategies for intercurrent events (ICH E9(R1))."""

from __future__ import annotations

import numpy as np

from kaptrial.arrays import Floats


def hypothetical(score: Floats, days: Floats, event_day: Floats) -> Floats:
    """Scores after the event set aside as missing: it is asked what they would have been without it.

    `score`: (replicate, patient, visit); `days`: (visit,); `event_day`: (replicate, patient), infinite if none. A visit
    on the day of the event comes before it.
    """
    return np.where(days > event_day[..., None], np.nan, score)


def composite(score: Floats, days: Floats, event_day: Floats, failure: Floats | float) -> Floats:
    """Scores after the event replaced by `failure`, a number or one a patient: the event is itself a bad outcome."""
    worst = np.broadcast_to(failure, event_day.shape)[..., None]
    return np.where(days > event_day[..., None], worst, score)


def while_on_treatment(score: Floats, days: Floats, event_day: Floats) -> Floats:
    """Scores after the event replaced by the last one seen before it."""
    held, last = score.copy(), score[..., 0]
    for v, day in enumerate(days):
        after = day > event_day
        held[..., v] = np.where(after, last, score[..., v])
        last = np.where(after | np.isnan(score[..., v]), last, score[..., v])
    return held
