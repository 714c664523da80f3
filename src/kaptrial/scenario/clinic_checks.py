"""Plans of a clinic that cannot carry out their scenario, found before anything is run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kaptrial.errors import ABSENT, FieldError, nearest
from kaptrial.scenario.clinic import WEEKDAYS, Clinic, Weekday

if TYPE_CHECKING:
    from kaptrial.scenario.scenario import Scenario

DAYS_PER_MONTH = 365.25 / 12
# A trial that would need longer than this to fill is a mistake in a rate.
LONGEST_MONTHS = 240.0


def check_clinic(s: Scenario) -> Iterator[FieldError]:
    """Errors where the plan cannot give what the arms are to receive, or would never fill the trial."""
    clinic = s.clinic
    if clinic is None:
        return
    if s.randomisation.day > 0:
        allowed = "must be 0 where there is a clinic: it runs trials that randomise on entry"
        yield FieldError("randomisation.day", s.randomisation.day, allowed)
    yield from _check_therapists(s, clinic)
    yield from _check_sessions(s, clinic)
    yield from _check_calendar(s, clinic)
    yield from _check_duration(s, clinic)


def given_therapies(s: Scenario) -> tuple[str, ...]:
    """The therapies that the arms give, in the order in which they are declared."""
    given = {arm.therapy.name for arm in s.arms if arm.therapy is not None and arm.therapy.days}
    return tuple(name for name in s.therapies if name in given)


def _check_therapists(s: Scenario, clinic: Clinic) -> Iterator[FieldError]:
    given = given_therapies(s)
    places = [("therapists", list(clinic.therapists))]
    places += [(f"sites[{i}].therapists", list(site.therapists)) for i, site in enumerate(clinic.sites)]
    for at, names in places:
        for name in names:
            if name not in s.therapies:
                allowed = f"must be a therapy: {', '.join(s.therapies) or 'none is declared'}"
                yield FieldError(f"clinic.{at}.{name}", name, allowed + nearest(name, s.therapies))
    for name in given:
        arm = next(arm.id for arm in s.arms if arm.therapy is not None and arm.therapy.name == name)
        if name not in clinic.therapists:
            yield FieldError(f"clinic.therapists.{name}", ABSENT, f"must be given: arm {arm} has this therapy")
        for i, site in enumerate(clinic.sites):
            if site.therapists.get(name, 0) < 1:
                value = site.therapists.get(name, ABSENT)
                allowed = f"must be ≥ 1: arm {arm} has this therapy and nobody would give it at {site.id}"
                yield FieldError(f"clinic.sites[{i}].therapists.{name}", value, allowed)


def _check_sessions(s: Scenario, clinic: Clinic) -> Iterator[FieldError]:
    rules = clinic.sessions
    for name in given_therapies(s):
        therapy = s.therapies[name]
        if therapy.session_minutes is None:
            yield FieldError(f"therapies.{name}.session_minutes", ABSENT, "must be given where there is a clinic")
            continue
        if therapy.session_minutes > clinic.hours.minutes_a_day:
            allowed = f"must fit into a day's opening hours, {clinic.hours.minutes_a_day:g} minutes"
            yield FieldError(f"therapies.{name}.session_minutes", therapy.session_minutes, allowed)
        if rules.to_hours is not None and 60 * (rules.to_hours - rules.from_hours) < therapy.session_minutes:
            allowed = (
                f"must leave room for a session of {name}, {therapy.session_minutes:g} minutes after from_hours,"
                f" {rules.from_hours:g}"
            )
            yield FieldError("clinic.sessions.to_hours", rules.to_hours, allowed)
        if name in clinic.therapists and clinic.therapists[name].caseload < therapy.group_size:
            allowed = f"must be ≥ {therapy.group_size}, the size of a group"
            yield FieldError(f"clinic.therapists.{name}.caseload", clinic.therapists[name].caseload, allowed)


def _check_calendar(s: Scenario, clinic: Clinic) -> Iterator[FieldError]:
    """What no week of this calendar can carry, however much staff there is."""
    begins = dose_weekdays(clinic)
    for arm in s.arms:
        doses = sorted(day for given in arm.doses for day in given.days)
        for j, day in enumerate(doses):
            if all(missed_doses(clinic, doses, weekday)[j] for weekday in begins):
                allowed = (
                    f"must allow the dose of day {day:g} in arm {arm.id}: whichever of these days the first is given"
                    f" on, the next opening is more than infusions.late_days, {clinic.infusions.late_days:g}, after it"
                )
                yield FieldError("clinic.infusions.weekdays", list(begins), allowed)
                break
    unkept = unkept_promises(s, clinic)
    for (arm_id, day), weekdays in unkept.items():
        if weekdays == begins:
            rules = clinic.sessions
            allowed = (
                f"must reach a working day: after infusions on {', '.join(begins)} the session of day {day:g} in arm"
                f" {arm_id} cannot begin {rules.from_hours:g} to {rules.to_hours:g} hours later"
            )
            yield FieldError("clinic.sessions.to_hours", rules.to_hours, allowed)
            break
    for day in s.design.visits[1:]:
        late = min(_until_open(clinic.hours.weekdays, WEEKDAYS.index(w) + int(day)) for w in begins)
        if clinic.clock == "first_infusion" and late > clinic.ratings.late_days:
            allowed = f"must be ≥ {late}: the visit of day {day:g} falls on days on which the sites are closed"
            yield FieldError("clinic.ratings.late_days", clinic.ratings.late_days, allowed)
            break


def dose_weekdays(clinic: Clinic) -> tuple[Weekday, ...]:
    """The weekdays on which doses are given, in the order of the week."""
    given = clinic.infusions.weekdays or clinic.hours.weekdays
    return tuple(day for day in WEEKDAYS if day in given)


def _until_open(weekdays: tuple[Weekday, ...], day: int) -> int:
    """Days from a day, counted from a Monday, to the first open one."""
    return next(k for k in range(7) if WEEKDAYS[(day + k) % 7] in weekdays)


def missed_doses(clinic: Clinic, doses: list[float], begins: Weekday) -> list[bool]:
    """Which doses of a series that begins on a weekday come too late for want of an opening, with staff for all."""
    weekdays = dose_weekdays(clinic)
    first = last = WEEKDAYS.index(begins)
    missed = [False] * len(doses)
    for j, day in enumerate(doses[1:], start=1):
        due = first + int(day - doses[0])
        opening = max(due, last + 1)
        opening += _until_open(weekdays, opening)
        missed[j] = opening - due > clinic.infusions.late_days
        if not missed[j]:
            last = opening
    return missed


def unkept_promises(s: Scenario, clinic: Clinic) -> dict[tuple[str, float], tuple[Weekday, ...]]:
    """Weekdays of infusions after which a session cannot begin in its window, by arm and the session's day."""
    unkept: dict[tuple[str, float], tuple[Weekday, ...]] = {}
    if clinic.sessions.to_hours is None:
        return unkept
    for arm in s.arms:
        doses = [day for given in arm.doses for day in given.days]
        for day in arm.therapy.days if arm.therapy else ():
            lag = day - max((dose for dose in doses if dose <= day), default=float("-inf"))
            therapy = s.therapies.get(arm.therapy.name) if arm.therapy else None  # a name unknown is said elsewhere
            minutes = None if therapy is None else therapy.session_minutes
            if minutes is None or not is_promised(clinic, lag):
                continue
            impossible = tuple(w for w in dose_weekdays(clinic) if not _can_keep(clinic, w, int(lag), minutes / 1440))
            if impossible:
                unkept[arm.id, day] = impossible
    return unkept


