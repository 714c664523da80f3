"""Who is referred, who of them enters and when: a Poisson process a site, thinned by ramp and season."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from scipy.special import ndtri

from kaptrial.arrays import Floats, Ints
from kaptrial.model.streams import Stream, generator
from kaptrial.scenario.clinic import Clinic
from kaptrial.scenario.clinic_checks import DAYS_PER_MONTH, share_entering, share_meeting_entry
from kaptrial.scenario.looks import even_months
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.opening_hours import Calendar

DAYS_PER_YEAR = 365.25
# Runs of a clinic whose mean is the calendar of a trial.
CALENDAR_RUNS = 256


class Fate(IntEnum):
    """What became of a referral; CLOSED: still being screened when the last place was taken."""

    RANDOMISED = 0
    DECLINED = 1
    INELIGIBLE = 2
    FAILED = 3
    CLOSED = 4


@dataclass(frozen=True, kw_only=True)
class Entrants:
    """The referrals of one trial in the order of their referral, up to the moment when it is full. Calendar days.

    `referred`, `decided`, `site`, `fate`: (referral,). `randomised`: numbers of the referrals randomised, in the order
    of their randomisation. `opened`: (site,). `closed`: the day of the last randomisation.
    """

    referred: Floats
    decided: Floats
    site: Ints
    fate: Ints
    randomised: Ints
    opened: Floats
    closed: float


def recruit(s: Scenario, clinic: Clinic, seed: int, replicate: int, hours: Calendar) -> Entrants:
    """The entrants of one replicate; patients are randomised within opening hours."""
    n = s.n_total
    rng = generator(seed, replicate, Stream.SITE)
    r = clinic.recruitment
    z, e = rng.standard_normal(len(clinic.sites)), rng.exponential(size=len(clinic.sites))
    delay = r.opening_delay.value if r.opening_delay else 0.0
    opened = np.array([site.opens_day for site in clinic.sites]) + delay * e
    rates = [site.referrals.value * np.exp(site.referrals.spread * z[i]) for i, site in enumerate(clinic.sites)]
    # More than enough referrals for most replicates; the arrays of one that needs more begin with the same draws.
    count = int(1.5 * n / (len(clinic.sites) * share_entering(s, clinic))) + 32
    while True:
        sites = [_site_referrals(s, clinic, seed, replicate, i, opened[i], rates[i], count) for i in range(len(rates))]
        site = np.repeat(np.arange(len(sites)), [len(f[0]) for f in sites])
        referred, decided, fate = (np.concatenate([f[k] for f in sites]) for k in range(3))
        entering = np.flatnonzero(fate == Fate.RANDOMISED)
        order = entering[np.argsort(decided[entering], kind="stable")][:n]
        # Nobody referred after what was drawn can come before the last place is taken.
        if len(order) == n and decided[order[-1]] <= min(f[3] for f in sites):
            break
        count *= 2
    for k in order:
        decided[k] = hours.start(decided[k], 0.0)
    closed = float(decided[order[-1]])
    late = decided > closed
    late |= (fate == Fate.RANDOMISED) & ~np.isin(np.arange(len(fate)), order)
    fate[late] = Fate.CLOSED
    decided[late] = closed
    kept = np.flatnonzero(referred <= closed)
    kept = kept[np.argsort(referred[kept], kind="stable")]
    number = np.full(len(fate), -1)
    number[kept] = np.arange(len(kept))
    return Entrants(
        referred=referred[kept],
        decided=decided[kept],
        site=site[kept],
        fate=fate[kept],
        randomised=number[order],
        opened=opened,
        closed=closed,
    )


def _site_referrals(
    s: Scenario, clinic: Clinic, seed: int, replicate: int, i: int, opened: float, per_month: float, count: int
) -> tuple[Floats, Floats, Ints, float]:
    """Days of referral and of decision and fates of one site's referrals, and the day up to which they are complete."""
    r = clinic.recruitment
    swing = r.seasonality.value if r.seasonality else 0.0
    gaps = generator(seed, replicate, Stream.REFERRAL, i).exponential(size=count)
    u = generator(seed, replicate, Stream.SCREENING, i).random((count, 5))
    day = opened + np.cumsum(gaps) * DAYS_PER_MONTH / (per_month * (1 + swing))
    peak = (r.peak_month - clinic.start_month) * DAYS_PER_MONTH
    rate = 1 + swing * np.cos(2 * np.pi * (day - peak) / DAYS_PER_YEAR)
    if r.ramp is not None:
        rate *= np.minimum((day - opened) / r.ramp.value, 1.0)
    kept = u[:, 0] * (1 + swing) < rate
    last = float(day[-1])
    day, u = day[kept], u[kept]
    screening = r.screening.value * np.exp(r.screening.spread * ndtri(np.clip(u[:, 4], 1e-12, 1 - 1e-12)))
    fate = np.full(len(day), int(Fate.RANDOMISED))
    fate[u[:, 3] < r.screen_failure.value] = Fate.FAILED
    fate[u[:, 2] >= share_meeting_entry(s, clinic)] = Fate.INELIGIBLE
    declined = u[:, 1] >= r.consent.value
    fate[declined] = Fate.DECLINED
    return day, np.where(declined, day, day + screening), fate, last


def months_in_clinic(s: Scenario, clinic: Clinic, seed: int) -> Floats:
    """Months from the first randomisation to each patient's in the first runs of a clinic, (run, patient)."""
    opening = clinic.hours
    hours = Calendar(opening.weekdays, opening.opens, opening.closes)
    runs = (recruit(s, clinic, seed, replicate, hours) for replicate in range(CALENDAR_RUNS))
    days = np.array([entrants.decided[entrants.randomised] for entrants in runs])
    return (days - days[:, :1]) / DAYS_PER_MONTH


def months_randomised(s: Scenario, per_month: float | None, seed: int) -> Floats:
    """Months from the first randomisation to each patient's: so many a month evenly, or, where that is None, the means
    of the clinic's runs."""
    if per_month is not None:
        return even_months(s.n_total, per_month)
    if s.clinic is None:
        raise ValueError("the scenario has no clinic")
    return months_in_clinic(s, s.clinic, seed).mean(axis=0)
