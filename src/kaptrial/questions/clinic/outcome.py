"""What a replicate of the clinic came to: of each patient, and of each of its stations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.questions.clinic.drawn import DrawnPost
from kaptrial.questions.clinic.protocol import Rules

# What every site has one station of, in the order of its stations.
KINDS = ("chairs", "nurses", "raters")

# A service; `delay`: the wait beyond the first time at which an idle station would have been open. `note`: the number
# of the treatment event or visit, or −1 minus it for an appointment that was not kept.
SERVICE = np.dtype([("start", "f8"), ("end", "f8"), ("delay", "f8"), ("patient", "i8"), ("note", "i8")])


@dataclass(frozen=True, kw_only=True)
class Use:
    """What one kind of resource did at one site: `services` of all its servers, as `SERVICE`, in their order.

    `capacity`: servers together. `therapy`: of therapists. `turned_away`: days waited by each who was not served.
    `per_week`, `away`, `gaps`: of a therapist's post, sessions a week, the weeks of leave, and when nobody held it.
    """

    kind: str
    site: int
    capacity: int
    services: np.ndarray
    turned_away: Floats
    therapy: str | None = None
    number: int = 0
    per_week: float = 0.0
    away: Sequence[bool] = ()
    gaps: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The patients' ways through the clinic, in the order of their randomisation. Calendar days.

    `given`, `due`, `settled`: (patient, treatment event), doses first; NaN: not given, or never due because the patient
    had left; `settled` tells one from the other. `due` is the protocol's day, whether the clinic is open on it or not,
    for a first infusion the first opening. `seen`, `visit_settled`: (patient, visit). `begun`: first infusion.
    `zero`: the patients' own day 0. `place_wait`: days until there was a place with a therapist, or NaN. `therapist`:
    who gave most of the patient's sessions, of equals the lowest number; before any session who took the patient.
    `gave_up`, `leaves`: who gave up waiting, and when each left or would have.
    """

    begun: Floats
    zero: Floats
    place_wait: Floats
    ended: Floats
    gave_up: Bools
    leaves: Floats
    therapist: Ints
    given: Floats
    due: Floats
    settled: Bools
    seen: Floats
    visit_settled: Bools
    use: list[Use]


def capacities(rules: Rules, posts: Sequence[DrawnPost]) -> list[int]:
    """Servers of each station: chairs, nurses and raters, site by site, and then every therapist's post."""
    sites, watched = rules.clinic.sites, rules.clinic.infusions.patients_per_nurse
    of_sites = [n for site in sites for n in (site.chairs, site.nurses * watched, site.raters)]
    return of_sites + [1] * len(posts)


def uses_of(
    rules: Rules, posts: Sequence[DrawnPost], services: Sequence[np.ndarray], turned_away: Sequence[Floats]
) -> list[Use]:
    """Every station's use, site by site; what they served and turned away is in the order of `capacities`."""
    servers = capacities(rules, posts)
    shared = len(KINDS) * len(rules.clinic.sites)
    uses = []
    for i in range(len(rules.clinic.sites)):
        for k, kind in enumerate(KINDS, start=len(KINDS) * i):
            uses.append(Use(kind=kind, site=i, capacity=servers[k], services=services[k], turned_away=turned_away[k]))
        colleagues: dict[str, int] = {}
        for k, post in enumerate(posts, start=shared):
            if post.site != i:
                continue
            number = colleagues.get(post.therapy, 0)
            colleagues[post.therapy] = number + 1
            uses.append(
                Use(
                    kind="therapists",
                    site=i,
                    capacity=servers[k],
                    services=services[k],
                    turned_away=turned_away[k],
                    therapy=post.therapy,
                    number=number,
                    per_week=rules.clinic.therapists[post.therapy].sessions_per_week,
                    away=post.away.tolist(),
                    gaps=post.gaps,
                )
            )
    return uses
