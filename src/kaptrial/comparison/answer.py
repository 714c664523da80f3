"""Designs to one answer: a line each, what they differ in from the first, and which dominates which."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from kaptrial.comparison import words
from kaptrial.comparison.designs import Design, about
from kaptrial.comparison.differences import differences, dominated_by, front, price
from kaptrial.comparison.measures import CLINIC_REPLICATES, Compared, compare_designs, measures_of
from kaptrial.comparison.output import figures_of, write_comparison
from kaptrial.output.folder import write_folder
from kaptrial.questions.power.controlled import said_of
from kaptrial.results import Line, Results, Value


@dataclass(frozen=True, kw_only=True, repr=False)
class CompareResults(Results[Line]):
    """Results of `compare`, a line a design, and what each was worked out of; `by`: what power is drawn against."""

    compared: tuple[Compared, ...]
    by: str


def answer(
    designs: Sequence[Design],
    *,
    provenance: Mapping[str, Any],
    seed: int,
    replicates: int,
    draws: int,
    workers: int = 1,
    controls: bool = True,
    progress: Callable[[int], None] | None = None,
) -> CompareResults:
    """The designs under one seed, each beside the first; where one has looks, all without control variates."""
    controls = controls and not any(design.has_looks for design in designs)
    compared = compare_designs(
        designs,
        seed=seed,
        replicates=replicates,
        draws=draws,
        workers=workers,
        controls=controls,
        progress=progress,
    )
    by = price(compared)
    return CompareResults(
        kind="compare",
        rows=[_line(each, compared, by) for each in compared],
        provenance={**provenance, "clinic_replicates": CLINIC_REPLICATES, **about(designs), **said_of(controls)},
        notes=words.notes(compared),
        headline=words.headline(compared),
        figures=figures_of,
        writer=partial(write_folder, write_comparison),
        compared=tuple(compared),
        by=by,
    )


def _line(design: Compared, compared: Sequence[Compared], by: str) -> Line:
    """Every measure with its error; then what it has more than the first design has; then by which it is dominated."""
    asked = design.design.question
    numbers: dict[str, Value] = {"design": design.name, "contrast": asked.contrast, "endpoint": asked.endpoint}
    numbers |= {"day": asked.day, "analysis": asked.analysis}
    measures = measures_of(compared)
    for measure in measures:
        estimate = design.estimates.get(measure.name)
        numbers[measure.name] = None if estimate is None else estimate.value
        numbers[f"{measure.name}_mcse"] = None if estimate is None else estimate.mcse
    numbers["currency"] = design.currency or None
    more = differences(design, compared[0]) if design is not compared[0] else {}
    for measure in measures:
        estimate = more.get(measure.name)
        numbers[f"{measure.name}_difference"] = None if estimate is None else estimate.value
        numbers[f"{measure.name}_difference_mcse"] = None if estimate is None else estimate.mcse
    numbers["dominated_by"] = ", ".join(dominated_by(design, compared)) or None
    numbers["on_front"] = design in front(compared, by)
    return Line(numbers=numbers)
