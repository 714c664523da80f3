"""A catalogued trial's arms in the terms of the response model: doses, belief, background, therapy."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from kaptrial.catalogue import Trial
from kaptrial.spec.errors import Misfit
from kaptrial.spec.scenario import quantities
from kaptrial.spec.treatment import Doses

# What the patients of an arm may believe about the drug: share who believe they received it.
BELIEF = ("certain", "midazolam", "saline")
# Populations whose drug effect may differ from that of unipolar depression, the reference.
POPULATION = ("depression", "bipolar depression", "PTSD", "OCD", "anxiety")
# Ways of giving the drug whose effect may differ from an infusion beyond bioavailability, the reference.
ROUTE = ("IV", "IN", "SL", "oral", "IM", "SC")
# What else is given throughout: nothing new, usual inpatient care, or an antidepressant started on day 0.
BACKGROUND = ("none", "usual_care", "new_antidepressant")
# Therapies whose target is the memory or the trigger itself; the others are general.
EXPOSURE = ("wet", "emdr", "prolonged_exposure", "trauma_focused", "exposure")
# Arms' extra contact that stands in for a therapy without being one.
NO_THERAPY = ("sham_training", "usual_care")
LEARNING_PER_SESSION = 0.25
LEARNING_HALF_LIFE_DAYS = 365.0
_DOSES = TypeAdapter(Doses)


@dataclass(frozen=True, kw_only=True)
class Course:
    """One arm: days and sizes (reference doses) of its doses, and what else acts on its patients.

    `therapy`: "", "general" or "exposure", with the days of its sessions.
    """

    arm: str
    n: int
    dose_days: tuple[float, ...]
    dose_sizes: tuple[float, ...]
    belief: str
    population: str
    route: str
    background: str
    therapy: str
    session_days: tuple[float, ...]

    def learnt(self, day: float) -> float:
        """1 − exp(−L) at `day`: the share of the therapy's effect that is there (docs/model.md)."""
        ages = day - np.array([d for d in self.session_days if d < day])
        return float(-np.expm1(-LEARNING_PER_SESSION * np.exp2(-ages / LEARNING_HALF_LIFE_DAYS).sum()))


def courses(trial: Trial) -> dict[str, Course]:
    """The arms of a trial by id. Raises Misfit where an arm cannot be expressed."""
    return {raw["id"]: _course(trial, raw, f"{trial.key}: arms[{i}]") for i, raw in enumerate(trial.arms)}


def population_of(trial: Trial) -> str:
    """The model's population of a trial. Raises Misfit where its indication has none."""
    if trial.indication not in POPULATION:
        raise Misfit(f"{trial.key}: indication", trial.indication, f"must be one of {', '.join(POPULATION)}")
    return trial.indication


def _course(trial: Trial, raw: dict[str, Any], at: str) -> Course:
    days: list[float] = []
    sizes: list[float] = []
    agents, routes = set(), set()
    for j, entry in enumerate(raw.get("doses", [])):
        doses = _doses(entry, f"{at}.doses[{j}]")
        agents.add("ketamine" if doses.is_ketamine else doses.agent)
        if doses.is_ketamine:
            routes.add(doses.route)
            days += doses.days
            sizes += quantities(doses)
    order = np.argsort(days, kind="stable")
    therapy = raw.get("therapy") or {}
    return Course(
        arm=str(raw["id"]),
        n=int(raw["n"]),
        dose_days=tuple(float(days[i]) for i in order),
        dose_sizes=tuple(float(sizes[i]) for i in order),
        belief=_belief(trial, agents),
        population=population_of(trial),
        route=min(routes, default="IV"),
        background=trial.background or "none",
        therapy=_kind_of_therapy(therapy.get("name")),
        session_days=tuple(float(day) for day in therapy.get("days", ())),
    )


def _belief(trial: Trial, agents: Collection[str]) -> str:
    """Who received the drug knows it (coylelaws2015: open and blinded trials alike), unless under anaesthesia."""
    if trial.masked:
        return "midazolam"
    if "ketamine" in agents or trial.blinding == "open":
        return "certain"
    return "midazolam" if "midazolam" in agents else "saline"


def _kind_of_therapy(name: str | None) -> str:
    if name is None or name in NO_THERAPY:
        return ""
    return "exposure" if name in EXPOSURE else "general"


def _doses(raw: dict[str, Any], at: str) -> Doses:
    try:
        return _DOSES.validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Misfit(f"{at}.{where}", first["input"], first["msg"]) from None
    except Misfit as misfit:
        raise Misfit(f"{at}.{misfit.at}", misfit.value, misfit.allowed) from None
