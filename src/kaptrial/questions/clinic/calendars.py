"""Absences of therapists: when one can give a session. Time in days, day 0 a Monday."""

from __future__ import annotations

from collections.abc import Sequence

from kaptrial.simulation.opening_hours import Calendar


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
