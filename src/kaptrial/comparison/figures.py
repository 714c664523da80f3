"""The figure of a comparison: power against what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kaptrial.output.figures import COLOURS, MARKERS, SINGLE, new_figure, titled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches of the plot, and of each line of the legend below it.
_PLOT, _LINE = 3.0, 0.2
FILLED = "Filled: bettered by none in both"


@dataclass(frozen=True, kw_only=True)
class Point:
    """A design: what it takes and finds, with Monte Carlo errors, and whether none betters it in both."""

    name: str
    price: float
    price_mcse: float
    power: float
    power_mcse: float
    on_front: bool


def pareto(points: Sequence[Point], *, axis: str, title: str) -> Figure:
    """Each design at its price and power with 95 % Monte Carlo bars; those that none betters in both are filled, and
    joined in the order of their price.
    """
    heights = (_PLOT, _LINE * (len(points) + 2))
    figure, grid = new_figure(SINGLE, sum(heights), rows=2, height_ratios=heights)
    axes, below = grid[:, 0]
    best = sorted((point for point in points if point.on_front), key=lambda point: point.price)
    axes.plot([p.price for p in best], [p.power for p in best], color="0.75", linewidth=1, linestyle=":", zorder=1)
    for i, point in enumerate(points):
        colour = COLOURS[i % len(COLOURS)]
        axes.errorbar(
            point.price,
            point.power,
            xerr=1.96 * point.price_mcse or None,
            yerr=1.96 * point.power_mcse,
            color=colour,
            marker=MARKERS[i % len(MARKERS)],
            markersize=6,
            markerfacecolor=colour if point.on_front else "white",
            linestyle="none",
            elinewidth=1,
            capsize=2,
            label=point.name,
        )
    axes.margins(x=0.1)
    axes.set_ylim(0, 1.03)
    axes.set_ylabel("Power, share\n(bars: 95 % Monte Carlo)")
    axes.set_xlabel(axis)
    below.axis("off")
    legend = below.legend(
        *axes.get_legend_handles_labels(),
        **{"loc": "upper left", "borderaxespad": 0, "frameon": False, "alignment": "left"},
        **{"title": FILLED, "fontsize": 7.5, "title_fontsize": 7.5},
    )
    legend.set_in_layout(False)
    titled(figure, title)
    return figure
