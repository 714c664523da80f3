"""Plans of a clinic that cannot carry out their scenario, found before anything is run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from scipy.special import ndtr

from kaptrial.errors import ABSENT, FieldError, nearest
from kaptrial.scenario.clinic import Clinic

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
    entry = s.population.entry
    if entry is None or not clinic.recruitment.by_entry:
        return 1.0
    m, baseline = s.measurement, s.population.baseline
    sd = (baseline.spread**2 + m.deviation_sd.value**2 + m.rater_sd.value**2) ** 0.5
    slack = s.scale.step / 2 if m.round else 0.0
    low = ndtr((entry.at_least - slack - baseline.value) / sd) if entry.at_least is not None else 0.0
    high = ndtr((entry.at_most + slack - baseline.value) / sd) if entry.at_most is not None else 1.0
    return float(high - low)
