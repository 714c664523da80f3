"""What `boundaries` writes: the lines as JSON and CSV, and the figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kaptrial.output.folder import save_all, write_results
from kaptrial.questions.looks import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kaptrial.questions.looks.boundaries import BoundaryResults


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
