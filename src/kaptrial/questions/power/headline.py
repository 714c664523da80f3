"""The answer of a power run in one plain sentence, and its numbers by name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kaptrial.method_table import (
    ATTENDANCE,
    BINARY,
    COUNTS,
    DAYS,
    SCORES,
    TIME,
    USE_COUNTS,
    USE_SHARES,
    USE_TIMES,
    methods,
)
from kaptrial.output.terminal import by_mcse, error
from kaptrial.results import Headline, Value
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import ASSUMPTION

if TYPE_CHECKING:
    from kaptrial.questions.power.characteristics import CellResult

# Numbers of patients, not of one patient's own change, and the least that matter, not the substantial ones.
NOT_LEAST = re.compile("one patient|substantial")
# What power is called by what it is about, and false findings by what is absent.
POWERS = ("power_non_inferiority", "power_better", "power")
FALSE_RATES = {"type_i_error": "type I error", "false_synergy_rate": "false synergy rate"}


def headline(results: Sequence[CellResult], *, seed: int, in_clinic: bool = False) -> Headline:
    """What the first cell's primary question came to, and how power runs over the others.

    `in_clinic`: run in the plan's clinic, whose losses are not those of the protocol.

    Numbers: n_total and n_smallest_arm; lost, the share without a score on the day; power and mcse, and the rate of
    false findings where a null was run; effect, unit and, of scores, the effect in SDs between patients; day, alpha,
    method.
    """
    first = results[0]
    numbers = _numbers(first)
    if not in_clinic:
        numbers["lost"] = share_lost(first.cell.scenario, seed)
    text = sentence(first, numbers)
    if first.cell.columns.get("variant") is not None:
        text = f"{first.cell.columns['variant']}: {text[0].lower()}{text[1:]}"
    return Headline(text=text + _over_cells(results), numbers=numbers)


def sentence(result: CellResult, numbers: Mapping[str, Value]) -> str:
    """What one cell's primary question came to; `numbers`: those of its headline."""
    s = result.cell.scenario
    rate, sides = percent(numbers["power"], numbers["mcse"]), "one" if _is_margin(result) else "two"
    level = f"{sides}-sided α {_level(numbers['alpha'])}"
    if s.null is None:
        goal = goal_in_words(result, numbers) + (_between(s) if len(s.arms) > 1 else "")
        return f"{_size(s, numbers)}, power is {rate} {goal}, {level}, by {method_in_words(s)}{_false(result)}."
    what = f"no effect of the {s.null}, {method_in_words(s)} is significant in {rate} of trials"
    return f"{_size(s, numbers)} and {what}, {level}."


def _false(result: CellResult) -> str:
    """How often the same test is significant without the effect; nothing where no null was run for it."""
    if _is_margin(result):  # the null is that of superiority
        return ""
    rates = [(words, result.primary[metric]) for metric, words in FALSE_RATES.items() if metric in result.primary]
    return "".join(f", at a {words} of {percent(row.value, row.mcse)}" for words, row in rates)


def power_metric(result: CellResult) -> str:
    """The kind of power that the primary question is about; of a scenario under a null, the rate of false findings."""
    rows = result.primary
    return next(name for name in (*POWERS, *FALSE_RATES) if name in rows)


def _is_margin(result: CellResult) -> bool:
    return power_metric(result) == "power_non_inferiority"


def _numbers(result: CellResult) -> dict[str, Value]:
    s, rows, truth = result.cell.scenario, result.primary, result.truths[0]
    power, effect = rows[power_metric(result)], rows["truth"]
    alpha = s.analysis.alpha / 2 if _is_margin(result) else s.analysis.alpha
    numbers: dict[str, Value] = {
        "contrast": s.estimand.contrast,
        "endpoint": s.estimand.endpoint,
        "measure": effect.question.measure,
        "strategies": effect.question.strategies,
        "n_total": s.n_total,
        "n_smallest_arm": round(s.n_total * min(s.ratio) / sum(s.ratio)),
        "power": power.value,
        "mcse": power.mcse,
        "effect": effect.value,
        "unit": unit_of(s, effect.question.measure),
        "day": s.estimand.day,
        "alpha": alpha,
        "method": s.analyses(s.estimand)[0],
    }
    numbers |= {metric: rows[metric].value for metric in ("type_i_error", "false_synergy_rate") if metric in rows}
    if s.estimand.endpoint in SCORES and len(s.arms) > 1:
        weights = s.contrast(s.estimand).weights
        asked = [sd for sd, w in zip(truth.arm_sds, weights, strict=True) if w != 0]
        sd = float(np.sqrt(np.mean(np.square(asked))))
        numbers |= {"sd": sd, "standardised": abs(effect.value) / sd if sd > 0 else math.nan}
    return numbers


