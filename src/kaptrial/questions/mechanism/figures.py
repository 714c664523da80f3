"""Figures of fitted mechanisms: prior against posterior of each parameter, and the fitted course on the data."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kaptrial.arrays import Floats
from kaptrial.output.figures import (
    COLOURS,
    DOUBLE,
    MARKERS,
    WIDE_TITLE,
    day_axis,
    label_ends,
    line_style,
    new_figure,
    titled,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def contraction(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str], *, title: str) -> Figure:
    """95 % intervals of prior (grey) and posterior of every parameter, models side by side, with the contraction."""
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    of = {name: [row for row in rows if row["parameter"] == name] for name in names}
    # Above what every model has, below what one has.
    shared = [name for name in names if len(of[name]) == len(variants)]
    single = [name for name in names if 0 < len(of[name]) < len(variants)]
    columns = max(len(shared), len(single))
    figure, grid = new_figure(DOUBLE, 3.1, rows=2, columns=columns, height_ratios=[len(variants), 1.2])
    for line, parameters in zip(grid, (shared, single), strict=True):
        for axes, name in zip(line, parameters, strict=False):
            for i, row in enumerate(of[name]):
                colour = COLOURS[variants.index(row["variant"])]
                before, after = (row["prior_lower"], row["prior_upper"]), (row["lower"], row["upper"])
                axes.plot(before, [-i, -i], color="0.85", linewidth=5, solid_capstyle="butt")
                axes.plot(after, [-i, -i], color=colour)
                axes.plot(row["median"], -i, "o", color=colour, markersize=3.5)
                text = f"{row['variant']}, {100 * row['contraction']:.0f} %"
                style = {"ha": "right", "va": "bottom", "fontsize": 5.8, "color": colour}
                axes.annotate(text, (0.99, -i + 0.2), xycoords=("axes fraction", "data"), **style)
            axes.set_ylim(-len(of[name]) + 0.5, 0.75)
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
            axes.set_title(textwrap.fill(names[name], 26), fontsize=7.5)
        for axes in line[len(parameters) :]:
            axes.set_visible(False)
    key = "Grey: prior, 95 %. Line: posterior, 95 %, and by how much the data narrowed it"
    titled(figure, f"{title}\n{key}", WIDE_TITLE)
    return figure


class ArmCourse(NamedTuple):
    """An arm's fitted mean course with its 95 % band, and the observed means with 95 % intervals, each (day,)."""

    label: str
    mean: Floats
    lower: Floats
    upper: Floats
    seen: Floats
    seen_low: Floats
    seen_high: Floats


def courses(
    panels: Sequence[tuple[str, Sequence[ArmCourse]]], days: Sequence[float], *, unit: str, title: str
) -> Figure:
    """One panel a mechanism. `panels`: (name, arms)."""
    figure, grid = new_figure(DOUBLE, 4.6, rows=2, columns=2, sharex=True, sharey=True)
    for axes, (name, arms) in zip(grid.ravel(), panels, strict=True):
        ends = []
        for i, arm in enumerate(arms):
            colour = COLOURS[i % len(COLOURS)]
            axes.fill_between(days, arm.lower, arm.upper, color=colour, alpha=0.15, linewidth=0)
            axes.plot(days, arm.mean, **line_style(i))
            shifted = [day + (i - (len(arms) - 1) / 2) * 0.012 * max(days) for day in days]
            reach = [arm.seen - arm.seen_low, arm.seen_high - arm.seen]
            style = {"fmt": MARKERS[i % len(MARKERS)], "markersize": 2.8, "elinewidth": 0.7, "color": colour}
            axes.errorbar(shifted, arm.seen, yerr=reach, **style)
            ends.append((days[-1], arm.mean[-1], arm.label, colour))
        axes.set_title(name)
        if axes in grid[:, 1]:
            label_ends(axes, ends, least_gap=0.085)
    for axes in grid[1]:
        day_axis(axes, days[-1])
    for axes in grid[:, 0]:
        axes.set_ylabel(unit)
    titled(figure, f"{title}\nLine and band: fitted mean course, 95 %. Points: observed means, 95 %", WIDE_TITLE)
    return figure
