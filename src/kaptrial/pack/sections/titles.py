"""The names of the sections, and figures of other rooms as they stand in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaptrial.pack.document import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure


TITLES = {
    "summary": "Lay summary",
    "sample_size": "Sample-size justification",
    "design": "Design",
    "schedule": "Schedule of enrolment, interventions and assessments",
    "estimand": "Estimand",
    "assumptions": "Assumptions",
    "courses": "Expected courses",
    "power": "Power and type I error",
    "assurance": "Assurance",
    "sensitivity": "Sensitivity to each assumption",
    "worlds": "Adverse worlds: the verdict",
    "decision": "Bayesian decision",
    "interim": "Interim analyses",
    "clinic": "Clinic: timeline, cost and bottleneck",
    "flow": "Expected flow of patients",
    "enrolment": "Planned enrolment",
    "methods": "Statistical methods",
    "conduct": "Randomisation, blinding and belief",
    "limits": "Limits",
    "checklist": "Reporting checklists",
    "references": "References",
}


def picture_of(name: str, figure: Figure, alt: str, *, fits_one_column: bool = True) -> Picture:
    """A figure of another room: what stands above it becomes its caption."""
    caption = " ".join(figure.get_suptitle().split())
    alt = f"{alt}. {caption}."
    return Picture(name=name, caption=caption, alt=alt, figure=figure, fits_one_column=fits_one_column)