def share_lost(s: Scenario, seed: int, blocks: int = 1) -> float:
    """The share of patients without a score on the primary day, in so many blocks of trials."""
    from kaptrial.simulation.simulate import simulate_block

    shares = []
    for block in range(blocks):
        trials = simulate_block(s, seed=seed, block=block)
        column = int(np.searchsorted(trials.days, s.estimand.day))
        shares.append(float(np.isnan(trials.score[..., column]).mean()))
    return sum(shares) / blocks


def unit_of(s: Scenario, measure: str) -> str:
    """The unit of a measure, spelled out."""
    ratios = {"log_odds_ratio": "odds ratio", "log_hazard_ratio": "hazard ratio", "log_rate_ratio": "rate ratio"}
    if measure in ratios:
        return ratios[measure]
    if measure == "rmst_difference":
        return "days"
    own = own_unit(s.estimand.endpoint)
    if measure == "difference" and own is not None:
        return own
    if measure == "risk_difference" or measure in BINARY or s.scale.unit == "percent":
        return "percentage points"
    return f"{s.scale.id} {s.scale.unit}"


def own_unit(endpoint: str) -> str | None:
    """The unit of an endpoint that is not in that of the scale."""
    units = {"count": "events", "sessions_attended": "sessions", "drinks_per_day": "drinks a day"}
    units |= dict.fromkeys(USE_COUNTS, "days")
    return units.get(endpoint)


def _size(s: Scenario, numbers: Mapping[str, Value]) -> str:
    n, arms = s.n_total, len(s.arms)
    lost = numbers.get("lost")
    losses = f", {100 * lost:.0f} % lost by day {s.estimand.day:g}" if isinstance(lost, float) and lost >= 0.005 else ""
    if arms == 1:
        return f"With {n} patients in one arm{losses.replace(', ', ' (', 1) + ')' if losses else ''}"
    if s.factors:
        return f"With {n / arms:g} patients a cell ({n} in all{losses})"
    if len(set(s.ratio)) == 1 and n % arms:
        return f"With {n} patients in {arms} arms{losses.replace(', ', ' (', 1) + ')' if losses else ''}"
    if len(set(s.ratio)) == 1:
        return f"With {n / arms:g} patients an arm ({n} in all{losses})"
    ratio = ":".join(str(x) for x in s.ratio)
    return f"With {n} patients allocated {ratio}{losses.replace(', ', ' (', 1) + ')' if losses else ''}"


def goal_in_words(result: CellResult, numbers: Mapping[str, Value], *, aside: bool = True) -> str:
    """What the trial is to show or detect, and when; `aside`: with SDs and least differences in brackets."""
    s, rows = result.cell.scenario, result.primary
    estimand = s.estimand
    effect = rows["truth"]
    measure, unit, day = str(numbers["measure"]), str(numbers["unit"]), when(s)
    size = in_unit(effect.value, effect.mcse, measure, s)
    if len(s.arms) == 1:
        than = in_unit(estimand.benchmark or 0.0, None, measure, s)
        if estimand.endpoint in BINARY:
            return f"to show that a share of {size} % with {called(estimand.endpoint)} {day} is better than {than} %"
        return f"to show that a mean change of {size} {unit} {day} is better than {than}"
    if _is_margin(result):
        margin = estimand.margin if measure.startswith("log_") else in_unit(estimand.margin or 0.0, None, measure, s)
        sign = "−" if effect.value < 0 and not measure.startswith("log_") else ""
        return f"to show no loss beyond {margin} {unit} {day} (true difference {sign}{size})"
    if measure.startswith("log_"):
        return f"to detect {_article(unit)} {unit} of {size} for {called(estimand.endpoint)} {day}"
    noun = "an interaction" if ":" in estimand.contrast else "a difference"
    about = "" if estimand.endpoint == "score" else f" in {called(estimand.endpoint)}"
    text = f"to detect {noun} of {size} {unit}{about} {day}"
    beside = _beside_effect(s, numbers) if aside else []
    return text + (f" ({'; '.join(beside)})" if beside else "")


