"""What was published of the lines of a card: figures of the catalogue, and where they lie on the model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import bdtr

from kaptrial.catalogue import Figure, source, trial, trial_keys
from kaptrial.catalogue.priors import provenance
from kaptrial.results import Note

# Units in which an effect stands: what separates two arms, by which a trial would be sized.
EFFECT_UNITS = ("SD", "points apart")
# Intervals by their ends, the wider first, and what leaves out on either side of each.
_INTERVALS = (("90 %", ("q05", "q95"), 0.05), ("50 %", ("q25", "q75"), 0.25))


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A figure of the catalogue, by the words that it has there.

    `item`: which of several values. `improvement`: it is a change of scores, so that its sign is turned. `about`: how
    it differs from what the line says.
    """

    source: str
    statistic: str
    time: str | None = None
    arm: str | None = None
    item: int | None = None
    improvement: bool = False
    about: str = ""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published figure in the unit of a line. `fitted`: it was read by the fit on its own.

    `patients`: of whom it is a share, where it is of one trial.
    """

    value: float
    unit: str
    source: str
    pooled: bool
    fitted: bool
    about: str
    patients: int | None

    @property
    def text(self) -> str:
        """As it stands on the card: * was not fitted, or only as part of a pooled analysis."""
        said = in_words(self.unit, self.value) + ("" if self.fitted else "*")
        return said + (" pooled" if self.pooled else "") + (f", {self.about}" if self.about else "")

    def side(self, low: float, high: float, rarely: float) -> str:
        """Below or above an interval; empty inside.

        The share of one trial is outside where even at the end of the interval a trial of its size would give it, or
        one further out, more `rarely`: the interval is of large trials.
        """
        side = "below" if self.value < low else "above" if self.value > high else ""
        if not side or self.patients is None:
            return side
        count = round(self.value * self.patients)
        tail = bdtr(count, self.patients, low) if side == "below" else 1 - bdtr(count - 1, self.patients, high)
        return side if tail < rarely else ""


def published(reference: Reference, unit: str, prior: str) -> Published:
    """The figure that a reference means. Raises KeyError unless the catalogue has exactly one."""
    figure = _figure(reference)
    value = figure.value if reference.item is None else figure.value[reference.item]
    number = float(value) / (100 if unit == "share" else 1)
    of_trial = reference.source in trial_keys()
    return Published(
        value=-number if reference.improvement else number,
        unit=unit,
        source=reference.source,
        pooled=not of_trial or trial(reference.source).pooled > 1,
        fitted=figure.target and reference.source in provenance(prior).get("trials", ()),
        about=reference.about,
        patients=_patients(reference.source, figure) if unit == "share" else None,
    )


def _patients(key: str, figure: Figure) -> int | None:
    """The patients of whom a figure of one trial is a share; None where it does not say, or is of a pooled analysis."""
    if not figure.target or trial(key).pooled > 1:
        return None
    measure = figure.measures[0]
    sizes = {arm["id"]: int(arm["n"]) for arm in trial(key).arms}
    return int(measure.get("n", sizes[measure["arm"]]))


def _figure(reference: Reference) -> Figure:
    if reference.source in trial_keys():
        every: Sequence[Figure] = trial(reference.source).figures
    else:
        every = [_of_source(raw) for raw in source(reference.source)["figures"]]
    matching = [
        figure
        for figure in every
        if figure.statistic == reference.statistic
        and reference.time in (None, figure.time)
        and reference.arm in (None, figure.arm)
    ]
    if len(matching) != 1:
        raise KeyError(f"{reference}: {len(matching)} figures")
    return matching[0]


def _of_source(raw: Mapping[str, Any]) -> Figure:
    return Figure(
        time=str(raw.get("time", "")), arm="", statistic=raw["statistic"], value=raw["value"], quality=raw["quality"],
        url=raw.get("url"), how=raw.get("how"), note=raw.get("note"), not_target=None, uncertainty={}, measures=(),
    )  # fmt: skip


def beside(row: Mapping[str, Any], references: Sequence[Reference], prior: str) -> tuple[Published, ...]:
    """The published figures of a line of the card."""
    return tuple(published(reference, row["unit"], prior) for reference in references)


def outside(row: Mapping[str, Any], figures: Sequence[Published]) -> Note | None:
    """Which of the published figures lie outside a line's 50 or 90 % interval; None where none does.

    Of an effect all of whose pooled figures lie on one side of the 50 % interval it says that no trial may be sized by
    it.
    """
    said = []
    seen: list[Published] = []
    for text, (low, high), rarely in _INTERVALS:
        for side in ("below", "above"):
            out = [p for p in figures if p not in seen and p.side(row[low], row[high], rarely) == side]
            if out:
                named = "; ".join(f"{p.text} ({p.source})" for p in out)
                between = f"{in_words(row['unit'], row[low])} to {in_words(row['unit'], row[high])}"
                said.append(f"{named}: {side} the {text} interval ({between})")
                seen += out
    if not said:
        return None
    text = f"{row['figure']}: {', and '.join(said)}."
    if (far := _far_from_pooled(row, figures)) is not None:
        return Note(code="not_to_be_sized_by", severity="warning", text=f"{text} {far}")
    _, (low, high), rarely = _INTERVALS[0]
    far_out = any(p.side(row[low], row[high], rarely) for p in figures)
    return Note(code="published_outside", severity="warning" if far_out else "information", text=text)


def _far_from_pooled(row: Mapping[str, Any], figures: Sequence[Published]) -> str | None:
    """What to make of an effect with all pooled figures on one side of its 50 % interval; None where they are not."""
    _, (low, high), rarely = _INTERVALS[-1]
    pooled = sorted((p for p in figures if p.pooled), key=lambda p: p.value)
    sides = {p.side(row[low], row[high], rarely) for p in pooled}
    if row["unit"] not in EFFECT_UNITS or len(sides) != 1 or not (side := sides.pop()):
        return None
    least, most = (in_words(row["unit"], p.value) for p in (pooled[0], pooled[-1]))
    between = least if least == most else f"{least} to {most}"
    where = "above" if side == "below" else "below"
    return (
        f"The prior ({in_words(row['unit'], row['median'])}) is far {where} the pooled evidence ({between}): "
        "a trial must not be sized by it."
    )


def in_words(unit: str, value: float) -> str:
    """A number of a card in its unit."""
    if value in (float("inf"), float("-inf")):
        return "not reached"
    if unit == "share":
        return f"{100 * value:.0f} %"
    if unit == "SD":
        return f"{value:.2f}"
    if unit.startswith("points"):
        return f"{value:.1f}"
    number = f"{value:.1f}" if value < 10 else f"{value:.0f}"
    return f"{number} days" if unit == "days" else f"× {number}"
