"""Plans that cannot be carried out are refused in one line that says where, what stands there and what may."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kaptrial.errors import ScenarioError
from kaptrial.scenario.clinic_checks import share_entering, share_meeting_entry
from kaptrial.scenario.files import as_raw, build, scenario_hash, with_settings
from tests.builders import clinic, clinic_raw, number, site

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no therapist at a site": (
        {"clinic.sites[0].therapists.shift": 0},
        "clinic.sites[0].therapists.shift = 0: must be ≥ 1: arm treated has this therapy and nobody would give it",
    ),
    "no therapist named": ({"clinic.sites[0].therapists": {}}, "clinic.sites[0].therapists.shift is missing"),
    "no plan for the therapy": ({"clinic.therapists": {}}, "clinic.therapists.shift is missing: must be given: arm"),
    "a therapist of no therapy": ({"clinic.sites[0].therapists.shft": 2}, "did you mean `shift`"),
    "window shorter than the session": (
        {"clinic.sessions.from_hours": 24, "clinic.sessions.to_hours": 24.5},
        "clinic.sessions.to_hours = 24.5: must leave room for a session of shift, 60 minutes after from_hours, 24",
    ),
    "window that ends before it begins": (
        {"clinic.sessions.from_hours": 48, "clinic.sessions.to_hours": 24}, "must be later than from_hours, 48"
    ),
    "window without an end": ({"clinic.sessions.from_hours": 24}, "clinic.sessions.to_hours is missing"),
    "site that never opens": ({"clinic.sites[0].opens_day": 100_000}, "clinic.sites[0].opens_day = 100000"),
    "site without referrals": ({"clinic.sites[0].referrals": 0}, "nobody would be referred to this site"),
    "trial that never fills": ({"clinic.sites[0].referrals": 0.01}, "patients a month enter at all sites, and 40"),
    "session longer than the day": (
        {"therapies.shift.session_minutes": 700}, "therapies.shift.session_minutes = 700: must fit into a day's"
    ),
    "session of unknown length": ({"therapies.shift.session_minutes": None}, "session_minutes is missing"),
    "monitoring longer than the day": ({"clinic.infusions.monitoring_minutes": 590}, "must fit into a day's opening"),
    "closes before it opens": ({"clinic.hours.closes": 7}, "clinic.hours.closes = 7: must be later than opens, 8"),
    "closed all week": ({"clinic.hours.weekdays": []}, "clinic.hours.weekdays = []: must name at least one"),
    "a weekday twice": ({"clinic.hours.weekdays": ["mon", "mon"]}, "clinic.hours.weekdays[1]"),
    "no such weekday": ({"clinic.hours.weekdays": ["monday"]}, "clinic.hours.weekdays[0] = 'monday': must be"),
    "doses on a closed day": ({"clinic.infusions.weekdays": ["sun"]}, "clinic.infusions.weekdays[0] = 'sun'"),
    "no chair": ({"clinic.sites[0].chairs": 0}, "clinic.sites[0].chairs = 0: must be a whole number, 1 to"),
    "no nurse": ({"clinic.sites[0].nurses": 0}, "clinic.sites[0].nurses = 0"),
    "half a rater": ({"clinic.sites[0].raters": 0.5}, "clinic.sites[0].raters = 0.5: must be a whole number"),
    "no site": ({"clinic.sites": []}, "clinic.sites = 0: must be 1 to 100 sites"),
    "two sites of one name": ({"clinic.sites": [site(), site()]}, "clinic.sites[1].id = 'one': must differ"),
    "nobody consents": ({"clinic.recruitment.consent": 0}, "nobody would enter"),
    "everybody fails": ({"clinic.recruitment.screen_failure": 1}, "must be < 1"),
    "nobody keeps appointments": (
        {"clinic.sessions.booking": {"no_show": number(0.6, "share"), "cancelled": number(0.5, "share")}},
        "clinic.sessions.booking.no_show = 1.1: together with cancelled must be < 1",
    ),
    "group larger than the caseload": ({"therapies.shift.group_size": 12}, "must be ≥ 12, the size of a group"),
    "caseload of nobody": ({"clinic.therapists.shift.caseload": 0}, "clinic.therapists.shift.caseload = 0"),
    "turnover without hiring": ({"clinic.therapists.shift.turnover": 0.5}, "clinic.therapists.shift.hiring is missing"),
    "missed before late": ({"clinic.ratings.late_days": 1}, "clinic.ratings.late_days = 1: must be ≥ window_days, 3"),
    "a wrong unit": (
        {"clinic.recruitment.screening": number(7, "week")}, "clinic.recruitment.screening.unit = 'week': must be day"
    ),
    "a bare number": (
        {"clinic.costs": {"currency": "EUR", "dose": {"value": 3, "source": "assumption", "note": "for a test"}}},
        "clinic.costs.dose.unit is missing",
    ),
    "an unknown key": ({"clinic.chairs": 3}, "unknown key"),
    "randomised after a run-in": (
        {"randomisation": {"day": 28}, "arms[0].doses": [], "arms[1].doses": [], "arms[1].therapy.days": [30],
         "design.visits": [0, 28, 56], "estimand.day": 56},
        "randomisation.day = 28: must be 0 where there is a clinic",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name):
    settings, shown = REFUSED[name]
    with pytest.raises(ScenarioError) as caught:
        build(with_settings(clinic_raw(), copy.deepcopy(settings)))
    print(caught.value)
    assert "\n" not in str(caught.value)
    assert shown in str(caught.value)


def test_plan_reads_back_and_is_part_of_the_hash():
    s = clinic()
    assert build(as_raw(s)) == s
    assert scenario_hash(s) != scenario_hash(build(with_settings(clinic_raw(), {"clinic.sites[0].chairs": 4})))


def test_numbers_about_the_world_need_a_source():
    raw = clinic_raw()
    raw["clinic"]["recruitment"]["consent"] = {"value": 0.5, "unit": "share", "source": "assumption"}
    with pytest.raises(ScenarioError, match=r"clinic.recruitment.consent.note is missing"):
        build(raw)


def test_a_stricter_entry_criterion_lets_fewer_in():
    raw = clinic_raw()
    assert share_entering(build(raw), build(raw).clinic) == pytest.approx(0.5 * 0.8)
    raw["population"]["entry"] = {"at_least": 40}  # the mean of the population
    assert share_meeting_entry(build(raw), build(raw).clinic) == pytest.approx(0.5, abs=0.03)
    raw["clinic"]["recruitment"]["by_entry"] = False
    assert share_meeting_entry(build(raw), build(raw).clinic) == 1.0
