"""What figures have alike: column width, colours that the colour blind can tell apart, direct labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Okabe and Ito's colours, which the colour blind can tell apart; yellow is left out for its contrast.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")


SINGLE, DOUBLE = 3.5, 7.0


PATH_NAMES = {
    "design.n_per_arm": "Patients per arm",
    "design.n_total": "Patients in all",
    "estimand.day": "Day of the primary outcome",
}


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **grid: Any) -> tuple[Figure, Any]:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    mpl.rcParams.update(
        {
            "font.size": 8, "axes.titlesize": 8.5, "axes.labelsize": 8, "xtick.labelsize": 7.5, "ytick.labelsize": 7.5,
            "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left", "pdf.fonttype": 42,
            "svg.hashsalt": "kaptrial", "lines.linewidth": 1.5, "text.parse_math": False,
        }
    )  # fmt: skip
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **grid)


def beside(axes: Axes, text: str, at: tuple[Any, Any], shift: tuple[float, float], **style: Any) -> None:
    """Write a text `shift` points away from a place, with the side that faces it at that distance."""
    facing = {"ha": "left" if shift[0] > 0 else "right" if shift[0] < 0 else "center", "fontsize": 7.5}
    facing["va"] = "center" if shift[1] == 0 else "baseline"
    axes.annotate(text, at, xytext=shift, textcoords="offset points", **(facing | style))


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]], least_gap: float = 0.07) -> None:
    """Write (x, y, text, colour) to the right of each line's end, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    span = high - low
    placed: list[float] = []
    for x, y, text, colour in sorted(ends, key=lambda end: end[1]):
        at = max(y, placed[-1] + least_gap * span) if placed else y
        placed.append(at)
        beside(axes, text, (x, at), (4, 0), color=colour, annotation_clip=False)
