"""Scenarios under which a hypothesis is true, for type I error (docs/model.md); noun in, noun out."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from kaptrial.spec.scenario import Null, Scenario
from kaptrial.spec.sourced import ASSUMPTION, ByArm, Sourced
from kaptrial.spec.treatment import Doses, Therapy


def with_null(scenario: Scenario, null: Null, *, expectancy: bool) -> Scenario:
    """The scenario with `null` true; declared, too, unless expectancy is left on.

    therapy: Tmax = γ = κ = ξ = 0 and conduct the same in all arms, that of the reference arm; therapist variance stays.
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
    s = replace(s, therapies=therapies, conduct=_equal(s.conduct, s.arms[s.reference_arm].id))
    return s if expectancy else replace(s, expectancy=replace(s.expectancy, therapy=None))


def additive(therapy: Therapy) -> Therapy:
    """The therapy with γ = κ = ξ = 0: additive with the drug on the latent scale."""
    return replace(therapy, gamma=None, kappa=None, xi=None)


def _zero(value: Sourced) -> Sourced:
    return Sourced(value=0.0, unit=value.unit, source=ASSUMPTION, note="null hypothesis")


def _inert(doses: Doses) -> Doses:
    return replace(doses, agent="saline") if doses.is_ketamine else doses


def _equal(conduct: Any, arm_id: str) -> Any:
    """Every per-arm value replaced by that of one arm, at any depth."""
    changes = {}
    for field in fields(conduct):
        value = getattr(conduct, field.name)
        if isinstance(value, ByArm):
            changes[field.name] = value.by_arm[arm_id]
        elif field.name in ("rescue", "open_label_ketamine", "dropout") and value is not None:
            changes[field.name] = _equal(value, arm_id)
    return replace(conduct, **changes)
