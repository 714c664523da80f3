"""Figures of the clinic: accrual, a week, how busy everybody is, lags and the window, the flow of patients, plans.

As in figures.py they take tables and plain values and compute nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kaptrial.output.figures import (
    COLOURS,
    DOUBLE,
    SINGLE,
    WIDE_TITLE,
    beside,
    line_style,
    new_figure,
    titled,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

Rows = Sequence[Mapping[str, Any]]
GREY = "0.45"
# A resource that is busy for so much of its time is shown as one that others wait for.
FULL = 0.8


def accrual(table: pd.DataFrame, *, n: int, title: str) -> Figure:
    """Patients in and out by month: mean and the range that holds 90 % of trials."""
    figure, grid = new_figure(SINGLE, 2.9)
    axes = grid[0, 0]
    lines = (("randomised", "randomised", 0.42), ("ended", "out of the trial", 0.6))
    for i, (what, label, share) in enumerate(lines):
        style = line_style(i)
        colour = style["color"]
        part = table[table["what"] == what]
        axes.plot(part["month"], part["mean"], **style)
        axes.fill_between(part["month"], part["lower"], part["upper"], color=colour, alpha=0.2, lw=0)
        at = part.iloc[(part["mean"] - share * n).abs().argmin()]
        shift = (-9, 6) if what == "randomised" else (22, -12)
        beside(axes, label, (at["month"], at["mean"]), shift, va="center", color=colour, fontsize=8)
    axes.axhline(n, color="0.75", linewidth=0.7, linestyle=":")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.04 * n)
    axes.set_xlabel("Month of the trial (band: 90 % of trials)")
    axes.set_ylabel("Patients")
    titled(figure, title)
    return figure


class Busy(NamedTuple):
    """How busy a resource is, as shares, and the days that were waited for it."""

    label: str
    value: float
    lower: float
    upper: float
    waited: float | None


class ArmFlow(NamedTuple):
    """Expected numbers of an arm's patients, and lines of text on their treatment."""

    label: str
    randomised: float
    lost_waiting: float
    dropped_out: float
    complete: float
    lines: Sequence[str]


def busy(rows: Sequence[Busy], *, title: str) -> Figure:
    """How busy each resource is until the last patient is in: mean and 90 % range; days waited for it beside it."""
    figure, grid = new_figure(SINGLE, 1.0 + 0.26 * len(rows))
    axes = grid[0, 0]
    for y, row in enumerate(rows):
        colour = COLOURS[1] if row.value >= FULL else COLOURS[0]
        hatch = "////" if row.value >= FULL else ""
        axes.barh(y, row.value, height=0.62, color=colour, alpha=0.75, hatch=hatch, edgecolor="white", linewidth=0)
        axes.plot([row.lower, row.upper], [y, y], color="0.15", linewidth=1)
        waited = "" if row.waited is None else f", waited for {_days(row.waited)}"
        at = max(row.upper, row.value)
        beside(axes, f"{100 * row.value:.0f} %{waited}", (at, y), (4, 0), fontsize=7)
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, max(1.45, *(row.upper + 0.45 for row in rows)))
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"])
    axes.axvline(1, color="0.75", linewidth=0.7, linestyle=":")
    axes.set_xlabel("Busy, % of what they could do (line: 90 % of trials)")
    titled(figure, title)
    return figure


def _days(days: float) -> str:
    return f"{24 * days:.0f} h" if days < 1 else f"{days:.1f} days"


