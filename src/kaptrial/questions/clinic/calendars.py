"""Opening hours and absences: when something that takes a given time can begin. Time in days, day 0 a Monday."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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


class Post:
    """One therapist's post: its weeks of leave, the gaps between who leaves and who follows, its sessions a week.

    `gaps`: (from, to) while nobody holds the post, in order. `holders`: the number of each holder, one more than there
    are gaps.
    """

    def __init__(
        self,
        hours: Calendar,
        sessions_per_week: float,
        away: Sequence[bool],
        gaps: Sequence[tuple[float, float]],
        holders: Sequence[int],
    ) -> None:
        self.hours, self.sessions_per_week, self.away = hours, sessions_per_week, away
        self.gaps, self.holders = gaps, holders
        self.given: dict[int, int] = {}
        self.has_absences = bool(gaps) or any(away)

    def start(self, t: float, duration: float) -> float:
        """The earliest time from `t` on at which this therapist can give a session of `duration`."""
        while True:
            t = self.hours.start(t, duration)
            week = int(t // 7)
            full = self.given.get(week, 0) >= self.sessions_per_week
            if full or (week < len(self.away) and self.away[week]):
                t = 7.0 * (week + 1)
                continue
            gap = next((g for g in self.gaps if g[0] <= t < g[1]), None) if self.gaps else None
            if gap is None:
                return t
            t = gap[1]

    def idle_start(self, t: float, duration: float) -> float:
        """The earliest time at which somebody with nothing else to do, and never away, could."""
        return self.hours.start(t, duration)

    def book(self, start: float) -> None:
        """Count a session against its week."""
        week = int(start // 7)
        self.given[week] = self.given.get(week, 0) + 1

    def is_held(self, t: float) -> bool:
        """Whether somebody holds the post and is not on leave."""
        if not self.has_absences:
            return True
        week = int(t // 7)
        on_leave = week < len(self.away) and self.away[week]
        return not on_leave and not any(g[0] <= t < g[1] for g in self.gaps)

    def holder(self, t: float) -> int:
        """The number of the therapist who holds the post, in a gap of the one who left."""
        return self.holders[sum(t >= gap[1] for gap in self.gaps)]
