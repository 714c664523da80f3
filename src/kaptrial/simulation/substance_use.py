"""Days of use, and the drinks on them, from the state that the percent of days without use is recorded from."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from kaptrial.arrays import Floats
from kaptrial.model.streams import BlockStreams, Stream, normals, uniforms
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.follow_up import Noise
from kaptrial.simulation.patients import Patients


def daily_use(
    s: Scenario, streams: BlockStreams, patients: Patients, predictor: Floats, noise: Noise
) -> dict[str, Any]:
    """`used` and, where an amount is declared, `drinks` of each day, `drinks_before` a day and `is_woman`.

    `predictor`: the logit of a day's success at the days of the schedule; its entry 0 is of the days before entry.
    """
    assert noise.days_before is not None  # an outcome counted by days draws its days
    assert noise.days_later is not None
    success = expit(predictor + noise.deviation)
    used = ~(noise.days_later < success[..., 1:])
    if s.amount is None:
        return {"used": used}
    n, days = used.shape[1:]
    improvement = s.scale.sign * (predictor - patients.trait[..., None])
    own = normals(streams.of(Stream.AMOUNT_OF_PATIENT), n, 1)
    drinks = _drinks(s, own, improvement[..., 1:], normals(streams.of(Stream.AMOUNT), n, days))
    z = normals(streams.of(Stream.AMOUNT_BEFORE), n, noise.days_before.shape[-1])
    before, used_before = _drinks(s, own, np.zeros(1), z), ~(noise.days_before < success[..., :1])
    share = 0.0 if s.amount.women is None else s.amount.women.value
    return {
        "used": used,
        "drinks": np.where(used, drinks, 0.0),
        "drinks_before": np.where(used_before, before, 0.0).mean(axis=-1),
        "is_woman": uniforms(streams.of(Stream.SEX), n, 1)[..., 0] < share,
    }


def _drinks(s: Scenario, own: Floats, improvement: Floats, z: Floats) -> Floats:
    """Drinks on each day, were it one of use."""
    a = s.amount
    assert a is not None
    log_mean = np.log(a.mean.value) + a.mean.spread * own - a.loading.value * improvement
    return np.exp(log_mean + a.dispersion.value * z - a.dispersion.value**2 / 2)
