"""A small trial with a clinic, as a raw mapping to be edited."""

from __future__ import annotations

from typing import Any

from kaptrial.scenario.files import build
from kaptrial.scenario.scenario import Scenario
from tests.clean import clean_raw, number


def site(name: str = "one", referrals: float = 20, **more: Any) -> dict[str, Any]:
    """One site with enough of everything."""
    return {
        "id": name, "referrals": number(referrals, "per_month"), "chairs": 3, "nurses": 2, "raters": 2,
        "therapists": {"shift": 3}, **more,
    }  # fmt: skip


def clinic_raw(*sites: dict[str, Any], n_per_arm: int = 20, **more: Any) -> dict[str, Any]:
    """The clean scenario of two doses and three sessions, run by these sites; `more`: sections of the clinic."""
    raw = clean_raw(n_per_arm=n_per_arm, delta=5)
    for arm in raw["arms"]:
        arm["doses"] = [{"agent": "ketamine", "mg_per_kg": 0.5, "days": [0, 7]}]
    raw["arms"][1]["therapy"] = {"name": "shift", "days": [1, 8, 14]}
    raw["therapies"]["shift"] |= {"session_minutes": 60}
    raw["clinic"] = {
        "sites": list(sites) or [site()],
        "recruitment": {
            "consent": number(0.5, "share"),
            "screen_failure": number(0.2, "share"),
            "screening": number(7, "day"),
        },
        "therapists": {"shift": {"caseload": 10, "sessions_per_week": 25}},
        **more,
    }
    return raw


def clinic(*sites: dict[str, Any], n_per_arm: int = 20, **more: Any) -> Scenario:
    """The scenario of `clinic_raw`, checked."""
    return build(clinic_raw(*sites, n_per_arm=n_per_arm, **more))
