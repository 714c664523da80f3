"""Scenarios, trials and data that several test modules use.

The clean trial has powers that are known exactly: Gaussian, unclipped, equal variance, complete, no therapists or
hopes. Its therapy is learnt at once and never forgotten, so its effect is the constant shift `delta`; the drug does
nothing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy import special

from kaptrial.catalogue import Trial, read_trial
from kaptrial.estimators.huber import pooled_scale
from kaptrial.priors.gaussian_quadrature import Terms
from kaptrial.questions.fit import binary
from kaptrial.questions.fit.data import InteractionData
from kaptrial.scenario.clinic import WEEKDAYS
from kaptrial.scenario.files import build
from kaptrial.scenario.scenario import Scenario

TRAIT_SD, DEVIATION_SD, RATER_SD, TIME_CONSTANT, DAY = 5.0, 6.0, 2.5, 14.0, 28.0
TOTAL_SD = float(np.sqrt(TRAIT_SD**2 + DEVIATION_SD**2 + RATER_SD**2))
CORRELATION = (TRAIT_SD**2 + DEVIATION_SD**2 * np.exp(-DAY / TIME_CONSTANT)) / TOTAL_SD**2


def number(value: Any, unit: str, **more: Any) -> dict[str, Any]:
    """A sourced number for a test."""
    return {"value": value, "unit": unit, "source": "assumption", "note": "for a test", **more}


def clean_raw(*, n_per_arm: int, delta: float) -> dict[str, Any]:
    """The clean scenario as a raw mapping, to be edited."""
    dose = {"agent": "ketamine", "mg_per_kg": 0.5, "days": [0]}
    return {
        "title": "clean",
        "question": "none",
        "outcome": {"scale": "MADRS"},
        "population": {"description": "test", "baseline": number(40, "points", sd=TRAIT_SD)},
        "drug": {"effect": "linear", "slope": number(0, "points"), "half_life": number(7, "day")},
        "therapies": {
            "shift": {
                "label": "a constant shift",
                "max_effect": number(delta, "points"),
                "learning_per_session": number(60, "none"),
                "half_life": number(1e9, "day"),
            }
        },
        "measurement": {
            "deviation_sd": number(DEVIATION_SD, "points"),
            "deviation_time_constant": number(TIME_CONSTANT, "day"),
            "rater_sd": number(RATER_SD, "points"),
            "round": False,
            "clip": False,
        },
        "arms": [
            {"id": "control", "label": "control", "doses": [dose]},
            {"id": "treated", "label": "treated", "doses": [dose], "therapy": {"name": "shift", "days": [1]}},
        ],
        "design": {"n_per_arm": n_per_arm, "visits": [0, DAY]},
        "estimand": {"contrast": "treated - control", "day": DAY},
        "analysis": {"methods": ["ancova", "difference"]},
    }


def clean(*, n_per_arm: int, delta: float) -> Scenario:
    """The clean scenario; `delta` points of improvement."""
    return build(clean_raw(n_per_arm=n_per_arm, delta=delta))


def t_test_power(delta: float, n: int, alpha: float = 0.05) -> float:
    """Power of the two-sample t test with n an arm: both tails of the non-central t."""
    return _power(delta / (TOTAL_SD * np.sqrt(2 / n)), 2 * n - 2, alpha)


def ancova_power(delta: float, n: int, alpha: float = 0.05) -> float:
    """Power of ANCOVA averaged over the random covariate.

    Given the covariate the variance is σ²(1 − ρ²)·(2/n)·(1 + F/(2n − 2)) with F ~ F(1, 2n − 2); the mean over
    F is taken by the
    midpoint rule on its quantiles.
    """
    f = special.fdtri(1, 2 * n - 2, (np.arange(2000) + 0.5) / 2000)
    se = TOTAL_SD * np.sqrt(1 - CORRELATION**2) * np.sqrt(2 / n * (1 + f / (2 * n - 2)))
    return float(np.mean([_power(delta / s, 2 * n - 3, alpha) for s in se]))


def _power(ncp: float, df: int, alpha: float) -> float:
    critical = special.stdtrit(df, 1 - alpha / 2)
    return float(1 - special.nctdtr(df, ncp, critical) + special.nctdtr(df, ncp, -critical))


# --- a clinic for the clean trial


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


def _random_days(rng: np.random.Generator, most: int, last: int) -> list[int]:
    """Some days of a protocol."""
    return sorted(rng.choice(last + 1, size=int(rng.integers(1, most + 1)), replace=False).tolist())


def _random_weekdays(rng: np.random.Generator) -> list[str]:
    """Some days of the week."""
    return [WEEKDAYS[i] for i in sorted(rng.choice(7, size=int(rng.integers(1, 8)), replace=False))]


def random_clinic_raw(rng: np.random.Generator) -> dict[str, Any]:
    """Any doses and sessions, days of the week, staff and rules."""
    booking = {
        "no_show": number(float(rng.uniform(0, 0.4)), "share"),
        "cancelled": number(float(rng.uniform(0, 0.4)), "share"),
        "rebook_days": float(rng.choice([0, 1, 5])), "attempts": int(rng.integers(1, 4)),
    }  # fmt: skip
    sites = [
        site(
            f"s{i}", referrals=float(rng.uniform(5, 80)), opens_day=float(rng.uniform(0, 90)),
            chairs=int(rng.integers(1, 3)), nurses=1, raters=1, therapists={"shift": int(rng.integers(1, 3))},
        )
        for i in range(rng.integers(1, 4))
    ]  # fmt: skip
    raw = clinic_raw(*sites, n_per_arm=int(rng.integers(5, 30)))
    for arm in raw["arms"]:
        arm["doses"][0]["days"] = _random_days(rng, 6, 20)
    raw["arms"][1]["therapy"]["days"] = _random_days(rng, 6, 27)
    plan = raw["clinic"]
    opens, closes = ((0, 24), (4, 22), (8, 18))[rng.integers(3)]
    plan["hours"] = {"weekdays": _random_weekdays(rng), "opens": opens, "closes": closes}
    plan["recruitment"] |= {
        "opening_delay": number(float(rng.uniform(1, 60)), "day"), "ramp": number(float(rng.uniform(1, 90)), "day"),
        "seasonality": number(float(rng.uniform(0, 1)), "share"),
        "screening": number(float(rng.uniform(1, 30)), "day", log_sd=float(rng.uniform(0, 1))),
        "loss_while_waiting": number(float(rng.choice([0, 0.01, 0.2])), "per_day"),
    }  # fmt: skip
    plan["therapists"]["shift"] = {
        "caseload": int(rng.integers(4, 8)), "sessions_per_week": int(rng.integers(1, 10)),
        "leave": number(float(rng.uniform(0, 0.3)), "share"), "turnover": number(float(rng.uniform(0, 3)), "per_year"),
        "hiring": number(float(rng.uniform(1, 90)), "day"), "training_days": float(rng.uniform(0, 60)),
    }  # fmt: skip
    plan["infusions"] = {
        "weekdays": plan["hours"]["weekdays"][::2] if rng.random() < 0.5 else None, "booking": booking,
        "wait_for_therapist": bool(rng.random() < 0.5), "late_days": float(rng.uniform(0.5, 10)),
    }  # fmt: skip
    plan["sessions"] = {
        "from_hours": 12, "to_hours": float(rng.uniform(24, 96)), "booking": booking,
        "after_window": str(rng.choice(["give", "skip"])), "late_days": float(rng.uniform(3, 20)),
    }  # fmt: skip
    plan["ratings"] = {"booking": booking}
    plan["clock"] = str(rng.choice(["first_infusion", "randomisation"]))
    raw["therapies"]["shift"]["group_size"] = int(rng.choice([1, 1, 3]))
    if rng.random() < 0.5:
        raw["conduct"] = {"dropout": {"hazard": number(float(rng.uniform(0, 0.05)), "per_day")}}
    return raw


# --- trials to be fitted


def factorial(seed: int = 0, n: int = 40, days: tuple[float, ...] = (1.0, 7.0, 28.0)) -> InteractionData:
    """A 2×2 of n patients with every complication: gaps, three therapists in one arm, a covariate, unequal arms."""
    rng = np.random.default_rng(seed)
    levels = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 1]], dtype=float)
    arm = np.arange(n) % 4
    baseline, age = rng.normal(30, 5, n), rng.normal(40, 10, n)
    therapist = np.where(levels[arm, 1] == 1, rng.integers(0, 3, n), -1)
    y = 20 + 0.5 * (baseline - 30)[:, None] + levels[arm] @ np.array([[-4.0], [-2.0], [-1.0]])
    y = y + rng.normal(0, 3, (n, 1)) + rng.normal(0, 4, (n, len(days))) + np.arange(len(days))
    gaps = rng.random(y.shape) < 0.2
    gaps[:, 0] = False
    y[gaps] = np.nan
    return InteractionData(
        y=y, days=days, effects=("ketamine", "therapy", "ketamine:therapy"), roles=("drug", "therapy", "interaction"),
        x=levels[arm], levels=levels, baseline=baseline, covariates=age[:, None], covariate_names=("age",),
        arms=("00", "01", "10", "11"), arm=arm, therapist=therapist, unit_sd=pooled_scale(y[:, -1], arm, 4)[1],
        target_day=days[-1], better="lower", factors=("ketamine", "therapy"),
    )  # fmt: skip


def binary_trial() -> InteractionData:
    """The trial of `factorial` with scores below 20 as responses."""
    data = factorial()
    y = np.where(np.isnan(data.y), np.nan, data.y < 20)
    return replace(data, y=y, unit_sd=binary.LOGISTIC_SD, better="higher")


def days_trial() -> InteractionData:
    """The trial of `factorial` at one visit, with its scores turned into days of success out of 90 or 30."""
    data = factorial(days=(28.0,))
    n = np.where(np.arange(len(data.y)) % 2 == 0, 90.0, 30.0)
    k = np.round(n * special.expit((25 - data.y[:, 0]) / 3))
    return replace(data, y=k[:, None], trials_of=n, unit_sd=binary.LOGISTIC_SD, better="higher")


def by_visit(days: int) -> Terms:
    """Visit means, effects at each visit, one slope of the baseline."""
    eye = np.eye(days)
    profile = np.concatenate([eye, eye, eye, eye, np.ones((1, days))])
    return Terms(profile=profile, column=np.repeat([0, 1, 2, 3, 4], [days, days, days, days, 1]))


# --- a published trial in the form of the catalogue's files


def trial_raw() -> dict[str, Any]:
    """Ketamine against midazolam; a mean change, a share of responders and a difference."""
    return {
        "citation": {
            "authors": ["Nobody A", "Noone B"],
            "year": 2031,
            "title": "A trial that was never done",
            "journal": "J Imaginary Res",
            "volume": "1",
            "pages": "1-2",
        },
        "indication": "depression",
        "design": "parallel",
        "blinding": "double",
        "enrolled": {"ketamine": 20, "midazolam": 22},
        "baselines": {"MADRS": {"mean": 32, "sd": 5, "source": "assumption"}},
        "arms": [
            {
                "id": "ketamine",
                "n": 20,
                "doses": [{"agent": "ketamine", "route": "IV", "mg_per_kg": 0.5, "days": [0]}],
            },
            {"id": "midazolam", "n": 22, "doses": [{"agent": "midazolam", "days": [0]}]},
        ],
        "figures": [
            trial_figure("mean_change", -15.0, arm="ketamine", day=1),
            trial_figure("response", 25, arm="midazolam", day=1),
            trial_figure("difference", -7.0, arm="ketamine - midazolam", day=7),
        ],
    }


def trial_figure(statistic: str, value: float, **measure: Any) -> dict[str, Any]:
    """A target figure of MADRS."""
    return {
        "statistic": statistic,
        "value": value,
        "quality": "abstract",
        "target": True,
        "measure": {"statistic": statistic, "endpoint": "MADRS", **measure},
    }


def trial_file(folder: Path, raw: Any, name: str = "new_trial") -> Path:
    """The mapping (or text) as a file."""
    path = folder / f"{name}.yaml"
    path.write_text(raw if isinstance(raw, str) else yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    return path


def published_trial(folder: Path, **changes: Any) -> Trial:
    """The trial with some of its keys changed, read from a file."""
    return read_trial(trial_file(folder, trial_raw() | changes))