def lags(
    table: pd.DataFrame,
    *,
    window: tuple[float, float] | None,
    open_share: Sequence[tuple[float, float]],
    kept: float | None,
    title: str,
) -> Figure:
    """Hours from an infusion to the sessions that were promised a window, with that window and the plasticity window.

    `table`: from_hours, to_hours, promised, share. `window`: the promise, hours. `open_share`: (hours, 1 − exp(−W))
    after one fresh dose; empty where no window acts. `kept`: share of those sessions in the window.
    """
    in_window = table[table["promised"]] if window is not None else table
    total = in_window["share"].sum()
    nonempty = in_window[in_window["share"] > 0]
    last = min(float(nonempty["to_hours"].max()) if len(nonempty) else 48.0, 240.0)
    figure, grid = new_figure(SINGLE, 2.8)
    axes = grid[0, 0]
    shown = in_window[in_window["from_hours"] < last]
    width, height = shown["to_hours"] - shown["from_hours"], 100 * shown["share"] / max(total, 1e-12)
    style = {"align": "edge", "color": COLOURS[4], "edgecolor": "white", "linewidth": 0.4}
    axes.bar(shown["from_hours"], height, width=width, **style)
    top = axes.get_ylim()[1] * 1.3
    axes.set_ylim(0, top)
    if window is not None:
        axes.axvspan(*window, color=COLOURS[2], alpha=0.13, lw=0)
        text = "promised" if kept is None else f"promised: {100 * kept:.0f} % of sessions"
        beside(axes, text, (window[0], 0.985 * top), (3, 0), va="top", color=COLOURS[2])
    if open_share:
        right = axes.twinx()
        right.spines["top"].set_visible(False)
        right.spines["right"].set_visible(True)
        inside = [(h, share) for h, share in open_share if h <= last]
        right.plot([h for h, _ in inside], [100 * share for _, share in inside], color=COLOURS[1])
        right.set_ylim(0, 100)
        right.set_ylabel("Plasticity window open, %", color=COLOURS[1])
        right.tick_params(axis="y", colors=COLOURS[1])
    axes.set_xlim(0, last)
    axes.set_xticks(range(0, int(last) + 1, 24 if last <= 168 else 48))
    axes.set_xlabel("Hours from the infusion to the session")
    axes.set_ylabel("Sessions given, %")
    titled(figure, title)
    return figure


def gantt(table: pd.DataFrame, *, hours: tuple[float, float], title: str) -> Figure:
    """One week of one site, a line for each chair, therapist and rater; hatched: nobody came."""
    order = {"chairs": 0, "therapists": 1, "raters": 2}
    rows: list[Any] = list(table.itertuples())
    units = sorted({(row.resource, row.therapy, row.unit) for row in rows}, key=lambda u: (order[u[0]], u[1], u[2]))
    days = sorted({row.day for row in rows})
    opens, closes = hours
    long = closes - opens
    figure, grid = new_figure(DOUBLE, 1.0 + 0.24 * len(units))
    axes = grid[0, 0]
    for row in rows:
        y = units.index((row.resource, row.therapy, row.unit))
        x = days.index(row.day) * (long + 1) + row.from_hour - opens
        colour = COLOURS[(0, 2, 3)[order[row.resource]]]
        inside, edge, hatch = (colour, "white", None) if row.kept else ("white", colour, "//////")
        style = {"height": 0.72, "color": inside, "edgecolor": edge, "linewidth": 0.5, "hatch": hatch}
        axes.barh(y, row.to_hour - row.from_hour, left=x, **style)
    for d in range(len(days)):
        axes.axvspan(d * (long + 1) + long, (d + 1) * (long + 1), color="0.93", lw=0)
    names = {"chairs": "chair", "therapists": "therapist", "raters": "rater"}
    axes.set_yticks(range(len(units)), [f"{names[kind]} {unit}" for kind, _, unit in units])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(units) - 0.4, -0.6)
    axes.set_xlim(0, len(days) * (long + 1))
    middle = [d * (long + 1) + long / 2 for d in range(len(days))]
    named = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    axes.set_xticks(middle, [named[int(day)] for day in days])
    axes.set_xlabel(f"Opening hours, {opens:g} to {closes:g} o'clock (hatched: kept free in vain)")
    titled(figure, title, WIDE_TITLE)
    return figure


def consort(flow: Mapping[str, float], arms: Sequence[ArmFlow], *, title: str) -> Figure:
    """Expected counts from referral to completion.

    `flow`: referred, did not consent, outside the entry criterion, failed screening otherwise, still screened when
    full, randomised.
    """
    figure, grid = new_figure(max(DOUBLE - 1.2, 2.3 * len(arms)), 4.2)
    axes = grid[0, 0]
    axes.set_axis_off()
    width = 1.0 / len(arms)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    referred = _box(axes, 0.5, 0.95, f"Referred\n{flow['referred']:.0f}")
    out = [name for name in flow if name not in ("referred", "randomised") and flow[name] >= 0.5]
    excluded = _box(axes, 0.82, 0.785, "\n".join(f"{name}: {flow[name]:.0f}" for name in out), align="left")
    randomised = _box(axes, 0.5, 0.62, f"Randomised\n{flow['randomised']:.0f}")
    _arrow(axes, referred, randomised)
    _arrow(axes, (0.5, 0.785), excluded)
    for a, arm in enumerate(arms):
        x = (a + 0.5) * width
        wrapped = textwrap.fill(arm.label, 26)
        allocated = _box(axes, x, 0.44, f"{wrapped}\n{arm.randomised:.0f}")
        text = [f"lost while waiting: {arm.lost_waiting:.1f}", f"dropped out: {arm.dropped_out:.1f}"]
        treated = _box(axes, x, 0.235, "\n".join([*text, *arm.lines]), align="left")
        complete = _box(axes, x, 0.035, f"Complete\n{arm.complete:.0f}")
        for start, end in ((randomised, allocated), (allocated, treated), (treated, complete)):
            _arrow(axes, start, end)
    titled(figure, title, 88)
    return figure


