"""Figures that only a pack has: the design, the tornado, the worlds, the flow of patients.

As elsewhere they take plain values and compute nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kaptrial.output.figures import COLOURS, DOUBLE, beside, day_axis, new_figure, titled
from kaptrial.pack.prose import NO_BREAK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

GREY = "0.45"
# Characters of a label beside an axis.
LABEL = 26


class Lane(NamedTuple):
    """An arm of the schematic: its label, patients, and the days of doses, of sessions and of its adjuncts."""

    label: str
    n: str
    doses: Sequence[float]
    sessions: Sequence[float]
    adjuncts: Sequence[tuple[float, float, str]]


def schematic(
    lanes: Sequence[Lane], *, visits: Sequence[float], primary: float, randomised: float | None, dose: str, title: str
) -> Figure:
    """Arms over time: doses, sessions, visits, the randomisation and the primary day."""
    figure, grid = new_figure(DOUBLE, 1.4 + 0.55 * len(lanes))
    axes = grid[0, 0]
    last = max(visits)
    for i, lane in enumerate(lanes):
        y, colour = len(lanes) - 1 - i, COLOURS[i % len(COLOURS)]
        axes.plot([0 if randomised is None else randomised, last], [y, y], color=colour, linewidth=1)
        _marks(axes, lane.doses, y + 0.16, "v", color=colour, markersize=5)
        _marks(axes, lane.sessions, y - 0.16, "o", markersize=3.5, markerfacecolor="white", markeredgecolor=colour)
        for start, end, name in lane.adjuncts:
            axes.plot([start, min(end, last)], [y - 0.28] * 2, color=colour, linewidth=3, alpha=0.4)
            beside(axes, name, (start, y - 0.28), (2, -7), color=colour, fontsize=6.5)
    low = -0.75
    _marks(axes, visits, low, "|", color="0.2", markersize=7)
    _marks(axes, [primary], low, "*", color=COLOURS[1], markersize=9)
    if randomised is not None:
        axes.axvline(randomised, color="0.6", linewidth=0.8, linestyle=(0, (3, 2)))
        beside(axes, "randomised", (randomised, 1), (3, -6), xycoords=("data", "axes fraction"), fontsize=7, color=GREY)
    axes.set_ylim(low - 0.25, len(lanes) - 0.25)
    axes.set_xlim(min(0.0, -0.01 * last), 1.01 * last)
    labels = [
        textwrap.fill(lane.label + lane.n.replace(" = ", f"{NO_BREAK}={NO_BREAK}"), LABEL) for lane in reversed(lanes)
    ]
    axes.set_yticks([low, *range(len(lanes))], ["visits", *labels])
    for tick, i in zip(axes.get_yticklabels()[1:], reversed(range(len(lanes))), strict=True):
        tick.set_color(COLOURS[i % len(COLOURS)])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    day_axis(axes, last)
    given = f"▼ {dose}, ○ session" if any(lane.sessions for lane in lanes) else f"▼ {dose}"
    axes.set_xlabel(f"{axes.get_xlabel()}\n{given}\n| visit, ★ primary outcome")
    titled(figure, title, characters=106)
    return figure


def _marks(axes: Axes, days: Sequence[float], y: float, marker: str, **style: Any) -> None:
    """Marks on days, whole at the ends of the axis; none for no days, for which the layout would leave room."""
    if days:
        axes.plot(days, [y] * len(days), marker, clip_on=False, **style)


class TornadoBar(NamedTuple):
    """An assumption: its name, and the value and power at each end of its range (NaN: not allowed there)."""

    name: str
    low: tuple[str, float]
    high: tuple[str, float]


def tornado(bars: Sequence[TornadoBar], *, power: float, title: str) -> Figure:
    """Power at the low and the high end of each assumption, around the power as declared."""
    from matplotlib.ticker import MaxNLocator

    figure, grid = new_figure(DOUBLE, 1.0 + 0.32 * len(bars))
    axes = grid[0, 0]
    for i, bar in enumerate(bars):
        y = len(bars) - 1 - i
        for (value, at), colour, shift in ((bar.low, COLOURS[0], 0.19), (bar.high, COLOURS[1], -0.19)):
            if at != at:
                continue
            axes.barh(y + shift, at - power, left=power, height=0.36, color=colour, alpha=0.85)
            side = -1 if at < power else 1
            beside(axes, value, (at, y + shift), (3 * side, 0), fontsize=6, color="0.25")
    axes.axvline(power, color="0.2", linewidth=0.9)
    axes.set_yticks(range(len(bars)), [textwrap.fill(bar.name, LABEL) for bar in reversed(bars)], fontsize=7)
    axes.tick_params(axis="y", length=0)
    ends = [at for bar in bars for _, at in (bar.low, bar.high) if at == at] + [power]
    reach = max(0.05, max(ends) - min(ends))
    low, high = min(ends) - 0.25 * reach, max(ends) + 0.25 * reach
    axes.set_xticks([tick for tick in MaxNLocator(5).tick_values(low, high) if max(0, low) <= tick <= min(1, high)])
    axes.set_xlim(low, high)
    axes.set_ylim(-0.6, len(bars) - 0.4)
    axes.set_xlabel("Power\nblue: low end, orange: high end\n(beside a bar: the value there)")
    titled(figure, title, characters=106)
    return figure


class WorldPoint(NamedTuple):
    """A world: name and verdict; power and false claims with their errors, None where not asked."""

    name: str
    verdict: str
    power: tuple[float, float] | None
    false: tuple[float, float] | None


def worlds(points: Sequence[WorldPoint], *, target: float, least: float, alpha: float, title: str) -> Figure:
    """Power and false claims in each world, with the limits of the verdict."""
    figure, grid = new_figure(DOUBLE, 1.1 + 0.28 * len(points), columns=2, sharey=True, width_ratios=[3, 2])
    for axes, which in zip(grid[0], ("power", "false"), strict=True):
        for i, point in enumerate(points):
            rate = getattr(point, which)
            if rate is None:
                continue
            y, colour = len(points) - 1 - i, {"PASS": COLOURS[2], "AT RISK": COLOURS[5]}.get(point.verdict, COLOURS[1])
            marker = {"PASS": "o", "AT RISK": "D"}.get(point.verdict, "X")
            value, mcse = rate
            axes.plot([value - 1.96 * mcse, value + 1.96 * mcse], [y, y], color=colour, linewidth=1)
            axes.plot([value], [y], marker, color=colour, markersize=5)
    # Room between the last number of one axis and the first of the other.
    figure.set_layout_engine("constrained", wspace=0.08)
    power, false = grid[0]
    for limit, style in ((target, "-"), (least, (0, (3, 2)))):
        power.axvline(limit, color="0.6", linewidth=0.8, linestyle=style)
    names = [f"{point.name}: {point.verdict}" for point in reversed(points)]
    power.set_yticks(range(len(points)), names, fontsize=7)
    for axes in (power, false):
        axes.tick_params(axis="y", length=0)
    power.set_xlim(-0.02, 1.02)
    power.set_xlabel("Power\n(lines: 50, 80 %)")
    false.set_xlim(left=0)
    false.set_xlabel("False claims\n(line: level)")
    if all(point.false is None for point in points):
        false.set_xlim(0, 2 * alpha)
        beside(false, "not asked", (0.5, 0.5), (0, 0), xycoords="axes fraction", color=GREY)
    else:
        false.axvline(alpha, color="0.6", linewidth=0.8)
    titled(figure, title, characters=106)
    return figure


class ArmBox(NamedTuple):
    """An arm of the flow diagram: what stands in its boxes from allocation to analysis."""

    allocated: str
    during: str
    lost: str
    analysed: str


def flow(arms: Sequence[ArmBox], *, top: str, title: str) -> Figure:
    """The flow of patients from randomisation to analysis, a column an arm."""
    figure, grid = new_figure(DOUBLE, 3.6)
    axes = grid[0, 0]
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    width = 104 // max(1, len(arms))
    head = _box(axes, 0.5, 0.94, top)
    for i, arm in enumerate(arms):
        x = (i + 0.5) / len(arms)
        before: Text = head
        for y, text in ((0.72, arm.allocated), (0.47, arm.during), (0.25, arm.lost), (0.06, arm.analysed)):
            lines = [textwrap.fill(line, width - 8) for line in text.splitlines()]
            box = _box(axes, x, y, "\n".join(lines))
            axes.annotate(
                "", xy=(x, y), xytext=before.get_position(), xycoords="data", textcoords="data",
                arrowprops={"arrowstyle": "-|>", "color": "0.4", "linewidth": 0.8, "patchA": before.get_bbox_patch(),
                            "patchB": box.get_bbox_patch(), "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
            before = box
    titled(figure, title, characters=106)
    return figure


def _box(axes: Axes, x: float, y: float, text: str) -> Text:
    style = {"boxstyle": "square,pad=0.4", "facecolor": "white", "edgecolor": "0.4", "linewidth": 0.8}
    return axes.text(x, y, text, ha="center", va="center", fontsize=7, bbox=style, zorder=3)
