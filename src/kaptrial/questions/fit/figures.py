"""Figures of a Bayesian fit: the effect in question, effects over time, priors beside each other, predictive bands."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kaptrial.output.figures import COLOURS, SINGLE, beside, day_axis, new_figure, titled
from kaptrial.questions.fit.verdict import LIKELY, SHOWN, UNLIKELY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kaptrial.questions.fit.plot_data import UnderPrior

Rows = Sequence[Mapping[str, Any]]
GREY = "0.55"
# Limits of the verdict at which the mean of a prior is told, with what lies beyond, and how they are drawn.
TIPS = (
    (SHOWN, "benefit shown", COLOURS[0], "-"),
    (LIKELY, "leaning to benefit", COLOURS[0], "--"),
    (UNLIKELY, "leaning to harm", COLOURS[1], "--"),
    (1 - SHOWN, "harm shown", COLOURS[1], "-"),
)
ON_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
# Means of priors beyond this many SDs are beyond the field.
TIP_REACH, TIP_TICKS = 1.5, (0.1, 0.2, 0.3, 0.5, 1.0, 2.0)


def posterior(curve: Mapping[str, Any], *, unit: str, margin: float | None, rope: float | None, title: str) -> Figure:
    """Prior (grey) and posterior (blue) of the effect in question, with its 95 % interval, margin and ROPE."""
    figure, grid = new_figure(SINGLE, 2.9)
    axes = grid[0, 0]
    x, after, before = curve["x"], curve["posterior"], curve["prior"]
    top = max(after.max(), before.max())
    axes.plot(x, before, color=GREY, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.plot(x, after, color=COLOURS[0])
    inside = (x >= curve["lower"]) & (x <= curve["upper"])
    axes.fill_between(x[inside], after[inside], color=COLOURS[0], alpha=0.25, lw=0)
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.set_ylim(0, 1.32 * top)
    axes.set_xlim(x[0], x[-1])
    if rope is not None:
        axes.axvspan(-rope, rope, color=COLOURS[5], alpha=0.2, lw=0)
        inner = -curve["sign"]
        place, style = (inner * rope, 1.25 * top), {"va": "baseline", "fontsize": 7, "color": "#8A5A00"}
        beside(axes, "ROPE", place, (3 * inner, 0), **style)
    if margin is not None:
        at = curve["sign"] * margin
        axes.axvline(at, color=COLOURS[1], linewidth=1, linestyle=(0, (3, 2)))
        place, shift = (at, 1.13 * top), (-3 if curve["sign"] < 0 else 3, 0)
        beside(axes, f"margin {margin:g}", place, shift, va="baseline", fontsize=7, color=COLOURS[1])
    # Beside the flank that faces away from zero, where neither ROPE nor margin is.
    right = bool(x[int(after.argmax())] > 0)
    flank = [k for k in range(len(x)) if after[k] > 0.55 * after.max()]
    k = flank[-1] if right else flank[0]
    beside(axes, "posterior", (x[k], after[k]), (4 if right else -4, 2), color=COLOURS[0])
    edge = int(0.06 * len(x)) if right else int(0.94 * len(x))
    beside(axes, "prior", (x[edge], max(before[edge], after[edge])), (0, 5), color="0.4")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    better = "left" if curve["sign"] < 0 else "right"
    axes.set_xlabel(f"{curve['name']} ({unit}; benefit to the {better})")
    titled(figure, title)
    return figure


def over_time(rows: Rows, *, unit: str, sign: float, title: str) -> Figure:
    """Each effect by day: posterior mean and 95 % interval; rows of one measure in the order of effects."""
    names = list(dict.fromkeys(str(row["contrast"]) for row in rows))
    figure, grid = new_figure(SINGLE, 0.9 + 1.35 * len(names), rows=len(names), sharex=True, sharey=True)
    for axes, name, colour in zip(grid[:, 0], names, COLOURS, strict=False):
        by_day = [row for row in rows if row["contrast"] == name]
        days = [row["day"] for row in by_day]
        axes.axhline(0, color="0.6", linewidth=0.8)
        axes.vlines(days, [r["lower"] for r in by_day], [r["upper"] for r in by_day], color=colour, linewidth=1.4)
        axes.plot(days, [r["mean"] for r in by_day], "o-", color=colour, markersize=4, linewidth=0.7)
        axes.set_title(textwrap.fill(name, 50), color=colour)
    day_axis(grid[-1, 0], max(float(row["day"]) for row in rows))
    grid[-1, 0].set_xlim(left=0)
    figure.supylabel(f"Effect ({unit}; benefit {'below' if sign < 0 else 'above'} 0)", fontsize=8)
    titled(figure, title)
    return figure


def priors(rows: Sequence[UnderPrior], *, name: str, unit: str, sign: float, title: str) -> Figure:
    """The effect in question under each prior: the prior's 95 % (grey) and the posterior's (blue)."""
    figure, grid = new_figure(SINGLE, 1.4 + 0.32 * len(rows))
    axes = grid[0, 0]
    reach = 1.6 * max(abs(float(end)) for row in rows for end in (row.after[0], row.after[2]))
    for y, row in enumerate(rows):
        low, high = (max(-reach, min(reach, float(end))) for end in (row.before[0], row.before[2]))
        axes.plot([low, high], [y - 0.15] * 2, color=GREY, linewidth=1.2, solid_capstyle="butt")
        for end, mark in ((float(row.before[0]), "<"), (float(row.before[2]), ">")):
            if abs(end) > reach:
                axes.plot([reach if end > 0 else -reach], [y - 0.15], mark, color=GREY, markersize=4, clip_on=False)
        axes.plot([row.after[0], row.after[2]], [y + 0.15] * 2, color=COLOURS[0], linewidth=1.8)
        axes.plot([row.after[1]], [y + 0.15], "o", color=COLOURS[0], markersize=4)
        axes.annotate(
            f"{row.p:.2f}", (1.03, y), xycoords=("axes fraction", "data"), va="center", fontsize=7.5, color="0.2"
        )
    axes.annotate("P(benefit)", (1.0, -0.62), xycoords=("axes fraction", "data"), fontsize=7, va="bottom", color="0.2")
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [row.prior.replace("_", " ") for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(-reach, reach)
    better = "left" if sign < 0 else "right"
    axes.set_xlabel(f"{name} ({unit}; benefit to the {better})")
    titled(figure, title)
    return figure


def tipping(rows: Rows, priors: Sequence[tuple[str, float, float]], *, title: str) -> Figure:
    """By the SD of a normal prior the mean at which the verdict changes; priors (name, mean, SD) as points."""
    figure, grid = new_figure(SINGLE, 3.2)
    axes = grid[0, 0]
    sds = sorted({float(row["prior_sd"]) for row in rows})
    for limit, words, colour, style in TIPS:
        means = [float(row["prior_mean"]) for row in rows if row["p_benefit"] == limit]
        axes.plot(sds, means, style, color=colour)
        inside = [k for k, mean in enumerate(means) if abs(mean) < TIP_REACH]
        if inside:
            k = inside[-1]
            place = (-4, "right") if style == "-" else (4, "left")  # away from the other line
            beside(axes, words, (sds[k], means[k]), (place[0], 0), ha=place[1], va="center", fontsize=7, color=colour)
    for name, mean, sd in priors:
        if sds[0] <= sd <= sds[-1] and abs(mean) < TIP_REACH:
            axes.plot([sd], [mean], "o", color="0.2", markersize=4)
            beside(axes, name.replace("_", " "), (sd, mean), (4, -9), fontsize=7, color="0.2", bbox=ON_WHITE)
    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xticks(TIP_TICKS, [f"{sd:g}" for sd in TIP_TICKS])
    axes.minorticks_off()
    axes.set_xlim(sds[0], sds[-1])
    axes.set_ylim(-TIP_REACH, TIP_REACH)
    axes.set_xlabel("SD of the prior (SDs of the outcome)")
    axes.set_ylabel("Mean of the prior\n(SDs; benefit above 0)")
    titled(figure, title)
    return figure


def predictive(arms: Mapping[str, Rows], *, unit: str, title: str) -> Figure:
    """Arm means by day: what the posterior foresees (95 % band, line) and what was seen (points)."""
    columns = min(len(arms), 2)
    lines = -(-len(arms) // columns)
    figure, grid = new_figure(SINGLE, 0.8 + 1.7 * lines, rows=lines, columns=columns, sharex=True, sharey=True)
    flat = [axes for row in grid for axes in row]
    for axes, (name, rows), colour in zip(flat, arms.items(), COLOURS * 3, strict=False):
        in_time = rows[0]["day"] == rows[0]["day"]  # an outcome without a day has NaN
        days = [float(row["day"]) if in_time else 0.0 for row in rows]
        if len(rows) > 1:
            low, high = [r["lower"] for r in rows], [r["upper"] for r in rows]
            axes.fill_between(days, low, high, color=colour, alpha=0.25, lw=0)
            axes.plot(days, [r["mean"] for r in rows], color=colour, linewidth=1)
        else:
            axes.vlines(days, rows[0]["lower"], rows[0]["upper"], color=colour, linewidth=5, alpha=0.35)
            axes.plot(days, [rows[0]["mean"]], "_", color=colour, markersize=8)
        axes.plot(days, [r["observed"] for r in rows], "o", color="black", markersize=3.5)
        axes.set_title(textwrap.fill(name.replace("_", ", "), 24), color=colour, fontsize=7.5)
        if in_time and len(rows) > 1:
            day_axis(axes, days[-1])
            axes.set_xlim(left=0)
        else:
            axes.set_xticks(days, [f"day {day:g}" if in_time else "" for day in days])
    for axes in flat[len(arms) :]:
        axes.set_visible(False)
    for row in grid[:-1]:
        for axes in row:
            axes.set_xlabel("")
    for row in grid:
        row[0].set_ylabel(f"Mean ({unit})")
    titled(figure, title)
    return figure
