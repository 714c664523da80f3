"""Figures of looks: boundaries and statistics between them, where trials end, patients and power over the effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.output.figures import COLOURS, MARKERS, SINGLE, TITLE, beside, line_style, new_figure, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A boundary farther out than this is drawn beyond the edge.
_EDGE = 6.0
_GREY = "0.55"


def boundaries(
    information: Floats,
    upper: Floats,
    lower: Floats | None,
    *,
    two_sided: bool,
    statistics: Sequence[float] = (),
    paths: Sequence[tuple[Floats, Floats]] = (),
    title: str = "Boundaries at each look",
) -> Figure:
    """The boundaries over information. `lower`: for futility; None where there is none. `paths`: information and z of
    trials until they end."""
    figure, grid = new_figure(SINGLE, 2.6)
    axes, percent = grid[0, 0], 100 * information
    for at, z in paths:
        axes.plot(100 * at, z, "-", color="0.75", linewidth=0.5, marker=".", markersize=2)
    style = {"markersize": 4, "clip_on": True}
    axes.plot(percent, upper, "o-", color=COLOURS[0], **style)
    _named(axes, "efficacy", percent, upper, 3, COLOURS[0])
    if two_sided:
        axes.plot(percent, -upper, "o-", color=COLOURS[0], **style)
        _named(axes, "efficacy", percent, -upper, -8, COLOURS[0])
    if lower is not None:
        axes.plot(percent, lower, "s--", color=COLOURS[1], **style)
        _named(axes, "futility", percent, lower, -8, COLOURS[1])
    if statistics:
        path = np.array(statistics)
        axes.plot(percent[: len(path)], path, "D-", color="black", markersize=4)
    edges = [upper, -upper if two_sided else [0.0] if lower is None else lower, statistics]
    shown = np.concatenate([*edges, *(z for _, z in paths)])
    shown = shown[np.isfinite(shown)].clip(-_EDGE, _EDGE)
    axes.set_ylim(shown.min() - 0.8, shown.max() + 0.8)
    axes.set_xlim(0, 1.02 * max([100.0, percent[-1], *(100 * np.nanmax(at, initial=0.0) for at, _ in paths)]))
    axes.axhline(0, color="0.7", linewidth=0.6)
    axes.set_xlabel("% of the planned information")
    axes.set_ylabel("z, positive towards benefit")
    titled(figure, title, TITLE)
    return figure


def _named(axes: Axes, text: str, percent: Floats, values: Floats, up: float, colour: str) -> None:
    """The name of a boundary, so many points above its first look that is drawn, on the side with room for it."""
    first = int(np.argmax(np.abs(values) <= _EDGE))
    beside(axes, text, (percent[first], values[first]), (6 if first or percent[0] < 25 else -6, up), color=colour)


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Where trials end under one truth, in percent of them: for efficacy and for futility at each analysis, the end the
    last, and without rejecting at the end."""

    name: str
    efficacy: Floats
    futility: Floats

    @property
    def neither(self) -> float:
        """Percent that end without rejecting."""
        return 100.0 - float(self.efficacy.sum() + self.futility.sum())

    @property
    def going_on(self) -> Floats:
        """Percent that go on after each analysis, the start the first."""
        ended = self.efficacy + self.futility
        ended[-1] += self.neither
        return 100.0 - np.concatenate([[0.0], np.cumsum(ended)])


