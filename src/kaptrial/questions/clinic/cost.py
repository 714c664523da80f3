"""What a replicate cost, in all, by arm and by patient."""

from __future__ import annotations

import numpy as np

from kaptrial.arrays import Ints
from kaptrial.questions.clinic.run import Course, End
from kaptrial.scenario.clinic import Clinic, money
from kaptrial.scenario.clinic_checks import DAYS_PER_MONTH
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.recruitment import Fate


def costs(s: Scenario, clinic: Clinic, c: Course) -> dict[str, float]:
    """Costs by item, in all, by arm (`arm ID`), per randomised and per completed patient, in the plan's currency.

    Staff and chairs are paid from a site's opening to the last patient out, therapists but for the time in which a post
    is empty. Chairs and nurses go to the arms by their doses, therapists by their sessions, raters by their visits,
    everything else by patients.
    """
    u = clinic.costs
    if u is None:
        return {}
    out = float(c.ended.max())
    months = np.maximum(out - c.entrants.opened, 0.0) / DAYS_PER_MONTH
    n_doses = _doses_given(s, c)
    n_visits = (~np.isnan(c.seen)).sum(axis=1)
    therapists = [use for use in c.use if use.kind == "therapists"]
    posts = trained = 0.0
    for use in therapists:
        gone = [(min(b, out) - a) / DAYS_PER_MONTH for a, b in use.gaps if a < out]
        posts += months[use.site] - sum(gone)
        trained += 1 + len(gone)
    by_site = {kind: [getattr(site, kind) for site in clinic.sites] for kind in ("chairs", "nurses", "raters")}
    screened = int((c.entrants.fate != Fate.DECLINED).sum())
    items = {
        "trial": money(u.trial_month) * float(months.max()),
        "sites": money(u.site_opening) * len(clinic.sites) + money(u.site_month) * float(months.sum()),
        "screening": money(u.screening) * screened,
        "doses": money(u.dose) * float(n_doses.sum()),
        "chairs": money(u.chair_month) * float(months @ by_site["chairs"]),
        "nurses": money(u.nurse_month) * float(months @ by_site["nurses"]),
        "therapists": money(u.therapist_month) * posts + money(u.therapist_training) * trained,
        "raters": money(u.rater_month) * float(months @ by_site["raters"]),
        "visits": money(u.visit) * float(n_visits.sum()),
    }
    total = sum(items.values())
    keys = {"doses": n_doses, "chairs": n_doses, "nurses": n_doses, "visits": n_visits, "raters": n_visits}
    keys["therapists"] = _sessions_given(s, c)
    by_patient = np.zeros(len(c.arm))
    for item, value in items.items():
        used = keys.get(item, np.ones(len(c.arm))).astype(float)
        # What nobody used is everybody's.
        used = used if used.sum() > 0 else np.ones(len(c.arm))
        by_patient += value * used / used.sum()
    by_item = {**items, "in all": total}
    for a, arm in enumerate(s.arms):
        in_arm = c.arm == a
        by_item[f"arm {arm.id}, per patient"] = float(by_patient[in_arm].mean()) if in_arm.any() else float("nan")
    complete = int((c.end == End.COMPLETE).sum())
    by_item["per randomised patient"] = total / len(c.arm)
    by_item["per completed patient"] = total / complete if complete else float("nan")
    return by_item


def _n_doses(s: Scenario) -> Ints:
    return np.array([sum(len(d.days) for d in arm.doses) for arm in s.arms])


def _doses_given(s: Scenario, c: Course) -> Ints:
    number = np.arange(c.given.shape[1])
    return (~np.isnan(c.given) & (number < _n_doses(s)[c.arm][:, None])).sum(axis=1, dtype=np.int64)


def _sessions_given(s: Scenario, c: Course) -> Ints:
    number = np.arange(c.given.shape[1])
    return (~np.isnan(c.given) & (number >= _n_doses(s)[c.arm][:, None])).sum(axis=1, dtype=np.int64)