def what_weekdays_forbid(s: Scenario) -> list[str]:
    """In sentences, doses and promises that the days of the week alone take from some of the patients."""
    clinic = s.clinic
    if clinic is None:
        return []
    texts = []
    for arm in s.arms:
        doses = sorted(day for given in arm.doses for day in given.days)
        when = []
        for begins in dose_weekdays(clinic):
            late = [
                f"{day:g}" for day, missed in zip(doses, missed_doses(clinic, doses, begins), strict=True) if missed
            ]
            if late:
                when.append(f"of day {', '.join(late)} where the first is given on {begins}")
        if when:
            texts.append(
                f"{arm.id}: by the days of the week alone doses are missed, more than"
                f" {clinic.infusions.late_days:g} days late: {'; '.join(when)}."
            )
    weekdays = {day for days in unkept_promises(s, clinic).values() for day in days}
    if weekdays:
        rules = clinic.sessions
        texts.append(
            f"By the days of the week alone sessions promised {rules.from_hours:g} to {rules.to_hours:g} hours later"
            f" are out of their window after some infusions of {', '.join(day for day in WEEKDAYS if day in weekdays)}."
        )
    return texts


def is_promised(clinic: Clinic, lag_days: float) -> bool:
    """Whether a session of so many days after the dose before it lies in the window promised."""
    to_hours = clinic.sessions.to_hours
    return to_hours is not None and clinic.sessions.from_hours < 24 * (lag_days + 1) and 24 * lag_days <= to_hours