def _box(axes: Axes, x: float, y: float, text: str, align: str = "center") -> Text:
    box = {"boxstyle": "square,pad=0.45", "fc": "white", "ec": GREY, "lw": 0.8}
    style: dict[str, Any] = {"fontsize": 7.5, "multialignment": align, "linespacing": 1.25, "bbox": box}
    return axes.text(x, y, text, ha="center", va="center", **style)


def _arrow(axes: Axes, start: Text | tuple[float, float], end: Text) -> None:
    """From box to box, or from a point; drawn after the boxes, whose edges are known only then."""
    props = {"arrowstyle": "-|>", "color": GREY, "lw": 0.8, "shrinkA": 0, "shrinkB": 0, "patchB": end.get_bbox_patch()}
    if not isinstance(start, tuple):
        props["patchA"] = start.get_bbox_patch()
        start = start.get_position()
    axes.annotate("", end.get_position(), start, arrowprops=props, zorder=5)


def plans(rows: Rows, path: str, *, name: str, own: float | None, currency: str, title: str) -> Figure:
    """Power over one varied path of the plan, with the share of sessions in their window; months and cost below.

    `rows`: the path's value, power, power_mcse, in_window, months, cost. `own`: the plan's own value, marked.
    """
    rows = sorted((row for row in rows if row["power"] is not None), key=lambda row: row[path])
    x = [row[path] for row in rows]
    has_cost = all(row.get("cost") for row in rows)
    figure, grid = new_figure(SINGLE, 4.4, rows=2, sharex=True, height_ratios=[1.5, 1])
    axes, below = grid[:, 0]
    power, mcse = [row["power"] for row in rows], [row["power_mcse"] for row in rows]
    axes.errorbar(
        x, power, yerr=[1.96 * e for e in mcse], color=COLOURS[0], marker="o", markersize=4, elinewidth=1, capsize=2
    )
    for row in rows:
        # On the side away from the other line, beyond the bar.
        side = -1 if (row.get("in_window") or 0.0) > row["power"] else 1
        end, va = row["power"] + side * 1.96 * row["power_mcse"], "bottom" if side > 0 else "top"
        beside(axes, f"{row['power']:.2f}", (row[path], end), (0, 4 * side), va=va, color=COLOURS[0])
    ends = [(power[-1], "power", COLOURS[0])]
    if all(row.get("in_window") is not None for row in rows):
        kept = [row["in_window"] for row in rows]
        axes.plot(x, kept, color=COLOURS[1], linestyle=(0, (4, 2)), marker="s", markersize=3)
        ends.append((kept[-1], "promised\nsessions\nin window", COLOURS[1]))
    ends.sort(key=lambda end: -end[0])
    at = 2.0
    for level, text, colour in ends:
        # Three lines need a fifth of the axis.
        at = min(level, at - 0.2)
        beside(axes, text, (x[-1], at), (8, 0), color=colour, annotation_clip=False)
    for level in (0.8, 0.9):
        axes.axhline(level, color="0.75", linewidth=0.7, linestyle=":")
    axes.set_ylim(0, 1.09)
    axes.set_ylabel("Power, share\n(bars: 95 % Monte Carlo)")
    values = [row["cost"] / 1e6 for row in rows] if has_cost else [row["months"] for row in rows]
    below.plot(x, values, color="0.3", marker="o", markersize=3)
    below.set_ylim(0, 1.25 * max(values))
    below.set_ylabel(f"Cost of the trial,\nmillion {currency}" if has_cost else "Months to the\nlast patient out")
    for value, height in zip(x, values, strict=True):
        if has_cost:
            beside(below, f"{height:.2f}", (value, height), (0, 6), fontsize=7)
    below.set_xlabel(f"{name} (grey: the plan)" if own is not None else name)
    for each in (axes, below):
        each.set_xticks(x)
        each.margins(x=0.09)
        if own is not None:
            each.axvline(own, color="0.85", linewidth=5, zorder=0)
    titled(figure, title)
    return figure
