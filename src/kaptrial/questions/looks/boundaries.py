"""The boundaries of a group-sequential design as results: a line a look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import ndtr

from kaptrial.errors import ABSENT, FieldError
from kaptrial.estimators.sequential.boundaries import Boundaries, Rule, design, futility_of
from kaptrial.estimators.sequential.delayed import Decisions, decisions
from kaptrial.estimators.sequential.observed import (
    AtEnd,
    AtLook,
    at_observed,
    known_at_end,
    known_at_looks,
    repeated_interval,
)
from kaptrial.estimators.sequential.spending import spending_of
from kaptrial.output.folder import write_folder
from kaptrial.questions.looks.output import figures_of, write_boundaries
from kaptrial.results import Headline, Line, Note, Results, Value, provenance


@dataclass(frozen=True, kw_only=True, repr=False)
class BoundaryResults(Results[Line]):
    """Results of `boundaries`, and the design that they are of; `statistics`: those observed so far."""

    boundaries: Boundaries
    statistics: tuple[float, ...] = ()


def answer(
    *,
    alpha: float,
    sided: int,
    spending: str | Sequence[float],
    information: Sequence[float],
    power: float | None = None,
    futility: str | Sequence[float] | None = None,
    binding: bool = False,
    pending: Sequence[float] | None = None,
    observed: Sequence[float] | None = None,
    statistics: Sequence[float] = (),
    se: float | None = None,
) -> BoundaryResults:
    """A design, at the information its looks had, and what the statistics so far say.

    Raises FieldError for what makes no design, or comes after the trial's end.
    """
    rule = Rule(
        alpha=alpha,
        sided=sided,
        spending=spending_of(spending),
        power=power,
        futility=None if futility is None else futility_of(futility),
        binding=binding,
    )
    found = design(rule, information)
    if observed:
        found = at_observed(found, observed)
    decided = decisions(found, pending) if pending else None
    at_looks = known_at_looks(found, statistics) if statistics else []
    ended = known_at_end(found, statistics) if at_looks and at_looks[-1].verdict != "continue" else None
    if se is not None and (ended is None or not se > 0):
        allowed = "must be above 0" if ended else "goes with `statistics` that end the trial"
        raise FieldError("se", se, allowed)
    numbers = _of_looks(found, decided)
    for line, known in zip(numbers, at_looks, strict=False):
        line |= _known(known)
    if at_looks:
        low, high = repeated_interval(found, statistics)
        for line, z, a, b in zip(numbers, statistics, low, high, strict=False):
            line |= {"statistic": float(z), "repeated_lower": float(a), "repeated_upper": float(b)}
    if ended is not None:
        numbers[ended.look - 1] |= _at_end(ended, 1.0 if se is None else se)
    names = list(dict.fromkeys(name for line in numbers for name in line))
    return BoundaryResults(
        kind="boundaries",
        rows=[Line(numbers={name: line.get(name) for name in names}) for line in numbers],
        provenance=provenance(
            alpha=alpha, sided=sided, spending=_given(spending), power=power, futility=_given(futility), binding=binding
        ),
        notes=_notes(found, decided, ended, se),
        headline=_headline(found, decided),
        figures=figures_of,
        writer=partial(write_folder, write_boundaries),
        boundaries=found,
        statistics=tuple(float(z) for z in statistics),
    )


def _given(way: str | Sequence[float] | None) -> str | list[float] | None:
    return way if way is None or isinstance(way, str) else [float(x) for x in way]


def _of_looks(found: Boundaries, decided: Decisions | None) -> list[dict[str, Value]]:
    """The numbers of each look, those of the whole design with each."""
    rule, k = found.rule, len(found.information)
    drift = decided.drift if decided else found.drift
    ends = decided.information if decided else found.information
    efficacy_null, futility_null = found.stopping(0.0)
    columns: dict[str, Sequence[Value] | None] = {
        "z": _plain(found.upper),
        "z_futility": _plain(found.lower) if found.has_futility else None,
        "p_nominal": _plain(rule.sided * ndtr(-found.upper)),
        "alpha_spent": _plain(found.alpha_spent),
        "beta_spent": _plain(_beta_spent(found)),
        "inflation": [decided.inflation if decided else found.inflation] * k,
        "stop_efficacy_null": _plain(efficacy_null),
        "stop_futility_null": _plain(futility_null),
        "expected_information_null": [_expected(found, ends, 0.0)] * k,
    }
    if drift is not None:
        efficacy, futility = found.stopping(drift)
        columns |= {
            "stop_efficacy": _plain(efficacy),
            "stop_futility": _plain(futility),
            "cumulative_power": _plain(np.cumsum(efficacy)),
            "expected_information_half": [_expected(found, ends, drift / 2)] * k,
            "expected_information": [_expected(found, ends, drift)] * k,
            "drift": [drift] * k,
        }
    if decided is not None:
        columns |= {
            "information_decision": _plain(decided.information),
            "z_decision": _plain(decided.critical),
            "reversal": _plain(decided.reversal),
        }
        if decided.drift is not None:
            columns["rejected"] = _plain(decided.rejecting(decided.drift))
    lines = []
    for i in range(k):
        line: dict[str, Value] = {"look": i + 1, "information": float(found.information[i])}
        line |= {name: None if values is None else values[i] for name, values in columns.items()}
        lines.append(line)
    return lines


def _expected(found: Boundaries, ends: np.ndarray, drift: float) -> float:
    """The mean information at the end, where a trial that stops at a look ends with that of `ends`."""
    efficacy, futility = found.stopping(drift)
    return float(np.sum((efficacy + futility) * ends))


def _beta_spent(found: Boundaries) -> np.ndarray | None:
    """β spent in all by each look: as asked for, or else as futility by the power foreseen comes to spend it."""
    if found.drift is None or not found.has_futility:
        return None
    return np.cumsum(found.stopping(found.drift)[1])


def _plain(values: np.ndarray | None) -> list[Value] | None:
    """As numbers; None where a boundary cannot be crossed."""
    return None if values is None else [float(x) if np.isfinite(x) else None for x in values]


def _known(known: AtLook) -> dict[str, Value]:
    return {
        "verdict": known.verdict,
        "conditional_power": known.conditional,
        "conditional_power_planned": known.conditional_planned,
        "predictive_power": known.predictive,
    }


def _at_end(ended: AtEnd, se: float) -> dict[str, Value]:
    return {
        "p_stagewise": ended.p,
        "naive": ended.naive * se,
        "bias_adjusted": ended.bias_adjusted * se,
        "median_unbiased": ended.median_unbiased * se,
        "lower": ended.lower * se,
        "upper": ended.upper * se,
    }


def _notes(found: Boundaries, decided: Decisions | None, ended: AtEnd | None, se: float | None) -> list[Note]:
    texts = []
    last = found.information[-1]
    if last != 1:
        texts.append(
            ("last_look", f"the last look is at {last:g} of the planned information and spends what is left of alpha")
        )
    if found.rule.power is None:
        texts.append(("no_power", "inflation and what stops under the effect need a power"))
    if found.has_futility and not found.rule.binding:
        texts.append(
            ("non_binding", "futility does not bind: the type I error holds also where the trial goes on beyond it")
        )
    if decided is not None and ended is not None and ended.look < len(found.information):
        texts.append(("under_way", "p and estimates are those of the look, without those who are under way then"))
    if ended is not None and se is None:
        texts.append(("units", "estimates at the end are in units of the standard error at that look"))
    return [Note(code=code, severity="information", text=text) for code, text in texts]


def _headline(found: Boundaries, decided: Decisions | None) -> Headline:
    rule, k = found.rule, len(found.information)
    sides = "two-sided" if rule.sided == 2 else "one-sided"
    text = f"{k} look{'s' if k > 1 else ''}, {sides} alpha {rule.alpha:g}"
    design = decided or found
    numbers: dict[str, Value] = {"looks": k, "inflation": design.inflation}
    if design.inflation is not None and design.drift is not None:
        ends, needs = design.information, design.inflation / float(found.information[-1])
        power = np.sum(decided.rejecting(design.drift) if decided else found.stopping(design.drift)[0])
        means = [needs * _expected(found, ends, drift) for drift in (0.0, design.drift)]
        text += (
            f": {100 * power:.4g} % power with {design.inflation:.4g} times the patients that a trial without looks"
            f" needs; {means[1]:.3g} times on average under the effect, {means[0]:.3g} times without one"
        )
        numbers |= {"power": float(power)}
        numbers |= {"expected_over_fixed": means[1], "expected_over_fixed_null": means[0]}
    return Headline(text=f"{text}.", numbers=numbers)


def needed(information: Sequence[float] | None) -> Sequence[float]:
    """The information of the looks. Raises FieldError where it is not given."""
    if not information:
        raise FieldError("information", ABSENT, "must give the looks as shares of the information, such as .5,1")
    return information
