"""What figures have alike: column width, lines that colour and greyscale tell apart, words for paths, labels, time."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Okabe and Ito's colours, which the colour blind can tell apart; yellow is left out for its contrast.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
# What tells lines apart in greyscale, in the order of COLOURS.
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.6, 1.2, 1.6)), (0, (3, 1)), (0, (8, 2)), "-")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


# Inches: one column of a journal (8.9 cm), and two.
SINGLE, DOUBLE = 3.5, 7.0
# Characters of a title, 8.5 points large, on one column and on two.
TITLE, WIDE_TITLE = 50, 106


# What paths of a scenario are called on axes and in sentences.
PATH_NAMES = {
    "design.n_per_arm": "patients per arm",
    "design.n_total": "patients in all",
    "design.allocation.ratio": "allocation ratio",
    "design.visits": "visits, days",
    "estimand.day": "day of the primary outcome",
    "estimand.endpoint": "endpoint",
    "estimand.margin": "margin",
    "analysis.alpha": "α",
    "population.baseline": "baseline score",
    "population.non_responders": "share who do not respond",
    "natural_course.change": "improvement without treatment",
    "decision.margin": "margin that matters",
    "expectancy.drug.effect": "effect of believing in the drug",
    "expectancy.drug.belief": "share who believe they had the drug",
    "expectancy.drug.onset": "onset of belief in the drug, days",
    "expectancy.drug.half_life": "half-life of belief in the drug, days",
    "expectancy.drug.disappointment": "disappointment without the drug",
    "expectancy.therapy.effect": "effect of hoping for the therapy",
    "expectancy.therapy.onset": "onset of hope for the therapy, days",
    "expectancy.therapy.half_life": "half-life of hope for the therapy, days",
    "expectancy.therapy.disappointment": "disappointment without the therapy",
    "clinic.sessions.to_hours": "window ends, hours after infusion",
}
# What the last key of a path is called, where the whole has no name.
KEY_NAMES = {
    "max_effect": "largest effect",
    "half_life": "half-life, days",
    "window_half_life": "half-life of the window, days",
    "share": "share of the baseline removed",
    "gamma": "gain in the window, γ",
    "kappa": "slowing of the drug's decay, κ",
    "overlap": "overlap, ξ",
    "mg_per_kg": "dose, mg/kg",
    "days": "days",
    "ec50": "EC50, mg/kg",
    "rate": "rate",
    "correlation": "correlation",
    "sd": "SD",
    "spread": "spread between patients",
    "therapist_sd": "SD between therapists",
    "deviation_sd": "SD of a patient's ups and downs",
    "deviation_time_constant": "time constant of ups and downs, days",
    "rater_sd": "SD of rating errors",
    "non_responders": "share who do not respond",
    "learning_per_session": "learning per session",
    "hazard": "hazard a day",
    "last_score": "slope in the last score",
}


def path_in_words(path: str) -> str:
    """What a path of a scenario is called; where no table has it, its own keys as words."""
    whole = path.removesuffix(".value")
    if whole in PATH_NAMES:
        return PATH_NAMES[whole]
    keys = [key for key in re.split(r"[.\[\]]+", whole) if key and not key.isdigit()]
    if keys[-2:] == ["therapists", "sd"]:
        return f"SD between therapists ({keys[-3].replace('_', ' ')})"
    last = KEY_NAMES.get(keys[-1], keys[-1].replace("_", " "))
    of = keys[-2].replace("_", " ") if len(keys) > 1 else ""
    return f"{last} ({of})" if of else last


def name_in_words(path: str) -> str:
    """The same without its unit, for a sentence."""
    return re.sub(r", [^()]*(?= \(|$)", "", path_in_words(path))


def capital(text: str) -> str:
    """The text with a capital first letter, unless its first word is a symbol."""
    return text[:1].upper() + text[1:] if text[:1].isascii() else text


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **grid: Any) -> tuple[Figure, Any]:
    """A figure of this size in inches, and its axes as a grid."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from kaptrial.output.shown_figure import ShownFigure

    mpl.rcParams.update(
        {
            "font.size": 8, "axes.titlesize": 8.5, "axes.labelsize": 8, "xtick.labelsize": 7.5, "ytick.labelsize": 7.5,
            "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left", "pdf.fonttype": 42,
            "svg.hashsalt": "kaptrial", "lines.linewidth": 1.5, "text.parse_math": False,
        }
    )  # fmt: skip
    figure = ShownFigure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **grid)


def line_style(i: int) -> dict[str, Any]:
    """Colour and dashes of the i-th line."""
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)]}


def titled(figure: Figure, title: str, characters: int = TITLE, size: float = 8.5) -> None:
    """A title over the whole figure, from its left edge; its lines are wrapped each."""
    lines = [textwrap.fill(line, characters) for line in title.splitlines()]
    figure.suptitle("\n".join(lines), fontsize=size, x=0.01, ha="left")


def beside(axes: Axes, text: str, at: tuple[Any, Any], shift: tuple[float, float], **style: Any) -> None:
    """Write a text `shift` points away from a place, with the side that faces it at that distance."""
    facing = {"ha": "left" if shift[0] > 0 else "right" if shift[0] < 0 else "center", "fontsize": 7.5}
    facing["va"] = "center" if shift[1] == 0 else "baseline"
    axes.annotate(text, at, xytext=shift, textcoords="offset points", **(facing | style))


def label_ends(
    axes: Axes, ends: Sequence[tuple[float, float, str, str]], least_gap: float = 0.07, characters: int = 22
) -> None:
    """Write (x, y, text, colour) to the right of each line's end, wrapped, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    ordered = sorted(ends, key=lambda end: end[1])
    texts = [textwrap.fill(text, characters) for _, _, text, _ in ordered]
    heights = [least_gap * abs(high - low) * (text.count("\n") + 1) for text in texts]
    places = _apart([y for _, y, _, _ in ordered], heights)
    for (x, _, _, colour), text, at in zip(ordered, texts, places, strict=True):
        beside(axes, text, (x, at), (5, 0), color=colour, annotation_clip=False, linespacing=1.0)


def _apart(places: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Rising places moved apart, as little as may be, until what stands there with these heights does not overlap."""
    at = list(places)
    for _ in range(100):
        for k in range(len(at) - 1):
            overlap = (heights[k] + heights[k + 1]) / 2 - (at[k + 1] - at[k])
            if overlap > 0:
                at[k], at[k + 1] = at[k] - overlap / 2, at[k + 1] + overlap / 2
    return at


def day_axis(axes: Axes, last: float, first: float = 0.0) -> None:
    """A time axis to scale: ticks on days, whole weeks where there is room for no more; months are not used."""
    from matplotlib.ticker import MultipleLocator

    span = last - min(first, 0.0)
    steps = (1, 2, 7, 14, 28, 56, 84, 182, 364)
    step = next((step for step in steps if span / step <= 8), 728)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    if step >= 28:
        axes.xaxis.set_major_formatter(_week)
        axes.set_xlabel("Week")
    else:
        axes.set_xlabel("Day")


def _week(day: float, _: float) -> str:
    """The week of a day, as a tick shows it; by a name, so that a figure can be copied."""
    return f"{day / 7:g}"
