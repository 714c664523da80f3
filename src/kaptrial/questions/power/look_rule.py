"""The errors that looks at the data keep, as a scenario declares them."""

from __future__ import annotations

import numpy as np

from kaptrial.errors import FieldError
from kaptrial.estimators.sequential.boundaries import Rule, checked, futility_of
from kaptrial.estimators.sequential.spending import spending_of
from kaptrial.method_table import TIMES, method_of
from kaptrial.scenario.looks import GroupSequential
from kaptrial.scenario.scenario import Scenario


def rule_of(s: Scenario, plan: GroupSequential) -> Rule:
    """The errors that a scenario's looks keep; one-sided at half of the analysis' two-sided level.

    Raises FieldError for a rule that makes no design wherever the looks are.
    """
    analysis = s.analyses(s.estimand)[0]
    if method_of(analysis).test_only and s.estimand.endpoint not in TIMES:
        allowed = "is an exact test, in which looks have no information: must be another one"
        raise FieldError("analysis.methods", analysis, allowed)
    if s.estimand.margin is not None:
        raise FieldError("estimand.margin", s.estimand.margin, "must be absent: looks test for a difference")
    try:
        rule = Rule(
            alpha=s.analysis.alpha if plan.sided == 2 else s.analysis.alpha / 2,
            sided=plan.sided,
            spending=spending_of(plan.spending),
            power=plan.power,
            futility=None if plan.futility is None else futility_of(plan.futility),
            binding=plan.binding,
        )
        checked(rule, np.linspace(0, 1, len(plan.looks) + 2)[1:].tolist())
    except FieldError as error:
        raise in_plan(error) from None
    return rule


def in_plan(error: FieldError) -> FieldError:
    """An error of the boundaries as one of the scenario, where the names of fields are no options."""
    return FieldError(f"design.group_sequential.{error.field}", error.value, error.allowed.replace("`", ""))
