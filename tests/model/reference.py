"""The response model of docs/model.md once more, in plain Python: one patient, one event at a time, nothing clever."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sinh


@dataclass(frozen=True, kw_only=True)
class Patient:
    """Everything that holds for one patient. Rates are a day; `max_effect` is Emax, or the slope if `linear`."""

    k: float
    max_effect: float
    max_therapy_effect: float = 0.0
    responder: bool = True
    linear: bool = False
    ec50: float = 1.0
    hill: float = 1.0
    rho: float = 0.0
    k_c: float = 0.0
    k_w: float = 1.0
    g: float = 0.0
    k_l: float = 0.0
    gamma: float = 0.0
    kappa: float = 0.0
    xi: float = 0.0


def follow(patient, visits, doses=(), sessions=(), adjuncts=()):
    """(K, T − ξ·T·O) at each visit.

    `doses`: (day, q) received; `sessions`: days attended; `adjuncts`: (from, to, Emax factor, half-life factor).
    """
    p = patient
    events = [(day, 0, "visit", 0.0) for day in visits]
    events += [(edge, 1, "adjunct", 0.0) for start, stop, _, _ in adjuncts for edge in (start, stop)]
    events += [(day, 2, "dose", q) for day, q in doses]
    events += [(day, 3, "session", 0.0) for day in sessions]
    a = c = w = learnt = learnt_in_window = slowing_exponent = now = 0.0
    seen = []
    for day, _, what, q in sorted(events):
        dt = day - now
        life = 1.0
        for start, stop, _, life_factor in adjuncts:
            if start <= now and day <= stop:
                life *= life_factor
        fast = p.k / life * exp(-slowing_exponent)
        slow = p.k_c * exp(-slowing_exponent)
        # ∫ fast·A(s)·exp(−slow·(dt − s)) ds, written with sinh so that equal rates need no special case
        x = (fast - slow) * dt / 2
        share = fast * dt * exp(-(fast + slow) * dt / 2) * (sinh(x) / x if x else 1.0)
        c = c * exp(-slow * dt) + p.rho * a * share
        a *= exp(-fast * dt)
        w *= exp(-p.k_w * dt)
        learnt *= exp(-p.k_l * dt)
        learnt_in_window *= exp(-p.k_l * dt)
        now = day
        if what == "dose":
            a += q
            w += q
        elif what == "session":
            learnt += p.g
            learnt_in_window += p.g * (1 - exp(-w))
            slowing_exponent = p.kappa * (1 - exp(-learnt))
        elif what == "visit":
            boost = 1.0
            for start, stop, emax_factor, _ in adjuncts:
                if start < day <= stop:  # at equal times the visit comes before the change
                    boost *= emax_factor
            seen.append(_read(p, a + c, learnt, learnt_in_window, boost))
    return seen


def _read(p, level, learnt, learnt_in_window, boost):
    occupancy = level**p.hill / (p.ec50**p.hill + level**p.hill) if p.responder else 0.0
    drug = p.max_effect * boost * (level if p.linear and p.responder else occupancy)
    therapy = 0.0
    if learnt > 0:
        therapy = p.max_therapy_effect * (1 - exp(-learnt)) * (1 + p.gamma * learnt_in_window / learnt)
    return drug, therapy - p.xi * therapy * occupancy
