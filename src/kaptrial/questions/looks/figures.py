"""Figures of looks: boundaries and the statistics between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.output.figures import COLOURS, SINGLE, TITLE, beside, new_figure, titled
from kaptrial.results import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A boundary farther out than this is drawn beyond the edge.
_EDGE = 6.0


def boundaries(
    information: Floats,
    upper: Floats,
    lower: Floats | None,
    *,
    two_sided: bool,
    statistics: Sequence[float] = (),
    paths: Sequence[tuple[Floats, Floats]] = (),
) -> Figure:
    """The boundaries over information. `lower`: for futility; None where there is none. `paths`: information and z of
    trials until they end."""
    figure, grid = new_figure(SINGLE, 2.6)
    axes, percent = grid[0, 0], 100 * information
    for at, z in paths:
        axes.plot(100 * at, z, "-", color="0.75", linewidth=0.5, marker=".", markersize=2)
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
    edges = [upper, -upper if two_sided else [0.0] if lower is None else lower, statistics]
    shown = np.concatenate([*edges, *(z for _, z in paths)])
    shown = shown[np.isfinite(shown)].clip(-_EDGE, _EDGE)
    axes.set_ylim(shown.min() - 0.4, shown.max() + 0.4)
    axes.set_xlim(0, max([100.0, percent[-1], *(100 * np.nanmax(at, initial=0.0) for at, _ in paths)]))
    axes.axhline(0, color="0.7", linewidth=0.6)
    axes.set_xlabel("% of the planned information")
    axes.set_ylabel("z")
    titled(figure, "Boundaries at each look", TITLE)
    return figure


def stopping(rows: Sequence[Row]) -> Figure:
    """Shares of the trials that stop at each look, under the scenario and, for futility, under its null."""
    looks = [look for look in dict.fromkeys(row.question.column("look") for row in rows) if look]
    figure, grid = new_figure(SINGLE, 2.4)
    axes, place = grid[0, 0], np.arange(len(looks))
    for i, (metric, label) in enumerate((("stop_efficacy", "efficacy"), ("stop_futility", "futility"))):
        first = {row.question.column("look"): row.value for row in reversed(rows) if row.metric == metric}
        values = [100 * first.get(look, 0.0) for look in looks]
        axes.bar(place + 0.38 * (i - 0.5), values, width=0.36, color=COLOURS[i], label=label, hatch="//" if i else "")
    months = {row.question.column("look"): row.value for row in reversed(rows) if row.metric == "months"}
    axes.set_xticks(place, [f"look {look}\nmonth {months[look]:.0f}" for look in looks])
    axes.set_ylabel("% of trials")
    axes.legend(frameon=False, fontsize=7)
    titled(figure, "Where trials end", TITLE)
    return figure