def _beside_effect(s: Scenario, numbers: Mapping[str, Value]) -> list[str]:
    """The effect of a score in SDs, and the sourced least important differences."""
    if "standardised" not in numbers:
        return []
    said = [f"{numbers['standardised']:.2f} SD"]
    least = least_differences(s) if s.estimand.endpoint in ("score", "change") else []
    if least:
        ends = dict.fromkeys((f"{min(least):g}", f"{max(least):g}"))
        said.append(f"sourced least important differences {'run from' if len(ends) > 1 else 'are'} {' to '.join(ends)}")
    return said


def least_differences(s: Scenario) -> list[float]:
    """The scale's sourced least important differences, in points: not those of one patient, nor substantial ones."""
    return [
        float(each["value"])
        for each in s.scale.thresholds["mcid"]
        if "value" in each and each["source"] != ASSUMPTION and not NOT_LEAST.search(each["kind"])
    ]


def when(s: Scenario) -> str:
    """The primary day, as part of a sentence."""
    by_day = dict.fromkeys((TIME, "sustained_response", *ATTENDANCE, *USE_TIMES), "by")
    by_day |= dict.fromkeys((DAYS, *COUNTS, "drinks_per_day", *USE_SHARES), "up to")
    return f"{by_day.get(s.estimand.endpoint, 'on')} day {s.estimand.day:g}"


def called(endpoint: str) -> str:
    """What an endpoint is called in a sentence."""
    names = {"percent_abstinent_days": "days abstinent", TIME: "relapse", "auc": "score averaged over time"}
    names |= {"count": "events", "engaged": "engagement", "abstinent_last": "abstinence over the last days"}
    return names.get(endpoint, endpoint.removeprefix("time_to_").replace("_", " "))


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def in_unit(value: float, mcse: float | None, measure: str, s: Scenario) -> str:
    """A value as people read it: ratios from their logs, shares in percentage points, differences without sign."""
    if measure.startswith("log_"):
        return f"{math.exp(value):.2f}"
    factor = 100.0 if measure == "risk_difference" or measure in BINARY else 1.0
    signed = value if len(s.arms) == 1 else abs(value)
    return by_mcse(factor * signed, max(factor * (mcse or 0.0), 0.05)) if mcse is not None else f"{factor * signed:g}"


def _between(s: Scenario) -> str:
    """The arms compared, or what else the primary contrast is of."""
    left, minus, right = s.estimand.contrast.partition(" - ")
    return f" between {left} and {right}" if minus else f" of {left}"


def method_in_words(s: Scenario) -> str:
    """The primary analysis as a paper names it."""
    name = s.analyses(s.estimand)[0]
    row = methods()[name.split()[0]]
    words = row.label or row.summary
    kenward = "df" in row.options and s.analysis.df == "kenward-roger"
    aside = [*name.split()[1:], *(["Kenward–Roger"] if kenward else [])]
    return words + (f" ({', '.join(aside)})" if aside else "")


def percent(value: Value, mcse: Value) -> str:
    """A probability in percent with its Monte Carlo error."""
    assert isinstance(value, float)
    assert isinstance(mcse, float)
    if math.isnan(value):
        return "unknown (no trial could be analysed)"
    return f"{by_mcse(100 * value, 100 * mcse)} % (± {error(100 * mcse)})"


def _level(alpha: Value) -> str:
    assert isinstance(alpha, float)
    return f"{alpha:g}".removeprefix("0")


def _more(result: CellResult) -> str:
    """How much more power a cell has than the first, with the error of the pairs."""
    row = result.primary.get(f"{power_metric(result)}_difference")
    if row is None:
        return ""
    size = by_mcse(100 * abs(row.value), 100 * row.mcse)
    return f": {size} points {'more' if row.value >= 0 else 'less'} (± {error(100 * row.mcse)}, by the same draws)"


def _over_cells(results: Sequence[CellResult]) -> str:
    """How power runs over the cells, where they differ in one number."""
    if len(results) < 2:
        return ""
    names = [name for name in results[0].cell.columns if len({str(r.cell.columns[name]) for r in results}) > 1]
    powers = [r.primary[power_metric(r)] for r in results]
    values = [p.value for p in powers]
    if len(names) == 1 and names[0] != "variant":
        first, last = results[0].cell.columns[names[0]], results[-1].cell.columns[names[0]]
        return (
            f" Over {names[0]} from {first} to {last} it runs from {percent(values[0], powers[0].mcse)}"
            f" to {percent(values[-1], powers[-1].mcse)}{_more(results[-1])}."
        )
    if np.isnan(values).all():
        return ""
    ends = (int(np.nanargmin(values)), int(np.nanargmax(values)))
    low, high = (percent(powers[i].value, powers[i].mcse) for i in ends)
    return f" Over the {len(results)} cells it runs from {low} to {high}."
