"""Times to an event that is only seen at visits."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from kaptrial.arrays import Bools, Floats


def observed_at_visits(failed: Floats, days: ArrayLike, origin_day: float = 0.0) -> tuple[Floats, Bools]:
    """Time from the origin to the first visit at which failure is seen, and whether it was.

    A failure counts at the visit at which it is seen, also where visits before were missed; what comes after is not
    looked at. A patient not seen to fail is censored at the last visit attended, as nothing is known from then on. One
    never seen after the origin is censored at 0: counted as at risk at the origin, and informing nothing. Visits at or
    before the origin are not looked at.

    Times are visit days, so they are heavily tied, and later than the failures by up to a visit interval: compare arms
    with the same visits.

    Parameters
    ----------
    failed : (replicate, patient, visit)
        1 where the patient was seen to have failed, 0 where seen not to have, NaN where not seen.
    days : (visit,)
        Days of the visits, increasing.
    origin_day : day from which time is counted

    Returns
    -------
    time, event : (replicate, patient)
        Days since the origin; whether that is when failure was seen.
    """
    time, event = np.zeros(failed.shape[:2]), np.zeros(failed.shape[:2], dtype=np.bool_)
    since = np.asarray(days, dtype=float) - origin_day
    _every_replicate(np.ascontiguousarray(failed, dtype=np.float64), since, time, event)
    return time, event


@njit(cache=True, nogil=True)
def _every_replicate(failed: Floats, since: Floats, time: Floats, event: Bools) -> None:
    for r in range(failed.shape[0]):
        for i in range(failed.shape[1]):
            for v in range(len(since)):
                if since[v] > 0.0 and not np.isnan(failed[r, i, v]):
                    time[r, i] = since[v]
                    if failed[r, i, v] != 0.0:
                        event[r, i] = True
                        break
