"""Figures for proposals: column width, colour-blind safe, direct labels.

Every function takes tables or plain values and returns a matplotlib Figure; nothing is computed here.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kaptrial.output.figures import (
    COLOURS,
    DOUBLE,
    MARKERS,
    SINGLE,
    TITLE,
    beside,
    capital,
    day_axis,
    label_ends,
    line_style,
    new_figure,
    path_in_words,
    titled,
)
from kaptrial.results import Question, Row

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NULL_NAMES = {"type_i_error": "type I error", "false_synergy_rate": "false synergy"}
# What is said of the bands where curves are compared: their trials have the same normals.
PAIRED = "\nbands of other powers: of their difference from the first"
Rows = Sequence[Row]


class ArmDays(NamedTuple):
    """An arm and the days of its doses and sessions."""

    id: str
    label: str
    doses: Sequence[float]
    sessions: Sequence[float]


def trajectories(table: pd.DataFrame, arms: Sequence[ArmDays], *, dose: str, unit: str, title: str) -> Figure:
    """Mean latent (line) and observed (points) scores by arm; under them, by arm, doses and sessions.

    `table`: arm, kind, day, mean, lower, upper. `dose`: what a dose is called.
    """
    rows = 0.34 * len(arms)
    figure, grid = new_figure(SINGLE, 2.75 + rows, rows=2, sharex=True, height_ratios=[2.1, rows])
    axes, strip = grid[0, 0], grid[1, 0]
    last = float(table["day"].max())
    for i, arm in enumerate(arms):
        style = line_style(i)
        colour = style["color"]
        of_arm = table[table["arm"] == arm.id]
        latent, observed = of_arm[of_arm["kind"] == "latent"], of_arm[of_arm["kind"] == "observed"]
        axes.plot(latent["day"], latent["mean"], **style)
        reach = [observed["mean"] - observed["lower"], observed["upper"] - observed["mean"]]
        at = observed["day"] + (i - (len(arms) - 1) / 2) * 0.012 * last
        axes.errorbar(
            at, observed["mean"], yerr=reach, fmt=MARKERS[i % len(MARKERS)], color=colour, ms=3, elinewidth=0.8
        )
        y = len(arms) - 1 - i
        strip.plot([0.0, 0.09], [y + 0.22] * 2, transform=strip.get_yaxis_transform(), **style)
        beside(strip, arm.label, (0.1, y + 0.22), (2, 0), xycoords=("axes fraction", "data"), color=colour, fontsize=7)
        strip.plot(arm.doses, [y - 0.2] * len(arm.doses), "v", color=colour, markersize=4)
        strip.plot(arm.sessions, [y - 0.2] * len(arm.sessions), "o", markersize=3, mfc="white", mec=colour)
    axes.set_ylabel(unit)
    strip.set_ylim(-0.55, len(arms) - 0.45)
    strip.set_yticks([])
    strip.spines["left"].set_visible(False)
    day_axis(strip, last, min(0.0, float(table["day"].min())))
    marks = f"▼ {dose}, ○ session). Line: latent mean\npoint: observed mean, 95 % range between trials"
    strip.set_xlabel(f"{strip.get_xlabel()} ({marks}")
    titled(figure, title)
    return figure


def decay(
    table: pd.DataFrame,
    published: Sequence[tuple[float, float, int, str]],
    *,
    dose: str,
    counts: Mapping[int, str],
    unit: str,
    title: str,
) -> Figure:
    """Improvement after one dose and after a series without therapy, and the share responding where the scale has a
    rule.

    `table`: doses, day, improvement, responding. `published`: (day, share in percent, doses, label) of published
    response shares, drawn as diamonds. `dose`: what a dose is called; `counts`: numbers of doses in words.
    """
    with_response = table["responding"].notna().any()
    panels = [("improvement", f"Mean improvement ({unit})", 1.0)]
    if with_response:
        panels.append(("responding", "Responding (% of all)", 100.0))
    figure, grid = new_figure(SINGLE, 0.8 + 2.0 * len(panels), rows=len(panels), sharex=True)
    last = float(table["day"].max())
    ends: list[list[tuple[float, float, str, str]]] = []
    for axes, (column, label, factor) in zip(grid[:, 0], panels, strict=True):
        ends.append([])
        for i, n in enumerate(counts):
            shown, style = table[(table["doses"] == n) & (table["day"] > 0)], line_style(i)
            axes.plot(shown["day"], shown[column] * factor, **style)
            end = shown.iloc[-1]
            name = f"one {dose}" if n == 1 else f"{counts[n]} {dose}s"
            ends[-1].append((end["day"], end[column] * factor, name, style["color"]))
        axes.set_xlim(0, last)
        axes.set_ylabel(label)
    day_axis(grid[-1, 0], last)
    ground = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    for k, (day, share, n, text) in enumerate(published if with_response else ()):
        colour, axes = COLOURS[0 if n == 1 else 1], grid[1, 0]
        axes.plot(day, share, "D", color=colour, markersize=4, mfc="white" if n == 1 else colour, zorder=3)
        sign = "◇" if n == 1 else "◆"
        place, style = (0.99, 1 - 0.085 * k), {"xycoords": "axes fraction", "ha": "right", "va": "top", "fontsize": 6.5}
        axes.annotate(f"{sign} {text}: {share:g} %", place, color=colour, bbox=ground, **style)
    # Set only now: an axis whose end is set takes in nothing that is drawn later.
    for axes, labels in zip(grid[:, 0], ends, strict=True):
        axes.set_ylim(bottom=0)
        label_ends(axes, labels, characters=9)
    titled(figure, title)
    return figure


def power_curve(rows: Rows, path: str, *, title: str) -> Figure:
    """Power of the primary estimand over one varied path with its Monte Carlo band; the null's rejection rate below.

    Rows of a second curve and later ones come with the error of their difference from the first.
    """
    figure, grid = new_figure(SINGLE, 2.7)
    axes = grid[0, 0]
    ends = []
    lines = by_line(rows)
    for i, (name, line) in enumerate(lines.items()):
        end = _band(axes, line, path, "power", i)
        ends.append((*end, name or "power", line_style(i)["color"]))
    ends += _null_band(axes, rows, path)
    _power_axis(axes)
    axes.set_xlabel(capital(path_in_words(path)) + (PAIRED if len(lines) > 1 else ""))
    label_ends(axes, ends, characters=13)
    titled(figure, title)
    return figure


def assurance(powers: Sequence[float], *, assurance: float, mcse: float, at_own: float, title: str) -> Figure:
    """Power in each draw of the design prior, its mean, the assurance, and the power at the scenario's own values."""
    figure, grid = new_figure(SINGLE, 2.8)
    axes = grid[0, 0]
    bins = [i / 20 for i in range(21)]
    axes.hist(powers, bins=bins, weights=[1 / len(powers)] * len(powers), color=COLOURS[4], edgecolor="white", lw=0.5)
    top = axes.get_ylim()[1]
    axes.set_ylim(0, 1.34 * top)
    marks = [
        (assurance, f"assurance {assurance:.2f} ± {mcse:.1g}", COLOURS[0], "-"),
        (at_own, f"power at own values {at_own:.2f}", COLOURS[1], (0, (3, 2))),
    ]
    # The mark nearer to its end of the axis stands higher, so that its label passes over the other line.
    marks.sort(key=lambda mark: -abs(mark[0] - 0.5))
    for (value, text, colour, style), height in zip(marks, (1.24, 1.1), strict=True):
        axes.plot([value, value], [0, height * top], color=colour, linestyle=style)
        beside(axes, text, (value, height * top), (-3 if value > 0.5 else 3, 0), color=colour, fontsize=7)
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"Power in a draw of the prior ({len(powers)} draws)")
    axes.set_ylabel("Share of draws")
    titled(figure, title)
    return figure


