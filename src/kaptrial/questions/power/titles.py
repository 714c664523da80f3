"""Titles of the figures of a power run: what each shows, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kaptrial.output.figures import capital, path_in_words
from kaptrial.questions.power.headline import called, in_unit, unit_of, when
from kaptrial.results import Question, Row
from kaptrial.scenario.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

    from kaptrial.questions.power.characteristics import CellResult

ENOUGH = 0.8


def contrast_in_words(s: Scenario) -> str:
    """The primary contrast with its arms' labels, or with what its factors are called."""
    labels = {arm.id: arm.label or arm.id for arm in s.arms}
    asked = s.estimand.contrast
    left, minus, right = asked.partition(" - ")
    if minus and left in labels and right in labels:
        return f"{labels[left]} against {labels[right]}"
    if asked in labels:
        return labels[asked]
    if ":" in asked:
        first, _, second = asked.partition(":")
        return f"the interaction of {first} and {second}"
    if asked.startswith("main(") and asked.endswith(")"):
        return f"the main effect of {asked[5:-1]}"
    return asked


def effect(result: CellResult) -> str:
    """The true effect of the primary question."""
    s, truth = result.cell.scenario, result.primary["truth"]
    measure = truth.question.measure
    unit, size = unit_of(s, measure), in_unit(truth.value, truth.mcse, measure, s)
    about = "" if s.estimand.endpoint == "score" else f" in {called(s.estimand.endpoint)}"
    who = capital(contrast_in_words(s))
    if len(s.arms) == 1:
        return f"{who}: {size} {unit}{about} {when(s)}"
    if measure.startswith("log_"):
        return f"{who}: {unit} {size} for {called(s.estimand.endpoint)} {when(s)}"
    return f"{who}: a difference of {size} {unit}{about} {when(s)}"


def of_variant(result: CellResult) -> str:
    """The variant that is drawn, before what is said of it; nothing where there is none."""
    variant = result.cell.columns.get("variant")
    return f"Variant {variant}. " if variant else ""


def decay(table: pd.DataFrame, *, dose: str, counts: dict[int, str], size: str) -> str:
    """When half the improvement is gone, after one dose and after the series."""
    gone = []
    for n in counts:
        course = table[table["doses"] == n]
        days, improvement = course["day"].to_numpy(), course["improvement"].to_numpy()
        best = int(improvement.argmax())
        later = days[best:][improvement[best:] <= improvement[best] / 2]
        after = f"after {'one' if n == 1 else counts[n]}"
        gone.append(f"by day {later[0]:g} {after}" if len(later) else f"not by day {days[-1]:g} {after}")
    series = counts[int(table["doses"].max())]
    return f"One and {series} {dose}s of {size}, no therapy: half the improvement is gone {', '.join(gone)}"


def compared(result: CellResult, groups: dict[Question, dict[str, Row]]) -> str:
    """Between which analyses power lies."""
    power = {about: rows["power"].value for about, rows in groups.items() if "power" in rows}
    if not power:
        return effect(result)
    low, high = (pick(power, key=lambda about: power[about]) for pick in (min, max))
    said = f"power from {_rate(power[low])} ({_analysis(low)}) to {_rate(power[high])} ({_analysis(high)})"
    return f"{effect(result)}; {said}"


def _analysis(about: Question) -> str:
    strategies = "" if not about.strategies else f", {about.strategies}"
    return f"{about.analysis}{strategies}".replace("_", " ")


def _rate(share: float) -> str:
    return f"{100 * share:.0f} %"


def by_day(s: Scenario, lines: Mapping[str, Sequence[Row]]) -> str:
    """On which day power is highest, in each variant."""
    peaks = []
    for name, rows in lines.items():
        best = max((row for row in rows if row.metric == "power"), key=lambda row: row.value)
        aside = f" ({name})" if name else ""
        peaks.append(f"on day {best.question.column('estimand.day'):g}, {_rate(best.value)}{aside}")
    return f"{capital(contrast_in_words(s))}: power is highest {', '.join(peaks)}"


def over(s: Scenario, rows: Sequence[Row], path: str) -> str:
    """How power runs over one path of the first variant, and where it first is enough."""
    powers = sorted((float(row.question.column(path) or 0), row.value) for row in rows if row.metric == "power")
    if not powers:
        return f"{capital(contrast_in_words(s))} {when(s)}"
    (first, low), (last, high) = powers[0], powers[-1]
    text = (
        f"{capital(contrast_in_words(s))} {when(s)}: power from {_rate(low)} at {first:g} to {_rate(high)} at {last:g}"
    )
    enough = [value for value, power in powers if power >= ENOUGH]
    tail = f"; {_rate(ENOUGH)} first reached at {enough[0]:g}" if enough and low < ENOUGH <= high else ""
    return f"{text} {path_in_words(path)}{tail}"


def over_two(s: Scenario, rows: Sequence[Row]) -> str:
    """In how many of the combinations power is enough."""
    powers = [row.value for row in rows if row.metric == "power"]
    enough = sum(power >= ENOUGH for power in powers)
    cells = f"{enough} of {len(powers)} cells"
    return f"{capital(contrast_in_words(s))} {when(s)}: power is {_rate(ENOUGH)} or more in {cells}"
