"""The figure of Bayesian decisions: what a trial concludes, by what is true and what the analysis believes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kaptrial.output.figures import COLOURS, DOUBLE, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Verdicts from left to right, and their colours.
BANDS = (
    ("go", "go", COLOURS[2]),
    ("consider", "consider", "0.82"),
    ("equivalent", "no difference", COLOURS[3]),
    ("no_go", "no go", COLOURS[1]),
)


def verdicts(
    panels: Sequence[tuple[str, Sequence[tuple[str, str, Mapping[str, float]]]]], *, title: str, rule: str
) -> Figure:
    """Shares of verdicts as bars. `panels`: (analysis prior, [(what is true, size, {verdict: share})])."""
    n_bars = len(panels[0][1])
    figure, grid = new_figure(DOUBLE, 1.5 + 0.24 * n_bars, columns=len(panels), sharey=True)
    for axes, (name, bars) in zip(grid[0], panels, strict=True):
        for i, (_, _, shares) in enumerate(bars):
            left = 0.0
            for verdict, _, colour in BANDS:
                width = 100 * shares.get(verdict, 0.0)
                axes.barh(-i, width, left=left, color=colour, height=0.74)
                if width >= 9:
                    style = {"fontsize": 6.5, "color": "black" if verdict == "consider" else "white"}
                    axes.text(left + width / 2, -i, f"{width:.0f}", ha="center", va="center", **style)
                left += width
        used = [band for band in BANDS if any(band[0] in shares for _, _, shares in bars)]
        for k, (verdict, label, colour) in enumerate(used):  # the verdicts' names, above where they begin
            x, ha = 100 * k / (len(used) - 1), ("left", "center", "center", "right")[k if k + 1 < len(used) else 3]
            axes.text(
                x, 0.47, label, ha=ha, va="bottom", fontsize=6.5, color="0.35" if verdict == "consider" else colour
            )
        axes.set_xlim(0, 100)
        axes.set_ylim(-n_bars + 0.4, 1.0)
        axes.set_xlabel("% of trials")
        axes.set_title(f"Analysis prior: {name}", pad=4)
    first = grid[0, 0]
    first.set_yticks([-i for i in range(n_bars)], [_bar_label(true, size) for true, size, _ in panels[0][1]])
    first.set_ylabel("What is true")
    for axes in grid[0]:
        axes.tick_params(axis="y", length=0)
    figure.suptitle(textwrap.fill(f"{title}. {rule}", 118), fontsize=8.5, x=0.01, ha="left")
    return figure


def _bar_label(true: str, size: str) -> str:
    return f"{true}, {size}" if size else true