def by_day(rows: Rows, *, unit: str, title: str) -> Figure:
    """How the true contrast and its power move with the day of the primary outcome, a line a variant."""
    figure, grid = new_figure(SINGLE, 4.4, rows=2, sharex=True)
    lines = by_line(rows)
    for axes, metric in zip(grid[:, 0], ("truth", "power"), strict=True):
        ends = []
        for i, (name, line) in enumerate(lines.items()):
            end = _band(axes, line, "estimand.day", metric, i, marked=True)
            ends.append((*end, name or metric, line_style(i)["color"]))
        if metric == "power":
            ends += _null_band(axes, rows, "estimand.day")
            _power_axis(axes)
        else:
            axes.axhline(0, color="0.7", linewidth=0.8)
            axes.set_ylabel(f"True contrast ({unit})")
        label_ends(axes, ends, least_gap=0.09, characters=13)
    day_axis(grid[1, 0], max(_number(row, "estimand.day") for row in rows))
    words = f"{grid[1, 0].get_xlabel()} of the primary outcome (band: 95 % Monte Carlo)"
    grid[1, 0].set_xlabel(words + (PAIRED if len(lines) > 1 else ""))
    grid[1, 0].set_xlim(left=0)
    titled(figure, title)
    return figure


def _null_band(axes: Axes, rows: Rows, path: str) -> list[tuple[float, float, str, str]]:
    """Draw the null's rejection rate, if any, of the first line; where its line ends, and its label."""
    nulls = [row for row in rows if row.metric in ("type_i_error", "false_synergy_rate")]
    if not nulls:
        return []
    first = next(iter(by_line(nulls).values()))
    metric = first[0].metric
    return [(*_band(axes, first, path, metric, None), NULL_NAMES[metric], "0.4")]


