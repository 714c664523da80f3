"""What a plan costs: so much a patient of each arm, so much a therapist of a therapy."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from kaptrial.errors import ABSENT, FieldError, nearest
from kaptrial.scenario.scenario import Scenario

_OF_THERAPISTS = re.compile(r"therapies\.(\w+)\.therapists")


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Cost of a patient by arm, and of a therapist by therapy, in one currency."""

    patients: Mapping[str, float]
    therapists: Mapping[str, float]

    def of(self, s: Scenario, n: float, therapists: Mapping[str, int]) -> float:
        """The cost of a plan with `n` patients in all and so many therapists of a therapy; others as declared."""
        total = 0.0
        for name, each in self.therapists.items():
            number = therapists.get(name)
            total += each * (therapists_needed(s, name, n) if number is None else number)
        return total + sum(self.patients[arm] * patients for arm, patients in _patients(s, n).items())

    def per_patient(self, s: Scenario, varied: str) -> float:
        """The cost of a patient on average over the arms, with a share of therapists whose number follows from n."""
        rate = sum(self.patients[arm] * share for arm, share in _patients(s, 1.0).items())
        for name, each in self.therapists.items():
            staff = s.therapies[name].therapists
            if name != varied and staff is not None and staff.caseload is not None:
                rate += each * _in_therapy(s, name, 1.0) / staff.caseload
        return rate


def costs_of(s: Scenario, given: Mapping[str, float], varied: str | None = None) -> Costs:
    """The costs as they were given: by arm, and as `therapies.NAME.therapists`. Raises FieldError for others, and where
    one of an arm, or of the therapists of the `varied` therapy, lacks."""
    arms = [arm.id for arm in s.arms]
    staffed = [f"therapies.{name}.therapists" for name, therapy in s.therapies.items() if therapy.therapists]
    for name, cost in given.items():
        if name not in (*arms, *staffed):
            known = (*arms, *staffed)
            raise FieldError("costs", name, f"must be one of {', '.join(known)}{nearest(name, known)}")
        if not (math.isfinite(cost) and cost > 0):
            raise FieldError("costs", f"{name}={cost:g}", "must be a cost above 0")
    for name in (*arms, *([f"therapies.{varied}.therapists"] if varied else [])):
        if name not in given:
            raise FieldError("costs", ABSENT, f"must be given for {name} too: that of a patient or of a therapist")
    therapists = {match[1]: cost for name, cost in given.items() if (match := _OF_THERAPISTS.fullmatch(name))}
    return Costs(patients={name: given[name] for name in arms}, therapists=therapists)


def therapists_needed(s: Scenario, therapy: str, n: float) -> int:
    """How many therapists of a therapy a trial of `n` patients has: their number, or enough for their caseload."""
    staff = s.therapies[therapy].therapists
    assert staff is not None
    if staff.count is not None:
        return staff.count
    assert staff.caseload is not None
    return math.ceil(_in_therapy(s, therapy, n) / staff.caseload - 1e-9)


def _patients(s: Scenario, n: float) -> dict[str, float]:
    return {arm.id: n * share / sum(s.ratio) for arm, share in zip(s.arms, s.ratio, strict=True)}


def _in_therapy(s: Scenario, therapy: str, n: float) -> float:
    """The patients of the arms that give a therapy."""
    patients = _patients(s, n)
    return sum(patients[arm.id] for arm in s.arms if arm.therapy is not None and arm.therapy.name == therapy)


def share_in_therapy(s: Scenario, therapy: str) -> float:
    """The share of all patients in the arms that give a therapy."""
    return _in_therapy(s, therapy, 1.0)
