"""Scenarios under which a hypothesis is true, for type I error (docs/model.md); noun in, noun out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from kaptrial.scenario.scenario import Null, Scenario
from kaptrial.scenario.sourced import ASSUMPTION, ByArm, Sourced
from kaptrial.scenario.treatment import Arm, Doses, Therapy


def with_null(scenario: Scenario, null: Null, *, expectancy: bool) -> Scenario:
    """The scenario with `null` true; declared, too, unless expectancy is left on.

    therapy: Tmax = γ = κ = ξ = 0, and conduct is that of the reference arm, in a 2×2 that of the arm with the same
    drug and no therapy; therapist variance stays.
    synergy: γ = κ = ξ = 0. drug: every q of the arms is 0 and adjuncts, which scale the drug's effect, are gone: doses
    of a run-in stay, and an adjunct would go on acting on them. The expectancy of what is nulled is off unless
    `expectancy` is True.
    """
    # Declared, the null would be applied once more where trials are simulated, and take expectancy away.
    s = replace(scenario, null=None if expectancy else null)
    if null == "synergy":
        return replace(s, therapies={name: additive(therapy) for name, therapy in s.therapies.items()})
    if null == "drug":
        s = replace(s, arms=tuple(replace(arm, doses=tuple(map(_inert, arm.doses)), adjuncts=()) for arm in s.arms))
        return s if expectancy else replace(s, expectancy=replace(s.expectancy, drug=None))
    therapies = {
        name: replace(additive(therapy), max_effect=_zero(therapy.max_effect)) for name, therapy in s.therapies.items()
    }
    s = replace(s, therapies=therapies, conduct=_with_references(s.conduct, _without_therapy(s)))
    return s if expectancy else replace(s, expectancy=replace(s.expectancy, therapy=None))


def attended_alike(s: Scenario, arm_id: str) -> Scenario:
    """The scenario in which attendance is the same in every arm: conduct and session days of this one, and neither
    drug, therapies nor hope move the scores that dropout may depend on. Therapists stay.
    """
    conduct, s = s.conduct, with_null(with_null(s, "therapy", expectancy=False), "drug", expectancy=False)
    references = dict.fromkeys((arm.id for arm in s.arms), arm_id)
    model = next(arm for arm in s.arms if arm.id == arm_id)
    arms = tuple(
        replace(arm, therapy=replace(arm.therapy, days=model.therapy.days)) if arm.therapy and model.therapy else arm
        for arm in s.arms
    )
    return replace(s, arms=arms, conduct=_with_references(conduct, references), null=None)


def additive(therapy: Therapy) -> Therapy:
    """The therapy with γ = κ = ξ = 0: additive with the drug on the latent scale."""
    return replace(therapy, gamma=None, kappa=None, xi=None)


def _zero(value: Sourced) -> Sourced:
    return Sourced(value=0.0, unit=value.unit, source=ASSUMPTION, note="null hypothesis")


def _inert(doses: Doses) -> Doses:
    return replace(doses, agent="saline") if doses.is_ketamine else doses


def _without_therapy(s: Scenario) -> dict[str, str]:
    """The arm whose conduct each arm has under the null of the therapy.

    In a 2×2 it is the one of the lowest levels among the arms with the same drug: conduct that comes with the drug
    stays. The interaction has two arms on its right, and the last of them would bring its drug's conduct to all.
    """
    if not s.factors:
        return dict.fromkeys((arm.id for arm in s.arms), s.arms[s.reference_arm].id)

    def reference(arm: Arm) -> Arm:
        same = [other for other in s.arms if (other.doses, other.adjuncts) == (arm.doses, arm.adjuncts)]
        return min(same, key=lambda other: sum((other.factors or {}).values()))

    return {arm.id: reference(arm).id for arm in s.arms}


def _with_references(conduct: Any, references: Mapping[str, str]) -> Any:
    """Every value per arm replaced by that of the arm's reference, at any depth."""
    changes = {}
    for field in fields(conduct):
        value = getattr(conduct, field.name)
        if isinstance(value, ByArm):
            by_arm = {arm: value.by_arm[reference] for arm, reference in references.items()}
            same = len(set(references.values())) == 1
            changes[field.name] = next(iter(by_arm.values())) if same else ByArm(by_arm=by_arm)
        elif field.name in ("rescue", "open_label_ketamine", "dropout") and value is not None:
            changes[field.name] = _with_references(value, references)
    return replace(conduct, **changes)
