"""The figure of Bayesian decisions: what a trial concludes, by what is true and what the analysis believes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kaptrial.output.figures import SINGLE, TITLE, new_figure, titled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Verdicts from left to right: their names, fill, hatch, and colour of the numbers in them; they differ in lightness.
BANDS = (
    ("go", "go", "#00573F", "", "white"),
    ("consider", "consider", "0.87", "", "black"),
    ("equivalent", "no difference", "#CC79A7", "....", "black"),
    ("no_go", "no go", "#F0A35E", "////", "black"),
)


def verdicts(
    panels: Sequence[tuple[str, Sequence[tuple[str, str, Mapping[str, float]]]]], *, title: str, rule: str
) -> Figure:
    """Shares of verdicts as bars. `panels`: (analysis prior, [(what is true, size, {verdict: share})])."""
    from matplotlib.patches import Patch

    n_bars = len(panels[0][1])
    said = textwrap.wrap(rule, 48)
    height = 0.85 + 0.12 * len(said) + (0.45 + 0.2 * n_bars) * len(panels)
    figure, grid = new_figure(SINGLE, height, rows=len(panels), sharex=True)
    for axes, (name, bars) in zip(grid[:, 0], panels, strict=True):
        for i, (_, _, shares) in enumerate(bars):
            left = 0.0
            for verdict, _, colour, hatch, ink in BANDS:
                width = 100 * shares.get(verdict, 0.0)
                axes.barh(-i, width, left=left, color=colour, height=0.78, hatch=hatch, edgecolor="white", linewidth=0)
                if width >= 9:
                    box = {"boxstyle": "round,pad=0.1", "fc": colour, "ec": "none"} if hatch else None
                    style = {"fontsize": 7, "color": ink, "ha": "center", "va": "center", "bbox": box}
                    axes.text(left + width / 2, -i, f"{width:.0f}", **style)
                left += width
        axes.set_xlim(0, 100)
        axes.set_ylim(-n_bars + 0.5, 0.5)
        axes.set_yticks([-i for i in range(n_bars)], [_bar_label(true, size) for true, size, _ in bars], fontsize=7)
        axes.tick_params(axis="y", length=0)
        axes.set_title(f"Analysis prior: {name}", pad=3, fontsize=7.5)
    used = [band for band in BANDS if any(band[0] in shares for _, bars in panels for _, _, shares in bars)]
    keys = [Patch(facecolor=band[2], hatch=band[3], edgecolor="white", label=band[1]) for band in used]
    grid[-1, 0].set_xlabel("% of trials, by what is true\n" + "\n".join(said))
    grid[-1, 0].xaxis.label.set_fontsize(7)
    titled(figure, title, TITLE)
    style = {"ncols": len(keys), "frameon": False, "fontsize": 7, "handlelength": 1.6, "columnspacing": 1.2}
    # Above the first panel, whose title stands between; four verdicts take the room beside it, too.
    side, x = ("left", 0.0) if len(keys) < 4 else ("right", 1.0)
    at = {"loc": f"lower {side}", "bbox_to_anchor": (x, 1 + 1.0 / n_bars), "borderaxespad": 0, "borderpad": 0}
    grid[0, 0].legend(handles=keys, **at, **style)
    return figure


def _bar_label(true: str, size: str) -> str:
    return f"{true}, {size}" if size else true
