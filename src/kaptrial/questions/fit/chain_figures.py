"""Figures of the chains: traces, ranks, what the data told of each unknown, and what power-scaling does."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.output.figures import COLOURS, DOUBLE, WIDE_TITLE, line_style, new_figure, titled
from kaptrial.questions.fit.chains import RANK_BINS, Unknown, density, rank_shares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS, GREY = 3, "0.45"
# Lines of a trace: more cannot be seen apart on a column.
TRACED = 500


def traces(unknowns: Sequence[Unknown], *, title: str) -> Figure:
    """Draws in their order, one line a chain."""

    def draw(axes: Axes, unknown: Unknown) -> None:
        kept = np.unique(np.linspace(0, unknown.draws.shape[1] - 1, TRACED).astype(np.int64))
        for chain, colour in zip(unknown.draws, COLOURS, strict=False):
            axes.plot(kept + 1, chain[kept], color=colour, linewidth=0.35, alpha=0.8)
        axes.set_xlim(1, unknown.draws.shape[1])

    return _panels(unknowns, draw, title=title, x="Draw", y="")


def ranks(unknowns: Sequence[Unknown], *, title: str) -> Figure:
    """Histograms of each chain's ranks among the draws of all."""
    edges = np.linspace(0, 1, RANK_BINS + 1)

    def draw(axes: Axes, unknown: Unknown) -> None:
        axes.axhline(1, color="0.3", linewidth=0.8)
        for i, shares in enumerate(rank_shares(unknown.draws)):
            axes.stairs(shares, edges, baseline=None, linewidth=1, **line_style(i))
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 2)

    return _panels(unknowns, draw, title=title, x="Rank among all draws, as a share", y="Density")


def before_and_after(unknowns: Sequence[Unknown], *, title: str) -> Figure:
    """Densities of prior (grey) and posterior (blue) where the posterior is, with the contraction."""

    def draw(axes: Axes, unknown: Unknown) -> None:
        after = unknown.draws.ravel()
        low, high = np.quantile(after, [0.001, 0.999])
        x = np.linspace(low - 0.35 * (high - low), high + 0.35 * (high - low), 200)
        posterior = density(after, x)
        axes.fill_between(x, posterior, color=COLOURS[0], alpha=0.25, lw=0)
        axes.plot(x, posterior, color=COLOURS[0])
        axes.plot(x, density(unknown.prior, x), color=GREY, linewidth=1.2, linestyle=(0, (4, 2)))
        axes.set_xlim(x[0], x[-1])
        axes.set_ylim(0, 1.3 * posterior.max())
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        share = contraction(unknown)
        text = "> 99 %" if share > 0.99 else f"{100 * max(share, 0):.0f} %"
        axes.annotate(text, (0.98, 0.96), xycoords="axes fraction", ha="right", va="top", fontsize=7, color="0.2")

    return _panels(unknowns, draw, title=title, x="", y="")


def contraction(unknown: Unknown) -> float:
    """The share of the prior's variance that the data took away, of the middle 95 % of it, which heavy tails allow."""
    widths = [float(np.subtract(*np.quantile(x, [0.975, 0.025]))) for x in (unknown.draws, unknown.prior)]
    return 1 - (widths[0] / widths[1]) ** 2


def power_scaling(
    scaled: Sequence[tuple[str, Sequence[float], Floats, float]], *, unit: str, name: str, title: str
) -> Figure:
    """The answer under powers of prior and likelihood. `scaled`: what, powers, draws (power, draw), sensitivity."""
    figure, grid = new_figure(DOUBLE, 2.7, columns=len(scaled), sharex=True, sharey=True)
    pooled = np.concatenate([draws.ravel() for _, _, draws, _ in scaled])
    low, high = np.quantile(pooled, [0.001, 0.999])
    x = np.linspace(low - 0.1 * (high - low), high + 0.1 * (high - low), 300)
    for axes, (what, powers, draws, sensitivity) in zip(grid[0], scaled, strict=True):
        axes.axvline(0, color="0.6", linewidth=0.8)
        for i, (power, own) in enumerate(zip(powers, draws, strict=True)):
            style = line_style(i + 1) | ({"color": "black", "linestyle": "-"} if power == 1 else {})
            axes.plot(x, density(own, x), label=f"{power:g}", **style)
        axes.set_title(f"{what}: sensitivity {sensitivity:.2f}")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.legend(title="power", fontsize=7, title_fontsize=7, frameon=False, loc="upper right")
        axes.set_xlabel(f"{name} ({unit})")
    titled(figure, title, WIDE_TITLE)
    return figure


def _panels(unknowns: Sequence[Unknown], draw: Callable[[Any, Unknown], None], *, title: str, x: str, y: str) -> Figure:
    """One panel an unknown."""
    lines = -(-len(unknowns) // COLUMNS)
    figure, grid = new_figure(DOUBLE, 0.9 + 1.35 * lines, rows=lines, columns=COLUMNS)
    flat = grid.ravel()
    for axes, unknown in zip(flat, unknowns, strict=False):
        draw(axes, unknown)
        axes.set_title(textwrap.fill(unknown.label, 38), fontsize=7.5)
    for axes in flat[len(unknowns) :]:
        axes.set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel(x)
    for axes in grid[:, 0]:
        axes.set_ylabel(y)
    titled(figure, title, WIDE_TITLE)
    return figure