def _can_keep(clinic: Clinic, weekday: Weekday, lag: int, session: float) -> bool:
    """Whether some infusion of a weekday leaves the promised window some opening in which a session fits."""
    opens, closes = clinic.hours.opens / 24, clinic.hours.closes / 24
    rules, dose = clinic.sessions, WEEKDAYS.index(weekday)
    from_days, to_days = rules.from_hours / 24, (rules.to_hours or 0.0) / 24
    earliest, latest = dose + opens, dose + closes - clinic.infusions.chair_minutes / 1440
    return any(
        max(earliest, day + opens - to_days) <= min(latest, day + closes - session - from_days) + 1e-9
        for day in range(dose + lag, dose + int(to_days) + 2)
        if WEEKDAYS[day % 7] in clinic.hours.weekdays
    )


def _check_duration(s: Scenario, clinic: Clinic) -> Iterator[FieldError]:
    a_month = sum(site.referrals.value for site in clinic.sites) * share_entering(s, clinic)
    months = s.n_total / a_month if a_month > 0 else float("inf")
    if months > LONGEST_MONTHS:
        allowed = (
            f"must be more: {a_month:.2g} patients a month enter at all sites, and {s.n_total} would take"
            f" {'for ever' if months == float('inf') else f'{months / 12:.0f} years'}"
        )
        yield FieldError("clinic.sites[0].referrals.value", clinic.sites[0].referrals.value, allowed)


def share_entering(s: Scenario, clinic: Clinic) -> float:
    """The share of people referred who are randomised."""
    r = clinic.recruitment
    return r.consent.value * (1 - r.screen_failure.value) * share_meeting_entry(s, clinic)


def share_meeting_entry(s: Scenario, clinic: Clinic) -> float:
    """The share of the scenario's population whose day-0 score meets its entry criterion; 1 where that is not asked.

    The score is normal about the trait's mean with the variances of trait, deviation and rater error added up.
    """
    from scipy.special import ndtr

    entry = s.population.entry
    if entry is None or not clinic.recruitment.by_entry:
        return 1.0
    m, baseline = s.measurement, s.population.baseline
    sd = (baseline.spread**2 + m.deviation_sd.value**2 + m.rater_sd.value**2) ** 0.5
    slack = s.scale.step / 2 if m.round else 0.0
    low = ndtr((entry.at_least - slack - baseline.value) / sd) if entry.at_least is not None else 0.0
    high = ndtr((entry.at_most + slack - baseline.value) / sd) if entry.at_most is not None else 1.0
    return float(high - low)
