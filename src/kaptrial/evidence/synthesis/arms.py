"""A catalogued trial's arms in the terms of the response model: doses, belief, background, therapy."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from kaptrial.catalogue import Trial
from kaptrial.catalogue.trial_file import allowed
from kaptrial.errors import ABSENT, FieldError
from kaptrial.priors.design_prior import GIVEN_BY_PATIENT, differs
from kaptrial.scenario.treatment import Doses, quantities

# What an arm is given, on which it depends how many improve from believing in it: anything openly, the drug blinded, an
# infusion of midazolam or saline, or a spray or tablet without a drug.
BELIEF = ("open", "ketamine", "midazolam", "saline", "placebo")
# Populations whose drug effect may differ from that of unipolar depression, the reference.
POPULATION = ("depression", "bipolar depression", "PTSD", "OCD", "anxiety")
# Ways of giving the drug whose effect may differ from an infusion beyond bioavailability, the reference.
# Sprays are of esketamine (IN) or of racemic ketamine, which are two products.
ROUTE = ("IV", "IN", "IN racemic", "SL", "oral", "IM", "SC")
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

    `given_days`: days on which the drug or what stands for it is given.
    `therapy`: "", "general" or "exposure", with the days of its sessions.
    """

    arm: str
    n: int
    dose_days: tuple[float, ...]
    dose_sizes: tuple[float, ...]
    given_days: tuple[float, ...]
    belief: str
    population: str
    route: str
    background: str
    therapy: str
    session_days: tuple[float, ...]

    def since_given(self, day: float) -> float:
        """Days from the latest dose, of the drug or of what stands for it, to `day`."""
        return day - max((d for d in self.given_days if d < day), default=0.0)

    def learnt(self, day: float) -> float:
        """1 − exp(−L) at `day`: the share of the therapy's effect that is there (docs/model.md)."""
        ages = day - np.array([d for d in self.session_days if d < day])
        return float(-np.expm1(-LEARNING_PER_SESSION * np.exp2(-ages / LEARNING_HALF_LIFE_DAYS).sum()))


def courses(trial: Trial) -> dict[str, Course]:
    """The arms of a trial by id. Raises FieldError where an arm cannot be expressed."""
    given = doses(trial)
    return {raw["id"]: _course(trial, raw, given[raw["id"]], f"arms[{i}]") for i, raw in enumerate(trial.arms)}


def doses(trial: Trial) -> dict[str, list[Doses]]:
    """What each arm of a trial is given, by id. Raises FieldError where that is not in the scenario file's form."""
    return {
        raw["id"]: [_doses(entry, f"arms[{i}].doses[{j}]") for j, entry in enumerate(raw.get("doses", []))]
        for i, raw in enumerate(trial.arms)
    }


def elsewhere(trial: Trial) -> bool:
    """Whether the trial is not one of infusions in depression."""
    routes = {each.route for given in doses(trial).values() for each in given if each.is_ketamine}
    return differs(trial.indication, routes)


def population_of(trial: Trial) -> str:
    """The model's population of a trial. Raises FieldError where its indication has none."""
    if trial.indication not in POPULATION:
        raise FieldError("indication", trial.indication, f"must be one of {', '.join(POPULATION)}")
    return trial.indication


def _course(trial: Trial, raw: dict[str, Any], given: list[Doses], at: str) -> Course:
    background = trial.background or "none"
    if background not in BACKGROUND:
        raise FieldError("background", background, f"must be one of {', '.join(BACKGROUND)}")
    days: list[float] = []
    sizes: list[float] = []
    drug = [(j, each) for j, each in enumerate(given) if each.is_ketamine]
    for j, each in drug:
        if route_of(each) not in ROUTE:
            raise FieldError(f"{at}.doses[{j}].route", each.route, f"must be one of {', '.join(ROUTE)}")
        days += each.days
        try:
            sizes += quantities(each)
        except FieldError as error:
            raise error.below(f"{at}.doses[{j}]") from None
    order = np.argsort(days, kind="stable")
    therapy = raw.get("therapy") or {}
    return Course(
        arm=str(raw["id"]),
        n=int(raw["n"]),
        dose_days=tuple(float(days[i]) for i in order),
        dose_sizes=tuple(float(sizes[i]) for i in order),
        given_days=tuple(sorted(day for each in given for day in each.days)),
        belief=_belief(trial, {"ketamine" if each.is_ketamine else each.agent for each in given}),
        population=population_of(trial),
        route=min((route_of(each) for _, each in drug), default="IV"),
        background=background,
        therapy=_kind_of_therapy(therapy.get("name")),
        session_days=tuple(float(day) for day in therapy.get("days", ())),
    )


def route_of(given: Doses) -> str:
    """The model's route of a series of doses, one of `ROUTE`."""
    return "IN racemic" if (given.route, given.agent) == ("IN", "ketamine") else str(given.route)


def _belief(trial: Trial, agents: Collection[str]) -> str:
    """What the arm's patients compare themselves with; under anaesthesia nobody can tell, as hardly under midazolam."""
    if trial.masked:
        return "midazolam"
    if trial.blinding in ("open", "rater"):
        return "open"
    if "ketamine" in agents:
        return "ketamine"
    if "midazolam" in agents:
        return "midazolam"
    given = (dose.get("route") for raw in trial.arms for dose in raw.get("doses", ()))
    return "placebo" if any(route in GIVEN_BY_PATIENT for route in given) else "saline"


def _kind_of_therapy(name: str | None) -> str:
    if name is None or name in NO_THERAPY:
        return ""
    return "exposure" if name in EXPOSURE else "general"


def _doses(raw: dict[str, Any], at: str) -> Doses:
    try:
        return _DOSES.validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
    where = "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"] if "#" not in str(step)
    )
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, FieldError):
        raise cause.below(f"{at}{where}")
    value = ABSENT if first["type"] == "missing" else first["input"]
    raise FieldError(f"{at}{where}", value, allowed(first))
