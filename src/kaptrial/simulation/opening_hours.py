"""Opening hours of a clinic: when something that takes a given time can begin. Time in days, day 0 a Monday."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Ends of working days and of windows are sums of fractions; a rounding error must not push a last appointment out.
SLACK = 1e-9


class Calendar:
    """Opening hours on some days of the week; whole days on every one of them are no boundary at all."""

    def __init__(self, weekdays: Collection[str], opens_hour: float, closes_hour: float) -> None:
        self.opens, self.closes = opens_hour / 24, closes_hour / 24
        self.is_open = [day in weekdays for day in DAYS]
        self.always = all(self.is_open) and opens_hour == 0 and closes_hour == 24
        # Days from each weekday to the next working day, itself excluded.
        self.to_next = [next(k for k in range(1, 8) if self.is_open[(d + k) % 7]) for d in range(7)]

    def start(self, t: float, duration: float) -> float:
        """The earliest time from `t` on at which `duration` fits between opening and closing."""
        if self.always:
            return t
        day = int(t // 1)
        if self.is_open[day % 7]:
            start = max(t, day + self.opens)
            if start + duration <= day + self.closes + SLACK:
                return start
        return day + self.to_next[day % 7] + self.opens

    idle_start = start

    def book(self, start: float) -> None:
        """Opening hours do not fill up."""

    def due(self, since: float, days: float) -> float:
        """When what the protocol has `days` after `since` is due: the morning of that day, whether it is open or not.

        Never earlier in the day than it was by more than a night, and round the clock, where there is none, to the
        hour.
        """
        planned = since + days
        night = 1 - (self.closes - self.opens)
        return max(planned // 1 + self.opens, planned - night)

    def opening(self, day: int) -> float:
        """The opening of a day, or of the next working day."""
        if self.always:
            return float(day)
        return day + (0 if self.is_open[day % 7] else self.to_next[day % 7]) + self.opens

    def hours_between(self, start: float, stop: float) -> float:
        """Opening hours from one time to another."""
        if self.always:
            return max(stop - start, 0.0) * 24
        days = np.arange(int(start // 1), int(stop // 1) + 1)
        days = days[np.array(self.is_open)[days % 7]]
        open_for = np.minimum(stop, days + self.closes) - np.maximum(start, days + self.opens)
        return 24 * sum(np.maximum(open_for, 0.0).tolist())