def estimands(groups: Mapping[Question, Mapping[str, Row]], *, unit: str, title: str) -> Figure:
    """Each analysis of one contrast beside the truth of its estimand, with power and type I error in figures.

    `groups`: the rows of each analysis by metric.
    """
    questions = list(dict.fromkeys(str(about.strategies) for about in groups))
    height = 1.5 + 0.2 * len(groups) + 0.2 * len(questions)
    figure, grid = new_figure(SINGLE, height, columns=2, sharey=True, width_ratios=[5, 3.2])
    axes, numbers = grid[0]
    y = 0.0
    for q, question in enumerate(questions):
        colour = COLOURS[q % len(COLOURS)]
        part = [by_metric for about, by_metric in groups.items() if about.strategies == question]
        name = question.replace("_", " ") or "all analyses"
        beside(axes, name, (0, y), (2, 0), color=colour, fontsize=7, xycoords=("axes fraction", "data"))
        top, y = y, y + 1
        for group in part:
            mean, reach = group["mean_estimate"].value, 1.96 * group["empirical_se"].value
            axes.plot([mean - reach, mean + reach], [y, y], color=colour, linewidth=1)
            axes.plot([mean], [y], MARKERS[q % len(MARKERS)], color=colour, markersize=4)
            for x, (metric, digits) in enumerate((("power", 2), ("type_i_error", 3))):
                text = f"{group[metric].value:.{digits}f}" if metric in group else ""
                numbers.annotate(text, (x, y), ha="center", va="center", fontsize=7.5)
            y += 1
        axes.plot([part[0]["truth"].value] * 2, [top + 0.5, y - 0.5], color="0.35", linewidth=1, linestyle=(0, (3, 2)))
    labels = []
    for question in questions:
        labels += ["", *(about.analysis for about in groups if about.strategies == question)]
    axes.set_yticks(range(len(labels)), [label.replace("_", " ") for label in labels])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(y - 0.4, -0.6)
    axes.set_xlabel(f"{textwrap.fill(unit, 46)}\nPoint: mean estimate. Line: 95 % between trials\nDashed: truth")
    titled(figure, title)
    numbers.set_xlim(-0.6, 1.6)
    numbers.set_xticks([0, 1], ["power", "type I\nerror"])
    numbers.xaxis.tick_top()
    numbers.tick_params(length=0)
    for side in numbers.spines.values():
        side.set_visible(False)
    numbers.tick_params(axis="y", left=False, labelleft=False)
    return figure


def heat_map(rows: Rows, paths: tuple[str, str], *, title: str) -> Figure:
    """Power of the primary estimand over two varied paths, a panel a variant; white line: 80 %."""
    import numpy as np

    lines = by_line([row for row in rows if row.metric == "power"])
    figure, grid = new_figure(min(SINGLE * len(lines), DOUBLE), 3.2, columns=len(lines))
    worst = 0.0
    image = None
    for axes, (name, line) in zip(grid[0], lines.items(), strict=True):
        xs, ys = (list(dict.fromkeys(row.question.column(path) for row in line)) for path in paths)
        values = np.full((len(ys), len(xs)), np.nan)
        for row in line:
            x, y = (row.question.column(path) for path in paths)
            values[ys.index(y), xs.index(x)] = row.value
            worst = max(worst, row.mcse)
        image = axes.imshow(values, origin="lower", aspect="auto", cmap="cividis", vmin=0, vmax=1)
        for j in range(len(ys)):
            for i in range(len(xs)):
                colour = "black" if values[j, i] > 0.55 else "white"
                weight = "bold" if values[j, i] >= 0.8 else "normal"
                axes.text(
                    i, j, f"{values[j, i]:.2f}", ha="center", va="center", color=colour, fontsize=7.5, weight=weight
                )
        axes.set_xticks(range(len(xs)), [_tick(x) for x in xs])
        axes.set_yticks(range(len(ys)), [_tick(y) for y in ys])
        axes.set_xlabel(capital(path_in_words(paths[0])))
        axes.set_ylabel(capital(path_in_words(paths[1])))
        axes.set_title(name)
    assert image is not None
    figure.colorbar(image, ax=grid[0].tolist(), label=f"Power (bold: ≥ 80 %; MCSE ≤ {worst:.2g})")
    titled(figure, title, TITLE * min(len(lines), 2))
    return figure