def stopping(months: Floats, worlds: Sequence[Ends], *, futility: bool, title: str) -> Figure:
    """Percent of the trials that end at each look and at the end, and how; a panel for each truth."""
    figure, grid = new_figure(SINGLE, 1.35 * len(worlds) + 0.9, rows=len(worlds), sharex=True, sharey=True)
    place = np.arange(len(months))
    for axes, world in zip(grid[:, 0], worlds, strict=True):
        kinds = [("efficacy", world.efficacy, 0), *([("futility", world.futility, 1)] if futility else [])]
        width = 0.8 / (len(kinds) + 1)
        for i, (label, values, colour) in enumerate(kinds):
            at = place + width * (i - len(kinds) / 2)
            hatch = "" if colour == 0 else "////"
            shown = axes.bar(
                at, values, width=0.95 * width, color=COLOURS[colour], label=label, hatch=hatch, edgecolor="white"
            )
            axes.bar_label(shown, [f"{value:.0f}" if value >= 0.5 else "" for value in values], fontsize=6.5, padding=1)
        at_end = axes.bar(
            place[-1] + width * len(kinds) / 2, world.neither, width=0.95 * width, color="0.75", label="no rejection"
        )
        axes.bar_label(at_end, [f"{world.neither:.0f}"], fontsize=6.5, padding=1)
        axes.set_title(world.name, fontsize=7.5)
        axes.set_ylabel("% of trials")
        axes.set_ylim(0, 112)
        axes.set_yticks([0, 50, 100])
    names = [*(f"look {k + 1}" for k in range(len(months) - 1)), "end"]
    grid[-1, 0].set_xticks(place, [f"{name}\nmonth {month:.1f}" for name, month in zip(names, months, strict=True)])
    grid[0, 0].legend(frameon=False, fontsize=7, ncols=3, loc="upper left", borderaxespad=0, handlelength=1.2)
    titled(figure, title, TITLE)
    return figure


def stopping_by_month(months: Floats, worlds: Sequence[Ends], *, fixed: float, title: str) -> Figure:
    """Percent of the trials that are not decided yet, by the month since the first randomisation; `fixed`: when those
    without looks are."""
    figure, grid = new_figure(SINGLE, 2.5)
    axes = grid[0, 0]
    at = np.concatenate([[0.0], months])
    for i, world in enumerate(worlds):
        axes.step(at, world.going_on, where="post", **line_style(i), label=world.name)
    axes.step([0.0, fixed], [100.0, 0.0], where="post", color=_GREY, linestyle=":", label="without looks")
    axes.set_xlim(0, 1.03 * months[-1])
    axes.set_ylim(0, 105)
    axes.set_xlabel("Month since the first randomisation")
    axes.set_ylabel("% of trials that go on")
    axes.legend(frameon=False, fontsize=7, loc="lower left")
    titled(figure, title, TITLE)
    return figure


@dataclass(frozen=True, kw_only=True)
class OverEffect:
    """Power and expected patients over the true effect, which is a multiple of the assumed one."""

    multiple: Floats
    power: Floats
    fixed_power: Floats
    patients: Floats


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What simulated trials gave at a multiple of the assumed effect, with Monte Carlo errors."""

    multiple: float
    power: tuple[float, float]
    patients: tuple[float, float]


def expected_n(curves: OverEffect, points: Sequence[Simulated], *, most: float, axis: str, title: str) -> Figure:
    """Power, and patients randomised on average, with looks and without; curves by integration, points simulated."""
    figure, grid = new_figure(SINGLE, 3.9, rows=2, sharex=True)
    above, below = grid[:, 0]
    x = curves.multiple
    _pair(above, x, 100 * curves.power, 100 * curves.fixed_power)
    above.set_ylabel("Power, %")
    above.set_ylim(0, 104)
    above.legend(frameon=False, fontsize=7, loc="upper left")
    _pair(below, x, curves.patients, np.full(len(x), most))
    below.set_ylabel("Patients, mean")
    below.set_ylim(0, 1.08 * most)
    for point in points:
        for axes, (value, mcse), scale in ((above, point.power, 100.0), (below, point.patients, 1.0)):
            axes.errorbar(
                point.multiple,
                scale * value,
                yerr=1.96 * scale * mcse,
                color=COLOURS[0],
                marker=MARKERS[0],
                markersize=4,
                capsize=2,
                clip_on=False,
            )
    below.set_xlim(0, x[-1])
    below.set_xlabel(axis)
    titled(figure, title, TITLE)
    return figure


def _pair(axes: Axes, x: Floats, looks: Floats, fixed: Floats) -> None:
    axes.plot(x, looks, **line_style(0), label="with looks")
    axes.plot(x, fixed, **line_style(1), label="without looks")
    axes.axvline(1.0, color=_GREY, linewidth=0.6, linestyle=":")
