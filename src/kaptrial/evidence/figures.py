"""Figures of the evidence: predicted against reported, and the calibrated model beside what was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kaptrial.evidence.replication import kind_of
from kaptrial.output.figures import COLOURS, DOUBLE, MARKERS, WIDE_TITLE, new_figure, titled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KINDS = {
    "share": ("Shares of patients (%)", 100.0),
    "mean": ("Means and differences (% of the baseline; % of days)", 100.0),
    "standardised": ("Standardised effects (SD)", 1.0),
    "time": ("Times (days; number of doses)", 1.0),
}
SHORT = {
    "response": "response", "remission": "remission", "response_any_time": "response at any time",
    "mean": "mean score", "mean_change": "mean change", "percent_change": "change", "difference": "difference",
    "standardised_benefit": "d", "standardised_difference": "SMD of scores", "standardised_change": "pre-post d",
    "significant": "significant", "relapsed": "relapsed",
    "relapse_free": "free of relapse", "median_days_to_relapse": "median days to relapse",
    "mean_days_to_relapse": "mean days to relapse", "median_days_to_relapse_in_relapsers": "median days, relapsers",
    "response_among_responders": "still responding", "response_among_nonresponders": "late response",
    "remission_among_remitters": "still in remission", "sustained_response": "sustained response",
    "abstinent": "abstinent", "days_abstinent_difference": "days abstinent, difference",
    "median_doses_to_response": "median doses to response", "response_ratio": "ratio of response",
}  # fmt: skip
_ROW_INCHES = 0.125


def replication(table: pd.DataFrame, *, width: float = DOUBLE) -> Figure:
    """Predictive median, 50 % and 90 % intervals (bars) and the reported figure (ring; a cross where it is missed)."""
    parts = [(kind, rows) for kind in _KINDS if len(rows := _of_kind(table, kind))]
    heights = [len(rows) + 3 for _, rows in parts]
    figure, axes = new_figure(width, _ROW_INCHES * sum(heights) + 0.6, rows=len(parts), height_ratios=heights)
    for axis, (kind, rows) in zip(axes[:, 0], parts, strict=True):
        _forest(axis, rows, *_KINDS[kind], factor_of=_shown_factor)
    inside = int(table["inside_90"].sum())
    titled(figure, f"{inside} of {len(table)} reported figures lie in the 90 % interval predicted of them", WIDE_TITLE)
    return figure


def _of_kind(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    rows = table[table["statistic"].map(kind_of) == kind]
    return rows[rows["statistic"] != "response_ratio"] if kind == "share" else rows


def _shown_factor(row: Mapping[str, Any]) -> float:
    """What a value is multiplied with to be shown: shares and points become percent."""
    kind = kind_of(row["statistic"])
    if kind == "share":
        return 100.0
    if kind == "mean":
        in_percent = row["statistic"] in ("percent_change", "days_abstinent_difference")
        return 1.0 if in_percent else 100.0 / row["unit"]
    return 1.0


def _forest(axis: Axes, rows: pd.DataFrame, title: str, _: float, *, factor_of: Any) -> None:
    records: list[dict[str, Any]] = [dict(row) for _, row in rows.iterrows()]
    largest = max(abs(row[q]) * factor_of(row) for row in records for q in ("reported", "q75") if np.isfinite(row[q]))
    for y, row in enumerate(records):
        factor = factor_of(row)
        low, q25, median, q75, high = (
            float(np.clip(row[q] * factor, -3 * largest, 3 * largest)) for q in ("q05", "q25", "median", "q75", "q95")
        )
        hit = bool(row["inside_90"])
        colour = COLOURS[0] if hit else COLOURS[1]
        axis.plot([low, high], [y, y], color=colour, linewidth=0.8, solid_capstyle="butt")
        axis.plot([q25, q75], [y, y], color=colour, linewidth=2.6, alpha=0.55, solid_capstyle="butt")
        axis.plot([median], [y], marker="|", color=colour, markersize=4, markeredgewidth=1.0)
        style: dict[str, Any] = {"marker": "o", "markerfacecolor": "white"} if hit else {"marker": "X"}
        axis.plot([row["reported"] * factor], [y], color=colour, markersize=3.6, markeredgewidth=0.9, **style)
    axis.set_yticks(range(len(records)), [_label(row) for row in records], fontsize=5.2)
    axis.set_ylim(len(records) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.set_title(title)
    axis.axvline(0, color="0.8", linewidth=0.6, zorder=0)
    finite = [v * factor_of(r) for r in records for v in (r["reported"], r["q05"], r["q95"]) if np.isfinite(v)]
    axis.set_xlim(min(0.0, *finite) - 0.02 * largest, min(max(finite), 2.2 * largest) + 0.02 * largest)


def _label(row: Mapping[str, Any]) -> str:
    scale = "" if row["endpoint"] in ("percent_abstinent_days",) else f" {row['endpoint']}"
    return f"{row['trial']}: {SHORT[row['statistic']]}{scale}, {row['arm'].replace('_', ' ')}, day {row['day']:.3g}"


def distributions(columns: Mapping[str, tuple[np.ndarray, np.ndarray]], *, names: Sequence[str]) -> Figure:
    """Prior (grey) and posterior (blue) of each parameter: histograms of draws with their 90 % intervals."""
    across = 4
    down = -(-len(names) // across)
    figure, axes = new_figure(DOUBLE, 1.15 * down + 0.3, rows=down, columns=across)
    for axis, name in zip(axes.ravel(), names, strict=False):
        prior, posterior = columns[name]
        low, high = np.quantile(np.concatenate([prior, posterior]), [0.005, 0.995])
        bins = np.linspace(low, high, 40)
        axis.hist(prior, bins=bins, density=True, color="0.8")
        axis.hist(posterior, bins=bins, density=True, color=COLOURS[0], alpha=0.7)
        axis.set_title(name.replace("_", " "), fontsize=7)
        axis.set_yticks([])
        axis.tick_params(labelsize=6)
    for axis in axes.ravel()[len(names) :]:
        axis.set_visible(False)
    narrowed = sum(np.var(columns[name][1]) < np.var(columns[name][0]) / 2 for name in names)
    titled(
        figure, f"{narrowed} of {len(names)} parameters keep less than half of their variance before data", WIDE_TITLE
    )
    return figure


# Parameters that trade off: what keeps some patients well for months.
_JOINT = {
    "log_half_life_sd": "SD of log half-life",
    "durable_share": "durable share",
    "non_responders": "non-responders",
    "log_half_life": "log half-life (days)",
}


def joint_draws(draws: Mapping[str, np.ndarray]) -> Figure:
    """Pairs of draws of the parameters that explain the same tail, with their rank correlations."""
    from scipy.stats import spearmanr

    names = list(_JOINT)
    n = len(names)
    figure, axes = new_figure(DOUBLE, DOUBLE * 0.8, rows=n, columns=n)
    found: dict[tuple[str, str], float] = {}
    for i, below in enumerate(names):
        for j, beside in enumerate(names):
            axis = axes[i, j]
            axis.tick_params(labelsize=6)
            if j > i:
                axis.set_axis_off()
                correlation = float(spearmanr(draws[below], draws[beside]).statistic)
                found[below, beside] = correlation
                axis.text(0.5, 0.5, f"{correlation:+.2f}", ha="center", va="center", transform=axis.transAxes)
            elif i == j:
                axis.hist(draws[below], bins=30, color=COLOURS[0], alpha=0.7)
                axis.set_yticks([])
            else:
                axis.plot(draws[beside], draws[below], ".", markersize=1.5, color=COLOURS[0], alpha=0.4)
            if i == n - 1:
                axis.set_xlabel(_JOINT[beside], fontsize=7)
            if j == 0 and i > 0:
                axis.set_ylabel(_JOINT[below], fontsize=7)
    pair = max(found, key=lambda names: abs(found[names]))
    traded = " and ".join(_JOINT[name] for name in pair)
    titled(figure, f"What the trials tell least apart: {traded} (rank correlation {found[pair]:+.2f})", WIDE_TITLE)
    return figure


def predictive_summaries(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """What each fit says a new trial would show: median and 90 % interval of every line, one colour a fit."""
    first = next(iter(tables.values()))
    lines = list(first["figure"])
    shares = list(first.loc[first["unit"] == "share", "figure"])
    days = [line for line in lines if line not in shares]
    parts = [(shares, 100.0, "Share of patients (%)"), (days, 1.0, "Days; ratio (log scale)")]
    figure, axes = new_figure(DOUBLE, 0.28 * len(lines) + 1.3, rows=2, height_ratios=[len(shares), len(days)])
    for axis, (rows, factor, title) in zip(axes[:, 0], parts, strict=True):
        for k, table in enumerate(tables.values()):
            known = table.set_index("figure")
            for y, line in enumerate(rows):
                at = y + 0.2 * (k - (len(tables) - 1) / 2)
                low, middle, high = (min(float(known.loc[line, q]) * factor, 400.0) for q in ("q05", "median", "q95"))
                axis.plot([low, high], [at, at], color=COLOURS[k] if k else "0.7", linewidth=1.6)
                axis.plot([middle], [at], MARKERS[k], color=COLOURS[k] if k else "0.5", markersize=3)
        axis.set_yticks(range(len(rows)), [line[:62] for line in rows], fontsize=6.5)
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.set_title(title)
    axes[1, 0].set_xscale("log")
    ticks = (1, 2, 5, 10, 20, 50, 100, 200, 400)
    axes[1, 0].set_xticks(ticks, [str(tick) for tick in ticks])
    axes[1, 0].minorticks_off()
    for k, name in enumerate(tables):  # beside the controls' rows, whose bars are short
        style = {"color": COLOURS[k] if k else "0.5", "fontsize": 7, "ha": "right"}
        axes[0, 0].text(0.97, 0.47 - 0.07 * k, name, transform=axes[0, 0].transAxes, **style)
        place = ([0.985], [0.47 - 0.07 * k + 0.015])
        axes[0, 0].plot(*place, MARKERS[k], color=style["color"], markersize=3, transform=axes[0, 0].transAxes)
    titled(figure, _moved(tables), WIDE_TITLE)
    return figure


def _moved(tables: Mapping[str, pd.DataFrame]) -> str:
    """The first line of the card under the first set of evidence and under the others."""
    values = {name: table.iloc[0] for name, table in tables.items()}
    said = ", ".join(f"{100 * row['median']:.0f} % ({name})" for name, row in values.items())
    return f"{next(iter(values.values()))['figure']}: {said}"


def self_check(differences: Mapping[str, tuple[np.ndarray, np.ndarray]], band: tuple[np.ndarray, np.ndarray]) -> Figure:
    """Simulation-based calibration: each parameter's ECDF of ranks less the uniform one, in its simultaneous band."""
    names = list(differences)
    outside: list[str] = []
    across = 5
    down = -(-len(names) // across)
    figure, axes = new_figure(DOUBLE, 1.05 * down + 0.3, rows=down, columns=across, sharex=True, sharey=True)
    low, high = band
    for axis, name in zip(axes.ravel(), names, strict=False):
        at, difference = differences[name]
        out = bool(np.any((difference < low - 1e-12) | (difference > high + 1e-12)))
        outside += [name.replace("_", " ")] if out else []
        axis.fill_between(at, low, high, color="0.9", linewidth=0)
        axis.step(at, difference, where="mid", color=COLOURS[1] if out else COLOURS[0], linewidth=1)
        axis.set_title(name.replace("_", " "), fontsize=6.5)
        axis.tick_params(labelsize=6)
    for axis in axes.ravel()[len(names) :]:
        axis.set_visible(False)
    figure.supylabel("ECDF of ranks − uniform", fontsize=7)
    verdict = f"Outside their bands: {', '.join(outside)}" if outside else "Every parameter's ranks stay in their band"
    titled(figure, verdict, WIDE_TITLE)
    return figure
