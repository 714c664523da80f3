"""Figures of looks: boundaries and the statistics between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.output.figures import COLOURS, SINGLE, TITLE, beside, new_figure, titled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A boundary farther out than this is drawn beyond the edge.
_EDGE = 6.0


def boundaries(
    information: Floats, upper: Floats, lower: Floats | None, *, two_sided: bool, statistics: Sequence[float] = ()
) -> Figure:
    """The boundaries over information. `lower`: for futility; None where there is none."""
    figure, grid = new_figure(SINGLE, 2.6)
    axes, percent = grid[0, 0], 100 * information
    style = {"markersize": 4, "clip_on": True}
    axes.plot(percent, upper, "o-", color=COLOURS[0], **style)
    beside(axes, "efficacy", (percent[-1], upper[-1]), (5, 3), color=COLOURS[0], annotation_clip=False)
    if two_sided:
        axes.plot(percent, -upper, "o-", color=COLOURS[0], **style)
        beside(axes, "efficacy", (percent[-1], -upper[-1]), (5, -8), color=COLOURS[0], annotation_clip=False)
    if lower is not None:
        axes.plot(percent, lower, "s--", color=COLOURS[1], **style)
        beside(axes, "futility", (percent[-1], lower[-1]), (5, -8), color=COLOURS[1], annotation_clip=False)
    if statistics:
        path = np.array(statistics)
        axes.plot(percent[: len(path)], path, "D-", color="black", markersize=4)
    shown = np.concatenate([upper, -upper if two_sided else [0.0] if lower is None else lower, statistics])
    shown = shown[np.isfinite(shown)].clip(-_EDGE, _EDGE)
    axes.set_ylim(shown.min() - 0.4, shown.max() + 0.4)
    axes.set_xlim(0, max(100.0, percent[-1]))
    axes.axhline(0, color="0.7", linewidth=0.6)
    axes.set_xlabel("% of the planned information")
    axes.set_ylabel("z")
    titled(figure, "Boundaries at each look", TITLE)
    return figure