def interaction_room(
    means: Sequence[tuple[str, float]], *, additive: float, best: float, detectable: float, unit: str, title: str
) -> Figure:
    """A 2×2 on its own scale: the cells, the additive sum, the room above it and the detectable interaction.

    `means`: (label, mean) of the four cells, the combined one last.
    """
    figure, grid = new_figure(SINGLE, 3.5)
    axes = grid[0, 0]
    direction = 1.0 if best > additive else -1.0
    target = additive + direction * detectable
    for i, (label, mean) in enumerate(means):
        combined = i == len(means) - 1
        axes.plot(i, mean, "D" if combined else "o", color=COLOURS[1 if combined else 0], markersize=5)
        beside(axes, f"{mean:.0f}", (i, mean), (-6, 0), fontsize=7.5)
        name = textwrap.fill(label, 12)
        beside(axes, name, (i, 0), (0, -6), xycoords=("data", "axes fraction"), va="top", fontsize=6)
    last = len(means) - 1
    axes.hlines(additive, last - 0.3, last + 1.25, color="0.3", linewidth=1, linestyle="--")
    beside(axes, "sum of both effects", (last + 0.3, additive), (0, 2), ha="right", fontsize=7, color="0.3")
    axes.axhline(best, color="0.3", linewidth=1)
    beside(axes, f"end of the scale, {best:g}", (-0.35, best), (0, 3), ha="left", fontsize=7, color="0.3")
    reached = f"detect-\nable\n{detectable:.0f}"
    # What cannot be reached is labelled where it stands: beyond the end of the scale.
    edge = best if (target - best) * direction > 0 else additive
    for x, end, at, text, colour in (
        (last + 0.4, best, (best + additive) / 2, f"room\n{abs(best - additive):.0f}", COLOURS[2]),
        (last + 1.2, target, (edge + target) / 2, reached, COLOURS[1]),
    ):
        axes.annotate("", (x, end), (x, additive), arrowprops={"arrowstyle": "<->", "color": colour, "linewidth": 1.5})
        beside(axes, text, (x, at), (4, 0), color=colour, fontsize=7)
    cells = [mean for _, mean in means]
    span = abs(target - (min(cells) if direction > 0 else max(cells)))
    ends = [*cells, target, best]
    axes.set_ylim(min(ends) - 0.12 * span, max(ends) + 0.1 * span)
    axes.set_xlim(-0.6, last + 2.1)
    axes.set_xticks([])
    axes.set_yticks(
        [tick for tick in axes.get_yticks() if (best - tick) * direction >= 0 and min(ends) <= tick <= max(ends)]
    )
    axes.set_ylabel(unit)
    titled(figure, title)
    return figure


def _tick(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def by_line(rows: Rows) -> dict[str, list[Row]]:
    """Rows grouped by variant, in the order in which they come."""
    lines: dict[str, list[Row]] = {}
    for row in rows:
        lines.setdefault(str(row.question.column("variant") or ""), []).append(row)
    return lines


def _band(
    axes: Axes, rows: Rows, path: str, metric: str, i: int | None, *, marked: bool = False
) -> tuple[float, float]:
    """Draw one metric over a path with its 95 % Monte Carlo band, as the i-th line or as a null's; its last point."""
    points = sorted((_number(row, path), row.value, row.mcse) for row in rows if row.metric == metric)
    x, y = [p[0] for p in points], [p[1] for p in points]
    style = {"color": "0.5", "linewidth": 1.0} if i is None else line_style(i)
    marker = MARKERS[i % len(MARKERS)] if marked and i is not None else None
    axes.plot(x, y, marker=marker, markersize=3, **style)
    low, high = ([v + side * 1.96 * e for _, v, e in points] for side in (-1, 1))
    axes.fill_between(x, low, high, color=style["color"], alpha=0.2, lw=0)
    return x[-1], y[-1]


def _number(row: Row, path: str) -> float:
    """The value of a varied path, which is a number."""
    return float(row.question.column(path) or 0)


def _power_axis(axes: Axes) -> None:
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("Power (band: 95 %)")
    for level in (0.8, 0.9):
        axes.axhline(level, color="0.75", linewidth=0.7, linestyle=":")
