"""What `boundaries` and `looks` write: the rows as JSON and CSV, and the figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kaptrial.output.folder import footer, save_all, write_results
from kaptrial.questions.looks import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kaptrial.questions.looks.answer import LookResults
    from kaptrial.questions.looks.boundaries import BoundaryResults

# Paths of trials that a figure shows.
_PATHS = 60


def write_boundaries(folder: Path, results: BoundaryResults) -> None:
    """results.json, results.csv and the figure."""
    write_results(folder, results)
    save_all(folder, figures_of(results), f"kaptrial {results.provenance['version']}")


def figures_of(results: BoundaryResults) -> dict[str, Figure]:
    """The boundaries, and the statistics observed so far."""
    found = results.boundaries
    lower = found.lower if found.has_futility else None
    drawn = figures.boundaries(
        found.information, found.upper, lower, two_sided=found.rule.sided == 2, statistics=results.statistics
    )
    return {"boundaries": drawn}


def write_looks(folder: Path, results: LookResults) -> None:
    """scenario.yaml, results.json, results.csv and the figures."""
    write_results(folder, results, results.parts[0].cell.scenario)
    save_all(folder, looks_figures(results), footer(results.provenance))


def looks_figures(results: LookResults) -> dict[str, Figure]:
    """Of the first scenario the boundaries with simulated trials between them, and where trials stop."""
    part = results.parts[0]
    plan, course = part.designed.plan, part.own.course
    lower = plan.lower if plan.has_futility else None
    paths = [
        (course.information[i, : course.stop[i] + 1], course.z[i, : course.stop[i] + 1])
        for i in range(_PATHS)[: len(course.stop)]
    ]
    drawn = figures.boundaries(plan.information, plan.upper, lower, two_sided=plan.rule.sided == 2, paths=paths)
    return {"boundaries": drawn, "stopping": figures.stopping(results.rows)}
