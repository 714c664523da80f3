"""The sections of a pack: each a function of the facts; what does not apply says so in a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kaptrial.pack import words
from kaptrial.pack.document import Section
from kaptrial.pack.facts import Facts
from kaptrial.pack.sections import design, interim, operations, power, sensitivity, texts
from kaptrial.pack.sections.titles import TITLES

# In the order of the pack; `only` of `kaptrial.report` takes these names.
SECTIONS: Mapping[str, Callable[[Facts], Section]] = {
    "summary": texts.text("summary", words.lay_summary),
    "sample_size": texts.sample_size,
    "design": design.design,
    "schedule": design.schedule_section,
    "estimand": design.estimand,
    "assumptions": design.assumptions,
    "courses": power.courses,
    "power": power.power,
    "assurance": power.assurance,
    "sensitivity": sensitivity.sensitivity,
    "worlds": sensitivity.worlds,
    "decision": power.decision,
    "interim": interim.interim,
    "clinic": operations.clinic,
    "flow": operations.flow,
    "enrolment": design.enrolment,
    "methods": texts.text("methods", words.statistical_methods),
    "conduct": texts.text("conduct", words.conduct),
    "limits": texts.limits,
    "checklist": texts.checklist,
    "references": texts.reference_list,
}

__all__ = ["SECTIONS", "TITLES"]
