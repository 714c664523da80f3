"""How the trial is run: sites, recruitment, chairs and nurses, therapists, raters, and what they cost.

Counts, hours and windows are plans and stand bare; what the world does to them (rates, shares, costs) carries a source.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field

from kaptrial.errors import ABSENT, FieldError
from kaptrial.scenario.noun import Day, Flag, Identifier, Positive, PositiveDay, Text, Whole, noun
from kaptrial.scenario.sourced import (
    ClinicDays,
    Money,
    PerYear,
    Rate,
    Share,
    Sourced,
    VaryingClinicDays,
    VaryingPerMonth,
)

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WORKING: tuple[Weekday, ...] = WEEKDAYS[:5]
Hour = Annotated[float, Field(strict=True, ge=0, le=24)]
Month = Annotated[int, Field(strict=True, ge=1, le=12)]
# A slip of the pen above these.
MOST_SITES, MOST_STAFF, LATEST_DAY = 100, 1000, 3650.0
HoursLater = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=24 * LATEST_DAY)]


@noun
class Hours:
    """When the sites work; nothing is begun that would not end before closing."""

    weekdays: tuple[Weekday, ...] = WORKING
    opens: Hour = 8.0
    closes: Hour = 18.0

    def __post_init__(self) -> None:
        check_weekdays(self.weekdays)
        if self.closes <= self.opens:
            raise FieldError("closes", self.closes, f"must be later than opens, {self.opens:g}")

    @property
    def minutes_a_day(self) -> float:
        """Minutes between opening and closing."""
        return 60 * (self.closes - self.opens)


def check_weekdays(weekdays: tuple[Weekday, ...]) -> None:
    """Raise FieldError unless there is a day, and each once."""
    if not weekdays:
        raise FieldError("weekdays", [], "must name at least one")
    for i, day in enumerate(weekdays):
        if day in weekdays[:i]:
            raise FieldError(f"weekdays[{i}]", day, "must differ from the days before it")


@noun
class Site:
    """One site: when it is to open, whom it is sent, and whom and what it has.

    `referrals`: people sent a month once the site runs in full; `log_sd` is the spread of that rate, which nobody
    knows before the trial, from one trial to the next. `therapists`: how many for each therapy.
    """

    id: Identifier
    referrals: VaryingPerMonth
    opens_day: Day = 0.0
    chairs: Whole = 1
    nurses: Whole = 1
    raters: Whole = 1
    therapists: dict[Identifier, Whole] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.opens_day > LATEST_DAY:
            raise FieldError(
                "opens_day", self.opens_day, f"must be ≤ {LATEST_DAY:g}: a site has to open during the trial"
            )
        if self.referrals.value <= 0:
            raise FieldError(
                "referrals.value", self.referrals.value, "must be > 0: nobody would be referred to this site"
            )
        for name in ("chairs", "nurses", "raters"):
            if not 1 <= getattr(self, name) <= MOST_STAFF:
                raise FieldError(name, getattr(self, name), f"must be a whole number, 1 to {MOST_STAFF}")
        for therapy, count in self.therapists.items():
            if not 0 <= count <= MOST_STAFF:
                raise FieldError(f"therapists.{therapy}", count, f"must be a whole number, 0 to {MOST_STAFF}")


@noun
class Recruitment:
    """From referral to randomisation.

    `opening_delay`: mean of the exponential delay of a site's opening. `ramp`: days from opening until referrals reach
    their rate, rising in a straight line. `seasonality`: how far the rate rises above its mean in `peak_month` and
    falls below it half a year away, as a share. `screening`: days from referral to randomisation. `screen_failure`:
    share of those who consent and meet the scenario's entry criterion who fail for other reasons. `by_entry`: the
    scenario's entry criterion is applied to people drawn from its population; False where referrals are known to meet
    it. `loss_while_waiting`: hazard of leaving while waiting for the first infusion, or for a place with a therapist.
    """

    consent: Share
    screen_failure: Share
    screening: VaryingClinicDays
    opening_delay: ClinicDays | None = None
    ramp: ClinicDays | None = None
    seasonality: Share | None = None
    peak_month: Month = 1
    by_entry: Flag = True
    loss_while_waiting: Rate | None = None

    def __post_init__(self) -> None:
        if self.consent.value <= 0:
            raise FieldError("consent.value", self.consent.value, "must be > 0: nobody would enter")
        if self.screen_failure.value >= 1:
            raise FieldError("screen_failure.value", self.screen_failure.value, "must be < 1: nobody would enter")


@noun
class Booking:
    """What becomes of appointments: cancelled beforehand, or kept free in vain; either is made again.

    `cancelled`, `no_show`: probability of each, for every appointment anew. The next one is asked for `rebook_days`
    later; after `attempts` of them, or once it is too late, there is none. Who has had no first infusion by then is
    lost.
    """

    cancelled: Share | None = None
    no_show: Share | None = None
    rebook_days: Day = 1.0
    attempts: Whole = 3

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= 10:
            raise FieldError("attempts", self.attempts, "must be a whole number, 1 to 10")
        total = sum(share.value for share in (self.cancelled, self.no_show) if share is not None)
        if total >= 1:
            raise FieldError(
                "no_show", round(total, 6), "together with cancelled must be < 1: no appointment would be kept"
            )


@noun
class Infusions:
    """A dose takes a chair for infusion, monitoring and clearing up, and a nurse's eye from beginning to end.

    `patients_per_nurse`: how many one nurse watches at a time. `weekdays`: days on which doses are given, if not on
    all working days. `late_days`: a dose that cannot be given within so many days of its due day is missed; the first
    one is waited for. `wait_for_therapist`: in arms with a therapy the first infusion waits for a place with a
    therapist.
    """

    minutes: Positive = 40.0
    monitoring_minutes: Day = 120.0
    clearing_minutes: Day = 0.0
    patients_per_nurse: Whole = 2
    late_days: PositiveDay = 3.0
    weekdays: tuple[Weekday, ...] | None = None
    wait_for_therapist: Flag = False
    booking: Booking = Booking()

    def __post_init__(self) -> None:
        if self.weekdays is not None:
            check_weekdays(self.weekdays)
        if not 1 <= self.patients_per_nurse <= 20:
            raise FieldError("patients_per_nurse", self.patients_per_nurse, "must be a whole number, 1 to 20")

    @property
    def chair_minutes(self) -> float:
        """Minutes for which a dose occupies its chair and its share of a nurse."""
        return self.minutes + self.monitoring_minutes + self.clearing_minutes


@noun
class SessionRules:
    """When sessions may fall. A session is due on its protocol day, counted from the dose before it.

    `from_hours`, `to_hours`: the window promised after a dose, for sessions whose protocol day lies in it. Such a
    session is not begun earlier; later it is out of its window, and `after_window` says whether it is given all the
    same or skipped. `late_days`: any session that cannot begin within so many days of its due day is missed; other
    sessions count as out of their window after `window_days`. `group_wait_days`: a group begins when it is full, or
    when its first member has waited so long.
    """

    from_hours: HoursLater = 0.0
    to_hours: HoursLater | None = None
    after_window: Literal["give", "skip"] = "give"
    window_days: PositiveDay = 3.0
    late_days: PositiveDay = 14.0
    group_wait_days: Day = 3.0
    booking: Booking = Booking()

    def __post_init__(self) -> None:
        if self.to_hours is None and self.from_hours > 0:
            raise FieldError("to_hours", ABSENT, "a window that begins needs an end")
        if self.to_hours is not None and self.to_hours <= self.from_hours:
            raise FieldError("to_hours", self.to_hours, f"must be later than from_hours, {self.from_hours:g}")
        if self.late_days < self.window_days:
            raise FieldError("late_days", self.late_days, f"must be ≥ window_days, {self.window_days:g}")


@noun
class TherapistPlan:
    """The therapists of one therapy, at every site alike.

    `caseload`: patients in treatment with one therapist at a time. `sessions_per_week`: how many a therapist gives.
    `leave`: share of weeks away. `turnover`: hazard a year of leaving for good; somebody is found after `hiring` and
    trained for `training_days` (the first are trained before their site opens). Meanwhile colleagues of the site stand
    in. `shared`: they also stand in whenever a therapist's week is full and theirs is not.
    """

    caseload: Whole
    sessions_per_week: Whole
    training_days: Day = 0.0
    shared: Flag = False
    leave: Share | None = None
    turnover: PerYear | None = None
    hiring: ClinicDays | None = None

    def __post_init__(self) -> None:
        for name in ("caseload", "sessions_per_week"):
            if not 1 <= getattr(self, name) <= MOST_STAFF:
                raise FieldError(name, getattr(self, name), f"must be a whole number, 1 to {MOST_STAFF}")
        if self.leave is not None and self.leave.value > 0.5:
            raise FieldError("leave.value", self.leave.value, "must be ≤ 0.5: a therapist who is mostly there")
        if self.turnover is not None and self.turnover.value > 0 and self.hiring is None:
            raise FieldError("hiring", ABSENT, "turnover needs the days until somebody is found")


@noun
class Ratings:
    """Visits are made by blinded raters. One later than `window_days` is out of its window, than `late_days` missed."""

    minutes: Positive = 60.0
    window_days: PositiveDay = 3.0
    late_days: PositiveDay = 7.0
    booking: Booking = Booking()

    def __post_init__(self) -> None:
        if self.late_days < self.window_days:
            raise FieldError("late_days", self.late_days, f"must be ≥ window_days, {self.window_days:g}")


@noun
class Costs:
    """What a unit costs, in `currency`. Staff and chairs cost by the month in which they are kept, busy or not.

    `trial_month`: co-ordination, from the opening of the first site to the last patient out. `screening`: each person
    who consents. `dose`: drug and consumables. `visit`: each visit made, a patient's payment included.
    `therapist_training`: each therapist, replacements too.
    """

    currency: Text
    trial_month: Money | None = None
    site_opening: Money | None = None
    site_month: Money | None = None
    chair_month: Money | None = None
    nurse_month: Money | None = None
    rater_month: Money | None = None
    therapist_month: Money | None = None
    therapist_training: Money | None = None
    screening: Money | None = None
    dose: Money | None = None
    visit: Money | None = None


@noun
class Clinic:
    """The plan of the clinic. Day 0 of its calendar is a Monday, the first of `start_month`.

    `clock`: what a patient's protocol days count from: the first infusion, as trials of fast-acting drugs do, or
    randomisation, so that a wait for the first infusion eats into the time before each visit. `therapists`: the plan
    for each therapy that an arm gives.
    """

    sites: tuple[Site, ...]
    recruitment: Recruitment
    therapists: dict[Identifier, TherapistPlan] = field(default_factory=dict)
    hours: Hours = Hours()
    infusions: Infusions = Infusions()
    sessions: SessionRules = SessionRules()
    ratings: Ratings = Ratings()
    costs: Costs | None = None
    clock: Literal["first_infusion", "randomisation"] = "first_infusion"
    start_month: Month = 1

    def __post_init__(self) -> None:
        if not 1 <= len(self.sites) <= MOST_SITES:
            raise FieldError("sites", len(self.sites), f"must be 1 to {MOST_SITES} sites")
        ids = [site.id for site in self.sites]
        for i, site_id in enumerate(ids):
            if site_id in ids[:i]:
                raise FieldError(f"sites[{i}].id", site_id, "must differ from the ids of the other sites")
        for at, minutes in (
            ("infusions.monitoring_minutes", self.infusions.chair_minutes),
            ("ratings.minutes", self.ratings.minutes),
        ):
            if minutes > self.hours.minutes_a_day:
                allowed = f"must fit into a day's opening hours, {self.hours.minutes_a_day:g} minutes"
                raise FieldError(at, minutes, allowed)
        for i, day in enumerate(self.infusions.weekdays or ()):
            if day not in self.hours.weekdays:
                raise FieldError(f"infusions.weekdays[{i}]", day, f"must be one of {', '.join(self.hours.weekdays)}")


def money(value: Sourced | None) -> float:
    """A unit cost; what is not given costs nothing."""
    return 0.0 if value is None else value.value
